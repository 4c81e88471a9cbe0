#!/usr/bin/env python3
"""Log-ins that rest on TLS, as whole sessions: SCRAM bound to its channel
(RFC 5802; tls-exporter of RFC 9266, tls-server-end-point and tls-unique of
RFC 5929), and EXTERNAL by a client's certificate.

    sasl_tls_test.py BIN

Bindings are what OpenSSL's s_client and Python's ssl say they are."""

import base64
import hashlib
import hmac
import re
import socket
import ssl
import subprocess
import sys

from peers import Sink
from suite import Suite, wait_until

PASSWORD = "pencil sharpener"


def openssl(*args, **options):
    return subprocess.run(["openssl", *map(str, args)], check=True,
                          capture_output=True, timeout=60, **options).stdout


class Certificates:
    def __init__(self, top):
        self.top = top
        self.top.mkdir(mode=0o755)
        self.self_signed("ca", "Test Authority")
        self.self_signed("stranger", "ann@example.com")
        # RFC 5929 section 4.1: the hash is that of the signature, but SHA-256
        # where that is MD5 or SHA-1.
        self.self_signed("server", "mail.example.com", "-sha384")
        for name in ("ann@example.com", "nobody@example.com"):
            self.issue(name)
        for path in self.top.iterdir():
            path.chmod(0o644)

    def self_signed(self, name, subject, *more):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                "-subj", f"/CN={subject}", "-keyout", self.key(name), "-out",
                self.pem(name), *more)

    def issue(self, name):
        request = openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj",
                          f"/CN={name}", "-keyout", self.key(name))
        self.pem(name).write_bytes(openssl(
            "x509", "-req", "-CA", self.pem("ca"), "-CAkey", self.key("ca"),
            "-CAcreateserial", "-days", "2", input=request))

    def pem(self, name):
        return self.top / f"{name}.pem"

    def key(self, name):
        return self.top / f"{name}.key"


class Session:
    """SMTP after STARTTLS, by Python's ssl."""

    def __init__(self, port, version, certificate=None, session=None):
        # From outside of mynetworks.
        raw = socket.create_connection(("127.0.0.1", port), 30,
                                       ("127.0.0.2", 0))
        self.file = raw.makefile("rb")
        self.socket = raw
        self.reply("220")
        self.say("EHLO client.test", "250")
        self.say("STARTTLS", "220")
        self.file.close()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        if certificate:
            context.load_cert_chain(*certificate)
        if session:
            context = session[0]
        self.context = context
        self.socket = context.wrap_socket(
            raw, session=session[1] if session else None)
        self.file = self.socket.makefile("rb")
        self.offers = self.say("EHLO client.test", "250")

    def reply(self, expect=None):
        text = ""
        while not re.search(r"^\d\d\d .*\r\n\Z", text, re.M):
            line = self.file.readline()
            assert line, f"hung up after {text!r}"
            text += line.decode()
        assert expect is None or text.startswith(expect), text
        return text

    def say(self, line, expect=None):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply(expect)

    def unique(self):
        return self.socket.get_channel_binding("tls-unique")

    def end_point(self):
        return hashlib.sha384(self.socket.getpeercert(True)).digest()

    def close(self):
        self.file.close()
        self.socket.close()


class ExporterSession:
    """The same by s_client, which tells what RFC 9266 binds to."""

    def __init__(self, port):
        self.child = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-bind",
             "127.0.0.2", "-starttls", "smtp", "-tls1_3", "-crlf",
             "-nocommands", "-ign_eof", "-keymatexport",
             "EXPORTER-Channel-Binding", "-keymatexportlen", "32"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.exported = bytes.fromhex(
            self.until(rb"Keying material: ([0-9A-F]{64})"))
        self.say("EHLO client.test")
        self.offers = self.until(rb"^(250-AUTH .*)")
        self.until(rb"^(250 .*)")

    def until(self, pattern):
        while line := self.child.stdout.readline():
            if found := re.search(pattern, line.rstrip(b"\r\n")):
                return found.group(1).decode()
        raise AssertionError(f"s_client ended before {pattern}")

    def say(self, line):
        self.child.stdin.write(line.encode() + b"\n")
        self.child.stdin.flush()

    def ask(self, line):
        self.say(line)
        return self.until(rb"^([2-5]\d\d .*)")

    def close(self):
        self.child.kill()
        self.child.communicate()


def asker(session):
    """One line and its answer, whichever kind of session."""
    return session.ask if isinstance(session, ExporterSession) else session.say


def decoded(reply):
    assert reply.startswith("334 "), reply
    return base64.b64decode(reply[4:])


def encoded(data):
    return base64.b64encode(data).decode()


