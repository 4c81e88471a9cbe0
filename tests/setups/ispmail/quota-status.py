"""Stands for Dovecot's quota-status: one mailbox is full."""
import sys
asked = {}
for line in sys.stdin:
    name, _, value = line.rstrip("\n").partition("=")
    if name:
        asked[name] = value
        continue
    full = asked.get("recipient") == "full@example.com"
    print("action=" + ("552 5.2.2 Mailbox is full" if full else "DUNNO") +
          "\n", flush=True)
    asked = {}
