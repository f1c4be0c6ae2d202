"""--delta: of a large file that stands at the target in another version only what differs crosses."""

import os
import shutil
import threading
import time

import data
from cases_targets import small_file_system
from checks import same, verify
from data import MIB
from harness import case


FRAME = 256 * 1024  # what is compared with one key


def rewritten(path, places):
    """Other bytes at these places, as a training step leaves them; and another time."""
    with open(path, "r+b") as file:
        for place in places:
            file.seek(place)
            before = file.read(1000)
            file.seek(place)
            file.write(bytes(byte ^ 0x55 for byte in before))
    os.utime(path, ns=(10**18, 10**18 + 1))


def carried(process):
    return sum(path["bytes"] for path in process.done()["paths"])


@case(timeout_s=90)
def delta_sends_only_what_differs(t):
    """A checkpoint that was appended to and rewritten in two places, one that shrank, one that is new and a small one; by both
    digests, sealed and in clear. Both ends tell what did not cross, and what had the old version open still reads it."""
    source = t.directory / "source"
    source.mkdir()
    sizes = {"appended": 40 * MIB + 7, "shrunk": 30 * MIB, "small": 5 * MIB}
    for name, size in sizes.items():
        data.write_random(source / name, size)
    old = t.directory / "old"
    t.transfer(f"{source}/", old)
    rewritten(source / "appended", [3 * MIB + 5, 20 * MIB])
    with open(source / "appended", "ab") as file:
        file.write(os.urandom(3 * MIB))
    os.truncate(source / "shrunk", 17 * MIB + 3)
    rewritten(source / "small", [0])
    data.write_random(source / "new", 12 * MIB)
    for cipher, digest in (("auto", ()), ("none", ("--trust-xxh",))):
        target = t.directory / f"target-{cipher}"
        shutil.copytree(old, target)
        with open(target / "appended", "rb") as reader:
            sender, receiver = t.transfer(f"{source}/", target, receive_options=("--cipher", cipher),
                                          send_options=("--cipher", cipher, "--delta", *digest))
            t.equal(len(reader.read()), sizes["appended"], "bytes of the old version, for who had it open")
        same(t, source, target)
        verify(t, target)
        matched, again = sender.done()["matched_bytes"], sender.done()["resent_bytes"]
        t.check(matched - again <= receiver.done()["matched_bytes"] <= matched, "matched bytes at the receiver")
        # Frames of 256 KiB: two were rewritten, and the one at the old end was completed; the shrunk file ends inside one.
        expected = 40 * MIB - 2 * FRAME + 17 * MIB + 3
        t.check(expected - again <= matched <= expected + again, f"{matched} bytes matched of {expected}, {again} sent again")
        whole = sum((source / name).stat().st_size for name in os.listdir(source))
        # What was sent again may be what matched: then the sender takes for a lost copy what its last look saw unsent.
        crossed = carried(sender)
        t.check(whole - expected - again <= crossed <= whole - expected + again, f"{crossed} bytes crossed of {whole}")
    quiet, _ = t.transfer(f"{source}/", t.directory / "target-auto", send_options=("--delta",))
    t.equal((quiet.done()["bytes"], quiet.done()["matched_bytes"]), (0, 0), "of what has not changed")


def shares_what_has_not_changed(t, kind):
    """What is the same takes no room and is not written; the new version is another file all the same."""
    where = small_file_system(t, 400 * MIB, kind)
    source, target = t.directory / "file", where / "target"
    data.write_random(source, 80 * MIB + 5)
    t.transfer(source, target)
    os.link(target / "file", target / "old")
    rewritten(source, [20 * MIB])
    os.sync()
    free = os.statvfs(where).f_bavail * os.statvfs(where).f_frsize
    _, receiver = t.transfer(source, target, send_options=("--delta",))
    done = receiver.done()
    t.check(78 * MIB <= done["shared_bytes"] <= done["matched_bytes"], f"{done['shared_bytes']} bytes shared of {done['matched_bytes']}")
    os.sync()
    taken = free - os.statvfs(where).f_bavail * os.statvfs(where).f_frsize
    t.check(taken < 20 * MIB, f"{taken} bytes more are taken")
    t.check(data.same_content(source, target / "file"), "content differs")
    verify(t, target)
    with open(target / "old", "r+b") as old:
        old.write(bytes(MIB))
    t.check(data.same_content(source, target / "file"), "the new version changes with the old one")


@case(root=True)
def delta_shares_blocks_on_xfs(t):
    """Blocks that both versions have are shared, on a file system that can."""
    shares_what_has_not_changed(t, "xfs")


@case(root=True)
def delta_shares_blocks_on_btrfs(t):
    """The same."""
    shares_what_has_not_changed(t, "btrfs")


@case(timeout_s=90)
def a_delta_that_is_killed_goes_on(t):
    """Both ends are killed in the middle of it, twice; the file stays in its old version until the new one is whole."""
    source, target = t.directory / "file", t.directory / "target"
    data.write_random(source, 120 * MIB)
    t.transfer(source, target)
    with open(target / "file", "rb") as file:
        old = file.read()
    rewritten(source, range(0, 120 * MIB, 4 * MIB))
    for _ in range(2):
        receiver, sender = t.receive(target), t.send("--delta", source, cap="20Mbps")
        time.sleep(0.8)
        receiver.kill()
        sender.kill()
        t.check((target / "file").read_bytes() == old, "something else than the old version is at the final name")
    sender, _ = t.transfer(source, target, send_options=("--delta",))
    same(t, source, target / "file")
    verify(t, target)
    done = sender.done()
    t.check(done["matched_bytes"] + carried(sender) <= 120 * MIB - done["skipped_bytes"] + done["resent_bytes"],
            "what was durable was sent again")


@case(timeout_s=90)
def delta_with_an_older_version_that_changes(t):
    """Somebody writes into the file at the target while it is compared: the new version arrives right all the same."""
    source, target = t.directory / "file", t.directory / "target"
    data.write_random(source, 100 * MIB)
    t.transfer(source, target)
    rewritten(source, [50 * MIB])
    stop = threading.Event()

    def scribble():
        with open(target / "file", "r+b", buffering=0) as file:
            for place in range(0, 100 * MIB, 64 * 1024):
                if stop.is_set():
                    return
                os.pwrite(file.fileno(), b"scribble", 100 * MIB - 64 * 1024 - place)
                time.sleep(0.0005)

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        t.transfer(source, target, cap="800Mbps", send_options=("--delta",))
    finally:
        stop.set()
        writer.join()
    same(t, source, target / "file")
    verify(t, target)


@case()
def delta_options_are_checked(t):
    t.says(t.run("bad", "send", "--trust-xxh", "file", "longhaul://x", status=2), "--trust-xxh", "--delta")
    t.says(t.run("bad", "receive", "--delta", os.devnull, status=2), "option of 'longhaul send'")
