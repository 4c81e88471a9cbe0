#!/usr/bin/env python3
"""Kills each daemon in turn under load: every message that got 250 arrives,
whole, in the mailbox or at the next host."""

import os
import pwd
import signal
import sys
import time

from peers import Sender, Sink, body_for
from suite import Suite, wait_until

VICTIMS = ("smtpd", "cleanup", "qmgr", "smtp", "local", "lookup", "worker")


def main(bin_dir):
    user = pwd.getpwuid(os.geteuid()).pw_name
    suite, sink = Suite.real(bin_dir), Sink()
    spool = suite.top / "mail"
    spool.mkdir()
    suite.configure(
        mydestination="mail.example.com", alias_maps="",
        local_recipient_maps="unix:passwd.byname",
        mail_spool_directory=spool, relayhost=f"[127.0.0.1]:{sink.port}",
        mynetworks="127.0.0.0/8", smtpd_peername_lookup="no",
        minimal_backoff_time="1s", maximal_backoff_time="2s",
        queue_run_delay="1s", transport_retry_time="1s",
        smtpd_client_connection_count_limit="0",
        local_destination_concurrency_limit="2",
        # A killed worker leaves its dot-lock behind.
        stale_lock_time="2s", deliver_lock_delay="1s")
    suite.start()
    senders = [Sender(suite.port, f"s{i}", [f"{user}@mail.example.com",
                                            "far@away.test"])
               for i in range(4)]
    try:
        for sender in senders:
            sender.start()
        wait_until(lambda: all(len(s.accepted) > 5 for s in senders), 30)
        killed = 0
        for round_number in range(2):
            for victim in VICTIMS:
                before = sum(len(s.accepted) for s in senders)
                for pid in suite.pids(victim):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                wait_until(lambda: sum(len(s.accepted) for s in senders)
                           >= before + 10, 40)
        for sender in senders:
            sender.stopping.set()
        for sender in senders:
            sender.join(40)
        suite.ask("qmgr", "flush")

        def empty():
            """the queue runs empty"""
            if suite.queue():
                return False
            return not any((suite.top / "queue/incoming").iterdir())
        wait_until(empty, 90)
        return judge(senders, sink, spool / user, killed, suite)
    except AssertionError as error:
        print(error)
        print("left in the queue:", suite.queue())
        for box in ("maildrop", "incoming", "active", "deferred", "corrupt"):
            for file in (suite.top / "queue" / box).rglob("*"):
                if file.is_file():
                    print(f"{box}/{file.name}: {file.stat()}")
        print("\n".join(suite.log().splitlines()[-60:]))
        return 1
    finally:
        for sender in senders:
            sender.stopping.set()
        suite.close()


def judge(senders, sink, box, killed, suite):
    arrived = box.read_text() + "".join(sink.texts()).replace("\r\n", "\n")
    accepted = [t for s in senders for t in s.accepted]
    lost = [t for t in accepted if f"token {t}\n" not in arrived]
    damaged = [t for t in accepted
               if t not in lost and body_for(t) not in arrived]
    doubled = [t for t in accepted if arrived.count(f"token {t}\n") > 1]
    half = arrived.count("\ntoken ") - arrived.count("\nend ")
    print(f"{killed} processes killed; {len(accepted)} messages accepted, "
          f"{len(lost)} lost, {len(damaged)} damaged, {half} half, "
          f"{len(doubled)} delivered twice")
    if lost or damaged or half or killed < len(VICTIMS):
        print("lost:", lost[:10], "damaged:", damaged[:10])
        print("\n".join(suite.log().splitlines()[-60:]))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
