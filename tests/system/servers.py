"""Private database servers, directories and caches for tests: in a temporary
directory, on loopback ports and sockets, as an ordinary user where they ask
for one. What is not installed is None in `found`."""

import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import socketserver
import subprocess
import threading
import time

from suite import free_port, wait_until

PASSWORD = "right-password"
# key -> value, the same in all of them. "both" has two values.
ROWS = [("user", "target@example.com"), ("both", "one@example.com"),
        ("both", "two@example.com"), ("o'brien", "obrien@example.com")]


def program(*patterns):
    """The first that exists; patterns may be globs."""
    for pattern in patterns:
        for path in sorted(glob.glob(pattern), reverse=True):
            if os.access(path, os.X_OK):
                return path
        if "/" not in pattern and shutil.which(pattern):
            return shutil.which(pattern)
    return None


class Server:
    """One server program. `pause` and `go_on` make it slow."""

    def __init__(self, top):
        self.top = pathlib.Path(top)
        self.top.mkdir(mode=0o755)
        self.port = free_port()
        self.process = None
        self.user = None
        if os.getuid() == 0:
            self.user = pwd.getpwnam("nobody")
            os.chown(self.top, self.user.pw_uid, self.user.pw_gid)

    def command(self, *words, **options):
        as_user = {}
        if self.user:
            as_user = {"user": self.user.pw_uid, "group": self.user.pw_gid,
                       "extra_groups": []}
        return {"args": [str(word) for word in words], "cwd": self.top,
                "env": dict(os.environ, HOME=str(self.top), LC_ALL="C.UTF-8"),
                **as_user, **options}

    def run(self, *words, **options):
        done = subprocess.run(**self.command(
            *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=120, **options))
        assert done.returncode == 0, (words, done.stdout)
        return done.stdout

    def spawn(self, *words):
        self.process = subprocess.Popen(**self.command(
            *words, stdin=subprocess.DEVNULL,
            stdout=open(self.top / "output", "a"), stderr=subprocess.STDOUT))
        wait_until(self.ready, 60)

    def ready(self):
        """a connection to the server"""
        assert self.process.poll() is None, (self.top / "output").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
            return True
        except OSError:
            return False

    def stop(self, how=signal.SIGTERM):
        if self.process:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(60)
        self.process = None

    def members(self):
        """The server and its children: PostgreSQL has one for each client."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [pid] + [int(child) for child in children.split()]

    def signal_all(self, number):
        for pid in self.members():
            os.kill(pid, number)

    def pause(self):
        self.signal_all(signal.SIGSTOP)
        for pid in self.members():
            def stopped():
                text = pathlib.Path(f"/proc/{pid}/stat").read_text()
                return text.rsplit(")", 1)[1].split()[0] == "T"
            wait_until(stopped)

    def go_on(self):
        self.signal_all(signal.SIGCONT)


class PostgreSQL(Server):
    kind = "pgsql"
    initdb = program("/usr/lib/postgresql/*/bin/initdb", "initdb")

    def __init__(self, top):
        super().__init__(top)
        binaries = pathlib.Path(self.initdb).resolve().parent
        self.postgres, self.psql = binaries / "postgres", binaries / "psql"
        (self.top / "password").write_text(PASSWORD)
        self.run(self.initdb, "-D", self.top / "data", "-U", "mail", "-A",
                 "scram-sha-256", "--pwfile", self.top / "password", "-E",
                 "UTF8", "--no-sync")
        self.start()
        self.run(self.psql, "-h", "127.0.0.1", "-p", self.port, "-U", "mail",
                 "-d", "postgres", "-c", "CREATE DATABASE mail",
                 "-v", "ON_ERROR_STOP=1")
        self.sql("CREATE TABLE aliases (name text, value text);")
        for name, value in ROWS:
            self.sql("INSERT INTO aliases VALUES ('%s', '%s');" %
                     (name.replace("'", "''"), value))

    def command(self, *words, **options):
        made = super().command(*words, **options)
        made["env"]["PGPASSWORD"] = PASSWORD
        return made

    def sql(self, text):
        return self.run(self.psql, "-h", "127.0.0.1", "-p", self.port, "-U",
                        "mail", "-d", "mail", "-v", "ON_ERROR_STOP=1", "-At",
                        "-c", text)

    def start(self):
        self.spawn(self.postgres, "-D", self.top / "data", "-p", self.port,
                   "-k", self.top, "-c", "listen_addresses=127.0.0.1", "-c",
                   "fsync=off", "-c", "shared_buffers=4MB")

    def ready(self):
        """a PostgreSQL server that takes clients"""
        if not super().ready():
            return False
        return subprocess.run(**self.command(
            self.psql, "-h", "127.0.0.1", "-p", self.port, "-U", "mail", "-d",
            "postgres", "-c", "SELECT 1", stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=60)).returncode == 0

    def stop(self, how=signal.SIGINT):  # does not wait for its clients
        super().stop(how)

    def parameters(self, password=PASSWORD, hosts=None):
        return (f"hosts = {hosts or f'127.0.0.1:{self.port}'}\nuser = mail\n"
                f"password = {password}\ndbname = mail\ntimeout = 2\n"
                "query = SELECT value FROM aliases WHERE name = '%u' "
                "ORDER BY value\n")


class MariaDB(Server):
    kind = "mysql"
    initdb = program("mariadb-install-db", "mysql_install_db")
    mariadbd = program("mariadbd", "/usr/sbin/mariadbd", "mysqld")
    client = program("mariadb", "mysql")

    def __init__(self, top):
        super().__init__(top)
        self.run(self.initdb, "--no-defaults", f"--datadir={self.top}/data",
                 "--auth-root-authentication-method=normal", "--skip-test-db",
                 "--skip-name-resolve")
        self.start()
        self.sql("CREATE DATABASE mail CHARACTER SET utf8mb4;"
                 f"CREATE USER 'mail' IDENTIFIED BY '{PASSWORD}';"
                 "GRANT ALL ON mail.* TO 'mail';"
                 "CREATE TABLE mail.aliases (name varchar(99),"
                 " value varchar(99));"
                 "CREATE PROCEDURE mail.find(IN p varchar(99))"
                 " SELECT value FROM mail.aliases WHERE name = p;"
                 "CREATE PROCEDURE mail.nothing() DO 1;")
        for name, value in ROWS:
            self.sql("INSERT INTO mail.aliases VALUES ('%s', '%s');" %
                     (name.replace("'", "''"), value))

    def sql(self, text):
        return self.run(self.client, "--no-defaults", "-S", self.socket(),
                        "-u", "root", "-N", "-B", "-e", text)

    def socket(self):
        return self.top / "socket"

    def start(self):
        self.spawn(self.mariadbd, "--no-defaults", f"--datadir={self.top}/data",
                   f"--socket={self.socket()}", f"--port={self.port}",
                   "--bind-address=127.0.0.1", "--skip-log-bin",
                   f"--pid-file={self.top}/pid", "--skip-name-resolve",
                   "--innodb-buffer-pool-size=8M", "--innodb-log-file-size=4M",
                   "--innodb-flush-log-at-trx-commit=0")

    def members(self):
        return [self.process.pid]

    def parameters(self, password=PASSWORD, hosts=None):
        return (f"hosts = {hosts or f'inet:127.0.0.1:{self.port}'}\n"
                f"user = mail\npassword = {password}\ndbname = mail\n"
                "timeout = 2\noption_group =\n"
                "query = SELECT value FROM aliases WHERE name = '%u' "
                "ORDER BY value\n")


SLAPD_CONF = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {top}/pid
database mdb
maxsize 10485760
suffix "dc=test"
rootdn "cn=admin,dc=test"
rootpw {password}
directory {top}/data
"""

