#!/usr/bin/env python3
"""The screen in front of smtpd, with real sessions: screen_test.py BIN."""

import re
import socket
import sys
import threading
import traceback

import suite as suites

ROWS = """\
{port} inet n - n - 1 postscreen {options}
smtpd pass - - n - - smtpd -o smtpd_client_restrictions=permit_mynetworks,reject
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
"""
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


class Names(threading.Thread):
    """A name server that lists 127.0.0.7 in bad.test, and nothing else."""

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1@{self.socket.getsockname()[1]}"
        self.start()

    def run(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            at, labels = 12, []
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += query[at] + 1
            question = query[12:at + 5]
            listed = ".".join(labels).lower() == "7.0.0.127.bad.test"
            is_a = query[at + 1:at + 3] == b"\0\1"
            flags = b"\x84\0" if listed else b"\x84\3"
            count = b"\0\1" if listed and is_a else b"\0\0"
            answer = (b"\xc0\x0c\0\1\0\1\0\0\0\x78\0\4\x7f\0\0\2"
                      if listed and is_a else b"")
            self.socket.sendto(query[:2] + flags + b"\0\1" + count +
                               b"\0\0\0\0" + question + answer, peer)

    def close(self):
        self.socket.close()


class Peer:
    """One client, from an address of its own."""

    def __init__(self, stage, source="127.0.0.2", first=b""):
        self.socket = socket.create_connection(
            ("127.0.0.1", stage.port), 30, (source, 0))
        if first:
            self.socket.sendall(first)
        self.file = self.socket.makefile("rb")

    def hear(self):
        """The next reply, all its lines."""
        text = ""
        while line := self.file.readline():
            text += line.decode()
            if line[3:4] == b" ":
                break
        return text

    def ask(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.hear()

    def quit(self):
        reply = self.ask("QUIT")
        assert reply.startswith("221"), reply
        assert self.file.readline() == b""
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()


class Stage:
    def __init__(self, bin_dir, options="", **settings):
        self.names = Names()
        self.suite = suites.Suite.real(bin_dir)
        # The rows of the suite's own listener are not wanted: another port.
        self.port = suites.free_port()
        values = dict(mynetworks="127.0.0.9/32", postscreen_greet_wait="1s",
                      mydestination="mail.example.com", alias_maps="",
                      local_recipient_maps="", smtpd_peername_lookup="no",
                      dns_servers=self.names.address)
        values.update(settings)
        self.suite.configure(rows=ROWS.format(port=self.port, options=options),
                             **values)
        self.suite.start()

    def close(self):
        self.suite.close()
        self.names.close()


def passes_before_and_after_a_restart(bin_dir):
    """The temporary list survives; sessions have the pass row's settings."""
    stage = Stage(bin_dir)
    try:
        client = Peer(stage)
        greeting = client.hear()
        assert greeting.startswith("220-mail.example.com"), greeting
        assert greeting.count("220 mail.example.com") == 1, greeting
        assert "PIPELINING" in client.ask("EHLO c.test")
        client.ask("MAIL FROM:<a@c.test>")
        reply = client.ask("RCPT TO:<b@mail.example.com>")
        assert reply.startswith("554 5.7.1"), reply
        client.quit()
        stage.suite.logged("postscreen[")
        stage.suite.logged("PASS NEW [127.0.0.2]:")
        # No process of its own for those behind the screen.
        assert len(stage.suite.pids("smtpd")) == 2
        status, text = stage.suite.postern("stop")
        assert status == 0, text
        stage.suite.start()
        client = Peer(stage)
        greeting = client.hear()
        assert greeting.startswith("220 mail.example.com"), greeting
        client.quit()
        stage.suite.logged("PASS OLD [127.0.0.2]:")
        own = Peer(stage, "127.0.0.9")
        assert own.hear().startswith("220 ")
        own.quit()
        stage.suite.logged("ALLOWLISTED [127.0.0.9]:")
    finally:
        stage.close()


def catches_who_speaks_early_and_who_is_listed(bin_dir):
    """A pregreeter and a listed client are refused, and told in the log."""
    stage = Stage(bin_dir, postscreen_greet_action="enforce",
                  postscreen_dnsbl_action="drop",
                  postscreen_dnsbl_sites="bad.test*2, other.test",
                  postscreen_dnsbl_threshold="2",
                  postscreen_dnsbl_reply_map="inline:{bad.test=shown.test}")
    try:
        early = Peer(stage, "127.0.0.3", b"EHLO early.test\r\n")
        # The teaser, and the answer to what was said before the greeting.
        said = early.hear()
        assert said.startswith("220-"), said
        assert "\r\n250-mail.example.com\r\n" in said, said
        assert early.ask("MAIL FROM:<a@c.test>").startswith("250")
        reply = early.ask("RCPT TO:<b@mail.example.com>")
        assert reply == "550 5.5.1 Protocol error\r\n", reply
        early.quit()
        stage.suite.logged("EHLO early.test\\r\\n")
        stage.suite.logged("550 5.5.1 Protocol error; from=<a@c.test>, "
                           "to=<b@mail.example.com>, proto=ESMTP, "
                           "helo=<early.test>")
        listed = Peer(stage, "127.0.0.7")
        reply = listed.hear()
        assert reply.endswith(
            "521 5.7.1 Service unavailable; client [127.0.0.7] blocked using "
            "shown.test\r\n"), reply
        listed.close()
        stage.suite.logged("DNSBL rank 2 for [127.0.0.7]:")
        stage.suite.logged("addr 127.0.0.7 listed by domain bad.test as "
                           "127.0.0.2")
        for _ in range(2):
            good = Peer(stage, "127.0.0.4")
            good.hear()
            good.quit()
        stage.suite.logged("PASS OLD [127.0.0.4]:")
        assert "PASS NEW [127.0.0.3]" not in stage.suite.log()
    finally:
        stage.close()


def tests_how_a_client_speaks(bin_dir):
    """Deep tests put off the first mail, not the second visit."""
    stage = Stage(bin_dir, postscreen_pipelining_enable="yes",
                  postscreen_bare_newline_enable="yes",
                  postscreen_bare_newline_action="drop")
    try:
        client = Peer(stage)
        client.hear()
        assert "PIPELINING" not in client.ask("EHLO c.test")
        client.ask("MAIL FROM:<a@c.test>")
        reply = client.ask("RCPT TO:<b@mail.example.com>")
        assert reply == "450 4.3.2 Service currently unavailable\r\n", reply
        client.quit()
        stage.suite.logged("PASS NEW [127.0.0.2]:")
        again = Peer(stage)
        assert again.hear().startswith("220 ")
        assert "PIPELINING" in again.ask("EHLO c.test")
        again.quit()
        bare = Peer(stage, "127.0.0.5")
        bare.hear()
        bare.socket.sendall(b"NOOP\n")
        assert bare.hear() == "521 5.5.1 Protocol error\r\n"
        bare.close()
        stage.suite.logged("BARE NEWLINE from [127.0.0.5]:")
        hasty = Peer(stage, "127.0.0.6")
        hasty.hear()
        hasty.socket.sendall(b"MAIL FROM:<a@c.test>\r\n"
                             b"RCPT TO:<b@mail.example.com>\r\n")
        assert hasty.hear().startswith("250")
        assert hasty.hear() == "550 5.5.1 Protocol error\r\n"
        hasty.quit()
        stage.suite.logged("COMMAND PIPELINING from [127.0.0.6]:")
    finally:
        stage.close()


def believes_listed_proxies(bin_dir):
    """PROXY headers of both versions; others are clients themselves."""
    stage = Stage(bin_dir, "-o postscreen_upstream_proxy_protocol=haproxy",
                  proxy_protocol_networks="127.0.0.2",
                  postscreen_upstream_proxy_timeout="20s")
    try:
        v1 = Peer(stage, first=b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 25\r\n")
        assert v1.hear().startswith("220-")
        v1.quit()
        stage.suite.logged("CONNECT from [192.0.2.9]:4711 to "
                           "[198.51.100.1]:25")
        stage.suite.logged("connect from unknown[192.0.2.9]")
        v2 = Peer(stage, first=SIGNATURE + b"\x21\x11\0\x0f\xc0\0\2\x08"
                  b"\xc6\x33\x64\1\x12\x67\0\x19\4\0\0")
        assert v2.hear().startswith("220-")
        v2.quit()
        stage.suite.logged("CONNECT from [192.0.2.8]:4711 to "
                           "[198.51.100.1]:25")
        local = Peer(stage, first=SIGNATURE + b"\x20\0\0\0")
        assert local.hear().startswith("220-")
        local.quit()
        stage.suite.logged("CONNECT from [127.0.0.2]:")
        none = Peer(stage, first=b"EHLO c.test\r\n")
        assert none.hear() == "421 4.3.2 No system resources\r\n"
        none.close()
        stage.suite.logged("haproxy read: short protocol header: EHLO "
                           "c.test\\r\\n (from [127.0.0.2]:")
        plain = Peer(stage, "127.0.0.3")
        assert plain.hear().startswith("220-")
        plain.quit()
        stage.suite.logged("PASS NEW [127.0.0.3]:")
    finally:
        stage.close()


def counts_connections(bin_dir):
    """Limits of connections, of one client and at the screen."""
    stage = Stage(bin_dir, postscreen_client_connection_count_limit="1",
                  postscreen_pre_queue_limit="2", postscreen_greet_wait="600s")
    try:
        first = Peer(stage)
        assert first.file.readline().startswith(b"220-")
        second = Peer(stage)
        reply = second.hear()
        assert reply == "421 4.7.0 Error: too many connections\r\n", reply
        other = Peer(stage, "127.0.0.3")
        assert other.file.readline().startswith(b"220-")
        stage.suite.logged("entering STRESS mode with 2 connections")
        third = Peer(stage, "127.0.0.4")
        reply = third.hear()
        assert reply == "421 4.3.2 All screening ports are busy\r\n", reply
        first.close()
        stage.suite.logged("HANGUP after ")
        log = stage.suite.log()
        assert re.search(r"NOQUEUE: reject: CONNECT from \[127.0.0.4\]:\d+: "
                         "all screening ports busy", log), log
        for each in (second, other, third):
            each.close()
        stage.suite.logged("leaving STRESS mode with")
    finally:
        stage.close()


def third_is_refused(stage):
    third = Peer(stage, "127.0.0.4")
    line = third.file.readline()
    third.close()
    return line == b"421 4.3.2 All server ports are busy\r\n"


def waits_for_a_place_in_a_session(bin_dir):
    """Who has passed while all sessions are taken waits for one."""
    stage = Stage(bin_dir, smtpd_sessions_per_process="1",
                  postscreen_post_queue_limit="1")
    try:
        first = Peer(stage)
        first.hear()
        second = Peer(stage, "127.0.0.3")
        assert second.file.readline().startswith(b"220-")
        stage.suite.logged("PASS NEW [127.0.0.3]:")
        suites.wait_until(lambda: third_is_refused(stage))
        assert "connect from unknown[127.0.0.3]" not in stage.suite.log()
        first.quit()
        assert second.hear().startswith("220 ")
        second.quit()
    finally:
        stage.close()


def main():
    tests = [passes_before_and_after_a_restart,
             catches_who_speaks_early_and_who_is_listed,
             tests_how_a_client_speaks, believes_listed_proxies,
             counts_connections, waits_for_a_place_in_a_session]
    failed = 0
    for test in tests:
        try:
            test(sys.argv[1])
            print(f"ok   {test.__name__}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAIL {test.__name__}", flush=True)
            traceback.print_exc()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
