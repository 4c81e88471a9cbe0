#!/usr/bin/env python3
"""Bytes in are bytes out: hard messages by every way in and every way out. A
body is changed only where the format of a mailbox or a peer without 8BITMIME
asks for it; what a peer without 8BITMIME gets is read back by Python's email
package. Prints a table.

Needs root and a mount namespace, as local_test.py does."""

import email
import pathlib
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import traceback

from local_test import HOST, HARD, Post, enter_namespace
from suite import wait_until

MESSAGES = dict(HARD)
MESSAGES.update({
    "longer line": b"Subject: x\n\n" + b"l" * 70_000 + b"\nnext\n",
    "CR alone": b"Subject: x\n\na\rb\r\rc\n\r\n",
    "no final newline": b"Subject: x\n\nfirst\nlast",
    "blank lines": b"Subject: x\n\n\n\n \n\t\n\n",
    "mime": b"Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; "
            b"boundary=\"b b\"\n\npreamble\n--b b\nContent-Type: text/plain; "
            b"charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
            b"gr\xc3\xbc\xc3\x9fe =20 \n=\n.\n--b b\nContent-Type: "
            b"application/octet-stream\nContent-Transfer-Encoding: base64\n\n"
            b"AAEC\n--b b--\nepilogue\n",
})
# sendmail takes CR LF for a line end (sendmail_fix_line_endings).
ENDS = {"sendmail": lambda body: body.replace(b"\r\n", b"\n")}
# A lone CR is a space here, unless cleanup is told to leave it
# (cleanup_replace_stray_cr_lf), as in this test.
SETTINGS = {"cleanup_replace_stray_cr_lf": "no", "smtpd_forbid_bare_newline": "no",
            "mime_nesting_limit": "100"}


class RawSink(socketserver.ThreadingMixIn):
    """SMTP or LMTP, byte for byte."""

    daemon_threads = True

    def setup_sink(self, keywords, lmtp):
        self.keywords, self.lmtp, self.bodies = keywords, lmtp, []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class TcpSink(RawSink, socketserver.TCPServer):
    allow_reuse_address = True


class UnixSink(RawSink, socketserver.UnixStreamServer):
    pass


class RawSession(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        try:
            self.converse()
        except OSError:
            pass

    def converse(self):
        self.say("220 sink.test")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb in (b"EHLO", b"LHLO"):
                lines = ["sink.test", *self.server.keywords]
                for i, each in enumerate(lines):
                    self.say(("250 " if i + 1 == len(lines) else "250-") + each)
            elif verb == b"DATA":
                self.say("354 go on")
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line[1:] if line.startswith(b".") else line)
                if not line:
                    return
                self.server.bodies.append(b"".join(lines))
                self.say("250 2.0.0 taken")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 2.0.0 ok")


def unwired(wire):
    """What SMTP carries, with line ends as here."""
    return wire.replace(b"\r\n", b"\n")


def as_mbox(body):
    if not body:
        return b""
    body = body if body.endswith(b"\n") else body + b"\n"
    return b"\n".join(b">" + line if line.startswith(b"From ") else line
                      for line in body.split(b"\n")) + b"\n"


def ended(body):
    return body if not body or body.endswith(b"\n") else body + b"\n"


def cut(body):
    """smtp_line_length_limit breaks what no SMTP server need take."""
    out = []
    for line in body.split(b"\n"):
        while len(line) > 998:
            out.append(line[:998])
            line = b" " + line[998:]
        out.append(line)
    return b"\n".join(out)


def body_of(message):
    return message.split(b"\n\n", 1)[1] if b"\n\n" in message else b""


class Way:
    """A way out: its recipient, how what came is fetched, and what is due."""

    def __init__(self, name, recipient, take, due=ended):
        self.name, self.recipient = name, recipient
        self.take, self.due = take, due


def taken_file(place):
    def take():
        file = next(place.iterdir()) if place.is_dir() else place
        content = file.read_bytes()
        file.unlink()
        return content
    return take


