#!/usr/bin/env python3
"""Log-ins against a real Dovecot: sasl_test.py BIN. Skipped (77) where Dovecot
is not installed."""

import base64
import hashlib
import hmac
import os
import smtplib
import sys
import traceback

import dovecot
import suite as suites
from peers import Sink

USERS = {"alice": "secret", "bob": "hunter2"}


class Stage:
    """A suite whose clients come as strangers, a Dovecot, a next host."""

    def __init__(self, bin_dir):
        self.suite = suites.Suite.real(bin_dir)
        self.sink = Sink()
        self.inet = suites.free_port()
        self.tcp_port = suites.free_port()
        self.dovecot = dovecot.Dovecot(
            self.suite.top / "dovecot", self.suite.top / "queue/private/auth",
            self.tcp_port, USERS)
        self.suite.configure(
            mynetworks="127.0.0.9/32", mydestination="mail.example.com",
            alias_maps="", local_recipient_maps="",
            relayhost=f"[127.0.0.1]:{self.sink.port}",
            smtpd_peername_lookup="no", smtpd_error_sleep_time="0",
            smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot",
            smtpd_sasl_path="private/auth",
            smtpd_sasl_authenticated_header="yes",
            rows=f"{self.inet} inet n - n - - smtpd\n"
                 f"  -o smtpd_sasl_path=inet:127.0.0.1:{self.tcp_port}\n")

    def client(self, port=None):
        client = smtplib.SMTP("127.0.0.1", port or self.suite.port,
                              local_hostname="client.test", timeout=30,
                              source_address=("127.0.0.2", 0))
        client.ehlo()
        return client

    def close(self):
        self.suite.close()
        self.dovecot.stop()
        self.sink.shutdown()


def auth(client, method, *steps):
    """Raw AUTH with responses; the last reply."""
    reply = client.docmd("AUTH", method)
    for step in steps:
        assert reply[0] == 334, reply
        reply = client.docmd(base64.b64encode(step).decode() if
                             isinstance(step, bytes) else step(reply[1]))
    return reply


def passwords_let_in_and_relay(stage):
    for method in ("auth_plain", "auth_login", "auth_cram_md5"):
        client = stage.client()
        client.user, client.password = "alice", "secret"
        name = method[5:].upper().replace("_", "-")
        client.auth(name, getattr(client, method))
        client.sendmail("alice@mail.example.com", ["x@elsewhere.test"],
                        f"Subject: by {name}\n\ntext\n")
        client.quit()
        suites.wait_until(lambda: any(
            f"Subject: by {name}" in text and
            "(Authenticated sender: alice)" in text and
            "with ESMTPA id" in text for text in stage.sink.texts()), 30)
        stage.suite.logged(
            f"client=unknown[127.0.0.2], sasl_method={name}, "
            "sasl_username=alice")


def wrong_passwords_do_not(stage):
    client = stage.client()
    code, text = client.docmd("AUTH", "PLAIN AGFsaWNlAHdyb25n")
    assert (code, text) == (
        535, b"5.7.8 Error: authentication failed: (reason unavailable)"), text
    client.mail("alice@mail.example.com")
    code, text = client.rcpt("x@elsewhere.test")
    assert code == 454 and b"Relay access denied" in text, text
    stage.suite.logged("warning: unknown[127.0.0.2]: SASL PLAIN authentication "
                       "failed: (reason unavailable), sasl_username=alice")
    client.close()


def scram(method, user, password, binding=b"n,,"):
    """Steps of RFC 5802 for auth(); checks the server's signature too."""
    digest = "sha256" if "256" in method else "sha1"
    bare = b"n=" + user + b",r=clientnonce"
    kept = {}

    def final(challenge):
        first = base64.b64decode(challenge)
        fields = dict(part.split(b"=", 1) for part in first.split(b","))
        salted = hashlib.pbkdf2_hmac(digest, password,
                                     base64.b64decode(fields[b"s"]),
                                     int(fields[b"i"]))
        mac = lambda key, text: hmac.new(key, text, digest).digest()
        key = mac(salted, b"Client Key")
        without = (b"c=" + base64.b64encode(binding) + b",r=" + fields[b"r"])
        message = b",".join((bare, first, without))
        signature = mac(hashlib.new(digest, key).digest(), message)
        kept["server"] = mac(mac(salted, b"Server Key"), message)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return base64.b64encode(
            without + b",p=" + base64.b64encode(proof)).decode()

    def empty(challenge):
        verdict = base64.b64decode(challenge)
        assert verdict == b"v=" + base64.b64encode(kept["server"]), verdict
        return ""
    return (binding + bare, final, empty)


