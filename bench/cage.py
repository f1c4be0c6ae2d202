"""What all processes of one run cost together, at both ends, those too that they start themselves.

As root each run has a cgroup (v2) of its own, which counts exactly, whoever ends or moves to another session. Without one the tree of
processes is added up from /proc and wait4, in steps of 10 ms; what has gone from the tree (a daemon of its own) is not seen there.

Memory is what the processes hold by themselves (resident, without mapped files), sampled; the page cache, and so a target in
memory, which a cgroup would count too, is not in it."""

import os
import signal
import threading
import time

import harness
from children import Child, Failed

SAMPLE_EVERY_S = 0.05
END_WAIT_S = 3
TICKS = os.sysconf("SC_CLK_TCK")
KIB = 1024


def cgroup_of_us():
    """The directory of our own cgroup (v2), or None."""
    try:
        with open("/proc/self/cgroup", encoding="ascii") as groups:
            own = next((line.strip().removeprefix("0::/") for line in groups if line.startswith("0::/")), None)
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            mount = next((line.split()[1] for line in mounts if line.split()[2] == "cgroup2"), None)
    except OSError:
        return None
    return None if own is None or mount is None else os.path.join(mount, own)


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:  # it has just ended
        return ""


def memory_bytes(pid):
    """Resident memory of a process without mapped files; 0: it has ended, or is still a copy of this one that has not begun its program."""
    if read(f"/proc/{pid}/cmdline") == OURS:
        return 0
    figures = dict(line.split(":", 1) for line in read(f"/proc/{pid}/status").splitlines() if ":" in line)
    return sum(int(figures.get(key, "0").split()[0]) * KIB for key in ("RssAnon", "HugetlbPages"))


def ticks(pid):
    """CPU ticks of a process and of those it has waited for."""
    return sum(map(int, read(f"/proc/{pid}/stat").rpartition(")")[2].split()[11:15]))


OURS = read("/proc/self/cmdline")


class Cage:
    """The processes of one run. Close it: what still runs then is killed, each by its id."""

    number = 0

    def __init__(self):
        Cage.number += 1
        self.children, self.group, self.peak, self.sampling = [], None, 0, None
        parent = cgroup_of_us()
        if parent:
            group = os.path.join(parent, f"longhaul-compare-{os.getpid()}-{Cage.number}")
            try:
                os.mkdir(group)
                if os.access(os.path.join(group, "cgroup.procs"), os.W_OK) and "usage_usec" in read(os.path.join(group, "cpu.stat")):
                    self.group = group
                else:
                    os.rmdir(group)
            except OSError:
                pass

    @property
    def counts_by(self):
        return "cgroup" if self.group else "/proc and wait4"

    def start(self, words, log, env=None, cwd=None):
        """A process in it. It is killed when this program dies."""
        procs = os.path.join(self.group, "cgroup.procs") if self.group else None

        def before():
            harness.die_with_parent()
            if procs:
                with open(procs, "w", encoding="ascii") as out:
                    out.write("0")

        try:
            child = Child(words, log, before, env, cwd)
        except OSError as problem:
            raise Failed(f"{words[0]} cannot be started: {problem}") from problem
        self.children.append(child)
        return child

    def pids(self):
        """Of all that run in it now."""
        if self.group:
            return [int(word) for word in read(os.path.join(self.group, "cgroup.procs")).split()]
        found = [child.pid for child in self.children if child.process.returncode is None]
        for pid in found:  # grows while it is walked
            for thread in os.listdir(f"/proc/{pid}/task") if os.path.isdir(f"/proc/{pid}/task") else ():
                found += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
        return found

    def cpu_seconds(self):
        """User and system, since it was made."""
        if self.group:
            return int(dict(line.split() for line in read(os.path.join(self.group, "cpu.stat")).splitlines())["usage_usec"]) / 1e6
        return sum(child.cpu_seconds for child in self.children) + sum(map(ticks, self.pids())) / TICKS

    def watch_memory(self):
        """Samples memory until still() or close()."""
        self.sampling = threading.Event()
        self.sampler = threading.Thread(target=self.sample, daemon=True)
        self.sampler.start()

    def sample(self):
        while True:
            self.peak = max(self.peak, sum(map(memory_bytes, self.pids())))
            if self.sampling.wait(SAMPLE_EVERY_S):
                return

    def still(self):
        """Ends the sampling; returns the most memory that was seen, in bytes."""
        if self.sampling:
            self.sampling.set()
            self.sampler.join()
            self.sampling = None
        return self.peak

    def tell_all(self, number):
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def reap(self):
        for child in self.children:
            if child.process.returncode is None and not child.runs():
                child.reap()

    def close(self):
        self.still()
        begun = time.monotonic()
        while self.pids() and time.monotonic() < begun + END_WAIT_S:
            self.tell_all(signal.SIGTERM if time.monotonic() < begun + END_WAIT_S / 2 else signal.SIGKILL)
            time.sleep(0.05)
            self.reap()
        for child in self.children:
            child.kill()
        if self.group:
            try:
                os.rmdir(self.group)
            except OSError:  # somebody in it cannot die now: on a disk that does not answer
                pass
