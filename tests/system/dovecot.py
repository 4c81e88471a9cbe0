"""A private Dovecot that knows some passwords, for tests of log-ins: Debian's
dovecot-core, in a directory of the test, ended with it."""

import grp
import os
import pathlib
import pwd
import shutil
import signal
import subprocess

from suite import wait_until

CONFIGURATION = """\
protocols =
base_dir = {top}/run
state_dir = {top}/run
log_path = {top}/log
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 xoauth2 \
oauthbearer anonymous external
auth_failure_delay = 0
auth_username_format = {form}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {top}/users
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {top}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home=/nonexistent allow_all_users=yes
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service auth {{
  unix_listener {socket} {{
    mode = 0600
  }}
  inet_listener {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""


def program():
    return shutil.which("dovecot") or shutil.which(
        "dovecot", path="/usr/sbin:/usr/local/sbin")


class Dovecot:
    def __init__(self, top, socket, port, users, username_format="%Lu"):
        """`users`: name to password. `socket` is made for its owner alone."""
        self.top, self.socket = pathlib.Path(top), pathlib.Path(socket)
        self.child = None
        (self.top / "run").mkdir(parents=True)
        (self.top / "users").write_text(
            "".join(f"{name}:{{PLAIN}}{secret}::::\n"
                    for name, secret in users.items()))
        (self.top / "oauth2.conf").write_text(
            "tokeninfo_url = http://127.0.0.1:1/?token=\n"
            "username_attribute = email\n")
        me = pwd.getpwuid(os.geteuid()).pw_name
        user = "dovecot" if os.geteuid() == 0 else me
        group = pwd.getpwnam(user).pw_gid
        (self.top / "dovecot.conf").write_text(CONFIGURATION.format(
            top=self.top, user=user, group=grp.getgrgid(group).gr_name,
            socket=self.socket, port=port, form=username_format))

    def start(self):
        self.socket.parent.mkdir(parents=True, exist_ok=True)
        self.child = subprocess.Popen(
            [program(), "-F", "-c", self.top / "dovecot.conf"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT)

        def listens():
            assert self.child.poll() is None, self.log()
            return self.socket.is_socket()
        wait_until(listens, 30)

    def stop(self):
        if self.child is None:
            return
        # Its auth process would go on serving who is connected.
        of_master = pathlib.Path(
            f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        children = [int(pid) for pid in of_master.read_text().split()]
        self.child.terminate()
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait(30)
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.child = None
        self.socket.unlink(missing_ok=True)

    def log(self):
        file = self.top / "log"
        return file.read_text() if file.exists() else "(no log)"
