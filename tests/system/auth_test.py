#!/usr/bin/env python3
"""authd in a running suite, over its named sockets: users of its own that
postuser makes, and the Cyrus library with sasldb2 and saslauthd; Dovecot's
client against it; mail while log-ins flood it."""

import base64
import hashlib
import hmac
import os
import pathlib
import pwd
import shutil
import smtplib
import socket
import socketserver
import subprocess
import sys
import threading
import time
import unicodedata

from suite import Suite, wait_until

ROWS = """\
auth      unix  n       -       n       -       1       authd
sasldb    unix  n       -       n       -       1       authd
  -o smtpd_sasl_type=cyrus -o smtpd_sasl_path=smtpd
"""


class Client:
    """The Dovecot auth protocol, written from its description."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rwb")
        self.file.write(b"VERSION\t1\t2\nCPID\t%d\n" % os.getpid())
        self.file.flush()
        self.mechanisms, self.id = {}, 0
        while True:
            words = self.file.readline().decode().rstrip("\n").split("\t")
            assert words != [""], "hung up within the handshake"
            if words[0] == "MECH":
                self.mechanisms[words[1]] = set(words[2:])
            if words[0] == "DONE":
                break

    def answer(self):
        words = self.file.readline().decode().rstrip("\n").split("\t")
        assert words[1] == str(self.id), words
        return words[0], words[2:]

    def begin(self, mechanism, response=None, more=""):
        self.id += 1
        line = f"AUTH\t{self.id}\t{mechanism}\tservice=smtp{more}"
        if response is not None:
            line += "\tresp=" + base64.b64encode(response).decode()
        self.file.write(line.encode() + b"\n")
        self.file.flush()
        return self.answer()

    def go_on(self, response):
        self.file.write(b"CONT\t%d\t%s\n" % (self.id,
                                             base64.b64encode(response)))
        self.file.flush()
        return self.answer()

    def plain(self, user, password, more="\tno-penalty"):
        return self.begin("PLAIN", f"\0{user}\0{password}".encode(), more)

    def cram_md5(self, user, password):
        word, words = self.begin("CRAM-MD5", more="\tno-penalty")
        assert word == "CONT", (word, words)
        digest = hmac.new(password.encode(), base64.b64decode(words[0]),
                          "md5").hexdigest()
        return self.go_on(f"{user} {digest}".encode())

    def scram_sha_256(self, user, password):
        bare = f"n={user},r=clientnonce"
        word, words = self.begin("SCRAM-SHA-256", b"n,," + bare.encode(),
                                 "\tno-penalty")
        if word != "CONT":
            return word, words
        challenge = base64.b64decode(words[0]).decode()
        parts = dict(p.split("=", 1) for p in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(),
                                     base64.b64decode(parts["s"]),
                                     int(parts["i"]))
        end = f"c=biws,r={parts['r']}"
        message = f"{bare},{challenge},{end}".encode()
        key = hmac.new(salted, b"Client Key", "sha256").digest()
        signature = hmac.new(hashlib.sha256(key).digest(), message,
                             "sha256").digest()
        proof = bytes(a ^ b for a, b in zip(key, signature))
        word, words = self.go_on(
            f"{end},p={base64.b64encode(proof).decode()}".encode())
        if word != "CONT":
            return word, words
        server = hmac.new(hmac.new(salted, b"Server Key", "sha256").digest(),
                          message, "sha256").digest()
        expected = b"v=" + base64.b64encode(server)
        assert base64.b64decode(words[0]) == expected, words
        return self.go_on(b"")


def good(answer, user):
    assert answer[0] == "OK" and f"user={user}" in answer[1], answer


def bad(answer, *words):
    assert answer[0] == "FAIL", answer
    for word in words:
        assert word in answer[1], (word, answer)


def by_smtp(case):
    """smtpd lets users of the store in, and nobody else."""
    def log_in(user, password):
        with smtplib.SMTP("127.0.0.1", case.suite.port, timeout=60) as s:
            s.ehlo()
            assert "PLAIN" in s.esmtp_features["auth"], s.esmtp_features
            return s.login(user, password)[0]
    assert log_in("carl", "old secret") == 235
    for user in ("carl", "nobody"):
        try:
            raise AssertionError(log_in(user, "wrong"))
        except smtplib.SMTPAuthenticationError as error:
            assert error.smtp_code == 535, error
            assert error.smtp_error == (
                b"5.7.8 Error: authentication failed: authentication "
                b"failure"), error
    case.suite.logged("SASL PLAIN authentication failed: authentication "
                      "failure")
    case.suite.logged("log-in failed: user=<nobody>, method=PLAIN, "
                      "service=smtp, client=127.0.0.1, backend=store: there "
                      "is no such user")


class ImapServer(socketserver.ThreadingTCPServer):
    """What saslauthd -a rimap asks: one user, whose password is `word`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, user, word):
        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(b"* OK ready\r\n")
                line = self.rfile.readline().decode().replace('"', "")
                tag, *words = line.split()
                self.server.asked.append(line)
                right = words == ["LOGIN", user, word]
                self.wfile.write(f"{tag} {'OK' if right else 'NO'} x\r\n"
                                 .encode())

        self.asked = []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Case:
    def __init__(self, suite):
        self.suite = suite
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.children = []
        self.sockets = suite.top / "queue/public"

    def client(self, name="auth"):
        path = self.sockets / name
        wait_until(path.exists)
        return Client(path)

    def postuser(self, *args, text=None, status=0):
        done = subprocess.run(
            [self.suite.bin / "postuser", "-c", self.suite.conf, *args],
            input=text, stdin=None if text else subprocess.DEVNULL,
            capture_output=True, text=True, timeout=90)
        assert done.returncode == status, (args, done)
        return done.stdout + done.stderr

    def readable(self, path):
        """For the user that authd runs as."""
        if os.geteuid() == 0:
            shutil.chown(path, 0, "nogroup")
            path.chmod(0o640)

    def close(self):
        for child in self.children:
            child.terminate()
            child.wait(20)


