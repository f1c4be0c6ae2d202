#!/usr/bin/env python3
"""What sealing costs: the same file with each cipher and with none, in turn, and beside them what the bare cipher costs at
both ends (`stages`), so that all see the same state of the machine."""

import argparse
import json
import os
import statistics
import subprocess
import sys

import output
from children import Failed
from transfer import GIB, WORKLOADS, Bench

# By their numbers in include/longhaul/options.h, which `stages` takes; 0, "auto" there, is never asked for.
CIPHERS = ("none", "aes-256-gcm", "aes-128-gcm", "chacha20-poly1305")


# What may be added to a transfer in clear: so much of the bare cipher at both ends, less the digest that the tag replaces at one of them.
ALLOWED = 1.2


def measure_bare(build):
    """CPU seconds per GiB: sealing and opening by the bare cipher, by its name, and one `digest`."""
    stages = subprocess.run([os.path.join(build, "bench", "stages"), "--benchmark_filter=^(seal_and_open/.*buffers:64|digest/MiB:1)$",
                             "--benchmark_min_time=0.1", "--benchmark_format=json"], capture_output=True, text=True, check=False)
    if stages.returncode != 0:
        raise Failed(f"stages: {stages.stderr}")
    bare = {}
    for stage in json.loads(stages.stdout)["benchmarks"]:
        name = CIPHERS[int(stage["name"].split(":")[1].split("/")[0])] if "cipher" in stage["name"] else "digest"
        bare[name] = GIB / stage["bytes_per_second"]
    return bare


def measure(bench, runs):
    """CPU seconds of both ends and wall seconds of every run, by cipher, and the bare costs of every round; the order turns from round to round."""
    found, bare = {cipher: [] for cipher in CIPHERS}, []
    for number in range(runs):
        turn = number % len(CIPHERS)
        for cipher in CIPHERS[turn:] + CIPHERS[:turn]:
            bench.options.cipher = cipher
            result = bench.run_longhaul(check=number == 0)
            found[cipher].append((result["cpu_seconds"], result["seconds"]))
        bare.append(measure_bare(bench.options.build))
        print(f"round {number + 1}/{runs}: " + ", ".join(f"{cipher} {figures[-1][0]:.2f} CPU s" for cipher, figures in found.items()),
              file=sys.stderr)
    return found, bare


def summary_of(bench, found, bare):
    gib = bench.bytes / GIB
    rows = {}
    for cipher, figures in found.items():
        cpu = [run[0] / gib for run in figures]
        extra = [(run[0] - clear[0]) / gib for run, clear in zip(figures, found["none"])]
        row = rows[cipher] = {"cpu_s_per_gib": statistics.median(cpu), "least": min(cpu), "most": max(cpu),
                        "more_than_none": statistics.median(extra), "gb_per_s": statistics.median(bench.bytes / run[1] / 1e9 for run in figures)}
        if cipher != "none":
            row["bare"] = statistics.median(round_[cipher] for round_ in bare)
            row["allowed"] = statistics.median(ALLOWED * round_[cipher] - round_["digest"] for round_ in bare)
    return rows


def markdown(options, rows):
    lines = [f"# {options.workload}, {options.runs} rounds in turn, {options.dir}", "", "CPU of both ends together; the difference is taken round by round.",
             f"Allowed: {ALLOWED} x the bare cipher at both ends less one digest.", "",
             "| cipher | CPU s/GiB [least-most] | more than none | allowed | bare cipher | GB/s |", "|---|---|---|---|---|---|"]
    for cipher, row in rows.items():
        bare, allowed = (f"{row['bare']:.3f}", f"{row['allowed']:+.3f}") if "bare" in row else ("-", "-")
        lines.append(f"| {cipher} | {row['cpu_s_per_gib']:.3f} [{row['least']:.3f}-{row['most']:.3f}] | {row['more_than_none']:+.3f} | {allowed} | {bare} | {row['gb_per_s']:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="the meson build directory")
    parser.add_argument("--workload", default="one-1g", choices=sorted(WORKLOADS))
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--dir", default="/dev/shm", help="where source and targets live")
    parser.add_argument("--congestion", default="", help="cubic, bbr ...; default: as each path finds")
    parser.add_argument("--out", default="ciphers", help="writes OUT.md and OUT.json")
    options = parser.parse_args()
    # What a Bench wants to know besides.
    options.seed, options.timeout, options.warm_gib, options.send_option, options.receive_option = 1, 600, 8, [], []
    bench = Bench(options)
    try:
        bench.prepare()
        rows = summary_of(bench, *measure(bench, options.runs))
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        bench.clean()
    found = {"workload": options.workload, "runs": options.runs, "dir": os.path.abspath(options.dir), "ciphers": rows}
    output.write(options.out, found, markdown(options, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
