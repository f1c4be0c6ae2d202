"""Real files for the tests, the comparison of two trees, and the target's manifest and journals read without Longhaul."""

import os
import pathlib
import shutil
import stat
import struct
import subprocess

LEAF = 256 * 1024
NODE = 32 * LEAF
MIB = 1024 * 1024
REAL_FILES = ("/usr/include", "/usr/share/doc", "/usr/lib/python3", "/usr/lib/python3.11", "/usr/share")
ODD_SIZES = (0, 1, 2, 511, 512, 4095, 4096, 4097, LEAF - 1, LEAF, LEAF + 1, NODE - 1, NODE, NODE + 1, NODE + LEAF + 1)
ODD_NAMES = (b" ", b"a b\tc", b"new\nline", b"\xff\xfe not utf-8", b"-n", b"--help", b"quote'\"`$(x)", b"back\\slash", b"*", b"~",
             "für größer \u6f22".encode(), b"x" * 255, b"...", b".hidden", b"end.", b"%s%n", b"\x01\x7f", b"@file", b"longhaul:")
MANIFEST_RECORD = struct.Struct("<IB3xIQq16s")


def write_random(path, size):
    """A file that nothing compresses."""
    with open(path, "wb") as out:
        left = size
        while left:
            left -= out.write(os.urandom(min(left, 8 * MIB)))
    return path


