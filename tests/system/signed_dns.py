"""A name server for tests, with zones that it signs itself (RFC 4034): RSA and
SHA-256, one key a zone, absence shown by NSEC records made for the question.
Loopback only, UDP only."""

import hashlib
import socket
import struct
import subprocess
import threading
import time

TYPES = {"A": 1, "NS": 2, "SOA": 6, "MX": 15, "RRSIG": 46, "NSEC": 47,
         "DNSKEY": 48, "TLSA": 52}
RSASHA256 = 8
TTL = 60
# DigestInfo of SHA-256 (RFC 8017 section 9.2, note 1).
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def wire_name(name):
    out = b""
    for label in name.lower().rstrip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode("latin-1")
    return out + b"\0"


def der_integers(der):
    """The integers of a PKCS #1 private key."""
    def length(at):
        size = der[at]
        if size < 128:
            return size, at + 1
        count = size & 127
        return int.from_bytes(der[at + 1:at + 1 + count]), at + 1 + count

    _, at = length(1)
    found = []
    while at < len(der):
        assert der[at] == 2
        size, at = length(at + 1)
        found.append(int.from_bytes(der[at:at + size]))
        at += size
    return found


class Key:
    def __init__(self):
        der = subprocess.run(
            ["openssl", "genrsa", "-traditional", "1024"], check=True,
            capture_output=True).stdout
        der = subprocess.run(
            ["openssl", "rsa", "-traditional", "-outform", "DER"], input=der,
            check=True, capture_output=True).stdout
        _, self.n, e, self.d = der_integers(der)[:4]
        self.size = (self.n.bit_length() + 7) // 8
        exponent = e.to_bytes((e.bit_length() + 7) // 8)
        self.rdata = (struct.pack("!HBB", 257, 3, RSASHA256) +
                      bytes([len(exponent)]) + exponent +
                      self.n.to_bytes(self.size))
        total = sum(byte << 8 if i % 2 == 0 else byte
                    for i, byte in enumerate(self.rdata))
        self.tag = (total + (total >> 16)) & 0xffff

    def sign(self, data):
        tail = DIGEST_INFO + hashlib.sha256(data).digest()
        padded = b"\0\1" + b"\xff" * (self.size - len(tail) - 3) + b"\0" + tail
        return pow(int.from_bytes(padded), self.d, self.n).to_bytes(self.size)


class Zone:
    """`records`: {(name, type): [rdata]}; `forged`: those of them, or "all",
    whose signatures are wrong."""

    def __init__(self, name, forged=()):
        self.name, self.key, self.forged = name, Key(), forged
        self.records = {(name, "DNSKEY"): [self.key.rdata]}
        self.made = {}
        self.soa = (wire_name("ns." + name) + wire_name("root." + name) +
                    struct.pack("!5I", 1, 600, 600, 600, TTL))

    def add(self, name, kind, *rdatas):
        self.records.setdefault((name.lower(), kind), []).extend(rdatas)

    def anchor(self):
        """The DS record, as a trust anchor file has it."""
        digest = hashlib.sha256(wire_name(self.name) + self.key.rdata)
        return (f"{self.name}. IN DS {self.key.tag} {RSASHA256} 2 "
                f"{digest.hexdigest().upper()}\n")

    def sign_all(self):
        """Ahead of the questions: a name server that is late is asked again,
        and then it is late for ever."""
        for (name, kind), rdatas in list(self.records.items()):
            self.signed(name, kind, rdatas)
            for other in ("A", "AAAA", "TLSA"):
                if (name, other) not in self.records:
                    self.absence(name)

    def signed(self, name, kind, rdatas):
        """The records and their signature, as they stand in a message."""
        if (name, kind) not in self.made:
            self.made[name, kind] = self.sign(name, kind, rdatas)
        return self.made[name, kind]

    def sign(self, name, kind, rdatas):
        owner = wire_name(name)
        sets = b"".join(
            owner + struct.pack("!HHIH", TYPES[kind], 1, TTL, len(r)) + r
            for r in sorted(rdatas))
        now = int(time.time())
        head = struct.pack("!HBBIIIH", TYPES[kind], RSASHA256,
                           len(name.rstrip(".").split(".")), TTL, now + 86400,
                           now - 3600, self.key.tag) + wire_name(self.name)
        signature = self.key.sign(head + sets)
        if self.forged == "all" or (name, kind) in self.forged:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        rdata = head + signature
        return (len(rdatas) + 1, sets + owner + struct.pack(
            "!HHIH", TYPES["RRSIG"], 1, TTL, len(rdata)) + rdata)

    def absence(self, name):
        """That there is no such record: SOA, and an NSEC of the name."""
        kinds = {TYPES[k] for n, k in self.records if n == name}
        kinds |= {TYPES["RRSIG"], TYPES["NSEC"]}
        bitmap = bytearray(max(kinds) // 8 + 1)
        for kind in kinds:
            bitmap[kind // 8] |= 0x80 >> kind % 8
        nsec = (b"\1\0" + wire_name(name) + bytes([0, len(bitmap)]) +
                bytes(bitmap))
        soa_count, soa = self.signed(self.name, "SOA", [self.soa])
        nsec_count, proof = self.signed(name, "NSEC", [nsec])
        return soa_count + nsec_count, soa + proof


class Server:
    def __init__(self, zones):
        self.zones = zones
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1@{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            packet, peer = self.socket.recvfrom(65535)
            try:
                self.socket.sendto(self.reply(packet), peer)
            except (IndexError, struct.error):
                continue

    def reply(self, packet):
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
            at += 1 + packet[at]
        question = packet[12:at + 5]
        kind_number = struct.unpack("!H", packet[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        kind = next((k for k, n in TYPES.items() if n == kind_number), None)
        zone = next((z for z in self.zones
                     if name == z.name or name.endswith("." + z.name)), None)
        answers, authority, rcode = (0, b""), (0, b""), 0
        if zone is None:
            rcode = 3
        elif (name, kind) in zone.records:
            answers = zone.signed(name, kind, zone.records[name, kind])
        elif (name, kind) == (zone.name, "SOA"):
            answers = zone.signed(name, kind, [zone.soa])
        else:
            authority = zone.absence(name)
        opt = b"\0" + struct.pack("!HHIH", 41, 4096, 0x8000, 0)
        return (packet[:2] + struct.pack("!HHHHH", 0x8580 | rcode, 1,
                                         answers[0], authority[0], 1) +
                question + answers[1] + authority[1] + opt)