def own_users(case):
    """postuser makes, changes and takes away users while the suite runs."""
    client = case.client()
    bad(client.plain("bob@example.com", "first"))
    case.postuser("add", "bob@example.com", text="first\n")
    good(client.plain("bob@example.com", "first"), "bob@example.com")
    case.postuser("passwd", "-m", "bob@example.com", text="second word\n")
    bad(client.plain("bob@example.com", "first"))
    client = case.client()
    assert "CRAM-MD5" in client.mechanisms, client.mechanisms
    good(client.plain("bob@example.com", "second word"), "bob@example.com")
    good(client.scram_sha_256("bob@example.com", "second word"), "bob@example.com")
    good(client.cram_md5("bob@example.com", "second word"), "bob@example.com")
    bad(client.scram_sha_256("bob@example.com", "first"))
    bad(client.scram_sha_256("eve@example.com", "first"))
    listing = case.postuser("list")
    assert "enabled   2" in listing and "cram-md5" in listing, listing
    case.postuser("disable", "bob@example.com")
    bad(client.plain("bob@example.com", "second word"), "user_disabled")
    case.postuser("enable", "bob@example.com")
    good(client.plain("bob@example.com", "second word"), "bob@example.com")
    case.postuser("delete", "bob@example.com")
    bad(client.plain("bob@example.com", "second word"))
    case.postuser("delete", "bob@example.com", status=1)
    characters(case)


def characters(case):
    """One name and one password, in each form that programs send (RFC 4013)."""
    name, password = "ren\u00e9@example.com", "se\u00f1al\u00aa"
    apart = unicodedata.normalize("NFD", name)
    case.postuser("add", apart, text=password + "\n")
    assert case.postuser("list", name).count("argon2id") == 1
    prepared = unicodedata.normalize("NFKC", password)
    client = case.client()
    for user in (name, apart, "Ren\u00e9@\uff45xample.com"):
        for word in (password, prepared, "\u00ad" + password):
            good(client.plain(user, word), name)
        good(client.scram_sha_256(user, prepared), name)
        bad(client.scram_sha_256(user, prepared + "x"))
    bad(client.plain("rene@example.com", password))
    text = case.postuser("passwd", name, text="\u0627" + "1\n")
    assert "RFC 4013" in text, text
    good(case.client().plain(name, "\u0627" + "1"), name)
    case.postuser("delete", name)


def imports(case):
    """Users of a passwd-file and of a sasldb2 come along."""
    made = subprocess.run(["openssl", "passwd", "-6", "old secret"],
                          capture_output=True, text=True, check=True)
    file = case.suite.top / "passwd"
    file.write_text(f"carl:{{SHA512-CRYPT}}{made.stdout.strip()}::::::\n"
                    "dora:{PLAIN}clear\nbroken\n")
    text = case.postuser("import", str(file), status=1)
    assert "2 taken over" in text and "line 3" in text, text
    client = case.client()
    assert "SCRAM-SHA-256" not in client.mechanisms, client.mechanisms
    good(client.plain("carl", "old secret"), "carl")
    listing = case.postuser("list", "carl")
    assert "argon2id" in listing and "imported" not in listing, listing
    good(case.client().scram_sha_256("carl", "old secret"), "carl")
    good(case.client().scram_sha_256("dora", "clear"), "dora")
    text = case.postuser("import", "-f", "sasldb",
                         str(case.suite.top / "sasldb2"))
    assert "1 taken over" in text, text
    good(case.client().plain("sam@example.com", "sasl word"),
         "sam@example.com")


