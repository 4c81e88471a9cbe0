#!/usr/bin/env python3
"""How fast tables are made and asked, beside Postfix's postmap in the same run.

    tables.py --bin build/bin [--postfix /usr/sbin/postmap] [--rows 1000000]
              [--keys 200000] [TYPE…]

Asking is `postmap -q -` with keys in random order, half of which are there; what
it takes to open the table (one key) is given apart and taken off. All figures are
seconds of processor time, or made from them, so that a busy machine does not
count; those of one run can be compared, those of different runs hardly."""

import argparse
import os
import pathlib
import random
import resource
import shutil
import sqlite3
import subprocess
import tempfile

# Tables of rules are gone through rule by rule, so they have fewer.
ROWS = {"cidr": 10_000, "regexp": 1_000, "pcre": 1_000}
TYPES = ["hash", "btree", "lmdb", "cdb", "texthash", "sqlite", "cidr",
         "regexp", "pcre"]
MADE = {"hash", "btree", "lmdb", "cdb"}


def address(i):
    return f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"


def source(kind, count):
    if kind == "cidr":
        return "".join(f"{address(2 * i)} value{i}\n" for i in range(count))
    if kind in ("regexp", "pcre"):
        return "".join(f"/^user{2 * i}@example\\.com$/ value{i}\n"
                       for i in range(count))
    return "".join(f"user{2 * i}@example.com value{i}@example.net\n"
                   for i in range(count))


def keys(kind, rows, count):
    choice = random.Random(1)
    name = address if kind == "cidr" else lambda i: f"user{i}@example.com"
    return "".join(name(choice.randrange(2 * rows)) + "\n"
                   for _ in range(count))


class Bench:
    def __init__(self, options):
        self.options = options
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="bench-tables."))
        (self.top / "main.conf").write_text(
            "compatibility_level = 3.6\nmyhostname = bench.test\n"
            "lmdb_map_size = 1000000000\n")
        shutil.copy(self.top / "main.conf", self.top / "main.cf")
        (self.top / "master.cf").write_text("")

    def run(self, program, *words, text=None):
        """Seconds of processor time, and how many lines came out."""
        def spent():
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)
            return usage.ru_utime + usage.ru_stime
        before = spent()
        done = subprocess.run([program, "-c", self.top, *words], text=True,
                              input=text, capture_output=True)
        seconds = spent() - before
        if done.returncode not in (0, 1) or "fatal" in done.stderr:
            raise RuntimeError(done.stderr.strip()[:200])
        return seconds, done.stdout.count("\n")

    def name(self, kind, rows):
        path = self.top / f"{kind}-{rows}"
        if path.exists():
            return f"{kind}:{path}"
        if kind == "sqlite":
            with sqlite3.connect(f"{path}.data") as made:
                made.execute("CREATE TABLE t (k TEXT PRIMARY KEY, v TEXT)")
                made.executemany(
                    "INSERT INTO t VALUES (?, ?)",
                    ((f"user{2 * i}@example.com", f"value{i}")
                     for i in range(rows)))
            path.write_text(f"dbpath = {path}.data\n"
                            "query = SELECT v FROM t WHERE k = '%s'\n")
        else:
            path.write_text(source(kind, rows))
        return f"{kind}:{path}"

    def one(self, kind, program):
        rows = min(self.options.rows, ROWS.get(kind, self.options.rows))
        count = self.options.keys if kind not in ROWS else \
            min(self.options.keys, 20_000)
        name, made = self.name(kind, rows), None
        if kind in MADE:
            made, _ = self.run(program, name)
        text = keys(kind, rows, count)
        opened, _ = self.run(program, "-q", "-", name,
                             text=text.split("\n", 1)[0] + "\n")
        asked, found = self.run(program, "-q", "-", name, text=text)
        return rows, made, opened, count / max(asked - opened, 0.01), found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--postfix", default=shutil.which("postmap", path=
                        "/usr/sbin:/usr/local/sbin"))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keys", type=int, default=200_000)
    parser.add_argument("types", nargs="*", default=TYPES)
    options = parser.parse_args()
    bench = Bench(options)
    print("load average:", os.getloadavg())
    print("| type | rows | | made, s | opened, s | look-ups a second |")
    print("| --- | --- | --- | --- | --- | --- |")
    try:
        for kind in options.types:
            counts = set()
            for who, program in (("Postern", options.bin / "postmap"),
                                 ("Postfix", options.postfix)):
                if not program:
                    continue
                try:
                    rows, made, opened, speed, found = bench.one(kind, program)
                except RuntimeError as error:
                    print(f"| {kind} | | {who} | {error} | | |")
                    continue
                counts.add(found)
                print(f"| {kind} | {rows} | {who} | "
                      f"{'' if made is None else f'{made:.1f}'} | "
                      f"{opened:.2f} | {speed:.0f} |", flush=True)
            assert len(counts) < 2, f"{kind}: answers differ: {counts}"
    finally:
        shutil.rmtree(bench.top)


if __name__ == "__main__":
    main()
