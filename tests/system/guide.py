"""What the scripts share that follow guides: the machine before the guide
begins, and the programs that people try it with. Programs that are not
installed are named at the end."""

import base64
import os
import shutil
import smtplib
import ssl
import subprocess
import sys
import threading
import traceback

from peers import Sink
from suite import Suite, free_port

left_out = set()


def have(program):
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    if not found:
        left_out.add(program)
    return found


def run(*command, **options):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, **options)


class Machine:
    """What the guides have before they begin: a name, a certificate."""

    def __init__(self, bin_dir):
        self.suite = Suite.real(bin_dir)
        self.submission, self.smtps = free_port(), free_port()
        self.key, self.chain = (self.suite.top / name
                                for name in ("privkey.pem", "fullchain.pem"))
        done = run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                   "-keyout", self.key, "-out", self.chain, "-days", "2",
                   "-subj", "/CN=mail.example.com")
        assert done.returncode == 0, done.stdout
        self.key.chmod(0o600)
        self.sink = Sink(self.server_context())

    def server_context(self):
        """Of the next host, which asks clients for a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(self.chain)
        return context

    def configure(self, guide, rows, **settings):
        """The base of the machine, then the guide's own lines."""
        base = {"mydomain": "example.com", "alias_maps": "",
                "mynetworks": "127.0.0.9/32", "smtpd_peername_lookup": "no",
                "smtpd_error_sleep_time": "0"}
        self.suite.configure(rows=rows, **{**base, **settings})
        file = self.suite.conf / "main.conf"
        file.write_text(file.read_text() + guide)

    def connect(self, port):
        client = smtplib.SMTP("127.0.0.1", port, local_hostname="laptop.test",
                              timeout=30, source_address=("127.0.0.2", 0))
        client.ehlo()
        return client

    def secured(self, port):
        client = self.connect(port)
        client.starttls(context=trusting())
        client.ehlo()
        return client

    def close(self):
        self.suite.close()
        self.sink.shutdown()


def trusting():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# --- clients ---

def by_openssl(port, user, password, sender, recipient):
    """What openssl s_client shows of a session typed into it."""
    plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    # It reads on; lines must wait for their replies.
    talk = [("EHLO laptop.test", "250-AUTH "), (f"AUTH PLAIN {plain}", "235 "),
            (f"MAIL FROM:<{sender}>", "250 2.1.0 "),
            (f"rcpt TO:<{recipient}>", "250 2.1.5 "), ("DATA", "354 "),
            ("Subject: by s_client\n\nhello\n.", "250 2.0.0 "),
            ("QUIT", "221 ")]
    child = subprocess.Popen(
        ["openssl", "s_client", "-starttls", "smtp", "-crlf", "-quiet",
         "-ign_eof", "-connect", f"127.0.0.1:{port}"], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    patience = threading.Timer(60, child.kill)
    patience.start()
    shown = ""
    for line, expected in talk:
        child.stdin.write(line + "\n")
        child.stdin.flush()
        while (reply := child.stdout.readline()):
            shown += reply
            if reply.startswith(expected):
                break
            assert reply[0] == "2", shown
    child.communicate()
    patience.cancel()
    return shown


def by_swaks(port, user, password, sender, recipient, *more):
    return run("swaks", "--server", f"127.0.0.1:{port}", "--auth",
               "--auth-user", user, "--auth-password", password, "--from",
               sender, "--to", recipient, "--helo", "laptop.test",
               "--header", "Subject: by swaks", *more)


def by_curl(url, user, password, sender, recipient):
    return run("curl", "-sv", "--ssl-reqd", "-k", url, "--user",
               f"{user}:{password}", "--mail-from", sender, "--mail-rcpt",
               recipient, "-T", "-", input="Subject: by curl\r\n\r\nhello\r\n")


def by_s_nail(port, user, password, sender, recipient):
    """s-nail, told of its server as its manual says."""
    return run("s-nail", "-n", "-S", "v15-compat", "-S",
               f"mta=smtp://{user}:{password}@127.0.0.1:{port}", "-S",
               "smtp-use-starttls", "-S", "tls-verify=ignore", "-S",
               "smtp-auth=plain", "-S", f"from={sender}", "-S",
               "hostname=laptop.test", "-s", "by s-nail", recipient,
               input="hello\n")


def follow(tests):
    """Runs each on a machine of its own; the exit status of the script."""
    if not have("openssl"):
        print("openssl is not installed")
        return 77
    failed = 0
    for test in tests:
        machine = Machine(sys.argv[1])
        try:
            test(machine)
            print("ok  ", test.__name__)
        except Exception:
            failed += 1
            print("FAIL", test.__name__)
            traceback.print_exc(file=sys.stdout)
            print("\n".join(machine.suite.log().splitlines()[-60:]))
        finally:
            machine.close()
    if left_out:
        print("not installed, left out:", ", ".join(sorted(left_out)))
    return 1 if failed else 0
