#!/usr/bin/env python3
"""What a fabric path's wire stage reaches of the bare loop of one-sided writes: `floor_rma`, `floor_rma --told` (what a rail does where
writes carry no data: tcp), `rail` and `rail --digests` of each provider, in turn, memory to nothing."""

import argparse
import json
import os
import statistics
import subprocess
import sys

import output
from ciphers import measure_bare
from children import Failed

WAYS = {"floor": ("floor_rma",), "told": ("floor_rma", "--told"), "rail": ("rail",), "digests": ("rail", "--digests")}


def run(options, provider, way):
    program, *more = WAYS[way]
    done = subprocess.run([os.path.join(options.build, "bench", program), provider, "--mib", str(options.mib), "--kib", str(options.kib), *more],
                          capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise Failed(f"{program} {provider}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(options, provider):
    """All runs of one provider, by way; the order turns from round to round."""
    found = {way: [] for way in WAYS}
    for number in range(options.runs):
        turn = number % len(WAYS)
        for way in (list(WAYS) * 2)[turn:turn + len(WAYS)]:
            found[way].append(run(options, provider, way))
        print(f"{provider}, round {number + 1}/{options.runs}: "
              + ", ".join(f"{way} {runs[-1]['gb_per_s']:.2f} GB/s {runs[-1]['cpu_s_per_gib']:.3f} s/GiB" for way, runs in found.items()), file=sys.stderr)
    return found


def ratio(found, way, figure, of="floor"):
    return [mine[figure] / floor[figure] for mine, floor in zip(found[way], found[of])]


def spread(values, form):
    return f"{statistics.median(values):{form}} [{min(values):{form}}-{max(values):{form}}]"


def table(options, results, digest):
    lines = [f"# Fabrics, {options.mib} MiB from memory to nothing, {options.kib} KiB a write, {options.runs} rounds in turn", "",
             f"Ratios are taken round by round. One digest: {digest:.3f} CPU s/GiB; with digests at both ends 1.2 x two of them may be added to the floor.", "",
             "| provider | floor GB/s | floor CPU s/GiB | rail: rate of floor | rail: rate of the loop that tells | rail: CPU of floor | with digests: CPU s/GiB | allowed |",
             "|---|---|---|---|---|---|---|---|"]
    for provider, found in results.items():
        if isinstance(found, str):
            lines.append(f"| {provider} | {found} | | | | | | |")
            continue
        allowed = statistics.median(run_["cpu_s_per_gib"] for run_ in found["floor"]) + 1.2 * 2 * digest
        lines.append(f"| {provider} | {spread([run_['gb_per_s'] for run_ in found['floor']], '.2f')} "
                     f"| {spread([run_['cpu_s_per_gib'] for run_ in found['floor']], '.3f')} | {spread(ratio(found, 'rail', 'gb_per_s'), '.2f')} "
                     f"| {spread(ratio(found, 'rail', 'gb_per_s', 'told'), '.2f')} "
                     f"| {spread(ratio(found, 'rail', 'cpu_s_per_gib'), '.2f')} | {spread([run_['cpu_s_per_gib'] for run_ in found['digests']], '.3f')} | {allowed:.3f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="the meson build directory")
    parser.add_argument("--provider", action="append", help="of libfabric; default: tcp, net, shm, sockets")
    parser.add_argument("--mib", type=int, default=4096)
    parser.add_argument("--kib", type=int, default=256, choices=(256, 512, 1024), help="of a write: a frame")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", default="rma", help="writes OUT.md and OUT.json")
    options = parser.parse_args()
    results = {}
    for provider in options.provider or ("tcp", "net", "shm", "sockets"):
        try:
            results[provider] = measure(options, provider)
        except Failed as error:
            results[provider] = str(error)
    output.write(options.out, results, table(options, results, measure_bare(options.build)["digest"]))
    return 1 if any(isinstance(found, str) for found in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
