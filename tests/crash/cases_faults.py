"""Disks that fail a flush, take long for one, or rot."""

import os
import random
import re
import time

import data
from cases_cuts import Cut, Totals, look_at, mixed_tree, report, seeded, send_with_words
from checks import same, verify
from data import MIB
from evidence import Acknowledged
from faultdisk import SYSTEMS, FaultDisk, call, case_for

PATIENCE = ("--retry-for", "10s", "--stall-timeout", "20s")


def ended_well_or_said_why(t, process):
    """Complete, or incomplete with the files named, or failed with a reason; never stalled."""
    t.check(process.wait(60) in (0, 1, 3), f"exit status of {process.label}: {process.status}")
    done = process.done()
    if process.status == 1:
        t.check(done["error"]["text"], f"{process.label} failed without words")
    if process.status == 3:
        t.check(done["errors"] and all(error["text"] for error in done["errors"]), f"{process.label} names no file")
    t.equal(done["exit_code"], process.status, f"exit code in the done event of {process.label}")


def cut_now(disk, acknowledged, words):
    """A power failure at this moment that keeps nothing of the disk's cache."""
    acknowledged.read()
    image = disk.cut("cut", "none", 0)
    return Cut(words, image, frozenset(acknowledged.files), acknowledged.bytes, acknowledged.done)


def one_flush_fails(t, kind, source, moment, receiving=()):
    """A transfer during which, from moment(chance, acknowledged) on, flushes fail for an instant; then another run."""
    chance, totals = seeded(t), Totals()
    disk = FaultDisk(t, kind)
    disk.slow(0.02, 25)
    target = disk.top / "target"
    receiver = t.receive(*PATIENCE, *receiving, target)
    sender = send_with_words(t, source, "200Mbps", options=PATIENCE)
    acknowledged = Acknowledged(sender, source)
    moment(chance, acknowledged)
    disk.command("eio", "flush")
    t.wait_for(lambda: disk.figure("failed") > 0, "a flush that fails")
    time.sleep(chance.uniform(0, 0.2))
    disk.command("eio", "off")
    for process in (sender, receiver):
        ended_well_or_said_why(t, process)
    first = (sender.status, receiver.status)
    look_at(t, disk, cut_now(disk, acknowledged, "cut after EIO"), source, totals)
    disk.remount()  # the kernel may have given the file system up
    receiver = t.receive(target)
    sender = send_with_words(t, source, "200Mbps")
    acknowledged = Acknowledged(sender, source)
    t.exits(sender, 0)
    t.exits(receiver, 0)
    same(t, source, target)
    verify(t, target)
    look_at(t, disk, cut_now(disk, acknowledged, "cut after the second run"), source, totals)
    print(f"      the run with EIO ended with {first[0]} (sender), {first[1]} (receiver)", flush=True)
    report(t, totals)


def failed_flush(t, kind):
    one_flush_fails(t, kind, mixed_tree(t, random.Random(1), small=100, middle=8),
                    lambda chance, acknowledged: time.sleep(chance.uniform(0.2, 1.5)))


def failed_flush_together(t, kind):
    one_flush_fails(t, kind, mixed_tree(t, random.Random(1), small=900, middle=4, large=(9 * MIB,)),
                    lambda chance, acknowledged: time.sleep(chance.uniform(0.1, 1)), ("--syncfs",))


def failed_last_flush(t, kind):
    source = t.directory / "source"
    source.mkdir()
    data.write_random(source / "large", 30 * MIB)
    one_flush_fails(t, kind, source, lambda _, acknowledged: t.wait_for(
        lambda: acknowledged.read() and acknowledged.files, "the word that all of the file is durable"))


def slow_disk(t, kind):
    source = t.directory / "source"
    source.mkdir()
    for name, size in (("small", 3000), ("middle", MIB), ("large", 12 * MIB)):
        data.write_random(source / name, size)
    disk = FaultDisk(t, kind)
    receiver = t.receive(disk.top / "target")  # its ticket is durable before it is told: that is not what is timed here
    disk.slow(t.pick(0.2, 0.2, 5))  # some 40 flushes in all
    sender = t.send(f"{source}/")
    t.exits(sender, 0, 400)
    t.exits(receiver, 0)
    disk.slow(0)
    for process in (sender, receiver):
        t.equal(process.events("path_down"), [], f"path_down events of {process.label}")
    same(t, source, disk.top / "target")
    verify(t, disk.top / "target")


def place_on_disk(file):
    """Where the first byte of a file lies on its device, as filefrag tells."""
    extent = re.search(r"^\s*0:\s*\d+\.\.\s*\d+:\s*(\d+)\.\.", call("filefrag", "-b1", "-v", file), re.M)
    return int(extent[1])


def bit_rot(t, kind):
    source = t.directory / "source"
    source.mkdir()
    for name, size in (("small", 5000), ("middle", MIB), ("large", 20 * MIB)):
        data.write_random(source / name, size)
    disk = FaultDisk(t, kind)
    target = disk.top / "target"
    t.transfer(f"{source}/", target)
    for name, inside, bit in (("small", 4999, 0), ("large", 11 * MIB + 1, 7)):
        disk.command("flip", place_on_disk(target / name) + inside, bit)
    disk.remount()
    done = verify(t, target, status=4)
    t.equal((done["mismatched"], done["files"]), (2, 1), "files that differ, files that are right")
    t.equal(sorted(os.path.basename(error["path"]) for error in done["errors"]), ["large", "small"], "files that are named")


for system in SYSTEMS:
    case_for(failed_flush, system, "A flush fails for a moment: no wrong file, words, a rerun completes, what was told is durable",
             tiers=("quick", "fast", "full") if system == "ext4" else ("full",))
for system in SYSTEMS:
    case_for(failed_flush_together, system, "The same where small files are synced many at once (--syncfs)",
             tiers=("quick", "fast", "full") if system == "ext4" else ("full",))
    case_for(failed_last_flush, system, "The flush fails with which a large file, all of it durable, gets its final name",
             tiers=("quick", "fast", "full") if system == "ext4" else ("full",))
case_for(slow_disk, "ext4", "Flushes that take seconds stall nothing and take no path down", timeout_s=200)
for system in ("ext4", "xfs"):  # btrfs has digests of its own: a read fails there
    case_for(bit_rot, system, "One flipped bit in a published file is found by verify",
             tiers=("quick", "fast", "full") if system == "ext4" else ("full",))