def taken_from(sink):
    return lambda: unwired(sink.bodies.pop())


def by_data(post, recipient, content):
    wire = ended(content).replace(b"\n", b"\r\n")
    if wire.startswith(b"."):
        wire = b"." + wire
    wire = wire.replace(b"\r\n.", b"\r\n..")
    return over_smtp(post, recipient, [(b"DATA\r\n", b"354"),
                                       (wire + b".\r\n", b"250")])


def by_bdat(post, recipient, content):
    wire = content.replace(b"\n", b"\r\n")
    # Chunks end anywhere, within a line end too.
    third = len(wire) // 3
    pieces = [wire[:third], wire[third:2 * third], wire[2 * third:]]
    steps = [(b"BDAT %d%s\r\n" % (len(piece), b" LAST" if i == 2 else b"") +
              piece, b"250") for i, piece in enumerate(pieces)]
    return over_smtp(post, recipient, steps)


def over_smtp(post, recipient, steps):
    with socket.create_connection(("127.0.0.1", post.suite.port), 120) as s:
        replies = s.makefile("rb")

        def reply(expected):
            while (line := replies.readline())[3:4] == b"-":
                pass
            assert line.startswith(expected), line
            return line

        reply(b"220")
        for command in (b"EHLO client.test", b"MAIL FROM:<> BODY=8BITMIME",
                        b"RCPT TO:<%s>" % recipient.encode()):
            s.sendall(command + b"\r\n")
            reply(b"250")
        for text, expected in steps:
            s.sendall(text)
            line = reply(expected)
        return line.split()[-1].decode()


