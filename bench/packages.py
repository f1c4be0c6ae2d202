"""Debian packages of other movers, without starting the servers that come with them."""

import contextlib
import os
import shutil
import subprocess
import sys

POLICY = "/usr/sbin/policy-rc.d"
# 101: what is installed is not to start anything.
REFUSE = f"[ -e {POLICY} ] || {{ printf '#!/bin/sh\\nexit 101\\n' >{POLICY} && chmod 755 {POLICY} && echo made; }}"


@contextlib.contextmanager
def nothing_starts(as_root):
    """Where the system has no rule of its own for it, one that stands as long as this."""
    made = subprocess.run([*as_root, "sh", "-c", REFUSE], capture_output=True, text=True, check=False).stdout.strip() == "made"
    try:
        yield
    finally:
        if made:
            subprocess.run([*as_root, "rm", POLICY], check=False)


def install(packages):
    """Installs them; returns the exit status."""
    if not packages:
        print("compare.py: all movers are installed")
        return 0
    names = " ".join(sorted(packages))
    if not shutil.which("apt-get"):
        print(f"compare.py: this machine has no apt-get. Install what corresponds to these Debian packages: {names}", file=sys.stderr)
        return 1
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    if as_root and not shutil.which("sudo"):
        print(f"compare.py: not root and no sudo here. Ask an administrator to run: apt-get install {names}", file=sys.stderr)
        return 1
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    with nothing_starts(as_root):
        for words in (["update"], ["install", "-y", "--no-install-recommends", *sorted(packages)]):
            status = subprocess.run([*apt, *words], check=False).returncode
            if status != 0:
                print(f"compare.py: apt-get {words[0]} ended with {status} (its words are above)", file=sys.stderr)
                return status
    return 0
