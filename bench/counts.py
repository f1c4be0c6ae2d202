#!/usr/bin/env python3
"""What a transfer asks of the machine, counted and not timed: system calls, context switches, instructions and peak memory of both ends,
for one large file (per GiB) and for small ones (per file). See README.md.

System calls need root; instructions need a machine with counters, or --callgrind (valgrind), which counts those outside of the kernel."""

import argparse
import copy
import json
import os
import re
import shutil
import subprocess
import sys

import output
from children import Child, Failed
from comparison import cell, spread
from transfer import GIB, WORKLOADS, Bench, add_options_of_ends, system_congestion
from warming import MIB

COUNTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "counted.py")
ENDS = {"send": "sender", "receive": "receiver"}
FIGURES = ("syscalls", "voluntary", "involuntary", "faults", "instructions_user", "instructions_kernel", "cycles_user", "cycles_kernel")
CALLS_SHOWN = 12
CALLGRIND_WORKLOADS = ("one-64m", "one-256m")


class Counting(Bench):
    """Transfers whose ends are counted."""

    def start_end(self, role, command):
        return Child([sys.executable, COUNTED, self.at(f"{role}.counts"), *command], self.at(f"{role}.log"))

    def count(self, check=False):
        """One transfer: {end: figures as counted.py gives them, and `report`}."""
        said = self.run_longhaul(check)
        found = {}
        for role, end in ENDS.items():
            with open(self.at(f"{role}.counts"), encoding="ascii") as file:
                found[end] = {**json.load(file), "report": said.get(f"report_{role}")}
        return found


class Callgrind(Bench):
    """Transfers under valgrind, which counts the instructions of both ends."""

    ticket_wait_s = 120

    def start_end(self, role, command):
        log = self.at(f"{role}.valgrind")
        valgrind = ["valgrind", "--tool=callgrind", f"--log-file={log}", "--callgrind-out-file=/dev/null"]
        return Child([*valgrind, *command[:2], "--no-confine", *command[2:]], self.at(f"{role}.log"),
                     env={**os.environ, "LONGHAUL_NO_IO_URING": "1"})  # valgrind stops all threads while one waits for a ring

    def count(self):
        """{end: instructions outside of the kernel}."""
        self.run_longhaul(check=False)
        found = {}
        for role, end in ENDS.items():
            with open(self.at(f"{role}.valgrind"), encoding="utf-8", errors="replace") as file:
                said = file.read()
            collected = re.search(r"Collected : (\d+)", said)
            if not collected:
                raise Failed(f"valgrind counted nothing of the {end}:\n{said[-2000:]}")
            found[end] = int(collected[1])
        return found


class Busy:
    """Processes that do nothing but run, until close()."""

    def __init__(self, number):
        self.processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"], stdin=subprocess.DEVNULL) for _ in range(number)]

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()


def figures_of(end):
    """The figures of one end of one transfer as one flat dictionary; what could not be counted is not in it."""
    flat = {"voluntary": end["switches_voluntary"], "involuntary": end["switches_involuntary"], "faults": end["faults"],
            "peak_mib": end["peak_bytes"] / MIB, "cpu_seconds": end["user_s"] + end["system_s"]}
    if end["syscalls"]:
        flat["syscalls"] = end["syscalls"]["all"]
    return {**flat, **(end["hardware"] or {})}


def summarise(runs, units):
    """{end: {figure: spread}} of several transfers; what is counted is divided by `units` (GiB, or files)."""
    summary = {}
    for end in ENDS.values():
        flat = [figures_of(run[end]) for run in runs]
        of_end = summary[end] = {name: spread([run[name] / (units if name in FIGURES else 1) for run in flat])
                                 for name in flat[0] if all(name in run for run in flat)}
        of_end["cpu_s_per_unit"] = spread([run["cpu_seconds"] / units for run in flat])
        calls = {name for run in runs for name in (run[end]["syscalls"] or {}) if name != "all"}
        of_end["calls"] = {name: spread([run[end]["syscalls"].get(name, 0) / units for run in runs]) for name in calls}
    return summary


def congestion_words(options):
    return options.congestion or f"as found ({system_congestion()} is the system's)"


def bench_of(kind, options, workload, cipher):
    of = copy.copy(options)
    of.workload, of.cipher = workload, cipher
    return kind(of)


def measure(options, workload, cipher):
    """The transfers of one workload with one cipher: (runs, files, bytes)."""
    bench, busy = bench_of(Counting, options, workload, cipher), Busy(options.busy)
    try:
        bench.prepare()
        runs = []
        for number in range(options.runs):
            runs.append(bench.count(check=number == 0))
            print(f"{workload}, {cipher}, {number + 1}/{options.runs}: " + ", ".join(
                f"{end} {(run['syscalls'] or {}).get('all', '?')} calls" for end, run in runs[-1].items()), file=sys.stderr)
        return runs, bench.files, bench.bytes
    finally:
        busy.close()
        bench.clean()


