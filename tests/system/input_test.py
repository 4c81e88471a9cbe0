#!/usr/bin/env python3
"""Bad input to a running suite: each kind gets a clear reply or log line, and
the next good message goes through."""

import os
import pwd
import random
import socket
import sys

from suite import Suite, wait_until


class Case:
    def __init__(self, suite, user):
        self.suite, self.user, self.count = suite, user, 0

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.suite.port), 20)
        self.read(s, b"220")
        return s

    def read(self, s, expect):
        data = b""
        while not data.endswith(b"\r\n"):
            chunk = s.recv(4096)
            if not chunk:
                break
            data += chunk
        assert data.startswith(expect), (expect, data)
        return data

    def good_message(self):
        """One message, all the way into the mailbox."""
        self.count += 1
        token = f"good-{self.count}-message"
        s = self.connect()
        for line, expect in ((b"EHLO c.test", b"250"),
                             (b"MAIL FROM:<a@c.test>", b"250"),
                             (f"RCPT TO:<{self.user}>".encode(), b"250"),
                             (b"DATA", b"354"),
                             (f"Subject: {token}\r\n\r\nx\r\n.".encode(),
                              b"250")):
            s.sendall(line + b"\r\n")
            self.read(s, expect)
        s.close()
        box = self.suite.top / "mail" / self.user
        wait_until(lambda: box.exists() and token in box.read_text(
            errors="replace"), 20)


def noise(case):
    """Binary noise instead of commands."""
    s = case.connect()
    random.seed(1)
    try:
        for _ in range(40):
            s.sendall(bytes(random.randrange(256) for _ in range(2000)) + b"\r\n")
        while s.recv(65536):
            pass
    except OSError:
        pass
    s.close()


def endless_line(case):
    """A command line without end: cut, answered, memory bounded."""
    s = case.connect()
    s.settimeout(20)
    try:
        for _ in range(200):
            s.sendall(b"A" * 65536)
        s.sendall(b"\r\n")
        reply = s.recv(4096)
        assert reply[:1] in b"45", reply
    except (BrokenPipeError, ConnectionResetError):
        pass
    s.close()
    pid = case.suite.pids("smtpd")[0]
    with open(f"/proc/{pid}/status") as f:
        rss = next(int(l.split()[1]) for l in f if l.startswith("VmRSS"))
    assert rss < 60000, f"smtpd grew to {rss} kB"


def stops_in_data(case):
    """A client that leaves in the middle of DATA: nothing of it stays."""
    s = case.connect()
    for line, expect in ((b"EHLO c.test", b"250"),
                         (b"MAIL FROM:<a@c.test>", b"250"),
                         (f"RCPT TO:<{case.user}>".encode(), b"250"),
                         (b"DATA", b"354")):
        s.sendall(line + b"\r\n")
        case.read(s, expect)
    s.sendall(b"Subject: never finished\r\n\r\nhalf a li")
    s.close()
    case.suite.logged("lost connection after DATA")
    wait_until(lambda: not any((case.suite.top / "queue/incoming").iterdir()))


def silent_crowd(case):
    """A thousand clients that never speak."""
    crowd = []
    try:
        for _ in range(1000):
            crowd.append(socket.create_connection(
                ("127.0.0.1", case.suite.port), 20))
        case.good_message()
    finally:
        for s in crowd:
            s.close()


def unreadable_table(case):
    """A table that is not there: the sender is told to come back."""
    s = case.connect()
    s.sendall(b"EHLO c.test\r\n")
    case.read(s, b"250")
    s.sendall(b"MAIL FROM:<a@c.test>\r\n")
    case.read(s, b"250")
    s.sendall(b"RCPT TO:<someone@table.test>\r\n")
    case.read(s, b"451")
    s.close()
    case.suite.logged("no-such-table")


def main(bin_dir):
    user = pwd.getpwuid(os.geteuid()).pw_name
    suite = Suite.real(bin_dir)
    (suite.top / "mail").mkdir()
    suite.configure(
        mydestination="mail.example.com", alias_maps="",
        local_recipient_maps="unix:passwd.byname",
        virtual_mailbox_domains="table.test",
        virtual_mailbox_maps=f"hash:{suite.top}/no-such-table",
        mail_spool_directory=suite.top / "mail", mynetworks="127.0.0.0/8",
        smtpd_client_connection_count_limit="0",
        smtpd_peername_lookup="no", smtpd_error_sleep_time="0")
    suite.start()
    case = Case(suite, user)
    failed = 0
    try:
        case.good_message()
        for attack in (noise, endless_line, stops_in_data, silent_crowd,
                       unreadable_table):
            try:
                attack(case)
                case.good_message()
                print("ok  ", attack.__doc__)
            except (AssertionError, OSError) as error:
                failed += 1
                print("FAIL", attack.__doc__, error)
        if failed:
            print("\n".join(suite.log().splitlines()[-60:]))
    finally:
        suite.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
