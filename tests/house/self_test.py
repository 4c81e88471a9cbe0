#!/usr/bin/env python3
"""The project speaks of itself alone, and its documents tell the truth:
links and `path#symbol` references lead somewhere."""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(sys.argv[1]).resolve()


def tracked():
    listing = subprocess.run(["git", "-C", str(TOP), "ls-files"],
                             capture_output=True, text=True)
    if listing.returncode == 0 and listing.stdout:
        return [TOP / name for name in listing.stdout.splitlines()]
    return [p for p in TOP.glob("**/*") if p.is_file()
            and not p.relative_to(TOP).as_posix().startswith("build")]


def main():
    bad = []
    for file in tracked():
        if not file.is_file():
            continue
        path = file.relative_to(TOP).as_posix()
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        if re.search(r"(?<![\w.])/(?:work|root|home/\w+)/(?:main|shared|postern)\b",
                     text) and path != "tests/house/self_test.py":
            bad.append(f"{path}: names a path of some machine")
        if not path.endswith(".md"):
            continue
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            if not (file.parent / target).exists():
                bad.append(f"{path}: links to {target}, which is not there")
        for name, symbol in re.findall(r"`([\w./-]+\.(?:h|cc|py))#(\w+)`", text):
            source = TOP / name
            if not source.exists():
                bad.append(f"{path}: names {name}, which is not there")
            elif not re.search(rf"\b{symbol}\b", source.read_text()):
                bad.append(f"{path}: {name} has no {symbol}")
    print("\n".join(bad) or "documents hold")
    return 1 if bad else 0


sys.exit(main())
