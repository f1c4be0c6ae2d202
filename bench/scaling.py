#!/usr/bin/env python3
"""What one more worker brings, and what it costs: one large file with 1, 2, 4 and 8 workers at either end, for each cipher, taken in turn.
What does not depend on the machine's cores is counted: waits for locks (futex), switches, calls, and with --callgrind instructions. See README.md."""

import argparse
import os
import shutil
import statistics
import sys

import output
from children import Failed
from comparison import cell, spread, turned
from counts import Counting, ENDS, bench_of, by_two_sizes, congestion_words, figures_of
from transfer import GIB, WORKLOADS, add_options_of_ends

WORKERS = (1, 2, 4, 8)
CIPHERS = ("none", "aes-256-gcm", "aes-128-gcm", "chacha20-poly1305")
LINE_BITS_PER_S = 100e9
BASE = "one-1m"  # what a transfer of next to nothing costs: beginning, ending, touching the memory of each worker
FRAMES_PER_GIB = GIB // (256 << 10)  # in memory


def cores_for_line(cpu_s_per_gib):
    """Cores that are wholly busy with 100 Gb/s of content, at so many CPU seconds per GiB."""
    return cpu_s_per_gib * LINE_BITS_PER_S / 8 / GIB


def line_through(points):
    """(at 0, slope) of the straight line through (x, y) points with the least squares."""
    slope, at_zero = statistics.linear_regression(*zip(*points))
    return at_zero, slope


def with_workers(bench, workers, options):
    """The options of both ends. So many streams in every run that each worker has one, and that the network has the same to do."""
    words = ["--workers", str(workers), "--streams", str(max(options.workers))]
    bench.options.send_option, bench.options.receive_option = options.send_option + words, options.receive_option + words


def counts_of(run):
    """{end: figures} of one transfer, waits for locks with them."""
    found = {}
    for end in ENDS.values():
        found[end] = figures_of(run[end])
        if run[end]["syscalls"]:
            found[end]["futex"] = run[end]["syscalls"].get("futex", 0)
    return found


def per_gib(bench, base, whole, start):
    """One transfer as a flat dictionary, per GiB, without what the same transfer of next to nothing costs."""
    gib = (bench.bytes - base.bytes) / GIB
    figures = {"gb_per_s": bench.bytes / bench.seconds / 1e9}
    for end in ENDS.values():
        figures.update({f"{end}_{name}": (whole[end][name] - start[end][name]) / gib
                        for name in ("cpu_seconds", "voluntary", "involuntary", "syscalls", "futex") if name in whole[end]})
        figures[f"{end}_peak_mib"] = whole[end]["peak_mib"]
    figures["cpu_s_per_gib"] = sum(figures[f"{end}_cpu_seconds"] for end in ENDS.values())
    figures["start_cpu_s"] = sum(start[end]["cpu_seconds"] for end in ENDS.values())
    return figures


def count_once(bench, base, workers, options, check):
    """Both transfers, one after the other."""
    found = []
    for each in (base, bench):
        with_workers(each, workers, options)
        found.append(counts_of(each.count(check)))
    return per_gib(bench, base, found[1], found[0])


class Timed(Counting):
    """Counted transfers that remember how long the last one took."""

    def run_longhaul(self, check):
        said = super().run_longhaul(check)
        self.seconds = said["seconds"]
        return said


def measure(options):
    """{cipher: {workers: [figures of each round]}}; all take turns in each round."""
    found = {cipher: {workers: [] for workers in options.workers} for cipher in options.cipher}
    bench, base = bench_of(Timed, options, options.workload, "none"), bench_of(Timed, options, BASE, "none")
    base.options.warm_gib = 0  # once is enough
    base.dir += "-base"
    base.source, base.target, base.reference_target = base.at("source"), base.at("target"), base.at("reference")
    try:
        bench.prepare()
        base.prepare()
        for number in range(options.runs):
            for cipher in turned(options.cipher, number):
                bench.options.cipher = base.options.cipher = cipher
                for workers in turned(options.workers, number):
                    found[cipher][workers].append(count_once(bench, base, workers, options, check=number == 0))
            print(f"round {number + 1}/{options.runs}: " + ", ".join(
                f"{cipher} " + "/".join(f"{each[workers][-1]['cpu_s_per_gib']:.2f}" for workers in options.workers)
                for cipher, each in found.items()) + " CPU s/GiB", file=sys.stderr)
    finally:
        base.clean()
        bench.clean()
    return found


def instructions(options, cipher):
    """{workers: {end: instructions per frame of 256 KiB outside of the kernel}}."""
    def count(bench):
        found = {}
        for workers in options.workers:
            with_workers(bench, workers, options)
            found[workers] = bench.count()
        return found

    (less, small), (size, large) = by_two_sizes(options, cipher, count)
    frames = (size - less) / GIB * FRAMES_PER_GIB
    return {workers: {end: (large[workers][end] - of_end) / frames for end, of_end in each.items()} for workers, each in small.items()}