def scram_works_in_both_strengths(stage):
    for method in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
        client = stage.client()
        assert method in client.esmtp_features["auth"].split(), (
            client.esmtp_features)
        steps = scram(method, b"alice", b"secret")
        initial = base64.b64encode(steps[0]).decode()
        reply = auth(client, f"{method} {initial}", *steps[1:])
        assert reply[0] == 235, reply
        client.mail("alice@mail.example.com")
        assert client.rcpt("x@elsewhere.test")[0] == 250
        client.close()
        client = stage.client()
        steps = scram(method, b"alice", b"wrong")
        initial = base64.b64encode(steps[0]).decode()
        assert auth(client, f"{method} {initial}", steps[1])[0] == 535
        client.close()


def mechanisms_are_filtered(stage):
    client = stage.client()
    offered = client.esmtp_features["auth"].split()
    for name in ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"):
        assert name in offered, offered
    for name in ("ANONYMOUS", "EXTERNAL"):
        assert name not in offered, offered
        assert auth(client, f"{name} =")[0] == 535
    # A token that nobody can check now is not a wrong one; what the server
    # says as JSON, the client answers with an empty response.
    token = base64.b64encode(
        b"n,a=alice,\x01auth=Bearer token\x01\x01").decode()
    reply = client.docmd("AUTH", f"OAUTHBEARER {token}")
    if reply[0] == 334:
        reply = client.docmd("AQ==")
    assert reply[0] in (454, 535), reply
    client.close()


def a_host_and_port_is_reached_through_lookup(stage):
    client = stage.client(stage.inet)
    client.login("bob", "hunter2")
    client.mail("bob@mail.example.com")
    assert client.rcpt("x@elsewhere.test")[0] == 250
    client.close()


def many_log_in_at_once(stage):
    clients = [stage.client() for _ in range(30)]
    for client in clients:
        client.putcmd("AUTH", "PLAIN AGFsaWNlAHNlY3JldA==")
    for client in clients:
        assert client.getreply()[0] == 235
        client.close()
    assert len(stage.suite.pids("smtpd")) == 2


def it_may_go_and_come_back(stage):
    waiting = stage.client()
    stage.dovecot.stop()
    code, text = waiting.docmd("AUTH", "PLAIN AGFsaWNlAHNlY3JldA==")
    assert code == 454 and text.startswith(
        b"4.7.0 Temporary authentication failure"), text
    stage.suite.logged("warning: SASL: Connect to Dovecot auth socket "
                       "'private/auth' failed: ")
    # Mail for us still comes in, from sessions new and old.
    for client in (waiting, stage.client()):
        assert client.mail("a@b.test")[0] == 250
        assert client.rcpt("someone@mail.example.com")[0] == 250
        client.rset()
    stage.dovecot.start()
    code, _ = waiting.docmd("AUTH", "PLAIN AGFsaWNlAHNlY3JldA==")
    assert code == 235, code
    waiting.close()


TESTS = [passwords_let_in_and_relay, wrong_passwords_do_not,
         scram_works_in_both_strengths, mechanisms_are_filtered,
         a_host_and_port_is_reached_through_lookup, many_log_in_at_once,
         it_may_go_and_come_back]


def main():
    if not dovecot.program():
        print("dovecot is not installed")
        return 77
    stage = Stage(sys.argv[1])
    failed = 0
    try:
        stage.dovecot.start()
        if os.geteuid() == 0:
            assert stage.dovecot.socket.stat().st_mode & 0o777 == 0o600
        stage.suite.start()
        for test in TESTS:
            try:
                test(stage)
                print("ok  ", test.__name__)
            except Exception:
                failed += 1
                print("FAIL", test.__name__)
                traceback.print_exc(file=sys.stdout)
        if failed:
            print("\n".join(stage.suite.log().splitlines()[-40:]))
            print(stage.dovecot.log())
    finally:
        stage.close()
    return 1 if failed else 0


sys.exit(main())
