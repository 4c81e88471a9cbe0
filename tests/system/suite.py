"""A suite in a temporary directory, for tests of the whole: unprivileged or as
root, on ports that the kernel has chosen."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

MASTER = """\
{port}    inet  n       -       n       -       {maxproc}       smtpd {options}
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""

DAEMONS = ("smtpd", "cleanup", "qmgr", "smtp", "local", "worker", "runner", "lookup",
           "postlogd")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, seconds=10):
    """Gives what() once it is true."""
    end = time.monotonic() + seconds
    while True:
        result = what()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"never became true: {what.__doc__ or what}")
        time.sleep(0.02)


def copy_program(source, target):
    """Another user's worker and runner can be run, not read."""
    try:
        return shutil.copy2(source, target)
    except PermissionError:
        os.symlink(source, target)
        return target


class Client:
    """Lines to a test daemon and back."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 15)
        self.file = self.socket.makefile("rw")

    def ask(self, line):
        self.file.write(line + "\n")
        self.file.flush()
        return self.file.readline().rstrip("\n")

    def close(self):
        self.file.close()
        self.socket.close()


class Suite:
    def __init__(self, postern, master, daemon):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="postern-test."))
        # As root, the processes' users must get through.
        self.top.chmod(0o755)
        for name in ("conf", "bin"):
            (self.top / name).mkdir(mode=0o755)
        self.bin, self.conf = self.top / "bin", self.top / "conf"
        shutil.copy(master, self.bin / "master")
        shutil.copy(postern, self.bin / "postern")
        for name in DAEMONS:
            shutil.copy(daemon, self.bin / name)
        self.port = free_port()
        self.foreground = None
        self.configure()

    @classmethod
    def real(cls, bin_dir):
        """A suite of the real programs in `bin_dir`."""
        self = cls.__new__(cls)
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="postern-test."))
        self.top.chmod(0o755)
        self.conf = self.top / "conf"
        self.conf.mkdir(mode=0o755)
        # A copy: the build directory may lie where only its owner gets to.
        self.bin = self.top / "bin"
        shutil.copytree(bin_dir, self.bin, symlinks=False,
                        copy_function=copy_program)
        self.bin.chmod(0o755)
        self.port = free_port()
        self.foreground = None
        return self

    def tool(self, name, *args, **options):
        """Runs a program with this suite's configuration."""
        flag = "-C" if name in ("sendmail", "mailq", "newaliases") else "-c"
        return subprocess.run(
            [self.bin / name, flag, self.conf, *args], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90,
            **options)

    def pids(self, program):
        """Processes of the suite that run `program`."""
        found = []
        for pid in self.children():
            try:
                name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            except OSError:
                continue
            if name == program:
                found.append(pid)
        return found

    def ask(self, socket_name, line):
        """One request to a socket of the tools (qmgr/named_sockets.h)."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(str(self.top / "queue/public" / socket_name))
            if line:
                s.sendall((line + "\n").encode())
            data = b""
            while chunk := s.recv(65536):
                data += chunk
            return data.decode()

    def queue(self):
        return [json.loads(line)
                for line in self.ask("showq", "").splitlines()]

    def configure(self, maxproc="-", options="", rows="", **settings):
        values = {
            "compatibility_level": "3.6",
            "queue_directory": self.top / "queue",
            "data_directory": self.top / "data",
            "daemon_directory": self.bin,
            "command_directory": self.bin,
            "maillog_file": self.top / "log",
            "maillog_file_prefixes": self.top,
            "mail_owner": "nobody",
            "setgid_group": "nogroup",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "myhostname": "mail.example.com",
        }
        values.update(settings)
        (self.conf / "main.conf").write_text(
            "".join(f"{name} = {value}\n" for name, value in values.items()))
        (self.conf / "master.conf").write_text(MASTER.format(
            port=self.port, maxproc=maxproc, options=options) + rows)

    def postern(self, *verb):
        """Exit status and what it printed."""
        done = subprocess.run(
            [self.bin / "postern", "-c", self.conf, *verb], text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=90)
        return done.returncode, done.stdout

    def start(self):
        status, text = self.postern("start")
        assert status == 0, text + self.log()

    def log(self):
        file = self.top / "log"
        return file.read_text() if file.exists() else ""

    def logged(self, text, seconds=10):
        def found():
            return text in self.log()
        found.__doc__ = f"a log line with {text!r} in:\n{self.log()}"
        return wait_until(found, seconds)

    def logged_lines(self, text, count, seconds=10):
        """Waits until so many log lines have the text."""
        def found():
            return self.log().count(text) >= count
        found.__doc__ = f"{count} log lines with {text!r} in:\n{self.log()}"
        return wait_until(found, seconds)

    def client(self, port=None):
        return Client(port or self.port)

    def master(self):
        return int((self.top / "queue/pid/master.pid").read_text())

    def children(self):
        task = f"/proc/{self.master()}/task/{self.master()}/children"
        return [int(pid) for pid in pathlib.Path(task).read_text().split()]

    def close(self):
        self.postern("abort")
        shutil.rmtree(self.top)
