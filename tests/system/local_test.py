#!/usr/bin/env python3
"""Local delivery with real users and real neighbours: commands, forwarding
files, pipe and spawn rows, hard messages through every way, and recipients who
try to get at files of others.

Needs root, and a mount and network namespace of its own: the test brings users
along. Parts whose program is not installed (procmail, maildrop, dovecot-lda,
vacation) are told of and left out."""

import ctypes
import os
import pathlib
import pwd
import shutil
import smtplib
import socket
import subprocess
import sys
import threading
import time
import traceback

from suite import Suite, free_port, wait_until

SKIPPED = 77
USERS = {"alice": 2001, "bob": 2002, "carol": 2003, "vmail": 5000,
         "postoffice": 8105}
HOST = "mail.example.com"


def enter_namespace():
    if os.geteuid() != 0:
        print("needs root")
        sys.exit(SKIPPED)
    if os.environ.get("POSTERN_LOCAL_TEST") != "inside":
        os.environ["POSTERN_LOCAL_TEST"] = "inside"
        probe = subprocess.run(["unshare", "--mount", "--net", "true"],
                               stderr=subprocess.PIPE)
        if probe.returncode != 0:
            print("no namespaces:", probe.stderr.decode())
            sys.exit(SKIPPED)
        os.execvp("unshare", ["unshare", "--mount", "--net", "--propagation",
                              "private", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def bind(source, target):
    subprocess.run(["mount", "--bind", source, target], check=True)


class Post:
    """A suite with users."""

    def __init__(self, bin_dir):
        self.suite = Suite.real(bin_dir)
        self.top = self.suite.top
        self.homes = self.top / "home"
        self.homes.mkdir()
        self.scratch = self.top / "scratch"
        self.scratch.mkdir()
        self.scratch.chmod(0o1777)
        self.spool = self.top / "mail"
        self.spool.mkdir()
        self.spool.chmod(0o1777)
        self.make_users()
        drop = self.suite.bin / "postdrop"
        shutil.chown(drop, "root", "postdropper")
        drop.chmod(0o2755)

    def make_users(self):
        passwd = pathlib.Path("/etc/passwd").read_text()
        group = pathlib.Path("/etc/group").read_text()
        for name, uid in USERS.items():
            passwd += f"{name}:x:{uid}:{uid}::{self.homes / name}:/bin/sh\n"
            group += f"{name}:x:{uid}:\n"
        group += "postdropper:x:8106:\n"
        # An /etc of the test's own; set-group-id programs take no other
        # configuration than one that is known there.
        etc = self.top / "etc"
        subprocess.run(["cp", "-a", "/etc", etc], check=True)
        (etc / "postern").mkdir(exist_ok=True)
        (etc / "passwd").write_text(passwd)
        (etc / "group").write_text(group)
        bind(etc, "/etc")
        bind(self.suite.conf, "/etc/postern")
        for name, uid in USERS.items():
            home = self.homes / name
            home.mkdir()
            os.chown(home, uid, uid)

    def configure(self, rows="", **settings):
        values = {
            "mail_owner": "postoffice", "setgid_group": "postdropper",
            "mydestination": HOST, "alias_maps": "",
            "local_recipient_maps": "", "mail_spool_directory": self.spool,
            "mynetworks": "127.0.0.0/8", "smtpd_peername_lookup": "no",
            "message_size_limit": "0", "mailbox_size_limit": "0",
            "virtual_mailbox_limit": "0", "recipient_delimiter": "+",
            "relayhost": "[127.0.0.1]:1",
            "alternate_config_directories": self.suite.conf,
        }
        values.update(settings)
        self.suite.configure(rows=rows, **values)

    def write(self, user, name, text, mode=0o600):
        file = self.homes / user / name
        file.write_text(text)
        file.chmod(mode)
        os.chown(file, USERS[user], USERS[user])
        return file

    def send(self, recipient, content, sender="s@client.test"):
        with smtplib.SMTP("127.0.0.1", self.suite.port, timeout=60) as smtp:
            smtp.ehlo()
            smtp.docmd(f"MAIL FROM:<{sender}> BODY=8BITMIME")
            code, text = smtp.docmd(f"RCPT TO:<{recipient}>")
            assert code == 250, (recipient, code, text)
            code, text = smtp.data(content.replace(b"\n", b"\r\n"))
            assert code == 250, (code, text)
            return text.split()[-1].decode()

    def status(self, queue_id, seconds=120):
        """The last words about a message."""
        def line():
            found = [each for each in self.suite.log().splitlines()
                     if f" {queue_id}: to=<" in each and "status=" in each]
            return found and found[-1].split("status=", 1)[1]
        line.__doc__ = f"a delivery of {queue_id} in\n" + self.suite.log()
        return wait_until(line, seconds)

    def deliver(self, recipient, content, expected="sent", **options):
        status = self.status(self.send(recipient, content, **options))
        assert status.startswith(expected), status
        return status

    def close(self):
        subprocess.run(["umount", "/etc/postern", "/etc"], check=True)
        self.suite.close()


HARD = {
    "plain": b"Subject: x\n\ntext\n",
    "eight bits": b"Subject: x\n\n" + bytes(range(0x80, 0x100)) + b"\n",
    "zero": b"Subject: x\n\na\0b\0\0\n\0\n",
    "long line": b"Subject: x\n\n" + b"l" * 998 + b"\n",
    "dots": b"Subject: x\n\n.\n..\n.x\n...\n",
    "separators": b"Subject: x\n\nFrom a\n\nFrom b\n>From c\n From d\n",
    "no body": b"Subject: x\n",
    "deep": b"Subject: x\nContent-Type: multipart/mixed; boundary=b0\n\n" +
            b"".join(b"--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n"
                     % (i, i + 1) for i in range(60)) + b"--b60\n\nx\n",
    "large": b"Subject: x\n\n" + b"0123456789abcdef" * 61 + b"\n" +
             (b"z" * 76 + b"\n") * 680_000,
}


def hard_messages_arrive_whole(post):
    out = post.scratch / "out"
    post.configure(
        rows="copy unix - n n - - pipe user=vmail argv=/bin/sh -c "
             f"{{cat > {post.scratch}/piped}}\n",
        transport_maps="inline:{{p@pipe.test=copy:}}",
        virtual_mailbox_domains="box.test",
        virtual_mailbox_base=post.top / "virtual",
        virtual_mailbox_maps="inline:{{m@box.test=m},{d@box.test=d/}}",
        virtual_uid_maps="static:5000", virtual_gid_maps="static:5000",
        mailbox_command_maps=f"inline:{{{{carol=cat > {out}}}}}")
    (post.top / "virtual").mkdir()
    shutil.chown(post.top / "virtual", "vmail", "vmail")
    box = post.homes / "bob/box"
    post.write("bob", ".forward", f"{box}\n")
    post.suite.start()
    ways = {
        f"alice@{HOST}": post.spool / "alice",
        f"bob@{HOST}": box,
        f"carol@{HOST}": out,
        "p@pipe.test": post.scratch / "piped",
        "m@box.test": post.top / "virtual/m",
        "d@box.test": post.top / "virtual/d/new",
    }
    for what, content in HARD.items():
        for recipient, place in ways.items():
            post.deliver(recipient, content)
            file = next(place.iterdir()) if place.is_dir() else place
            got = file.read_bytes()
            file.unlink()
            mbox = place in (post.spool / "alice", box,
                             post.top / "virtual/m")
            subject = content.split(b"\n", 1)[0]
            assert subject in got, (what, recipient, got[:400])
            expected = content.split(b"\n\n", 1)[-1] if b"\n\n" in content \
                else b""
            if mbox:
                expected = b"\n".join(
                    b">" + line if line.startswith(b"From ") else line
                    for line in expected.split(b"\n")) + b"\n"
            body = got.split(b"\n\n", 1)[1] if b"\n\n" in got else b""
            if not expected.strip():
                continue
            assert body == expected, (what, recipient, len(body),
                                      len(expected), body[:200])


def neighbours_get_their_mail(post):
    lda = pathlib.Path("/usr/lib/dovecot/dovecot-lda")
    conf = post.top / "dovecot.conf"
    conf.write_text("mail_location = maildir:/%h/lda\nssl = no\n"
                    f"base_dir = {post.top}/dovecot\n"
                    "log_path = /dev/stderr\npostmaster_address = p@x.test\n")
    conf.chmod(0o644)
    maps, expected = [], {}

    def neighbour(program, user, command, place, content):
        if not pathlib.Path(program).exists():
            print("     not installed:", program)
            return
        maps.append(f"{{{user}={command}}}")
        expected[user] = (place, content)

    post.write("alice", ".procmailrc",
               ":0:\n* ^Subject: neighbour\n$HOME/procmailed\n")
    neighbour("/usr/bin/procmail", "alice",
              'exec /usr/bin/procmail -a "$$EXTENSION"',
              post.homes / "alice/procmailed", b"Subject: neighbour")
    post.write("bob", ".mailfilter", 'to "$HOME/filtered"\n')
    neighbour("/usr/bin/maildrop", "bob", "/usr/bin/maildrop",
              post.homes / "bob/filtered", b"Subject: neighbour")
    neighbour(str(lda), "carol", f'{lda} -c {conf} -f "$$SENDER" -a "$$RECIPIENT"',
              post.homes / "carol/lda/new", b"Subject: neighbour")
    rows = ""
    if lda.exists():
        location = post.scratch / "piped-lda"
        rows = (f"lda unix - n n - - pipe flags=DRhu user=vmail "
                f"argv={lda} -c {conf} -f ${{sender}} -a ${{recipient}} "
                f"-o mail_location=maildir:{location} -o mail_home={location}\n")
    post.configure(rows=rows, lda_destination_recipient_limit="1",
                   transport_maps="inline:{{v@lda.test=lda:}}",
                   mailbox_command_maps=f"inline:{{{','.join(maps)}}}")
    post.suite.start()
    for user, (place, content) in expected.items():
        post.deliver(f"{user}+ext@{HOST}", b"Subject: neighbour\n\nx\n")
        file = next(place.iterdir()) if place.is_dir() else place
        assert content in file.read_bytes(), file
        assert file.stat().st_uid == USERS[user]
    if rows:
        post.deliver("v@lda.test", b"Subject: neighbour\n\nx\n")
        stored = next((location / "new").iterdir())
        assert stored.stat().st_uid == USERS["vmail"]
        assert b"Delivered-To: v@lda.test" in stored.read_bytes()


def vacation_answers(post):
    vacation = "/usr/bin/vacation"
    if not os.path.exists(vacation):
        print("     not installed:", vacation)
        return
    wrapper = post.top / "sendmail-wrapper"
    wrapper.write_text(f'#!/bin/sh\nexec {post.suite.bin}/sendmail '
                       f'-C {post.suite.conf} "$@"\n')
    wrapper.chmod(0o755)
    bind(wrapper, "/usr/sbin/sendmail")
    try:
        post.configure()
        post.write("alice", ".vacation.msg", "Subject: away\n\nI am away.\n")
        subprocess.run(["setpriv", "--reuid=2001", "--regid=2001",
                        "--clear-groups", vacation, "-I"], check=True,
                       env={"HOME": str(post.homes / "alice"),
                            "USER": "alice", "PATH": "/usr/bin:/bin"})
        post.write("alice", ".forward",
                   f'\\alice, "|{vacation} -a alice@{HOST} alice"\n')
        post.suite.start()
        post.deliver(f"alice@{HOST}",
                     f"To: alice@{HOST}\nSubject: hello\n\nx\n".encode(),
                     sender=f"bob@{HOST}")
        # It leaves by the set-group-id postdrop.
        answer = post.spool / "bob"
        wait_until(lambda: answer.exists() and
                   b"I am away." in answer.read_bytes(), 30)
        assert (post.spool / "alice").exists()
    finally:
        subprocess.run(["umount", "/usr/sbin/sendmail"], check=True)


def commands_are_their_users(post):
    post.configure(
        rows="slow unix - n n - - pipe user=vmail argv=/bin/sh -c "
             "{echo begun; sleep 600 & sleep 600}\n",
        slow_time_limit="1s", transport_maps="inline:{{s@slow.test=slow:}}",
        mailbox_command=f'id -u >> {post.scratch}/who; '
                        f'echo "$EXTENSION" >> {post.scratch}/said; '
                        'grep -E "^(Cap|Groups|NoNew)" /proc/self/status '
                        f'>> {post.scratch}/who',
        alias_maps="inline:{{cmd=|id -un > "
                   f"{post.scratch}/default}}}}")
    for name in ("who", "said"):
        (post.scratch / name).touch()
        (post.scratch / name).chmod(0o666)
    post.suite.start()
    post.deliver(f"alice@{HOST}", b"Subject: x\n\nx\n")
    who = (post.scratch / "who").read_text().split("\n")
    assert who[0] == "2001", who
    facts = dict(line.split(":", 1) for line in who if ":" in line)
    assert int(facts["CapEff"], 16) == 0 and int(facts["CapPrm"], 16) == 0
    assert facts["Groups"].split() == ["2001"], facts
    post.deliver(f"root@{HOST}", b"Subject: x\n\nx\n")
    assert "65534\n" in (post.scratch / "who").read_text()
    post.deliver(f"cmd@{HOST}", b"Subject: x\n\nx\n")
    assert (post.scratch / "default").read_text() == "nobody\n"
    # What a shell would take to heart.
    evil = f"alice+$(touch${{IFS}}{post.scratch}/evil);`id`|x"
    post.deliver(f'"{evil}"@{HOST}', b"Subject: x\n\nx\n")
    said = (post.scratch / "said").read_text().splitlines()[-1]
    assert not set("$`;|(){}") & set(said), said
    assert not (post.scratch / "evil").exists()
    # The time limit ends all of it.
    started = time.monotonic()
    status = post.deliver("s@slow.test", b"Subject: x\n\nx\n", "bounced")
    assert "Command time limit exceeded" in status, status
    assert "begun" in status, status
    assert time.monotonic() - started < 60
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and
                b"sleep\x00600" in read_quietly(f"/proc/{pid}/cmdline") and
                owner_of(pid) == USERS["vmail"]]


def read_quietly(path):
    try:
        return pathlib.Path(path).read_bytes()
    except OSError:
        return b""


def owner_of(pid):
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return -1


def a_program_per_connection(post):
    port = free_port()
    post.configure(
        rows=f"127.0.0.1:{port} inet n n n - 2 spawn user=vmail:mail "
             "argv=/bin/sh -c "
             "{read x; echo action=$x `id -u` `id -g`; echo e >&2; exit 3}\n")
    post.suite.start()
    for word in ("one", "two"):
        with socket.create_connection(("127.0.0.1", port), 20) as client:
            client.sendall(f"{word}\n".encode())
            text = b""
            while chunk := client.recv(1000):
                text += chunk
        assert text == f"action={word} 5000 8\ne\n".encode(), text
    post.suite.logged("postern/spawn")
    post.suite.logged("command /bin/sh exit status 3")


def users_hear_of_mail(post):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as comsat:
        comsat.bind(("127.0.0.1", 512))
        comsat.settimeout(20)
        post.configure(biff="yes")
        post.suite.start()
        post.deliver(f"alice@{HOST}", b"Subject: x\n\nx\n")
        assert comsat.recv(100) == b"alice@0\0"
        size = (post.spool / "alice").stat().st_size
        post.deliver(f"alice@{HOST}", b"Subject: x\n\nx\n")
        assert comsat.recv(100) == f"alice@{size}\0".encode()


def nobody_gets_at_anothers_files(post):
    """Bob, in a spool and a home that are his to change, tries to have mail
    written to Alice's file and to run her commands."""
    prey = post.homes / "alice/prey"
    post.write("alice", "prey", "untouched\n")
    post.configure(deliver_lock_attempts="1", deliver_lock_delay="1s",
                   mailbox_delivery_lock="fcntl")
    post.write("bob", ".forward", f"{post.homes}/bob/box\n")
    post.suite.start()
    spool, box = post.spool / "carol", post.homes / "bob/box"
    stop = threading.Event()

    def swap(place, user):
        """A file, a link to the prey, a hard link to it, nothing; again."""
        beside = place.with_name(place.name + ".new")
        while not stop.is_set():
            for make in (lambda: beside.symlink_to(prey),
                         lambda: os.link(prey, beside),
                         lambda: beside.touch(0o600)):
                try:
                    make()
                    os.chown(beside, USERS[user], USERS[user],
                             follow_symlinks=False) \
                        if not beside.samefile(prey) else None
                    os.rename(beside, place)
                except OSError:
                    pass

    threads = [threading.Thread(target=swap, args=each)
               for each in ((spool, "carol"), (box, "bob"))]
    for thread in threads:
        thread.start()
    try:
        for _ in range(15):
            for user in ("carol", "bob"):
                post.send(f"{user}@{HOST}", b"Subject: evil\n\nevil\n")
        ids = [post.send(f"{user}@{HOST}", b"Subject: evil\n\nevil\n")
               for user in ("carol", "bob")]
        for queue_id in ids:
            post.status(queue_id)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert prey.read_text() == "untouched\n", prey.read_text()
    # A forwarding file that is a link to, or belongs to, somebody else.
    spool.unlink(missing_ok=True)
    post.write("alice", ".forward", f'"|id -u > {post.scratch}/ran"\n', 0o644)
    forward = post.homes / "carol/.forward"
    forward.symlink_to(post.homes / "alice/.forward")
    post.deliver(f"carol@{HOST}", b"Subject: x\n\nx\n")
    forward.unlink()
    shutil.copy(post.homes / "alice/.forward", forward)
    os.chown(forward, USERS["alice"], USERS["alice"])
    post.deliver(f"carol@{HOST}", b"Subject: x\n\nx\n")
    assert not (post.scratch / "ran").exists()
    assert "is not a regular file" in post.suite.log()
    assert f"has bad owner uid {USERS['alice']}" in post.suite.log()


def an_extension_leads_to_nobodys_mailbox(post):
    """The spool is its group's, as Debian's: who writes there is of that
    group; who reads forwarding files must not be."""
    shutil.chown(post.spool, "root", "mail")
    post.spool.chmod(0o2775)
    secret = post.spool / "root"
    secret.write_text("From x@y  Mon Jan  1 00:00:00 2026\n\nsecretword\n")
    shutil.chown(secret, "root", "mail")
    secret.chmod(0o660)
    post.configure(forward_path="$home/.forward${recipient_delimiter}"
                                "${extension} $home/by-domain/$user")
    post.suite.start()
    for link in (".forward+a", "by-domain"):
        path = post.homes / "bob" / link
        path.symlink_to(post.spool)
        os.lchown(path, USERS["bob"], USERS["bob"])
    post.deliver(f'"bob+a/root"@{HOST}', b"Subject: one\n\nx\n")
    assert "address with illegal extension: bob+a/root" in post.suite.log()
    # A link that the administrator's own words go through.
    (post.spool / "bob").write_text("secretword\n")
    shutil.chown(post.spool / "bob", "root", "mail")
    (post.spool / "bob").chmod(0o660)
    post.send(f"bob@{HOST}", b"Subject: two\n\nx\n")
    post.suite.logged("not owned by recipient", 60)
    assert "secretword" not in post.suite.log(), post.suite.log()


def lists_in_lists_are_their_owners(post):
    """As local(8) says: what a user's list includes is read as that user."""
    for user in ("bob", "alice"):
        (post.homes / user).chmod(0o755)
    outer, inner = (post.homes / "bob" / name for name in ("outer", "inner"))
    post.write("bob", "outer", f":include:{inner}\n", 0o644)
    post.write("bob", "inner", "carol\n", 0o600)
    post.configure(alias_maps=f"inline:{{{{nest=:include:{outer}}}}}")
    second = post.homes / "alice/second"
    post.write("alice", "second", "carol\n", 0o600)
    post.write("alice", "first", f":include:{second}\n", 0o600)
    post.write("alice", ".forward", f":include:{post.homes}/alice/first\n")
    post.suite.start()
    box = post.spool / "carol"
    post.deliver(f"nest@{HOST}", b"Subject: one\n\nx\n")
    arrived = lambda word: lambda: box.exists() and word in box.read_bytes()
    wait_until(arrived(b"Subject: one"), 60)
    post.deliver(f"alice@{HOST}", b"Subject: two\n\nx\n")
    wait_until(arrived(b"Subject: two"), 60)


def libc_call(number, *words):
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall(number, *words)


def nobody_looks_into_a_process_that_becomes_his(post):
    """Before it confines itself, too: Bob must not take what a worker or
    runner of his has open."""
    post.configure()
    pidfd_open, pidfd_getfd = 434, 438
    for program in ("worker", "runner"):
        ours, theirs = socket.socketpair()
        os.set_inheritable(theirs.fileno(), True)
        # As master starts it; it waits for its first request.
        child = subprocess.Popen(
            ["setpriv", "--reuid=2002", "--regid=2002", "--clear-groups",
             "sh", "-c", f"exec {post.suite.bin}/{program} user=bob "
             f"3<&{theirs.fileno()}"], close_fds=False,
            stderr=subprocess.DEVNULL)
        theirs.close()
        try:
            wait_until(lambda: pathlib.Path(f"/proc/{child.pid}/comm")
                       .read_text().strip() == program)
            assert owner_of(f"{child.pid}/fd") == 0, program
            thief = os.fork()
            if thief == 0:
                os.setgroups([])
                os.setgid(USERS["bob"])
                os.setuid(USERS["bob"])
                process = libc_call(pidfd_open, child.pid, 0)
                os._exit(9 if process < 0 else
                         0 if libc_call(pidfd_getfd, process, 3, 0) < 0 else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(thief, 0)[1]) == 0
        finally:
            child.kill()
            child.wait()
            ours.close()
    # What has been made readable is set right.
    worker = post.suite.bin / "worker"
    shutil.chown(worker, "bob")
    worker.chmod(0o755)
    _, text = post.suite.postern("check")
    assert "users can look into its processes" in text, text
    status, text = post.suite.postern("set-permissions")
    assert status == 0, text
    facts = worker.stat()
    assert facts.st_uid == 0 and facts.st_mode & 0o7777 == 0o711, oct(
        facts.st_mode)
    _, text = post.suite.postern("check")
    assert "users can look into its processes" not in text, text


def tools_say_what_is_wrong(post):
    post.configure()
    run = post.suite.tool
    for option in ("-bh", "-bH"):
        done = run("sendmail", option, stdin=subprocess.DEVNULL)
        assert (done.returncode, done.stdout) == (0, ""), done
    done = run("mailq", "-z", stdin=subprocess.DEVNULL)
    assert done.returncode != 0 and "usage: mailq" in done.stdout, done
    done = run("postconf", "-E", "mail_name")
    assert done.returncode == 1 and "usage: postconf" in done.stdout, done
    for words in (("-q", "x"), ("-d", "x"), ("-s",)):
        done = run("postmap", *words, "hash:")
        assert done.returncode == 1, done
        assert 'expecting "type:name" form instead of "hash:"' in done.stdout
    for verb, word in (("tls", "smtpd_tls_chain_files"),
                       ("upgrade-configuration", "compatibility_level")):
        status, text = post.suite.postern(verb)
        assert status == 1 and word in text, text


TESTS = [tools_say_what_is_wrong, lists_in_lists_are_their_owners,
         nobody_looks_into_a_process_that_becomes_his, an_extension_leads_to_nobodys_mailbox, hard_messages_arrive_whole, neighbours_get_their_mail,
         vacation_answers, commands_are_their_users, a_program_per_connection,
         users_hear_of_mail, nobody_gets_at_anothers_files]


def main():
    enter_namespace()
    failed = 0
    for test in TESTS:
        if sys.argv[2:] and test.__name__ not in sys.argv[2:]:
            continue
        post = Post(sys.argv[1])
        try:
            test(post)
            print("ok  ", test.__name__, flush=True)
        except Exception:
            failed += 1
            print("FAIL", test.__name__)
            traceback.print_exc(file=sys.stdout)
            print("\n".join(post.suite.log().splitlines()[-40:]), flush=True)
        finally:
            post.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
