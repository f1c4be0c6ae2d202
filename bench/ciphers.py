#!/usr/bin/env python3
"""What sealing costs: the same file with each cipher and with none, in turn, so that all see the same state of the machine."""

import argparse
import json
import os
import statistics
import sys

from transfer import GIB, WORKLOADS, Bench, Failed

CIPHERS = ("none", "aes-256-gcm", "aes-128-gcm", "chacha20-poly1305")


def measure(bench, runs):
    """CPU seconds of both ends and wall seconds of every run, by cipher; the order turns from round to round."""
    found = {cipher: [] for cipher in CIPHERS}
    for number in range(runs):
        turn = number % len(CIPHERS)
        for cipher in CIPHERS[turn:] + CIPHERS[:turn]:
            bench.options.cipher = cipher
            result = bench.run_longhaul(check=number == 0)
            found[cipher].append((result["cpu_seconds"], result["seconds"]))
        print(f"round {number + 1}/{runs}: " + ", ".join(f"{cipher} {figures[-1][0]:.2f} CPU s" for cipher, figures in found.items()),
              file=sys.stderr)
    return found


def summary_of(bench, found):
    gib = bench.bytes / GIB
    rows = {}
    for cipher, figures in found.items():
        cpu = [run[0] / gib for run in figures]
        extra = [(run[0] - clear[0]) / gib for run, clear in zip(figures, found["none"])]
        rows[cipher] = {"cpu_s_per_gib": statistics.median(cpu), "least": min(cpu), "most": max(cpu),
                        "more_than_none": statistics.median(extra), "gb_per_s": statistics.median(bench.bytes / run[1] / 1e9 for run in figures)}
    return rows


def markdown(options, rows):
    lines = [f"# {options.workload}, {options.runs} rounds in turn, {options.dir}", "", "CPU of both ends together; the difference is taken round by round.", "",
             "| cipher | CPU s/GiB [least-most] | more than none | GB/s |", "|---|---|---|---|"]
    for cipher, row in rows.items():
        lines.append(f"| {cipher} | {row['cpu_s_per_gib']:.3f} [{row['least']:.3f}-{row['most']:.3f}] | {row['more_than_none']:+.3f} | {row['gb_per_s']:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="the meson build directory")
    parser.add_argument("--workload", default="one-1g", choices=sorted(WORKLOADS))
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--dir", default="/dev/shm", help="where source and targets live")
    parser.add_argument("--congestion", default="", help="cubic, bbr ...; default: the system's")
    parser.add_argument("--out", default="ciphers", help="writes OUT.md and OUT.json")
    options = parser.parse_args()
    # What a Bench wants to know besides.
    options.seed, options.timeout, options.warm_gib, options.send_option, options.receive_option = 1, 600, 8, [], []
    bench = Bench(options)
    try:
        bench.prepare()
        rows = summary_of(bench, measure(bench, options.runs))
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        bench.clean()
    with open(options.out + ".json", "w") as out:
        json.dump({"workload": options.workload, "runs": options.runs, "dir": os.path.abspath(options.dir), "ciphers": rows}, out, indent=1)
    text = markdown(options, rows)
    with open(options.out + ".md", "w") as out:
        out.write(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
