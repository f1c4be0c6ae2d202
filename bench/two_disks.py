#!/usr/bin/env python3
"""One file from one disk to another, durable at its end, in turn with fio on each of the two by itself.

The slower side is the denominator: a transfer reads and writes at the same time, and cannot be sooner than either. See README.md."""

import argparse
import json
import os
import shutil
import subprocess
import sys

import output
from children import Child, Failed, remove
from comparison import spread
from transfer import GIB, WORKLOADS, Bench, add_options_of_ends


class TwoDisks(Bench):
    """A bench whose target is somewhere else than its source."""

    def __init__(self, options):
        super().__init__(options)
        self.target_dir = os.path.join(options.target_dir, os.path.basename(self.dir))
        self.target = os.path.join(self.target_dir, "target")

    def prepare(self):
        if os.stat(self.options.dir).st_dev == os.stat(self.options.target_dir).st_dev:
            raise Failed(f"{self.options.dir} and {self.options.target_dir} are on one file system; give directories on two disks")
        os.makedirs(self.target_dir)
        super().prepare()

    def clean(self):
        super().clean()
        remove(self.target_dir)

    def run_fio(self, way):
        """Seconds for the whole file: `read` of the source, or `write` of a new file beside the target, by O_DIRECT as Longhaul has it."""
        file = self.source if way == "read" else os.path.join(self.target_dir, "fio")
        command = ["fio", f"--name={way}", f"--filename={file}", f"--rw={way}", f"--size={self.bytes}", "--bs=1M", "--direct=1",
                   "--ioengine=io_uring", f"--iodepth={self.options.depth}", "--output-format=json"]
        child = Child(command + (["--readonly"] if way == "read" else ["--refill_buffers", "--end_fsync=1"]), self.at(f"fio-{way}.log"))
        child.end(self.options.timeout)
        if way == "write":
            remove(file)
        with open(self.at(f"fio-{way}.log")) as log:
            words = log.read()
        said = json.loads(words[words.index("{"):])["jobs"][0]
        if said[way]["io_bytes"] != self.bytes:
            raise Failed(f"fio moved {said[way]['io_bytes']} of {self.bytes} bytes")
        return {"seconds": said[way]["runtime"] / 1000, "cpu_seconds": child.cpu_seconds}

    def run(self):
        runs = []
        for number in range(self.options.runs):
            order = ["read", "longhaul", "write"] if number % 2 == 0 else ["write", "longhaul", "read"]
            run = {}
            for what in order:
                self.cool()
                run[what] = self.run_longhaul(check=number == 0) if what == "longhaul" else self.run_fio(what)
            runs.append(run)
            print(f"run {number + 1}/{self.options.runs}: " + ", ".join(f"{what} {run[what]['seconds']:.2f} s" for what in order), file=sys.stderr)
        return runs


def summarise(bench, runs):
    summary = {what: {"seconds": spread([run[what]["seconds"] for run in runs]),
                      "cpu_s_per_gib": spread([run[what]["cpu_seconds"] * GIB / bench.bytes for run in runs])}
               for what in ("read", "write", "longhaul")}
    slower = [max(run["read"]["seconds"], run["write"]["seconds"]) for run in runs]
    summary["of_slower_side"] = spread([side / run["longhaul"]["seconds"] for side, run in zip(slower, runs)])
    return summary


def markdown(setting, summary):
    def cell(figures):
        return f"{figures['median']:.2f} [{figures['min']:.2f}-{figures['max']:.2f}]"

    names = {"read": "fio reads the source", "write": "fio writes a new file at the target", "longhaul": f"Longhaul, cipher {setting['cipher']}"}
    lines = [f"# {setting['bytes'] / GIB:.2f} GiB from one disk to another, {setting['runs']} runs in turn", "",
             f"From {setting['source']} to {setting['target']}; fio: O_DIRECT, 1 MiB, {setting['depth']} at once, without its start. {setting['cpus']} CPUs, "
             f"kernel {setting['kernel']}. Median [least-most].", "",
             "| | seconds | CPU s/GiB |", "|---|---|---|"]
    lines += [f"| {name} | {cell(summary[what]['seconds'])} | {cell(summary[what]['cpu_s_per_gib'])} |" for what, name in names.items()]
    lines += ["", f"Longhaul's rate, of what fio reaches on the slower side, run by run: {cell(summary['of_slower_side'])}.", ""]
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="the meson build directory")
    parser.add_argument("--workload", default="one-4g", choices=sorted(name for name, (_, files) in WORKLOADS.items() if not files))
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--dir", required=True, help="where the source lives")
    parser.add_argument("--target-dir", required=True, help="where targets live, on another disk")
    parser.add_argument("--cipher", default="none", help="of both sides")
    parser.add_argument("--congestion", default="", help="cubic, bbr ...; default: as Longhaul's path finds")
    parser.add_argument("--depth", type=int, default=16, help="pieces that fio has at the disk at once")
    parser.add_argument("--seed", type=int, default=1)
    add_options_of_ends(parser)
    parser.add_argument("--out", default="two-disks", help="writes OUT.md and OUT.json")
    options = parser.parse_args()
    options.direct, options.warm_gib = True, 0
    return options


def main():
    options = parse()
    if not shutil.which("fio"):
        print("two_disks.py: fio is not installed (on Debian: apt-get install fio)", file=sys.stderr)
        return 1
    bench = TwoDisks(options)
    try:
        bench.prepare()
        runs = bench.run()
        places = [subprocess.run(["findmnt", "-no", "SOURCE,FSTYPE", "-T", place], capture_output=True, text=True, check=True).stdout.strip()
                  for place in (bench.dir, bench.target_dir)]
    except (Failed, OSError) as problem:
        print(f"two_disks.py: {problem}", file=sys.stderr)
        return 1
    finally:
        bench.clean()
    summary = summarise(bench, runs)
    setting = {"bytes": bench.bytes, "runs": options.runs, "source": " ".join(places[0].split()), "target": " ".join(places[1].split()),
               "cipher": options.cipher, "depth": options.depth, "cpus": os.cpu_count(), "kernel": os.uname().release}
    output.write(options.out, {"setting": setting, "summary": summary, "runs": runs}, markdown(setting, summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
