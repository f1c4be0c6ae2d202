#!/usr/bin/python3
"""Power failures, bad disks and rot: the real program on real file systems whose disk loses, at a cut, what was not flushed. And
file systems that are far away.

Needs root, FUSE and loop devices (else everything is skipped, and said). A case prints its seed: LONGHAUL_CRASH_SEED=N and the
case's name run it again with the same sizes, moments and losses. Prints at last "N passed, N failed, N skipped".
"""

import pathlib
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

# The order of these imports is the order of the tests: the disk itself comes first.
import runner  # noqa: E402
import cases_disk  # noqa: E402,F401
import cases_cuts  # noqa: E402,F401
import cases_faults  # noqa: E402,F401
import cases_far  # noqa: E402,F401

if __name__ == "__main__":
    sys.exit(runner.main(__doc__))
