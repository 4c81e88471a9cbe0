#!/usr/bin/env python3
"""Tables of databases, directories, caches and simple servers, asked by a
running suite and by postmap: found, not found, and every way to fail, which is
451 4.3.0 and never "not found"."""

import os
import signal
import socket
import subprocess
import sys
import time

import servers
from suite import Suite, free_port, wait_until

KINDS = ("pgsql", "mysql", "ldap", "memcache")
FOUND, UNKNOWN, LATER = b"250 2.1.5", b"550 5.1.1", b"451 4.3.0"


class Case:
    def __init__(self, suite, running):
        self.suite, self.running = suite, running

    def file(self, kind):
        return self.suite.conf / f"{kind}.cf"

    def configure(self, kind, text):
        """Writes a table's parameters; each kind has a domain of its own."""
        path = self.file(kind)
        new = path.with_suffix(".new")
        new.write_text(text + f"domain = {kind}.test\n")
        new.chmod(0o644)
        new.rename(path)

    def rcpt(self, address, limit=60):
        """The reply to one RCPT TO."""
        s = socket.create_connection(("127.0.0.1", self.suite.port), limit)
        f = s.makefile("rwb")
        f.readline()
        reply = b""
        for line in (b"HELO c.test", b"MAIL FROM:<>",
                     b"RCPT TO:<%s>" % address.encode(), b"QUIT"):
            f.write(line + b"\r\n")
            f.flush()
            answer = f.readline()
            if line.startswith(b"RCPT"):
                reply = answer
        f.close()
        s.close()
        return reply

    def expect(self, address, reply):
        got = self.rcpt(address)
        assert got.startswith(reply), (address, got, self.suite.log()[-3000:])
        return got

    def becomes(self, address, reply, seconds=20):
        def answered():
            return self.rcpt(address).startswith(reply)
        answered.__doc__ = f"{address}: {reply}: {self.rcpt(address)}"
        wait_until(answered, seconds)

    def others_answer(self, kind):
        """While `kind` is in trouble, everybody else is served at once."""
        began = time.monotonic()
        self.expect("there@file.test", FOUND)
        self.expect("nobody@file.test", UNKNOWN)
        for other in self.running:
            if other != kind:
                self.expect(f"user@{other}.test", FOUND)
        # Time limits of the tables in trouble begin at 2 s each.
        assert time.monotonic() - began < 20, f"{kind} holds others up"


def found_and_not_found(case):
    for kind in case.running:
        case.expect(f"user@{kind}.test", FOUND)
        got = case.expect(f"nobody@{kind}.test", UNKNOWN)
        assert b"User unknown in virtual alias table" in got, got


def dead_server_and_restart(case):
    """A server that is gone is a temporary failure; its return heals."""
    for kind, server in case.running.items():
        # PostgreSQL's processes share memory: it ends at once, but by itself.
        server.stop(signal.SIGQUIT if kind == "pgsql" else signal.SIGKILL)
        case.expect(f"user@{kind}.test", LATER)
        case.expect(f"nobody@{kind}.test", LATER)
        case.others_answer(kind)
        case.suite.logged(f"{kind}:{case.file(kind)} lookup error for ")
        server.start()
        case.becomes(f"user@{kind}.test", FOUND)
        case.expect(f"nobody@{kind}.test", UNKNOWN)
    for words in ("connect to pgsql server", "connect to mysql server",
                  "dict_ldap_connect: Unable to bind to server",
                  f"connect to 127.0.0.1:"):
        if words.split()[2].rstrip(":") in case.running or "127" in words:
            case.suite.logged("warning: " + words)


def slow_server(case):
    """A server that does not answer in time is a temporary failure."""
    for kind, server in case.running.items():
        case.expect(f"user@{kind}.test", FOUND)
        server.pause()
        try:
            case.expect(f"user@{kind}.test", LATER)
            case.expect(f"nobody@{kind}.test", LATER)
            case.others_answer(kind)
        finally:
            server.go_on()
        case.becomes(f"user@{kind}.test", FOUND)


