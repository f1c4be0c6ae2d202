"""--checksum: content decides what is sent, not size and time. rsync itself is asked what that means."""

import os
import random
import re
import shutil
import time

import data
from cases_delta import carried, rewritten
from cases_mirror import named
from cases_names import listing, make_tree
from cases_update import set_time
from checks import need, same, verify
from data import MIB
from harness import case

LONG_AGO = (10**18, 10**18 + 1)


def rot(path, place):
    """One byte turns; size and time stay."""
    before = path.stat()
    with open(path, "r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 0x55]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def facts(process):
    done = process.done()
    return tuple(done[name] for name in ("compared_files", "same_files", "files"))


@case(timeout_s=90)
def checksum_sends_what_differs_and_nothing_else(t):
    """Bytes that rotted at the target under the same size and time, in a small file and in the last MiB of a large one; files
    that only have another time and mode; by both digests, sealed and in clear. Without --checksum nothing of it is noticed."""
    source, old = t.directory / "source", t.directory / "old"
    (source / "d").mkdir(parents=True)
    sizes = {"small": 5000, "d/one chunk": 3 * MIB, "large": 40 * MIB + 7, "touched": 5000, "d/large touched": 30 * MIB, "empty": 0,
             "quiet": 100}
    for name, size in sizes.items():
        data.write_random(source / name, size)
    t.transfer(f"{source}/", old)
    for name, place in (("small", 0), ("d/one chunk", MIB), ("large", 40 * MIB)):
        rot(old / name, place)
    for name in ("touched", "d/large touched", "empty"):
        os.utime(source / name, ns=LONG_AGO)
        os.chmod(source / name, 0o640)
    shutil.copytree(old, t.directory / "unnoticed")
    for name in ("touched", "d/large touched", "empty"):
        os.utime(t.directory / "unnoticed" / name, ns=LONG_AGO)
    plain, _ = t.transfer(f"{source}/", t.directory / "unnoticed")
    t.equal((plain.done()["files"], plain.done()["compared_files"]), (0, 0), "files sent by size and time")
    t.check(not data.same_content(source / "large", t.directory / "unnoticed" / "large"), "size and time are to deceive")
    differ = sum(sizes[name] for name in ("small", "d/one chunk", "large"))
    for cipher, digest in (("auto", ()), ("none", ("--trust-xxh",))):
        target = t.directory / f"target-{cipher}"
        shutil.copytree(old, target)
        sender, receiver = t.transfer(f"{source}/", target, receive_options=("--cipher", cipher),
                                      send_options=("--cipher", cipher, "--checksum", *digest))
        same(t, source, target)
        verify(t, target)
        t.equal((facts(sender), facts(receiver)), ((7, 4, 3), (7, 4, 3)), "compared, the same, sent")
        t.equal(sender.done()["bytes"], differ, "bytes sent")
        t.equal(sender.done()["compared_bytes"], sum(sizes.values()), "bytes compared")
        again = sender.done()["resent_bytes"]
        t.check(differ <= carried(sender) <= differ + again, f"{carried(sender)} bytes crossed")
        quiet, _ = t.transfer(f"{source}/", target, send_options=("-c", *digest))
        t.equal((facts(quiet), carried(quiet)), ((7, 7, 0), 0), "of what has not changed")


@case(timeout_s=90)
def where_content_is_the_same_none_crosses(t):
    """Every file has another time at the target, and some another mode; the manifest then says the new times."""
    source, target = t.directory / "source", t.directory / "target"
    make_tree(source, random.Random(7))
    data.write_random(source / "large", 25 * MIB)
    shutil.copytree(source, target, symlinks=True)
    for path in target.rglob("*"):
        if not path.is_symlink():
            set_time(path, 5)
            if path.is_file():
                path.chmod(0o600)
    sender, _ = t.transfer(f"{source}/", target, send_options=("--checksum",))
    same(t, source, target)
    verify(t, target)
    compared, equal, sent = facts(sender)
    t.check(compared == equal > 0 and sent == 0 and carried(sender) == 0, f"{facts(sender)}, {carried(sender)} bytes crossed")
    records = data.read_manifest(target)
    t.equal(len(records), compared, "records in the manifest")
    quick, _ = t.transfer(f"{source}/", target)
    t.equal((quick.done()["files"], quick.done()["skipped_files"]), (0, compared), "by size and time, afterwards")


@case(timeout_s=300)
def checksum_is_what_rsync_makes_of_it(t):
    """Random trees on both sides, against rsync -a --checksum: both targets are alike, as many files are sent, and a dry run before
    it names them, changing nothing."""
    need("rsync", "rsync")
    for seed in range(t.pick(15, 30, 200)):
        chance = random.Random(seed)
        source, ours, theirs = (t.directory / name for name in ("source", "ours", "theirs"))
        make_tree(source, chance)
        shutil.copytree(source, ours, symlinks=True)
        for path in sorted(ours.rglob("*"), reverse=True):
            happens = chance.randrange(6)
            if not path.is_file() or path.is_symlink() or path.stat().st_size == 0:
                continue
            if happens == 0:
                rot(path, chance.randrange(path.stat().st_size))
            elif happens == 1:
                set_time(path, chance.choice((5, 2 * 10**9)))
            elif happens == 2:
                path.unlink()
            elif happens == 3:
                path.write_bytes(path.read_bytes() + b"more")
        shutil.copytree(ours, theirs, symlinks=True)
        options = [option for option in ("--update", "--existing", "--ignore-existing") if chance.random() < 0.2]
        told = f"seed {seed}, {' '.join(options)}"
        before = listing(ours)
        dry = t.run("copy", "copy", "--no-control", "--json", "-n", "-c", *options, f"{source}/", ours)
        t.equal((listing(ours), (ours / ".longhaul").exists()), (before, False), f"{told}: what a dry run leaves")
        rsync = t.start_program("rsync", "rsync", "-a", "--checksum", "--stats", *options, f"{source}/", f"{theirs}/")
        t.exits(rsync, 0)
        copy = t.run("copy", "copy", "--no-control", "--json", "-c", *options, f"{source}/", ours)
        t.equal(listing(ours), listing(theirs), f"{told}: what is at the target")
        sent = int(re.search(rb"files transferred: ([\d,]+)", rsync.out()).group(1).replace(b",", b""))
        t.equal(copy.done()["files"], sent, f"{told}: files sent")
        t.equal(dry.done()["would_send_files"], sent, f"{told}: files that a dry run would send")
        would = [named(event) for event in dry.events("would") if event["what"] in ("new", "changed") and (source / named(event)).is_file()
                 and not (source / named(event)).is_symlink()]
        t.equal(len(set(would)), sent, f"{told}: files that a dry run names")
        for tree in (source, ours, theirs):
            shutil.rmtree(tree)


@case(timeout_s=120)
def a_comparison_that_is_killed_goes_on(t):
    """Both ends are killed while they read, and while what differs is sent; what has crossed does not cross again, and the old version
    stays until the new one is whole."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    for name in ("a", "b"):
        data.write_random(source / name, 100 * MIB)
    for number in range(200):
        data.write_random(source / f"small {number}", 1000)
    t.transfer(f"{source}/", target)
    rot(target / "a", 50 * MIB)
    rot(target / "small 7", 5)
    rotten = (target / "a").read_bytes()
    for durable in (None, 0, 16 * MIB):
        receiver, sender = t.receive(target), t.send("--checksum", f"{source}/", cap="60Mbps")
        if durable is None:
            time.sleep(0.2)
        else:
            t.wait_for(lambda: any(event["bytes"] > durable for event in receiver.events("progress")), "bytes that are durable")
        receiver.kill()
        sender.kill()
        now = (target / "a").read_bytes()
        t.check(now in (rotten, (source / "a").read_bytes()), "something else than a whole version is at the final name")
    sender, _ = t.transfer(f"{source}/", target, send_options=("--checksum",))
    same(t, source, target)
    verify(t, target)
    done = sender.done()
    t.check(0 < done["bytes"] < 100 * MIB, f"{done['bytes']} bytes were sent after the kills")
    t.equal(done["failed_files"], 0, "failed files")


@case(timeout_s=60)
def a_comparison_outlives_a_receiver(t):
    """The receiver is killed while it reads and started again: the sender, which has waited, compares with the new one."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    for number in range(6):
        data.write_random(source / f"large {number}", 60 * MIB)
    t.transfer(f"{source}/", target)
    rot(target / "large 3", 59 * MIB)
    receiver = t.receive(target)
    sender = t.send("--checksum", f"{source}/", cap="100Mbps")
    time.sleep(0.3)
    receiver.kill()
    receiver = t.receive(target)
    t.exits(sender, 0)
    t.exits(receiver, 0, 20)
    same(t, source, target)
    t.equal(sender.done()["same_files"], 5, "files that are the same")


@case(timeout_s=60)
def checksum_with_a_delta(t):
    """Of the large file that differs only the rotten piece crosses."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    for name in ("rotten", "good"):
        data.write_random(source / name, 40 * MIB)
    t.transfer(f"{source}/", target)
    rot(target / "rotten", 20 * MIB)
    os.utime(source / "good", ns=LONG_AGO)
    sender, _ = t.transfer(f"{source}/", target, send_options=("--checksum", "--delta", "--trust-xxh"))
    same(t, source, target)
    verify(t, target)
    done = sender.done()
    t.equal(facts(sender), (2, 1, 1), "compared, the same, sent")
    t.check(done["matched_bytes"] >= 39 * MIB - done["resent_bytes"], f"{done['matched_bytes']} bytes matched")


@case(timeout_s=60)
def versions_that_change_while_they_are_compared(t):
    """A source that is written to is named, and the rest goes on; a target that is written to gets the source's version."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    for name in ("source changes", "target changes", "rests"):
        data.write_random(source / name, 300 * MIB if name != "rests" else MIB)
    shutil.copytree(source, target)
    for name in ("source changes", "target changes", "rests"):
        os.utime(source / name, ns=LONG_AGO)
    receiver = t.receive(target)
    sender = t.send("--checksum", f"{source}/")
    t.wait_for(lambda: any(event["event"] == "start" for event in sender.events()), "the transfer")
    ended = False
    while not ended:
        rewritten(target / "target changes", [290 * MIB])
        with open(source / "source changes", "r+b") as file:
            file.seek(290 * MIB)
            file.write(os.urandom(10))
        ended = sender.poll() is not None or bool(sender.events("file_error"))
        time.sleep(0.01)
    t.exits(sender, 3)
    t.exits(receiver, 3, 20)
    t.says(sender, "source changes", "changed while it was", "send it again when it is at rest")
    t.check(data.same_content(source / "rests", target / "rests"), "the file that rests did not arrive")
    same(t, source / "rests", target / "rests")


@case()
def checksum_where_there_is_nothing_to_compare_with(t):
    """An empty target; a name of another type there; symlinks, hard links and directories; a receiver that writes to its output."""
    source, target = t.directory / "source", t.directory / "target"
    make_tree(source, random.Random(3))
    (source / "file").write_text("file")
    os.link(source / "file", source / "other name")
    sender, _ = t.transfer(f"{source}/", target, send_options=("--checksum", "-H"))
    same(t, source, target)
    t.equal(sender.done()["compared_files"], 0, "files compared")
    (target / "other name").unlink()
    sender, _ = t.transfer(f"{source}/", target, send_options=("--checksum", "-H"))
    t.equal(os.stat(target / "other name").st_ino, os.stat(target / "file").st_ino, "the second name")
    t.equal(sender.done()["files"], 0, "files sent")
    (target / "file").unlink()
    (target / "file").symlink_to("here")
    sender, _ = t.transfer(f"{source}/", target, send_options=("--checksum", "-H"))
    same(t, source / "file", target / "file")
    receiver = t.receive("--stdout", json_events=False)
    sender = t.exits(t.send("--checksum", source / "file"), 2)
    t.says(sender, "--checksum", "need a receiver that writes to a directory")
    receiver.wait(20)
    t.equal(receiver.out(), b"", "what came out")


@case()
def checksum_options_are_checked(t):
    t.says(t.run("bad", "send", "--trust-xxh", "file", "longhaul://x", status=2), "--trust-xxh", "--delta", "--checksum")
    t.says(t.run("bad", "send", "-c", "--name", "x", "-", "longhaul://127.0.0.1:1/00ff?x=9#secret", status=2), "--checksum", "stdin")
    t.says(t.run("bad", "receive", "--checksum", os.devnull, status=2), "option of 'longhaul send'")
