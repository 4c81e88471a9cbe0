#!/usr/bin/env python3
"""Holds every co_await against the coroutine dialect (docs/house.md)."""

import pathlib
import re
import sys

TOP = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()

# Words that may stand before the name in "T name = co_await e;".
FORMS = (
    re.compile(r"^co_await\b[^;]*$", re.S),
    re.compile(r"^co_return\s+co_await\b[^;]*$", re.S),
    re.compile(r"^[\w.\->\[\]*()]+\s*=\s*co_await\b[^;]*$", re.S),
    re.compile(r"^(?:const\s+)?[\w:<>,*&\s]+[\s&*>]\w+\s*=\s*co_await\b[^;]*$",
               re.S),
)


def strip(text):
    """Blanks out comments, strings and preprocessor lines, keeps lines."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    text = re.sub(r'R"(\w*)\(.*?\)\1"', blank, text, flags=re.S)
    text = re.sub(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|"
                  r"'(?:\\.|[^'\\\n])'", blank, text, flags=re.S)
    return re.sub(r"^\s*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.M)


def statements(text):
    """(line, statement): what stands between ; { and }, parentheses whole."""
    start, depth = 0, 0
    for i, c in enumerate(text):
        if c in "([":
            depth += 1
        elif c in ")]":
            depth -= 1
        if c in ";{}" and (depth == 0 or c != ";"):
            piece = text[start:i]
            yield text.count("\n", 0, start) + 1 + (
                len(piece) - len(piece.lstrip())
                and piece[:len(piece) - len(piece.lstrip())].count("\n")), \
                piece.strip(), c
            start = i + 1


def main():
    bad = []
    for file in sorted(TOP.glob("**/*.cc")) + sorted(TOP.glob("**/*.h")):
        path = file.relative_to(TOP).as_posix()
        if (path.startswith(("build", "tests/"))
                or path == "common/loop/task.h"):
            continue
        text = strip(file.read_text())
        if "co_await" not in text:
            continue
        for line, statement, end in statements(text):
            if "co_await" not in statement:
                continue
            # "case x:", labels and "else" may stand before a statement.
            statement = re.sub(r"^(?:case\s+[\w:]+\s*:|default\s*:|else\b|"
                               r"\w+\s*:(?!:))\s*", "", statement)
            plain = re.sub(r"operator\s+co_await", "", statement)
            if "co_await" not in plain:
                continue
            why = None
            if end != ";":
                why = "a brace or a block in the statement of a co_await"
            elif plain.count("co_await") > 1:
                why = "two co_await in one statement"
            elif re.match(r"^(?:if|while|for|switch)\b", plain):
                why = "a co_await in a condition, or without braces"
            elif re.search(r"\bauto\s*&?\s*\[", plain):
                why = "a structured binding of a co_await"
            elif re.search(r"[?]", plain.split("co_await", 1)[1]):
                why = "a condition inside a co_await"
            elif re.search(r"\[[^\]]*\]\s*\(", plain.split("co_await", 1)[1]) \
                    and re.search(r"\[[&=\w, ]*\]\s*\(",
                                  plain.split("co_await", 1)[1]):
                why = "a lambda inside a co_await"
            elif not any(f.match(plain) for f in FORMS):
                why = "none of the four forms"
            if why:
                bad.append(f"{path}:{line}: {why}: {' '.join(plain.split())}")
    print("\n".join(bad) or "the dialect holds")
    return 1 if bad else 0


sys.exit(main())