def cyrus_sasldb(case):
    """The Cyrus library reads sasldb2, from within authd's profile."""
    client = case.client("sasldb")
    assert client.mechanisms["PLAIN"] >= {"plaintext"}, client.mechanisms
    assert "plaintext" not in client.mechanisms["CRAM-MD5"]
    assert "GSSAPI" not in client.mechanisms  # mech_list
    good(client.plain("sam@example.com", "sasl word"), "sam@example.com")
    bad(client.plain("sam@example.com", "wrong"),
        "reason=authentication failure")
    bad(client.plain("nobody@example.com", "wrong"),
        "reason=authentication failure")
    good(client.cram_md5("sam@example.com", "sasl word"), "sam@example.com")
    good(client.scram_sha_256("sam@example.com", "sasl word"),
         "sam@example.com")
    # After an empty name comes a password, not another name.
    client.begin("LOGIN", more="\tno-penalty")
    client.go_on(b"")
    bad(client.go_on(b"unspeakable word"))
    case.suite.logged("backend=cyrus")


def through_smtpd(case):
    """The same in sessions: smtpd_sasl_type = cyrus."""
    def kind(name):
        assert case.suite.tool("postconf", "-e",
                               f"smtpd_sasl_type={name}").returncode == 0
        assert case.suite.postern("reload")[0] == 0

    def login(user, password):
        with smtplib.SMTP("127.0.0.1", case.suite.port, timeout=60) as s:
            s.ehlo("client.test")
            if s.esmtp_features["auth"].split() != ["PLAIN", "LOGIN"]:
                return 0  # the old process, on its way out
            s.user, s.password = user, password
            return s.auth("LOGIN", s.auth_login, initial_response_ok=False)[0]

    kind("cyrus")
    wait_until(lambda: login("imapuser", "imapword") == 235, 20)
    try:
        code = login("imapuser", "wrong")
    except smtplib.SMTPAuthenticationError as error:
        code = error.smtp_code
    assert code == 535, code
    kind("postern")


