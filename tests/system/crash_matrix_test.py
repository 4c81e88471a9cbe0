#!/usr/bin/env python3
"""What the death of a daemon, or a failing system call, does to a message.

One message with four ways to go (a mailbox, a host that takes it, a host that
says 450 first, a host that says 550: a notice) is sent again and again. Its life
is watched once, and every system call of it that changes something is a case: the
daemon is killed where it would make that call, or the call fails. Afterwards an
acknowledged message has arrived everywhere, whole, once, or at most twice where
the death fell between somebody's 250 and our record of it; and the queue is empty.

  crash_matrix_test.py BIN [--errors] [--cases N] [--only DAEMON[:CALL[:NTH]]]

--cases takes N cases, spread over all; without it all are run. --errors lets calls
fail instead of killing."""

import argparse
import os
import pathlib
import pwd
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile
import threading
import time

from peers import Sink, body_for
from suite import Suite, wait_until

VICTIMS = ("smtpd", "cleanup", "qmgr", "smtp", "local", "worker", "lookup")
CALLS = {
    "open": "openat", "write": "write", "writev": "writev", "pwrite": "pwrite64",
    "pwritev": "pwritev", "fsync": "fsync", "fdatasync": "fdatasync",
    "sync_range": "sync_file_range", "allocate": "fallocate",
    "truncate": "ftruncate", "rename": "rename", "renameat": "renameat",
    "renameat2": "renameat2", "link": "link", "linkat": "linkat",
    "unlink": "unlink", "unlinkat": "unlinkat", "mkdir": "mkdirat",
    "chmod": "fchmod", "utime": "utimensat", "send": "sendmsg",
    "sendto": "sendto", "connect": "connect", "lock": "flock",
}
# Each call fails as it does in practice.
ERRORS = {
    "openat": ("EMFILE", "ENOSPC"), "write": ("ENOSPC", "EIO"),
    "writev": ("ENOSPC",), "pwrite64": ("ENOSPC", "EIO"), "pwritev": ("EIO",),
    "fsync": ("EIO",), "fdatasync": ("EIO", "EDQUOT"), "fallocate": ("ENOSPC",),
    "ftruncate": ("EIO",), "rename": ("ENOSPC", "EIO"),
    "renameat": ("ENOSPC", "EIO"), "renameat2": ("ENOSPC", "EIO"),
    "link": ("EDQUOT",), "linkat": ("EDQUOT", "ENOSPC"), "unlink": ("EIO",),
    "unlinkat": ("EIO",), "sendmsg": ("ENOMEM", "EINTR"), "sendto": ("ENOMEM",),
    "connect": ("ENETUNREACH",), "mkdirat": ("ENOSPC",), "fchmod": ("EIO",),
    "utimensat": ("EIO",), "flock": ("ENOLCK",),
}


class Peer(Sink):
    """A sink whose answer to RCPT depends on the name; 450 once a message."""

    def __init__(self):
        super().__init__()
        self.asked = set()


def reply_to_rcpt(peer, sender, recipient):
    local = recipient.split("@")[0]
    if local.startswith("no-"):
        return "550 5.1.1 nobody here"
    if local.startswith("later-"):
        with peer.lock:
            first = recipient not in peer.asked
            peer.asked.add(recipient)
        if first:
            return "450 4.2.0 later"
    return "250 2.1.5 Ok"


