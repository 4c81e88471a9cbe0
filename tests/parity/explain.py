#!/usr/bin/env python3
"""Asks `postern explain` about every refusal that the scenarios of parity.py
produce: explain.py --parity PARITY.PY --bin DIR [GLOB…] (access-* and smtp-*
without a glob). Each scenario runs with one more step, which hands each reject
line of smtpd to `explain --line`; the reply must be the logged one, and a
restriction or parameter must be named.

What the log does not tell (who had logged in, the row of a port, TLS) is tried:
one of the possible sessions must explain the line."""

import argparse
import fnmatch
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# Runs within the scenario; its output is what this program reads.
STEP = r'''
== settle
== sh noerr
python3 - <<'END'
import itertools, json, re, subprocess
USERS = @USERS@
rows = []
for line in open("/srv/mail/conf/master.conf"):
    words = line.split()
    if len(words) > 7 and words[7] == "smtpd" and words[1] in ("inet", "pass"):
        rows.append(words[0])
log = open("/var/log/mail.log", errors="replace").read()
# "warning: reject: ETRN" is the session's own, with its reason in the line.
event = re.compile(r"/smtpd\[\d+\]: (?!warning)\w+: reject: ")
limits = ("message_size_limit", "queue_minfree", "smtpd_recipient_limit",
          "smtpd_forbid_bare_newline", "smtpd_reject_unlisted_recipient")
done = set()
def ask(line, row, user, tls):
    words = ["postern", "-c", "/srv/mail/conf", "explain", "--json",
             "--ask-policy", "--service", row, "--line", line]
    if user: words += ["--sasl-user", user]
    if tls: words += ["--tls"]
    out = subprocess.run(["/srv/mail/daemons/" + words[0]] + words[1:],
                         capture_output=True, text=True, timeout=60)
    try:
        return json.loads(out.stdout)[0]
    except Exception:
        return {"decided_by": None, "reply": out.stderr[-300:], "logged": ""}
def fits(answer):
    who = answer["decided_by"]
    if not who: return False
    if who["kind"] == "stage": return who["text"] in limits
    if who["text"].split()[-1].startswith("reject_unverified"): return True
    return answer["reply"] == answer["logged"]
for line in log.splitlines():
    if not event.search(line): continue
    key = re.sub(r"^.*?: (?=\w+: reject)", "", line)
    if key in done: continue
    done.add(key)
    first, tried = None, itertools.product(rows, [None] + USERS, (False, True))
    for row, user, tls in tried:
        answer = ask(line, row, user, tls)
        first = first or answer
        if fits(answer): break
    else:
        print("UNEXPLAINED", key, "=>", first["reply"], first["decided_by"])
        continue
    print("EXPLAINED", key, "=>", answer["decided_by"]["text"])
END
'''


def with_step(scenario):
    text = scenario.read_text()
    users = sorted(set(re.findall(r"^== dovecot[^\n]*\n((?:\S+:[^\n]*\n)+)",
                                  text, re.M)))
    names = sorted({line.split(":")[0] for block in users
                    for line in block.splitlines()})
    names += sorted(set(re.findall(r"LOGIN=(\S+)", text)))
    return text.rstrip("\n") + "\n" + STEP.replace("@USERS@", repr(names))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--parity", required=True, help="parity.py")
    ap.add_argument("--bin", required=True, help="directory of the programs")
    ap.add_argument("-j", default="2")
    ap.add_argument("globs", nargs="*", default=["access-*", "smtp-*"])
    args = ap.parse_args()
    source = pathlib.Path(args.parity).resolve().parent / "scenarios"
    explained, bad, count = 0, 0, 0
    with tempfile.TemporaryDirectory() as top:
        tree, kept = pathlib.Path(top, "scenarios"), pathlib.Path(top, "kept")
        tree.mkdir()
        for scenario in sorted(source.glob("*.scn")):
            if not any(fnmatch.fnmatch(scenario.stem, each)
                       for each in args.globs):
                continue
            count += 1
            (tree / scenario.name).write_text(with_step(scenario))
            # None passes, so that each transcript is kept.
            (tree / (scenario.stem + ".golden")).write_text("-\n")
        subprocess.run(
            [sys.executable, args.parity, "-j", args.j, "--timeout", "240",
             "--keep", str(kept), "--scenarios", str(tree)],
            stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
            env=dict(os.environ, POSTERN_BIN=args.bin), check=False)
        for scenario in sorted(tree.glob("*.scn")):
            transcript = kept / (scenario.stem + ".out")
            if not transcript.exists():
                print("no transcript of", scenario.stem)
                bad += 1
                continue
            text = transcript.read_text()
            explained += len(re.findall(r"^1> EXPLAINED ", text, re.M))
            for line in re.findall(r"^1> UNEXPLAINED .*|^<DEADLINE>", text,
                                   re.M):
                print(f"{scenario.stem}: {line}")
                bad += 1
            if os.environ.get("EXPLAIN_VERBOSE"):
                print("\n".join(re.findall(r"^1> EXPLAINED .*", text, re.M)))
    print(f"{count} scenarios, {explained} refusals explained, {bad} not")
    return 1 if bad or not explained else 0


sys.exit(main())
