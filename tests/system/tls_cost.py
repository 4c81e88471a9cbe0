#!/usr/bin/env python3
"""What a TLS handshake costs: full handshakes of TLS 1.3 against smtpd (in
wrapper mode, with the keys in authd) and against `openssl s_server` with the
same key; and what an idle session takes. Not a test; prints a table.
Run: tls_cost.py BIN [SECONDS]; 0 leaves the handshakes out."""

import os
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import time

from suite import Suite, free_port, wait_until

TICK = os.sysconf("SC_CLK_TCK")


def cpu(pids):
    """Seconds that the processes have used."""
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
        total += sum(int(x) for x in fields.split()[11:13])
    return total / TICK


def private_kib(pids):
    total = 0
    for pid in pids:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += sum(int(n) for n in re.findall(r"Private_\w+:\s+(\d+)", text))
    return total


def handshakes(port, seconds):
    """Full handshakes in that time, and the time."""
    begin = time.monotonic()
    done = subprocess.run(
        ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new",
         "-tls1_3", "-time", str(seconds)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=seconds + 60)
    count = int(re.search(r"(\d+) connections in [\d.]+ real", done.stdout)[1])
    return count, time.monotonic() - begin


def report(what, port, pids, seconds):
    handshakes(port, 1)
    before = cpu(pids())
    count, took = handshakes(port, seconds)
    used = cpu(pids()) - before
    print(f"{what:28} {count / took:7.0f} a second   "
          f"{used / count * 1000:6.2f} ms CPU each")


def make(top, kind):
    how = {"RSA-2048": ("rsa:2048",),
           "P-256": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")}[kind]
    key, cert = top / f"{kind}.key", top / f"{kind}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", *how, "-nodes",
                    "-days", "2", "-subj", "/CN=mx.test", "-keyout", key,
                    "-out", cert], check=True, stderr=subprocess.DEVNULL)
    return cert, key


def plain_server(cert, key, kind, seconds):
    port = free_port()
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", cert,
         "-key", key, "-tls1_3", "-quiet", "-num_tickets", "1", "-www"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    try:
        def there():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        wait_until(there)
        report(f"openssl s_server, {kind}", port, lambda: [server.pid], seconds)
    finally:
        server.kill()
        server.wait()


def serves(pid, sessions):
    """Is it the process that has the other ends?"""
    inodes = {os.readlink(fd) for fd in
              pathlib.Path(f"/proc/{pid}/fd").iterdir()}
    table = pathlib.Path("/proc/net/tcp").read_text().splitlines()
    peer = f"{sessions[0].getsockname()[1]:04X}"
    return any(f"socket:[{line.split()[9]}]" in inodes for line in table[1:]
               if line.split()[2].endswith(":" + peer))


def idle_sessions(suite, port, count, tls):
    """Private memory that each idle session takes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    if tls:
        context.minimum_version = context.maximum_version = tls

    def opened():
        s = socket.create_connection(("127.0.0.1", port), 60)
        s.recv(1000)
        s.sendall(b"EHLO client.test\r\n")
        s.recv(1000)
        if not tls:
            return s
        s.sendall(b"STARTTLS\r\n")
        s.recv(1000)
        s = context.wrap_socket(s)
        s.sendall(b"EHLO client.test\r\n")
        s.recv(1000)
        return s
    some = [opened() for _ in range(20)]
    pids = [pid for pid in suite.pids("smtpd") if serves(pid, some)]
    before = private_kib(pids)
    some += [opened() for _ in range(count)]
    print(f"private memory of an idle session, {tls.name if tls else 'plain'}: "
          f"{(private_kib(pids) - before) / count:.1f} KiB ({count} open)")
    for s in some:
        s.close()


def main():
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    suite = Suite.real(sys.argv[1])
    pairs = {kind: make(suite.top, kind) for kind in ("RSA-2048", "P-256")}
    ports = {kind: free_port() for kind in pairs}
    # A process of its own for each, as what is given back is not all given
    # back to the system.
    idle = [free_port() for _ in range(3)]
    cert, key = pairs["P-256"]
    suite.configure(
        smtpd_tls_security_level="may", smtpd_tls_cert_file=cert,
        smtpd_tls_key_file=key, smtpd_timeout="300s",
        rows="".join(f"{port} inet n - n - 1 smtpd\n" for port in idle) +
        "".join(f"""\
{ports[kind]} inet n - n - 1 smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_tls_cert_file={cert}
  -o smtpd_tls_key_file={key}
""" for kind, (cert, key) in pairs.items()),
        smtpd_peername_lookup="no", smtpd_client_connection_count_limit="0",
        smtpd_sessions_per_process="3000")
    try:
        suite.start()
        for kind, (cert, key) in pairs.items() if seconds else ():
            plain_server(cert, key, kind, seconds)
            report(f"smtpd and authd, {kind}", ports[kind],
                   lambda: suite.pids("smtpd") + suite.pids("authd"), seconds)
        for port, tls in zip(idle, (None, ssl.TLSVersion.TLSv1_2,
                                    ssl.TLSVersion.TLSv1_3)):
            idle_sessions(suite, port, 1000, tls)
    finally:
        suite.close()


main()
