#!/usr/bin/env python3
"""TLS of a running suite, with Python's ssl and OpenSSL's tools as peers:
where keys are, what happens when their files change, and what a client sees."""

import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys

from suite import Suite, free_port, wait_until


def openssl(*args):
    return subprocess.run(["openssl", *map(str, args)], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=60).stdout


class Keys:
    """Certificates in a directory that only its owner gets into, as those of
    Let's Encrypt."""

    def __init__(self, top):
        self.top = pathlib.Path(top)
        self.top.mkdir(mode=0o700)

    def make(self, name, kind, host):
        how = {"rsa": ("rsa:2048",), "ec": ("ec", "-pkeyopt",
                                            "ec_paramgen_curve:P-256")}[kind]
        key, cert = self.top / f"{name}.key", self.top / f"{name}.pem"
        openssl("req", "-x509", "-newkey", *how, "-nodes", "-days", "2",
                "-subj", f"/CN={host}", "-keyout", key, "-out", cert)
        key.chmod(0o600)
        return cert, key

    def private_bytes(self, key):
        """Numbers that only the key's holder has, as OpenSSL keeps them in
        memory: least significant byte first, and the other way round."""
        text = openssl("pkey", "-in", key, "-text", "-noout")
        found = []
        for label in ("prime1:", "privateExponent:", "priv:"):
            match = re.search(label + r"\s*((?:[0-9a-f]{2}:?\s*)+)", text)
            if match:
                number = bytes.fromhex(re.sub(r"[:\s]", "", match.group(1)))
                number = number.lstrip(b"\0")
                found += [number, number[::-1]]
        assert found
        body = pathlib.Path(key).read_text().splitlines()[1:-1]
        return found + ["\n".join(body[:4]).encode()]


def connect(port, starttls=True, **limits):
    s = socket.create_connection(("127.0.0.1", port), 20)
    if starttls:
        read(s, b"220")
        s.sendall(b"EHLO c.test\r\n")
        read(s, b"250")
        s.sendall(b"STARTTLS\r\n")
        read(s, b"220")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in limits.pop("context", {}).items():
        setattr(context, name, value)
    if "certificate" in limits:
        context.load_cert_chain(*limits.pop("certificate"))
    return context.wrap_socket(s, **limits)


def read(s, expect):
    data = b""
    while not re.search(rb"^\d\d\d .*\r\n\Z", data, re.M):
        chunk = s.recv(4096)
        assert chunk, (expect, data)
        data += chunk
    assert data.startswith(expect), (expect, data)
    return data


def say(s, line, expect):
    s.sendall(line.encode() + b"\r\n")
    return read(s, expect.encode())


def subject(tls):
    return openssl_subject(tls.getpeercert(True))


def openssl_subject(der):
    done = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout",
                           "-subject"], input=der, stdout=subprocess.PIPE,
                          check=True, timeout=60)
    return done.stdout.decode().split("CN =")[1].strip()


def memory_of(pid):
    """What a process has in memory, piece by piece."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            span, rights = line.split()[:2]
            if rights[0] != "r" or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            begin, end = (int(x, 16) for x in span.split("-"))
            try:
                mem.seek(begin)
                yield mem.read(end - begin)
            except (OSError, ValueError):
                continue


def holds(pid, patterns):
    return any(p in piece for piece in memory_of(pid) for p in patterns)


def keys_are_with_authd_alone(suite, keys, files):
    """No byte of a private key is in an smtpd's memory, and all are in
    authd's: so the search would find them."""
    held = connect(suite.port)
    say(held, "EHLO c.test", "250")
    if os.geteuid() != 0:
        print("   (memory is not looked at: that needs root)")
        held.close()
        return
    for _, key in files:
        patterns = keys.private_bytes(key)
        authd = suite.pids("authd")
        assert any(holds(pid, patterns) for pid in authd), "not in authd"
        for pid in suite.pids("smtpd"):
            assert not holds(pid, patterns), f"a private key is in smtpd {pid}"
            for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
                assert str(keys.top) not in os.readlink(fd), fd
    held.close()


def both_algorithms(suite):
    """RSA and ECDSA certificates side by side, in TLS 1.2 and 1.3."""
    for ciphers, expected in (("ECDHE-RSA-AES128-GCM-SHA256", "rsa.test"),
                              ("ECDHE-ECDSA-AES128-GCM-SHA256", "ec.test")):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
        s = socket.create_connection(("127.0.0.1", suite.port), 20)
        read(s, b"220")
        say(s, "EHLO c.test", "250")
        say(s, "STARTTLS", "220")
        with context.wrap_socket(s) as tls:
            assert subject(tls) == expected
            say(tls, "QUIT", "221")
    with connect(suite.port) as tls:
        assert tls.version() == "TLSv1.3"
        say(tls, "EHLO c.test", "250")


