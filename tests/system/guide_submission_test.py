#!/usr/bin/env python3
"""Two guides to submission, followed word for word but for paths, ports and
names of the machine: Postfix with Cyrus SASL and sasldb2, and Postfix with
Dovecot and sender_login_maps. The clients are openssl s_client, swaks, curl
and Python's smtplib. guide_submission_test.py BIN; programs that are not
installed are left out, and named."""

import base64
import os
import shutil
import smtplib
import ssl
import subprocess
import sys
import threading
import traceback

import dovecot
from peers import Sink
from suite import Suite, free_port, wait_until

left_out = set()


def have(program):
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    if not found:
        left_out.add(program)
    return found


def run(*command, **options):
    return subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, **options)


class Machine:
    """What the guides have before they begin: a name, a certificate."""

    def __init__(self, bin_dir):
        self.suite = Suite.real(bin_dir)
        self.sink = Sink()
        self.submission, self.smtps = free_port(), free_port()
        self.key, self.chain = (self.suite.top / name
                                for name in ("privkey.pem", "fullchain.pem"))
        done = run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                   "-keyout", self.key, "-out", self.chain, "-days", "2",
                   "-subj", "/CN=mail.example.com")
        assert done.returncode == 0, done.stdout
        self.key.chmod(0o600)

    def configure(self, guide, rows, **settings):
        """The base of the machine, then the guide's own lines."""
        base = {"mydomain": "example.com", "alias_maps": "",
                "mynetworks": "127.0.0.9/32", "smtpd_peername_lookup": "no",
                "smtpd_error_sleep_time": "0"}
        self.suite.configure(rows=rows, **{**base, **settings})
        file = self.suite.conf / "main.conf"
        file.write_text(file.read_text() + guide)

    def connect(self, port):
        client = smtplib.SMTP("127.0.0.1", port, local_hostname="laptop.test",
                              timeout=30, source_address=("127.0.0.2", 0))
        client.ehlo()
        return client

    def secured(self, port):
        client = self.connect(port)
        client.starttls(context=trusting())
        client.ehlo()
        return client

    def close(self):
        self.suite.close()
        self.sink.shutdown()


def trusting():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# --- clients ---

