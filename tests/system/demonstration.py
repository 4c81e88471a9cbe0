#!/usr/bin/env python3
"""The main job, shown: a suite in a private directory accepts a message over
SMTP and one from sendmail(1), delivers both, and says where they are.

`./dev run` calls this. As root the suite runs with its own users (made when
they are missing); as an ordinary user it runs as that user.
"""

import argparse
import grp
import os
import pathlib
import pwd
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

USERS = ("postern", "postern-net", "postern-lookup", "postern-deliver",
         "postern-auth")
GROUP = "postdrop"


def say(text=""):
    print(text, flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def have_user(name):
    try:
        pwd.getpwnam(name)
        return True
    except KeyError:
        return False


def make_users():
    try:
        grp.getgrnam(GROUP)
    except KeyError:
        subprocess.run(["groupadd", "--system", GROUP], check=True)
        say(f"Made the group {GROUP}.")
    missing = [u for u in USERS if not have_user(u)]
    for name in missing:
        subprocess.run(["useradd", "--system", "--no-create-home",
                        "--home-dir", "/nonexistent", "--user-group",
                        "--shell", "/usr/sbin/nologin", name], check=True)
    if missing:
        say("Made the system users " + ", ".join(missing) + ".")


def configure(base, bin_dir, port, user, as_root):
    conf, spool = base / "etc", base / "spool"
    conf.mkdir()
    for name in (spool, base / "data", base / "mail"):
        name.mkdir()
    owner = "postern" if as_root else user
    if as_root:
        shutil.chown(base / "data", owner, owner)
        shutil.chown(base / "mail", "root", "mail")
        (base / "mail").chmod(0o2775)
    (conf / "main.conf").write_text(f"""\
compatibility_level = 3.6
queue_directory = {spool}
data_directory = {base}/data
daemon_directory = {bin_dir}
command_directory = {bin_dir}
maillog_file = {base}/maillog
maillog_file_prefixes = {base}
mail_owner = {owner}
setgid_group = {GROUP if as_root else grp.getgrgid(os.getgid()).gr_name}
myhostname = demo.example
mydestination = $myhostname, localhost
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps = unix:passwd.byname
mail_spool_directory = {base}/mail
default_transport = error:5.7.0 this is a demonstration: nothing leaves this host
""")
    (conf / "master.conf").write_text(f"""\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60   1 pickup
cleanup   unix  n - n -    0 cleanup
qmgr      unix  n - n 300  1 qmgr
rewrite   unix  - - n -    - trivial-rewrite
bounce    unix  - - n -    0 bounce
defer     unix  - - n -    0 bounce
trace     unix  - - n -    0 bounce
proxymap  unix  - - n -    - proxymap
smtp      unix  - - n -    - smtp
relay     unix  - - n -    - smtp
flush     unix  n - n 1000? 0 flush
showq     unix  n - n -    - showq
error     unix  - - n -    - error
retry     unix  - - n -    - error
discard   unix  - - n -    - discard
local     unix  - n n -    - local
virtual   unix  - n n -    - virtual
anvil     unix  - - n -    1 anvil
postlog   unix-dgram n - n - 1 postlogd
""")
    return conf


class Dialogue:
    """An SMTP session, printed as it goes."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")
        self.reply()

    def reply(self):
        while True:
            line = self.file.readline().decode("utf-8", "replace").rstrip()
            if not line:
                raise SystemExit("the server closed the connection")
            say("  S: " + line)
            if line[3:4] != "-":
                return line

    def command(self, text, expect):
        for line in text.split("\n"):
            say("  C: " + line)
        self.socket.sendall(text.replace("\n", "\r\n").encode() + b"\r\n")
        line = self.reply()
        if not line.startswith(expect):
            raise SystemExit(f"expected {expect}, got: {line}")
        return line


def wait_for(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        select.select([], [], [], 0.02)
    return True


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--bin", required=True, help="directory of the programs")
    ap.add_argument("--directory", help="where to put everything "
                    "(default: a new directory below /var/tmp)")
    ap.add_argument("--stop", action="store_true",
                    help="stop the suite and remove the directory afterwards")
    args = ap.parse_args()
    bin_dir = pathlib.Path(args.bin).resolve()
    as_root = os.geteuid() == 0
    user = "root" if as_root else pwd.getpwuid(os.getuid()).pw_name
    if as_root:
        make_users()
    base = pathlib.Path(args.directory or tempfile.mkdtemp(
        prefix="postern-run-", dir="/var/tmp"))
    base.mkdir(exist_ok=True)
    base.chmod(0o755)
    if as_root:
        # A copy: the build directory may lie where only root gets to, and the
        # daemons run as other users.
        shutil.copytree(bin_dir, base / "bin")
        (base / "bin").chmod(0o755)
        bin_dir = base / "bin"
    port = free_port()
    conf = configure(base, bin_dir, port, user, as_root)
    postern = [str(bin_dir / "postern"), "-c", str(conf)]

    say(f"Starting a suite in {base}, SMTP on 127.0.0.1:{port}")
    if subprocess.run(postern + ["start"]).returncode != 0:
        log = base / "maillog"
        say(log.read_text() if log.exists() else "(no log)")
        raise SystemExit("the suite did not start")
    ok = False
    try:
        ok = show(base, bin_dir, conf, port, user)
    except (OSError, subprocess.SubprocessError) as error:
        say(f"FAILED: {error}\n\n== The log")
        say((base / "maillog").read_text())
    finally:
        if args.stop or not ok:
            subprocess.run(postern + ["stop"])
    if not ok:
        say(f"Everything is left in {base}.")
        return 1
    if args.stop:
        shutil.rmtree(base)
        return 0
    say(f"""
The suite is running. To look at it:
  {bin_dir}/postqueue -c {conf} -p
  {bin_dir}/postern -c {conf} status
  tail -f {base}/maillog
To stop it:
  {bin_dir}/postern -c {conf} stop && rm -r {base}""")
    return 0


def show(base, bin_dir, conf, port, user):
    say("\n== A message over SMTP")
    session = Dialogue(port)
    session.command("EHLO client.example", "250")
    session.command("MAIL FROM:<visitor@client.example>", "250")
    session.command(f"RCPT TO:<{user}@demo.example>", "250")
    session.command("DATA", "354")
    session.command("From: visitor@client.example\nSubject: by SMTP\n\n"
                    "Hello over the wire.\n.", "250")
    session.command("QUIT", "221")

    say("\n== A message from sendmail")
    say(f"  $ sendmail -C {conf} {user}")
    subprocess.run([str(bin_dir / "sendmail"), "-C", str(conf), user],
                   input="Subject: by sendmail\n\nHello from this host.\n",
                   text=True, check=True)

    box = base / "mail" / user
    log = base / "maillog"
    done = wait_for("both messages", lambda: box.exists() and
                    box.read_text(errors="replace").count("\nSubject: by ") == 2
                    and log.read_text().count(": removed") >= 2)
    say("\n== The log")
    for line in log.read_text().splitlines():
        say("  " + line)
    say(f"\n== The mailbox, {box}")
    say("".join("  " + line for line in box.read_text().splitlines(True))
        if box.exists() else "  (no mailbox)")
    say("Both messages are in the mailbox." if done
        else "THE MESSAGES DID NOT ARRIVE.")
    return done


if __name__ == "__main__":
    sys.exit(main())
