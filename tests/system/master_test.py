#!/usr/bin/env python3
"""The life of a suite under master, with stand-ins for the daemons:
master_test.py POSTERN MASTER DAEMON."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import traceback

import suite as suites

PROGRAMS = sys.argv[1:4]


def starts_and_stops(suite):
    status, _ = suite.postern("status")
    assert status == 1
    suite.start()
    status, text = suite.postern("status")
    assert status == 0 and f"PID: {suite.master()}" in text, text
    client = suite.client()
    assert client.ask("setting myhostname") == "mail.example.com"
    # Three standard ones, the control link, the log, the event loop, the
    # listener, the client, and little else.
    assert len(client.ask("open").split()) < 14
    status, text = suite.postern("stop")
    assert status == 0, text
    status, _ = suite.postern("status")
    assert status == 1
    status, text = suite.postern("stop")
    assert status == 1 and "is not running" in text, text
    assert "daemon started -- version" in suite.log()
    assert "terminating on signal 15" in suite.log()
    try:
        suite.client()
        raise AssertionError("somebody still listens")
    except ConnectionRefusedError:
        pass


def second_start_is_refused(suite):
    suite.start()
    status, text = suite.postern("start")
    assert status == 1, text
    assert f"already running: PID: {suite.master()}" in text, text
    # Past the tool's own look, the lock on the queue still holds.
    done = subprocess.run([suite.bin / "master", "-c", suite.conf], text=True,
                          stderr=subprocess.PIPE, timeout=30, check=False)
    assert done.returncode == 1, done.stderr
    assert f"already running: PID: {suite.master()}" in done.stderr


def links_are_made_by_the_contract(suite):
    suite.start()
    client = suite.client()
    assert client.ask("link cleanup") == "ok cleanup"
    assert client.ask("link lookup") == "ok lookup"
    assert client.ask("link rewrite") == "ok lookup"
    assert client.ask("link bounce") == "ok cleanup"
    # smtpd has nothing to say to delivery agents.
    assert "no link" in client.ask("link smtp")
    assert "no link" in client.ask("link local")
    suite.logged("asked for a link to local, which is not its to have")
    assert client.ask("link nonesuch") == "there is no service nonesuch"
    first = client.ask("count").split()
    second = client.ask("count").split()
    assert (first[0], second[0]) == ("1", "2") and first[1] == second[1]


def the_dead_are_replaced(suite):
    suite.start()
    client = suite.client()
    old = client.ask("pid")
    client.ask("die 3")
    # The socket stays with master: connections wait, none is refused.
    client = suite.client()
    assert client.ask("pid") != old
    suite.logged(f"smtpd pid {old} exit status 3")
    # A link that broke is made again.
    lookup = client.ask("count").split()[1]
    os.kill(int(lookup), signal.SIGKILL)
    suite.logged(f"lookup pid {lookup} killed by signal 9")
    assert client.ask("count").split()[1] not in ("", lookup)


def what_cannot_live_is_waited_for(suite):
    (suite.bin / "lookup").unlink()
    shutil.copy("/bin/false", suite.bin / "lookup")
    suite.start()
    suite.logged("lookup: bad command startup -- throttling", 20)


def more_processes_for_more_clients(suite):
    suite.configure(maxproc="2")
    suite.start()
    first = suite.client()
    assert first.ask("full") == "told"
    suites.wait_until(lambda: smtpd_count(suite) == 2)
    assert first.ask("stress") == "off"
    # Both processes may get the connection; the second is found by trying.
    second = suites.wait_until(lambda: other_than(suite, first.ask("pid")))
    assert second.ask("full") == "told"
    suites.wait_until(lambda: first.ask("stress") == "on")
    suite.logged('has reached its process limit "2"')
    assert smtpd_count(suite) == 2
    assert second.ask("roomy") == "told"
    suites.wait_until(lambda: first.ask("stress") == "off")


def smtpd_count(suite):
    names = [open(f"/proc/{pid}/comm", encoding="utf-8").read().strip()
             for pid in suite.children()]
    return names.count("smtpd")


def other_than(suite, pid):
    client = suite.client()
    if client.ask("pid") != pid:
        return client
    client.close()
    return None


def reload_changes_what_comes_after(suite):
    suite.start()
    before = suite.client()
    old = before.ask("pid")
    suite.configure(myhostname="other.example.com",
                    options="-o { smtpd_banner = of the row }")
    status, text = suite.postern("reload")
    assert status == 0, text
    suite.logged("reload -- version")
    after = suites.wait_until(lambda: other_than(suite, old))
    assert after.ask("setting myhostname") == "other.example.com"
    assert after.ask("setting smtpd_banner") == "of the row"
    # The session of before goes on, under what it began with.
    assert before.ask("setting myhostname") == "mail.example.com"
    assert before.ask("count") != ""
    before.close()
    suites.wait_until(lambda: not os.path.exists(f"/proc/{old}"))
    assert f"pid {old}" not in suite.log()
    names = [open(f"/proc/{pid}/comm", encoding="utf-8").read().strip()
             for pid in suite.children()]
    suites.wait_until(lambda: names.count("qmgr") == 1)


def queue_manager_is_replaced_by_one_of_another_name(suite):
    suite.start()
    suite.configure()
    table = suite.conf / "master.conf"
    table.write_text(table.read_text().replace("qmgr      unix", "other unix"))
    suite.postern("reload")
    suite.logged("postern/woken")
    def named():
        lines = [open(f"/proc/{pid}/cmdline", encoding="utf-8").read()
                 for pid in suite.children()]
        return [x for x in lines if x.startswith("qmgr\0-n\0other")]
    suites.wait_until(named)


def bad_reload_changes_nothing(suite):
    suite.start()
    client = suite.client()
    master = suite.master()
    with open(suite.conf / "master.conf", "a", encoding="utf-8") as file:
        file.write("broken line here\n")
    status, text = suite.postern("reload")
    assert status == 1 and "master.conf" in text, text
    os.kill(master, signal.SIGHUP)
    suite.logged("reload refused")
    assert client.ask("pid") != ""
    assert suite.postern("status")[0] == 0
    # A queue is not exchanged under running processes.
    suite.configure(queue_directory=suite.top / "other")
    os.kill(master, signal.SIGHUP)
    suite.logged("queue_directory cannot change")


def bad_configuration_is_named(suite):
    lines = (suite.conf / "master.conf").read_text().count("\n")
    with open(suite.conf / "master.conf", "a", encoding="utf-8") as file:
        file.write("broken line here\n")
    status, text = suite.postern("start")
    assert status == 1 and f"line {lines + 1}" in text, text
    assert suite.postern("status")[0] == 1
    suite.configure()
    taken = socket.create_server(("127.0.0.1", suite.port))
    status, text = suite.postern("start")
    assert status == 1, text
    assert f"bind 127.0.0.1 port {suite.port}: Address already in use" in text
    taken.close()
    suite.start()


def foreground_ends_with_its_signal(suite):
    process = subprocess.Popen(
        [suite.bin / "postern", "-c", suite.conf, "start-fg"],
        stderr=subprocess.DEVNULL)
    suite.logged("daemon started")
    client = suites.wait_until(lambda: connected(suite))
    assert client.ask("pid") != ""
    assert suite.master() == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    # Without master no daemon goes on.
    suite.start()
    orphans = suite.children()
    os.kill(suite.master(), signal.SIGKILL)
    suites.wait_until(
        lambda: not any(os.path.exists(f"/proc/{pid}") and
                        "smtpd" in open(f"/proc/{pid}/cmdline").read()
                        for pid in orphans))


def connected(suite, port=None):
    try:
        return suite.client(port)
    except ConnectionRefusedError:
        return None


def log_is_rotated(suite):
    suite.configure(maillog_file_compressor="true")
    suite.start()
    suite.client().ask("pid")
    status, text = suite.postern("logrotate")
    assert status == 0, text
    kept = [name for name in os.listdir(suite.top) if name.startswith("log.")]
    assert len(kept) == 1, kept
    suite.logged("reload --")
    assert "daemon started" not in suite.log()


def isolation_is_shown(suite):
    suite.start()
    suites.wait_until(lambda: suite.postern("status", "--isolation")[0] == 0)
    _, text = suite.postern("status", "--isolation")
    rows = {line.split()[1]: line for line in text.splitlines()[1:]}
    for name in ("smtpd", "cleanup", "qmgr", "lookup", "postlogd"):
        assert rows[name].endswith(" yes"), text


def workers_become_whom_they_are_for(suite):
    port, asker = suites.free_port(), suites.free_port()
    rows = (f"{port} inet n n n - 0 spawn\n"
            f"asker unix - n n - - local listen={asker}\n")
    mailbox = suite.top / "mailbox"
    mailbox.mkdir()
    mailbox.chmod(0o1777)
    suite.configure(rows=rows, mail_spool_directory=mailbox)
    suite.start()
    assert suite.client(port).ask("link asker") == "ok local"
    client = suites.wait_until(lambda: connected(suite, asker))

    def who(line):
        answer = client.ask(line.format(mailbox))
        assert answer == "ok", answer
        file = mailbox / "who"
        suites.wait_until(file.exists)
        facts = dict(entry.split(":", 1) for entry
                     in file.read_text().splitlines() if ":" in entry)
        file.unlink()
        return facts

    if os.geteuid() != 0:
        facts = who("worker 1 1 daemon {}/daemon")
        assert facts["Uid"].split() == [str(os.getuid())] * 4, facts
        return
    facts = who("worker 1 1 daemon {}/daemon")
    assert facts["Uid"].split() == ["1"] * 4, facts
    assert facts["Gid"].split() == ["1"] * 4, facts
    assert facts["Groups"].split() == ["1"], facts
    # Root is an owner of files and no more.
    facts = who("worker 0 0 root {}/root")
    assert facts["Uid"].split() == ["0"] * 4, facts
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(facts[kind], 16) == 0, facts
    assert facts["NoNewPrivs"].strip() == "1", facts
    assert "tag=postern/local" in facts["Arguments"], facts
    for line, why in (("worker 0 0 daemon {}/daemon", "does not have id 0"),
                      ("worker 1 1 root {}/root", "does not have id 1"),
                      ("worker -1 1 - {}/x", "does not have id -1"),
                      ("worker 1 1 daemon {}/root", "is not"),
                      ("worker 1 1 daemon /etc/passwd", "is not"),
                      ("worker 65534 65534 nobody {}/nobody",
                       "belongs to the mail")):
        answer = client.ask(line.format(mailbox))
        assert why in answer, answer
    # The spool's group comes with the spool, and with nothing else.
    spool = suite.top / "spool"
    spool.mkdir()
    os.chown(spool, 0, 8)
    spool.chmod(0o2775)
    suite.configure(rows=rows, mail_spool_directory=spool)
    client.close()
    suite.postern("reload")
    suite.logged("reload --")
    client = suites.wait_until(lambda: connected(suite, port))
    assert client.ask("link asker") == "ok local"
    client = suites.wait_until(lambda: connected(suite, asker))
    assert client.ask(f"worker 1 1 daemon {spool}/daemon") == "ok"
    suites.wait_until((spool / "who").exists)
    assert (spool / "who").stat().st_uid == 1
    assert (spool / "who").stat().st_gid == 8


def workers_are_as_many_as_the_row_may_have(suite):
    port, asker = suites.free_port(), suites.free_port()
    mailbox = suite.top / "mailbox"
    mailbox.mkdir()
    mailbox.chmod(0o1777)
    worker = suite.bin / "worker"
    worker.unlink()
    worker.write_text("#!/bin/sh\nexec sleep 600\n")
    worker.chmod(0o755)
    suite.configure(
        mail_spool_directory=mailbox,
        rows=f"{port} inet n n n - 0 spawn\n"
             f"asker unix - n n - 1 local listen={asker}\n")
    suite.start()
    assert suite.client(port).ask("link asker") == "ok local"
    clients = [suites.wait_until(lambda: connected(suite, asker))
               for _ in range(4)]
    line = f"worker 1 1 daemon {mailbox}/daemon"
    for client in clients[:3]:
        client.file.write(line + "\n")
        client.file.flush()
    suites.wait_until(lambda: len(suite.pids("sleep")) == 3)
    answer = clients[3].ask(line)
    assert "has 3 processes for its deliveries already" in answer, answer
    os.kill(suite.pids("sleep")[0], signal.SIGKILL)
    suites.wait_until(lambda: len(suite.pids("sleep")) == 2)
    clients[3].file.write(line + "\n")
    clients[3].file.flush()
    suites.wait_until(lambda: len(suite.pids("sleep")) == 3)


def sockets_are_made_with_their_rights(suite):
    suite.configure(rows="pipe2 fifo n n n - 1 pickup\n")
    suite.start()
    for name, rights in (("public/qmgr", 0o666), ("public/showq", 0o666),
                         ("public/pipe2", 0o622)):
        mode = (suite.top / "queue" / name).stat().st_mode
        assert mode & 0o777 == rights, (name, oct(mode))
    # What a taken-over process may have put there: not followed.
    victim = suite.top / "victim"
    victim.write_text("x")
    victim.chmod(0o600)
    suite.postern("stop")
    place = suite.top / "queue/public/pipe2"
    place.unlink(missing_ok=True)
    place.symlink_to(victim)
    suite.postern("start")
    suite.logged("public/pipe2 is in the way")
    assert victim.stat().st_mode & 0o777 == 0o600


def greeter(suite, path):
    """A server at `path` that greets whoever connects."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(5)

    def serve():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                client.sendall(f"greetings from {path.name}\n".encode())
    threading.Thread(target=serve, daemon=True).start()
    return server


