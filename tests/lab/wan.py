"""A lab of parallel long-haul paths (wanlab.cc): two network namespaces, changed live. Nothing is left of it when it is closed or
when the process that made it dies, however it dies.

Path number i (from 1, in the order of their making) has 198.18.i.1 at src and 198.18.i.2 at dst, and fd00:18:i::1 and ::2.
README.md lists the settings.
"""

import dataclasses
import json
import os
import select
import subprocess
import threading
import time

import harness

ANSWER_WAIT_S = 30
ENDS = ("src", "dst")
# A window of 64 MiB: 1 Gb/s at 500 ms.
LARGE_WINDOWS = {"net.ipv4.tcp_rmem": "4096 131072 67108864", "net.ipv4.tcp_wmem": "4096 65536 67108864"}
TCP_SHARE = 0.965  # of a rate in IP bytes that TCP's payload gets at MTU 1500


class LabError(Exception):
    """The lab cannot be made, or refuses a command; the text says why."""


@dataclasses.dataclass(frozen=True)
class Line:
    """A path as it begins. `rate`: Mb/s from src to dst; `more`: further settings."""
    name: str
    rate: float
    rtt_ms: float
    more: str = ""

    def settings(self):
        return f"path {self.name} rtt={self.rtt_ms}ms rate={self.rate}mbit {self.more}"


class Wan:
    """One lab. From any thread."""

    def __init__(self, program, lines, sysctls=None, seed=1):
        self.lines, self.lock, self.buffer = list(lines), threading.Lock(), b""
        head = [f"seed {seed}"] + [f"sysctl {key} {value}" for key, value in (sysctls or LARGE_WINDOWS).items()]
        # A session of its own: Ctrl-C ends it by its stdin, after those who use it.
        self.process = subprocess.Popen([os.fspath(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                                        start_new_session=True, preexec_fn=harness.die_with_parent)
        try:
            answer = self.exchange("\n".join(head + [line.settings() for line in self.lines]) + "\n")
        except LabError:
            self.close()
            raise
        self.networks = dict(zip(ENDS, answer.split()[1:]))

    def exchange(self, words):
        with self.lock:
            try:
                self.process.stdin.write(words.encode() + b"\n")
            except OSError as error:
                raise LabError(f"the lab has ended: {error}") from error
            deadline = time.monotonic() + ANSWER_WAIT_S
            while b"\n" not in self.buffer:
                ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
                got = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
                if not got:
                    raise LabError("the lab has ended" if ready else f"the lab gave no answer to: {words}")
                self.buffer += got
            answer, _, self.buffer = self.buffer.partition(b"\n")
        text = answer.decode()
        if text.startswith("error "):
            raise LabError(text[len("error "):])
        return text

    def set(self, name, settings):
        """Settings of the path `name` ('all': of every path), in words; at once."""
        self.exchange(f"set {name} {settings}")

    def heal(self, name):
        """As it began."""
        line = self.line(name)
        self.set(name, f"up carrier=on loss=0 corrupt=0 maxpkt=0 rtt={line.rtt_ms}ms rate={line.rate}mbit {line.more}")

    def stats(self, restart=False):
        """{path: {"fwd": {...}, "rev": {...}, "cpu_s": ...}}."""
        return json.loads(self.exchange("stats restart" if restart else "stats"))

    def line(self, name):
        return next(line for line in self.lines if line.name == name)

    def address(self, name, end, ip6=False):
        number, host = [line.name for line in self.lines].index(name) + 1, ENDS.index(end) + 1
        return f"fd00:18:{number}::{host}" if ip6 else f"198.18.{number}.{host}"

    def at(self, end, *command):
        """The words that run a command at one end."""
        return ["nsenter", f"--net={self.networks[end]}", "--", *map(str, command)]

    def close(self):
        """Ends it; who still runs in it is left without a network."""
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Meter:
    """Samples what arrives at dst on each path, from outside, until it is stopped."""

    EVERY_S = 0.1

    def __init__(self, wan):
        self.wan, self.names, self.samples, self.ended = wan, [line.name for line in wan.lines], [], threading.Event()
        self.sample()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def sample(self):
        stats = self.wan.stats()
        self.samples.append((time.monotonic(), {name: stats[name]["fwd"]["bytes"] for name in self.names}))

    def run(self):
        while not self.ended.wait(self.EVERY_S):
            try:
                self.sample()
            except LabError:
                return

    def stop(self):
        self.ended.set()
        self.thread.join()
        return self

    def carried(self, names, at):
        """Bytes that had arrived on these paths together at a moment."""
        before = self.samples[0]
        for after in self.samples:
            if after[0] >= at:
                break
            before = after
        low, high = sum(before[1][name] for name in names), sum(after[1][name] for name in names)
        part = (at - before[0]) / (after[0] - before[0]) if after[0] > before[0] else 1
        return low + (high - low) * min(max(part, 0), 1)

    def rate(self, names, begin, end):
        """Mb/s between two moments."""
        return (self.carried(names, end) - self.carried(names, begin)) * 8 / 1e6 / max(end - begin, 1e-6)

    def worst_window(self, names, begin, end, window_s=1.0):
        """(Mb/s, when) of the slowest window within [begin, end]; where that is shorter than a window, of it all."""
        if end - begin <= window_s:
            return self.rate(names, begin, end), begin
        steps = int((end - begin - window_s) / self.EVERY_S) + 1
        return min((self.rate(names, at, at + window_s), at) for at in (begin + step * self.EVERY_S for step in range(steps)))

    def begun(self):
        """When the first megabyte had arrived, or now."""
        return next((at for at, bytes_of in self.samples if sum(bytes_of.values()) >= 1e6), time.monotonic())


def lateness(stats):
    """How exact the lab was: mean and greatest lateness of a packet in us over all paths, and packets the kernel dropped."""
    links = [stats[name][way] for name in stats for way in ("fwd", "rev")]
    samples = sum(link["late_samples"] for link in links)
    mean = sum(link["late_mean_us"] * link["late_samples"] for link in links) / max(samples, 1)
    return {"late_mean_us": round(mean, 1), "late_max_us": round(max(link["late_max_us"] for link in links), 1),
            "late_over_1ms": sum(link["late_over_1ms"] for link in links) / max(samples, 1),
            "dropped_ring": sum(link["dropped_ring"] for link in links)}
