#!/usr/bin/env python3
"""Reads every #include and holds it against layers.txt; refuses cycles."""

import fnmatch
import pathlib
import re
import sys

TOP = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def read_rules():
    may, headers = {}, {}
    for line in (TOP / "tests/house/layers.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        left, _, right = line.partition(":")
        left = left.strip()
        if left.startswith("headers "):
            headers[left.split()[1]] = right.split()
        else:
            may[left] = right.split()
    return may, headers


def layer_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "common" else parts[0]


def allowed(rules, user, used):
    if user == used or "anything" in rules.get(user, []):
        return True
    if used.startswith("common/"):
        return ("common" in rules.get(user, [])
                or used.split("/")[1] in rules.get(user, []))
    return False


def main():
    may, headers = read_rules()
    bad = []
    names = list(may)
    for user, used in may.items():
        for name in used:
            if name in ("common", "anything"):
                continue
            if names.index("common/" + name) > names.index(user):
                bad.append(f"layers.txt: {user} uses {name}, which comes later")
    for file in sorted(TOP.glob("**/*.[hc]*")):
        path = file.relative_to(TOP).as_posix()
        if file.suffix not in (".h", ".cc") or path.startswith("build"):
            continue
        user = layer_of(path)
        if user not in may:
            bad.append(f"{path}: no rule for the folder {user}")
            continue
        for kind, name in INCLUDE.findall(file.read_text()):
            if kind == '"' and not allowed(may, user, layer_of(name)):
                bad.append(f"{path}: {user} may not use {name}")
            for pattern, users in headers.items():
                if (fnmatch.fnmatch(name, pattern) and user not in users
                        and user != "tests"):
                    bad.append(f"{path}: {name} belongs to {' '.join(users)}")
    print("\n".join(bad) or "layers hold")
    return 1 if bad else 0


sys.exit(main())
