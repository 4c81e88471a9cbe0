#!/usr/bin/env python3
"""Two more guides, word for word but for paths, ports and names of the machine:
the base of a mail server (domains, networks, opportunistic TLS), and forwarding
with TLS where the other side has it, with what it shows on the way: curl's
dialogue and the lines of the log. guide_relay_test.py BIN; programs that are
not installed are left out, and named. Not followed: dig, certbot and
firewall-cmd, which are not the mail system."""

import os
import pwd
import re
import smtplib
import socket
import ssl
import struct
import sys

from guide import follow, have, run
from peers import Sink
from signed_dns import Server, Zone, wire_name
from suite import wait_until

QUEUED = re.compile(r"250 2\.0\.0 Ok: queued as ([0-9A-F]+)")


def world(machine, **hosts):
    """A name server for DOMAIN.test, whose mail exchangers are at the given
    addresses, in the order of their preference."""
    zones = []
    for domain, addresses in hosts.items():
        zone = Zone(f"{domain}.test")
        for i, address in enumerate(addresses):
            name = f"mx{i + 1}.{domain}.test"
            zone.add(zone.name, "MX",
                     struct.pack("!H", 10 * i + 10) + wire_name(name))
            zone.add(name, "A", socket.inet_aton(address))
        zone.sign_all()
        zones.append(zone)
    return {"dns_servers": Server(zones).address,
            "smtp_tcp_port": machine.sink.port, "smtpd_peername_lookup": "yes"}


def write(machine, lines):
    file = machine.suite.conf / "main.conf"
    file.write_text(file.read_text() + lines)


def verbs(machine, *words):
    for word in words:
        done = machine.suite.tool("postfix", word)
        assert done.returncode == 0, done.stdout


# --- the base of a mail server ---

BASE_MAIN = """\
myhostname = mail.example.com
mydomain = example.com
myorigin = $mydomain
mydestination = $myhostname, localhost.$mydomain, localhost, $mydomain
mynetworks = [::1]/128, 127.0.0.0/8
relayhost =
smtp_tls_security_level = may
inet_interfaces = all
inet_protocols = ipv4
"""


def base_of_a_server(machine):
    suite = machine.suite
    user = pwd.getpwuid(os.geteuid()).pw_name
    (suite.top / "mail").mkdir()
    # It has TLS, the other has not.
    plain = Sink(address="127.0.0.3", port=machine.sink.port)
    machine.configure("", "", mail_spool_directory=suite.top / "mail",
                      smtpd_authorized_xclient_hosts="127.0.0.2",
                      alias_maps=f"hash:{suite.conf}/aliases",
                      alias_database=f"hash:{suite.conf}/aliases",
                      **world(machine, tls=["127.0.0.1"],
                              clear=["127.0.0.3"]))
    write(machine, BASE_MAIN)
    # As a fresh host has it.
    (suite.conf / "aliases").write_text(f"postmaster: {user}\n")
    done = suite.tool("newaliases")
    assert done.returncode == 0, done.stdout
    verbs(machine, "check", "start", "status")
    done = suite.tool("postconf", "mydestination", "relayhost", "myorigin")
    assert done.stdout.endswith(
        "mydestination = $myhostname, localhost.$mydomain, localhost, "
        "$mydomain\nrelayhost =\nmyorigin = $mydomain\n"), done.stdout
    try:
        local_user_writes(machine, user, plain)
        domains_are_ours(machine, user)
        others_are_not_trusted(machine)
        done = suite.tool("mailq")
        assert done.stdout.endswith("Mail queue is empty\n"), done.stdout
    finally:
        plain.shutdown()


def local_user_writes(machine, user, plain):
    """A local user's address is user@$mydomain; TLS where there is TLS."""
    for domain, sink in (("tls", machine.sink), ("clear", plain)):
        done = machine.suite.tool("sendmail", f"friend@{domain}.test",
                                  input="Subject: hello\n\nhello\n")
        assert done.returncode == 0, done.stdout
        wait_until(lambda sink=sink: sink.texts(), 60)
        sender, recipients, text = sink.messages[0]
        assert sender.startswith(f"<{user}@example.com>"), sender
        assert recipients == [f"friend@{domain}.test"], recipients
        assert "by mail.example.com (" in text, text
    assert machine.sink.secured[0][0] == "TLSv1.3", machine.sink.secured
    assert plain.secured == [None], plain.secured


def domains_are_ours(machine, user):
    """Each domain of mydestination; on every interface of the host."""
    domains = ("mail.example.com", "localhost.example.com", "localhost",
               "example.com")
    for domain in domains:
        client = smtplib.SMTP("127.0.0.5", machine.suite.port, timeout=30)
        client.sendmail("a@tls.test", [f"{user}@{domain}"],
                        f"Subject: to {domain}\n\nhello\n")
        client.quit()
    machine.suite.logged_lines("status=sent (delivered to mailbox)",
                               len(domains), 30)
    text = (machine.suite.top / "mail" / user).read_text()
    for domain in domains:
        assert f"Subject: to {domain}\n" in text, text


def others_are_not_trusted(machine):
    """From an address that is not in mynetworks nothing is relayed."""
    client = machine.connect(machine.suite.port)
    assert client.docmd("XCLIENT", "NAME=stranger.test ADDR=192.0.2.9")[0] == 220
    client.ehlo()
    client.mail("a@tls.test")
    code, text = client.rcpt("friend@tls.test")
    assert code in (454, 554) and b"Relay access denied" in text, (code, text)
    assert client.rcpt("postmaster@example.com")[0] == 250
    client.close()


# --- forwarding with TLS ---

