"""Sessions of a file `envelopes` (tests/setups), and what the server said.

    [name] from=ADDRESS [port=N] [tls]      a connection; tls: from the start
    COMMAND                                 sent, the reply read
    STARTTLS                                with the handshake behind it
    AUTH USER PASSWORD                      as AUTH PLAIN
    DATA, then lines that begin with "|"    a message
"""

import base64
import re
import socket
import ssl

QUEUE_ID = re.compile(r"\b(queued as) [0-9A-Za-z]+")


def read(path):
    """[(name, options, lines)]"""
    sessions = []
    for line in path.read_text().splitlines():
        if head := re.match(r"\[(.+)\](.*)$", line):
            options = dict(word.partition("=")[::2]
                           for word in head.group(2).split())
            sessions.append((head.group(1), options, []))
        elif line:
            sessions[-1][2].append(line)
    return sessions


class Session:
    def __init__(self, options, host="127.0.0.1"):
        self.said = []
        self.socket = socket.create_connection(
            (host, int(options.get("port", 25))), 60, (options["from"], 0))
        self.buffer = b""
        if "tls" in options:
            self.handshake()
        self.reply()

    def handshake(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def line(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode("utf-8", "backslashreplace").rstrip("\r")

    def reply(self):
        """The last line of a reply; None at the end of the connection."""
        while True:
            line = self.line()
            if line is None:
                self.said.append("S: (end of connection)")
                return None
            self.said.append("S: " + QUEUE_ID.sub(r"\1 ID", line))
            if line[3:4] != "-":
                return line

    def send(self, text):
        self.socket.sendall(text.encode() + b"\r\n")

    def say(self, line):
        """None once the server has gone."""
        self.said.append("C: " + line)
        words = line.split()
        if words[0] == "AUTH":
            secret = base64.b64encode(
                f"\0{words[1]}\0{words[2]}".encode()).decode()
            line = "AUTH PLAIN " + secret
        self.send(line)
        answer = self.reply()
        if words[0] == "STARTTLS" and answer and answer.startswith("220"):
            self.handshake()
        return answer


def run(options, lines):
    """The conversation, as lines. A message that is not wanted is not sent."""
    session = Session(options)
    wanted = False
    with session.socket:
        for at, line in enumerate(lines):
            if line.startswith("|"):
                if wanted:
                    session.send(line[1:])
                    if not lines[at + 1:] or lines[at + 1][0] != "|":
                        session.said.append("C: (message)")
                        session.send(".")
                        session.reply()
                continue
            answer = session.say(line)
            if answer is None:
                break
            wanted = line == "DATA" and answer.startswith("354")
    return session.said
