"""Runs the unittests of a script and says how many there were, as tools/test reads it."""

import sys
import unittest


def main(module):
    """Prints "N passed, N failed, N skipped" at last. Returns the exit status."""
    result = unittest.TextTestRunner(stream=sys.stdout).run(unittest.defaultTestLoader.loadTestsFromModule(sys.modules[module]))
    failed = len(result.failures) + len(result.errors)
    for case, reason in result.skipped:
        print(f"skipped: {case}: {reason}")
    print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed, {len(result.skipped)} skipped")
    return 1 if failed or result.testsRun == 0 else 0
