#!/usr/bin/env python3
"""Every TLS level of the client against every kind of server: what goes out
encrypted, what in the clear, what waits. One message with a recipient for
each pair; a name server that signs its zones; what counts is what the servers
saw.

    outbound_matrix_test.py BIN [DOCUMENT]

DOCUMENT has the table between two markers and must agree with what happened;
with UPDATE=1 in the environment it is written."""

import hashlib
import os
import pathlib
import re
import smtplib
import socket
import socketserver
import ssl
import subprocess
import sys
import threading

from signed_dns import Server, Zone
from suite import Suite, wait_until

LEVELS = ("none", "may", "encrypt", "fingerprint", "verify", "secure", "dane",
          "dane-only")
MANDATORY = ("encrypt", "fingerprint", "verify", "secure", "dane-only")

# Kind of server: its name in the table, and what must happen by level.
# T: sent over TLS; C: sent in the clear; L: in the clear, on a later try; w:
# the message waits.
PEERS = {
    "notls": ("no TLS", "C C w w w w C w"),
    "refused": ("STARTTLS refused", "C C w w w w C w"),
    "aborted": ("handshake aborted", "C L w w w w L w"),
    "old": ("only TLS 1.0", "C T w w w w T w"),
    "selfsigned": ("self-signed", "C T T w w w T w"),
    "wrongname": ("wrong name", "C T T w w w T w"),
    "expired": ("expired", "C T T w w w T w"),
    "valid": ("valid", "C T T T T T T w"),
    "daneright": ("TLSA right", "C T T w w w T T"),
    "danewrong": ("TLSA wrong", "C T T w w w w w"),
    "daneforged": ("TLSA forged", "C T T w w w w w"),
    "bogus": ("whole zone forged", "w w w w w w w w"),
}
WORDS = {"T": "TLS", "C": "clear", "L": "clear, later", "w": "waits"}
BEGIN = "<!-- outbound_matrix_test.py prints this table -->"
END = "<!-- end of the table -->"


class Certificates:
    def __init__(self, top):
        self.top = top
        self.run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9",
                 "-subj", "/CN=Test Authority", "-keyout", "ca.key", "-out",
                 "ca.pem")
        self.issue("valid", "*.dane.test")
        self.issue("wrongname", "elsewhere.test")
        self.issue("expired", "*.dane.test", past=True)
        self.run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9",
                 "-subj", "/CN=self.test", "-addext",
                 "subjectAltName=DNS:*.dane.test", "-keyout", "self.key",
                 "-out", "self.pem")

    def run(self, *args, **options):
        return subprocess.run(["openssl", *args], cwd=self.top, check=True,
                              capture_output=True, **options).stdout

    def issue(self, name, host, past=False):
        self.run("req", "-newkey", "rsa:2048", "-nodes", "-subj",
                 f"/CN={host}", "-keyout", f"{name}.key", "-out",
                 f"{name}.csr")
        (self.top / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\n")
        if not past:
            self.run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem",
                     "-CAkey", "ca.key", "-CAcreateserial", "-days", "9",
                     "-extfile", f"{name}.ext", "-out", f"{name}.pem")
            return
        # x509(1) cannot make a certificate of the past; ca(1) can.
        (self.top / "index.txt").write_text("")
        (self.top / "ca.cnf").write_text(
            "[ca]\ndefault_ca = a\n[a]\ndatabase = index.txt\n"
            "new_certs_dir = .\nserial = serial\ndefault_md = sha256\n"
            "policy = p\nunique_subject = no\n[p]\ncommonName = supplied\n")
        (self.top / "serial").write_text("0A\n")
        self.run("ca", "-batch", "-config", "ca.cnf", "-in", f"{name}.csr",
                 "-cert", "ca.pem", "-keyfile", "ca.key", "-extfile",
                 f"{name}.ext", "-startdate", "20200101000000Z", "-enddate",
                 "20200201000000Z", "-notext", "-out", f"{name}.pem")

    def fingerprint(self, name):
        text = self.run("x509", "-in", f"{name}.pem", "-noout", "-fingerprint",
                        "-sha256").decode()
        return text.strip().split("=")[1]

    def key_digest(self, name):
        key = self.run("x509", "-in", f"{name}.pem", "-noout", "-pubkey")
        der = self.run("pkey", "-pubin", "-outform", "DER", input=key)
        return hashlib.sha256(der).digest()

    def context(self, name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.top / f"{name}.pem",
                                self.top / f"{name}.key")
        return context


