#!/usr/bin/env python3
"""A full disk: 452, nothing lost, and recovery by itself. Needs root, for a
small file system of its own below the queue; skipped otherwise."""

import os
import shutil
import smtplib
import subprocess
import sys

from suite import Suite, wait_until

SKIP = 77


def send(suite, subject, size=100):
    """The code that the message got."""
    with smtplib.SMTP("127.0.0.1", suite.port, timeout=20) as smtp:
        try:
            smtp.sendmail("a@client.test", ["root@mail.example.com"],
                          f"Subject: {subject}\n\n" + "x" * size + "\n")
        except smtplib.SMTPRecipientsRefused as error:
            return list(error.recipients.values())[0][0]
        except smtplib.SMTPResponseException as error:
            return error.smtp_code
    return 250


def main(bin_dir):
    if os.geteuid() != 0:
        return SKIP
    suite = Suite.real(bin_dir)
    queue = suite.top / "queue"
    queue.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", queue],
                      stderr=subprocess.DEVNULL).returncode != 0:
        print("may not mount")
        shutil.rmtree(suite.top)
        return SKIP
    (suite.top / "mail").mkdir()
    suite.configure(
        mydestination="mail.example.com", alias_maps="",
        local_recipient_maps="unix:passwd.byname", message_size_limit="1000000",
        mail_spool_directory=suite.top / "mail", mynetworks="127.0.0.0/8",
        smtpd_peername_lookup="no")
    box = suite.top / "mail/root"

    def arrived(subject):
        wait_until(lambda: box.exists() and f"Subject: {subject}" in
                   box.read_text(), 20)

    try:
        suite.start()
        assert send(suite, "before") == 250
        arrived("before")

        # Less than queue_minfree and 1.5 messages: refused at MAIL or RCPT.
        ballast = queue / "ballast"
        ballast.write_bytes(b"x" * 3_500_000)
        assert send(suite, "no room") == 452
        suite.logged("not enough free space")
        # No room check can know how large a message becomes: the write fails.
        suite.postern("stop")
        suite.configure(
            mydestination="mail.example.com", alias_maps="",
            local_recipient_maps="unix:passwd.byname",
            message_size_limit="200000", mail_spool_directory=suite.top / "mail",
            mynetworks="127.0.0.0/8", smtpd_peername_lookup="no")
        suite.start()
        ballast.unlink()
        ballast.write_bytes(b"x" * 3_650_000)
        senders = [send(suite, f"crowd {i}", 150_000) for i in range(4)]
        assert all(code in (250, 451, 452) for code in senders), senders

        ballast.unlink()
        assert send(suite, "after") == 250
        arrived("after")
        wait_until(lambda: not suite.queue(), 20)
        assert "no room" not in box.read_text()
        print("full disk: 452, then mail again;", senders)
        return 0
    except AssertionError as error:
        print("FAIL", error)
        print(suite.log())
        return 1
    finally:
        suite.postern("abort")
        subprocess.run(["umount", "-l", queue])
        suite.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