def by_openssl(port, user, password, sender, recipient):
    """What openssl s_client shows of a session typed into it."""
    plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    # It reads on; lines must wait for their replies.
    talk = [("EHLO laptop.test", "250-AUTH "), (f"AUTH PLAIN {plain}", "235 "),
            (f"MAIL FROM:<{sender}>", "250 2.1.0 "),
            (f"rcpt TO:<{recipient}>", "250 2.1.5 "), ("DATA", "354 "),
            ("Subject: by s_client\n\nhello\n.", "250 2.0.0 "),
            ("QUIT", "221 ")]
    child = subprocess.Popen(
        ["openssl", "s_client", "-starttls", "smtp", "-crlf", "-quiet",
         "-ign_eof", "-connect", f"127.0.0.1:{port}"], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    patience = threading.Timer(60, child.kill)
    patience.start()
    shown = ""
    for line, expected in talk:
        child.stdin.write(line + "\n")
        child.stdin.flush()
        while (reply := child.stdout.readline()):
            shown += reply
            if reply.startswith(expected):
                break
            assert reply[0] == "2", shown
    child.communicate()
    patience.cancel()
    return shown


def by_swaks(port, user, password, sender, recipient, *more):
    return run("swaks", "--server", f"127.0.0.1:{port}", "--auth",
               "--auth-user", user, "--auth-password", password, "--from",
               sender, "--to", recipient, "--helo", "laptop.test",
               "--header", "Subject: by swaks", *more)


def by_curl(url, user, password, sender, recipient):
    return run("curl", "-sv", "--ssl-reqd", "-k", url, "--user",
               f"{user}:{password}", "--mail-from", sender, "--mail-rcpt",
               recipient, "-T", "-", input="Subject: by curl\r\n\r\nhello\r\n")


# --- submission with Cyrus SASL ---

CYRUS_MAIN = """\
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_sasl_auth_enable = yes #默认是PLAIN(明文)发送用户名和密码。
smtpd_sasl_security_options = noanonymous
smtpd_tls_security_level = encrypt #这个参数控制Postfix作为SMTP服务器(即接收邮件时),是否启用TLS以及如何使用TLS。
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {chain}
smtpd_tls_key_file = {key}
smtpd_tls_session_cache_database = btree:{data}/smtpd_scache
smtp_tls_security_level = encrypt #这个参数控制Postfix作为SMTP客户端(即向其他邮件服务器发送邮件时)是否启用TLS。
smtp_tls_session_cache_database = btree:{data}/smtp_scache
smtp_tls_cert_file = {chain}
smtp_tls_key_file = {key}
smtpd_tls_protocols = TLSv1.2 TLSv1.3
smtpd_tls_loglevel = 1
smtp_tls_protocols = TLSv1.2 TLSv1.3
"""

CYRUS_ROWS = """\
{submission} inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
"""


def submission_with_cyrus(machine):
    if not (have("saslpasswd2") and have("sasldblistusers2")):
        return
    suite = machine.suite
    suite.configure()
    suite.start()
    machine.configure(
        CYRUS_MAIN.format(chain=machine.chain, key=machine.key,
                          data=suite.top / "data"),
        CYRUS_ROWS.format(submission=machine.submission),
        relayhost=f"[127.0.0.1]:{machine.sink.port}")
    sasl = suite.conf / "sasl"
    sasl.mkdir(mode=0o755)
    # As the guide misspells it, and as it must be.
    (sasl / "stmpd.conf").write_text(
        "pwcheck_method: auxprop\nmech_list: plain login\n"
        f"sasldb_path: {sasl}/sasldb2\n")
    os.rename(sasl / "stmpd.conf", sasl / "smtpd.conf")
    database = sasl / "sasldb2"
    done = run(have("saslpasswd2"), "-p", "-c", "-f", database, "-u",
               "mail.example.com", "testuser", input="secret")
    assert done.returncode == 0, done.stdout
    done = run(have("sasldblistusers2"), "-f", database)
    assert "testuser@mail.example.com: userPassword" in done.stdout, done
    if os.geteuid() == 0:
        shutil.chown(database, "nobody", "nogroup")
    status, text = suite.postern("reload")
    assert status == 0, text

    def is_there():
        try:
            machine.connect(machine.submission).close()
            return True
        except OSError:
            return False
    wait_until(is_there, 30)

    client = machine.connect(machine.submission)
    assert "auth" not in client.esmtp_features, client.esmtp_features
    assert client.docmd("MAIL", "FROM:<testuser@example.com>") == (
        530, b"5.7.0 Must issue a STARTTLS command first")
    client.close()
    client = machine.secured(machine.submission)
    assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"], (
        client.esmtp_features)
    client.mail("testuser@example.com")
    code, text = client.rcpt("friend@elsewhere.test")
    assert code == 554 and b"Client host rejected: Access denied" in text, text
    client.rset()
    code, text = client.docmd("AUTH", "PLAIN " + base64.b64encode(
        b"\0testuser\0wrong").decode())
    assert (code, text) == (535, b"5.7.8 Error: authentication failed: "
                                 b"authentication failure"), text
    client.login("testuser", "secret")
    client.mail("testuser@example.com")
    assert client.rcpt("friend@elsewhere.test")[0] == 250
    assert client.data("Subject: by smtplib\n\nhello\n")[0] == 250
    client.close()
    arguments = ("testuser", "secret", "testuser@example.com",
                 "friend@elsewhere.test")
    shown = by_openssl(machine.submission, *arguments)
    assert "235 2.7.0 Authentication successful" in shown, shown
    assert "250 2.0.0 Ok: queued as " in shown, shown
    messages = 2
    if have("swaks"):
        done = by_swaks(machine.submission, *arguments, "--tls")
        assert done.returncode == 0, done.stdout
        messages += 1
    if have("curl"):
        done = by_curl(f"smtp://127.0.0.1:{machine.submission}", *arguments)
        assert done.returncode == 0, done.stdout
        messages += 1
    suite.logged_lines(", sasl_username=testuser\n", messages, 30)
    suite.logged("postfix/submission/smtpd")
    suite.logged("Anonymous TLS connection established from")


# --- Dovecot and sender_login_maps ---

