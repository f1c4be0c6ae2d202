#!/usr/bin/env python3
"""What a flood of connections costs a transfer that runs: the same flood in turn at the receiver, and at a program beside it that
only accepts and closes, so that the attacker's own share of the machine is in both. What is sent is thrown away."""

import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from children import Child
from transfer import GIB


def attack(host, port, held, per_second):
    """Opens `held` connections that say nothing, prints "ready", and goes on opening until stdin ends. Random bytes in some."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    chance, kept, opened = random.Random(1), [], 0

    def open_one():
        nonlocal opened
        opened += 1
        one = socket.socket()
        one.setblocking(False)
        one.bind((f"127.0.0.{1 + opened % 250}", 0))  # as many ports as it takes
        try:
            one.connect((host, port))
        except BlockingIOError:
            pass
        kept.append(one)
        return one

    for number in range(held):
        open_one()
        if number % 200 == 0:
            time.sleep(0.01)
    print("ready", flush=True)
    os.set_blocking(0, False)
    begun, due = time.monotonic(), 0
    while True:
        try:
            if sys.stdin.buffer.raw.read(1) == b"":
                break
        except BlockingIOError:
            pass
        while due < (time.monotonic() - begun) * per_second:
            due += 1
            one = open_one()
            if chance.random() < 0.3:
                try:
                    one.send(chance.randbytes(chance.choice((1, 5, 200, 3000))))
                except OSError:
                    pass
            kept.pop(chance.randrange(len(kept))).close()
        time.sleep(0.01)
    print(opened, flush=True)


def accept_and_close():
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            server.accept()[0].close()


class Round:
    """One transfer under attack."""

    def __init__(self, options, source, dummy_port):
        self.options, self.source, self.dummy_port = options, source, dummy_port

    def run(self, at_the_receiver):
        where = tempfile.mkdtemp(prefix="flood-", dir=self.options.dir)
        try:
            return self.run_in(pathlib.Path(where), at_the_receiver)
        finally:
            shutil.rmtree(where)

    def run_in(self, where, at_the_receiver):
        binary = os.path.join(self.options.build, "tools", "longhaul")
        # To nowhere: what new memory costs on a virtual machine would drown everything else.
        receiver = Child(["sh", "-c", f"exec '{binary}' receive --no-control --quiet --stdout --ticket-file '{where}/ticket' >/dev/null"],
                         where / "receive.log")
        attacker = None
        try:
            while not (where / "ticket").exists():
                time.sleep(0.01)
            port = int((where / "ticket").read_text().split("/")[2].rsplit(":", 1)[1])
            attacker = subprocess.Popen([sys.executable, __file__, "--attack", str(port if at_the_receiver else self.dummy_port),
                                         "--held", str(self.options.held), "--per-second", str(self.options.per_second)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            if attacker.stdout.readline().strip() != "ready":
                raise RuntimeError("the attacker did not get ready")
            sender = Child([binary, "send", "--no-control", "--report", where / "report", self.source, f"@{where / 'ticket'}"],
                           where / "send.log")
            sender.end(self.options.timeout)
            receiver.end(self.options.timeout)
            attacker.stdin.close()
            opened = int(attacker.stdout.readline())
            attacker.wait()
            return {"seconds": json.loads((where / "report").read_text())["seconds"], "opened": opened, "rss_mib": receiver.rss_mib}
        finally:
            for child in (receiver.process, attacker):
                if child is not None and child.poll() is None:
                    child.kill()
                    child.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="the meson build directory")
    parser.add_argument("--gib", type=float, default=2, help="size of the file")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--held", type=int, default=10000, help="connections that say nothing")
    parser.add_argument("--per-second", type=int, default=500, help="new ones a second")
    parser.add_argument("--dir", default="/dev/shm")
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--attack", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--accept", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        return attack("127.0.0.1", options.attack, options.held, options.per_second)
    if options.accept:
        return accept_and_close()
    source = os.path.join(options.dir, f"flood-source-{os.getpid()}")
    dummy = subprocess.Popen([sys.executable, __file__, "--accept"], stdout=subprocess.PIPE, text=True)
    try:
        subprocess.run([os.path.join(options.build, "bench", "mkdata"), source, str(int(options.gib * GIB)), "1"], check=True)
        one = Round(options, source, int(dummy.stdout.readline()))
        one.run(True)  # makes everything warm
        ratios, rows = [], []
        for number in range(options.runs):
            order = (True, False) if number % 2 else (False, True)
            found = {at: one.run(at) for at in order}
            ratios.append(found[False]["seconds"] / found[True]["seconds"])
            rows.append(found)
            print(f"round {number + 1}: beside {found[False]['seconds']:.2f} s, at the receiver {found[True]['seconds']:.2f} s "
                  f"({found[True]['opened']} connections), rate {ratios[-1]:.3f}", file=sys.stderr)
        beside, there = (max(row[at]["rss_mib"] for row in rows) for at in (False, True))
        print(f"rate under the flood: {statistics.median(ratios):.3f} [{min(ratios):.3f}-{max(ratios):.3f}] of that beside it; receiver's memory "
              f"{there:.0f} MiB, beside it {beside:.0f} MiB")
        return 0
    finally:
        dummy.kill()
        dummy.wait()
        if os.path.exists(source):
            os.unlink(source)


if __name__ == "__main__":
    sys.exit(main())