def cyrus_saslauthd(case):
    """The Cyrus library asks saslauthd, also while that is away."""
    conf = case.suite.conf / "sasl/smtpd.conf"
    mux = case.suite.top / "mux"
    mux.mkdir(mode=0o755)
    conf.write_text("pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n"
                    f"saslauthd_path: {mux}/mux\n")
    assert case.suite.postern("reload")[0] == 0

    def reloaded():
        try:
            return set(case.client("sasldb").mechanisms) == {"PLAIN", "LOGIN"}
        except (AssertionError, OSError):
            return False  # it was the old process, on its way out
    wait_until(reloaded, 20)
    bad(case.client("sasldb").plain("imap user", "imap word"), "temp")
    case.suite.logged("SASL authentication failure: cannot connect to "
                      "saslauthd server")
    server = ImapServer("imapuser", "imapword")
    port = server.server_address[1]
    case.children.append(subprocess.Popen(
        ["saslauthd", "-d", "-a", "rimap", "-O", f"127.0.0.1/{port}", "-m",
         str(mux), "-n", "2"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True))  # it ends its whole group
    wait_until((mux / "mux").exists)
    os.chmod(mux / "mux", 0o777)
    client = case.client("sasldb")
    good(client.plain("imapuser", "imapword"), "imapuser")
    bad(client.plain("imapuser", "wrong"), "reason=authentication failure")
    word, words = client.begin("LOGIN", more="\tno-penalty")
    assert word == "CONT" and base64.b64decode(words[0]) == b"Username:"
    assert client.go_on(b"imapuser")[0] == "CONT"
    good(client.go_on(b"imapword"), "imapuser")
    # authd's own back end asks it about users that the store does not have.
    own = case.client()
    assert "SCRAM-SHA-256" not in own.mechanisms, own.mechanisms
    good(own.plain("imapuser", "imapword"), "imapuser")
    bad(own.plain("imapuser", "wrong"))
    asked = len(server.asked)
    good(own.plain("carl", "old secret"), "carl")
    assert len(server.asked) == asked, "a user of the store was asked about"
    through_smtpd(case)
    server.shutdown()


def dovecot_client(case):
    """Dovecot's own client of the protocol."""
    if shutil.which("doveadm") is None:
        print("  doveadm is not here; left out")
        return
    conf = case.suite.top / "dovecot.conf"
    conf.write_text(f"base_dir = {case.suite.top}/dovecot\n")

    def ask(password):
        return subprocess.run(
            ["doveadm", "-c", conf, "auth", "test", "-a",
             case.sockets / "auth", "-x", "service=smtp", "carl", password],
            capture_output=True, text=True, timeout=60)
    done = ask("old secret")
    assert done.returncode == 0 and "auth succeeded" in done.stdout, done
    done = ask("wrong")
    assert done.returncode != 0 and "auth failed" in done.stdout, done


def flood(case):
    """A flood of log-ins slows log-ins, not mail."""
    def send(count):
        times = []
        for _ in range(count):
            began = time.monotonic()
            with smtplib.SMTP("127.0.0.1", case.suite.port, timeout=60) as s:
                s.sendmail("a@client.test",
                           [f"{case.user}@mail.example.com"],
                           "Subject: x\n\nx\n")
            times.append(time.monotonic() - began)
        return sorted(times)
    alone = send(20)
    ends, answers = time.monotonic() + 8, []

    def attack(number, client):
        while time.monotonic() < ends:
            # Each from a network of its own, as a botnet does.
            ident = client.id
            lines = ""
            for i in range(50):
                ident += 1
                address = f"10.{number}.{ident % 250}.1"
                word = base64.b64encode(
                    f"\0carl\0guess{ident}".encode()).decode()
                lines += (f"AUTH\t{ident}\tPLAIN\tservice=smtp\trip={address}"
                          f"\tresp={word}\n")
            client.file.write(lines.encode())
            client.file.flush()
            client.id = ident
            for i in range(50):
                answers.append(client.file.readline())
    attackers = [threading.Thread(target=attack, args=(i, case.client()))
                 for i in range(8)]
    for each in attackers:
        each.start()
    wait_until(lambda: answers, 60)
    meanwhile = send(20)
    # Nor does it keep a new client from its greeting.
    began = time.monotonic()
    case.client()
    greeting = time.monotonic() - began
    for each in attackers:
        each.join(120)
    assert all(line.startswith(b"FAIL\t") for line in answers), answers[:5]
    put_off = sum(b"\ttemp" in line for line in answers)
    print(f"  {len(answers)} log-ins, {put_off} put off; a message took "
          f"{alone[10]:.3f} s alone, {meanwhile[10]:.3f} s meanwhile (median "
          f"of 20), at most {meanwhile[-1]:.3f} s; a new client was greeted "
          f"after {greeting:.3f} s")
    assert len(answers) >= 400, len(answers)
    assert meanwhile[10] < 2, (alone, meanwhile)
    assert greeting < 2, greeting


def main(bin_dir):
    for program in ("saslauthd", "saslpasswd2", "db_dump"):
        if shutil.which(program) is None and not os.path.exists(
                f"/usr/sbin/{program}"):
            print(f"{program} is not here (sasl2-bin, db-util)")
            return 77
    os.environ["PATH"] += ":/usr/sbin"
    suite = Suite.real(bin_dir)
    case = Case(suite)
    suite.configure(
        rows=ROWS, auth_failure_delay="0", auth_hash_memory="16384",
        auth_account_failure_limit="0", smtpd_sasl_auth_enable="yes",
        smtpd_sasl_type="postern",
        cyrus_sasl_config_path=suite.conf / "sasl",
        auth_saslauthd_path="", mydestination="mail.example.com",
        alias_maps="", mail_spool_directory=suite.top / "mail",
        local_recipient_maps="", smtpd_peername_lookup="no",
        mynetworks="127.0.0.0/8")
    (suite.top / "mail").mkdir()
    (suite.conf / "sasl").mkdir()
    sasldb = suite.top / "sasldb2"
    (suite.conf / "sasl/smtpd.conf").write_text(
        "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
        f"sasldb_path: {sasldb}\n"
        "mech_list: PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256\n")
    subprocess.run(["saslpasswd2", "-f", sasldb, "-c", "-p", "-u",
                    "example.com", "sam"], input="sasl word", text=True,
                   check=True, timeout=30)
    case.readable(sasldb)
    try:
        suite.start()
        for step in (own_users, imports, by_smtp, cyrus_sasldb,
                     dovecot_client, flood):
            print(step.__doc__, flush=True)
            step(case)
        suite.configure(
            rows=ROWS, auth_failure_delay="0", auth_hash_memory="16384",
        auth_account_failure_limit="0", smtpd_sasl_auth_enable="yes",
        smtpd_sasl_type="postern",
            cyrus_sasl_config_path=suite.conf / "sasl",
            auth_saslauthd_path=suite.top / "mux")
        print(cyrus_saslauthd.__doc__, flush=True)
        cyrus_saslauthd(case)
        for word in ("sasl word", "old secret", "imapword", "second word",
                     "unspeakable word"):
            assert word not in suite.log(), f"{word} stands in the log"
        return 0
    except (AssertionError, OSError, subprocess.SubprocessError,
            smtplib.SMTPException) as error:
        print(f"{type(error).__name__}: {error}")
        print(suite.log())
        return 1
    finally:
        case.close()
        suite.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
