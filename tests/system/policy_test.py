#!/usr/bin/env python3
"""Policy services as Debian ships them, unmodified, and ones that fail:
policy_test.py BIN. postgrey and policyd-spf are left out where they are not
installed."""

import grp
import os
import pathlib
import pwd
import shutil
import smtplib
import socket
import socketserver
import subprocess
import sys
import threading
import time
import traceback

import suite as suites

POSTGREY = shutil.which("postgrey", path="/usr/sbin:/usr/bin")
SPF = shutil.which("policyd-spf")


class Policy(socketserver.ThreadingTCPServer):
    """Answers `action`; with `silent`, never. `requests` are what was asked."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, action="DUNNO", silent=False, program=None):
        super().__init__(("127.0.0.1", 0), PolicySession)
        self.port = self.server_address[1]
        self.action, self.silent, self.program = action, silent, program
        self.requests, self.connections = [], 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class PolicySession(socketserver.StreamRequestHandler):
    def handle(self):
        with self.server.lock:
            self.server.connections += 1
        if self.server.program:
            # As spawn(8) does it: the program has the connection.
            subprocess.run(self.server.program, stdin=self.connection,
                           stdout=self.connection, timeout=120, check=False)
            return
        attributes = {}
        while line := self.rfile.readline():
            text = line.decode().rstrip("\n")
            if text:
                name, _, value = text.partition("=")
                attributes[name] = value
                continue
            with self.server.lock:
                self.server.requests.append(attributes)
            attributes = {}
            if not self.server.silent:
                self.wfile.write(f"action={self.server.action}\n\n".encode())


class Stage:
    def __init__(self, bin_dir, **settings):
        self.suite = suites.Suite.real(bin_dir)
        self.suite.configure(
            mynetworks="127.0.0.9/32", mydestination="mail.example.com",
            alias_maps="", local_recipient_maps="", smtpd_peername_lookup="no",
            smtpd_error_sleep_time="0", **settings)
        self.suite.start()

    def client(self, source="127.0.0.2"):
        client = smtplib.SMTP("127.0.0.1", self.suite.port,
                              local_hostname="client.test", timeout=60,
                              source_address=(source, 0))
        client.ehlo()
        client.mail("a@client.test")
        return client

    def rcpt(self, recipient="b@mail.example.com", client=None):
        client = client or self.client()
        code, text = client.rcpt(recipient)
        return f"{code} {text.decode()}"

    def close(self):
        self.suite.close()


def spf_refuses_and_lets_pass(bin_dir):
    """policyd-spf judges by a policy of its own for one address."""
    top = pathlib.Path(f"/tmp/postern-spf-{suites.free_port()}.conf")
    top.write_text("debugLevel = 1\nHELO_reject = False\n"
                   "Mail_From_reject = False\nskip_addresses = 127.0.0.2\n"
                   "TestOnly = 1\n")
    policy = Policy(program=[SPF, str(top)])
    stage = Stage(bin_dir, smtpd_recipient_restrictions=
                  f"check_policy_service inet:127.0.0.1:{policy.port}, permit")
    try:
        assert stage.rcpt().startswith("250"), stage.suite.log()
        # The same connection serves the next session.
        assert stage.rcpt("c@mail.example.com").startswith("250")
        assert policy.connections == 1, policy.connections
    finally:
        stage.close()
        policy.shutdown()
        top.unlink()


def postgrey_delays_then_passes(bin_dir):
    port = suites.free_port()
    top = pathlib.Path(f"/tmp/postern-grey-{port}")
    top.mkdir()
    if os.geteuid() == 0:
        shutil.chown(top, "nobody")
        as_user = ["--user=nobody", "--group=nogroup"]
    else:
        me = pwd.getpwuid(os.geteuid())
        as_user = [f"--user={me.pw_name}",
                   f"--group={grp.getgrgid(me.pw_gid).gr_name}"]
    grey = subprocess.Popen(
        [POSTGREY, f"--inet=127.0.0.1:{port}", f"--dbdir={top}", "--delay=1",
         *as_user, f"--pidfile={top}/pid",
         "--syslogfacility=none"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stage = None
    try:
        def listens():
            """postgrey listens"""
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        suites.wait_until(listens, 30)
        stage = Stage(bin_dir, smtpd_recipient_restrictions=
                      f"check_policy_service inet:127.0.0.1:{port}")
        first = stage.rcpt()
        assert first.startswith("450 4.2.0") and "reylisted" in first, first

        def passes():
            """a later attempt passes"""
            return stage.rcpt().startswith("250")
        suites.wait_until(passes, 60)
    finally:
        if stage:
            stage.close()
        grey.terminate()
        grey.wait(20)
        shutil.rmtree(top)


def a_silent_service_stops_nobody_else(bin_dir):
    """Sessions that ask a service without answer wait alone."""
    policy = Policy(silent=True)
    stage = Stage(bin_dir, smtpd_restriction_classes="asking",
                  asking="check_policy_service { inet:127.0.0.1:%d, timeout=5, "
                         "try_limit=1 }" % policy.port,
                  smtpd_recipient_restrictions=
                  "check_recipient_access inline:{slow@mail.example.com=asking}")
    try:
        replies = []
        waiting = [stage.client() for _ in range(20)]
        threads = [threading.Thread(
            target=lambda c: replies.append(
                stage.rcpt("slow@mail.example.com", c)), args=(client,))
            for client in waiting]
        for thread in threads:
            thread.start()

        def all_ask():
            """all twenty ask at once"""
            return len(policy.requests) == 20
        suites.wait_until(all_ask, 30)
        began = time.monotonic()
        assert stage.rcpt().startswith("250")
        assert time.monotonic() - began < 4, "others were held up"
        assert not replies or time.monotonic() - began < 4
        for thread in threads:
            thread.join(60)
        assert len(replies) == 20
        for reply in replies:
            assert reply.startswith("451 4.3.5"), reply
        stage.suite.logged("problem talking to server 127.0.0.1:"
                           f"{policy.port}: Connection timed out")
    finally:
        stage.close()
        policy.shutdown()


def a_dead_name_server_stops_nobody_else(bin_dir):
    """A name server that never answers holds up who asks it, alone."""
    dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dead.bind(("127.0.0.1", 0))
    port = dead.getsockname()[1]
    stage = Stage(bin_dir, dns_servers=f"127.0.0.1@{port}",
                  smtpd_restriction_classes="asking",
                  asking="reject_unknown_sender_domain",
                  smtpd_recipient_restrictions=
                  "check_recipient_access inline:{slow@mail.example.com=asking}")
    try:
        replies = []
        client = stage.client()
        thread = threading.Thread(target=lambda: replies.append(
            stage.rcpt("slow@mail.example.com", client)))
        thread.start()
        dead.settimeout(30)
        dead.recv(4096)  # the question is under way
        assert stage.rcpt().startswith("250")
        assert not replies, "the other one has its answer already"
        thread.join(90)
        assert replies[0].startswith("450 4.1.8"), replies
    finally:
        stage.close()
        dead.close()


def main():
    tests = [a_silent_service_stops_nobody_else,
             a_dead_name_server_stops_nobody_else]
    if POSTGREY:
        tests.append(postgrey_delays_then_passes)
    if SPF:
        tests.append(spf_refuses_and_lets_pass)
    bad = 0
    for test in tests:
        try:
            test(sys.argv[1])
            print("ok:", test.__name__)
        except Exception:
            bad += 1
            print("FAILED:", test.__name__)
            traceback.print_exc()
    return 1 if bad else 0


sys.exit(main())
