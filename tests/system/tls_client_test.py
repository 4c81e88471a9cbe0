#!/usr/bin/env python3
"""The client's TLS as whole deliveries: DANE for the hosts of an MX record,
sessions that are resumed by later processes, LMTP with TLS; and the time that a
slow server may take.

    tls_client_test.py BIN

The name server signs its zones (signed_dns.py); what counts is what the
servers saw, and what the log says of who they were."""

import re
import smtplib
import socket
import struct
import sys

from signed_dns import Server, Zone, wire_name
from suite import Suite, wait_until
from tls_peers import Certificates, TlsSink

# MX hosts of signed.test: address, certificate.
HOSTS = {
    "mx-ee": ("127.0.0.11", "elsewhere"),   # usage 3, another's name
    "mx-ta": ("127.0.0.12", "named"),       # usage 2
    "mx-next": ("127.0.0.13", "nexthop"),   # usage 2, the destination's name
    "mx-name": ("127.0.0.14", "strange"),   # usage 2, another's name
    "mx-wrong": ("127.0.0.15", "elsewhere"),
    "mx-forged": ("127.0.0.16", "elsewhere"),
    "mx-none": ("127.0.0.17", "elsewhere"),
}
# Destination: its MX host, whether mail gets there at level dane, and what the
# log says of the server.
DANE = {
    "ee.signed.test": ("mx-ee", True, "Verified"),
    "ta.signed.test": ("mx-ta", True, "Verified"),
    "next.signed.test": ("mx-next", True, "Verified"),
    "name.signed.test": ("mx-name", False, "Untrusted"),
    "wrong.signed.test": ("mx-wrong", False, "Untrusted"),
    "forged.signed.test": ("mx-forged", False, None),
    # No records: encrypted, whoever it is.
    "none.signed.test": ("mx-none", True, "Untrusted"),
    # The MX record itself is forged: no server is asked at all.
    "badmx.signed.test": ("mx-ee", False, None),
}


def mx(host):
    return struct.pack("!H", 10) + wire_name(host)


