"""Power cuts at random moments of a transfer, and what is there afterwards."""

import dataclasses
import os
import pathlib
import random
import time

import data
import harness
from checks import same, verify
from data import MIB
from evidence import Acknowledged, examine
from faultdisk import CUT_MODES, SYSTEMS, FaultDisk, after_power_failure, case_for

FLUSH_S = (0.0, 0.005, 0.03)  # a slow flush makes wide what must not be open at all: answered, and not yet durable
DISK_MB_PER_S = 25  # so that a transfer takes some seconds, whichever path carries it
CUTS_PER_ROUND = 8  # images wait on our own disk until the transfer is done


@dataclasses.dataclass
class Cut:
    """A power failure, and what had been acknowledged before it."""

    words: str
    image: pathlib.Path
    files: frozenset
    bytes: int
    done: bool


@dataclasses.dataclass
class Totals:
    cuts: int = 0
    files: int = 0
    bytes: int = 0
    resumed: int = 0
    lost: list = dataclasses.field(default_factory=list)
    wrong: list = dataclasses.field(default_factory=list)


def seeded(t):
    """The chance of this case; told, so that it can be had again."""
    seed = int(os.environ.get("LONGHAUL_CRASH_SEED") or random.randrange(1 << 32))
    print(f"      seed: LONGHAUL_CRASH_SEED={seed}", flush=True)
    return random.Random(seed)


def mixed_tree(t, chance, small=200, middle=10, large=(17 * MIB + 3,)):
    """Small files that travel in bundles, files of one chunk, journalled files, directories, symlinks, odd names."""
    source = t.directory / "source"
    data.copy_real_files(source / "real", small)
    data.make_oddities(source / "odd")
    (source / "middle").mkdir()
    for number in range(middle):
        data.write_random(source / "middle" / f"{number:02}", int(200_000 * 30 ** chance.random()))
    for number, size in enumerate(large):
        data.write_random(source / f"large-{number}", size)
    return source


def send_with_words(t, source, cap, options=()):
    """A sender that tells of each durable file."""
    return t.send("--verbose", *options, f"{source}/", cap=cap)


def wait_for_moment(acknowledged, chance, span_s, not_before_bytes):
    """Until a random moment, or until the next acknowledgement has just been heard: then nothing of it may be volatile."""
    latest = time.monotonic() + 4
    while acknowledged.bytes < not_before_bytes and not acknowledged.done and time.monotonic() < latest:
        time.sleep(0.002)
        acknowledged.read()
    deadline = time.monotonic() + chance.uniform(0.02, span_s)
    on_a_word = chance.random() < 0.5
    while time.monotonic() < deadline:
        acknowledged.read()
        time.sleep(0.002)
    while on_a_word and not acknowledged.done and time.monotonic() < deadline + 2:
        if acknowledged.read():
            return "on a word"
        time.sleep(0.0005)
    acknowledged.read()
    return "at random"


