#!/usr/bin/env python3
"""local_login_sender_maps, which postdrop enforces: sender_test.py BIN."""

import os
import pwd
import sys
import traceback

from suite import Suite


def send(suite, sender, text="text\n", **options):
    return suite.tool("sendmail", "-f", sender, "x@discard.test",
                      input=f"Subject: hello\n\n{text}", **options)


def allowed(suite, sender, **options):
    before = suite.log().count("status=sent")
    done = send(suite, sender, **options)
    assert (done.returncode, done.stdout) == (0, ""), (sender, done)
    suite.logged_lines("status=sent", before + 1, 30)


def refused(suite, uid, sender, **options):
    done = send(suite, sender, **options)
    assert done.returncode == 75, (sender, done)
    assert done.stdout == (
        f"sendmail: fatal: {sender}({uid}): not authorized to use "
        f"sender='{sender}'\n"), (sender, done)


def patterns(suite):
    """A user sends as the table says."""
    uid, name = os.geteuid(), pwd.getpwuid(os.geteuid()).pw_name
    configure(suite, f"inline:{{ {{{name} = {name}, info@example.com "
                     f"@own.test}} }}")
    suite.start()
    for sender in (name, "Info@example.com", "info+x@example.com",
                   "any@own.test"):
        allowed(suite, sender)
    for sender in ("other", "info@other.test", "any@sub.own.test", ""):
        refused(suite, uid, sender)
    # However much follows the envelope.
    refused(suite, uid, "other", text="a line of text\n" * 200_000)
    assert "status=deferred" not in suite.log()


def null_sender(suite):
    """Allowed by "<>", or by the key that stands for it."""
    uid, name = os.geteuid(), pwd.getpwuid(os.geteuid()).pw_name
    configure(suite, f"inline:{{ {{{name} = {name} <>}} }}")
    allowed(suite, "")
    configure(suite, f"inline:{{ {{{name} = {name} <>}} }}",
              empty_address_local_login_sender_maps_lookup_key="nobody@null")
    refused(suite, uid, "")
    configure(suite, f"inline:{{ {{{name} = nobody@null}} }}",
              empty_address_local_login_sender_maps_lookup_key="nobody@null")
    allowed(suite, "")


def nobody_known(suite):
    """Without an entry nobody sends; a table that fails is no permission."""
    uid = os.geteuid()
    configure(suite, "inline:{ {somebodyelse = *} }")
    for sender in ("other", ""):
        refused(suite, uid, sender)
    configure(suite, f"hash:{suite.conf}/missing")
    done = send(suite, "other")
    assert done.returncode == 75, done
    assert "local_login_sender_maps" in done.stdout, done
    assert "not authorized" not in done.stdout, done


def configure(suite, tables, **settings):
    suite.configure(local_login_sender_maps=tables, recipient_delimiter="+",
                    transport_maps="inline:{discard.test=discard:}", **settings)


def main():
    suite = Suite.real(sys.argv[1])
    failed = 0
    try:
        for test in (patterns, null_sender, nobody_known):
            try:
                test(suite)
                print("ok  ", test.__name__)
            except Exception:
                failed += 1
                print("FAIL", test.__name__)
                traceback.print_exc(file=sys.stdout)
        if failed:
            print(suite.log())
    finally:
        suite.close()
    return 1 if failed else 0


sys.exit(main())
