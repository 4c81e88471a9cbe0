#!/usr/bin/env python3
"""Programs of others at work with the whole suite: Dovecot's LMTP over a socket
with a path and over TCP, Mailman 3 over LMTP and an alias, notices as Python's
email package and mutt read them. What local programs do is in local_test.py.

Needs root and namespaces, as that one does. Parts whose program is not
installed are told of and left out."""

import email
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback

from local_test import HOST, Post, enter_namespace
from suite import free_port, wait_until

DOVECOT = """\
protocols = lmtp
base_dir = {top}/run
state_dir = {top}/run
log_path = {top}/log
ssl = no
first_valid_uid = 1
auth_username_format = %Ln
mail_location = maildir:{top}/boxes/%n
lmtp_rcpt_check_quota = no
recipient_delimiter = +
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {top}/users
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service lmtp {{
  unix_listener {top}/lmtp {{
    mode = 0666
  }}
  inet_listener {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""


def installed(program):
    found = shutil.which(program, path="/usr/lib/mailman3/bin:/usr/bin:/usr/sbin")
    if not found:
        print("     not installed:", program)
    return found


def end(child):
    child.terminate()
    try:
        child.wait(30)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(30)


def dovecot_takes_mail(post):
    """Two recipients of one message, of whom one is unknown to Dovecot: each
    gets a verdict of its own (RFC 2033)."""
    if not (installed("dovecot") and os.path.exists("/usr/lib/dovecot/lmtp")):
        return
    top, port = post.top / "dovecot", free_port()
    (top / "run").mkdir(parents=True)
    (top / "boxes").mkdir()
    shutil.chown(top / "boxes", "vmail", "vmail")
    (top / "users").write_text(
        "".join(f"{name}::5000:5000::{top}/boxes/{name}::\n"
                for name in ("anna", "otto")))
    (top / "dovecot.conf").write_text(DOVECOT.format(top=top, port=port))
    post.configure(virtual_mailbox_domains="unix.test, inet.test",
                   virtual_transport=f"lmtp:unix:{top}/lmtp",
                   transport_maps="inline:{{inet.test=lmtp:inet:127.0.0.1:%d}}"
                                  % port)
    child = subprocess.Popen([installed("dovecot"), "-F", "-c",
                              top / "dovecot.conf"], stdin=subprocess.DEVNULL)
    try:
        wait_until((top / "lmtp").is_socket, 30)
        post.suite.start()
        for domain in ("unix.test", "inet.test"):
            body = b"Subject: %s\n\n.dot\nFrom x\n" % domain.encode()
            for user in ("anna", "otto+ext"):
                status = post.deliver(f"{user}@{domain}", body)
                assert "Saved" in status, status
            status = post.deliver(f"nobody@{domain}", body, "bounced")
            assert "5.1.1" in status, status
            for user in ("anna", "otto"):
                stored = [file.read_bytes() for file in
                          (top / "boxes" / user / "new").iterdir()]
                mine = [text for text in stored if b"Subject: %s\n" %
                        domain.encode() in text.replace(b"\r", b"")]
                assert len(mine) == 1, stored
                assert mine[0].replace(b"\r", b"").endswith(
                    b"\n\n.dot\nFrom x\n"), mine
    finally:
        end(child)


MAILMAN = """\
[mailman]
layout: here
site_owner: alice@{host}
[paths.here]
var_dir: {top}
bin_dir: /usr/lib/mailman3/bin
[mta]
incoming: mailman.mta.null.NullMTA
outgoing: mailman.mta.deliver.deliver
lmtp_host: 127.0.0.1
lmtp_port: {lmtp}
smtp_host: 127.0.0.1
smtp_port: {smtp}
[webservice]
port: {web}
"""


def mailman_runs_a_list(post):
    """A post reaches the list by its address over LMTP, and by an alias; the
    members get it from us, with the list's own sender."""
    program = installed("mailman")
    if not program:
        return
    top, lmtp = post.top / "mailman", free_port()
    top.mkdir()
    shutil.chown(top, "vmail", "vmail")
    conf = post.top / "mailman.cfg"
    conf.write_text(MAILMAN.format(host=HOST, top=top, lmtp=lmtp,
                                   smtp=post.suite.port, web=free_port()))
    conf.chmod(0o644)

    said = top / "said"

    def mailman(*words):
        # Into a file: its daemons keep their standard output open.
        with said.open("ab") as out:
            done = subprocess.run(
                ["setpriv", "--reuid=5000", "--regid=5000", "--clear-groups",
                 program, "-C", conf, *words], cwd="/", timeout=100,
                env={"PATH": "/usr/bin:/bin", "HOME": str(top),
                     "LANG": "C.UTF-8"}, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT)
        assert done.returncode == 0, said.read_text()

    mailman("create", "-d", "talk@lists.test")
    members = top / "members"
    members.write_text(f"alice@{HOST}\nbob@{HOST}\n")
    mailman("addmembers", str(members), "talk@lists.test")
    post.configure(relay_domains="lists.test",
                   relay_transport=f"lmtp:inet:127.0.0.1:{lmtp}",
                   alias_maps="inline:{{everybody=talk@lists.test}}")
    post.suite.start()
    mailman("start")
    try:
        def listens():
            return f":{lmtp:04X} " in pathlib.Path("/proc/net/tcp").read_text()
        wait_until(listens, 100)
        for number, recipient in enumerate(("talk@lists.test",
                                            f"everybody@{HOST}")):
            text = (f"From: alice@{HOST}\nTo: talk@lists.test\n"
                    f"Subject: post {number}\nMessage-ID: <{number}@x.test>\n\n"
                    f"words {number}\n")
            post.deliver(recipient, text.encode(), sender=f"alice@{HOST}")
            for user in ("alice", "bob"):
                box = post.spool / user

                def came():
                    return box.exists() and f"words {number}\n" in \
                        box.read_text()
                came.__doc__ = f"post {number} to {user}: " + post.suite.log()
                wait_until(came, 100)
                assert "Return-Path: <talk-bounces@lists.test>" in \
                    box.read_text()
                assert "List-Id: <talk.lists.test>" in box.read_text()
    finally:
        mailman("stop")


