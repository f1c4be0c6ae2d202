#!/usr/bin/env python3
"""What bench/compare.py stands on: medians, order, table, chart, data, and the processes of a run. No mover is needed.
Prints "N passed, N failed, N skipped"."""

import os
import pathlib
import re
import signal
import sys
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tests/lab"), str(ROOT / "tests/e2e"), str(ROOT / "bench")]

import cage  # noqa: E402
import children  # noqa: E402
import comparison  # noqa: E402
import summed  # noqa: E402
import svg_chart  # noqa: E402
import wires  # noqa: E402
import workloads  # noqa: E402
from movers import MOVERS  # noqa: E402
from movers.mover import Mover  # noqa: E402

GIB = 1 << 30
SVG = "{http://www.w3.org/2000/svg}"


class Fake(Mover):
    def __init__(self, name, **more):
        self.name = name
        self.__dict__.update(more)


def run(seconds, cpu_seconds=1.0, memory_bytes=5 << 20):
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "memory_bytes": memory_bytes, "commands": [f"move {seconds}"]}


def group(rows, wire_name="plain", is_long=False):
    return {"workload": "one", "wire_name": wire_name, "words": "one file", "wire": "loopback, in clear", "is_long": is_long, "bytes": 2 * GIB,
            "files": 1, "lab": None, "rows": rows}


def some_rows():
    return [comparison.summarise(Fake("slow | one"), [run(4), run(8), run(6)], 2 * GIB),
            comparison.summarise(Fake("broken"), [run(1), {"failed": "it said\nno | way", "commands": []}], 2 * GIB),
            comparison.summarise(Fake("Longhaul", sealed=True, durable="yes"), [run(3)], 2 * GIB)]


class Figures(unittest.TestCase):
    def test_medians_and_spread(self):
        row = comparison.summarise(Fake("one"), [run(4, 2, 3 << 20), run(8, 6, 1 << 20), run(5, 3, 2 << 20)], 2 * GIB)
        self.assertEqual(row["seconds"], {"median": 5, "min": 4, "max": 8})
        self.assertEqual(row["cpu_s_per_gib"], {"median": 1.5, "min": 1, "max": 3})
        self.assertEqual(row["memory_mib"]["median"], 2)
        self.assertAlmostEqual(row["gb_per_s"]["median"], 2 * GIB / 5e9)

    def test_one_failure_is_a_failed_row(self):
        row = comparison.summarise(Fake("one"), [run(4), {"failed": "why"}], GIB)
        self.assertEqual(row["failed"], "why")
        self.assertNotIn("seconds", row)

    def test_each_round_begins_with_another(self):
        self.assertEqual([comparison.turned("abc", number) for number in range(4)], ["abc", "bca", "cab", "abc"])
        self.assertEqual(comparison.turned([], 3), [])

    def test_a_cell_shows_a_spread_only_where_there_is_one(self):
        self.assertEqual(comparison.cell({"median": 2, "min": 1, "max": 3}, 1), "2.0 [1.0-3.0]")
        self.assertEqual(comparison.cell({"median": 2, "min": 2, "max": 2}), "2.00")

    def test_a_long_reason_becomes_one_short_line(self):
        self.assertEqual(comparison.short("a\n b"), "a b")
        self.assertEqual(len(comparison.short("x " * 200, 50)), 50)


class Table(unittest.TestCase):
    def setUp(self):
        self.lines = comparison.group_lines(group(some_rows(), is_long=True))
        self.rows = [line for line in self.lines if line.startswith("| ")]

    def test_every_row_has_the_columns_of_the_head(self):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in self.rows}
        self.assertEqual(len(columns), 1, self.rows)

    def test_fastest_first_and_failed_last(self):
        self.assertEqual([line.split(" | ")[0] for line in self.rows], ["| mover", "| Longhaul", r"| slow \| one", "| broken"])

    def test_a_failure_says_why(self):
        self.assertIn(r"failed: it said no \| way", self.rows[-1])

    def test_the_page_names_what_was_skipped_and_how_each_was_started(self):
        setting = {"date": "d", "cpus": 2, "memory_gib": 1.0, "kernel": "k", "load": 0.0, "runs": 3, "divisor": 16, "warm_gib": 0.0,
                   "congestion": "cubic", "counts_by": "cgroup", "file_system": "tmpfs", "disk_file_system": "ext4"}
        page = comparison.markdown(setting, [group(some_rows())], {"xrdcp": "not installed"})
        for words in ("- xrdcp: not installed", "move 4", "divided by 16", "cubic"):
            self.assertIn(words, page)


class Chart(unittest.TestCase):
    def setUp(self):
        text = svg_chart.chart([group(some_rows()), group(some_rows(), "sealed")], "A <title>", "below & it")
        self.tree = xml.etree.ElementTree.fromstring(text)
        self.texts = [element.text for element in self.tree.iter(f"{SVG}text")]

    def bars(self):
        return [bar for bar in self.tree.iter(f"{SVG}rect") if bar.get("class") != "page"]

    def test_bars_are_as_long_as_the_time(self):
        widths = [float(bar.get("width")) for bar in self.bars()]
        self.assertEqual(len(widths), 4)  # two of each group; what failed has none
        self.assertAlmostEqual(widths[1] / widths[0], 2, delta=0.01)
        self.assertEqual([bar.get("class") for bar in self.bars()], ["ours", "bar"] * 2)

    def test_all_is_said_in_text(self):
        for words in ("A <title>", "below & it", "slow | one", "6.00 s, 0.50 CPU s/GiB, 5 MiB", "failed: it said no | way"):
            self.assertIn(words, self.texts)

    def test_nothing_is_outside_the_page(self):
        width, height = float(self.tree.get("width")), float(self.tree.get("height"))
        for bar in self.bars():
            self.assertLess(float(bar.get("x")) + float(bar.get("width")), width)
            self.assertLess(float(bar.get("y")) + float(bar.get("height")), height)


