#!/usr/bin/env python3
"""The published set-ups of tests/setups: setups_test.py BIN [NAME…].

Each starts without a name that is not known, `postconf -n` prints what went
in, and its envelopes are accepted or refused as Postfix does it: where Postfix
is installed it runs with the same files, and both must say the same; otherwise
its answers of before, kept beside the set-up, count. For each refusal that
stands in Postern's log `postern explain` must name the same reply and a line.

Each runs in mount and network namespaces of the test, where files lie at the
places that the set-up names; needs root. `--record` writes the answers."""

import grp
import os
import pathlib
import pwd
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import traceback

import dovecot
import envelopes
import servers
import world
from explained import explain_refusals
from suite import wait_until

SKIPPED = 77
HERE = pathlib.Path(__file__).resolve().parent
SETUPS = HERE.parent / "setups"
LOG = pathlib.Path("/var/log/setup.log")
POSTFIX = shutil.which("postfix", path="/usr/sbin:/usr/bin")
CLIENTS = ("192.0.2.10", "192.0.2.66", "198.51.100.2", "198.51.100.7")
# An event line of smtpd, without its time and process.
EVENT = re.compile(r"/smtpd\[\d+\]: ((?:NOQUEUE|[0-9A-Za-z]{6,}): "
                   r"(?:reject|reject_warning|warn|hold|discard|filter|"
                   r"redirect|prepend|bcc|info): .*)")


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, **options)
    assert done.returncode == 0, (words, done.stdout, log_text())
    return done.stdout


def log_text():
    return LOG.read_text() if LOG.exists() else "(no log)"


def departures(log):
    return len(re.findall(r"smtpd\[\d+\]: disconnect from ", log))


def enter_namespaces():
    if os.geteuid() != 0:
        print("needs root")
        sys.exit(SKIPPED)
    inside = "POSTERN_SETUPS_TEST"
    if os.environ.get(inside) != "inside":
        os.environ[inside] = "inside"
        words = ["unshare", "--mount", "--net", "--uts"]
        probe = subprocess.run([*words, "true"], stderr=subprocess.PIPE)
        if probe.returncode != 0:
            print("no namespaces:", probe.stderr.decode())
            sys.exit(SKIPPED)
        os.execvp("unshare", [*words, "--propagation", "private",
                              sys.executable, *sys.argv])
    run("ip", "link", "set", "lo", "up")
    for address in CLIENTS:
        run("ip", "address", "add", address + "/32", "dev", "lo")


def cover(*directories):
    """Empty directories of the test's own in place of the machine's."""
    for directory in directories:
        os.makedirs(directory, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory)


def replace_file(path, text):
    source = pathlib.Path("/run/postern-setup") / path.strip("/").replace(
        "/", "_")
    source.write_text(text)
    if not os.path.exists(path):
        pathlib.Path(path).touch()
    run("mount", "--bind", source, path)