def connections_go_where_the_row_says(suite):
    auth, other = suite.top / "auth", suite.top / "other"
    servers = [greeter(suite, path) for path in (auth, other)]
    # As Dovecot makes it: not for the user that smtpd runs as.
    os.chmod(auth, 0o600)
    second, third = suites.free_port(), suites.free_port()
    way = suite.top / "way"
    suite.configure(
        smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot",
        smtpd_sasl_path=f"unix:{auth}",
        rows=f"{second} inet n - n - - smtpd\n"
             f"  -o smtpd_sasl_path=inet:127.0.0.1:1\n"
             f"{third} inet n - n - - smtpd\n"
             f"  -o smtpd_sasl_path=unix:{way}/auth\n")
    suite.start()
    client = suite.client()
    assert client.ask(f"dial {auth}") == "greetings from auth"
    assert client.ask(f"dial unix:{auth}") == "greetings from auth"
    refused = "the configuration does not name"
    assert refused in client.ask(f"dial {other}")
    suite.logged(f"asked for a connection to {other}, which its configuration "
                 "does not name")
    assert refused in client.ask(f"dial {auth}/../other")
    # What another row names is another's.
    assert refused in suite.client(second).ask(f"dial {auth}")
    # Links are followed where root has made them.
    auth.unlink()
    assert client.ask(f"dial {auth}") == "No such file or directory"
    auth.symlink_to("other")
    assert client.ask(f"dial {auth}") == "greetings from other"
    if os.geteuid() == 0:
        os.chown(auth, 1, 1, follow_symlinks=False)
        assert "does not belong to root" in client.ask(f"dial {auth}")
        os.chown(auth, 0, 0, follow_symlinks=False)
    # A link on the way counts like one at the end.
    way.symlink_to(".")
    along = suite.client(third)
    assert along.ask(f"dial {way}/auth") == "greetings from other"
    if os.geteuid() == 0:
        os.chown(way, 1, 1, follow_symlinks=False)
        assert "does not belong to root" in along.ask(f"dial {way}/auth")
    auth.unlink()
    auth.write_text("")
    assert "Socket operation on non-socket" in client.ask(f"dial {auth}")
    auth.unlink()
    auth.symlink_to("auth")
    assert "symbolic links" in client.ask(f"dial {auth}")
    for server in servers:
        server.close()


