#!/usr/bin/env python3
"""What a beginner's guide does on a fresh host: the telnet dialogue with its
replies, the mailbox, sendmail in its forms, mail(1) on the box, curl, and
pflogsumm's sums of the log. Programs that are not installed are left out, and
named."""

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys

from suite import Suite

QUEUED = re.compile(r"250 2\.0\.0 Ok: queued as ([0-9A-F]+)")


def expect(what, condition):
    if not condition:
        raise AssertionError(what)


def telnet(port, user):
    """Types what the guide types; gives the queue id."""
    with socket.create_connection(("127.0.0.1", port), 15) as s:
        talk = s.makefile("rwb")
        replies = [talk.readline()]
        for line in ("MAIL FROM: youremail@gmail.com", f"RCPT TO: {user}",
                     "DATA", "text\r\n.", "QUIT"):
            talk.write(line.encode() + b"\r\n")
            talk.flush()
            replies.append(talk.readline())
        rest = talk.read()
    replies = [r.decode().rstrip("\r\n") for r in replies]
    expect(replies, replies[0].startswith("220 mail.example.com ESMTP"))
    expect(replies, replies[1] == "250 2.1.0 Ok")
    expect(replies, replies[2] == "250 2.1.5 Ok")
    expect(replies, replies[3].startswith("354 End data with"))
    expect(replies, replies[5].startswith("221 ") and rest == b"")
    return QUEUED.fullmatch(replies[4]).group(1)


def delivered(suite, queue_id):
    suite.logged(f"{queue_id}: removed")
    return suite.log()


def check_mailbox(text, user, queue_id):
    expect(text, re.match(r"From youremail@gmail\.com  \w{3} \w{3} [ \d]\d "
                          r"\d\d:\d\d:\d\d \d{4}\n", text))
    expect(text, f"\nDelivered-To: {user}@mail.example.com\n" in text)
    expect(text, re.search(
        r"\nReceived: from \S+ \(localhost \[127\.0\.0\.1\]\)\n"
        rf"\tby mail\.example\.com \(.*\) with SMTP id {queue_id}\n"
        rf"\tfor <{user}>; ", text))
    for name in ("Message-Id: <", "Date: ", "From: youremail@gmail.com\n"):
        expect(text, "\n" + name in text)
    # An empty line ends the message.
    expect(text, text.endswith("\n\ntext\n\n"))


def sendmail_forms(suite, user):
    file = suite.top / "mail.txt"
    file.write_text(f"To: {user}@mail.example.com\n"
                    "Subject: sendmail test two\nFrom: me@domain.com\n\n"
                    "And here goes the e-mail body, test test test..\n")
    with file.open() as text:
        done = suite.tool("sendmail", "-vt", stdin=text)
    said = f"Mail Delivery Status Report will be mailed to <{user}>.\n"
    expect(done, done.returncode == 0 and done.stdout == said)
    done = suite.tool("sendmail", "-v", f"{user}@mail.example.com",
                      input="Subject: sendmail test\n")
    expect(done, done.returncode == 0 and done.stdout == said)
    # A dot alone ends what is typed.
    done = suite.tool("sendmail", f"{user}@mail.example.com",
                      input="Subject: typed\n\nhello\n.\nnot sent\n")
    expect(done, done.returncode == 0 and done.stdout == "")


def mail_program(suite, user, box):
    if shutil.which("mail") is None:
        return "mail(1)"
    subprocess.run(
        ["mail", "-E", f'set sendmail="sendmail:{suite.top}/sendmail"', "-s",
         "from mail(1)", f"{user}@mail.example.com"],
        input="a line\n", text=True, check=True, timeout=60,
        env={**os.environ, "MAIL_CONFIG": str(suite.conf)})
    suite.logged_lines("status=sent (delivered to mailbox)", 7)
    shown = subprocess.run(["mail", "-H", "-f", str(box)], text=True,
                           stdout=subprocess.PIPE, timeout=60,
                           check=True).stdout
    # A message without a body has no empty line before the next From_ but the
    # one that ends its header, as with Postfix; readers may take what follows
    # for its text. So the file itself is asked for the others.
    expect(shown, "from mail(1)" in shown)
    text = box.read_text()
    for subject in ("sendmail test", "sendmail test two", "typed"):
        expect(text, f"\nSubject: {subject}\n" in text)
    return ""