def prepare_places(bin_dir):
    kept = {}
    for name in ("dynamicmaps.cf", "postfix-files"):
        file = pathlib.Path("/etc/postfix") / name
        if file.exists():
            kept[name] = file.read_bytes()
    programs = pathlib.Path(bin_dir).resolve()
    cover("/run/postern-setup")
    shutil.copytree(programs, "/run/postern-setup/bin")
    cover("/etc/postfix", "/etc/postern", "/var/spool", "/var/lib/postfix",
          "/var/lib/postern", "/tmp", "/var/log")
    replace_file("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    replace_file("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
    os.chmod("/tmp", 0o1777)
    return kept


def account(*names):
    for name in names:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise AssertionError("none of the users " + " ".join(names))


def group(*names):
    present = {each.gr_name for each in grp.getgrall()}
    return next(name for name in names if name in present)


class Databases:
    """Real servers, started when the first set-up wants one."""

    def __init__(self):
        self.running = {}

    def of(self, kind):
        if kind not in self.running:
            if not servers.installed(kind):
                return None
            self.running[kind] = servers.CLASSES[kind](
                f"/run/postern-setup/{kind}")
        return self.running[kind]

    def load(self, kind, file):
        server = self.of(kind)
        server.sql(file.read_text())

    def places(self):
        return {f"@{kind.upper()}@": f"127.0.0.1:{server.port}"
                for kind, server in self.running.items()}

    def close(self):
        for server in self.running.values():
            server.stop()


class Postfix:
    """The reference, with its files at the usual places."""

    name, directory, main, master = "postfix", "/etc/postfix", "main.cf", \
        "master.cf"
    queue = pathlib.Path("/var/spool/postfix")
    lines = ["maillog_file = /var/log/setup.log",
             "maillog_file_prefixes = /var/log"]

    def __init__(self, kept):
        self.kept = kept

    def place(self):
        for name, content in self.kept.items():
            (pathlib.Path(self.directory) / name).write_bytes(content)
        os.makedirs(self.queue, exist_ok=True)
        data = account("postfix")
        os.makedirs("/var/lib/postfix", exist_ok=True)
        os.chown("/var/lib/postfix", data.pw_uid, data.pw_gid)
        # What a process in a chroot looks for.
        os.makedirs(self.queue / "etc", exist_ok=True)
        for name in ("resolv.conf", "hosts", "services", "nsswitch.conf"):
            if os.path.exists("/etc/" + name):
                shutil.copy("/etc/" + name, self.queue / "etc")
        run("/usr/sbin/postfix", "check")  # makes the queue's directories

    def tool(self, name):
        return ["/usr/sbin/" + name]

    def start(self):
        run("/usr/sbin/postfix", "start")
        wait_until(self.listens)
        wait_until(lambda: departures(log_text()) == 1)  # who just looked

    def stop(self):
        run("/usr/sbin/postfix", "stop")

    @staticmethod
    def listens():
        """Postfix listens on port 25"""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", 25)) == 0


class Postern:
    name, directory, main, master = "postern", "/etc/postern", "main.conf", \
        "master.conf"
    queue = pathlib.Path("/var/spool/postern")
    programs = "/run/postern-setup/bin"

    def __init__(self):
        self.lines = [
            "maillog_file = /var/log/setup.log",
            "maillog_file_prefixes = /var/log",
            f"daemon_directory = {self.programs}",
            f"command_directory = {self.programs}",
            f"queue_directory = {self.queue}",
            "data_directory = /var/lib/postern",
            f"mail_owner = {account('postern', 'postfix', 'nobody').pw_name}",
            f"setgid_group = {group('postdrop', 'nogroup')}"]

    def place(self):
        os.makedirs(self.queue, exist_ok=True)

    def tool(self, name):
        return [f"{self.programs}/{name}", "-c", self.directory]

    def master_file(self):
        return pathlib.Path(self.directory) / self.master

    def verb(self, *words):
        return subprocess.run(
            [*self.tool("postern"), *words], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=120)

    def start(self):
        done = self.verb("start")
        assert done.returncode == 0, done.stdout + log_text()

    def stop(self):
        done = self.verb("stop")
        assert done.returncode == 0, done.stdout + log_text()


def empty(directory):
    for each in pathlib.Path(directory).iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()


class Setup:
    def __init__(self, name, databases):
        self.name, self.top = name, SETUPS / name
        self.databases = databases
        self.world = None

    def missing(self):
        """A server that is not installed, if any."""
        for line in (self.top / "world").read_text().splitlines():
            kind = line.split(" ")[0]
            if kind in ("mysql", "pgsql") and not servers.installed(kind):
                return kind
            if kind == "user" and not dovecot.program():
                return "dovecot"
        return None

    def open_world(self):
        self.world = world.World(self.top / "world")
        lines = self.world.lines
        for kind in ("mysql", "pgsql"):
            if kind in lines:
                self.databases.load(kind, self.top / lines[kind][0])

    def install(self, system):
        """The files, where the set-up has them."""
        self.tables_at = pathlib.Path("/etc/postfix")
        empty(self.tables_at)
        empty("/etc/postern")
        words = {"@PASSWORD@": servers.PASSWORD, **self.databases.places()}
        for file in self.top.rglob("*"):
            to = self.tables_at / file.relative_to(self.top)
            if file.is_dir() or file.name in ("world", "envelopes", "answers",
                                              "tables"):
                continue
            to.parent.mkdir(parents=True, exist_ok=True)
            text = file.read_text()
            for word, value in words.items():
                text = text.replace(word, value)
            to.write_text(text)
        for name in ("main.cf", "master.cf"):
            shutil.move(self.tables_at / name, f"/run/postern-setup/{name}")
        shutil.copytree("/run/postern-setup/tls", self.tables_at / "tls")
        directory = pathlib.Path(system.directory)
        own = "".join(line + "\n" for line in system.lines)
        (directory / system.main).write_text(
            pathlib.Path("/run/postern-setup/main.cf").read_text() + own)
        (directory / system.master).write_text(
            pathlib.Path("/run/postern-setup/master.cf").read_text() +
            "postlog   unix-dgram n  -       n       -       1       postlogd\n")
        if "sqlite" in self.world.lines:
            database, statements = self.world.lines["sqlite"]
            with sqlite3.connect(self.tables_at / database) as connection:
                connection.executescript((self.top / statements).read_text())
            connection.close()
        system.place()
        for line in (self.top / "tables").read_text().splitlines():
            program, *words_of = line.split()
            run(*system.tool(program), *words_of, cwd=self.tables_at)

    def log_ins(self, system):
        """Dovecot, with its socket where the set-up looks for it."""
        if not self.world.users:
            return None
        lines = self.world.lines
        place = lines.get("dovecot-socket", ["private/auth"])[0]
        port = int(lines.get("dovecot-port", ["10999"])[0])
        top = pathlib.Path("/run/postern-setup/dovecot")
        shutil.rmtree(top, ignore_errors=True)
        server = dovecot.Dovecot(top, system.queue / place, port,
                                 self.world.users)
        server.start()
        os.chmod(system.queue / place, 0o666)
        return server

    def close(self):
        if self.world:
            self.world.close()


def converse(setup, system):
    """[(name, lines)]: what was said, then what smtpd logged of it; and the
    log's whole text for each."""
    out, texts = [], []
    for name, options, lines in envelopes.read(setup.top / "envelopes"):
        before = len(log_text())
        gone = departures(log_text())
        said = envelopes.run(options, lines)

        def told():
            """the log tells that the client has gone"""
            return departures(log_text()) > gone
        wait_until(told, 30)
        events = EVENT.findall(log_text()[before:])
        events = [re.sub(r"^[0-9A-Za-z]{6,}: ", "ID: ", event)
                  if not event.startswith("NOQUEUE") else event
                  for event in events]
        out.append((name, said + ["L: " + event for event in events]))
        texts.append(log_text()[before:])
    return out, texts


def as_text(conversations):
    return "".join(f"[{name}]\n" + "".join(line + "\n" for line in lines) +
                   "\n" for name, lines in conversations)


def neutral(text):
    """The names of the two systems made one."""
    return text.replace("Postern", "Postfix")


def set_parameters(system):
    """What `postconf -n` prints, without the lines of the test itself."""
    own = {line.split(" =")[0] for line in system.lines} | {
        "config_directory"}
    return [line for line in run(*system.tool("postconf"), "-n").splitlines()
            if line.split(" =")[0] not in own]


def with_system(setup, system, after=None):
    LOG.write_text("")
    LOG.chmod(0o666)
    empty("/var/spool")
    setup.install(system)
    parameters = set_parameters(system)
    system.place()
    log_ins = None
    try:
        log_ins = setup.log_ins(system)
        system.start()
        said, texts = converse(setup, system)
        if after:
            after(texts)
        return parameters, said
    finally:
        if log_ins:
            log_ins.stop()
        system.stop()
        keep = os.environ.get("POSTERN_SETUPS_KEEP")
        if keep:
            pathlib.Path(keep, f"{setup.name}.{system.name}.log").write_text(
                log_text())


def check_names(postern):
    """Every name is known, in the files and in what the daemons say."""
    checked = postern.verb("check")
    assert checked.returncode == 0, checked.stdout
    for line in (checked.stdout + log_text()).splitlines():
        assert "unknown" not in line.split("warning:")[-1].split("error:")[
            -1] or "warning" not in line, line
        assert "unused parameter" not in line, line


def difference(name, expected, got):
    import difflib
    return "\n".join(difflib.unified_diff(
        expected.splitlines(), got.splitlines(), f"{name}: Postfix",
        f"{name}: Postern", lineterm="", n=12))


def try_setup(name, databases, kept, record):
    setup = Setup(name, databases)
    if gone := setup.missing():
        print("left out:", name, "needs", gone)
        return True
    answers = setup.top / "answers"
    try:
        setup.open_world()
        if POSTFIX:
            expected_parameters, said = with_system(setup, Postfix(kept))
            expected = as_text(said)
            if record:
                answers.write_text(expected)
            assert neutral(expected) == neutral(answers.read_text()), \
                difference("recorded answers", answers.read_text(), expected)
        else:
            expected_parameters, expected = None, answers.read_text()
        postern = Postern()
        refusals = []

        def after(texts):
            check_names(postern)
            refusals.append(explain_refusals(postern, setup, texts))
        parameters, said = with_system(setup, postern, after)
        got = as_text(said)
        assert neutral(got) == neutral(expected), \
            difference(name, neutral(expected), neutral(got))
        if expected_parameters is not None:
            assert parameters == expected_parameters, difference(
                "postconf -n", "\n".join(expected_parameters),
                "\n".join(parameters))
        print(f"ok: {name}: {len(said)} envelopes, {refusals[0]} refusals "
              "explained")
        return True
    except Exception:
        print("FAILED:", name)
        traceback.print_exc(limit=6)
        return False
    finally:
        setup.close()


def make_certificate():
    top = pathlib.Path("/run/postern-setup/tls")
    top.mkdir()
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
        "2", "-subj", "/CN=mail.example.com", "-keyout", top / "key.pem",
        "-out", top / "cert.pem")


def main():
    record = "--record" in sys.argv
    bin_dir, *wanted = [word for word in sys.argv[1:] if word != "--record"]
    enter_namespaces()
    kept = prepare_places(bin_dir)
    make_certificate()
    world.Names()
    databases = Databases()
    try:
        results = [try_setup(name, databases, kept, record)
                   for name in wanted or sorted(
                       each.name for each in SETUPS.iterdir())]
    finally:
        databases.close()
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