class Movers(unittest.TestCase):
    def test_names_are_all_different(self):
        names = [mover.name for mover in MOVERS]
        self.assertEqual(len(names), len(set(names)))

    def test_what_is_missing_is_named_with_its_package(self):
        self.assertEqual(Fake("one", packages={"no-such-program": "some-package", "sh": "dash"}).missing(), {"no-such-program": "some-package"})

    def test_who_has_no_place_where(self):
        loopback, tree, one = wires.Loopback(), workloads.WORKLOADS["many-4k"], workloads.WORKLOADS["one-4g"]
        unfit = {mover.name for mover in MOVERS if mover.unfit(one, loopback)}
        self.assertEqual(unfit, {"Longhaul, one path", "rsync daemon, 2 clients"})
        loopback.is_long = True
        self.assertEqual({mover.name for mover in MOVERS if mover.unfit(tree, loopback)}, {"cp -r (no network)"})


class Data(unittest.TestCase):
    def test_a_quick_look_divides_sizes_or_numbers(self):
        self.assertEqual(workloads.WORKLOADS["one-4g"].divided(16).file_bytes, 256 << 20)
        small = workloads.WORKLOADS["many-4k"].divided(16)
        self.assertEqual((small.files, small.file_bytes), (12500, 4096))
        checkpoint = workloads.WORKLOADS["checkpoint"].divided(16)
        self.assertEqual((checkpoint.files, checkpoint.file_bytes, checkpoint.small_files), (8, 16 << 20, 125))

    def test_small_files_come_from_the_seed(self):
        with tempfile.TemporaryDirectory() as scratch:
            sizes = [workloads.make_small(20, os.path.join(scratch, name), seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
            found = [sum(path.stat().st_size for path in pathlib.Path(scratch, name).iterdir()) for name in "abc"]
        self.assertEqual(sizes, found)
        self.assertEqual(sizes[0], sizes[1])
        self.assertNotEqual(sizes[0], sizes[2])


class Processes(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.log = os.path.join(scratch.name, "log")

    def test_who_fails_says_why(self):
        with self.assertRaisesRegex(children.Failed, "(?s)ended with 3.*no luck"):
            children.Child(["sh", "-c", "echo no luck; exit 3"], self.log).end(20)

    def test_who_takes_too_long_is_killed(self):
        child = children.Child(["sleep", "60"], self.log)
        with self.assertRaisesRegex(children.Failed, "sleep 60 was not done after 7 s"):
            child.end(0.1, 7)
        self.assertFalse(child.runs())

    def test_who_has_ended_can_be_killed(self):
        child = children.Child(["true"], self.log)
        while child.runs():
            time.sleep(0.01)
        child.kill()
        child.kill()

    def test_who_waits_can_be_interrupted(self):
        """And nothing is left that would hold up the end of the program until the deadline."""
        def interrupt(_number, _frame):
            raise InterruptedError

        before = signal.signal(signal.SIGALRM, interrupt)
        child = children.Child(["sleep", "60"], self.log)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with self.assertRaises(InterruptedError):
                child.end(60)
            deadline = time.monotonic() + 10
            while any(isinstance(each, threading.Timer) for each in threading.enumerate()) and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertFalse([each for each in threading.enumerate() if isinstance(each, threading.Timer)])
        finally:
            signal.signal(signal.SIGALRM, before)
            child.kill()

    def still_runs(self, pid):
        """Not: has ended, and nobody has asked how."""
        state = re.search(r"State:\s+(\w)", cage.read(f"/proc/{pid}/status"))
        return state is not None and state[1] not in "ZX"

    def whole_cage(self):
        """CPU and memory of a grandchild are seen, and it is gone after close()."""
        ours = cage.Cage()
        try:
            work = "import time\nheld = bytes([1]) * (50 << 20)\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
            child = ours.start(["sh", "-c", f"'{sys.executable}' -c '{work}time.sleep(60)' & wait"], self.log)
            ours.watch_memory()
            deadline = time.monotonic() + 20
            while ours.cpu_seconds() < 0.25 and time.monotonic() < deadline:
                time.sleep(0.02)
            self.assertGreaterEqual(ours.cpu_seconds(), 0.25)
            self.assertEqual(len(ours.pids()), 2)
            self.assertGreater(ours.still(), 50 << 20)
        finally:
            pids = ours.pids()
            ours.close()
        self.assertFalse(child.runs())
        self.assertFalse([pid for pid in pids if self.still_runs(pid)])
        return ours

    def test_a_cage_without_a_cgroup(self):
        found, cage.cgroup_of_us = cage.cgroup_of_us, lambda: None
        try:
            self.assertEqual(self.whole_cage().counts_by, "/proc and wait4")
        finally:
            cage.cgroup_of_us = found

    def test_a_cage_by_cgroup(self):
        probe = cage.Cage()
        probe.close()
        if not probe.group:
            self.skipTest("no cgroup (v2) can be made here")
        self.assertFalse(os.path.exists(self.whole_cage().group))

    def test_what_listens_is_seen(self):
        with wires.socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            self.assertTrue(wires.listens(os.getpid(), port))
        self.assertFalse(wires.listens(os.getpid(), port))


if __name__ == "__main__":
    sys.exit(summed.main(__name__))
