#!/usr/bin/env python3
"""Nobody relays who may not, however the address is written: every trick that
is known, by a stranger, by one whose password is wrong, by one who uses
another's address, and by one who may log in over TLS alone.
relay_walk_test.py BIN. Who has logged in is said by XCLIENT."""

import base64
import socket
import sys

from peers import Sink
from suite import Suite, free_port, wait_until

HERE, AWAY = "mail.example.com", "elsewhere.test"

RECIPIENTS = [
    f"<x@{AWAY}>", f"x@{AWAY}", f" <x@{AWAY}>", f"<X@{AWAY.upper()}>",
    f"<x@{AWAY}.>", f"<x@{AWAY}..>", f"<x@.{AWAY}>", f"<x@{HERE}.{AWAY}>",
    f"<x@sub.{HERE}>", f"<x@not{HERE}>",
    # Percent and bang.
    f"<x%{AWAY}@{HERE}>", f"<x%{AWAY}>", f"<x%{AWAY}@>", f"<x%{AWAY}@[127.0.0.1]>",
    f"<y%x%{AWAY}@{HERE}>", f"<{AWAY}!x@{HERE}>", f"<{AWAY}!x>",
    f"<{HERE}!{AWAY}!x>", f"<{AWAY}!x%{HERE}@{HERE}>", f"<x%{AWAY}%{HERE}@{HERE}>",
    # Quoted.
    f'<"x@{AWAY}"@{HERE}>', f'<"x@{AWAY}">', f'<"x%{AWAY}"@{HERE}>',
    f'<"x%{AWAY}">', f'<"{AWAY}!x"@{HERE}>', f'<"x"@{AWAY}>',
    f'<x"@"{AWAY}@{HERE}>', f"<x\\@{AWAY}@{HERE}>", f"<x\\@{AWAY}>",
    f'<"x\\@{AWAY}"@{HERE}>', f'<"x@{AWAY}"@[127.0.0.1]>', f'<"x@{AWAY}"@>',
    # Source routes and more than one domain.
    f"<@{HERE}:x@{AWAY}>", f"<@{HERE},@{HERE}:x@{AWAY}>", f"<@{HERE}:x%{AWAY}@{HERE}>",
    f"<@{AWAY}:x@{AWAY}>", f"<x@{AWAY}@{HERE}>", f"<x@{AWAY}@{HERE}@{HERE}>",
    f"<x@{HERE}@{AWAY}>", f"<x@{AWAY}@[127.0.0.1]>",
    f"<@[127.0.0.1]:x@{AWAY}>",
    # Literals.
    "<x@[192.0.2.1]>", "<x@[IPv6:2001:db8::1]>", "<x@[127.0.0.3]>",
    "<x@192.0.2.1>", f"<x@[{AWAY}]>", f"<x@{AWAY}[127.0.0.1]>",
    # Encoded at-signs, and characters that look like one.
    f"<x=40{AWAY}@{HERE}>", f"<x+40{AWAY}>", f"<x&#64;{AWAY}@{HERE}>",
    f"<x%40{AWAY}@{HERE}>", f"<x%40{AWAY}>", f"<=?utf-8?q?x=40{AWAY}?=@{HERE}>",
    f"<x\uff20{AWAY}@{HERE}>", f"<x@{AWAY}\u3002>", f"<+AEA-x{AWAY}@{HERE}>",
    # Comments, blanks, lists, control characters.
    f"<x(@{HERE})@{AWAY}>", f"<x@{AWAY}(@{HERE})>", f"<x@{AWAY} (x)@{HERE}>",
    f"<x@{AWAY},y@{HERE}>", f"<y@{HERE},x@{AWAY}>", f"<x@{AWAY}><y@{HERE}>",
    f"<x@{AWAY}\0@{HERE}>", f"<x@{AWAY}\t@{HERE}>", f"<x@{AWAY}\r@{HERE}>",
    f"<x@{AWAY}\x7f@{HERE}>", f"<x;x@{AWAY}@{HERE}>", f"<mailto:x@{AWAY}>",
    f"<postmaster@{AWAY}>", f"<postmaster%{AWAY}@{HERE}>", f"<smtp:x@{AWAY}>",
    f"<x@{AWAY}:25>", f"<x|x@{AWAY}>", f"<'x@{AWAY}'>", f"<x+y@{AWAY}>",
    f"<+x@{AWAY}>", f"<x@{AWAY}+@{HERE}>", f"<x+@{AWAY}@{HERE}>",
]


# Odd local names, decoded by nobody: taken where every local name is, and
# not known there.
LOCAL_NAMES = {
    f"<x=40{AWAY}@{HERE}>", f"<x+40{AWAY}>", f"<x\uff20{AWAY}@{HERE}>",
    f"<=?utf-8?q?x=40{AWAY}?=@{HERE}>", f"<+AEA-x{AWAY}@{HERE}>",
}


