#!/usr/bin/env python3
"""What bench/counts.py and bench/scaling.py stand on: counting one program, medians per GiB and per file, the model, tables. No Longhaul is needed.
Prints "N passed, N failed, N skipped"."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tests/lab"), str(ROOT / "tests/e2e"), str(ROOT / "bench")]

import counts  # noqa: E402
import scaling  # noqa: E402
import summed  # noqa: E402

MIB = 1 << 20


def end(calls=None, voluntary=10, cpu_s=1.0):
    return {"user_s": cpu_s / 4, "system_s": cpu_s * 3 / 4, "peak_bytes": 40 * MIB, "switches_voluntary": voluntary, "switches_involuntary": 4,
            "faults": 100, "syscalls": calls, "hardware": None, "without": []}


def run(calls=None, **more):
    return {"sender": end(calls, **more), "receiver": end(calls, **more)}


class OneProgram(unittest.TestCase):
    def counted(self, *command):
        with tempfile.TemporaryDirectory() as scratch:
            out = pathlib.Path(scratch) / "counts"
            done = subprocess.run([sys.executable, "-B", ROOT / "bench/counted.py", out, *command], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=30, check=False)
            return done, json.loads(out.read_text())

    def test_calls_and_status(self):
        done, few = self.counted("dd", "if=/dev/zero", "of=/dev/null", "bs=512", "count=100")
        self.assertEqual(done.returncode, 0)
        self.assertGreater(few["peak_bytes"], MIB)
        if few["syscalls"] is None:
            self.skipTest("; ".join(few["without"]))
        for _ in range(10):  # a kernel that lost the rest behind a pause did so in one run of ten
            again = self.counted("dd", "if=/dev/zero", "of=/dev/null", "bs=512", "count=100")[1]
            self.assertEqual(again["syscalls"]["read"], few["syscalls"]["read"])
        _, many = self.counted("dd", "if=/dev/zero", "of=/dev/null", "bs=512", "count=1100")
        for name in ("read", "write"):
            self.assertEqual(many["syscalls"][name] - few["syscalls"][name], 1000, name)
        self.assertEqual(many["syscalls"]["all"], sum(number for name, number in many["syscalls"].items() if name != "all"))

    def test_children_and_their_end(self):
        done, figures = self.counted("sh", "-c", "dd if=/dev/zero of=/dev/null bs=512 count=500 2>/dev/null; exit 3")
        self.assertEqual((done.returncode, figures["status"]), (3, 3))
        if figures["syscalls"] is None:
            self.skipTest("; ".join(figures["without"]))
        self.assertGreaterEqual(figures["syscalls"]["write"], 500)

    def test_a_signal_and_a_program_that_is_not_there(self):
        done, figures = self.counted("sh", "-c", "kill -9 $$")
        self.assertEqual((done.returncode, figures["status"]), (137, -9))
        done, figures = self.counted("no-such-program-of-longhaul")
        self.assertEqual(figures["status"], 127)
        self.assertIn("No such file", done.stderr)


class Counts(unittest.TestCase):
    def test_per_unit(self):
        summary = counts.summarise([run({"all": 400, "pread64": 300, "other": 100}), run({"all": 600, "pread64": 300, "futex": 300})], 2)["sender"]
        self.assertEqual(summary["syscalls"], {"median": 250, "min": 200, "max": 300})
        self.assertEqual(summary["calls"]["pread64"]["median"], 150)
        self.assertEqual(summary["calls"]["futex"], {"median": 75, "min": 0, "max": 150})
        self.assertEqual(summary["voluntary"]["median"], 5)
        self.assertEqual(summary["cpu_s_per_unit"]["median"], 0.5)
        self.assertEqual(summary["peak_mib"]["median"], 40, "not by the GiB")

    def test_what_could_not_be_counted_is_left_out(self):
        summary = counts.summarise([run(), run()], 2)["receiver"]
        self.assertNotIn("syscalls", summary)
        self.assertEqual(summary["calls"], {})
        text = "\n".join(counts.table({"workload": "one-1g", "cipher": "none", "files": 0, "summary": counts.summarise([run()], 2)}))
        self.assertNotIn("system calls", text)
        self.assertIn("| peak memory of the process, MiB | 40.0 | 40.0 |", text)

    def test_a_table(self):
        group = {"workload": "few-4k", "cipher": "none", "files": 10, "summary": counts.summarise([run({"all": 30, "statx": 20, "other": 10})], 10),
                 "callgrind": {"sender": 1.5e9, "receiver": 2e9}}
        text = "\n".join(counts.table(group))
        self.assertIn("| per file | sender | receiver |", text)
        self.assertIn("| system calls | 3.000 | 3.000 |", text)
        self.assertIn("The sender's calls: statx 2.000, other 1.000.", text)
        self.assertIn("1.5e+09 | 2e+09", text)


class Scaling(unittest.TestCase):
    def rounds(self, cost_of):
        def figures(cpu):
            each = {"gb_per_s": 2, "cpu_s_per_gib": cpu, "start_cpu_s": 0.1}
            for role in ("sender", "receiver"):
                each.update({f"{role}_cpu_seconds": cpu / 2, f"{role}_voluntary": 1, f"{role}_involuntary": 1, f"{role}_peak_mib": 40})
            return each
        return {workers: [figures(cost_of(workers))] * 3 for workers in (1, 2, 4, 8)}

    def test_cores_for_a_line(self):
        self.assertAlmostEqual(scaling.cores_for_line(1.0), 11.64, places=2)

    def test_the_model_is_the_line_through_the_figures(self):
        found = scaling.summarise(self.rounds(lambda workers: 0.4 + 0.01 * workers))
        self.assertAlmostEqual(found["model"]["one_more_cpu_s_per_gib"], 0.01)
        self.assertAlmostEqual(found["model"]["one_worker_cpu_s_per_gib"], 0.41)
        self.assertEqual(found["cores_per_100_gbps"]["workers"], 1, "where a GiB costs least")
        self.assertAlmostEqual(found["cores_per_100_gbps"]["sender"], scaling.cores_for_line(0.205))

    def test_a_table_without_calls(self):
        text = "\n".join(scaling.table("none", scaling.summarise(self.rounds(lambda workers: 1))))
        self.assertIn("| 8 | 2.00 | 1.000 | 0.500 | 0.500 | - | - | 1 | 1 | - | - | 0.100 | 40 | 40 |", text)
        self.assertIn("+0.0000 with each one more", text)
        columns = {line.count("|") for line in text.splitlines() if line.startswith("|")}
        self.assertEqual(columns, {15})

    def test_what_a_transfer_of_nothing_costs_is_taken_off(self):
        class Size:
            def __init__(self, size):
                self.bytes, self.seconds = size, 2

        start, whole = (scaling.counts_of(run({"all": calls, "futex": futex}, voluntary=calls // 10, cpu_s=cpu))
                        for calls, futex, cpu in ((100, 30, 0.5), (2100, 32, 1.5)))
        found = scaling.per_gib(Size(counts.GIB + MIB), Size(MIB), whole, start)
        self.assertEqual((found["sender_syscalls"], found["receiver_futex"], found["sender_voluntary"]), (2000, 2, 200))
        self.assertAlmostEqual(found["cpu_s_per_gib"], 2)
        self.assertAlmostEqual(found["start_cpu_s"], 1)
        self.assertEqual(found["sender_peak_mib"], 40)

    def test_numbers_of_workers(self):
        self.assertEqual(scaling.numbers("1,16"), (1, 16))
        self.assertRaises(ValueError, scaling.numbers, "0")


if __name__ == "__main__":
    sys.exit(summed.main(__name__))