def services_are_woken(suite):
    suite.configure(rows="retry2 unix - - n 1 - error\n")
    suite.start()
    suite.logged("postern/woken")
    for row in ("pickup", "qmgr"):
        suite.logged(f"{row} by master")
    # Again and again; `?` only later.
    suites.wait_until(lambda: suite.log().count("retry2 by master") >= 2)
    assert "flush by master" not in suite.log()


def sample_configuration_has_no_mistakes(suite):
    samples = pathlib.Path(__file__).resolve().parents[2] / "etc"
    for name in ("main.conf", "master.conf"):
        (suite.conf / name).write_bytes((samples / name).read_bytes())
    _, text = suite.postern("check")
    assert str(suite.conf) not in text, text
    # The same services that are commented out, without their comment signs.
    rows = (samples / "master.conf").read_text().replace("\n#sub", "\nsub")
    rows = rows.replace("\n#  -o", "\n  -o")
    assert rows.count("submission") > rows.count("#submission") + 2
    (suite.conf / "master.conf").write_text(rows)
    _, text = suite.postern("check")
    # What is not built yet is said, and nothing else.
    wrong = [line for line in text.splitlines() if "master.conf" in line
             and "is not available in this version" not in line]
    assert not wrong, text


TESTS = [workers_are_as_many_as_the_row_may_have,
         sockets_are_made_with_their_rights, queue_manager_is_replaced_by_one_of_another_name, sample_configuration_has_no_mistakes, workers_become_whom_they_are_for, services_are_woken,
         starts_and_stops, second_start_is_refused,
         links_are_made_by_the_contract, connections_go_where_the_row_says, the_dead_are_replaced, what_cannot_live_is_waited_for,
         more_processes_for_more_clients, reload_changes_what_comes_after,
         bad_reload_changes_nothing, bad_configuration_is_named,
         foreground_ends_with_its_signal, log_is_rotated, isolation_is_shown]


def main():
    failed = 0
    chosen = sys.argv[4:]
    for test in TESTS:
        if chosen and test.__name__ not in chosen:
            continue
        suite = suites.Suite(*PROGRAMS)
        try:
            test(suite)
            print("ok  ", test.__name__)
        except Exception:
            failed += 1
            print("FAIL", test.__name__)
            traceback.print_exc(file=sys.stdout)
            print(suite.log())
        finally:
            suite.close()
    return 1 if failed else 0


sys.exit(main())