def by_two_sizes(options, cipher, count):
    """[(bytes, what `count` says of the Callgrind that moves them)]: by their difference start and end do not count."""
    found = []
    for workload in CALLGRIND_WORKLOADS:
        bench = bench_of(Callgrind, options, workload, cipher)
        try:
            bench.prepare()
            found.append((bench.bytes, count(bench)))
        finally:
            bench.clean()
    return found


def instructions(options, cipher):
    """{end: instructions per GiB outside of the kernel}."""
    (small, before), (large, after) = by_two_sizes(options, cipher, Callgrind.count)
    return {end: (after[end] - before[end]) * GIB / (large - small) for end in before}


def table(group):
    """Markdown of one workload with one cipher."""
    per = "file" if group["files"] else "GiB"
    digits = 3 if group["files"] else 0
    lines = [f"## {group['workload']}, {group['cipher']}", "", f"| per {per} | sender | receiver |", "|---|---|---|"]

    def row(words, name, places):
        figures = [group["summary"][end].get(name) for end in ENDS.values()]
        if any(figures):
            lines.append(f"| {words} | " + " | ".join(cell(each, places) if each else "-" for each in figures) + " |")

    row("system calls", "syscalls", digits)
    row("switches, voluntary", "voluntary", digits)
    row("switches, involuntary", "involuntary", digits)
    row("page faults", "faults", digits)
    for name in FIGURES[4:]:
        row(name.replace("_", ", "), name, 0)
    row("CPU seconds", "cpu_s_per_unit", 6 if group["files"] else 3)
    row("peak memory of the process, MiB", "peak_mib", 1)
    if group.get("callgrind"):
        lines.append("| instructions outside of the kernel (callgrind) | " + " | ".join(f"{group['callgrind'][end]:.3g}" for end in ENDS.values()) + " |")
    for end in ENDS.values():
        calls = sorted(group["summary"][end]["calls"].items(), key=lambda call: -call[1]["median"])[:CALLS_SHOWN]
        if calls:
            lines += ["", f"The {end}'s calls: " + ", ".join(f"{name} {cell(figures, digits)}" for name, figures in calls if figures["max"] > 0) + "."]
    return lines + [""]


def markdown(found):
    setting = found["setting"]
    lines = ["# Counts", "", f"{setting['runs']} runs, {setting['busy']} busy processes beside them, {setting['cpus']} CPUs, kernel {setting['kernel']}, "
             f"congestion control {setting['congestion']}, directory {setting['dir']} ({setting['file_system']}). Median [least-most].", ""]
    lines += [f"Not counted: {reason}." for reason in setting["without"]] + [""]
    for group in found["groups"]:
        lines += table(group)
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="the meson build directory")
    parser.add_argument("--workload", action="append", choices=sorted(WORKLOADS), help="repeatable; by default one-1g and tree-4k")
    parser.add_argument("--cipher", action="append", help="repeatable; by default none and aes-256-gcm")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--busy", type=int, default=0, help="so many processes that only run, beside each transfer")
    parser.add_argument("--quick", action="store_true", help="small data, three runs: whether all works here")
    parser.add_argument("--callgrind", action="store_true", help="also count instructions of large files by valgrind (minutes)")
    parser.add_argument("--dir", default="/dev/shm", help="where source and target live")
    parser.add_argument("--congestion", default="", help="cubic, bbr ...; default: as each path finds")
    parser.add_argument("--warm-gib", type=float, default=0, help="memory kept warm, as in transfer.py: counts need none")
    add_options_of_ends(parser)
    parser.add_argument("--out", default="counts", help="writes OUT.md and OUT.json")
    options = parser.parse_args()
    options.seed, options.threads = 1, 2
    options.cipher = options.cipher or ["none", "aes-256-gcm"]
    options.workload = options.workload or (["one-256m", "few-4k"] if options.quick else ["one-1g", "tree-4k"])
    if options.quick:
        options.runs = min(options.runs, 3)
    return options


def main():
    options = parse()
    groups, without = [], []
    try:
        for workload in options.workload:
            for cipher in options.cipher:
                runs, files, size = measure(options, workload, cipher)
                without += [reason for run in runs for end in run.values() for reason in end["without"]]
                group = {"workload": workload, "cipher": cipher, "files": files, "bytes": size,
                         "summary": summarise(runs, files or size / GIB), "runs": runs}
                if options.callgrind and not files:
                    if shutil.which("valgrind"):
                        group["callgrind"] = instructions(options, cipher)
                    else:
                        without.append("instructions by callgrind: valgrind is not installed")
                groups.append(group)
        file_system = subprocess.run(["stat", "-f", "-c", "%T", options.dir], capture_output=True, text=True, check=True).stdout.strip()
    except (Failed, OSError) as problem:
        print(f"counts.py: {problem}", file=sys.stderr)
        return 1
    setting = {"runs": options.runs, "busy": options.busy, "cpus": os.cpu_count(), "kernel": os.uname().release, "dir": options.dir,
               "file_system": file_system, "congestion": congestion_words(options),
               "without": sorted(set(without))}
    found = {"setting": setting, "groups": groups}
    output.write(options.out, found, markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