def many_wait(case):
    """Many clients that wait for a slow server, and one that does not."""
    kind = next(iter(case.running))
    server = case.running[kind]
    server.pause()
    waiting = []
    try:
        for _ in range(30):
            s = socket.create_connection(("127.0.0.1", case.suite.port), 60)
            s.recv(1000)
            s.sendall(b"HELO c.test\r\n")
            s.recv(1000)
            s.sendall(b"MAIL FROM:<>\r\n")
            s.recv(1000)
            s.sendall(b"RCPT TO:<user@%s.test>\r\n" % kind.encode())
            waiting.append(s)
        case.others_answer(kind)
        for s in waiting:
            s.settimeout(100)
            got = s.recv(1000)
            assert got.startswith(LATER), got
    finally:
        server.go_on()
        for s in waiting:
            s.close()
    case.becomes(f"user@{kind}.test", FOUND)


def wrong_password(case):
    """The parameters are read again when they change, without a reload."""
    for kind, server in case.running.items():
        if kind == "memcache":
            continue
        case.configure(kind, server.parameters(password="wrong"))
        case.becomes(f"user@{kind}.test", LATER)
        case.expect(f"nobody@{kind}.test", LATER)
        case.configure(kind, server.parameters())
        case.becomes(f"user@{kind}.test", FOUND)
    if "pgsql" in case.running:
        case.suite.logged("password authentication failed")
    if "mysql" in case.running:
        case.suite.logged("Access denied for user")
    if "ldap" in case.running:
        case.suite.logged("(Invalid credentials)")


def bad_queries(case):
    """What the server refuses is a temporary failure."""
    for kind in set(case.running) & {"pgsql", "mysql"}:
        server = case.running[kind]
        case.configure(kind, server.parameters().replace(
            "FROM aliases", "FROM no_such_table"))
        case.becomes(f"user@{kind}.test", LATER)
        case.expect(f"nobody@{kind}.test", LATER)
        case.suite.logged(f"warning: {kind} query failed: ")
        case.configure(kind, server.parameters())
        case.becomes(f"user@{kind}.test", FOUND)
    if "ldap" in case.running:
        server = case.running["ldap"]
        case.configure("ldap", server.parameters().replace(
            "search_base = dc=test", "search_base = dc=elsewhere"))
        case.becomes("nobody@ldap.test", LATER)
        case.configure("ldap", server.parameters())
        case.becomes("user@ldap.test", FOUND)


def broken_parameters(case):
    """A mistake in a file names file and line; the suite lives on."""
    for kind, server in case.running.items():
        lines = server.parameters().count("\n")
        case.configure(kind,
                       server.parameters() + "expansion_limit = many\n")
        case.becomes(f"user@{kind}.test", LATER)
        case.suite.logged(f"{case.file(kind)}, line {lines + 1}: bad numerical "
                          "configuration: expansion_limit = many")
        # Not even its `domain` is known, so whoever gets that far must wait.
        case.expect("nobody@file.test", LATER)
        case.expect("there@file.test", FOUND)
        case.configure(kind, server.parameters())
        case.becomes(f"user@{kind}.test", FOUND)


def limits(case):
    """More values than expansion_limit is a temporary failure."""
    for kind, server in case.running.items():
        if kind == "memcache":
            continue
        case.expect(f"both@{kind}.test", FOUND)
        case.configure(kind, server.parameters() + "expansion_limit = 1\n")
        case.becomes(f"both@{kind}.test", LATER)
        case.expect(f"user@{kind}.test", FOUND)
        case.configure(kind, server.parameters())
        case.becomes(f"both@{kind}.test", FOUND)


def fail_over(case):
    """With several hosts, one that is dead only costs a warning."""
    for kind, server in case.running.items():
        if kind == "memcache":
            continue
        dead = free_port()
        one, two = f"127.0.0.1:{dead}", f"127.0.0.1:{server.port}"
        hosts = (f"ldap://{one} ldap://{two}" if kind == "ldap"
                 else f"{one}, inet:{two}" if kind == "mysql"
                 else f"unix:/nonexistent {one} {two}")
        case.configure(kind, server.parameters(hosts=hosts))
        time_of_change = time.monotonic()
        # Until the change is noticed the old connection answers as well.
        while time.monotonic() - time_of_change < 2.5:
            case.expect(f"user@{kind}.test", FOUND)
            case.expect(f"nobody@{kind}.test", UNKNOWN)
        if kind == "mysql":
            # Over a socket, with a dead host behind it that nobody tries.
            case.configure(kind, server.parameters(
                password="wrong", hosts=f"unix:{server.socket()} {one}"))
            case.becomes(f"user@{kind}.test", LATER)
            case.configure(kind, server.parameters(
                hosts=f"unix:{server.socket()} {one}"))
            case.becomes(f"user@{kind}.test", FOUND)
        case.configure(kind, server.parameters())


