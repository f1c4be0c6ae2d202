"""Checks of a whole target that many cases make."""

import shutil

import data
from harness import Skip


def same(t, source, target):
    words = data.difference(source, target)
    t.check(not words, f"the target differs from the source: {words}")


def verify(t, target, status=0):
    return t.run("verify", "verify", "--json", target, status=status).done()


def need(tool, package):
    if not shutil.which(tool):
        raise Skip(f"{tool} is not installed (package {package})")
