"""A real file system on a disk that can lose power: mounted, cut, looked at, taken down again.

faultdisk (faultdisk.cc) holds the disk; a loop device and ext4, xfs or btrfs go on top. All mounts stand in a mount namespace of
our own, and loop devices let go of their file when the last mount ends: nothing stays behind, not even after kill -9.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import harness
from served import serve, unmount, why_not_served

MAKE = {"ext4": ["mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
        "xfs": ["mkfs.xfs", "-q", "-K"],
        "btrfs": ["mkfs.btrfs", "-q", "-K"]}
MOUNT = {"ext4": [], "xfs": ["-o", "nouuid"], "btrfs": []}
SYSTEMS = ("ext4", "xfs", "btrfs")
CUT_MODES = ("none", "all", "prefix", "random")


def call(*words, timeout_s=60):
    """A command that must work; returns what it says."""
    done = subprocess.run([os.fspath(word) for word in words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout_s)
    if done.returncode != 0:
        raise harness.Failure(f"{' '.join(map(str, words))}: status {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def case_for(function, kind, words, timeout_s=120, tiers=("quick", "fast", "full")):
    """Registers function(t, kind) as the case FUNCTION_KIND."""

    def run(t):
        function(t, kind)

    run.__name__, run.__doc__ = f"{function.__name__}_{kind}", f"{words}, on {kind}."
    harness.case(timeout_s=timeout_s, root=True, tiers=tiers)(run)


def program(t):
    return pathlib.Path(os.environ.get("LONGHAUL_FAULTDISK") or pathlib.Path(t.binary).parents[1] / "tests/crash/faultdisk")


def why_not(t, kind):
    """What is missing here for a disk with such a file system, or nothing."""
    for tool, package in ((MAKE[kind][0], "e2fsprogs, xfsprogs, btrfs-progs"), ("fusermount3", "fuse3"), ("losetup", "mount")):
        if shutil.which(tool) is None:
            return f"no {tool} (of {package}; tools/setup installs it)"
    return why_not_served(program(t), "/dev/loop-control")


class FaultDisk:
    """One disk with a file system at `top`. Everything is taken down at the end of the case."""

    def __init__(self, t, kind, mib=512):
        if reason := why_not(t, kind):
            raise harness.Skip(reason)
        self.t, self.kind, self.directory = t, kind, pathlib.Path(tempfile.mkdtemp(prefix="disk-", dir=t.directory))
        self.fuse, self.top, self.image = self.directory / "fuse", self.directory / "fs", self.directory / "image"
        for path in (self.fuse, self.top):
            path.mkdir(parents=True)
        serve(t, [program(t), self.image, str(mib), self.fuse], self.fuse, self.directory / "log", (self.fuse / "ctl").exists)
        t.at_end(self.close)
        self.make()

    def make(self):
        with self.attached() as device:
            call(*MAKE[self.kind], device)
        self.mount()
        call("sync", "-f", self.top)

    @contextlib.contextmanager
    def attached(self):
        """The loop device, which lives as long as it is used: by this block, or by a mount that was made in it."""
        try:
            device = call("losetup", "--find", "--show", self.fuse / "disk").strip()
        except harness.Failure as failure:
            raise harness.Skip(f"no loop device: {failure}") from failure
        try:
            yield device
        finally:
            call("losetup", "--detach", device)

    def mount(self):
        with self.attached() as device:
            call("mount", "-t", self.kind, *MOUNT[self.kind], device, self.top)

    def remount(self):
        """As after a reboot: nothing is cached."""
        unmount_patiently(self.top)
        self.mount()

    def command(self, *words):
        """One command to the disk; its answer."""
        text = " ".join(map(str, words))
        try:
            with open(self.fuse / "ctl", "wb", buffering=0) as ctl:
                ctl.write(text.encode())
        except OSError as error:
            raise harness.Failure(f"the disk refuses `{text}`: {self.status() or error}") from error

    def status(self):
        return (self.fuse / "ctl").read_text(errors="replace").strip()

    def figure(self, name):
        """One of the disk's figures: unflushed, flushes, failed, cuts."""
        return int(dict(line.split() for line in self.status().splitlines()[1:])[name])

    def slow(self, flush_s, mb_per_s=0):
        """How long a flush takes, and what the disk reads and writes; 0: as fast as it can."""
        self.command("slow", 0, int(flush_s * 1e6), mb_per_s)

    def cut(self, name, mode, seed):
        """The image that a power failure now would leave."""
        image = self.directory / name
        self.command("cut", image, mode, seed)
        return image

    def close(self):
        """Before the disk goes."""
        with contextlib.suppress(harness.Failure, OSError):
            self.command("eio", "off")
            self.command("slow", 0, 0, 0)
        unmount(self.top)


@contextlib.contextmanager
def after_power_failure(t, kind, image):
    """Mounts a cut image, which replays the file system's journal, and unmounts it. Yields the mount point."""
    where = harness.make_directory(t.directory / "after")
    call("mount", "-t", kind, "-o", ",".join(["loop"] + [word for word in MOUNT[kind] if word != "-o"]), image, where)
    try:
        yield where
    except BaseException:  # what went wrong there is what matters, and a process may still be there
        subprocess.run(["umount", "--lazy", where], stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
        raise
    unmount_patiently(where)


def unmount_patiently(where):
    """What has just ended may still hold a file there."""
    for attempt in range(50):
        try:
            return call("umount", where)
        except harness.Failure:
            if attempt == 49:
                raise
            time.sleep(0.1)