def a_bounce(post):
    """The notice about a message with words beyond ASCII, as it lies in
    Alice's mailbox."""
    post.configure(local_recipient_maps="")
    post.suite.start()
    body = "Subject: lost\nMIME-Version: 1.0\nContent-Type: text/plain; " \
           "charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ngr\u00fc\u00dfe\n"
    post.deliver(f"nosuch@{HOST}", body.encode(), "bounced",
                 sender=f"alice@{HOST}")
    box = post.spool / "alice"
    wait_until(lambda: box.exists() and box.stat().st_size > 0, 60)
    return box


def python_reads_a_notice(post):
    notice = email.message_from_bytes(
        a_bounce(post).read_bytes().split(b"\n", 1)[1])
    assert notice.get_content_type() == "multipart/report", notice
    assert notice.get_param("report-type") == "delivery-status"
    words, status, original = notice.get_payload()
    assert words.get_content_type() == "text/plain"
    assert f"<nosuch@{HOST}>" in words.get_payload()
    assert status.get_content_type() == "message/delivery-status"
    message, recipient = status.get_payload()[:2]
    assert message["Reporting-MTA"] == f"dns; {HOST}"
    assert recipient["Final-Recipient"] == f"rfc822; nosuch@{HOST}"
    assert (recipient["Action"], recipient["Status"]) == ("failed", "5.1.1")
    assert original.get_content_type() == "message/rfc822"
    returned = original.get_payload()[0]
    assert returned["Subject"] == "lost"
    assert returned.get_payload(decode=True).strip() == \
        "gr\u00fc\u00dfe".encode()


def mutt_reads_a_notice(post):
    mutt = installed("mutt")
    if not mutt:
        return
    box, shown = a_bounce(post), post.top / "shown"
    rc = post.top / "muttrc"
    rc.write_text("set pipe_decode=yes wait_key=no quit=yes charset=utf-8 "
                  f"folder={post.top}\n")
    # What is typed, each when the screen shows that its turn has come.
    dialogue = [(b"Msgs:1", b"|"), (b"Pipe to command:",
                                    f"cat > {shown}\r".encode())]
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="vt100", HOME=str(post.top), LANG="C.UTF-8",
                          LC_ALL="C.UTF-8")
        os.execv(mutt, [mutt, "-n", "-R", "-F", str(rc), "-f", str(box)])
    screen, until = b"", time.monotonic() + 60
    try:
        while time.monotonic() < until and not (
                shown.exists() and b"\xc3\x9fe" in shown.read_bytes()):
            if select.select([terminal], [], [], 0.1)[0]:
                screen += os.read(terminal, 65536)
            if dialogue and dialogue[0][0] in screen:
                os.write(terminal, dialogue.pop(0)[1])
                screen = b""
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    text = shown.read_text()
    assert "Undelivered Mail Returned to Sender" in text, text
    assert f"Final-Recipient: rfc822; nosuch@{HOST}" in text, text
    assert "Subject: lost" in text and "gr\u00fc\u00dfe" in text, text


TESTS = [dovecot_takes_mail, mailman_runs_a_list, python_reads_a_notice,
         mutt_reads_a_notice]


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