def scram(session, mechanism, header, data=b"", password=PASSWORD,
          user="ann@example.com"):
    """A whole exchange (RFC 5802 section 5, RFC 7677); the last reply. The
    server's own signature is checked."""
    ask = asker(session)
    bare = b"n=" + user.encode() + b",r=clientnonce"
    challenge = ask(f"AUTH {mechanism} " + encoded(header + bare))
    if not challenge.startswith("334 "):
        return challenge
    first = decoded(challenge)
    fields = dict(part.split(b"=", 1) for part in first.split(b","))
    assert fields[b"r"].startswith(b"clientnonce"), first
    digest = "sha256" if "256" in mechanism else "sha1"
    salted = hashlib.pbkdf2_hmac(digest, password.encode(),
                                 base64.b64decode(fields[b"s"]),
                                 int(fields[b"i"]))
    without = b"c=" + base64.b64encode(header + data) + b",r=" + fields[b"r"]
    message = b",".join((bare, first, without))
    key = hmac.digest(salted, b"Client Key", digest)
    signature = hmac.digest(hashlib.new(digest, key).digest(), message, digest)
    proof = bytes(a ^ b for a, b in zip(key, signature))
    verdict = ask(encoded(without + b",p=" + base64.b64encode(proof)))
    if not verdict.startswith("334 "):
        return verdict
    server = hmac.digest(hmac.digest(salted, b"Server Key", digest), message,
                         digest)
    assert decoded(verdict) == b"v=" + base64.b64encode(server), verdict
    return ask("")


def succeeds(reply):
    assert reply.startswith("235 2.7.0 "), reply


def fails(reply):
    assert reply.startswith("535 5.7.8 "), reply


def relays(stage, session, token):
    """Who is logged in may send to others."""
    session.say("MAIL FROM:<ann@example.com>", "250")
    session.say("RCPT TO:<x@elsewhere.test>", "250")
    session.say("DATA", "354")
    session.say(f"Subject: {token}\r\n\r\nx\r\n.", "250")
    wait_until(lambda: any(f"Subject: {token}" in text
                           for text in stage.sink.texts()), 30)


def binds_to_the_exporter_in_tls_1_3(stage):
    for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"):
        session = ExporterSession(stage.suite.port)
        assert mechanism in session.offers.split(), session.offers
        succeeds(scram(session, mechanism, b"p=tls-exporter,,",
                       session.exported))
        session.close()
    # What another connection would have: a man in the middle's.
    first = ExporterSession(stage.suite.port)
    second = ExporterSession(stage.suite.port)
    assert first.exported != second.exported
    fails(scram(second, "SCRAM-SHA-256-PLUS", b"p=tls-exporter,,",
                first.exported))
    # RFC 9266 section 3: tls-unique is no binding of TLS 1.3.
    fails(scram(first, "SCRAM-SHA-256-PLUS", b"p=tls-unique,,",
                first.exported))
    first.close()
    second.close()
    stage.suite.logged("logged in: user=<ann@example.com>, "
                       "method=SCRAM-SHA-256-PLUS, ")
    stage.suite.logged("the channel binding is another")


def binds_to_the_certificate(stage):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        session = stage.session(version)
        assert "SCRAM-SHA-256-PLUS" in session.offers, session.offers
        succeeds(scram(session, "SCRAM-SHA-256-PLUS",
                       b"p=tls-server-end-point,,", session.end_point()))
        relays(stage, session, f"end-point-{version.name}")
        session.close()
        session = stage.session(version)
        other = hashlib.sha384(b"another certificate").digest()
        fails(scram(session, "SCRAM-SHA-256-PLUS",
                    b"p=tls-server-end-point,,", other))
        # It may try once more, as after any failure.
        succeeds(scram(session, "SCRAM-SHA-256-PLUS",
                       b"p=tls-server-end-point,,", session.end_point()))
        session.close()


def binds_to_the_handshake_up_to_tls_1_2(stage):
    session = stage.session(ssl.TLSVersion.TLSv1_2)
    succeeds(scram(session, "SCRAM-SHA-256-PLUS", b"p=tls-unique,,",
                   session.unique()))
    old = session.unique()
    # Resumed, the first to say Finished is the server.
    again = stage.session(ssl.TLSVersion.TLSv1_2,
                          session=(session.context, session.socket.session))
    assert again.socket.session_reused
    fails(scram(again, "SCRAM-SHA-256-PLUS", b"p=tls-unique,,", old))
    succeeds(scram(again, "SCRAM-SHA-256-PLUS", b"p=tls-unique,,",
                   again.unique()))
    # There is no exporter as RFC 9266 wants it.
    session.close()
    again.close()
    session = stage.session(ssl.TLSVersion.TLSv1_2)
    fails(scram(session, "SCRAM-SHA-256-PLUS", b"p=tls-exporter,,",
                bytes(32)))
    session.close()


