#!/usr/bin/env python3
"""Two guides to submission, followed word for word but for paths, ports and
names of the machine: Postfix with Cyrus SASL and sasldb2, and Postfix with
Dovecot and sender_login_maps. The clients are openssl s_client, swaks, curl,
s-nail and Python's smtplib. guide_submission_test.py BIN; programs that are
not installed are left out, and named."""

import base64
import os
import pwd
import shutil
import smtplib
import sys

import dovecot
from guide import (by_curl, by_openssl, by_s_nail, by_swaks, follow, have,
                   left_out, run)
from suite import free_port, wait_until


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
    done = suite.tool("postfix", "reload")
    assert done.returncode == 0, done.stdout
    # Later on: systemctl restart postfix.
    for verb in ("stop", "start"):
        done = suite.tool("postfix", verb)
        assert done.returncode == 0, done.stdout

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
    if have("s-nail"):
        done = by_s_nail(machine.submission, *arguments)
        assert done.returncode == 0, done.stdout
        messages += 1
    suite.logged_lines(", sasl_username=testuser\n", messages, 30)
    suite.logged("postfix/submission/smtpd")
    suite.logged("Anonymous TLS connection established from")
    # And on to the next host: encrypted, with the certificate of the guide.
    wait_until(lambda: len(machine.sink.texts()) == messages, 60)
    assert machine.sink.secured == [("TLSv1.3", True)] * messages, (
        machine.sink.secured)
    nobody_else_gets_in(machine)


def nobody_else_gets_in(machine):
    """The default port: encrypted or not at all, and no relay."""
    client = machine.connect(machine.suite.port)
    assert client.docmd("MAIL", "FROM:<a@world.test>") == (
        530, b"5.7.0 Must issue a STARTTLS command first")
    client.close()
    client = machine.secured(machine.suite.port)
    client.mail("a@world.test")
    code, text = client.rcpt("friend@elsewhere.test")
    assert (code, text) == (554, b"5.7.1 <friend@elsewhere.test>: Relay "
                                 b"access denied"), text
    for address in ("friend@elsewhere.test@example.com",
                    "friend%elsewhere.test@mail.example.com"):
        assert client.rcpt(f"<{address}>")[0] == 554, address
    client.close()


# --- Dovecot and sender_login_maps ---

DOVECOT_MAIN = """\
myhostname = mail.abc.mail //邮件服务器主机名,一般为smtp.domain或者mail.domain这样的形式
mydomain = abc.mail //域名,也需要设置
myorigin = $mydomain //设置本地邮件的接收规则,即定义哪些属于本地邮件,一般和mydomain一致
# stmp config here(smtp client)
# Mandatory (high-grade) TLS encryption.
smtp_tls_security_level = encrypt //与其他smtp服务器建立连接使用encrypt强制加密方式,其他可选项还有none、may等
smtp_tls_mandatory_ciphers = high //要求对方开启高级别的加密传输等级
# stmpd config here(smtp server)
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

# The guide takes the "#" away from two rows; under that of smtps the file has
# an option that stays commented out. The last row is with it.

DOVECOT_ROWS = """\
{smtps}     inet  n       -       n       -       -       smtpd
#  -o smtpd_tls_wrappermode=yes
{submission} inet n       -       n       -       -       smtpd
{wrapped}   inet  n       -       n       -       -       smtpd
  -o smtpd_tls_wrappermode=yes
"""


def submission_with_dovecot(machine):
    if not dovecot.program():
        left_out.add("dovecot")
        return
    suite = machine.suite
    (suite.top / "mail").mkdir()
    machine.wrapped = free_port()
    server = dovecot.Dovecot(suite.top / "dovecot",
                             suite.top / "queue/private/auth", free_port(),
                             {"bob": "hunter2"}, username_format="%n")
    maps = suite.conf / "sender_login_maps"
    maps.write_text("bob@abc.mail   bob\npostmaster@abc.mail  bob\n")
    machine.configure(
        DOVECOT_MAIN.format(chain=machine.chain, key=machine.key, maps=maps),
        DOVECOT_ROWS.format(submission=machine.submission, smtps=machine.smtps,
                            wrapped=machine.wrapped),
        mydestination="$myhostname, localhost, $mydomain",
        local_recipient_maps="", mail_spool_directory=suite.top / "mail",
        relayhost=f"[127.0.0.1]:{machine.sink.port}")
    done = suite.tool("postconf", "-a")
    assert {"cyrus", "dovecot"} <= set(done.stdout.split()), done.stdout
    done = suite.tool("postmap", "sender_login_maps", cwd=suite.conf)
    assert done.returncode == 0, done.stdout
    done = suite.tool("postmap", "-q", "bob@abc.mail", "sender_login_maps",
                      cwd=suite.conf)
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
    # To others encrypted, as the guide's first lines want it.
    assert all(secured and secured[0] == "TLSv1.3"
               for secured in machine.sink.secured), machine.sink.secured
    arguments = ("bob", "hunter2", "bob@abc.mail", "x@elsewhere.test")
    if have("curl"):
        for url in (f"smtp://127.0.0.1:{machine.submission}",
                    f"smtp://127.0.0.1:{machine.smtps}",
                    f"smtps://127.0.0.1:{machine.wrapped}"):
            done = by_curl(url, *arguments)
            assert done.returncode == 0, done.stdout
    if have("swaks"):
        done = by_swaks(machine.wrapped, *arguments, "--tls-on-connect")
        assert done.returncode == 0, done.stdout
    if have("s-nail"):
        done = by_s_nail(machine.submission, *arguments)
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
    from_outside(machine)


def from_outside(machine):
    """Mail for us, encrypted as its sender likes; it lands in the mailbox."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    for start in (machine.secured, machine.connect):
        client = start(machine.suite.port)
        client.sendmail("a@world.test", [f"{user}@abc.mail"],
                        "Subject: from outside\n\nhello\n")
        client.close()
    machine.suite.logged_lines("status=sent (delivered to mailbox)", 2, 30)
    text = (machine.suite.top / "mail" / user).read_text()
    assert text.count("with ESMTPS id") == 1, text
    assert text.count("with ESMTP id") == 1, text


sys.exit(follow([submission_with_cyrus, submission_with_dovecot]))
