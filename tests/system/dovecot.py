"""A private Dovecot that knows some passwords, for tests of log-ins: Debian's
dovecot-core, in a directory of the test, ended with it."""

import base64
import grp
import hashlib
import hmac
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import time

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
auth_verbose = yes
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


def token(key, user, seconds=3600):
    """A bearer token (JWT, HS256) for so long from now on; less than nothing:
    one that is over."""
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    now = int(time.time())
    # Dovecot wants to see a subject; the name is in another field.
    claims = {"sub": user, "email": user, "exp": now + seconds,
              "iat": min(now, now + seconds) - 60}
    text = (part(b'{"alg":"HS256","typ":"JWT"}') + b"." +
            part(json.dumps(claims).encode()))
    signature = hmac.new(key, text, hashlib.sha256).digest()
    return (text + b"." + part(signature)).decode()


class Dovecot:
    def __init__(self, top, socket, port, users, username_format="%Lu",
                 token_key=None):
        """`users`: name to password. `socket` is made for its owner alone.
        With `token_key` (bytes) tokens are JWTs of that key, see token()."""
        self.top, self.socket = pathlib.Path(top), pathlib.Path(socket)
        self.child = None
        (self.top / "run").mkdir(parents=True)
        (self.top / "users").write_text(
            "".join(f"{name}:{{PLAIN}}{secret}::::\n"
                    for name, secret in users.items()))
        (self.top / "oauth2.conf").write_text(
            "tokeninfo_url = http://127.0.0.1:1/?token=\n"
            "username_attribute = email\n" if token_key is None else
            f"introspection_mode = local\nusername_attribute = email\n"
            f"local_validation_key_dict = fs:posix:prefix={self.top}/keys/\n")
        if token_key is not None:
            key = self.top / "keys/default/HS256/default"
            key.parent.mkdir(parents=True)
            key.write_bytes(base64.b64encode(token_key))
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
