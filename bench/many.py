#!/usr/bin/env python3
"""Millions of small files through the whole engine: whether memory and files per second stay flat, part by part, and how
fast an unchanged second run is. See README.md."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from children import Failed
from warming import MIB


class End:
    """One of the two processes; its JSON lines are gathered as they come."""

    def __init__(self, command):
        self.command = command
        self.samples = []
        self.last = None
        self.ticket = None
        self.told = threading.Event()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self.gather)
        self.thread.start()

    def gather(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "ticket":
                self.ticket = event["ticket"]
                self.told.set()
            elif event["event"] == "sample":
                self.samples.append(event)
            else:
                self.last = event
        self.told.set()

    def wait(self, timeout_s):
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{' '.join(self.command)} still runs after {timeout_s} s") from late
        self.thread.join()
        if status != 0 or self.last is None:
            raise Failed(f"{' '.join(self.command)} ended with {status}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.thread.join()


class Target:
    """Where files go: nowhere, into an empty file system in an image file (root), or below a directory."""

    def __init__(self, options):
        self.path = options.target
        self.work = None
        self.mounted = False
        if self.path == "image":
            self.make_image(options)

    def make_image(self, options):
        self.work = tempfile.mkdtemp(prefix="longhaul-many-", dir=options.dir)
        image = os.path.join(self.work, "image")
        self.path = os.path.join(self.work, "mounted")
        os.mkdir(self.path)
        inodes = options.files + options.files // 1000 + 100000
        blocks = -(-options.bytes // 1024) + 1
        with open(image, "wb") as file:
            os.truncate(file.fileno(), inodes * (256 + blocks * 1024) + 4096 * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-b", "1024", "-N", str(inodes), "-m", "0", image], check=True)
        subprocess.run(["mount", "-o", "loop,noatime", image, self.path], check=True)
        self.mounted = True

    def directory(self):
        return self.path if self.path == "null" else os.path.join(self.path, "target")

    def close(self):
        if self.mounted:
            subprocess.run(["umount", self.path], check=True)
            self.mounted = False
        if self.work:
            shutil.rmtree(self.work)


def transfer(options, target):
    many = os.path.join(options.build, "bench/many")
    receiver = End([many, "receive", target] + (["--syncfs"] if options.syncfs else []))
    sender = None
    try:
        if not receiver.told.wait(30) or receiver.ticket is None:
            raise Failed("the receiver printed no ticket")
        sender = End([many, "send", receiver.ticket, str(options.files), str(options.bytes)])
        sender.wait(options.timeout)
        receiver.wait(60)
    finally:
        for end in (receiver, sender):
            if end:
                end.kill()
    return sender, receiver


def at_count(samples, files):
    """The time at which so many files were done, between the two samples around it."""
    before = {"seconds": 0.0, "files": 0}
    for sample in samples:
        if sample["files"] >= files:
            share = (files - before["files"]) / max(1, sample["files"] - before["files"])
            return before["seconds"] + share * (sample["seconds"] - before["seconds"])
        before = sample
    return before["seconds"]


def parts_of(sender, receiver, files, parts):
    """Of each part of the files: files per second, and the most memory that either end held meanwhile."""
    done = sender.samples + [sender.last]
    rows = []
    for part in range(parts):
        begin, end = (at_count(done, files * n // parts) for n in (part, part + 1))
        held = [max([s["resident"] for s in side.samples if begin <= s["seconds"] <= end] or [0]) for side in (sender, receiver)]
        rows.append({"part": part + 1, "files_per_s": files / parts / max(end - begin, 1e-3), "sender_mib": held[0] / MIB,
                     "receiver_mib": held[1] / MIB})
    return rows


def result_of(options, sender, receiver):
    end = sender.last
    done = max(end["files"], end["skipped"])
    return {"files": end["files"], "skipped": end["skipped"], "seconds": end["seconds"],
            "files_per_s": done / max(end["seconds"], 1e-3), "cpu_s": end["cpu_sender"] + end["cpu_receiver"],
            "most_mib": [max(s["resident"] for s in side.samples + [side.last]) / MIB for side in (sender, receiver)],
            "parts": parts_of(sender, receiver, options.files, options.parts) if end["files"] == options.files else []}


def described(name, result):
    lines = [f"{name}: {result['files']} files sent, {result['skipped']} skipped in {result['seconds']:.1f} s: "
             f"{result['files_per_s']:.0f} files/s, CPU {1e6 * result['cpu_s'] / max(1, result['files'] + result['skipped']):.1f} us "
             f"a file, most memory {result['most_mib'][0]:.0f} (sender) and {result['most_mib'][1]:.0f} MiB (receiver)", ""]
    if result["parts"]:
        lines += ["| part | files/s | sender MiB | receiver MiB |", "|---|---|---|---|"]
        lines += [f"| {row['part']} | {row['files_per_s']:.0f} | {row['sender_mib']:.0f} | {row['receiver_mib']:.0f} |"
                  for row in result["parts"]]
        lines.append("")
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="the meson build directory")
    parser.add_argument("--files", type=int, default=10_000_000)
    parser.add_argument("--bytes", type=int, default=1000, help="of each file")
    parser.add_argument("--target", default="null", help="null, image (ext4 in an image file, root only), or a directory")
    parser.add_argument("--dir", default="/var/tmp", help="where the image lives")
    parser.add_argument("--syncfs", action="store_true", help="the receiver syncs the file system once for many files")
    parser.add_argument("--runs", type=int, default=2, help="the first sends, those after it find everything there")
    parser.add_argument("--parts", type=int, default=10, help="rows of the table")
    parser.add_argument("--timeout", type=float, default=7200, help="seconds for one run")
    parser.add_argument("--out", help="writes OUT.md and OUT.json")
    return parser.parse_args()


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    target = Target(options)
    results = []
    text = ""
    try:
        for run in range(1 if options.target == "null" else options.runs):
            result = result_of(options, *transfer(options, target.directory()))
            results.append(result)
            text += described(f"run {run + 1}", result)
            print(described(f"run {run + 1}", result), flush=True)
            time.sleep(0.5)
    finally:
        target.close()
    if options.out:
        with open(options.out + ".json", "w", encoding="ascii") as file:
            json.dump({"files": options.files, "bytes": options.bytes, "target": options.target, "syncfs": options.syncfs, "runs": results}, file, indent=1)
        with open(options.out + ".md", "w", encoding="ascii") as file:
            file.write(text)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"many.py: {failure}")
