"""The world around a published set-up (tests/setups): names, policy services,
socketmap tables, delivery agents and log-ins, as the set-up's file `world`
says. In a network namespace of the test, where every port is free.

    user NAME PASSWORD            somebody who may log in (Dovecot)
    dovecot-socket PATH           where, instead of private/auth
    dovecot-port PORT             and on this port
    mysql FILE, pgsql FILE        statements for a real server
    sqlite DATABASE FILE
    policy PORT WHO ANSWER        WHO: sender, or STATE:sender; else DUNNO
    lmtp PORT RECIPIENT           an SMTP and LMTP server that refuses that one
    socketmap PATH                then rows: row MAP KEY VALUE
"""

import os
import socket
import socketserver
import struct
import threading

# What the test's name server knows; everything else is no such name. Clients
# are 192.0.2.10, who has a name, and 192.0.2.66, who is on lists.
ZONE = """\
example.com MX 10 mail.example.com
mail.example.com A 127.0.0.1
example.org MX 10 mail.example.com
example.net MX 10 client.example.net
client.example.net A 192.0.2.10
host.adsl.example.net A 192.0.2.10
1-2-3-4.example.net A 192.0.2.10
news.example.net A 192.0.2.10
10.2.0.192.in-addr.arpa PTR client.example.net
1.0.0.127.in-addr.arpa PTR localhost
localhost A 127.0.0.1
spam.test A 192.0.2.66
relay.test MX 10 client.example.net
backup.test MX 10 mail.example.com
asleep.test MX 10 mail.example.com
66.2.0.192.zen.spamhaus.org A 127.0.0.4
66.2.0.192.zen.spamhaus.org TXT "listed by the test"
spam.test.dbl.spamhaus.org A 127.0.1.2
spam.test.dbl.spamhaus.org TXT "spam domain of the test"
"""
NUMBERS = {"A": 1, "NS": 2, "CNAME": 5, "PTR": 12, "MX": 15, "TXT": 16}


def packed(name):
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(each)]) + each for each in labels) + b"\0"


def data_of(kind, value):
    if kind == "A":
        return socket.inet_aton(value)
    if kind == "MX":
        preference, host = value.split()
        return struct.pack("!H", int(preference)) + packed(host)
    if kind == "TXT":
        text = value.strip('"').encode()
        return bytes([len(text)]) + text
    return packed(value)


class Names(threading.Thread):
    """A name server on port 53 of 127.0.0.1."""

    def __init__(self, zone=ZONE):
        super().__init__(daemon=True)
        self.zone = {}
        for line in zone.splitlines():
            name, kind, value = line.split(None, 2)
            self.zone.setdefault(name, []).append((kind, value))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        self.start()

    def run(self):
        while True:
            packet, peer = self.socket.recvfrom(4096)
            self.socket.sendto(self.answer(packet), peer)

    def answer(self, packet):
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
            at += packet[at] + 1
        kind, = struct.unpack("!H", packet[at + 1:at + 3])
        question = packet[12:at + 5]
        name = ".".join(labels).lower()
        found = [(k, v) for k, v in self.zone.get(name, [])
                 if NUMBERS[k] == kind]
        known = name in self.zone or any(each.endswith("." + name)
                                         for each in self.zone)
        body = b""
        for k, v in found:
            data = data_of(k, v)
            body += packed(name) + struct.pack("!HHIH", NUMBERS[k], 1, 60,
                                               len(data)) + data
        flags = 0x8180 | (0 if known else 3)
        return packet[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0,
                                        0) + question + body


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address, handler, **facts):
        self.facts = facts
        super().__init__(address, handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class LocalServer(Server):
    address_family = socket.AF_UNIX


class PolicySession(socketserver.StreamRequestHandler):
    def handle(self):
        asked = {}
        while line := self.rfile.readline():
            name, _, value = line.decode().rstrip("\n").partition("=")
            if name:
                asked[name] = value
                continue
            rules = self.server.facts["rules"]
            sender, state = asked.get("sender", ""), asked["protocol_state"]
            answer = rules.get(f"{state}:{sender}", "DUNNO")
            if state == "RCPT":
                answer = rules.get(sender, answer)
            self.wfile.write(f"action={answer}\n\n".encode())
            asked = {}


class SocketmapSession(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            size = b""
            while (c := self.rfile.read(1)) not in (b":", b""):
                size += c
            if not size:
                return
            text = self.rfile.read(int(size) + 1)[:-1].decode()
            name, _, key = text.partition(" ")
            value = self.server.facts["rows"].get((name, key))
            if value is None:
                answer = "NOTFOUND "
            elif value.startswith("!"):
                answer = value[1:]
            else:
                answer = "OK " + value
            self.wfile.write(f"{len(answer)}:{answer},".encode())


class MailSession(socketserver.StreamRequestHandler):
    """Takes all mail but that for one recipient."""

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.say("220 next.example.com ESMTP")
        taken = 0
        while line := self.rfile.readline():
            words = line.decode("latin-1").strip()
            verb = words[:4].upper()
            if verb in ("EHLO", "LHLO", "HELO"):
                self.say("250 next.example.com")
            elif verb == "RCPT":
                refused = f"<{self.server.facts['refused']}>" in words
                taken += not refused
                self.say("550 5.1.1 no such user" if refused else
                         "250 2.1.5 Ok")
            elif verb == "DATA":
                self.say("354 go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                for _ in range(max(taken, 1)):
                    self.say("250 2.0.0 Ok")
                taken = 0
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            else:
                self.say("250 2.0.0 Ok")


class World:
    """What a file `world` asks for, without what takes a program."""

    def __init__(self, path):
        self.users, self.servers = {}, []
        self.lines = {}
        policies, rows, maps = {}, {}, []
        for line in path.read_text().splitlines():
            if not line or line.startswith("#"):
                continue
            word, _, rest = line.partition(" ")
            if word == "user":
                name, password = rest.split()
                self.users[name] = password
            elif word == "policy":
                port, who, answer = rest.split(None, 2)
                policies.setdefault(int(port), {})[who] = answer
            elif word == "lmtp":
                port, refused = rest.split()
                self.servers.append(Server(("127.0.0.1", int(port)),
                                           MailSession, refused=refused))
            elif word == "socketmap":
                maps.append(rest)
            elif word == "row":
                name, key, value = rest.split(None, 2)
                rows[name, key] = value
            else:
                self.lines[word] = rest.split()
        for port, rules in policies.items():
            self.servers.append(Server(("127.0.0.1", port), PolicySession,
                                       rules=rules))
        for place in maps:
            self.servers.append(LocalServer(place, SocketmapSession,
                                            rows=rows))
            os.chmod(place, 0o666)

    def close(self):
        for server in self.servers:
            server.close()
