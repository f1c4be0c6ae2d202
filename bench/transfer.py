#!/usr/bin/env python3
"""Whole transfers over loopback, taken in turn with a reference, so that both see the same state of the machine.

The reference is the bare loop of floor.cc for one file and `cp -r` for a tree. See README.md."""

import argparse
import json
import os
import subprocess
import sys
import time

import output
from children import Child, Failed, remove
from comparison import spread
from warming import MIB, Warm

GIB = 1 << 30
# name: (bytes of a file, number of files; 0 for a single file that is no tree)
WORKLOADS = {
    "one-1m": (1 * MIB, 0),
    "one-64m": (64 * MIB, 0),
    "one-128m": (128 * MIB, 0),
    "one-256m": (256 * MIB, 0),
    "one-1g": (1 * GIB, 0),
    "one-4g": (4 * GIB, 0),
    "one-8g": (8 * GIB, 0),
    "tree-8m": (8 * MIB, 128),
    "tree-1m": (1 * MIB, 1000),
    "tree-100k": (100 * 1000, 10000),
    "tree-4k": (4 * 1024, 20000),
    "few-4k": (4 * 1024, 2000),
    "many-100k": (100 * 1024, 20000),
    "many-4k": (4 * 1024, 200000),
}


def system_congestion():
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as name:
        return name.read().strip()