class Stage:
    def __init__(self, bin_dir):
        self.suite = Suite.real(bin_dir)
        self.files = self.suite.top / "files"
        self.files.mkdir(mode=0o755)
        self.made = Certificates(self.files)
        self.made.self_signed("elsewhere", "elsewhere.test")
        self.made.issue("named", "mx-ta.signed.test")
        self.made.issue("nexthop", "next.signed.test")
        self.made.issue("strange", "other.signed.test")
        self.made.issue("lmtp", "lmtp.plain.test")
        self.start_servers()
        self.make_zones()
        self.count = 0

    def start_servers(self):
        """One port for all hosts: it stands in the next hop."""
        self.sinks = {}
        port = 0
        for host, (address, name) in HOSTS.items():
            self.sinks[host] = TlsSink(address, self.made.context(name),
                                       port=port)
            port = self.sinks[host].port
        self.port = port
        self.slow = TlsSink("127.0.0.22", slow=1_500_000)
        context = self.made.context
        self.lmtp = {"right": TlsSink("127.0.0.21", context("lmtp"), True),
                     "other": TlsSink("127.0.0.21", context("strange"), True),
                     "none": TlsSink("127.0.0.21", None, True)}

    def make_zones(self):
        signed, plain = Zone("signed.test", forged=set()), Zone("plain.test")
        for host, (address, name) in HOSTS.items():
            signed.add(f"{host}.signed.test", "A", socket.inet_aton(address))
            tlsa = f"_{self.port}._tcp.{host}.signed.test"
            if name == "elsewhere" and host != "mx-none":
                digest = (bytes(32) if host == "mx-wrong" else
                          self.made.key_digest(name))
                signed.add(tlsa, "TLSA", bytes([3, 1, 1]) + digest)
            elif host != "mx-none":
                signed.add(tlsa, "TLSA",
                           bytes([2, 0, 1]) + self.made.digest("ca"))
            signed.absence(tlsa)
        signed.forged.add((f"_{self.port}._tcp.mx-forged.signed.test", "TLSA"))
        signed.forged.add(("badmx.signed.test", "MX"))
        for domain, (host, _, _) in DANE.items():
            signed.add(domain, "MX", mx(f"{host}.signed.test"))
        # Nobody has signed where their mail goes; their servers are the same.
        for domain, host in (("right", "mx-ee"), ("wrong", "mx-wrong")):
            plain.add(f"{domain}.plain.test", "MX", mx(f"{host}.signed.test"))
        plain.add("lmtp.plain.test", "A", socket.inet_aton("127.0.0.21"))
        for zone in (signed, plain):
            zone.sign_all()
        self.zone = signed
        self.dns = Server([signed, plain])
        (self.files / "anchors").write_text(signed.anchor())
        (self.files / "anchors").chmod(0o644)

    def configure(self, **settings):
        """Mail for DOMAIN goes to its MX hosts, but to their one port."""
        routes = [f"{domain} smtp:{domain}:{self.port}\n" for domain in
                  (*DANE, "right.plain.test", "wrong.plain.test")]
        routes += [f"{name}.lmtp.test "
                   f"lmtp:inet:lmtp.plain.test:{sink.port}\n"
                   for name, sink in self.lmtp.items()]
        routes.append(f"slow.test smtp:[127.0.0.22]:{self.slow.port}\n")
        routes.append(f"may.test smtp:[127.0.0.11]:{self.port}\n")
        (self.files / "transport").write_text("".join(routes))
        (self.files / "policy").write_text(
            f"[127.0.0.11]:{self.port} may\n")
        for name in ("transport", "policy"):
            (self.files / name).chmod(0o644)
        wanted = {
            "transport_maps": f"texthash:{self.files}/transport",
            "smtp_tls_policy_maps": f"texthash:{self.files}/policy",
            "smtp_tls_security_level": "dane",
            "smtp_tls_loglevel": "1",
            "lmtp_tls_loglevel": "1",
            "smtp_dns_support_level": "dnssec",
            "smtp_tls_session_cache_database":
                "btree:${data_directory}/smtp_scache",
            "lmtp_tls_session_cache_database":
                "btree:${data_directory}/lmtp_scache",
            "lmtp_tls_CAfile": f"{self.files}/ca.pem",
            "dns_servers": self.dns.address,
            "dns_trust_anchor_file": f"{self.files}/anchors",
            "mynetworks": "127.0.0.0/8",
        }
        wanted.update(settings)
        self.suite.configure(**wanted)

    def reload(self, **settings):
        """New processes; the old ones' knowledge of the DNS is gone."""
        self.configure(**settings)
        before = set(self.suite.pids("qmgr"))
        status, text = self.suite.postern("reload")
        assert status == 0, text

        def renewed():
            """The queue manager that starts deliveries is the new one."""
            now = set(self.suite.pids("qmgr"))
            return now and not now & before
        wait_until(renewed, 60)

    def send(self, domain, text="x"):
        """One message; its recipient, and what became of it."""
        self.count += 1
        who = f"n{self.count}@{domain}"
        smtp = smtplib.SMTP("127.0.0.1", self.suite.port, timeout=60)
        smtp.sendmail("sender@mail.test", [who], f"Subject: x\n\n{text}\n")
        smtp.quit()
        pattern = re.compile(rf"to=<{re.escape(who)}>,.* status=(\w+) (.*)")

        def tried():
            return pattern.search(self.suite.log())
        tried.__doc__ = f"a verdict about {who}"
        return who, *wait_until(tried, 60).groups()

    def said_of(self, host):
        """What the log last said of the server's certificate."""
        found = re.findall(r"(\w+) TLS connection established to "
                           rf"{re.escape(host)}\.signed\.test\[",
                           self.suite.log())
        return found[-1] if found else None

    def goes(self, domain, sink, how):
        """A message gets there, in the way that is named."""
        who, status, why = self.send(domain)
        assert status == "sent", (who, status, why)
        assert sink.taken[who] == how, (who, sink.taken[who], how)

    def waits(self, domain, why):
        who, status, text = self.send(domain)
        assert status == "deferred" and why in text, (who, status, text)
        for sink in (*self.sinks.values(), *self.lmtp.values()):
            assert who not in sink.taken, (who, sink.taken[who])

    def close(self):
        self.suite.close()
        for sink in (*self.sinks.values(), *self.lmtp.values(), self.slow):
            sink.close()


