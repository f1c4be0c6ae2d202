#!/usr/bin/env python3
"""Longhaul and other movers on the same data, in turn: wall time, CPU of both ends, memory, and whether each verifies, seals and makes
durable. Writes OUT.md, OUT.json and OUT.svg. See README.md.

As root the traffic stays in network namespaces of its own and CPU is counted by cgroups; an ordinary user gets loopback as it is, CPU from
/proc, and no long-haul paths. Movers that are not installed are left out, and said; --install fetches what is missing from Debian."""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tests/lab"), str(ROOT / "tests/e2e"), str(ROOT / "bench")]

import comparison  # noqa: E402
import own_namespace  # noqa: E402
import packages  # noqa: E402
import svg_chart  # noqa: E402
from cage import Cage  # noqa: E402
from children import Failed, remove  # noqa: E402
from movers import MOVERS  # noqa: E402
from movers.longhaul import Longhaul  # noqa: E402
from trial import Trial  # noqa: E402
from wan import LabError  # noqa: E402
from warming import Warm  # noqa: E402
from wires import LongHaul, Loopback  # noqa: E402
from workloads import GIB, WORKLOADS, make  # noqa: E402

WIRES = ("plain", "sealed", "long-haul")
QUICK_DIVISOR = 16


def say(words):
    print(words, file=sys.stderr, flush=True)


class Comparison:
    def __init__(self, options):
        self.options, self.skipped, self.warm, self.wires, self.directories = options, {}, None, {}, []
        self.dir, self.disk_dir = self.directory(options.dir), self.directory(options.disk_dir)
        Longhaul.binary = os.path.join(options.build, "tools", "longhaul")
        self.movers = [mover for mover in MOVERS if self.wanted(mover) and self.installed(mover)]

    def directory(self, parent):
        made = tempfile.mkdtemp(prefix="longhaul-compare-", dir=parent)
        os.chmod(made, 0o755)  # a server that refuses to be root reads in it
        self.directories.append(made)
        return made

    def clean(self):
        for wire in self.wires.values():
            if wire:
                wire.close()
        if self.warm:
            self.warm.close()
        for directory in self.directories:
            remove(directory)

    def wanted(self, mover):
        return not self.options.mover or any(word.lower() in mover.name.lower() for word in self.options.mover)

    def installed(self, mover):
        missing = mover.missing()
        if missing:
            self.skipped[mover.name] = ", ".join(f"{program} is not installed (package {package})" for program, package in missing.items())
        return not missing

    def wire(self, name):
        """What is under the name, made once; None where it cannot be had, and why is kept."""
        place = "long-haul" if name == "long-haul" else "loopback"
        if place not in self.wires:
            try:
                self.wires[place] = LongHaul(self.options.build, self.options.congestion) if place == "long-haul" else Loopback()
            except (Failed, LabError, OSError) as problem:
                self.wires[place] = None
                self.skipped[name] = str(problem)
        return self.wires[place]

    def in_group(self, workload, name):
        """Who takes part: plain and sealed movers in their own group, all of them over the long haul."""
        return [mover for mover in self.movers
                if (name == "long-haul" or mover.sealed == (name == "sealed")) and not mover.unfit(workload, self.wire(name))]

    def trial(self, mover, workload, wire, source, check):
        """One run, as a dictionary; whatever goes wrong is its "failed"."""
        home = os.path.dirname(source)
        trial = Trial(workload, wire, source, os.path.join(home, "target"), os.path.join(self.dir, "own"), self.options.timeout)
        try:
            landed = mover.run(trial)
            if check:
                trial.compare(landed, mover.own_names)
            return {"seconds": trial.seconds, "cpu_seconds": trial.cpu_seconds, "memory_bytes": trial.memory_bytes,
                    "lab": wire.lateness(), "commands": trial.commands}
        except (Failed, OSError) as problem:
            return {"failed": str(problem), "commands": trial.commands}
        finally:
            trial.close()

    def group(self, workload, name, source, size):
        """One workload over one wire: every mover once in each round."""
        wire, movers = self.wire(name), self.in_group(workload, name)
        found = {mover: [] for mover in movers}
        for number in range(self.options.runs):
            for mover in comparison.turned(movers, number):
                if any("failed" in run for run in found[mover]):
                    continue  # once is enough
                run = self.trial(mover, workload, wire, source, check=number == 0)
                found[mover].append(run)
                figures = (f"failed: {comparison.short(run['failed'])}" if "failed" in run else
                           f"{run['seconds']:.2f} s, {run['cpu_seconds']:.2f} CPU s, {run['memory_bytes'] / 2**20:.0f} MiB")
                say(f"  {workload.name} {name} {number + 1}/{self.options.runs} {mover.name}: {figures}")
        lab = [run["lab"] for runs in found.values() for run in runs if run.get("lab")]
        return {"workload": workload.name, "wire_name": name, "words": workload.words,
                "wire": wire.words + ("" if wire.is_long else f", {'sealed' if name == 'sealed' else 'in clear'}"), "is_long": wire.is_long,
                "bytes": size, "files": workload.files + workload.small_files,
                "lab": {"late_mean_us": max(each["late_mean_us"] for each in lab), "dropped_ring": sum(each["dropped_ring"] for each in lab)}
                if lab else None, "rows": [comparison.summarise(mover, runs, size) for mover, runs in found.items()]}

    def room(self, workload, directory):
        """Why the data does not fit there twice, or nothing."""
        needed, free = 2 * workload.bytes_most, shutil.disk_usage(directory).free
        return f"needs {needed / GIB:.1f} GiB in {os.path.dirname(directory)}, where {free / GIB:.1f} are free" if needed > free else ""

    def run(self):
        """Yields all groups so far, each time that there is one more."""
        self.warm = Warm(self.options.build, self.options.warm_gib * GIB)
        groups = []
        for workload in (WORKLOADS[name].divided(self.options.divide) for name in self.options.workload):
            directory = self.disk_dir if workload.on_disk else self.dir
            if no_room := self.room(workload, directory):
                self.skipped[workload.name] = no_room
                continue
            source = os.path.join(directory, "source")
            try:
                size = make(workload, source, os.path.join(self.options.build, "bench", "mkdata"), os.path.join(self.dir, "mkdata.log"))
                for name in self.options.wire:
                    if self.wire(name):
                        groups.append(self.group(workload, name, source, size))
                        yield sorted(groups, key=lambda group: self.options.wire.index(group["wire_name"]))
            finally:
                remove(source)