def summarise(rounds):
    """Of one cipher: rows by workers, the model, and the cores that a line of 100 Gb/s takes."""
    rows = {workers: {name: spread([each[name] for each in runs]) for name in runs[0]} for workers, runs in rounds.items()}
    at_zero, slope = line_through([(workers, each["cpu_s_per_gib"]) for workers, runs in rounds.items() for each in runs])
    best = min(rows, key=lambda workers: rows[workers]["cpu_s_per_gib"]["median"])
    cores = {end: cores_for_line(rows[best][f"{end}_cpu_seconds"]["median"]) for end in ENDS.values()}
    return {"rows": rows, "model": {"one_worker_cpu_s_per_gib": at_zero + slope, "one_more_cpu_s_per_gib": slope},
            "cores_per_100_gbps": {**cores, "workers": best}}


def table(cipher, found):
    lines = [f"## {cipher}", "", "| workers | GB/s | CPU s/GiB | sender | receiver | futex calls/GiB, sender | receiver | voluntary switches/GiB, sender | receiver | "
             "calls/GiB, sender | receiver | start, CPU s | peak MiB, sender | receiver |", "|" + "---|" * 14]
    for workers, row in found["rows"].items():
        names = ["gb_per_s", "cpu_s_per_gib"] + [f"{end}_{name}" for name in ("cpu_seconds", "futex", "voluntary", "syscalls", "peak_mib")
                                                 for end in ENDS.values()]
        names.insert(-2, "start_cpu_s")
        places = [2, 3, 3, 3] + [0] * 6 + [3, 0, 0]
        lines.append(f"| {workers} | " + " | ".join(cell(row[name], digits) if name in row else "-" for name, digits in zip(names, places)) + " |")
    if found.get("instructions"):
        lines += ["", "Instructions per frame outside of the kernel (callgrind, without io_uring): " + "; ".join(
            f"{workers} workers: " + ", ".join(f"{end} {count:.0f}" for end, count in each.items()) for workers, each in found["instructions"].items()) + "."]
    model, cores = found["model"], found["cores_per_100_gbps"]
    lines += ["", f"Model: {model['one_worker_cpu_s_per_gib']:.3f} CPU s/GiB with one worker at either end, {model['one_more_cpu_s_per_gib']:+.4f} with each one more. "
              f"100 Gb/s take {cores['sender']:.1f} cores at the sender, {cores['receiver']:.1f} at the receiver (by the figures of {cores['workers']} workers).", ""]
    return lines


def markdown(found):
    setting = found["setting"]
    lines = ["# Scaling", "", f"{setting['workload']}, {setting['runs']} rounds in turn, {setting['streams']} streams in all of them, {setting['cpus']} CPUs for both ends together, "
             f"kernel {setting['kernel']}, congestion control {setting['congestion']}, {setting['dir']}. Median [least-most].",
             f"Beyond {setting['cpus'] // 2 or 1} worker(s) at either end threads wait for a core: look at counts then, not at rates. "
             f"A futex call is a lock that somebody else held. Of all per GiB what a transfer of {BASE.removeprefix('one-')} costs has been taken off: it stands under start.", ""]
    for cipher, each in found["ciphers"].items():
        lines += table(cipher, each)
    return "\n".join(lines)


def numbers(text):
    found = tuple(int(word) for word in text.split(","))
    if min(found) < 1:
        raise ValueError("at least one worker")
    return found


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="the meson build directory")
    parser.add_argument("--workload", choices=sorted(name for name, (_, files) in WORKLOADS.items() if not files), help="by default one-1g")
    parser.add_argument("--workers", type=numbers, default=WORKERS, help="1,2,4,8")
    parser.add_argument("--cipher", action="append", help="repeatable; by default none and each one")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="256 MiB, two rounds, none and aes-256-gcm: whether all works here")
    parser.add_argument("--callgrind", action="store_true", help="also count instructions per frame by valgrind (minutes)")
    parser.add_argument("--dir", default="/dev/shm", help="where source and target live")
    parser.add_argument("--congestion", default="cubic")
    parser.add_argument("--warm-gib", type=float, default=8, help="0: leave the memory as it is")
    add_options_of_ends(parser)
    parser.add_argument("--out", default="scaling", help="writes OUT.md and OUT.json")
    options = parser.parse_args()
    options.seed, options.threads = 1, 2
    options.workload = options.workload or ("one-256m" if options.quick else "one-1g")
    options.cipher = options.cipher or list(CIPHERS[:2] if options.quick else CIPHERS)
    if options.quick:
        options.runs, options.warm_gib = min(options.runs, 2), 0
    return options


def main():
    options = parse()
    try:
        if options.callgrind and not shutil.which("valgrind"):
            raise Failed("--callgrind needs valgrind, which is not installed")
        ciphers = {cipher: summarise(rounds) for cipher, rounds in measure(options).items()}
        if options.callgrind:
            for cipher, each in ciphers.items():
                each["instructions"] = instructions(options, cipher)
    except (Failed, OSError) as problem:
        print(f"scaling.py: {problem}", file=sys.stderr)
        return 1
    setting = {"workload": options.workload, "runs": options.runs, "streams": max(options.workers), "cpus": os.cpu_count(),
               "kernel": os.uname().release, "dir": options.dir, "congestion": congestion_words(options)}
    found = {"setting": setting, "ciphers": ciphers}
    output.write(options.out, found, markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