def simple_servers(case):
    """tcp: and socketmap: every kind of reply."""
    for simple, domain in ((case.tcp, "tcp.test"), (case.map, "map.test")):
        case.expect(f"user@{domain}", FOUND)
        case.expect(f"nobody@{domain}", UNKNOWN)
        for name in ("later", "perm", "nonsense", "hangup", "timeout", "huge",
                     "broken"):
            case.expect(f"{name}@{domain}", LATER)
        case.expect(f"user@{domain}", FOUND)
        simple.stop()
        case.expect(f"user@{domain}", LATER)
        case.expect(f"nobody@{domain}", LATER)
        case.others_answer(simple.kind)
        simple.start()
        case.expect(f"user@{domain}", FOUND)
        case.expect(f"nobody@{domain}", UNKNOWN)
    case.suite.logged("warning: connect to TCP map 127.0.0.1:")
    case.suite.logged("warning: table socketmap:inet:127.0.0.1:")


def files_change(case):
    """Tables in files are read again without a reload."""
    suite = case.suite
    for name, line in (("texthash", "new@file.test x@example.com\n"),
                       ("regexp", "/^re@file\\.test$/ x@example.com\n"),
                       ("pcre", "/^pc@file\\.test$/ x@example.com\n")):
        address = line.split("@")[0].lstrip("/^") + "@file.test"
        case.expect(address, UNKNOWN)
        path = suite.conf / name
        path.write_text(path.read_text() + line)
        case.becomes(address, FOUND)
    for kind in ("hash", "cdb", "lmdb"):
        address = f"{kind}@file.test"
        case.expect(address, UNKNOWN)
        path = suite.conf / kind
        path.write_text(path.read_text() + f"{address} x@example.com\n")
        done = suite.tool("postmap", f"{kind}:{path}")
        assert done.returncode == 0, done.stdout
        case.becomes(address, FOUND)
    # A broken pattern is named with its line, and the others still answer.
    path = suite.conf / "pcre"
    path.write_text(path.read_text() + "/(/ x\n/^late@file\\.test$/ y@x.org\n")
    case.becomes("late@file.test", FOUND)
    suite.logged(f"pcre map {path}, line ")


def proxied(case):
    """proxy: only what proxy_read_maps lists."""
    case.expect("user@approved.test", FOUND)
    case.expect("nobody@approved.test", UNKNOWN)
    case.expect("user@unapproved.test", b"451 4.3.5")
    case.suite.logged("request for unapproved table: ")


