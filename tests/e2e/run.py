#!/usr/bin/python3
"""End-to-end tests of Longhaul: the real program, real files, real sockets on 127.0.0.1 and 127.0.0.2, real kill -9.

Runs as root (everything) and as an ordinary user (what needs root is skipped, and said). Prints one line a test, what the
processes said when one fails, and at last "N passed, N failed, N skipped".
"""

import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

# The order of these imports is the order of the tests: what shows a broken program soonest comes first.
import runner  # noqa: E402
import cases_transfer  # noqa: E402,F401
import cases_command_line  # noqa: E402,F401
import cases_refusals  # noqa: E402,F401
import cases_security  # noqa: E402,F401
import cases_ssh  # noqa: E402,F401
import cases_streams  # noqa: E402,F401
import cases_paths  # noqa: E402,F401
import cases_budget  # noqa: E402,F401
import cases_verdict  # noqa: E402,F401
import cases_selection  # noqa: E402,F401
import cases_fidelity  # noqa: E402,F401
import cases_names  # noqa: E402,F401
import cases_system_tree  # noqa: E402,F401
import cases_update  # noqa: E402,F401
import cases_publish  # noqa: E402,F401
import cases_publish_old  # noqa: E402,F401
import cases_mirror  # noqa: E402,F401
import cases_manifest  # noqa: E402,F401
import cases_sources  # noqa: E402,F401
import cases_holes  # noqa: E402,F401
import cases_compress  # noqa: E402,F401
import cases_delta  # noqa: E402,F401
import cases_checksum  # noqa: E402,F401
import cases_targets  # noqa: E402,F401
import cases_breaks  # noqa: E402,F401
import cases_live  # noqa: E402,F401
import cases_fabric  # noqa: E402,F401
import cases_verbs  # noqa: E402,F401
import cases_bench  # noqa: E402,F401
import cases_memory  # noqa: E402,F401
import cases_counts  # noqa: E402,F401
import cases_compare  # noqa: E402,F401

if __name__ == "__main__":
    sys.exit(runner.main(__doc__))