class Tracer:
    """strace on all threads of a process, until it ends or `stop`."""

    def __init__(self, pid, output, *options):
        self.output = output
        self.process = subprocess.Popen(
            ["strace", "-f", "-y", "-q", "-o", output, *options, "-p", str(pid)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

        def attached():
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            return re.search(r"^TracerPid:\s*[1-9]", status, re.M)
        wait_until(attached)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(20)


class Matrix:
    def __init__(self, bin_dir):
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.peer = Peer()
        self.peer.reply_to_rcpt = reply_to_rcpt
        self.suite = Suite.real(bin_dir)
        self.spool = self.suite.top / "mail"
        self.spool.mkdir()
        self.count = 0
        self.suite.configure(
            mydestination="mail.example.com", alias_maps="",
            local_recipient_maps="unix:passwd.byname",
            mail_spool_directory=self.spool,
            relayhost=f"[127.0.0.1]:{self.peer.port}",
            mynetworks="127.0.0.0/8", smtpd_peername_lookup="no",
            minimal_backoff_time="1s", maximal_backoff_time="1s",
            queue_run_delay="1s", transport_retry_time="1s",
            smtpd_client_connection_count_limit="0",
            # Deaths follow each other quickly here.
            service_throttle_time="1s",
            # A dead worker leaves its dot-lock behind.
            stale_lock_time="1s", deliver_lock_delay="1s")
        self.suite.start()

    def close(self):
        self.suite.close()

    def token(self):
        self.count += 1
        return f"t{self.count}x"

    def send(self, token, patience=20):
        """Until it is acknowledged for all; how many tries that took."""
        end = time.monotonic() + patience
        tries = 0
        while True:
            tries += 1
            try:
                self.transaction(token)
                return tries
            except (smtplib.SMTPException, OSError):
                if time.monotonic() > end:
                    raise AssertionError(f"{token}: never accepted") from None
                time.sleep(0.05)

    def transaction(self, token):
        with smtplib.SMTP("127.0.0.1", self.suite.port, timeout=10) as smtp:
            smtp.ehlo("client.test")
            recipients = [f"{self.user}@mail.example.com"] + [
                f"{name}-{token}@away.test" for name in ("ok", "later", "no")]
            replies = [smtp.mail(f"back-{token}@away.test")]
            replies += [smtp.rcpt(recipient) for recipient in recipients]
            # One that is refused for now: all of it again.
            if any(code != 250 for code, _ in replies):
                raise smtplib.SMTPException(replies)
            code, text = smtp.data(f"Subject: {token}\n\n{body_for(token)}\n")
            if code != 250:
                raise smtplib.SMTPException((code, text))

    def arrivals(self, token):
        """Where it has arrived: place -> number."""
        box = self.spool / self.user
        text = box.read_text() if box.exists() else ""
        found = {"mailbox": text.count(body_for(token)),
                 "begun": text.count(f"token {token}\n")}
        with self.peer.lock:
            messages = list(self.peer.messages)
        whole = body_for(token).replace("\n", "\r\n")
        for place in ("ok", "later", "no", "back"):
            name = f"{place}-{token}@away.test"
            found[place] = sum(
                recipients.count(name) for _, recipients, body in messages
                if place == "back" or whole in body)
        return found

    def complete(self, token):
        found = self.arrivals(token)
        return all(found[place] for place in ("mailbox", "ok", "later", "back"))

    def settle(self, token):
        def done():
            """the message arrives everywhere and the queue is empty"""
            return self.complete(token) and not self.queued()
        done.__doc__ = f"{token} everywhere and the queue empty"
        try:
            wait_until(done, 25)
        except AssertionError as error:
            raise AssertionError(
                f"{error}: {self.arrivals(token)}, queue {self.queued()}"
            ) from None

    def queued(self):
        boxes = ("maildrop", "incoming", "active", "deferred", "corrupt", "hold")
        return [str(file) for box in boxes
                for file in (self.suite.top / "queue" / box).rglob("*")
                if file.is_file()]

    def victim(self, name):
        """The process that will do the work: all have been warmed up."""
        return wait_until(lambda: self.suite.pids(name), 20)

    def watch(self):
        """(daemon, call, how often) of one message's life."""
        self.settle_one()
        output = pathlib.Path(tempfile.mkdtemp(prefix="matrix."))
        tracers = [Tracer(pid, output / f"{name}.{pid}", "-e",
                          "trace=" + ",".join(sorted(CALLS.values())))
                   for name in VICTIMS for pid in self.suite.pids(name)]
        token = self.token()
        self.send(token)
        self.settle(token)
        for tracer in tracers:
            tracer.stop()
        cases = {}
        for name in VICTIMS:
            for file in output.glob(f"{name}.*"):
                per_thread = {}
                for line in file.read_text().splitlines():
                    made = re.match(r"(\d+) +(\w+)\(", line)
                    if made and not reading(line) and not to_eventfd(line):
                        key = (made[1], made[2])
                        per_thread[key] = per_thread.get(key, 0) + 1
                for (_, call), number in per_thread.items():
                    key = (name, call)
                    cases[key] = max(cases.get(key, 0), number)
        shutil.rmtree(output)
        return [(name, call, nth) for (name, call), number in sorted(cases.items())
                for nth in range(1, number + 1)]

    def woke_nobody(self):
        """Did a failure strike another thread's write to an eventfd?"""
        return any("(INJECTED)" in line and to_eventfd(line)
                   for file in self.suite.top.glob("trace.*")
                   for line in file.read_text().splitlines())

    def settle_one(self):
        token = self.token()
        self.send(token)
        self.settle(token)

    def run(self, name, call, nth, error):
        """One case: None, or what went wrong; and whether it struck."""
        pids = self.victim(name)
        what = f"error={error}" if error else "signal=SIGKILL"
        trace = self.suite.top / "trace"
        tracers = [Tracer(pid, f"{trace}.{pid}", "-e", f"trace={call}", "-e",
                          f"inject={call}:{what}:when={nth}") for pid in pids]
        token = self.token()
        try:
            tries = self.send(token)
            self.settle(token)
        finally:
            for tracer in tracers:
                tracer.stop()
        struck = any(struck_in(pathlib.Path(f"{trace}.{pid}")) for pid in pids)
        found = self.arrivals(token)
        most = 2 if tries == 1 else tries + 1
        wrong = [f"{place} {number} times" for place, number in found.items()
                 if number > most]
        if found["begun"] != found["mailbox"]:
            wrong.append("a part of it in the mailbox")
        if found["no"]:
            wrong.append("delivered where it was refused")
        return "; ".join(wrong) or None, struck, found


def to_eventfd(line):
    """How threads wake each other; that does not fail in practice."""
    return "eventfd" in line


def reading(line):
    return "openat(" in line and "O_CREAT" not in line and "O_WRONLY" not in line \
        and "O_RDWR" not in line


def struck_in(trace):
    text = trace.read_text() if trace.exists() else ""
    return "(INJECTED)" in text or "killed by SIGKILL" in text


def spread(cases, number):
    if not number or number >= len(cases):
        return cases
    return [cases[i * len(cases) // number] for i in range(number)]


def chosen(cases, only):
    if not only:
        return cases
    words = only.split(":")
    return [case for case in cases
            if [str(part) for part in case[:len(words)]] == words]


def with_errors(cases):
    return [(name, call, nth, error) for name, call, nth in cases
            for error in ERRORS.get(call, ())]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("--errors", action="store_true")
    parser.add_argument("--cases", type=int, default=0)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if not shutil.which("strace") or os.geteuid() != 0:
        print("needs strace(1), and root: nobody else can trace the daemons")
        return 77
    matrix = Matrix(options.bin)
    failed, struck, doubled, left_out = [], 0, 0, 0
    try:
        seen = chosen(matrix.watch(), options.only)
        cases = with_errors(seen) if options.errors else \
            [(*case, None) for case in seen]
        cases = spread(cases, options.cases)
        for name, call, nth, error in cases:
            label = f"{name} {call} #{nth} {error or 'killed'}"
            try:
                wrong, hit, found = matrix.run(name, call, nth, error)
            except AssertionError as trouble:
                if error and matrix.woke_nobody():
                    print(f"left out {label}: it hit what wakes a thread")
                    left_out += 1
                    matrix.close()
                    matrix = Matrix(options.bin)
                    matrix.settle_one()
                    continue
                print(f"FAIL {label}: {trouble}", flush=True)
                print("\n".join(matrix.suite.log().splitlines()[-40:]))
                failed.append(label)
                matrix.close()
                matrix = Matrix(options.bin)
                matrix.settle_one()
                continue
            struck += hit
            doubled += any(found[p] > 1 for p in ("mailbox", "ok", "later"))
            if wrong:
                failed.append(label)
                print(f"FAIL {label}: {wrong}", flush=True)
            elif options.only:
                print(f"ok   {label}: struck {hit}, {found}", flush=True)
        print(f"{len(cases)} cases of {len(seen)} system calls, {struck} struck, "
              f"{doubled} with a second copy, {left_out} left out, "
              f"{len(failed)} failed")
    finally:
        matrix.close()
    return 1 if failed or struck * 2 < len(cases) else 0


if __name__ == "__main__":
    sys.exit(main())