LDIF = """\
dn: dc=test
objectClass: dcObject
objectClass: organization
o: test
dc: test

dn: cn=user,dc=test
objectClass: inetOrgPerson
cn: user
sn: user
mail: target@example.com

dn: cn=both,dc=test
objectClass: inetOrgPerson
cn: both
sn: both
mail: one@example.com
mail: two@example.com

dn: cn=o'brien,dc=test
objectClass: inetOrgPerson
cn: o'brien
sn: x
mail: obrien@example.com

dn: cn=group,dc=test
objectClass: groupOfNames
objectClass: labeledURIObject
cn: group
description: list@example.com
member: cn=user,dc=test
member: cn=gone,dc=test
labeledURI: ldap:///dc=test?mail?sub?(cn=both)

dn: cn=loop,dc=test
objectClass: groupOfNames
cn: loop
member: cn=loop,dc=test
"""


class OpenLDAP(Server):
    kind = "ldap"
    slapd = program("slapd", "/usr/sbin/slapd")
    slapadd = program("slapadd", "/usr/sbin/slapadd")

    def __init__(self, top):
        super().__init__(top)
        conf = self.top / "slapd.conf"
        conf.write_text(SLAPD_CONF.format(top=self.top, password=PASSWORD))
        (self.top / "ldif").write_text(LDIF)
        self.run("mkdir", self.top / "data")
        self.run(self.slapadd, "-f", conf, "-l", self.top / "ldif")
        self.start()

    def start(self):
        self.spawn(self.slapd, "-d", "0", "-f", self.top / "slapd.conf", "-h",
                   f"ldap://127.0.0.1:{self.port}")

    def parameters(self, password=PASSWORD, hosts=None):
        return (f"server_host = {hosts or f'ldap://127.0.0.1:{self.port}'}\n"
                f"bind_dn = cn=admin,dc=test\nbind_pw = {password}\n"
                "timeout = 2\nsearch_base = dc=test\n"
                "query_filter = (cn=%u)\nresult_attribute = mail\n")