class Bench:
    ticket_wait_s = 10

    def __init__(self, options):
        self.options = options
        self.file_bytes, self.files = WORKLOADS[options.workload]
        self.bytes = self.file_bytes * max(self.files, 1)
        self.dir = os.path.join(options.dir, f"longhaul-bench-{os.getpid()}")
        self.source = os.path.join(self.dir, "source")
        self.reference_target = os.path.join(self.dir, "reference")
        self.target = os.path.join(self.dir, "target")
        self.warm = None

    def program(self, *parts):
        return os.path.join(self.options.build, *parts)

    def at(self, name):
        return os.path.join(self.dir, name)

    def prepare(self):
        os.makedirs(self.dir)
        command = [self.program("bench", "mkdata"), self.source, self.file_bytes, self.options.seed]
        Child(command + ([self.files] if self.files else []), self.at("mkdata.log")).end(self.options.timeout)
        self.warm = Warm(self.options.build, self.options.warm_gib * GIB)
        self.warm_bytes = self.warm.bytes

    def clean(self):
        if self.warm:
            self.warm.close()
        remove(self.dir)

    def run_floor(self):
        program = "floor_files" if self.files else "floor"
        command = [self.program("bench", program), self.source, self.reference_target, "--threads", self.options.threads]
        if self.options.congestion and not self.files:
            command += ["--congestion", self.options.congestion]
        if self.options.direct:
            command += ["--direct", "yes"]
        child = Child(command, self.at("reference.log"))
        child.end(self.options.timeout)
        said = json.loads(child.log())
        return {"seconds": said["seconds"], "cpu_seconds": said["cpu_seconds"], "rss_mib": child.rss_mib,
                "congestion": said.get("congestion"), "target": said.get("target", "new")}

    def run_cp(self):
        child = Child(["cp", "-r", self.source, self.reference_target], self.at("reference.log"))
        child.end(self.options.timeout)
        return {"seconds": child.seconds, "cpu_seconds": child.cpu_seconds, "rss_mib": child.rss_mib, "target": "new"}

    def run_reference(self):
        rewrite = not self.files and self.options.floor_mode == "rewrite"
        if rewrite and not os.path.exists(self.reference_target):
            self.run_floor()  # makes the file that the counted runs rewrite
        result = self.run_cp() if self.files and self.options.reference == "cp" else self.run_floor()
        if not rewrite:
            remove(self.reference_target)
        return result

    def cool(self):
        """With --direct: the source is read from the disk, not from memory."""
        if not self.options.direct:
            return
        with open(self.source, "rb") as source:
            os.fsync(source.fileno())
            os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def start_end(self, role, command):
        """One end of a transfer, `send` or `receive`."""
        return Child(command, self.at(f"{role}.log"))

    def run_longhaul(self, check):
        longhaul = self.program("tools", "longhaul")
        ticket = self.at("ticket")
        reports = {role: self.at(f"{role}.json") for role in ("receive", "send")}
        remove(ticket)
        receiver = self.start_end("receive", [longhaul, "receive", "--listen", "127.0.0.1", "--cipher", self.options.cipher, "--ticket-file",
                                              ticket, "--json", "--report", reports["receive"], *self.options.receive_option, self.target])
        sender = None
        try:
            give_up = time.monotonic() + self.ticket_wait_s
            while not (os.path.exists(ticket) and os.path.getsize(ticket)):
                if not receiver.runs() or time.monotonic() > give_up:
                    raise Failed(f"the receiver gave no ticket:\n{receiver.log()}")
                time.sleep(0.005)
            path = ["--path", f"name=loopback,cc={self.options.congestion}"] if self.options.congestion else []
            sender = self.start_end("send", [longhaul, "send", "--cipher", self.options.cipher, "--json", "--report", reports["send"], *path,
                                             *self.options.send_option, self.source, f"@{ticket}"])
            sender.end(self.options.timeout)
            receiver.end(self.options.timeout)
            seconds = time.monotonic() - sender.begin
        finally:
            receiver.kill()
            if sender:
                sender.kill()
        if check:
            self.check()
        remove(self.target)
        result = {"seconds": seconds, "cpu_seconds": sender.cpu_seconds + receiver.cpu_seconds,
                  "cpu_seconds_sender": sender.cpu_seconds, "cpu_seconds_receiver": receiver.cpu_seconds,
                  "rss_mib_sender": sender.rss_mib, "rss_mib_receiver": receiver.rss_mib,
                  "rss_mib": max(sender.rss_mib, receiver.rss_mib)}
        for role, file in reports.items():
            if os.path.exists(file):
                with open(file) as report:
                    result[f"report_{role}"] = json.load(report)
        return result

    def check(self):
        landed = os.path.join(self.target, os.path.basename(self.source))
        if subprocess.run(["diff", "-rq", self.source, landed], check=False).returncode != 0:
            raise Failed(f"{landed} is not what was sent")

    def run(self):
        runs = []
        for number in range(self.options.runs):
            pair = {}
            order = ["reference", "longhaul"] if number % 2 == 0 else ["longhaul", "reference"]
            for what in order:
                self.cool()
                pair[what] = self.run_reference() if what == "reference" else self.run_longhaul(check=number == 0)
            runs.append(pair)
            print(f"run {number + 1}/{self.options.runs}: " + ", ".join(
                f"{what} {pair[what]['seconds']:.2f} s, {pair[what]['cpu_seconds']:.2f} CPU s" for what in order),
                file=sys.stderr)
        return runs


def reference_words(bench, runs):
    options = bench.options
    if not bench.files:
        return f"floor, {options.threads} threads a side, file {runs[0]['reference']['target']}" + (
            ", O_DIRECT, allocated first and synced, source cold" if options.direct else "")
    return "cp -r" if options.reference == "cp" else f"floor_files, {options.threads} threads, groups synced"


def summarise(bench, runs):
    gib = bench.bytes / GIB
    summary = {}
    for what in ("reference", "longhaul"):
        seconds = [run[what]["seconds"] for run in runs]
        summary[what] = {
            "seconds": spread(seconds),
            "gb_per_s": spread([bench.bytes / value / 1e9 for value in seconds]),
            "cpu_s_per_gib": spread([run[what]["cpu_seconds"] / gib for run in runs]),
            "rss_mib": spread([run[what]["rss_mib"] for run in runs]),
        }
    summary["ratio"] = {key: spread([run["longhaul"][key] / run["reference"][key] for run in runs])
                        for key in ("seconds", "cpu_seconds")}
    return summary