def dane_over_mx(stage):
    """Servers of signed MX records are who their TLSA records say."""
    for domain, (host, good, word) in DANE.items():
        who, status, why = stage.send(domain)
        assert status == ("sent" if good else "deferred"), (who, status, why)
        came = stage.sinks[host].taken.get(who)
        assert came == ("full" if good else None), (who, came)
        if domain != "badmx.signed.test":
            assert stage.said_of(host) == word, (domain, stage.said_of(host))
    for domain in ("name", "wrong"):
        stage.suite.logged(f"@{domain}.signed.test>, relay=mx-{domain}."
                           f"signed.test[")
    assert stage.suite.log().count("Server certificate not verified") == 2
    stage.suite.logged("TLSA lookup error for mx-forged.signed.test")


def no_dane_over_unsigned_mx(stage):
    """Who can forge the MX record chooses the server: it is not Verified."""
    stage.reload(smtp_tls_security_level="dane-only")
    stage.waits("right.plain.test", "non DNSSEC destination")
    stage.reload(smtp_tls_dane_insecure_mx_policy="may")
    who, status, why = stage.send("wrong.plain.test")
    assert status == "sent", (who, status, why)
    assert stage.said_of("mx-wrong") == "Untrusted"
    stage.goes("right.plain.test", stage.sinks["mx-ee"], "full")
    assert stage.said_of("mx-ee") == "Untrusted"
    # Held to its records all the same, as Postfix does by default at level
    # dane; but trusted is all that it is.
    stage.reload()
    stage.waits("wrong.plain.test", "Server certificate not verified")
    stage.goes("right.plain.test", stage.sinks["mx-ee"], "full")
    assert stage.said_of("mx-ee") == "Trusted"


def sessions_outlive_processes(stage):
    """A session is resumed by the next connection, process and start, as what
    it was; under another policy it is not."""
    sink = stage.sinks["mx-ee"]
    stage.goes("ee.signed.test", sink, "resumed")
    assert stage.said_of("mx-ee") == "Verified"
    before = set(stage.suite.pids("smtp"))
    stage.reload()
    stage.goes("ee.signed.test", sink, "resumed")
    assert stage.said_of("mx-ee") == "Verified"
    assert not before & set(stage.suite.pids("smtp"))
    assert stage.suite.postern("stop")[0] == 0
    stage.suite.start()
    stage.goes("ee.signed.test", sink, "resumed")
    file = stage.suite.top / "data/smtp_scache.db"
    assert file.stat().st_mode & 0o777 == 0o600, oct(file.stat().st_mode)
    # The same server at level may, which would have taken anybody.
    stage.goes("may.test", sink, "full")
    stage.goes("may.test", sink, "resumed")
    stage.goes("ee.signed.test", sink, "resumed")
    # A server that has forgotten costs a handshake, not the mail.
    sink.context = stage.made.context("elsewhere")
    stage.goes("ee.signed.test", sink, "full")
    stage.goes("ee.signed.test", sink, "resumed")


