#!/usr/bin/env python3
"""Bearer tokens, from one end to the other: a submission server whose Dovecot
checks them, and a client that takes its token from a file which another program
renews. XOAUTH2 and OAUTHBEARER (RFC 7628). oauth_test.py BIN. Skipped (77) where
Dovecot is not installed."""

import base64
import json
import os
import shutil
import smtplib
import ssl
import subprocess
import sys
import traceback

import dovecot
import suite as suites
from peers import Sink

KEY = b"a key of the token issuer, 32 byt"
MECHANISMS = ("XOAUTH2", "OAUTHBEARER")


class Stage:
    """The submission server, and another suite that sends through it."""

    def __init__(self, bin_dir):
        self.server = suites.Suite.real(bin_dir)
        self.client = suites.Suite.real(bin_dir)
        self.sink = Sink()
        self.dovecot = dovecot.Dovecot(
            self.server.top / "dovecot",
            self.server.top / "queue/private/auth", suites.free_port(),
            {"alice": "secret"}, token_key=KEY)
        files = [self.server.top / name for name in ("key.pem", "cert.pem")]
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-days", "2", "-subj", "/CN=mail.example.com", "-keyout", files[0],
             "-out", files[1]], check=True, capture_output=True)
        self.server.configure(
            mynetworks="127.0.0.9/32", mydestination="mail.example.com",
            alias_maps="", local_recipient_maps="",
            relayhost=f"[127.0.0.1]:{self.sink.port}",
            smtpd_tls_security_level="may", smtpd_tls_auth_only="yes",
            smtpd_tls_key_file=files[0], smtpd_tls_cert_file=files[1],
            smtpd_error_sleep_time="0", smtpd_sasl_auth_enable="yes",
            smtpd_sasl_type="dovecot", smtpd_sasl_path="private/auth",
            smtpd_sasl_authenticated_header="yes")

    def close(self):
        self.client.close()
        self.server.close()
        self.dovecot.stop()
        self.sink.shutdown()


def bearer(mechanism, user, token):
    """The initial response: of Google's XOAUTH2, of RFC 7628."""
    text = (f"user={user}\x01auth=Bearer {token}\x01\x01"
            if mechanism == "XOAUTH2" else
            f"n,a={user},\x01auth=Bearer {token}\x01\x01")
    return base64.b64encode(text.encode()).decode()


def session(stage):
    client = smtplib.SMTP("127.0.0.1", stage.server.port, timeout=60,
                          local_hostname="laptop.test",
                          source_address=("127.0.0.2", 0))
    client.ehlo()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client.starttls(context=context)
    client.ehlo()
    return client


# --- the server ---

def tokens_let_in_and_relay(stage):
    for mechanism in MECHANISMS:
        client = session(stage)
        assert mechanism in client.esmtp_features["auth"].split(), (
            client.esmtp_features)
        response = bearer(mechanism, "alice", dovecot.token(KEY, "alice"))
        # With the response in the command, and after an empty challenge.
        reply = client.docmd("AUTH", f"{mechanism} {response}")
        assert reply == (235, b"2.7.0 Authentication successful"), reply
        client.sendmail("alice@mail.example.com", ["x@elsewhere.test"],
                        f"Subject: token by {mechanism}\n\ntext\n")
        client.quit()
        suites.wait_until(lambda: any(
            f"Subject: token by {mechanism}" in text and
            "(Authenticated sender: alice)" in text and
            "with ESMTPSA id" in text for text in stage.sink.texts()), 30)
        stage.server.logged(f"sasl_method={mechanism}, sasl_username=alice")
        client = session(stage)
        reply = client.docmd("AUTH", mechanism)
        assert reply[0] == 334, reply
        assert client.docmd(response)[0] == 235
        client.close()


def bad_tokens_do_not(stage):
    """The reason comes as JSON in a challenge; what answers it does not
    matter, and the log-in has failed."""
    good = dovecot.token(KEY, "alice")
    cases = {
        "expired": dovecot.token(KEY, "alice", -3600),
        "another key": dovecot.token(b"another key", "alice"),
        "somebody else's": dovecot.token(KEY, "bob"),
        "damaged": good[:-6] + "AAAAAA",
        "no token": "xyz",
    }
    for mechanism in MECHANISMS:
        for what, token in cases.items():
            client = session(stage)
            reply = client.docmd(
                "AUTH", f"{mechanism} {bearer(mechanism, 'alice', token)}")
            assert reply[0] == 334, (mechanism, what, reply)
            reason = json.loads(base64.b64decode(reply[1]))
            assert reason["status"] in ("invalid_token", "400", "401"), reason
            reply = client.docmd("AQ==" if mechanism == "OAUTHBEARER" else "")
            assert reply[0] == 535, (mechanism, what, reply)
            client.mail("alice@mail.example.com")
            code, text = client.rcpt("x@elsewhere.test")
            assert code == 454 and b"Relay access denied" in text, text
            # The session goes on, and so may the user.
            client.rset()
            reply = client.docmd(
                "AUTH", f"{mechanism} {bearer(mechanism, 'alice', good)}")
            assert reply[0] == 235, (mechanism, what, reply)
            client.close()
        stage.server.logged(f"SASL {mechanism} authentication failed: ")


