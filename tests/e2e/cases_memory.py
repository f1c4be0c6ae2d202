"""Resident memory of each side stays under 256 MiB, whatever crosses."""

import os

import data
from cases_transfer import same, shared_file
from data import MIB
from harness import Skip, case

MEMORY_MAX = 256 * MIB
# A slow disk has more writes in flight, and with them slots of 1 MiB that nothing had touched before: up to 76 for each of two
# workers, 29 more than usual were seen. A thing kept for each chunk or frame of 16 GiB stands out above that all the same.
GROWTH_MAX = 64 * MIB


def peaks(t, source, name):
    """Peak resident memory of sender and receiver."""
    sender, receiver = t.transfer(source, t.directory / name, timeout_s=t.pick(60, 120, 900))
    for process in (sender, receiver):
        t.check(process.peak_bytes < MEMORY_MAX, f"{process.label}: {process.peak_bytes / MIB:.0f} MiB resident, bound 256 MiB")
    return sender.peak_bytes, receiver.peak_bytes


@case(timeout_s=200)
def memory_does_not_grow(t):
    """Peak resident memory of either side with a small and a large transfer: under 256 MiB, and nearly the same."""
    small, large = t.pick(128, 1024, 1024) * MIB, t.pick(1024, 4096, 16384) * MIB
    space = os.statvfs(t.directory)
    needed = (2 * large + small) * 5 // 4
    if space.f_bavail * space.f_frsize < needed:
        raise Skip(f"needs {needed // MIB} MiB of free space")
    first = peaks(t, shared_file(t, small), "small")
    (t.directory / "small" / f"random-{small}").unlink()
    source = t.directory / "large-source"
    with open(source, "wb") as out:  # one block again and again: what is in it does not matter here, making it takes long
        block = os.urandom(8 * MIB)
        for _ in range(large // len(block)):
            out.write(block)
    second = peaks(t, source, "large")
    for side, before, after in zip(("sender", "receiver"), first, second):
        t.check(after <= before + GROWTH_MAX, f"{side}: {before / MIB:.0f} MiB for {small // MIB} MiB, "
                                              f"{after / MIB:.0f} MiB for {large // MIB} MiB")


@case(timeout_s=120, tiers=("fast", "full"))
def memory_of_many_files(t):
    """Peak resident memory with many small files in one directory: under 256 MiB too."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    for number in range(t.pick(0, 4_000, 200_000)):
        with open(source / f"file-{number:07}", "wb") as out:
            out.write(b"%d" % number)
    sender, receiver = t.transfer(f"{source}/", target, timeout_s=t.pick(60, 100, 1000))
    for process in (sender, receiver):
        t.check(process.peak_bytes < MEMORY_MAX, f"{process.label}: {process.peak_bytes / MIB:.0f} MiB resident, bound 256 MiB")
    same(t, source, target)