def sessions_end_with_their_records(stage):
    """Other TLSA records, other sessions: what matched the old ones is held
    against the new ones."""
    sink, tlsa = stage.sinks["mx-ee"], f"_{stage.port}._tcp.mx-ee.signed.test"
    stage.goes("ee.signed.test", sink, "resumed")
    stage.zone.records[tlsa, "TLSA"] = [bytes([3, 1, 1]) + bytes(32)]
    del stage.zone.made[tlsa, "TLSA"]
    stage.zone.sign_all()
    stage.reload()
    stage.waits("ee.signed.test", "Server certificate not verified")
    assert stage.said_of("mx-ee") == "Untrusted"
    # Nor did that handshake leave a session that would do.
    stage.waits("ee.signed.test", "Server certificate not verified")
    stage.zone.records[tlsa, "TLSA"] = [
        bytes([3, 0, 1]) + stage.made.digest("elsewhere")]
    del stage.zone.made[tlsa, "TLSA"]
    stage.zone.sign_all()
    stage.reload()
    stage.goes("ee.signed.test", sink, "full")
    assert stage.said_of("mx-ee") == "Verified"
    stage.goes("ee.signed.test", sink, "resumed")
    assert stage.said_of("mx-ee") == "Verified"


def sessions_are_not_kept_unasked(stage):
    """Without a cache every connection is a new one."""
    stage.reload(smtp_tls_session_cache_database="",
                 lmtp_tls_session_cache_database="")
    stage.goes("may.test", stage.sinks["mx-ee"], "full")
    stage.goes("may.test", stage.sinks["mx-ee"], "full")


def lmtp_with_tls(stage):
    """LMTP servers are held to the level of lmtp_tls_security_level."""
    right, other, none = (stage.lmtp[n] for n in ("right", "other", "none"))
    stage.reload(lmtp_tls_security_level="may")
    stage.goes("none.lmtp.test", none, "clear")
    stage.goes("right.lmtp.test", right, "full")
    stage.reload(lmtp_tls_security_level="encrypt")
    stage.waits("none.lmtp.test", "TLS is required, but was not offered")
    stage.goes("other.lmtp.test", other, "full")
    stage.goes("other.lmtp.test", other, "resumed")
    stage.reload(lmtp_tls_security_level="verify")
    stage.waits("none.lmtp.test", "TLS is required, but was not offered")
    stage.waits("other.lmtp.test", "Server certificate not verified")
    stage.goes("right.lmtp.test", right, "full")
    stage.suite.logged("Verified TLS connection established to "
                       "lmtp.plain.test[127.0.0.21]")
    stage.goes("right.lmtp.test", right, "resumed")
    assert (stage.suite.top / "data/lmtp_scache.db").exists()
    # smtp_ parameters are not theirs.
    stage.reload(lmtp_tls_security_level="none")
    stage.goes("right.lmtp.test", right, "clear")


def content_at_a_pace(stage):
    """A server that takes its time may take it as long as each write comes to
    an end; with a deadline, only at smtp_min_data_rate."""
    slow = stage.slow
    text = "\n".join(["x" * 98] * 85_000)  # 8.5 MB at 1.5 MB/s
    for settings, good in (
            ({}, True),
            ({"smtp_per_request_deadline": "yes",
              "smtp_min_data_rate": "10000"}, True),
            ({"smtp_per_request_deadline": "yes",
              "smtp_min_data_rate": "100000000"}, False),
            ({"smtp_per_record_deadline": "yes",
              "smtp_min_data_rate": "100000000"}, False)):
        stage.reload(smtp_data_xfer_timeout="2s", **settings)
        who, status, why = stage.send("slow.test", text)
        assert (status == "sent") == good, (settings, who, status, why)
        assert (who in slow.taken) == good, (settings, who)
        if not good:
            assert "timed out while sending message body" in why, why


def main(bin_dir):
    stage = Stage(bin_dir)
    try:
        stage.configure()
        stage.suite.start()
        for step in (dane_over_mx, no_dane_over_unsigned_mx,
                     sessions_outlive_processes,
                     sessions_end_with_their_records,
                     sessions_are_not_kept_unasked, lmtp_with_tls,
                     content_at_a_pace):
            print(step.__doc__, flush=True)
            step(stage)
    except BaseException:
        print(stage.suite.log())
        raise
    finally:
        stage.close()


main(sys.argv[1])