class Session:
    def __init__(self, port):
        self.socket = socket.create_connection(
            ("127.0.0.1", port), 30, source_address=("127.0.0.2", 0))
        self.file = self.socket.makefile("rb")
        self.reply()
        self.say("EHLO client.test")

    def reply(self):
        text = b""
        while True:
            line = self.file.readline()
            assert line, text
            text += line
            if line[3:4] == b" ":
                return text.decode()

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


def walk(session, sender, extra=""):
    """What of RECIPIENTS was accepted, each in a message of its own, and is no
    local name."""
    accepted = []
    for recipient in RECIPIENTS:
        utf8 = "" if recipient.isascii() else " SMTPUTF8"
        assert session.say(f"MAIL FROM:<{sender}>{extra}{utf8}")[0] == "2"
        # A notice to the sender would not be relaying, and look like it.
        if session.say(f"RCPT TO:{recipient} NOTIFY=NEVER")[0] == "2":
            assert session.say("DATA")[:3] == "354"
            session.say("Subject: relayed\r\n\r\ntext\r\n.")
            if recipient not in LOCAL_NAMES:
                accepted.append(recipient)
        session.say("RSET")
    return accepted


def encoded(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


class Stage:
    def __init__(self, bin_dir):
        self.suite = Suite.real(bin_dir)
        self.sink = Sink()
        self.tls_only, self.owned, self.trusting = (free_port() for _ in "abc")
        logins = f"inline:{{{{bob@{HERE}=bob}},{{alice@{HERE}=alice}}}}"
        row = "{} inet n - n - - smtpd\n  -o {}\n"
        self.suite.configure(
            mynetworks="127.0.0.9/32", mydestination=HERE, alias_maps="",
            # Every local name is there: only relay protection protects.
            local_recipient_maps="", recipient_delimiter="+",
            mail_spool_directory=self.suite.top / "mail",
            relayhost=f"[127.0.0.1]:{self.sink.port}",
            smtpd_peername_lookup="no", smtpd_error_sleep_time="0",
            smtpd_soft_error_limit="1000", smtpd_hard_error_limit="1000",
            smtpd_junk_command_limit="1000",
            smtpd_relay_restrictions=
                "permit_sasl_authenticated, reject_unauth_destination",
            smtpd_sender_login_maps=logins,
            smtpd_authorized_xclient_hosts="127.0.0.2",
            smtpd_sasl_auth_enable="yes", smtpd_sasl_type="postern",
            rows=row.format(self.tls_only, "smtpd_tls_auth_only=yes") +
                 row.format(self.owned, "smtpd_sender_restrictions="
                            "reject_sender_login_mismatch"))
        (self.suite.top / "mail").mkdir(mode=0o1777)


def main():
    stage = Stage(sys.argv[1])
    suite, failed = stage.suite, []

    def expect(what, accepted):
        print("ok  " if not accepted else "FAIL", what, accepted)
        failed.extend(f"{what}: {each}" for each in accepted)

    try:
        suite.start()
        stranger = Session(suite.port)
        expect("a stranger", walk(stranger, "a@client.test"))
        expect("nobody", walk(stranger, ""))
        expect("a stranger with our address", walk(stranger, f"bob@{HERE}"))
        expect("a stranger who says to be somebody",
               walk(stranger, f"bob@{HERE}", " AUTH=bob"))
        stranger.close()

        session = Session(suite.port)
        for reply in (session.say("AUTH PLAIN " + encoded("bob", "wrong")),
                      session.say("AUTH PLAIN =")):
            assert reply[:3] in ("535", "454", "503"), reply
        expect("one who has failed to log in", walk(session, f"bob@{HERE}"))
        session.close()

        session = Session(stage.tls_only)
        reply = session.say("AUTH PLAIN " + encoded("bob", "secret"))
        assert reply.startswith("503 5.5.1"), reply
        expect("one without the TLS that logging in takes",
               walk(session, f"bob@{HERE}"))
        session.close()

        session = Session(stage.owned)
        assert session.say("XCLIENT LOGIN=alice").startswith("220")
        session.say("EHLO client.test")
        expect("one with another's address", walk(session, f"bob@{HERE}"))
        # The way is open for who may.
        session.say(f"MAIL FROM:<alice@{HERE}>")
        assert session.say(f"RCPT TO:<x@{AWAY}>")[0] == "2"
        session.say("RSET")
        assert session.say("XCLIENT LOGIN=[UNAVAILABLE]").startswith("220")
        session.say("EHLO client.test")
        expect("one who has logged out again", walk(session, "a@client.test"))
        session.close()
        wait_until(lambda: not suite.queue(), 60)
        assert not stage.sink.texts(), stage.sink.texts()
        if failed:
            print("\n".join(suite.log().splitlines()[-60:]))
    finally:
        suite.close()
        stage.sink.shutdown()
    return 1 if failed else 0


sys.exit(main())
