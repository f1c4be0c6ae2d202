"""Checks of a whole target that many cases make."""

import data


def same(t, source, target):
    words = data.difference(source, target)
    t.check(not words, f"the target differs from the source: {words}")


def verify(t, target, status=0):
    return t.run("verify", "verify", "--json", target, status=status).done()