LETTER = """\
To: 1158801411@qq.test\r
From: jiangjinwang@ebupt.com\r
Subject: SMTP example message\r
\r
The body of the message starts here.\r
\r
It could be a lot of lines, could be MIME encoded, whatever.\r
Check RFC5322.\r
"""

DIALOGUE = """\
< 220 localhost.localdomain ESMTP
> EHLO localhost
< 250-localhost.localdomain
< 250-PIPELINING
< 250-SIZE 10240000
< 250-VRFY
< 250-ETRN
< 250-ENHANCEDSTATUSCODES
< 250-8BITMIME
> MAIL FROM:<jiangjinwang@ebupt.com>
< 250 2.1.0 Ok
> RCPT TO:<1158801411@qq.test>
< 250 2.1.5 Ok
> DATA
< 354 End data with <CR><LF>.<CR><LF>
< 250 2.0.0 Ok: queued as
"""

# The lines of the guide's log, in the order of each process.
LINES = [
    r"smtpd\[\d+\]: connect from localhost\[127\.0\.0\.1\]",
    r"smtpd\[\d+\]: {id}: client=localhost\[127\.0\.0\.1\]",
    r"cleanup\[\d+\]: {id}: message-id=<\d{{14}}\.{id}@localhost\.localdomain>",
    r"qmgr\[\d+\]: {id}: from=<jiangjinwang@ebupt\.com>, size=\d+, nrcpt=1 "
    r"\(queue active\)",
    r"smtp\[\d+\]: connect to mx1\.qq\.test\[127\.0\.0\.4\]:{port}: Connection "
    r"refused",
    r"smtp\[\d+\]: {id}: to=<1158801411@qq\.test>, relay=mx2\.qq\.test"
    r"\[127\.0\.0\.1\]:{port}, delay=[\d.]+, delays=[\d./]+, dsn=2\.0\.0, "
    r"status=sent \(250 2\.0\.0 Ok: taken\)",
    r"qmgr\[\d+\]: {id}: removed",
]


def by_the_program(machine):
    """What the guide's program for libcurl does, by curl; the queue id."""
    done = run("curl", "-sv", f"smtp://127.0.0.1:{machine.suite.port}/localhost",
               "--mail-from", "jiangjinwang@ebupt.com", "--mail-rcpt",
               "1158801411@qq.test", "-T", "-", input=LETTER)
    assert done.returncode == 0, done.stdout
    at = 0
    for line in DIALOGUE.splitlines():
        found = done.stdout.find(line, at)
        assert found >= 0, (line, done.stdout)
        at = found
    return QUEUED.search(done.stdout).group(1)


def lines_of_the_log(machine, queue_id):
    suite = machine.suite
    suite.logged(f"{queue_id}: removed", 60)
    for pattern in LINES:
        pattern = pattern.format(id=queue_id, port=machine.sink.port)
        assert re.search(pattern, suite.log()), (pattern, suite.log())


def forwarding_with_tls(machine):
    if not have("curl"):
        return
    suite = machine.suite
    machine.configure(
        "", "", myhostname="localhost.localdomain", mydomain="localdomain",
        mynetworks="127.0.0.0/8", smtp_tls_loglevel="1",
        **world(machine, qq=["127.0.0.4", "127.0.0.1"]))
    done = suite.tool("postconf", "-d")
    assert re.search(r"^mail_version = \S+$", done.stdout, re.M), done.stdout
    done = suite.tool("postconf", "-d", "smtp_tls_security_level",
                      "smtp_use_tls")
    assert done.stdout == ("smtp_tls_security_level =\nsmtp_use_tls = no\n"
                           ), done.stdout
    machine.sink.context.maximum_version = ssl.TLSVersion.TLSv1_2
    verbs(machine, "start")
    lines_of_the_log(machine, by_the_program(machine))
    assert machine.sink.secured == [None], machine.sink.secured

    # At the end of the file; then: service postfix restart.
    write(machine, "smtp_tls_security_level = may\n")
    verbs(machine, "stop", "start")
    lines_of_the_log(machine, by_the_program(machine))
    assert machine.sink.secured[1][0] == "TLSv1.2", machine.sink.secured
    assert "verification failed for mx2.qq.test" in suite.log() or \
        "Untrusted TLS connection established to mx2.qq.test" in suite.log()
    obsolete_names(machine)
    failed_handshake(machine)


def obsolete_names(machine):
    """The level is the later word over smtp_use_tls, in either direction."""
    suite = machine.suite
    for level, old, secured in (("none", "yes", False), ("may", "no", True)):
        write(machine, f"smtp_tls_security_level = {level}\n"
                       f"smtp_use_tls = {old}\n")
        verbs(machine, "reload")
        sent = len(machine.sink.texts())
        suite.logged(f"{by_the_program(machine)}: removed", 60)
        assert bool(machine.sink.secured[sent]) == secured, (level, old)


def failed_handshake(machine):
    """"When TLS handshakes fail, the connection is retried with TLS disabled."
    """
    machine.sink.context.minimum_version = ssl.TLSVersion.TLSv1_2
    machine.sink.context.set_ciphers("PSK")  # which nobody here can use
    suite = machine.suite
    write(machine, "minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\n"
                   "queue_run_delay = 1s\n")
    verbs(machine, "reload")
    sent = len(machine.sink.texts())
    suite.logged(f"{by_the_program(machine)}: removed", 60)
    assert machine.sink.secured[sent:] == [None], machine.sink.secured
    suite.logged("SSL_connect error to mx2.qq.test[127.0.0.1]")


if __name__ == "__main__":
    sys.exit(follow([base_of_a_server, forwarding_with_tls]))
