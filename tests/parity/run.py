#!/usr/bin/env python3
"""Runs the parity scenarios and holds the result against our lists.

expected-failures.txt   scenarios of work that is not done yet; it only shrinks
differences.txt         scenarios where Postern differs on purpose, with reason

Every other scenario must pass; a listed one that passes must leave its list.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def names(file):
    out = {}
    for line in (HERE / file).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition(" ")
            out[name] = reason.strip()
    return out


def failures(text):
    return set(re.findall(r"^FAIL (\S+)", text, re.M))


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--parity", required=True, help="parity.py")
    ap.add_argument("--bin", required=True, help="directory of the programs")
    ap.add_argument("--all", action="store_true",
                    help="also run the expected failures")
    ap.add_argument("--keep", help="directory for transcripts of failures")
    ap.add_argument("globs", nargs="*")
    args = ap.parse_args()

    waiting, different = names("expected-failures.txt"), names("differences.txt")
    listing = subprocess.run([sys.executable, args.parity, "--list"],
                             capture_output=True, text=True, check=True).stdout
    known = [line.split()[0] for line in listing.splitlines() if line.strip()]
    gone = [n for n in list(waiting) + list(different) if n not in known]
    if gone:
        print("listed, but no such scenario:", " ".join(gone))
    run = [n for n in known
           if args.all or (n not in waiting and n not in different)]
    if args.globs:
        import fnmatch
        run = [n for n in run
               if any(fnmatch.fnmatch(n, g) for g in args.globs)]
    if not run:
        print("no scenario to run")
        return 1
    command = [sys.executable, args.parity] + run
    if args.keep:
        command[2:2] = ["--keep", args.keep]
    done = subprocess.run(command, capture_output=True, text=True,
                          env=dict(os.environ, POSTERN_BIN=args.bin))
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    failed = failures(done.stdout)
    # Two deliveries at a time may end in either order while the machine is
    # busy: what failed is run once more, one at a time.
    again = sorted(n for n in failed if n not in waiting and n not in different)
    if again:
        more = subprocess.run(
            [sys.executable, args.parity, "-j", "1", *again],
            capture_output=True, text=True,
            env=dict(os.environ, POSTERN_BIN=args.bin))
        print("once more, one at a time:\n" + more.stdout, end="")
        failed -= set(again) - failures(more.stdout)
    surprising = [n for n in failed
                  if n not in waiting and n not in different]
    healed = [n for n in run if n not in failed
              and (n in waiting or n in different)]
    if healed:
        print("these pass now; take them off the list:", " ".join(healed))
    print(f"scenarios: {len(known)} in all, {len(run) - len(failed)} passed, "
          f"{len(waiting)} wait for later work, "
          f"{len(different)} differ on purpose")
    if done.returncode != 0 and not failed:
        return 1
    return 1 if surprising else 0


if __name__ == "__main__":
    sys.exit(main())
