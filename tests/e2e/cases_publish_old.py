"""--publish tree with --delta and --checksum: what the old tree has is compared with, and not sent again; nor is it changed."""

import os
import threading
import time

import data
from cases_checksum import LONG_AGO, rot
from cases_delta import FRAME, carried, rewritten
from cases_publish import TREE, every_file_has_its_digest, nothing_is_left, published_whole
from cases_targets import small_file_system
from checks import same
from data import MIB
from harness import case


def version_of(directory):
    """What a reader of the old tree could notice a change of."""
    found = {}
    for parent, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(parent, name), "rb") as file:
                stat = os.fstat(file.fileno())
                found[os.path.join(parent, name)] = (file.read(), stat.st_mtime_ns, stat.st_mode)
    return found


@case(timeout_s=90)
def delta_against_the_old_tree(t):
    """A new version of a tree, with a checkpoint that was appended to and rewritten in two places: only that crosses, the old
    tree stays as it is for who has it open, and the new file is another one."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    for name, size in (("large", 40 * MIB + 7), ("same", 12 * MIB), ("small", 100_000)):
        data.write_random(source / name, size)
    t.transfer(source, target, send_options=TREE)
    old = os.stat(target / "source/large")
    rewritten(source / "large", [3 * MIB + 5, 20 * MIB])
    with open(source / "large", "ab") as file:
        file.write(os.urandom(3 * MIB))
    rewritten(source / "small", [0])
    data.write_random(source / "new", 10 * MIB)
    with open(target / "source/large", "rb") as reader:
        before = reader.read()
        sender, receiver = t.transfer(source, target, send_options=(*TREE, "--delta"))
        reader.seek(0)
        t.check(reader.read() == before and os.fstat(reader.fileno()).st_mtime_ns == old.st_mtime_ns, "the old version was changed")
    same(t, source, target / "source")
    t.check(os.stat(target / "source/large").st_ino != old.st_ino, "both versions are one file")
    done = sender.done()
    again = done["resent_bytes"]
    expected = 40 * MIB - 2 * FRAME
    t.check(expected - again <= done["matched_bytes"] <= expected + again, f"{done['matched_bytes']} bytes matched of {expected}")
    t.check(receiver.done()["matched_bytes"] <= done["matched_bytes"], "matched bytes at the receiver")
    most = 3 * MIB + 3 * FRAME + 100_000 + 10 * MIB + again
    t.check(carried(sender) <= most, f"{carried(sender)} bytes crossed, {most} differ")
    nothing_is_left(t, target)
    every_file_has_its_digest(t, target)
    # Without --delta it goes whole, as ever.
    rewritten(source / "large", [0])
    sender, _ = t.transfer(source, target, send_options=TREE)
    t.equal(sender.done()["matched_bytes"], 0, "matched bytes without --delta")
    same(t, source, target / "source")


@case(timeout_s=90)
def checksum_against_the_old_tree(t):
    """A tree that was written anew with the same content, two bytes that rotted at the target, and one file that has another
    mode: by both digests, what is the same does not cross and shows what its source does; the old tree is not changed for that."""
    source, target = t.directory / "source", t.directory / "target"
    (source / "d").mkdir(parents=True)
    for name, size in (("small", 5000), ("d/middle", 3 * MIB), ("large", 20 * MIB + 7), ("empty", 0), ("mode", 5000), ("rotten", 7000),
                       ("d/rotten large", 18 * MIB)):
        data.write_random(source / name, size)
    t.transfer(source, target, send_options=TREE)
    for number, digest in enumerate(((), ("--trust-xxh",))):
        rot(target / "source/rotten", 5)
        rot(target / "source/d/rotten large", 9 * MIB)
        for name in ("small", "d/middle", "large", "empty"):
            os.utime(source / name, ns=(LONG_AGO[0], LONG_AGO[1] + number))
        os.chmod(source / "mode", 0o640 - 0o40 * number)
        old = os.open(target / "source", os.O_RDONLY)
        links = {name: os.open(target / "source" / name, os.O_RDONLY) for name in ("small", "d/middle", "large", "mode")}
        shown = {name: (os.fstat(file).st_mtime_ns, os.fstat(file).st_mode) for name, file in links.items()}
        sender, receiver = t.transfer(source, target, send_options=(*TREE, "--checksum", *digest))
        for name, file in links.items():
            t.equal((os.fstat(file).st_mtime_ns, os.fstat(file).st_mode), shown[name], f"what {name} of the old tree shows")
            os.close(file)
        os.close(old)
        same(t, source, target / "source")
        done = sender.done()
        t.equal((done["compared_files"], done["same_files"]), (7, 4), "files compared, files that were the same (large is a delta that matches whole)")
        again = done["resent_bytes"]
        t.check(carried(sender) <= 7000 + FRAME * 4 + again, f"{carried(sender)} bytes crossed")
        t.equal(receiver.done()["same_files"], 4, "the same at the receiver")
        nothing_is_left(t, target)
        every_file_has_its_digest(t, target)
    quiet, _ = t.transfer(source, target, send_options=(*TREE, "--checksum"))
    t.equal((quiet.done()["bytes"], quiet.done()["same_files"]), (0, 7), "when nothing has changed")
    published_whole(t, source, target / "source")


@case(timeout_s=90)
def an_old_tree_that_changes(t):
    """Somebody writes into a file of the old tree while it is compared: the new version arrives right all the same."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    data.write_random(source / "large", 60 * MIB)
    for number in range(50):
        data.write_random(source / f"small-{number}", 50_000)
    t.transfer(source, target, send_options=TREE)
    rewritten(source / "large", [50 * MIB])
    for number in range(50):
        os.utime(source / f"small-{number}", ns=LONG_AGO)
    stop = threading.Event()
    old = [open(target / "source" / name, "r+b", buffering=0) for name in ("large", "small-7", "small-49")]

    def scribble():
        place = 0
        while not stop.is_set():
            for file in old:
                file.seek(place % os.fstat(file.fileno()).st_size)
                file.write(b"x")
            place += 64 * 1024 + 1
            time.sleep(0.0005)

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        t.transfer(source, target, cap="800Mbps", send_options=(*TREE, "--delta", "--checksum"))
    finally:
        stop.set()
        writer.join()
        for file in old:
            file.close()
    published_whole(t, source, target / "source")


