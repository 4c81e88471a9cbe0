#!/usr/bin/env python3
"""The marks of common/config/honoured.h are true: a parameter that is not
listed there is read somewhere, and one that is listed is not."""

import pathlib
import re
import sys

TOP = pathlib.Path(sys.argv[1]).resolve()
TREES = ["smtpd", "cleanup", "qmgr", "smtp", "local", "lookup", "authd",
         "tools", "master", "common"]

# The SMTP client reads its parameters by the part behind smtp_ or lmtp_; the
# queue manager those of a transport by the part behind its name; common/tls
# those of the server by the part behind smtpd.
DYNAMIC = {"smtp_": "smtp", "lmtp_": "smtp", "local": "qmgr",
           "smtpd": "common"}

# Read by common/config itself, or only as part of other values.
IN_VALUES = {"compatibility_level", "default_delivery_status_filter",
             "multi_instance_name", "mynetworks_style",
             "reject_tempfail_action"}

# Not available, and named in the code to refuse what depends on them, or to
# keep the files that they name from other processes.
REFUSED = {
    "smtpd_proxy_filter",
}


def words(path):
    return set(re.findall(r'"(\w+)"', path.read_text()))


def table():
    names = []
    for header in sorted((TOP / "common/config/parameters").glob("*.h")):
        names += re.findall(r'\b\w+\(\s*"(\w+)"', header.read_text())
    return names


def lists():
    text = (TOP / "common/config/honoured.h").read_text()
    found = {}
    for name in ("not_yet_honoured", "no_effect_needed"):
        body = re.search(name + r"\[\] = \{(.*?)\};", text, re.S).group(1)
        found[name] = re.findall(r'"(\w+)"', body)
    return found["not_yet_honoured"], found["no_effect_needed"]


class Sources:
    def __init__(self):
        self.by_tree = {}
        for tree in TREES:
            self.by_tree[tree] = set()
            for path in (TOP / tree).rglob("*"):
                if (path.suffix in (".h", ".cc") and
                        TOP / "common/config" not in path.parents):
                    self.by_tree[tree] |= words(path)
        self.all = set().union(*self.by_tree.values())

    def read(self, name):
        # A transport's parameters, and a command's.
        if name.startswith("_"):
            return (name in self.by_tree["qmgr"] or
                    name in self.by_tree["local"])
        if name in self.all:
            return True
        # common/tls asks for "_tls_CAfile" of whoever it works for.
        return any(name.startswith(prefix) and
                   (name[len(prefix):] in self.by_tree[tree] or
                    name[len(prefix) - 1:] in self.by_tree["common"])
                   for prefix, tree in DYNAMIC.items())


def main():
    faults = []
    names = table()
    if len(names) < 800:
        faults.append(f"only {len(names)} parameters found: has the form of "
                      "common/config/parameters changed?")
    not_yet, no_effect = lists()
    suffixes = re.findall(r'\(\s*"(_\w+)"',
                          (TOP / "common/config/service_parameters.h")
                          .read_text())
    known = set(names) | set(suffixes)
    listed = not_yet + no_effect
    for name in sorted(set(listed)):
        if name not in known:
            faults.append(f"{name} is listed, but there is no such parameter")
        if listed.count(name) > 1:
            faults.append(f"{name} is listed twice")
    sources = Sources()
    for name in names + suffixes:
        if name in listed or name in IN_VALUES:
            continue
        if not sources.read(name):
            faults.append(f"{name}: nothing reads it; list it in honoured.h")
    for name in sorted(listed):
        if sources.read(name) and name not in REFUSED:
            faults.append(f"{name}: it is read, yet honoured.h lists it")
    for name in sorted(REFUSED - set(not_yet)):
        faults.append(f"{name}: strike it from REFUSED in this test")
    for line in faults:
        print("common/config/honoured.h: " + line)
    print(f"{len(names)} parameters, {len(names) - len(set(names) & set(listed))}"
          f" honoured, {len(faults)} faults")
    return 1 if faults else 0


sys.exit(main())
