#!/usr/bin/env python3
"""TLS between tables and their servers: asked for, verified, refused."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import servers

MISSING = [kind for kind in ("ldap", "mysql") if not servers.installed(kind)]


def make_certificates(place):
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True,
                       timeout=60, cwd=place)

    place.mkdir(mode=0o755)
    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                f"{name}.key", "-out", f"{name}.pem", "-days", "3", "-subj",
                f"/CN={name}")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key",
            "-out", "server.csr", "-subj", "/CN=localhost")
    (place / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey",
            "ca.key", "-CAcreateserial", "-out", "server.pem", "-days", "3",
            "-extfile", "names")
    for path in place.iterdir():
        path.chmod(0o644)


class Case:
    def __init__(self, programs, top):
        self.postmap, self.top = programs / "postmap", top
        self.keys = top / "keys"
        make_certificates(self.keys)
        (top / "main.conf").write_text("compatibility_level = 3.6\n")

    def ask(self, kind, text):
        file = self.top / "table.cf"
        file.write_text(text)
        done = subprocess.run(
            [self.postmap, "-c", self.top, "-q", "user@x.test",
             f"{kind}:{file}"], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.strip(), done.stderr

    def good(self, kind, text):
        got = self.ask(kind, text)
        assert got == (0, "target@example.com", ""), (kind, text, got)

    def bad(self, kind, text, words):
        status, out, err = self.ask(kind, text)
        assert status == 1 and not out and words in err, (kind, text, err)


def ldap(case):
    keys = case.keys
    plain = servers.SLAPD_CONF
    servers.SLAPD_CONF = plain.replace(
        "pidfile", f"TLSCACertificateFile {keys}/ca.pem\n"
        f"TLSCertificateFile {keys}/server.pem\n"
        f"TLSCertificateKeyFile {keys}/server.key\nsecurity tls=1\npidfile")
    server = servers.OpenLDAP(case.top / "ldap")
    try:
        base = server.parameters()
        case.bad("ldap", base, "TLS confidentiality required")
        tls = base + "start_tls = yes\n"
        case.good("ldap", tls)
        tls += "tls_require_cert = yes\n"
        case.good("ldap", tls + f"tls_ca_cert_file = {keys}/ca.pem\n")
        case.bad("ldap", tls + f"tls_ca_cert_file = {keys}/other.pem\n",
                 "Unable to set STARTTLS")
    finally:
        server.stop()


class MariaDB(servers.MariaDB):
    keys = None

    def spawn(self, *words):
        super().spawn(*words, f"--ssl-ca={self.keys}/ca.pem",
                      f"--ssl-cert={self.keys}/server.pem",
                      f"--ssl-key={self.keys}/server.key")


def mysql(case):
    MariaDB.keys = case.keys
    server = MariaDB(case.top / "mysql")
    try:
        base = server.parameters()
        case.good("mysql", base.replace(f"inet:127.0.0.1:{server.port}",
                                        f"unix:{server.socket()}"))
        server.sql("ALTER USER 'mail' REQUIRE SSL;")
        case.bad("mysql", base, "Access denied")
        case.good("mysql", base + f"tls_CAfile = {case.keys}/ca.pem\n")
        verified = base + "tls_verify_cert = yes\n"
        case.good("mysql", verified + f"tls_CAfile = {case.keys}/ca.pem\n")
        case.bad("mysql", verified + f"tls_CAfile = {case.keys}/other.pem\n",
                 "certificate")
    finally:
        server.stop()


def main():
    if MISSING and os.environ.get("CI"):
        sys.exit(f"these servers are not installed: {MISSING}")
    top = pathlib.Path(tempfile.mkdtemp(prefix="postern-tls."))
    top.chmod(0o755)
    try:
        case = Case(pathlib.Path(sys.argv[1]), top)
        for test in (ldap, mysql):
            if test.__name__ not in MISSING:
                test(case)
                print(test.__name__)
    finally:
        shutil.rmtree(top)
    if MISSING:
        print("not installed, so not tested: " + ", ".join(MISSING))
        sys.exit(77)


if __name__ == "__main__":
    main()