class Memcached(Server):
    kind = "memcache"
    memcached = program("memcached")

    def __init__(self, top):
        super().__init__(top)
        self.start()

    def start(self):
        self.spawn(self.memcached, "-l", "127.0.0.1", "-p", self.port, "-U",
                   "0", "-m", "8", "-t", "1")
        self.set("user@memcache.test", "target@example.com")

    def set(self, key, value):
        with socket.create_connection(("127.0.0.1", self.port), 20) as s:
            s.sendall(f"set {key} 0 0 {len(value)}\r\n{value}\r\n".encode())
            assert s.recv(100) == b"STORED\r\n"

    def get(self, key):
        with socket.create_connection(("127.0.0.1", self.port), 20) as s:
            s.sendall(f"get {key}\r\n".encode())
            return s.recv(1000).decode()

    def parameters(self, password=None, hosts=None):
        return (f"memcache = {hosts or f'inet:127.0.0.1:{self.port}'}\n"
                "timeout = 1\nretry_pause = 0\n")


class Simple:
    """A server of tcp: or socketmap: tables, in threads of the test."""

    def __init__(self, kind, answers):
        self.kind, self.answers = kind, answers
        self.port = free_port()
        self.asked, self.server = [], None
        self.held = threading.Event()  # set: answer
        self.held.set()
        self.start()

    def start(self):
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                outer.sockets.append(self.connection)
                try:
                    while outer.one(self.rfile, self.wfile):
                        pass
                except OSError:
                    pass

        class Threads(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.sockets = []
        self.server = Threads(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def one(self, reader, writer):
        if self.kind == "tcp":
            line = reader.readline()
            if not line:
                return False
            key = line[4:].strip().decode()
        else:
            size = b""
            while (c := reader.read(1)) not in (b":", b""):
                size += c
            if not size:
                return False
            text = reader.read(int(size) + 1)[:-1].decode()
            key = text.split(" ", 1)[1]
        self.asked.append(key)
        self.held.wait(120)
        answer = self.answers.get(key, self.answers.get(""))
        if answer is None:
            return False  # hangs up
        if self.kind == "tcp":
            writer.write((answer + "\n").encode())
        else:
            writer.write(f"{len(answer)}:{answer},".encode())
        return True

    def stop(self):
        self.held.set()
        self.server.shutdown()
        self.server.server_close()
        for one in self.sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def installed(kind):
    return {"pgsql": PostgreSQL.initdb,
            "mysql": MariaDB.initdb and MariaDB.mariadbd and MariaDB.client,
            "ldap": OpenLDAP.slapd and OpenLDAP.slapadd,
            "memcache": Memcached.memcached}[kind]


CLASSES = {one.kind: one for one in (PostgreSQL, MariaDB, OpenLDAP, Memcached)}
