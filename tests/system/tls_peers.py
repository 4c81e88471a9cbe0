"""Certificates, and servers that speak STARTTLS, for system tests of what the
SMTP and LMTP client does. Loopback only."""

import hashlib
import socket
import socketserver
import ssl
import subprocess
import threading
import time


def openssl(*args, **options):
    return subprocess.run(["openssl", *map(str, args)], check=True,
                          capture_output=True, timeout=60, **options).stdout


class Certificates:
    """An authority and what it has issued, in a directory."""

    def __init__(self, top):
        self.top = top
        self.self_signed("ca", "Test Authority")

    def pem(self, name):
        return self.top / f"{name}.pem"

    def key(self, name):
        return self.top / f"{name}.key"

    def self_signed(self, name, host):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"
                if "." in host else "basicConstraints=critical,CA:TRUE",
                "-keyout", self.key(name), "-out", self.pem(name))
        self.pem(name).chmod(0o644)

    def issue(self, name, host):
        """The file has the authority's certificate behind its own."""
        request = openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj",
                          f"/CN={host}", "-addext",
                          f"subjectAltName=DNS:{host}", "-keyout",
                          self.key(name))
        self.pem(name).write_bytes(openssl(
            "x509", "-req", "-CA", self.pem("ca"), "-CAkey", self.key("ca"),
            "-CAcreateserial", "-days", "2", "-copy_extensions", "copy",
            input=request) + self.pem("ca").read_bytes())

    def key_digest(self, name):
        key = openssl("x509", "-in", self.pem(name), "-noout", "-pubkey")
        return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER",
                                      input=key)).digest()

    def digest(self, name):
        return hashlib.sha256(openssl("x509", "-in", self.pem(name),
                                      "-outform", "DER")).digest()

    def context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pem(name), self.key(name))
        return context


class TlsSink(socketserver.ThreadingTCPServer):
    """Takes mail at `address`; with lmtp=True by LMTP. `taken`: how each
    recipient's message came: "clear", "full" or "resumed". Without a context
    it has no STARTTLS. `slow`: bytes of content a second that it reads."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address, context=None, lmtp=False, port=0, slow=None):
        super().__init__((address, port), Session, bind_and_activate=False)
        if slow:
            # What is under way is little: the client sees how slow it is.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.server_bind()
        self.server_activate()
        self.context, self.lmtp, self.slow = context, lmtp, slow
        self.port = self.server_address[1]
        self.taken = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class Session(socketserver.BaseRequestHandler):
    def handle(self):
        self.how = "clear"
        try:
            self.converse()
        except OSError:
            pass

    def say(self, text):
        self.request.sendall(text.encode() + b"\r\n")

    def take(self, file, recipients):
        self.say("354 go on")
        begin, size, checked = time.monotonic(), 0, 0
        while (line := file.readline()) not in (b".\r\n", b""):
            size += len(line)
            if self.server.slow and size - checked > 32768:
                ahead = size / self.server.slow - (time.monotonic() - begin)
                time.sleep(max(ahead, 0))
                checked = size
        if not line:
            return
        for one in recipients:
            self.server.taken[one] = self.how
        for _ in recipients if self.server.lmtp else "1":
            self.say("250 2.0.0 Ok: taken")

    def converse(self):
        server, file = self.server, self.request.makefile("rb")
        hello = "LHLO" if server.lmtp else "EHLO"
        self.say("220 sink.test")
        recipients = []
        while line := file.readline():
            words = line.decode("latin-1").strip()
            verb = words.upper()
            if verb.startswith(hello):
                offer = server.context and self.how == "clear"
                self.say("250-sink.test\r\n" +
                         ("250-STARTTLS\r\n" if offer else "") +
                         "250 8BITMIME")
            elif verb == "STARTTLS" and server.context:
                self.say("220 2.0.0 Ready")
                self.request = server.context.wrap_socket(self.request,
                                                          server_side=True)
                self.how = ("resumed" if self.request.session_reused
                            else "full")
                file = self.request.makefile("rb")
            elif verb.startswith("RCPT"):
                recipients.append(words[9:].split(">")[0])
                self.say("250 2.1.5 Ok")
            elif verb == "DATA":
                self.take(file, recipients)
                recipients = []
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            elif verb[:4] in ("MAIL", "RSET", "NOOP"):
                self.say("250 2.0.0 Ok")
            else:
                self.say("502 5.5.2 Unknown")
