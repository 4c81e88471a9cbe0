#!/usr/bin/env python3
"""A delivery takes its time, and meanwhile the queue changes below it: a reload,
a message put on hold. Nobody gets anything twice, and nobody else waits."""

import os
import pwd
import re
import smtplib
import sys
import threading
import traceback

from peers import Sink
from suite import Suite, wait_until


class Stage:
    """A suite whose next host answers the final dot when told to."""

    def __init__(self, bin_dir):
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.sink = Sink()
        self.reached, self.go = threading.Event(), threading.Event()
        self.sink.before_taking = self.hold_back
        self.sink.reply_to_rcpt = lambda sink, sender, recipient: (
            "550 5.1.1 nobody" if recipient.startswith("no-") else "250 2.1.5 Ok")
        self.suite = Suite.real(bin_dir)
        self.spool = self.suite.top / "mail"
        self.spool.mkdir()
        self.suite.configure(
            mydestination="mail.example.com", alias_maps="",
            local_recipient_maps="unix:passwd.byname",
            mail_spool_directory=self.spool, mynetworks="127.0.0.0/8",
            relayhost=f"[127.0.0.1]:{self.sink.port}",
            smtpd_peername_lookup="no")
        self.suite.start()

    def hold_back(self, recipients):
        if any(each.startswith("slow-") for each in recipients):
            self.reached.set()
            assert self.go.wait(60)

    def send(self, *recipients):
        """The queue id."""
        with smtplib.SMTP("127.0.0.1", self.suite.port, timeout=20) as smtp:
            smtp.ehlo("client.test")
            assert smtp.mail("back@away.test")[0] == 250
            for recipient in recipients:
                assert smtp.rcpt(recipient)[0] == 250
            code, text = smtp.data("Subject: x\n\ntext\n")
            assert code == 250, text
            return re.search(r"queued as (\w+)", text.decode())[1]

    def taken(self, name):
        with self.sink.lock:
            return sum(each.count(name) for _, each, _ in self.sink.messages)

    def empty(self):
        """the queue runs empty"""
        return not self.suite.queue()

    def close(self):
        self.go.set()
        self.suite.close()


def reload_while_a_host_thinks(stage):
    suite = stage.suite
    stage.send("slow-a@away.test", "no-a@away.test")
    assert stage.reached.wait(20)
    status, text = suite.postern("reload")
    assert status == 0, text
    # Others do not wait for that host.
    other = stage.send(f"{stage.user}@mail.example.com")
    suite.logged(f"{other}: removed")
    assert stage.taken("slow-a@away.test") == 0
    stage.go.set()
    suite.logged("sender non-delivery notification")
    wait_until(stage.empty, 30)
    assert stage.taken("slow-a@away.test") == 1, suite.log()
    assert stage.taken("back@away.test") == 1, suite.log()


def a_second_reload_while_a_host_thinks(stage):
    suite = stage.suite
    stage.send("slow-a@away.test")
    assert stage.reached.wait(20)
    for _ in range(2):
        assert suite.postern("reload")[0] == 0
        other = stage.send(f"{stage.user}@mail.example.com")
        suite.logged(f"{other}: removed")
    stage.go.set()
    wait_until(stage.empty, 30)
    assert stage.taken("slow-a@away.test") == 1, suite.log()


def stop_while_a_host_thinks(stage):
    suite = stage.suite
    stage.send("slow-a@away.test", "no-a@away.test")
    assert stage.reached.wait(20)
    stopping = threading.Thread(target=suite.postern, args=("stop",))
    stopping.start()
    suite.logged("stopping the Postern mail system")
    stage.go.set()
    stopping.join(60)
    suite.start()
    wait_until(stage.empty, 30)
    assert stage.taken("slow-a@away.test") == 1, suite.log()


def hold_while_a_host_thinks(stage):
    suite = stage.suite
    queue_id = stage.send("slow-a@away.test")
    assert stage.reached.wait(20)
    assert suite.tool("postsuper", "-h", queue_id).returncode == 0
    stage.go.set()
    suite.logged(f"{queue_id}: removed")
    assert not (suite.top / "queue/hold" / queue_id).exists()
    assert stage.taken("slow-a@away.test") == 1, suite.log()


def one_of_two_is_done_before_the_hold(stage):
    suite = stage.suite
    suite.configure(mydestination="mail.example.com", alias_maps="",
                    local_recipient_maps="unix:passwd.byname",
                    mail_spool_directory=stage.spool, mynetworks="127.0.0.0/8",
                    relayhost=f"[127.0.0.1]:{stage.sink.port}",
                    smtpd_peername_lookup="no", defer_transports="local")
    assert suite.postern("reload")[0] == 0
    queue_id = stage.send("slow-a@away.test", f"{stage.user}@mail.example.com")
    assert stage.reached.wait(20)
    assert suite.tool("postsuper", "-h", queue_id).returncode == 0
    stage.go.set()
    suite.logged("status=sent")
    assert suite.tool("postsuper", "-H", queue_id).returncode == 0
    assert suite.tool("postqueue", "-f").returncode == 0
    suite.logged_lines("deferred transport", 2)
    assert stage.taken("slow-a@away.test") == 1, suite.log()


def a_file_that_cannot_be_opened_is_tried_again(stage):
    suite = stage.suite
    suite.tool("postconf", "-e", "minimal_backoff_time=1s", "queue_run_delay=1s",
               "maximal_backoff_time=1s", "defer_transports=local")
    assert suite.postern("reload")[0] == 0
    queue_id = stage.send(f"{stage.user}@mail.example.com")
    suite.logged("deferred transport")
    file = wait_until(lambda: next(
        (suite.top / "queue/deferred").rglob(queue_id), None))
    file.chmod(0)
    suite.tool("postconf", "-e", "defer_transports=")
    assert suite.postern("reload")[0] == 0
    suite.logged(f"warning: {queue_id}: ")
    file.chmod(0o600)
    suite.logged(f"{queue_id}: removed", 20)


TESTS = (reload_while_a_host_thinks, a_second_reload_while_a_host_thinks,
         stop_while_a_host_thinks, hold_while_a_host_thinks,
         one_of_two_is_done_before_the_hold,
         a_file_that_cannot_be_opened_is_tried_again)


def main(bin_dir, *chosen):
    failed = 0
    for test in TESTS:
        if chosen and test.__name__ not in chosen:
            continue
        stage = Stage(bin_dir)
        try:
            test(stage)
            print("ok  ", test.__name__)
        except Exception:
            failed += 1
            print("FAIL", test.__name__)
            traceback.print_exc(file=sys.stdout)
            print(stage.suite.log())
        finally:
            stage.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
