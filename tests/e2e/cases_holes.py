"""Files with holes: neither side reads or writes them, and they are holes at the target, whatever happens on the way."""

import contextlib
import os
import shutil
import time

import data
from cases_fidelity import rsync_would_change_nothing
from checks import verify
from data import LEAF, MIB, NODE
from harness import Skip, case

TIB = 1 << 40
BLOCK = 4096


def write_at(path, size, pieces):
    """A file of holes with random bytes at [(offset, bytes)], no zeros: a block of these would be a hole at the target. Skips where
    the file system fills holes."""
    with open(path, "wb") as out:
        try:
            out.truncate(size)
        except OSError as error:
            raise Skip(f"no file of {size} bytes can be made here: {error.strerror}") from error
        for offset, count in pieces:
            os.pwrite(out.fileno(), os.urandom(count).replace(b"\0", b"\1"), offset)
        os.fsync(out.fileno())
    if os.stat(path).st_blocks * 512 > sum(count for _, count in pieces) + 64 * MIB:
        raise Skip("this file system keeps no holes")
    return path


def data_map(path):
    """[(begin, end)] of what is no hole (SEEK_DATA, SEEK_HOLE)."""
    found, size = [], os.path.getsize(path)
    with open(path, "rb") as file:
        at = 0
        while at < size:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # ENXIO: no more
                break
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            found.append((begin, at))
    return found


def same_holes(t, source, target):
    """Size, content and holes of two files: the data of either is read and compared, and no hole of it."""
    t.equal(os.path.getsize(target), os.path.getsize(source), "size at the target")
    ours, theirs = data_map(source), data_map(target)
    with open(source, "rb") as one, open(target, "rb") as other:
        for begin, end in ours + theirs:
            for at in range(begin, end, 8 * MIB):
                count = min(8 * MIB, end - at)
                t.check(os.pread(one.fileno(), count, at) == os.pread(other.fileno(), count, at), f"content differs at {at}")
    t.equal(theirs, ours, "where there is data at the target")
    allocated = [os.stat(path).st_blocks * 512 for path in (source, target)]
    t.check(allocated[1] <= allocated[0] + 2 * MIB, f"allocated: {allocated[1]} bytes at the target, {allocated[0]} at the source")


def read_and_written(pid):
    """What a process has read and written by system calls, sockets included."""
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        words = dict(line.split(": ") for line in file)
    return int(words["rchar"]), int(words["wchar"])


