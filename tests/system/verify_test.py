#!/usr/bin/env python3
"""Address verification through the whole suite, and what postern explain says
of it: verify_test.py BIN."""

import json
import smtplib
import socketserver
import sys
import threading
import traceback

import suite as suites


class NextHost(socketserver.ThreadingTCPServer):
    """Refuses recipients that begin with "bad"; counts those it was asked
    about, and takes no message."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), NextSession)
        self.port = self.server_address[1]
        self.asked, self.senders, self.messages = [], [], 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class NextSession(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.say("220 next.test ESMTP")
        while line := self.rfile.readline():
            words = line.decode("latin-1").strip()
            verb = words.upper()
            if verb.startswith("EHLO"):
                self.say("250 next.test")
            elif verb.startswith("MAIL"):
                with self.server.lock:
                    self.server.senders.append(words[11:].split(">")[0])
                self.say("250 2.1.0 Ok")
            elif verb.startswith("RCPT"):
                address = words[9:].split(">")[0]
                with self.server.lock:
                    self.server.asked.append(address)
                self.say("550 5.1.1 no such user" if address.startswith("bad")
                         else "250 2.1.5 Ok")
            elif verb == "DATA":
                with self.server.lock:
                    self.server.messages += 1
                self.say("354 go on")
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            else:
                self.say("250 2.0.0 Ok")


class Stage:
    def __init__(self, bin_dir, **settings):
        self.next = NextHost()
        self.suite = suites.Suite.real(bin_dir)
        self.suite.configure(
            mynetworks="127.0.0.9/32", mydestination="mail.example.com",
            alias_maps="", local_recipient_maps="", smtpd_peername_lookup="no",
            smtpd_error_sleep_time="0", relay_domains="relay.test",
            transport_maps="inline:{relay.test=smtp:[127.0.0.1]:"
                           f"{self.next.port}}}",
            smtpd_recipient_restrictions="reject_unverified_recipient",
            unverified_recipient_reject_code="550",
            address_verify_poll_delay="20s", **settings)
        self.suite.start()

    def rcpt(self, recipient):
        with smtplib.SMTP("127.0.0.1", self.suite.port,
                          local_hostname="client.test", timeout=90,
                          source_address=("127.0.0.2", 0)) as client:
            client.ehlo()
            client.mail("a@client.test")
            code, text = client.rcpt(recipient)
            client.rset()
            return f"{code} {text.decode()}"

    def close(self):
        self.suite.close()
        self.next.shutdown()


def probes_tell_who_is_there_and_are_remembered(bin_dir):
    stage = Stage(bin_dir)
    suite, asked = stage.suite, stage.next.asked
    try:
        # The answer comes with the probe's end, long before the polls' end.
        assert stage.rcpt("good@relay.test").startswith("250"), suite.log()
        refused = stage.rcpt("bad@relay.test")
        assert refused.startswith("550 5.1.1 <bad@relay.test>: Recipient "
                                  "address rejected: undeliverable address: "
                                  "host 127.0.0.1[127.0.0.1] said: 550"), refused
        suite.logged("status=deliverable")
        suite.logged("status=undeliverable")
        assert stage.next.messages == 0, "a probe is not delivered"
        assert set(stage.next.senders) == {"double-bounce@mail.example.com"}
        # Probes leave nothing behind and tell nobody else.
        suites.wait_until(lambda: not suite.queue())
        assert "sender non-delivery notification" not in suite.log()
        # Known now, and after a restart.
        before = list(asked)
        assert stage.rcpt("good@relay.test").startswith("250")
        status, text = suite.postern("stop")
        assert status == 0, text
        suite.start()
        assert stage.rcpt("good@relay.test").startswith("250")
        assert stage.rcpt("bad@relay.test").startswith("550")
        assert asked == before, (asked, before)
        explain_knows_it_too(suite)
    finally:
        stage.close()


def explain_knows_it_too(suite):
    def explained(recipient, *more):
        status, text = suite.postern(
            "explain", "--json", "--no-dns", "--service", str(suite.port),
            "--client", "127.0.0.2", "--helo", "client.test",
            "--from", "a@client.test", *more, recipient)
        return status, json.loads(text)
    status, good = explained("good@relay.test")
    assert status == 0 and good["reply"].startswith("250"), good
    assert good["routes"][0]["class"] == "relay", good
    assert good["routes"][0]["transport"] == "smtp", good
    status, bad = explained("bad@relay.test")
    assert status == 1, bad
    assert bad["reply"].startswith("550 5.1.1"), bad
    decided = bad["decided_by"]
    assert decided["text"] == "reject_unverified_recipient", decided
    line = (suite.conf / "main.conf").read_text().splitlines()[
        decided["line"] - 1]
    assert line.startswith("smtpd_recipient_restrictions"), line
    # An old answer does not count for ever.
    status, later = explained("bad@relay.test", "--time", "4000000000")
    assert status == 1 and later["reply"].startswith("450"), later
    # Relaying for strangers is what the relay list refuses.
    status, relayed = explained("x@elsewhere.test")
    assert status == 1 and "Relay access denied" in relayed["reply"], relayed
    status, own = explained("x@elsewhere.test", "--client", "127.0.0.9")
    # Our own may relay, but nobody knows that recipient yet.
    assert status == 1 and own["reply"].startswith("450 4.1.1"), own
    assert own["decided_by"]["text"] == "reject_unverified_recipient", own
    assert [each for each in own["steps"]
            if each["text"] == "permit_mynetworks"
            and each["outcome"] == "permit"], own


def probes_take_their_own_way(bin_dir):
    """address_verify_transport_maps and a sender that changes with time."""
    other = NextHost()
    stage = Stage(bin_dir, address_verify_sender_ttl="1h",
                  address_verify_transport_maps=
                  f"inline:{{relay.test=smtp:[127.0.0.1]:{other.port}}}")
    try:
        assert stage.rcpt("good@relay.test").startswith("250")
        assert other.asked == ["good@relay.test"] and not stage.next.asked
        sender = other.senders[0]
        assert sender.startswith("double-bounce") and \
            sender != "double-bounce@mail.example.com", sender
        # What a host that probes us back asks about is not judged.
        assert stage.rcpt(sender).startswith("250")
    finally:
        stage.close()
        other.shutdown()


def main():
    bad = 0
    for test in (probes_tell_who_is_there_and_are_remembered,
                 probes_take_their_own_way):
        try:
            test(sys.argv[1])
            print("ok:", test.__name__)
        except Exception:
            bad += 1
            print("FAILED:", test.__name__)
            traceback.print_exc()
    return 1 if bad else 0


sys.exit(main())