def take_cuts(disk, sender, chance, source, span_s):
    """Cuts the power some times under a running transfer, which never notices: some early, some late."""
    acknowledged, cuts = Acknowledged(sender, source), []
    source_bytes = data.file_bytes(source)[1]
    for number in range(CUTS_PER_ROUND):
        when = wait_for_moment(acknowledged, chance, span_s, source_bytes * max(number - 2, 0) // CUTS_PER_ROUND)
        mode, seed = chance.choice(CUT_MODES), chance.randrange(1 << 32)
        known = (frozenset(acknowledged.files), acknowledged.bytes, acknowledged.done)
        image = disk.cut(f"cut-{number}", mode, seed)
        cuts.append(Cut(f"cut {number} ({mode} {seed}, {when}, {len(known[0])} files told)", image, *known))
    return cuts


def look_at(t, disk, cut, source, totals):
    """Counts what a power failure has lost, and what stands there wrongly."""
    with after_power_failure(t, disk.kind, cut.image) as where:
        target = where / "target"
        findings = examine(source, target, cut.files, cut.bytes)
        if cut.done and not findings.lost + findings.wrong:
            words = data.difference(source, target)
            findings.lost += [f"the transfer was done, and {words}"] if words else []
    totals.cuts += 1
    totals.files += len(cut.files)
    totals.bytes += cut.bytes
    for kind in ("lost", "wrong"):
        getattr(totals, kind).extend(f"{cut.words}: {words}" for words in getattr(findings, kind))
    return findings


def resume(t, disk, cut, findings, source, totals):
    """The target comes up after the failure; receiver and sender are started again as before, with the ticket of before."""
    with after_power_failure(t, disk.kind, cut.image) as where:
        receiver = t.receive(where / "target", ticket="unused-ticket")
        sender = t.send(f"{source}/")
        t.exits(sender, 0)
        t.exits(receiver, 0)
        same(t, source, where / "target")
        verify(t, where / "target")
        t.equal(sorted(os.listdir(where / "target/.longhaul/landing")), [], "files left in the landing zone")
        left = data.file_bytes(source)[1] - findings.bytes
        t.check(sender.done()["bytes"] <= left, f"{sender.done()['bytes']} bytes were sent, {left} were not durable")
    totals.resumed += 1


def one_round(t, kind, chance, source, totals, cap, span_s, disk_mb_per_s=0, options=(), receiving=(), resumed=1):
    """One transfer to a new disk with some cuts; `resumed` of them are continued. `receiving`: options of the receiver."""
    disk = FaultDisk(t, kind)
    disk.slow(chance.choice(FLUSH_S), disk_mb_per_s)
    target = disk.top / "target"
    # O_DIRECT puts data into the disk's cache at once; without it data lies in memory, and more is lost.
    receiver = t.receive(*chance.choice(((), ("--no-direct",))), *receiving, target)
    sender = send_with_words(t, source, cap, options)
    cuts = take_cuts(disk, sender, chance, source, span_s)
    t.exits(sender, 0)
    t.exits(receiver, 0)
    same(t, source, target)
    disk.close()
    findings = [look_at(t, disk, cut, source, totals) for cut in cuts]
    again = [pair for pair in zip(cuts, findings) if not pair[0].done and not pair[1].lost + pair[1].wrong]
    for cut, found in chance.sample(again, min(resumed, len(again))):
        resume(t, disk, cut, found, source, totals)
    harness.remove_tree(disk.directory)


def report(t, totals):
    print(f"      {totals.cuts} cuts, {totals.files} files and {totals.bytes / 1e6:.0f} MB acknowledged before them: "
          f"{len(totals.lost)} lost, {len(totals.wrong)} wrong; {totals.resumed} continued", flush=True)
    found = totals.lost + totals.wrong
    t.check(not found, "; ".join(found[:12]) + (f"; and {len(found) - 12} more" if len(found) > 12 else ""))
    t.check(totals.files + totals.bytes > 0, "nothing was acknowledged before any cut: this test has seen nothing")


def mixed(t, kind):
    chance, totals = seeded(t), Totals()
    source = mixed_tree(t, chance)
    for _ in range(t.pick(1, 1, 5)):
        one_round(t, kind, chance, source, totals, "200Mbps", 0.5, DISK_MB_PER_S, resumed=t.pick(1, 1, 2))
    report(t, totals)


def together(t, kind):
    chance, totals = seeded(t), Totals()
    source = mixed_tree(t, chance, small=600, middle=4, large=(9 * MIB,))
    for number in range(200):  # a directory for each
        (source / "apart" / f"{number}").mkdir(parents=True)
        data.write_random(source / "apart" / f"{number}" / "file", chance.randrange(1, 20_000))
    for _ in range(t.pick(1, 1, 4)):
        one_round(t, kind, chance, source, totals, "200Mbps", 0.3, DISK_MB_PER_S, receiving=("--syncfs",), resumed=t.pick(1, 1, 2))
    report(t, totals)


def large(t, kind):
    chance, totals = seeded(t), Totals()
    source = t.directory / "source"
    source.mkdir()
    data.write_random(source / "large", chance.randrange(64, t.pick(68, 68, 128)) * MIB + chance.randrange(MIB))
    for _ in range(t.pick(1, 1, 2)):
        one_round(t, kind, chance, source, totals, "50Mbps", 0.6, options=("--streams", "1"))
    report(t, totals)


def tree(t, kind):
    """A tree that is replaced as a whole: after each power failure the old one stands there or the new one, to the last byte."""
    chance, source, before = seeded(t), t.directory / "source", t.directory / "before"
    (source / "d").mkdir(parents=True)
    for number in range(300):
        data.write_random(source / "d" / f"{number}", chance.randrange(60_000))
    data.write_random(source / "large", 20 * MIB + 3)
    data.copy_tree(source, before)
    disk = FaultDisk(t, kind)
    target, words = disk.top / "target", ("--publish", "tree")
    t.run("before", "copy", "--no-control", *words, source, target)
    for number in range(0, 300, 2):
        path = source / "d" / f"{number}"
        data.write_random(path, chance.randrange(60_000)) if number % 4 else path.unlink()
    data.write_random(source / "d/new", 3 * MIB)
    disk.slow(chance.choice(FLUSH_S), DISK_MB_PER_S)
    receiver = t.receive(target)
    sender = t.send(*words, source, cap="200Mbps")
    cuts = []
    while sender.poll() is None and len(cuts) < 2 * CUTS_PER_ROUND:
        time.sleep(chance.uniform(0, 0.2))
        mode, seed, done = chance.choice(CUT_MODES), chance.randrange(1 << 32), bool(sender.events("done"))
        cuts.append((f"cut {len(cuts)} ({mode} {seed})", disk.cut(f"cut-{len(cuts)}", mode, seed), done))
    t.exits(sender, 0)
    t.exits(receiver, 0)
    same(t, source, target / "source")
    disk.close()
    seen = {"old": 0, "new": 0}
    for told, image, done in cuts:
        with after_power_failure(t, kind, image) as where:
            there = where / "target/source"
            is_new = not data.difference(source, there)
            is_old = not data.difference(before, there)
            t.check(is_new or (is_old and not done), f"{told}: neither tree stands there; to the new one: {data.difference(source, there)}; "
                                                     f"to the old one: {data.difference(before, there)}")
            seen["new" if is_new else "old"] += 1
            if chance.random() < 0.15:  # and it goes on
                t.run("again", "copy", "--no-control", *words, source, where / "target")
                same(t, source, there)
                t.equal(verify(t, where / "target")["without_digest"], 0, f"{told}: files without a digest")
    print(f"      {len(cuts)} cuts, the old tree after {seen['old']}, the new one after {seen['new']}", flush=True)
    t.check(seen["old"] > 0, "no cut came before the end")


for system in SYSTEMS:
    case_for(tree, system, "Power cuts while a tree is replaced as a whole: the old one is there, or the new one",
             tiers=("quick", "fast", "full") if system == "ext4" else ("full",))
for system in SYSTEMS:
    case_for(mixed, system, "Power cuts while a tree of small and large files arrives: what was acknowledged is there")
for system in SYSTEMS:
    case_for(together, system, "Power cuts while small files are synced many at once (--syncfs): what was acknowledged is there",
             tiers=("quick", "fast", "full") if system == "ext4" else ("full",))
for system in SYSTEMS:
    case_for(large, system, "Power cuts while one large file arrives: its journal claims only what is there",
             tiers=("quick", "fast", "full") if system == "ext4" else ("full",))