class Peer(socketserver.ThreadingTCPServer):
    """Takes mail; `taken`: which recipient came how."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, kind, context):
        super().__init__(("127.0.0.1", 0), PeerSession)
        self.kind, self.context = kind, context
        self.port = self.server_address[1]
        self.taken = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()


class PeerSession(socketserver.BaseRequestHandler):
    def handle(self):
        self.tls = False
        try:
            self.converse(self.request)
        except (OSError, ssl.SSLError):
            pass

    def say(self, text):
        self.request.sendall(text.encode() + b"\r\n")

    def start_tls(self):
        if self.server.kind == "aborted":
            self.request.recv(1)
            return False
        self.request = self.server.context.wrap_socket(self.request,
                                                       server_side=True)
        self.tls = True
        return True

    def converse(self, _):
        kind = self.server.kind
        self.say("220 peer.test ESMTP")
        file = self.request.makefile("rb")
        recipients = []
        while line := file.readline():
            words = line.decode("latin-1").strip()
            verb = words.upper()
            if verb.startswith("EHLO"):
                offer = kind != "notls" and not self.tls
                self.say("250-peer.test\r\n" +
                         ("250-STARTTLS\r\n" if offer else "") +
                         "250 8BITMIME")
            elif verb == "STARTTLS" and kind == "refused":
                self.say("454 4.7.0 TLS not available")
            elif verb == "STARTTLS":
                self.say("220 2.0.0 Ready")
                if not self.start_tls():
                    return
                file = self.request.makefile("rb")
            elif verb.startswith("RCPT"):
                recipients.append(words[9:].split(">")[0])
                self.say("250 2.1.5 Ok")
            elif verb == "DATA":
                self.say("354 go on")
                while file.readline() not in (b".\r\n", b""):
                    pass
                for one in recipients:
                    self.server.taken[one] = "T" if self.tls else "C"
                recipients = []
                self.say("250 2.0.0 Ok")
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            else:
                self.say("250 2.0.0 Ok")


def make_peers(certificates):
    files = {"valid": "valid", "old": "valid", "wrongname": "wrongname",
             "expired": "expired"}
    peers = {}
    for kind in PEERS:
        context = certificates.context(files.get(kind, "self"))
        if kind == "old":
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1
            context.set_ciphers("ALL:@SECLEVEL=0")
        peers[kind] = Peer(kind, context)
    return peers


def host_of(level, kind):
    zone = "bogus.test" if kind == "bogus" else "dane.test"
    return f"{level}-{kind}.{zone}"


def make_zones(peers, certificates):
    good, forged = Zone("dane.test", forged=set()), Zone("bogus.test", "all")
    right = bytes([3, 1, 1]) + certificates.key_digest("self")
    wrong = bytes([3, 1, 1]) + bytes(32)
    for kind, peer in peers.items():
        zone = forged if kind == "bogus" else good
        for level in LEVELS:
            host = host_of(level, kind)
            tlsa = f"_{peer.port}._tcp.{host}"
            zone.add(host, "A", socket.inet_aton("127.0.0.1"))
            if kind == "danewrong":
                zone.add(tlsa, "TLSA", wrong)
            elif kind.startswith("dane") or kind == "bogus":
                zone.add(tlsa, "TLSA", right)
            if kind == "daneforged":
                good.forged.add((tlsa, "TLSA"))
            if (tlsa, "TLSA") not in zone.records:
                zone.absence(tlsa)
    for zone in (good, forged):
        zone.sign_all()
    return [good, forged]


def recipient(level, kind):
    return f"x@{level}-{kind}.mail.test"


def configure(suite, peers, zones, certificates, dns):
    files = suite.top / "files"
    routes, policies = [], []
    match = "match=" + certificates.fingerprint("valid")
    for kind, peer in peers.items():
        for level in LEVELS:
            hop = f"[{host_of(level, kind)}]:{peer.port}"
            routes.append(f"{level}-{kind}.mail.test smtp:{hop}\n")
            extra = " " + match if level == "fingerprint" else ""
            policies.append(f"{hop} {level}{extra}\n")
    (files / "transport").write_text("".join(routes))
    (files / "policy").write_text("".join(policies))
    (files / "anchors").write_text("".join(z.anchor() for z in zones))
    for path in files.iterdir():
        path.chmod(0o644)
    suite.configure(
        transport_maps=f"texthash:{files}/transport",
        smtp_tls_policy_maps=f"texthash:{files}/policy",
        smtp_tls_security_level="encrypt",
        smtp_tls_CAfile=f"{files}/ca.pem",
        smtp_tls_mandatory_protocols=">=TLSv1.2",
        smtp_tls_loglevel="1",
        smtp_dns_support_level="dnssec",
        dns_servers=dns.address,
        dns_trust_anchor_file=f"{files}/anchors",
        minimal_backoff_time="2s",
        maximal_backoff_time="2s",
        queue_run_delay="1s",
        default_destination_rate_delay="0")


def send(suite, peers):
    smtp = smtplib.SMTP("127.0.0.1", suite.port, timeout=60)
    refused = smtp.sendmail(
        "sender@mail.test",
        [recipient(level, kind) for kind in peers for level in LEVELS],
        "Subject: matrix\n\ntext\n")
    assert not refused, refused
    smtp.quit()


def attempts(suite, who):
    """How each try for a recipient ended, in order."""
    return re.findall(rf"to=<{re.escape(who)}>,.* status=(\w+) \((.*)\)",
                      suite.log())


def outcome(suite, peers, level, kind):
    who = recipient(level, kind)
    how = peers[kind].taken.get(who, "w")
    tries = attempts(suite, who)
    if how == "C" and len(tries) > 1:
        return "L"
    return how


def settled(suite, peers):
    """Every recipient was tried twice, or has its message. What is to go out
    later does so once minimal_backoff_time is over, at whichever try."""
    def done(level, kind):
        who = recipient(level, kind)
        due = dict(zip(LEVELS, PEERS[kind][1].split()))[level]
        return (who in peers[kind].taken or
                due != "L" and len(attempts(suite, who)) > 1)
    return all(done(level, kind) for kind in peers for level in LEVELS)


def table(found):
    head = "| server | " + " | ".join(LEVELS) + " |"
    lines = [head, "| --- " * (len(LEVELS) + 1) + "|"]
    for kind, (title, _) in PEERS.items():
        cells = [WORDS[found[level, kind]] for level in LEVELS]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def compare(found):
    wrong = []
    for kind, (title, expected) in PEERS.items():
        for level, due in zip(LEVELS, expected.split()):
            got = found[level, kind]
            if level in MANDATORY and got in "CL":
                wrong.append(f"SILENT DOWNGRADE: {level}, {title}")
            if got != due:
                wrong.append(f"{level}, {title}: {WORDS[got]}, expected "
                             f"{WORDS[due]}")
    return wrong


def reasons(suite):
    """The end of the log, short enough to read."""
    keep = os.environ.get("KEEP_LOG")
    if keep:
        pathlib.Path(keep).write_text(suite.log())
    return "\n".join(suite.log().splitlines()[-15:])


def check_document(path, text):
    content = path.read_text()
    before, rest = content.split(BEGIN)
    old, after = rest.split(END)
    if old.strip() == text.strip():
        return
    if os.environ.get("UPDATE"):
        path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
        return
    raise AssertionError(f"the table in {path} is another; UPDATE=1 writes it")


def main(bin_dir, document=None):
    suite = Suite.real(bin_dir)
    try:
        files = suite.top / "files"
        files.mkdir(mode=0o755)
        certificates = Certificates(files)
        peers = make_peers(certificates)
        zones = make_zones(peers, certificates)
        configure(suite, peers, zones, certificates, Server(zones))
        suite.start()
        send(suite, peers)
        wait_until(lambda: settled(suite, peers), 150)
        found = {(level, kind): outcome(suite, peers, level, kind)
                 for level in LEVELS for kind in peers}
        text = table(found)
        print(text)
        wrong = compare(found)
        if wrong:
            raise AssertionError("\n".join(wrong) + "\n" + reasons(suite))
        if document:
            check_document(pathlib.Path(document), text)
    finally:
        suite.close()


main(*sys.argv[1:])
