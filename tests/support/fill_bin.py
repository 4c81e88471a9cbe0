#!/usr/bin/env python3
"""Fills a directory with all programs: fill_bin.py STAMP DIRECTORY WHAT...

WHAT is NAME=FILE for a program, or NAME:PROGRAM for another name of one. Hard
links, so that the directory works wherever it is mounted.
"""

import os
import shutil
import sys


# As they are installed: local/meson.build says why.
UNREADABLE = ("worker", "runner")


def place(source, target):
    beside = target + ".new"
    if os.path.lexists(beside):
        os.unlink(beside)
    try:
        os.link(source, beside)
    except OSError:
        shutil.copy2(source, beside)
    os.replace(beside, target)
    # Two names of one file: replacing does nothing, and leaves both.
    if os.path.lexists(beside):
        os.unlink(beside)


def main():
    stamp, directory, *wanted = sys.argv[1:]
    os.makedirs(directory, exist_ok=True)
    files = dict(each.split("=", 1) for each in wanted if "=" in each)
    names = dict(files)
    for each in wanted:
        if "=" not in each:
            name, program = each.split(":", 1)
            names[name] = files[program]
    for name in os.listdir(directory):
        if name not in names:
            os.unlink(os.path.join(directory, name))
    for name, source in names.items():
        target = os.path.join(directory, name)
        place(source, target)
        if name in UNREADABLE:
            os.chmod(target, 0o711)
    with open(stamp, "w", encoding="utf-8") as file:
        file.write("\n".join(sorted(names)) + "\n")


main()