def copy_file(source, target):
    with open(source, "rb") as content:
        data = content.read()
    with open(target, "wb") as out:
        out.write(data)
    found = os.stat(source)
    os.chmod(target, stat.S_IMODE(found.st_mode) & 0o777)
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def copy_real_files(root, count):
    """Copies about `count` files that this machine has anyway, with their directories and symlinks. Returns how many."""
    copied = 0
    for number, top in enumerate(REAL_FILES):
        share = copied + max((count - copied) // 2, 1) if number == 0 else count
        for parent, directories, names in os.walk(top):
            if copied >= share:
                break
            here = os.path.join(root, os.path.relpath(parent, "/"))
            os.makedirs(here, exist_ok=True)
            for name in directories + names:
                source, target = os.path.join(parent, name), os.path.join(here, name)
                if os.path.lexists(target):
                    continue
                if os.path.islink(source):
                    os.symlink(os.readlink(source), target)
                elif os.path.isfile(source) and os.access(source, os.R_OK) and os.path.getsize(source) < 4 * MIB:
                    copy_file(source, target)
                    copied += 1
    return copied


def make_oddities(root):
    """Whatever a careless copier gets wrong. Returns the number of files."""
    os.makedirs(root)
    here = os.fsencode(root)
    join = os.path.join
    for size in ODD_SIZES:
        write_random(join(here, b"size-%d" % size), size)
    os.mkdir(join(here, b"names"))
    for name in ODD_NAMES:
        write_random(join(here, b"names", name), len(name))
    for name in (b"empty", b"nested/empty/deep", b"\xff\xfe dir"):
        os.makedirs(join(here, name))
    os.symlink(b"size-1", join(here, b"link"))
    os.symlink(b"/nonexistent/\xff target", join(here, b"dangling"))
    os.symlink(b"..", join(here, b"up"))
    os.symlink(b"nested", join(here, b"link-to-dir"))
    for mode in (0o400, 0o444, 0o555, 0o600, 0o644, 0o711, 0o777):
        path = write_random(join(here, b"mode-%o" % mode), 100)
        os.chmod(path, mode)
    for number, time_ns in enumerate((0, 1, 999_999_999, 1_000_000_001, 1_234_567_890_123_456_789, 4_000_000_000_000_000_007)):
        path = write_random(join(here, b"time-%d" % number), 10)
        os.utime(path, ns=(time_ns, time_ns))
    os.mkdir(join(here, b"readonly"))
    write_random(join(here, b"readonly", b"inside"), 5000)
    os.chmod(join(here, b"readonly"), 0o555)
    os.utime(join(here, b"readonly"), ns=(1_111_111_111_000_000_111,) * 2)
    os.utime(join(here, b"empty"), ns=(1_222_222_222_000_000_222,) * 2)
    return len(ODD_SIZES) + len(ODD_NAMES) + 7 + 6 + 1


def copy_tree(source, target):
    """With modes and times, of directories too."""
    shutil.copytree(source, target, symlinks=True)


def listing(root):
    """{relative path: lstat} of everything below `root` but its landing zones."""
    found, top = {}, os.fsencode(root)
    for parent, directories, names in os.walk(top):
        if b".longhaul" in directories:
            directories.remove(b".longhaul")
        for name in directories + names:
            path = os.path.join(parent, name)
            found[os.path.relpath(path, top)] = os.lstat(path)
    return found


def same_content(one, other):
    with open(one, "rb") as left, open(other, "rb") as right:
        while True:
            a, b = left.read(4 * MIB), right.read(4 * MIB)
            if a != b:
                return False
            if not a:
                return True


def difference(source, target):
    """What differs between two trees, in words; empty when nothing does. Both landing zones are left out."""
    ours, theirs = listing(source), listing(target)
    found = [f"only at the source: {name!r}" for name in ours.keys() - theirs.keys()]
    found += [f"only at the target: {name!r}" for name in theirs.keys() - ours.keys()]
    for name in sorted(ours.keys() & theirs.keys()):
        words = entry_difference(os.fsencode(source), os.fsencode(target), name, ours[name], theirs[name])
        if words:
            found.append(f"{name!r}: {words}")
    return "; ".join(found[:8]) + (f"; and {len(found) - 8} more" if len(found) > 8 else "")


def entry_difference(source, target, name, ours, theirs):
    one, other = os.path.join(source, name), os.path.join(target, name)
    if stat.S_IFMT(ours.st_mode) != stat.S_IFMT(theirs.st_mode):
        return f"type {stat.S_IFMT(theirs.st_mode):o}, expected {stat.S_IFMT(ours.st_mode):o}"
    if stat.S_ISLNK(ours.st_mode):
        return "" if os.readlink(one) == os.readlink(other) else f"link to {os.readlink(other)!r}, expected {os.readlink(one)!r}"
    if stat.S_IMODE(ours.st_mode) != stat.S_IMODE(theirs.st_mode):
        return f"mode {stat.S_IMODE(theirs.st_mode):o}, expected {stat.S_IMODE(ours.st_mode):o}"
    if ours.st_mtime_ns != theirs.st_mtime_ns:
        return f"mtime {theirs.st_mtime_ns}, expected {ours.st_mtime_ns}"
    if stat.S_ISREG(ours.st_mode):
        if ours.st_size != theirs.st_size:
            return f"{theirs.st_size} bytes, expected {ours.st_size}"
        if not same_content(one, other):
            return "content differs"
    return ""


def name_in(event, key):
    """A name of any bytes in a --json event."""
    exact = event.get(key + "_bytes_hex")
    return bytes.fromhex(exact) if exact else event[key].encode()


def wrong_final_names(source, target):
    """What stands at its final name in an unfinished target and is not whole, in words: law 1. Directories are finished last."""
    ours, theirs, found = listing(source), listing(target), []
    for name in sorted(theirs):
        if name not in ours:
            found.append(f"only at the target: {name!r}")
        elif not stat.S_ISDIR(theirs[name].st_mode) or not stat.S_ISDIR(ours[name].st_mode):
            words = entry_difference(os.fsencode(source), os.fsencode(target), name, ours[name], theirs[name])
            found += [f"{name!r} is at its final name, but: {words}"] if words else []
    return found


def file_bytes(root):
    """(files, their bytes) below `root`."""
    sizes = [found.st_size for found in listing(root).values() if stat.S_ISREG(found.st_mode)]
    return len(sizes), sum(sizes)


def read_manifest(target):
    """{path: (size, mtime_ns, digest in hex)} of a sorted manifest; layout in src/journal/manifest.h."""
    data = (pathlib.Path(target) / ".longhaul/manifest").read_bytes()
    if data[:8] != b"LHMANIF1" or struct.unpack_from("<I", data, 8) != (1,):
        raise ValueError(f"header of the manifest: {data[:16]!r}")
    found, at = {}, 16
    while at < len(data):
        length, kind, path_length, size, mtime_ns, digest = MANIFEST_RECORD.unpack_from(data, at)
        path = data[at + MANIFEST_RECORD.size : at + MANIFEST_RECORD.size + path_length]
        at += length
        if kind == 2:
            if size != len(found) or at != len(data):
                raise ValueError(f"the manifest's end record counts {size}, found {len(found)}; {len(data) - at} bytes behind it")
            return found
        found[path] = (size, mtime_ns, digest.hex())
    raise ValueError("the manifest has no end record")


def durable_bytes(target):
    """Bytes that the journals in the landing zone say are durable: one record of 24 bytes a node (src/journal/landing.h)."""
    total = 0
    for journal in (pathlib.Path(target) / ".longhaul/landing").glob("*.journal"):
        try:
            data = journal.read_bytes()
        except FileNotFoundError:  # its file was published since we looked
            continue
        if data[:8] != b"LHJRNL1\n":
            continue
        header_bytes, = struct.unpack_from("<I", data, 12)
        size, = struct.unpack_from("<Q", data, 32)
        records = [data[at : at + 24] for at in range(header_bytes, len(data) - 23, 24)]
        total += sum(min(NODE, size - number * NODE) for number, record in enumerate(records) if record.strip(b"\0"))
    return total


def root_digest(script, path):
    """The digest of a file as tests/digest.py, which knows nothing of Longhaul's code, computes it."""
    done = subprocess.run(["/usr/bin/python3", os.fspath(script), os.fsencode(path)], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=60, check=True)
    return done.stdout.decode().strip()
