#!/usr/bin/env python3
"""The project speaks of itself alone, and its documents tell the truth:
links and `path#symbol` references lead somewhere."""

import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(sys.argv[1]).resolve()


def tracked():
    try:
        listing = subprocess.run(["git", "-C", str(TOP), "ls-files"],
                                 capture_output=True, text=True)
    except FileNotFoundError:
        listing = None  # a machine without git
    if listing and listing.returncode == 0 and listing.stdout:
        return [TOP / name for name in listing.stdout.splitlines()]
    return [p for p in TOP.glob("**/*") if p.is_file()
            and not p.relative_to(TOP).as_posix().startswith(("build", ".git/"))]


def manuals():
    folder = TOP / "docs/man"
    installed = set(re.findall(r"'([\w.-]+\.[1-8])'",
                               (folder / "meson.build").read_text()))
    pages = {page.name for page in folder.glob("*.[1-8]")}
    return [f"docs/man/{name}: not installed by docs/man/meson.build"
            for name in sorted(pages - installed)]


def log_shapes():
    """The words of each shape in docs/logging.md stand in a source file."""
    sources = ""
    for tree in ("smtpd", "cleanup", "qmgr", "smtp", "local", "lookup",
                 "authd", "master", "tools", "common"):
        for path in (TOP / tree).rglob("*.cc"):
            text = re.sub(r'\\(.)', r"\1", path.read_text())
            sources += re.sub(r'"\s*"', "", text) + "\n"
    bad, shapes = [], 0
    for line in (TOP / "docs/logging.md").read_text().splitlines():
        cells = line.split(" | ")
        if not line.startswith("| ") or len(cells) < 3:
            continue
        for shape in re.findall(r"`([^`]+)`", cells[1]):
            shapes += 1
            shape = re.sub(r"^(warning|error|fatal): ", "", shape)
            # Words between what varies: capitals, numbers of theirs, dots.
            words = re.split(r"\[?<?\b[A-Z][A-Z.]*\b>?\]?|…|/| -- |\ba/b/c/d\b",
                             shape)
            longest = max(words, key=len).strip(" :;,()[]\"")
            if longest and longest not in sources:
                bad.append(f"docs/logging.md: no source says \"{longest}\"")
    if shapes < 20:
        bad.append("docs/logging.md: its table has another form")
    return bad


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
    bad += manuals() + log_shapes()
    print("\n".join(bad) or "documents hold")
    return 1 if bad else 0


sys.exit(main())