def markdown(setting, summary):
    def cell(figures, digits=2):
        return f"{figures['median']:.{digits}f} [{figures['min']:.{digits}f}-{figures['max']:.{digits}f}]"

    lines = [f"# {setting['workload']}: {setting['bytes'] / GIB:.2f} GiB in {setting['files']} file(s), {setting['runs']} runs in turn", "",
             f"Reference: {setting['reference']}. Congestion control: {setting['congestion']}. "
             f"Directory on {setting['file_system']}; Longhaul lands new files. Warm memory: {setting['warm_gib']:.1f} GiB. "
             f"{setting['cpus']} CPUs, kernel {setting['kernel']}.", "",
             "Median [least-most].", "",
             "| | seconds | GB/s | CPU s/GiB | peak RSS MiB |", "|---|---|---|---|---|"]
    for what in ("reference", "longhaul"):
        row = summary[what]
        lines.append(f"| {what} | {cell(row['seconds'])} | {cell(row['gb_per_s'])} | {cell(row['cpu_s_per_gib'], 3)} | "
                     f"{cell(row['rss_mib'], 0)} |")
    ratio = summary["ratio"]
    lines += ["", f"Longhaul / reference, pair by pair: wall {cell(ratio['seconds'])}, CPU {cell(ratio['cpu_seconds'])}.", ""]
    return "\n".join(lines)


def add_options_of_ends(parser):
    """What a Bench asks of the command line about its processes."""
    parser.add_argument("--timeout", type=float, default=600, help="seconds for any one process")
    parser.add_argument("--send-option", action="append", default=[], help="one more word for `longhaul send` (repeat)")
    parser.add_argument("--receive-option", action="append", default=[], help="one more word for `longhaul receive` (repeat)")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="the meson build directory")
    parser.add_argument("--workload", required=True, choices=sorted(WORKLOADS))
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--dir", default="/dev/shm", help="where source and targets live")
    parser.add_argument("--floor-mode", choices=["rewrite", "new"], default="new",
                        help="whether the floor rewrites one file or makes a new one each time, as Longhaul does")
    parser.add_argument("--reference", choices=["cp", "floor"], default="cp", help="of trees: cp -r, or floor_files")
    parser.add_argument("--congestion", default="", help="cubic, bbr ...; default: the system's, of Longhaul as its path finds")
    parser.add_argument("--cipher", default="none", help="of both sides; the floor knows none")
    parser.add_argument("--threads", type=int, default=2, help="threads a side of the floor")
    parser.add_argument("--direct", action="store_true",
                        help="one file from disk to disk (--dir): the source cold, the floor by O_DIRECT, durable at its end as Longhaul is")
    parser.add_argument("--warm-gib", type=float, default=8, help="0: leave the memory as it is")
    parser.add_argument("--seed", type=int, default=1)
    add_options_of_ends(parser)
    parser.add_argument("--out", default="transfer", help="writes OUT.md and OUT.json")
    options = parser.parse_args()
    if options.direct and WORKLOADS[options.workload][1]:
        parser.error("--direct: of one file")
    return options


def main():
    options = parse()
    bench = Bench(options)
    try:
        bench.prepare()
        runs = bench.run()
        file_system = subprocess.run(["stat", "-f", "-c", "%T", bench.dir], capture_output=True, text=True, check=True)
    except (Failed, OSError) as problem:
        print(f"transfer.py: {problem}", file=sys.stderr)
        return 1
    finally:
        bench.clean()
    summary = summarise(bench, runs)
    setting = {
        "workload": options.workload, "bytes": bench.bytes, "files": max(bench.files, 1), "runs": options.runs,
        "reference": reference_words(bench, runs),
        "congestion": options.congestion or f"{system_congestion()} (the system's)",
        "file_system": file_system.stdout.strip(), "warm_gib": bench.warm_bytes / GIB, "cpus": os.cpu_count(),
        "kernel": os.uname().release,
    }
    output.write(options.out, {"setting": setting, "summary": summary, "runs": runs}, markdown(setting, summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
