#!/usr/bin/env python3
"""Pages that are printed from tables: are they what the programs print now?

    generated.py --bin BIN --build BUILD [--write]

compares the committed pages with what is printed, or writes them. BIN has the
tools, BUILD is the build directory with the printers."""

import argparse
import difflib
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]


def printers(programs, build):
    postconf = str(programs / "postconf")
    return {
        "docs/parameters.md": [postconf, "--markdown"],
        "docs/man/postconf.5": [postconf, "--manual"],
        "docs/formats/ipc.md": [str(build / "common/ipc/print_messages")],
        "docs/processes.md": [str(build / "common/sandbox/print_profiles")],
    }


def show(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode != 0 or not done.stdout:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}\n"
                 f"{done.stderr}")
    return done.stdout


def undeclared_messages(page):
    """Messages of common/ipc/messages that the page does not have: the list
    in the printer is written by hand."""
    names = set()
    for header in (TOP / "common/ipc/messages").glob("*.h"):
        names |= set(re.findall(r'\bmessage\(\s*"([\w.]+)"',
                                header.read_text()))
    if len(names) < 20:
        sys.exit("common/ipc/messages: too few declarations found")
    return [f"docs/formats/ipc.md: {name} is missing: list it in "
            "common/ipc/print_main.cc" for name in sorted(names)
            if f"### {name}\n" not in page]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    faults = []
    for name, command in printers(options.bin, options.build).items():
        page, path = show(command), TOP / name
        if name == "docs/formats/ipc.md":
            faults += undeclared_messages(page)
        if options.write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(page)
            print("wrote " + name)
            continue
        old = path.read_text() if path.exists() else ""
        if old == page:
            continue
        faults.append(f"{name} is out of date; write it with ./dev docs")
        faults += list(difflib.unified_diff(
            old.splitlines(), page.splitlines(), "committed", "printed",
            lineterm="", n=0))[:20]
    print("\n".join(faults) or "printed pages are up to date")
    return 1 if faults else 0


sys.exit(main())