def without_binding_it_is_scram_as_ever(stage):
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-1"):
        session = stage.session()
        succeeds(scram(session, mechanism, b"n,,"))
        relays(stage, session, mechanism)
        session.close()
    session = stage.session()
    fails(scram(session, "SCRAM-SHA-256", b"n,,", password="wrong"))
    # The same words for one who is not there.
    known = scram(session, "SCRAM-SHA-256", b"n,,", password="wrong")
    unknown = scram(session, "SCRAM-SHA-256", b"n,,", user="eve@example.com")
    assert known == unknown, (known, unknown)
    session.close()


def an_offer_that_was_taken_away_is_noticed(stage):
    session = stage.session()
    # "y": I could, and you were not heard to offer it.
    fails(scram(session, "SCRAM-SHA-256", b"y,,"))
    # Nor is a -PLUS mechanism one without its binding.
    fails(scram(session, "SCRAM-SHA-256-PLUS", b"n,,"))
    succeeds(scram(session, "SCRAM-SHA-256", b"n,,"))
    session.close()
    stage.suite.logged("channel binding was tampered with")


def a_certificate_says_who_it_is(stage):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for response in ("=", encoded(b"ann@example.com")):
            session = stage.session(version, "ann@example.com")
            assert "EXTERNAL" in session.offers, session.offers
            succeeds(session.say(f"AUTH EXTERNAL {response}"))
            relays(stage, session, f"external-{version.name}-{response}")
            session.close()
    # Without an initial response the server asks for one.
    session = stage.session(certificate="ann@example.com")
    assert session.say("AUTH EXTERNAL") == "334 \r\n"
    succeeds(session.say(""))
    session.close()
    stage.suite.logged("sasl_method=EXTERNAL, sasl_username=ann@example.com")


def a_certificate_says_no_more_than_that(stage):
    session = stage.session(certificate="ann@example.com")
    fails(session.say("AUTH EXTERNAL " + encoded(b"bob@example.com")))
    session.say("MAIL FROM:<bob@example.com>", "250")
    session.say("RCPT TO:<x@elsewhere.test>", "454")
    session.close()
    # Trusted, and no user of ours.
    session = stage.session(certificate="nobody@example.com")
    fails(session.say("AUTH EXTERNAL ="))
    session.close()
    # Nobody vouches for it; and none at all.
    for certificate in ("stranger", None):
        session = stage.session(certificate=certificate)
        assert "EXTERNAL" not in session.offers, session.offers
        fails(session.say("AUTH EXTERNAL " + encoded(b"ann@example.com")))
        session.close()


class Stage:
    def __init__(self, bin_dir):
        self.suite = Suite.real(bin_dir)
        self.sink = Sink()
        self.files = Certificates(self.suite.top / "files")
        self.suite.configure(
            mynetworks="127.0.0.9/32", mydestination="mail.example.com",
            alias_maps="", local_recipient_maps="",
            relayhost=f"[127.0.0.1]:{self.sink.port}",
            smtpd_peername_lookup="no", smtpd_error_sleep_time="0",
            smtpd_hard_error_limit="50", auth_failure_delay="0",
            auth_account_failure_limit="0", auth_address_failure_limit="0",
            auth_network_failure_limit="0", auth_hash_memory="16384",
            smtpd_tls_security_level="may", smtpd_tls_auth_only="yes",
            smtpd_tls_cert_file=self.files.pem("server"),
            smtpd_tls_key_file=self.files.key("server"),
            smtpd_tls_CAfile=self.files.pem("ca"),
            smtpd_tls_ask_ccert="yes", smtpd_sasl_auth_enable="yes",
            smtpd_sasl_type="postern",
            # As in Postfix, EXTERNAL is not offered unasked.
            smtpd_sasl_mechanism_filter="static:all")

    def session(self, version=ssl.TLSVersion.TLSv1_3, certificate=None,
                session=None):
        pair = certificate and (self.files.pem(certificate),
                                self.files.key(certificate))
        return Session(self.suite.port, version, pair, session)

    def start(self):
        self.suite.start()
        done = subprocess.run(
            [self.suite.bin / "postuser", "-c", self.suite.conf, "add",
             "ann@example.com"], input=PASSWORD + "\n", text=True,
            capture_output=True, timeout=90)
        assert done.returncode == 0, done

    def close(self):
        self.suite.close()
        self.sink.shutdown()


def main(bin_dir):
    stage = Stage(bin_dir)
    try:
        stage.start()
        for step in (binds_to_the_exporter_in_tls_1_3,
                     binds_to_the_certificate,
                     binds_to_the_handshake_up_to_tls_1_2,
                     without_binding_it_is_scram_as_ever,
                     an_offer_that_was_taken_away_is_noticed,
                     a_certificate_says_who_it_is,
                     a_certificate_says_no_more_than_that):
            print(step.__name__.replace("_", " "), flush=True)
            step(stage)
        assert PASSWORD not in stage.suite.log()
    except BaseException:
        print(stage.suite.log())
        raise
    finally:
        stage.close()


main(sys.argv[1])