def the_reason_may_be_left_unanswered(stage):
    for mechanism in MECHANISMS:
        client = session(stage)
        response = bearer(mechanism, "alice",
                          dovecot.token(KEY, "alice", -3600))
        assert client.docmd("AUTH", f"{mechanism} {response}")[0] == 334
        reply = client.docmd("*")
        assert reply == (501, b"5.7.0 Authentication aborted"), reply
        assert client.docmd("AUTH", f"{mechanism} !")[0] == 535
        assert client.noop()[0] == 250
        client.close()


# --- the client ---

def renew(file, token):
    """As a program does it that fetches tokens: never half a file."""
    new = file.with_name("new")
    new.write_text(token + "\n")
    if os.geteuid() == 0:
        shutil.chown(new, "nobody")
    new.chmod(0o400)
    new.rename(file)


def the_client_reads_its_file_at_each_login(stage):
    suite = stage.client
    token = suite.top / "token"
    for mechanism in MECHANISMS:
        renew(token, dovecot.token(KEY, "alice", -3600))
        suite.configure(
            relayhost=f"[127.0.0.1]:{stage.server.port}",
            smtp_tls_security_level="encrypt", smtp_sasl_auth_enable="yes",
            smtp_sasl_security_options="noanonymous",
            smtp_sasl_mechanism_filter=mechanism.lower(),
            smtp_connection_cache_on_demand="no",
            smtp_sasl_password_maps=f"inline:{{ {{ [127.0.0.1]:"
                                    f"{stage.server.port} = alice:<{token} }}"
                                    f" }}")
        suite.start()
        try:
            one_after_the_other(stage, mechanism, token)
        finally:
            suite.postern("stop")


def one_after_the_other(stage, mechanism, token):
    suite = stage.client

    def send(subject):
        done = suite.tool("sendmail", "-f", "alice@mail.example.com",
                          "x@elsewhere.test",
                          input=f"Subject: {subject}\n\ntext\n")
        assert done.returncode == 0, done.stdout

    def arrives(subject):
        suites.wait_until(lambda: any(f"Subject: {subject}\n" in
                                      text.replace("\r", "")
                                      for text in stage.sink.texts()), 60)
    before = suite.log().count("status=deferred (SASL authentication failed")
    send(f"{mechanism} late")
    # Expired: the reason was answered, and the refusal that follows it counts.
    suite.logged_lines("status=deferred (SASL authentication failed",
                       before + 1, 60)
    assert "said: 535 5.7.8 Error: authentication failed" in suite.log()
    stage.server.logged(f"localhost[127.0.0.1]: SASL {mechanism} "
                        "authentication failed: ")
    assert suite.queue(), "the message is gone"
    # Renewed while the suite runs.
    renew(token, dovecot.token(KEY, "alice"))
    send(f"{mechanism} first")
    arrives(f"{mechanism} first")
    done = suite.tool("postqueue", "-f")
    assert done.returncode == 0, done.stdout
    arrives(f"{mechanism} late")
    stage.server.logged(f"sasl_method={mechanism}, sasl_username=alice")
    # Over again, and away altogether.
    renew(token, dovecot.token(KEY, "bob"))
    send(f"{mechanism} last")
    suite.logged_lines("status=deferred (SASL authentication failed",
                       before + 2, 60)
    token.unlink()
    suite.tool("postqueue", "-f")
    suite.logged("no token available", 60)
    renew(token, dovecot.token(KEY, "alice"))
    suite.tool("postqueue", "-f")
    arrives(f"{mechanism} last")
    for log in (suite.log(), stage.server.log()):
        assert token.read_text().strip() not in log, "a token is in the log"


TESTS = [tokens_let_in_and_relay, bad_tokens_do_not,
         the_reason_may_be_left_unanswered,
         the_client_reads_its_file_at_each_login]


def main():
    if not dovecot.program():
        print("dovecot is not installed")
        return 77
    stage = Stage(sys.argv[1])
    failed = 0
    try:
        stage.dovecot.start()
        stage.server.start()
        for test in TESTS:
            try:
                test(stage)
                print("ok  ", test.__name__)
            except Exception:
                failed += 1
                print("FAIL", test.__name__)
                traceback.print_exc(file=sys.stdout)
        if failed:
            for suite in (stage.server, stage.client):
                print("\n".join(suite.log().splitlines()[-40:]))
            print(stage.dovecot.log())
    finally:
        stage.close()
    return 1 if failed else 0


sys.exit(main())