def curl(suite, user):
    if shutil.which("curl") is None:
        return "curl"
    done = subprocess.run(
        ["curl", "-sv", f"smtp://127.0.0.1:{suite.port}", "--mail-from",
         "jiangjinwang@ebupt.com", "--mail-rcpt", f"{user}@mail.example.com",
         "-T", "-"], input="Subject: SMTP example message\r\n\r\nbody\r\n",
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=60)
    expect(done.stdout, done.returncode == 0)
    for line in ("< 250-PIPELINING", "< 250-SIZE 10240000", "< 250-VRFY",
                 "< 250-ETRN", "< 250-ENHANCEDSTATUSCODES", "< 250-8BITMIME",
                 "< 250 2.1.0 Ok", "< 250 2.1.5 Ok",
                 "< 354 End data with <CR><LF>.<CR><LF>"):
        expect(done.stdout, line in done.stdout)
    queue_id = QUEUED.search(done.stdout).group(1)
    log = delivered(suite, queue_id)
    order = (r"smtpd\[\d+\]: connect from localhost\[127\.0\.0\.1\]",
             rf"smtpd\[\d+\]: {queue_id}: client=localhost\[127\.0\.0\.1\]",
             rf"cleanup\[\d+\]: {queue_id}: message-id=<",
             rf"qmgr\[\d+\]: {queue_id}: from=<jiangjinwang@ebupt\.com>, "
             r"size=\d+, nrcpt=1 \(queue active\)",
             rf"local\[\d+\]: {queue_id}: to=<{user}@mail\.example\.com>, "
             r"relay=local, delay=[\d.]+, delays=[\d./]+, dsn=2\.0\.0, "
             r"status=sent",
             rf"qmgr\[\d+\]: {queue_id}: removed")
    connect = log.rindex(": connect from", 0,
                         log.index(f"{queue_id}: client="))
    at = log.rindex("\n", 0, connect)
    for pattern in order:
        found = re.compile(pattern).search(log, at)
        expect(f"{pattern}\n{log}", found)
        at = found.start()
    return ""


def sums(suite, received, delivered_there):
    if shutil.which("pflogsumm") is None:
        return "pflogsumm"
    text = subprocess.run(
        ["pflogsumm", "--syslog_name=postern", str(suite.top / "log")],
        text=True, stdout=subprocess.PIPE, check=True, timeout=60).stdout
    sums = {"received": received, "delivered": delivered_there, "deferred": 0,
            "bounced": 0, "rejected": 0}
    for what, count in sums.items():
        found = re.search(rf"^ *(\d+) +{what}\b", text, re.M)
        expect(text, found and int(found.group(1)) == count)
    return ""


def main(bin_dir):
    user = pwd.getpwuid(os.geteuid()).pw_name
    suite = Suite.real(bin_dir)
    spool = suite.top / "mail"
    spool.mkdir()
    # What programs call that know no option for the configuration.
    wrapper = suite.top / "sendmail"
    wrapper.write_text(f'#!/bin/sh\nexec {suite.bin}/sendmail "$@"\n')
    wrapper.chmod(0o755)
    suite.configure(mydomain="example.com", mydestination="$myhostname",
                    inet_interfaces="loopback-only",
                    relay_domains="$mydomain", alias_maps="",
                    local_recipient_maps="unix:passwd.byname",
                    mail_spool_directory=spool)
    box = spool / user
    try:
        suite.start()
        queue_id = telnet(suite.port, user)
        delivered(suite, queue_id)
        check_mailbox(box.read_text(), user, queue_id)
        status, text = suite.postern("reload")
        expect(text, status == 0)
        sendmail_forms(suite, user)
        # -v: a report for each of two.
        suite.logged_lines("status=sent (delivered to mailbox)", 6)
        left_out = [mail_program(suite, user, box), curl(suite, user)]
        total = 6 + 2 - sum(bool(each) for each in left_out)
        suite.logged_lines(": removed", total)
        # Reports are not received, they are made here.
        left_out.append(sums(suite, total - 2, total))
        missing = ", ".join(each for each in left_out if each)
        print(f"{total} messages delivered and read"
              + (f"; not installed, left out: {missing}" if missing else ""))
        return 0
    except AssertionError as error:
        print(error)
        print(suite.log())
        return 1
    finally:
        suite.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