def renewed_files(suite, keys):
    """New files are used without a reload; a pair that does not fit is not."""
    def replace(name, source):
        os.rename(source, keys.top / name)
    other = keys.make("other", "rsa", "other.test")
    replace("rsa.key", other[1])
    # The key is new and its certificate is not: the old pair goes on.
    def complained():
        """a complaint about the pair"""
        with connect(suite.port, context={"maximum_version":
                                          ssl.TLSVersion.TLSv1_2}) as tls:
            say(tls, "QUIT", "221")
        return "does not belong to the first certificate" in suite.log()
    wait_until(complained, 20)
    def served(name):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("aRSA")
        s = socket.create_connection(("127.0.0.1", suite.port), 20)
        read(s, b"220")
        say(s, "EHLO c.test", "250")
        say(s, "STARTTLS", "220")
        with context.wrap_socket(s) as tls:
            return subject(tls) == name
    assert served("rsa.test")
    replace("rsa.pem", other[0])
    wait_until(lambda: served("other.test"), 20)
    suite.logged("certificate files have changed: new ones are used")


def resumed_at_another_process(suite):
    """A ticket of one smtpd is good at its successor."""
    limits = {"context": {"maximum_version": ssl.TLSVersion.TLSv1_2}}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = limits["context"]["maximum_version"]

    def shake(session=None):
        s = socket.create_connection(("127.0.0.1", suite.port), 20)
        read(s, b"220")
        say(s, "EHLO c.test", "250")
        say(s, "STARTTLS", "220")
        tls = context.wrap_socket(s, session=session)
        say(tls, "QUIT", "221")
        result = tls.session, tls.session_reused
        tls.close()
        return result
    session, reused = shake()
    assert not reused
    before = set(suite.pids("smtpd"))
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: set(suite.pids("smtpd")) - before, 20)
    session, reused = shake(session)
    assert reused, "the session was not resumed"


def certificates_of_clients(keys, port):
    """permit_tls_clientcerts: a client that is known by its certificate may
    relay."""
    for certificate, expect in ((keys, "250"), (None, "554")):
        given = {"certificate": certificate} if certificate else {}
        with connect(port, **given) as tls:
            say(tls, "EHLO c.test", "250")
            say(tls, "MAIL FROM:<a@c.test>", "250")
            say(tls, "RCPT TO:<x@elsewhere.test>", expect)


def silent_client(suite, port):
    """A handshake that does not come is not waited for."""
    s = socket.create_connection(("127.0.0.1", port), 20)
    read(s, b"220")
    say(s, "EHLO c.test", "250")
    say(s, "STARTTLS", "220")
    suite.logged("SSL_accept error from localhost[127.0.0.1]: Connection timed "
                 "out", 20)
    assert s.recv(100) == b""
    s.close()


def no_certificate(suite, port):
    """Without a certificate: 454, a reason in the log, and mail in the clear."""
    s = socket.create_connection(("127.0.0.1", port), 20)
    read(s, b"220")
    assert b"STARTTLS" in say(s, "EHLO c.test", "250")
    say(s, "STARTTLS", "454 4.7.0 TLS not available due to local problem")
    say(s, "MAIL FROM:<a@c.test>", "250")
    s.close()
    suite.logged("nothing.pem")


def main():
    suite = Suite.real(sys.argv[1])
    keys = Keys(suite.top / "keys")
    rsa = keys.make("rsa", "rsa", "rsa.test")
    ec = keys.make("ec", "ec", "ec.test")
    clients, silent, without = free_port(), free_port(), free_port()
    suite.configure(
        rows=f"""\
{clients} inet n - n - - smtpd
  -o smtpd_tls_ask_ccert=yes
  -o smtpd_relay_restrictions=permit_tls_clientcerts,reject_unauth_destination
{silent} inet n - n - - smtpd
  -o smtpd_starttls_timeout=1s
{without} inet n - n - - smtpd
  -o smtpd_tls_cert_file={keys.top}/nothing.pem
  -o smtpd_tls_eccert_file=
""",
        smtpd_tls_security_level="may", smtpd_tls_loglevel="1",
        smtpd_tls_cert_file=rsa[0], smtpd_tls_key_file=rsa[1],
        smtpd_tls_eccert_file=ec[0], smtpd_tls_eckey_file=ec[1],
        mynetworks="192.0.2.0/24",
        relay_clientcerts=f"texthash:{suite.conf}/clients")
    client = keys.make("client", "ec", "client.test")
    printed = openssl("x509", "-in", client[0], "-noout", "-fingerprint",
                      "-sha256")
    table = suite.conf / "clients"
    table.write_text(printed.strip().split("=")[1] + " client.test\n")
    table.chmod(0o644)
    try:
        suite.start()
        for name, case in (
                ("both algorithms", lambda: both_algorithms(suite)),
                ("keys", lambda: keys_are_with_authd_alone(
                    suite, keys, (rsa, ec))),
                ("resumption", lambda: resumed_at_another_process(suite)),
                ("clients", lambda: certificates_of_clients(client, clients)),
                ("silence", lambda: silent_client(suite, silent)),
                ("no certificate", lambda: no_certificate(suite, without)),
                ("renewal", lambda: renewed_files(suite, keys))):
            case()
            print("ok", name)
    except BaseException:
        print(suite.log())
        raise
    finally:
        suite.close()


main()