def by_sendmail(post, recipient, content):
    sink = post.top / "sendmail-input"
    sink.write_bytes(content)
    seen = post.suite.log().count("postern/pickup")
    with sink.open("rb") as file:
        done = subprocess.run(
            [post.suite.bin / "sendmail", "-C", post.suite.conf, "-i", "-f",
             "<>", recipient], stdin=file, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, done.stdout

    def picked_up():
        lines = [line for line in post.suite.log().splitlines()
                 if "postern/pickup" in line and ": uid=" in line]
        return len(lines) > seen and lines[-1]
    return wait_until(picked_up, 60).split(": ")[1]


ENTRIES = {"DATA": by_data, "BDAT": by_bdat, "sendmail": by_sendmail}


def ways_out(post, sinks):
    out = post.scratch / "out"
    box = post.homes / "bob/box"
    virtual = post.top / "virtual"
    return [
        Way("mbox", f"alice@{HOST}", taken_file(post.spool / "alice"), as_mbox),
        Way("Maildir", f"dora@{HOST}", taken_file(post.homes / "carol/md/new")),
        Way("file", f"bob@{HOST}", taken_file(box), as_mbox),
        Way("command", f"carol@{HOST}", taken_file(out)),
        Way("pipe", "p@pipe.test", taken_file(post.scratch / "piped")),
        Way("v.mbox", "m@box.test", taken_file(virtual / "m"), as_mbox),
        Way("v.Maildir", "d@box.test", taken_file(virtual / "d/new")),
        Way("smtp", "s@smtp.test", taken_from(sinks["smtp"]),
            lambda body: cut(ended(body))),
        Way("lmtp", "l@lmtp.test", taken_from(sinks["lmtp"]),
            lambda body: cut(ended(body))),
        Way("lmtp unix", "l@unix.test", taken_from(sinks["unix"]),
            lambda body: cut(ended(body))),
    ]


def prepare(post):
    sinks = {"smtp": TcpSink(("127.0.0.1", 0), RawSession),
             "7bit": TcpSink(("127.0.0.1", 0), RawSession),
             "lmtp": TcpSink(("127.0.0.1", 0), RawSession),
             "unix": UnixSink(str(post.top / "lmtp"), RawSession)}
    sinks["smtp"].setup_sink(["PIPELINING", "8BITMIME"], False)
    sinks["7bit"].setup_sink(["PIPELINING"], False)
    sinks["lmtp"].setup_sink(["PIPELINING", "8BITMIME"], True)
    sinks["unix"].setup_sink(["PIPELINING", "8BITMIME"], True)
    (post.top / "lmtp").chmod(0o666)
    port = {name: sink.server_address[1] for name, sink in sinks.items()
            if name != "unix"}
    transports = ",".join("{%s}" % each for each in (
        "p@pipe.test=copy:", f"smtp.test=smtp:[127.0.0.1]:{port['smtp']}",
        f"seven.test=smtp:[127.0.0.1]:{port['7bit']}",
        f"lmtp.test=lmtp:inet:127.0.0.1:{port['lmtp']}",
        f"unix.test=lmtp:unix:{post.top}/lmtp"))
    post.configure(
        rows="copy unix - n n - - pipe user=vmail argv=/bin/sh -c "
             f"{{cat > {post.scratch}/piped}}\n",
        transport_maps=f"inline:{{{transports}}}",
        alias_maps=f"inline:{{{{dora={post.homes}/carol/md/}}}}",
        default_privs="carol",
        virtual_mailbox_domains="box.test",
        virtual_mailbox_base=post.top / "virtual",
        virtual_mailbox_maps="inline:{{m@box.test=m},{d@box.test=d/}}",
        virtual_uid_maps="static:5000", virtual_gid_maps="static:5000",
        mailbox_command_maps=f"inline:{{{{carol=cat > {post.scratch}/out}}}}",
        **SETTINGS)
    (post.top / "virtual").mkdir()
    shutil.chown(post.top / "virtual", "vmail", "vmail")
    post.write("bob", ".forward", f"{post.homes / 'bob/box'}\n")
    post.suite.start()
    return sinks


def every_way(post):
    sinks = prepare(post)
    ways = ways_out(post, sinks)
    wrong = []
    print(f"{'message':18}{'by':10}" + "".join(f"{w.name:>10}" for w in ways))
    for what, content in MESSAGES.items():
        entries = ENTRIES if what != "large" else {"BDAT": by_bdat}
        for entry, send in entries.items():
            row = f"{what:18}{entry:10}"
            for way in ways:
                queue_id = send(post, way.recipient, content)
                status = post.status(queue_id)
                assert status.startswith("sent"), (what, entry, way.name, status)
                body = ENDS.get(entry, bytes)(body_of(content))
                got, due = body_of(way.take()), way.due(body)
                same = got == due
                if not same:
                    wrong.append((what, entry, way.name, len(got), len(due),
                                  got[:150], due[:150]))
                row += f"{'same' if same else 'OTHER':>10}"
            print(row, flush=True)
    converted(post, sinks["7bit"], wrong)
    assert not wrong, wrong


def converted(post, sink, wrong):
    """To a peer without 8BITMIME: what says that it is 8-bit becomes
    quoted-printable that Python's email package reads back to the same bytes,
    with nothing but ASCII on the wire; what does not say so stays."""
    for what, content in MESSAGES.items():
        if what == "large":
            continue
        status = post.status(by_data(post, "x@seven.test", content))
        assert status.startswith("sent"), (what, status)
        got = unwired(sink.bodies.pop())
        if b"8bit" in content:
            ok = got.isascii() and parts(got) == parts(content)
        else:
            ok = body_of(got) == cut(ended(body_of(content)))
        if not ok:
            wrong.append(("7bit", what, got[:400]))
        print(f"{what:18}{'7 bits':10}{'same' if ok else 'OTHER':>10}",
              flush=True)


def parts(message):
    """The content of each part, decoded."""
    return [part.get_payload(decode=True)
            for part in email.message_from_bytes(message).walk()
            if not part.is_multipart()]


def main():
    enter_namespace()
    post = Post(sys.argv[1])
    try:
        every_way(post)
        return 0
    except Exception:
        traceback.print_exc(file=sys.stdout)
        print("\n".join(post.suite.log().splitlines()[-30:]))
        return 1
    finally:
        post.close()


if __name__ == "__main__":
    sys.exit(main())
