#!/usr/bin/env python3
"""The profile of each process holds, in the real daemons of a running suite:
a forbidden file, socket and system call each fail from inside it."""

import os
import pwd
import shutil
import smtplib
import socket
import sys

from suite import Suite, wait_until

# What a profile grants of what the probe tries (common/sandbox/profiles.cc).
GRANTED = {
    "smtp": {"socket:inet", "socket:connect"},    # LMTP servers on this host
    "lookup": {"socket:inet", "socket:connect"},  # servers of databases
    "authd": {"socket:connect"},                  # saslauthd
}
DAEMONS = {"smtpd", "cleanup", "qmgr", "smtp", "local", "lookup", "worker",
           "authd"}
# lookup opens tables wherever they are readable; its own rights decide.
MAY_READ = {"lookup": {"file:secret"}, "worker": set()}


def outcomes(directory):
    found = {}
    for file in directory.glob("*.*"):
        name = file.name.split(".")[0]
        for line in file.read_text().splitlines():
            what, verdict, error = line.split()
            found.setdefault(name, {})[what] = (verdict, int(error))
    return found


def main(bin_dir, probe):
    user = pwd.getpwuid(os.geteuid()).pw_name
    suite = Suite.real(bin_dir)
    # Where the processes' users get to.
    probe = shutil.copy(probe, suite.top)
    probes = suite.top / "probes"
    probes.mkdir()
    probes.chmod(0o777)
    (probes / "secret").write_text("nobody's business")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(probes / "socket"))
    os.chmod(probes / "socket", 0o777)
    listener.listen()
    (suite.top / "mail").mkdir()
    suite.configure(
        rows="auth unix n - n - 1 authd\n",
        mydestination="mail.example.com", alias_maps="",
        local_recipient_maps="unix:passwd.byname",
        mail_spool_directory=suite.top / "mail", relayhost="[127.0.0.1]:1",
        mynetworks="127.0.0.0/8", smtpd_peername_lookup="no",
        import_environment=f"MAIL_CONFIG LD_PRELOAD={probe} "
                           f"POSTERN_PROBE={probes}")
    suite.start()
    try:
        # Each daemon comes up, the delivery agents by having work.
        with smtplib.SMTP("127.0.0.1", suite.port, timeout=10) as smtp:
            smtp.sendmail("a@client.test",
                          [f"{user}@mail.example.com", "far@away.test"],
                          "Subject: x\n\nx\n")
        wait_until(lambda: DAEMONS <= set(outcomes(probes)), 20)
        wait_until(lambda: (suite.top / "mail" / user).exists(), 20)
        return judge(outcomes(probes))
    except (AssertionError, OSError, smtplib.SMTPException) as error:
        print(error, sorted(outcomes(probes)))
        print(suite.log())
        return 1
    finally:
        listener.close()
        suite.close()


def judge(found):
    wrong = 0
    for name in sorted(DAEMONS):
        granted = GRANTED.get(name, set()) | MAY_READ.get(name, set())
        for what, (verdict, error) in sorted(found[name].items()):
            if what in granted:
                continue
            if verdict != "refused":
                wrong += 1
                print(f"{name}: {what} was allowed")
        refused = sum(v == "refused" for v, _ in found[name].values())
        print(f"{name}: {refused} of {len(found[name])} attempts refused")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
