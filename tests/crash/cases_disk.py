"""The disk of these tests itself: it loses what was not flushed, keeps what was, and each fault is felt."""

import errno
import mmap
import os
import time

import harness
from faultdisk import CUT_MODES, SYSTEMS, FaultDisk, after_power_failure, call, case_for
from harness import case

BLOCK = 64 * 1024


def write(path, fill, sync):
    """A file of one block; synced with its directory, or left to the kernel."""
    file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.write(file, fill * BLOCK)
        if sync:
            os.fsync(file)
            os.fsync(directory)
    finally:
        os.close(file)
        os.close(directory)


def overwrite_directly(path, fill):
    """Through O_DIRECT: the disk has taken it, and nobody has flushed it."""
    page = mmap.mmap(-1, BLOCK)  # aligned, as O_DIRECT asks
    page.write(fill * BLOCK)
    file = os.open(path, os.O_WRONLY | os.O_DIRECT)
    try:
        os.pwrite(file, page, 0)
    finally:
        os.close(file)


def holds(path, fill):
    return path.exists() and path.read_bytes() == fill * BLOCK


def loses_what_was_not_synced(t, kind):
    disk = FaultDisk(t, kind)
    write(disk.top / "synced", b"A", sync=True)
    write(disk.top / "unsynced", b"B", sync=False)
    for seed, mode in enumerate(CUT_MODES):
        with after_power_failure(t, kind, disk.cut("cut", mode, seed)) as where:
            t.check(holds(where / "synced", b"A"), f"{mode}: what was synced is lost")
            t.check(not holds(where / "unsynced", b"B"), f"{mode}: what was only in memory is there")
    overwrite_directly(disk.top / "synced", b"C")
    with after_power_failure(t, kind, disk.cut("cut", "none", 0)) as where:
        t.check(not holds(where / "synced", b"C"), "what was only in the disk's cache is there")
    call("sync", "-f", disk.top)
    with after_power_failure(t, kind, disk.cut("cut", "none", 0)) as where:
        t.check(holds(where / "synced", b"C") and holds(where / "unsynced", b"B"), "what sync has told to be there is lost")


def faults_of(t, command, function):
    """`function` fails with EIO while the disk has this fault."""
    disk = FaultDisk(t, "ext4", mib=64)
    write(disk.top / "there", b"A", sync=True)
    disk.remount()
    disk.command("eio", command)
    try:
        function(disk)
    except OSError as error:
        t.equal(error.errno, errno.EIO, f"errno with `eio {command}`")
    else:
        raise harness.Failure(f"`eio {command}` is not felt")
    disk.command("eio", "off")


@case(root=True)
def disk_fails_and_is_slow(t):
    """EIO on read, write and flush is felt by a program; a slow flush slows fsync."""
    faults_of(t, "read", lambda disk: (disk.top / "there").read_bytes())
    for fault in ("write", "flush"):
        faults_of(t, fault, lambda disk: write(disk.top / "new", b"N", sync=True))
    disk = FaultDisk(t, "ext4", mib=64)
    disk.slow(0.3)
    begun = time.monotonic()
    write(disk.top / "slow", b"S", sync=True)
    t.check(time.monotonic() - begun >= 0.3, "a slow flush does not slow fsync")


for system in SYSTEMS:
    case_for(loses_what_was_not_synced, system, "Every kind of cut keeps what was synced and loses what was not")