DOVECOT_MAIN = """\
smtpd_tls_security_level = may //安全级别,may意思是如果客户端支持tls则使用加密传输,但不强制
smtpd_tls_received_header = yes //把tls认证相关信息加入 Received 标头中
smtpd_tls_cert_file={chain} //服务端tls证书
smtpd_tls_key_file={key} //服务端tls私钥
smtpd_sasl_auth_enable = yes //开启认证,默认是no,不开启的话 smtpd 将拒绝所有目标地址非本地的发送请求
smtpd_sasl_type = dovecot //sasl的认证方式设置为 dovecot
smtpd_sasl_path = private/auth //认证接口路径,需要和dovecot中的保持一致
smtpd_sasl_authenticated_header = yes //配置完后,postfix 将在日志中记录认证信息
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_sender_login_maps = hash:{maps}
"""

DOVECOT_ROWS = """\
{smtps} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
{submission} inet n - n - - smtpd
"""


def submission_with_dovecot(machine):
    if not dovecot.program():
        left_out.add("dovecot")
        return
    suite = machine.suite
    server = dovecot.Dovecot(suite.top / "dovecot",
                             suite.top / "queue/private/auth", free_port(),
                             {"bob": "hunter2"}, username_format="%n")
    maps = suite.conf / "sender_login_maps"
    maps.write_text("bob@abc.mail   bob\npostmaster@abc.mail  bob\n")
    machine.configure(
        DOVECOT_MAIN.format(chain=machine.chain, key=machine.key, maps=maps),
        DOVECOT_ROWS.format(submission=machine.submission, smtps=machine.smtps),
        myhostname="mail.abc.mail", mydomain="abc.mail", myorigin="$mydomain",
        mydestination="$myhostname, localhost, $mydomain",
        local_recipient_maps="", mail_spool_directory=suite.top / "mail",
        relayhost=f"[127.0.0.1]:{machine.sink.port}")
    done = suite.tool("postmap", str(maps))
    assert done.returncode == 0, done.stdout
    done = suite.tool("postmap", "-q", "bob@abc.mail", str(maps))
    # Before it, each comment behind a value is complained of.
    assert done.stdout.endswith("\nbob\n"), done.stdout
    assert 'without the comment behind it' in done.stdout, done.stdout
    try:
        server.start()
        suite.start()
        dovecot_sessions(machine)
    finally:
        server.stop()


def dovecot_sessions(machine):
    suite = machine.suite
    # With and without the domain behind the name.
    for name in ("bob", "bob@abc.mail"):
        client = machine.secured(machine.submission)
        client.login(name, "hunter2")
        client.sendmail("postmaster@abc.mail", ["x@elsewhere.test"],
                        f"Subject: by {name}\n\nhello\n")
        client.mail("carol@abc.mail")
        code, text = client.rcpt("x@elsewhere.test")
        assert code == 553 and b"not owned by user bob" in text, text
        client.close()
        wait_until(lambda: any(
            f"Subject: by {name}" in text and "(Authenticated sender: bob)" in
            text and "(using TLSv1.3 with cipher" in text and
            "with ESMTPSA id" in text for text in machine.sink.texts()), 30)
    arguments = ("bob", "hunter2", "bob@abc.mail", "x@elsewhere.test")
    if have("curl"):
        for url in (f"smtp://127.0.0.1:{machine.submission}",
                    f"smtps://127.0.0.1:{machine.smtps}"):
            done = by_curl(url, *arguments)
            assert done.returncode == 0, done.stdout
    if have("swaks"):
        done = by_swaks(machine.smtps, *arguments, "--tls-on-connect")
        assert done.returncode == 0, done.stdout
    # The world outside: to us in the clear, not as one of us, not to others.
    client = machine.connect(suite.port)
    client.mail("bob@abc.mail")
    code, text = client.rcpt("bob@abc.mail")
    assert code == 553 and b"not logged in" in text, text
    client.rset()
    client.mail("a@world.test")
    assert client.rcpt("bob@abc.mail")[0] == 250
    code, text = client.rcpt("x@elsewhere.test")
    assert code == 454 and b"Relay access denied" in text, text
    client.close()


TESTS = [submission_with_cyrus, submission_with_dovecot]


def main():
    if not have("openssl"):
        print("openssl is not installed")
        return 77
    failed = 0
    for test in TESTS:
        machine = Machine(sys.argv[1])
        try:
            test(machine)
            print("ok  ", test.__name__)
        except Exception:
            failed += 1
            print("FAIL", test.__name__)
            traceback.print_exc(file=sys.stdout)
            print("\n".join(machine.suite.log().splitlines()[-60:]))
        finally:
            machine.close()
    if left_out:
        print("not installed, left out:", ", ".join(sorted(left_out)))
    return 1 if failed else 0


sys.exit(main())