def tools(case):
    """postmap -q asks without the suite, with the same words."""
    suite = case.suite

    def ask(kind, key, extra="", **change):
        server = case.running[kind]
        path = suite.conf / "tool.cf"
        path.write_text(server.parameters(**change) + extra)
        done = subprocess.run(
            [suite.bin / "postmap", "-c", suite.conf, "-q", key,
             f"{kind}:{path}"], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.strip(), done.stderr.strip()

    for kind in case.running:
        value = "target@example.com"
        assert ask(kind, "user@memcache.test") == (0, value, ""), kind
        assert ask(kind, "none@memcache.test") == (1, "", ""), kind
        status, out, err = ask(kind, "user@x.test",
                               hosts=f"127.0.0.1:{free_port()}")
        assert status == 1 and not out and "query error" in err, err
        if kind == "memcache":
            continue
        assert ask(kind, "both@x.test", "result_format = <%s>[%u][%S][%1]\n") \
            == (0, "<one@example.com>[one][both@x.test][test],"
                   "<two@example.com>[two][both@x.test][test]", "")
        # What the template asks for is not there: not asked.
        assert ask(kind, "both", "result_format = %d %1\n") == (1, "", "")
        assert ask(kind, "o'brien@x.test")[1] == "obrien@example.com"
        assert ask(kind, "*@x.test") == (1, "", "")
        assert ask(kind, "\\@x.test") == (1, "", "")
    many_keys(case)
    if "mysql" in case.running:
        stored_procedures(ask)
        old_interface(case)
    if "ldap" in case.running:
        groups(ask)
    if "memcache" in case.running:
        cached(case)


def many_keys(case):
    keys = "".join(f"user@{kind}.test\nnone@{kind}.test\n"
                   for kind in case.running)
    names = [f"{kind}:{case.file(kind)}" for kind in case.running]
    done = case.suite.tool("postmap", "-q", "-", *names, input=keys)
    assert done.returncode == 0, done.stdout
    assert done.stdout == "".join(
        f"user@{kind}.test\ttarget@example.com\n" for kind in case.running), \
        done.stdout


def stored_procedures(ask):
    call = "query = CALL find('%u')\n"
    assert ask("mysql", "both@x.test", call) == \
        (0, "one@example.com,two@example.com", "")
    nothing = "query = CALL nothing()\n"
    status, _, err = ask("mysql", "both@x.test", nothing)
    assert status == 1 and "failed to return a result set" in err, err
    assert ask("mysql", "both@x.test", nothing + "require_result_set = no\n") \
        == (1, "", "")


def old_interface(case):
    """select_field and its like, and parameters in main.conf."""
    server, suite = case.running["mysql"], case.suite
    done = suite.tool("postmap", "-q", "user", "mysql:oldstyle")
    assert (done.returncode, done.stdout) == (0, "target@example.com\n"), \
        done.stdout
    assert server.port


def groups(ask):
    """Entries that name others, by DN and by URL."""
    special = "special_result_attribute = member labeledURI\n"
    result = "result_attribute = description\nleaf_result_attribute = mail\n"
    status, out, err = ask("ldap", "group@x.test", special + result)
    assert status == 0, err
    assert sorted(out.split(",")) == ["list@example.com", "one@example.com",
                                      "target@example.com", "two@example.com"]
    assert "DN cn=gone,dc=test not found, skipping" in err, err
    status, out, err = ask("ldap", "group@x.test", special +
                           "terminal_result_attribute = description\n")
    assert (status, out) == (0, "list@example.com"), (out, err)
    status, out, err = ask("ldap", "loop@x.test",
                           special + "recursion_limit = 5\n")
    assert status == 1 and "Recursion limit exceeded" in err, err
    status, out, err = ask("ldap", "both@x.test", "bind = sasl\n")
    assert status == 1 and "bind = sasl is not supported" in err, err
    status, out, err = ask("ldap", "user@x.test", "search_base = cn=%u,dc=test\n"
                           "scope = base\nquery_filter = (objectclass=*)\n")
    assert (status, out) == (0, "target@example.com"), err
    assert ask("ldap", "none@x.test", "search_base = cn=%u,dc=test\n"
               "scope = base\nquery_filter = (objectclass=*)\n") == (1, "", "")


def cached(case):
    """A cache with a table behind it; changes by postmap -i and -d."""
    server, suite = case.running["memcache"], case.suite
    path = suite.conf / "cached.cf"
    path.write_text(server.parameters() + "key_format = c:%s\n"
                    "backup = inline:{behind=the-value}\n")
    name = f"memcache:{path}"
    done = suite.tool("postmap", "-q", "behind", name)
    assert done.stdout == "the-value\n", done.stdout
    assert "the-value" in server.get("c:behind")
    server.set("c:behind", "from-cache")
    assert suite.tool("postmap", "-q", "behind", name).stdout == "from-cache\n"
    assert suite.tool("postmap", "-s", name).stdout == "behind\tthe-value\n"
    done = suite.tool("postmap", "-i", name, input="Added some value\n")
    assert done.returncode == 0, done.stdout
    assert suite.tool("postmap", "-q", "added", name).stdout == "some value\n"
    assert suite.tool("postmap", "-d", "added", name).returncode == 0
    assert suite.tool("postmap", "-d", "added", name).returncode == 1
    assert suite.tool("postmap", "-q", "added", name).returncode == 1
    # Without its server, the table behind answers.
    path.write_text(path.read_text().replace(str(server.port),
                                             str(free_port())))
    done = suite.tool("postmap", "-q", "behind", name)
    assert done.stdout.endswith("the-value\n"), done.stdout


def stops_with_a_dead_server(case):
    """A thread that waits for an answer keeps the suite from nothing."""
    case.tcp.held.clear()
    s = socket.create_connection(("127.0.0.1", case.suite.port), 60)
    s.recv(1000)
    asked = len(case.tcp.asked)
    s.sendall(b"HELO c.test\r\n")
    s.recv(1000)
    s.sendall(b"MAIL FROM:<>\r\n")
    s.recv(1000)
    s.sendall(b"RCPT TO:<user@tcp.test>\r\n")
    wait_until(lambda: len(case.tcp.asked) > asked)
    began = time.monotonic()
    status, text = case.suite.postern("stop")
    assert status == 0, text
    assert time.monotonic() - began < 45, time.monotonic() - began
    case.tcp.held.set()
    s.close()


TESTS = [found_and_not_found, dead_server_and_restart, slow_server, many_wait,
         wrong_password, bad_queries, broken_parameters, limits, fail_over,
         simple_servers, files_change, proxied, tools,
         stops_with_a_dead_server]


def settings(suite, case):
    tables = [f"{kind}:{case.file(kind)}" for kind in case.running]
    # sqlite: and files, which are never in trouble here.
    files = [f"texthash:{suite.conf}/texthash", f"regexp:{suite.conf}/regexp",
             f"pcre:{suite.conf}/pcre"]
    for kind in ("hash", "cdb", "lmdb"):
        (suite.conf / kind).write_text("a@file.test b@example.com\n")
        done = suite.tool("postmap", f"{kind}:{suite.conf}/{kind}")
        assert done.returncode == 0, done.stdout
        files.append(f"{kind}:{suite.conf}/{kind}")
    approved = "proxy:inline:{{user@approved.test = x@example.com}}"
    values = dict(
        virtual_alias_domains=" ".join(
            [f"{kind}.test" for kind in case.running] +
            ["file.test", "approved.test"]),
        virtual_alias_maps=" ".join(files + tables + [approved]),
        proxy_read_maps=approved,
        relay_domains="tcp.test unapproved.test",
        relay_recipient_maps=f"tcp:127.0.0.1:{case.tcp.port}",
        virtual_mailbox_domains="map.test",
        virtual_mailbox_maps=f"socketmap:inet:127.0.0.1:{case.map.port}:users",
        virtual_mailbox_base=suite.top,
        smtpd_error_sleep_time="0", smtpd_junk_command_limit="1000",
        smtpd_client_connection_count_limit="0",
        smtpd_recipient_restrictions=
        "check_recipient_access inline:{unapproved.test=ask}, "
        "reject_unauth_destination",
        smtpd_restriction_classes="ask",
        ask="check_recipient_access proxy:inline:{never=listed}")
    if "mysql" in case.running:
        values.update(
            oldstyle_hosts=f"127.0.0.1:{case.running['mysql'].port}",
            oldstyle_user="mail", oldstyle_password=servers.PASSWORD,
            oldstyle_dbname="mail", oldstyle_table="aliases",
            oldstyle_select_field="value", oldstyle_where_field="name",
            oldstyle_additional_conditions="AND value LIKE '%%@%%'",
            oldstyle_option_group="")
    return values


def main():
    missing = [kind for kind in KINDS if not servers.installed(kind)]
    if missing and os.environ.get("CI"):
        sys.exit(f"these servers are not installed: {missing}")
    suite = Suite.real(sys.argv[1])
    suite.configure()
    running, simple = {}, []
    try:
        for kind in KINDS:
            if kind not in missing:
                running[kind] = servers.CLASSES[kind](suite.top / kind)
        case = Case(suite, running)
        for name, text in (("texthash", "there@file.test t@example.com\n"),
                           ("regexp", ""), ("pcre", "")):
            (suite.conf / name).write_text(text)
        case.tcp = servers.Simple("tcp", {
            "user@tcp.test": "200 x", "later@tcp.test": "400 come%20back",
            "perm@tcp.test": "499 what", "nonsense@tcp.test": "hello",
            "hangup@tcp.test": None, "timeout@tcp.test": "400 x",
            "huge@tcp.test": "200 " + "x" * 5000,
            "broken@tcp.test": "200 %z", "": "500 no"})
        case.map = servers.Simple("socketmap", {
            "user@map.test": "OK x", "later@map.test": "TEMP come back",
            "perm@map.test": "PERM no", "nonsense@map.test": "WHAT",
            "hangup@map.test": None, "timeout@map.test": "TIMEOUT late",
            "huge@map.test": "OK " + "x" * 200_000, "broken@map.test": "OK ",
            "": "NOTFOUND "})
        simple = [case.tcp, case.map]
        for kind, server in running.items():
            case.configure(kind, server.parameters())
        suite.configure(**settings(suite, case))
        suite.start()
        wanted = sys.argv[2:]
        for test in TESTS:
            if wanted and test.__name__ not in wanted:
                continue
            began = time.monotonic()
            test(case)
            print(f"{test.__name__}: {time.monotonic() - began:.1f} s",
                  flush=True)
    finally:
        suite.close()
        for one in list(running.values()) + simple:
            one.stop()
    if missing:
        print("not installed, so not tested: " + ", ".join(missing))
        sys.exit(77)


if __name__ == "__main__":
    main()