def file_system(path):
    done = subprocess.run(["df", "--output=fstype", path], capture_output=True, text=True, check=False)
    return done.stdout.split()[-1] if done.returncode == 0 else "an unknown file system"


def counts_by():
    cage = Cage()
    try:
        return cage.counts_by
    finally:
        cage.close()


def setting(options, warm_bytes):
    with open("/proc/sys/net/ipv4/tcp_congestion_control", encoding="ascii") as name:
        system = name.read().strip()
    fixed = own_namespace.is_here() and options.congestion
    return {"date": datetime.date.today().isoformat(), "cpus": os.cpu_count(),
            "memory_gib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB, "kernel": os.uname().release,
            "load": options.load, "runs": options.runs, "divisor": options.divide, "warm_gib": warm_bytes / GIB,
            "congestion": fixed or f"{system} (the system's)", "counts_by": counts_by(),
            "file_system": file_system(options.dir), "disk_file_system": file_system(options.disk_dir)}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build"), help="the meson build directory")
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS), help="only this (repeat)")
    parser.add_argument("--wire", action="append", choices=WIRES, help="only this (repeat)")
    parser.add_argument("--mover", action="append", metavar="WORD", help="only those with WORD in their name (repeat)")
    parser.add_argument("--runs", type=int, help="rounds (3; with --quick 1)")
    parser.add_argument("--quick", action="store_true", help=f"data divided by {QUICK_DIVISOR}, one run: whether all works, no measurement")
    parser.add_argument("--divide", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--congestion", default="cubic", help="of all TCP, as root; empty: the system's")
    parser.add_argument("--warm-gib", type=float, default=8, help="memory kept warm for targets; 0: left as it is")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one run; who takes longer has failed")
    parser.add_argument("--dir", default="/dev/shm", help="where source and targets live: needs room for the data twice")
    parser.add_argument("--disk-dir", default="/var/tmp", help="the same, on a disk, for the workload disk-8g")
    parser.add_argument("--install", action="store_true", help="installs the packages of all movers (Debian; as root or by sudo), and ends")
    parser.add_argument("--out", default="compare", help="writes OUT.md, OUT.json and OUT.svg")
    options = parser.parse_args()
    options.divide = options.divide or (QUICK_DIVISOR if options.quick else 1)
    options.runs = options.runs or (1 if options.quick else 3)
    options.workload, options.wire = options.workload or list(WORKLOADS), options.wire or list(WIRES)
    options.load = os.getloadavg()[0]
    if not os.path.isdir(os.path.dirname(os.path.abspath(options.out))):
        parser.error(f"--out {options.out}: its directory is not there")
    if options.divide < 1 or options.runs < 1:
        parser.error("--runs and --divide: at least 1")
    return options


def stop(number, _frame):
    raise SystemExit(128 + number)


def write(options, groups, skipped, where):
    """OUT.json, OUT.md and OUT.svg; returns the text."""
    text = comparison.markdown(where, groups, skipped)
    subtitle = (f"Seconds, median of {where['runs']} run(s); CPU of both ends, peak memory. {where['cpus']} CPUs, kernel {where['kernel']}, "
                f"{where['congestion']}." + (f" A quick look: data divided by {where['divisor']}." if where["divisor"] > 1 else ""))
    for suffix, content in (("json", json.dumps({"setting": where, "groups": groups, "skipped": skipped}, indent=1) + "\n"), ("md", text),
                            ("svg", svg_chart.chart(groups, "Longhaul and other movers", subtitle))):
        pathlib.Path(f"{options.out}.{suffix}").write_text(content, encoding="utf-8")
    return text


def failures_of_ours(groups):
    return [row for group in groups for row in group["rows"] if row["mover"].startswith("Longhaul") and "failed" in row]


def measure(options):
    """The exit status: 0 where Longhaul did all that was asked of it. What is found is written after each group: a whole run takes hours."""
    own_namespace.enter(options.congestion)
    bench, groups, text = Comparison(options), [], ""
    try:
        for groups in bench.run():
            text = write(options, groups, bench.skipped, setting(options, bench.warm.bytes))
    finally:
        bench.clean()
    print(text or f"compare.py: nothing was measured: {json.dumps(bench.skipped, indent=1)}")
    return 0 if text and not failures_of_ours(groups) else 1


def main():
    options = parse()
    if options.install:
        return packages.install({package for mover in MOVERS for package in mover.missing().values()})
    signal.signal(signal.SIGTERM, stop)
    try:
        return measure(options)
    except (Failed, LabError, OSError, subprocess.CalledProcessError) as problem:
        say(f"compare.py: {problem}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
