"""Explanations of refusals, held against the log that told of them: for each
reject line, `postern explain` with that line names the same reply and a
restriction or parameter."""

import json
import re
import subprocess

import envelopes

EVENT = re.compile(r"/smtpd\[\d+\]: (?:NOQUEUE|\w+): reject: (\S+) from .*")


def row_of_port(master, port):
    """The row of master.conf that listens there, by number or by name."""
    names = {"25": "smtp", "587": "submission", "465": "smtps"}
    for line in master.read_text().splitlines():
        name, *rest = line.split()[:2] if line.split() else [""]
        if rest == ["inet"] and name.rpartition(":")[2] in (
                port, names.get(port), {"465": "submissions"}.get(port)):
            return name
    raise AssertionError(f"no row for port {port}")


def explained(postern, line, *options):
    done = subprocess.run(
        [*postern.tool("postern"), "explain", "--json", *options, "--line",
         line], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=120)
    assert done.returncode in (0, 1), (line, done.stdout, done.stderr)
    (answer,) = json.loads(done.stdout)
    return answer


def check(line, answer):
    """What explain says of a line: the reply and who made it."""
    decided = answer["decided_by"]
    assert decided, (line, answer)
    limits = ("message_size_limit", "queue_minfree", "smtpd_recipient_limit",
              "smtpd_forbid_bare_newline", "smtpd_reject_unlisted_recipient")
    if decided["kind"] == "stage" and decided["text"] in limits:
        return
    # A table's text may name who asked for it when; that is not told again.
    assert answer["reply"] == answer["logged"], (
        line, answer["reply"], json.dumps(answer, indent=1))


def explain_session(postern, options, lines, text):
    """How many refusals of one session, told in `text`, were explained."""
    count, login = 0, []
    row = row_of_port(postern.master_file(), options.get("port", "25"))
    for line in lines:
        if line.startswith("AUTH ") and "wrong" not in line:
            login = ["--sasl-user", line.split()[1]]
        if line.startswith("XCLIENT") and "LOGIN=" in line:
            login = ["--sasl-user", line.partition("LOGIN=")[2].split()[0],
                     "--sasl-method", "XCLIENT"]
    encrypted = ["--tls"] if "tls" in options else []
    for each in text.splitlines():
        if "TLS connection established from" in each:
            encrypted = ["--tls"]
        if not EVENT.search(each):
            continue
        answer = explained(postern, each, "--service", row, "--ask-policy",
                           *login, *encrypted)
        check(each, answer)
        count += 1
    return count


def explain_refusals(postern, setup, texts):
    """Of all envelopes of a set-up; `texts`: what the log told of each."""
    sessions = envelopes.read(setup.top / "envelopes")
    return sum(explain_session(postern, options, lines, text)
               for (_, options, lines), text in zip(sessions, texts))
