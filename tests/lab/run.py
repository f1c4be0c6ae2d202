#!/usr/bin/python3
"""Several long-haul paths at once: the real program between two network namespaces, over paths with delay, rate, loss and cuts.

Needs root and TUN devices (else everything is skipped, and said). Random schedules print their seed: LONGHAUL_LAB_SEED=N and the
case's name run one again. Figures that are wished for are printed; LONGHAUL_LAB_STRICT=1 makes each one that is missed a
failure. Prints at last "N passed, N failed, N skipped".
"""

import pathlib
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

# The order of these imports is the order of the tests: the lab itself comes first.
import runner  # noqa: E402
import cases_lab  # noqa: E402,F401
import cases_shares  # noqa: E402,F401
import cases_losses  # noqa: E402,F401
import cases_harm  # noqa: E402,F401
import cases_discovery  # noqa: E402,F401
import cases_slots  # noqa: E402,F401

if __name__ == "__main__":
    sys.exit(runner.main(__doc__))
