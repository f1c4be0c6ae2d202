#!/usr/bin/env python3
"""The end-to-end cases that need a device of RDMA (tests/e2e/cases_verbs.py), in a virtual machine that has one: soft-RoCE under
Debian's own kernel. Takes some ten minutes. Where the machine has not been set up (tests/rdma/rdmavm setup), that is said and counted as
skipped. Prints at last "N passed, N failed, N skipped"."""

import argparse
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TIMEOUT_S = 1500
NOT_SET_UP = 77


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=ROOT / "build/tools/longhaul", type=pathlib.Path)
    parser.add_argument("words", metavar="WORD", nargs="*", help="only cases with a WORD in their name")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("skipped: the virtual machine sees this machine's files as root only\n0 passed, 0 failed, 1 skipped")
        return NOT_SET_UP
    # Debian's own python and its /var/tmp: the machine has all of this one's files, and writes to memory.
    done = subprocess.run([HERE / "rdmavm", "run", "--timeout", str(TIMEOUT_S), "/usr/bin/python3", ROOT / "tests/e2e/run.py",
                           "--binary", options.binary.resolve(), "--of", "verbs", *options.words], check=False)
    if done.returncode == NOT_SET_UP:
        print("skipped: there is no virtual machine with a device of RDMA: tests/rdma/rdmavm setup makes one\n0 passed, 0 failed, 1 skipped")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
