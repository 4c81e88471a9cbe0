#!/usr/bin/env python3
"""Every header compiles alone."""

import concurrent.futures
import os
import pathlib
import shlex
import subprocess
import sys

TOP = pathlib.Path(sys.argv[1]).resolve()
CXX = shlex.split(os.environ.get("CXX", "g++"))
FLAGS = ["-std=c++20", "-fsyntax-only", "-D_GNU_SOURCE", '-DPOSTERN_VERSION="x"',
         "-I", str(TOP), "-x", "c++"]


def compile_alone(header):
    done = subprocess.run(CXX + FLAGS + [str(header)], capture_output=True,
                          text=True)
    # g++ names a main file's "#pragma once"; that is no fault of the header.
    errors = [l for l in done.stderr.splitlines() if "error" in l]
    return header, done.returncode, "\n".join(errors[:4])


def main():
    headers = [h for h in TOP.glob("**/*.h")
               if not h.relative_to(TOP).as_posix().startswith("build")]
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, code, errors in pool.map(compile_alone, sorted(headers)):
            if code != 0:
                bad += 1
                print(f"{header.relative_to(TOP)}: does not compile alone\n"
                      f"{errors}")
    print(f"{len(headers) - bad} of {len(headers)} headers compile alone")
    return 1 if bad else 0


sys.exit(main())