def spread(mebibytes, step):
    """Pieces of 1 MiB and some odd bytes, far apart; in the midst of leaves, nodes and chunks, at the beginning and at the end."""
    pieces = [(number * step + number * 12345 // BLOCK * BLOCK, MIB + BLOCK * number) for number in range(mebibytes)]
    return pieces + [(TIB - 5 * BLOCK, 5 * BLOCK)]


PLAIN = {"LONGHAUL_NO_IO_URING": "1"}  # what a ring reads and writes is not counted in /proc/PID/io
GIB_OF_PIECES = 512  # as many of `spread` are 1 GiB


def watched(t, processes, timeout_s):
    """Waits for the first of the processes to end. Returns {label: what it has read, what it has written}: of one that has ended until
    then all of it, if we are root, for none is reaped before; to others the kernel tells no more than what a look shortly before has seen."""
    moved = {process.label: (0, 0) for process in processes}

    def look():
        over = os.waitid(os.P_PID, processes[0].pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        for process in processes:
            with contextlib.suppress(PermissionError):
                moved[process.label] = read_and_written(process.pid)
        return over

    t.wait_for(look, processes[0].label, timeout_s)
    return moved


@case(timeout_s=180)
def a_tebibyte_of_holes(t):
    """1 TiB with a few MiB of data, 1 GiB in the full tier: arrives with its holes, which neither side reads or writes; verify does not read them
    either. rsync is asked for everything but the content, which it would read for hours, holes too."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    number = t.pick(8, 8, GIB_OF_PIECES)
    pieces = spread(number, TIB // number)
    file = write_at(source / "disk.img", TIB, pieces)
    content = sum(count for _, count in pieces)
    most = 2 * content + 50 * MIB  # the data as it is read and as it is sent, and what holes cost in messages and journals
    receiver = t.receive(target, env=PLAIN)
    sender = t.send("--archive", f"{source}/", env=PLAIN)
    began = time.monotonic()
    moved = watched(t, (sender, receiver), t.pick(120, 120, 900))
    t.exits(sender, 0)
    t.exits(receiver, 0, 20)
    print(f"      {time.monotonic() - began:.1f} s; {moved}", flush=True)
    same_holes(t, file, target / "disk.img")
    done = sender.done()
    t.equal((done["bytes"], done["sparse_files"]), (TIB, 0), "bytes of the file, files filled")
    t.check(done["wire_bytes"] < content * 11 // 10 + 50 * MIB, f"{done['wire_bytes']} bytes on the wire, of {content} that are data")
    for process, figure in ((sender, 0), (receiver, 1)):
        count = moved[process.label][figure]
        t.check(content // 2 <= count < most, f"{process.label} moved {count} bytes of {content} that are data")
    for label, figures in moved.items():
        t.check(max(figures) < most, f"{label} read and wrote {figures} bytes of {content} that are data")
    verifying = t.start("verify", "verify", "--json", target, env=PLAIN)
    read, _ = watched(t, (verifying,), t.pick(60, 60, 600))["verify"]
    t.exits(verifying, 0)
    report = verifying.done()
    t.equal((report["files"], report["bytes"], report["without_digest"]), (1, TIB, 0), "what verify found")
    t.check(read < most, f"verify has read {read} bytes of {content} that are data")
    if shutil.which("rsync"):
        rsync_would_change_nothing(t, [f"{source}/"], target, "-aHAXS", by_content=False)


@case(timeout_s=240)
def holes_outlive_kills(t):
    """1 TiB with holes, both sides killed -9 on the way, twice: continued, and the same at the end."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    file = write_at(source / "disk.img", TIB, spread(60, TIB // 60))
    for victims in ("sender", "both"):
        before = data.durable_bytes(target)
        receiver, sender = t.receive(target), t.send(f"{source}/", cap="160Mbps")
        t.wait_for(lambda: data.durable_bytes(target) > before + TIB // 8 or sender.poll() is not None, "a part of it", 60)
        t.check(sender.poll() is None, "it was over before it could be killed")
        sender.kill()
        if victims == "both":
            receiver.kill()
        else:
            receiver.signal(15)
            receiver.wait(20)
    durable = data.durable_bytes(target)
    sender, _ = t.transfer(f"{source}/", target, timeout_s=120)
    t.equal(sender.done()["bytes"], TIB - durable, "bytes of the last run: what was not durable, and no more")
    same_holes(t, file, target / "disk.img")
    verify(t, target)


@case(timeout_s=240)
def holes_outlive_a_receiver(t):
    """1 TiB with holes, 1 GiB of data in the full tier: the receiver is killed -9 at half of it and started again; the sender, which lives, goes on."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    number = t.pick(30, 60, GIB_OF_PIECES)
    file = write_at(source / "disk.img", TIB, spread(number, TIB // number))
    receiver, sender = t.receive(target), t.send(f"{source}/", cap="160Mbps")
    t.wait_for(lambda: data.durable_bytes(target) > TIB // 2 or sender.poll() is not None, "half of it", t.pick(60, 60, 300))
    t.check(sender.poll() is None, "it was over before the receiver could be killed")
    receiver.kill()
    durable = data.durable_bytes(target)
    t.check(durable < TIB, "all of it was durable before the receiver was killed")
    receiver = t.receive(target)
    t.exits(sender, 0, t.pick(60, 60, 300))
    t.exits(receiver, 0, 20)
    same_holes(t, file, target / "disk.img")
    t.equal(verify(t, target)["bytes"], TIB, "bytes that verify found")


@case(timeout_s=120)
def holes_of_every_kind(t):
    """Files of all sizes with holes at the beginning, the end, within frames, and nothing but holes; sealed, in clear, with large chunks."""
    source = t.directory / "source"
    source.mkdir()
    for size in (2 * BLOCK + 1, 100_000, 128 * 1024 + 1, LEAF, MIB + 1, NODE, NODE + 1, 3 * NODE + LEAF + 5, 40 * NODE + 1):
        write_at(source / f"nothing-{size}", size, [])
        write_at(source / f"end-{size}", size, [(size - 1, 1)])
        write_at(source / f"begin-{size}", size, [(0, 1)])
        write_at(source / f"middle-{size}", size, [(size // 2 // BLOCK * BLOCK, min(size // 3, 5 * MIB))])
    write_at(source / "combs", 4 * NODE, [(at, BLOCK) for at in range(0, 4 * NODE, 16 * BLOCK)])
    ways = {"sealed": (), "clear": ("--cipher", "none"), "chunks": ("--chunk", "64MiB"), "no-direct": ("--no-direct",)}
    for way, options in ways.items():
        target = t.directory / way
        cipher = options if way == "clear" else ()
        sender, _ = t.transfer(f"{source}/", target, receive_options=cipher, send_options=options)
        t.equal(sender.done()["sparse_files"], 0, "files filled")
        for name in os.listdir(source):
            same_holes(t, source / name, target / name)
        verify(t, target)
    again, _ = t.transfer(f"{source}/", t.directory / "sealed")
    t.equal(again.done()["files"], 0, "files of a second run")
    if shutil.which("rsync"):
        rsync_would_change_nothing(t, [f"{source}/"], t.directory / "sealed", "-aHAXS")


@case()
def holes_are_filled_when_asked(t):
    """--no-sparse: the same content without holes, and the files are counted. To stdout holes go as zeros in any case."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    for name, size in (("small", 100_000), ("middle", 3 * MIB), ("large", 3 * NODE + 5)):
        write_at(source / name, size, [(size // 2 // BLOCK * BLOCK, BLOCK)])
    sender, _ = t.transfer(f"{source}/", target, send_options=("--no-sparse",))
    t.equal(sender.done()["sparse_files"], 3, "files filled")
    for name in os.listdir(source):
        t.check(data.same_content(source / name, target / name), f"{name} differs")
        size = os.path.getsize(target / name)
        t.check(os.stat(target / name).st_blocks * 512 >= size // BLOCK * BLOCK, f"{name} has holes")
    verify(t, target)
    receiver = t.receive("--stdout", json_events=False)
    t.exits(t.send(source / "large"), 0)
    t.exits(receiver, 0, 20)
    t.equal(receiver.out(), (source / "large").read_bytes(), "what came out of the receiver")