@case(timeout_s=90)
def a_tree_with_a_delta_that_is_killed_goes_on(t):
    """Both ends are killed in the middle of it, twice; the old tree stays until the new one is whole."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    data.write_random(source / "large", 100 * MIB)
    data.write_random(source / "small", 5000)
    t.transfer(source, target, send_options=TREE)
    before = version_of(target / "source")
    rewritten(source / "large", range(0, 100 * MIB, 4 * MIB))
    os.utime(source / "small", ns=LONG_AGO)
    options = (*TREE, "--delta", "--checksum")
    for _ in range(2):
        before_this = data.durable_bytes(target)
        receiver, sender = t.receive(target), t.send(*options, source, cap="4Mbps")
        t.wait_for(lambda: data.durable_bytes(target) > before_this + 8 * MIB, "something durable", 60)
        receiver.kill()
        sender.kill()
        t.check(version_of(target / "source") == before, "something else than the old tree is to be seen")
    sender, _ = t.transfer(source, target, send_options=options)
    same(t, source, target / "source")
    done = sender.done()
    t.check(done["matched_bytes"] + carried(sender) <= 100 * MIB - 8 * MIB + done["resent_bytes"], "what was durable was sent again")
    nothing_is_left(t, target)
    every_file_has_its_digest(t, target)


@case(root=True)
def a_tree_shares_blocks_with_the_old_one(t):
    """On a file system that can, what a delta finds unchanged takes no room while both trees are there."""
    where = small_file_system(t, 400 * MIB, "xfs")
    source, target = t.directory / "source", where / "target"
    source.mkdir()
    data.write_random(source / "large", 80 * MIB + 5)
    t.transfer(source, target, send_options=TREE)
    rewritten(source / "large", [20 * MIB])
    _, receiver = t.transfer(source, target, send_options=(*TREE, "--delta"))
    done = receiver.done()
    t.check(78 * MIB <= done["shared_bytes"] <= done["matched_bytes"], f"{done['shared_bytes']} bytes shared of {done['matched_bytes']}")
    same(t, source, target / "source")
    every_file_has_its_digest(t, target)
