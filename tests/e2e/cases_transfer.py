"""A whole transfer: what arrives, what is said about it, what a second run does."""

import os
import pathlib
import stat

import data
import runner
from checks import same, verify
from data import MIB
from harness import case

DIGEST_SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "digest.py"
TREE_FILES = 5000


def shared_file(t, size):
    """A file of `size` random bytes that several tests read and none changes."""
    path = t.shared / f"random-{size}"
    if not path.exists():
        data.write_random(path, size)
    return path


def small_tree(t, name="source", files=300):
    """A tree of real files and oddities, quick to make."""
    root = t.directory / name
    root.mkdir()
    data.copy_real_files(root / "real", files)
    data.make_oddities(root / "odd")
    return root


def check_manifest(t, target, paths):
    """The manifest says of these files what tests/digest.py finds in them."""
    manifest = data.read_manifest(target)
    for path in paths:
        size, mtime_ns, digest = manifest[os.fsencode(path)]
        found = os.lstat(os.path.join(os.fsencode(target), os.fsencode(path)))
        t.equal((size, mtime_ns), (found.st_size, found.st_mtime_ns), f"size and mtime of {path} in the manifest")
        t.equal(digest, data.root_digest(DIGEST_SCRIPT, os.path.join(os.fsencode(target), os.fsencode(path))), f"digest of {path}")


@case(timeout_s=20)
def one_small_file(t):
    """One file, one transfer: the shortest way to see that anything works."""
    source = data.write_random(t.directory / "file", 100_000)
    target = t.directory / "target"
    t.transfer(source, target)
    t.check(data.same_content(source, target / "file"), "content differs")


@case(timeout_s=150)
def real_tree_and_large_file(t):
    """5,000 real files and a file of 1 GiB over two paths: byte for byte, modes, times, links, manifest, verify."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    files = data.copy_real_files(source / "real", t.pick(1500, TREE_FILES)) + data.make_oddities(source / "odd")
    data.write_random(source / "large", t.pick(200 * MIB, 1024 * MIB, 4096 * MIB) + 12345)
    t.check(files >= t.pick(1500, TREE_FILES), f"this machine has only {files} files to copy")
    sender, receiver = t.transfer(f"{source}/", target, timeout_s=120)
    same(t, source, target)
    for process, role in ((sender, "sender"), (receiver, "receiver")):
        check_done(t, process.done(), role, data.file_bytes(source))
    t.equal([path["name"] for path in sender.done()["paths"]], ["a", "b"], "the sender's paths")
    t.equal(len(sender.events("path_up")), 2, "path_up events of the sender")
    report = verify(t, target)
    t.equal((report["files"], report["bytes"]), data.file_bytes(source), "files and bytes that verify read")
    t.equal(report["without_digest"], 0, "files without a digest")
    check_manifest(t, target, ["large", *(f"odd/size-{size}" for size in data.ODD_SIZES), b"odd/names/\xff\xfe not utf-8"])


def check_done(t, done, role, files_and_bytes):
    t.equal((done["ok"], done["exit_code"], done["role"]), (True, 0, role), f"{role}: ok, exit_code, role")
    t.equal((done["files"], done["bytes"]), files_and_bytes, f"{role}: files and bytes")
    t.equal((done["files_found"], done["bytes_found"], done["walk_done"]), (*files_and_bytes, True), f"{role}: found")
    for key in ("resent_bytes", "skipped_files", "failed_files"):
        t.equal(done[key], 0, f"{role}: {key}")
    t.check(done["seconds"] > 0 and done["durability"] and done["streams_chosen"], f"{role}: seconds, durability, streams: {done}")
    both = done["cpu_seconds_sender"] + done["cpu_seconds_receiver"]
    t.check(done["cpu_seconds_sender"] > 0 and done["cpu_seconds_receiver"] > 0, f"{role}: CPU seconds of each end: {done}")
    t.check(abs(done["cpu_seconds"] - both) < 1e-6, f"{role}: cpu_seconds are not those of both ends: {done}")
    t.check(len(done["paths"]) == 2 and all(path["bytes"] > 0 for path in done["paths"]), f"{role}: both paths carry bytes: {done}")
    t.equal(sum(path["bytes"] for path in done["paths"]), done["bytes"], f"{role}: bytes of all paths")


@case()
def second_run_skips(t):
    """The same command again skips everything, and sends what has changed: content, or only the time."""
    source, target = small_tree(t), t.directory / "target"
    files, size = data.file_bytes(source)
    t.transfer(f"{source}/", target)
    done = t.transfer(f"{source}/", target)[0].done()
    t.equal((done["files"], done["bytes"], done["skipped_files"], done["skipped_bytes"]), (0, 0, files, size), "second run")
    changed = source / "odd" / "size-4096"
    data.write_random(changed, 5000)
    touched = source / "odd" / "size-4097"
    found = touched.stat()
    os.utime(touched, ns=(found.st_atime_ns, found.st_mtime_ns - 1))
    done = t.transfer(f"{source}/", target)[0].done()
    t.equal((done["files"], done["bytes"], done["skipped_files"]), (2, 5000 + 4097, files - 2), "third run")
    same(t, source, target)
    verify(t, target)


@case()
def durable_files_are_told(t):
    """With --json --verbose the sender names each file once when it is durable; skipped files are not named."""
    source, target = small_tree(t, files=50), t.directory / "target"
    data.write_random(source / "large", 20 * MIB)
    sender, receiver = t.transfer(f"{source}/", target, send_options=("--verbose",), receive_options=("--verbose",))
    told = [data.name_in(event, "path") for event in sender.events("file_durable")]
    files = [name for name, found in data.listing(source).items() if stat.S_ISREG(found.st_mode)]
    t.equal(sorted(told), sorted(files), "files that the sender named")
    t.equal(receiver.events("file_durable"), [], "files that the receiver named")
    sender, _ = t.transfer(f"{source}/", target, send_options=("--verbose",))
    t.equal(sender.events("file_durable"), [], "files that a run without work named")
    sender, _ = t.transfer(f"{source}/", t.directory / "other")
    t.equal(sender.events("file_durable"), [], "files that were named although nobody asked")


@case()
def source_names_as_rsync(t):
    """`dir` lands as TARGET/dir, `dir/` lands its content, several sources land side by side; `copy` does the same."""
    for name in ("one", "two"):
        (t.directory / name).mkdir()
        data.write_random(t.directory / name / f"in-{name}", 1000)
    data.write_random(t.directory / "file", 1000)
    target = t.directory / "target"
    receiver = t.receive(target)
    t.exits(t.send(t.directory / "one", f"{t.directory / 'two'}/", t.directory / "file"), 0)
    t.exits(receiver, 0)
    expected = {b"one", b"one/in-one", b"in-two", b"file"}
    t.equal(set(data.listing(target)), expected, "names at the target")
    t.run("copy", "copy", t.directory / "one", f"{t.directory / 'two'}/", t.directory / "file", t.directory / "copied")
    t.equal(set(data.listing(t.directory / "copied")), expected, "names that copy made")
    same(t, target, t.directory / "copied")


@case()
def other_ways_to_the_disk(t):
    """Without io_uring, without O_DIRECT, with other chunks, streams and workers: the same files."""
    source = small_tree(t, files=100)
    data.write_random(source / "large", 40 * MIB + 7)
    ways = {"posix": ((), {"LONGHAUL_NO_IO_URING": "1"}), "no-direct": (("--no-direct",), {}),
            "syncfs": (("--syncfs",), {}),
            "chunk": (("--chunk", "16MiB"), {}), "streams": (("--streams", "24", "--workers", "1"), {})}
    for name, (options, env) in ways.items():
        target = t.directory / f"target-{name}"
        receiver = t.receive(*options, target, env=env)
        sender = t.send(*(word for word in options if word != "--syncfs"), f"{source}/", env=env)
        t.exits(sender, 0)
        t.exits(receiver, 0)
        same(t, source, target)
        verify(t, target)
        if name == "streams":
            t.equal([path["streams"] for path in sender.done()["paths"]], [24, 24], "streams of each path")
    t.run("copy", "copy", "--quiet", f"{source}/", t.directory / "copied", env={"LONGHAUL_NO_IO_URING": "1"})
    same(t, source, t.directory / "copied")


@case(root=True)
def synced_together_where_it_can_be(t):
    """--syncfs: on a disk files are synced together; on a file system in memory each is synced by itself, which is said."""
    source = small_tree(t, files=40)
    known = runner.file_system_of(os.path.realpath(t.directory)) in ("ext4", "xfs", "btrfs")
    done = t.run("disk", "copy", "--json", "--syncfs", f"{source}/", t.directory / "copied").done()
    t.equal(done["durability"], "syncfs" if known else "fsync", "durability on this file system")
    same(t, source, t.directory / "copied")
    memory = t.directory / "memory"
    memory.mkdir()
    t.mount("-t", "tmpfs", "-o", "size=100m", "longhaul-syncfs", memory)
    receiver = t.receive("--syncfs", memory / "target")
    sender = t.exits(t.send(f"{source}/"), 0)
    t.exits(receiver, 0)
    t.equal((sender.done()["durability"], receiver.done()["durability"]), ("fsync", "fsync"), "durability in memory")
    said = [event["text"] for event in receiver.events("note") if "--syncfs" in event["text"]]
    t.check(len(said) == 1 and "each file is synced by itself" in said[0], f"{said}")
    same(t, source, memory / "target")


@case()
def verify_finds_damage(t):
    """A flipped byte and a missing file give exit code 4 and are named; a file that no transfer brought is counted."""
    source, target = small_tree(t, files=50), t.directory / "target"
    data.write_random(source / "large", 20 * MIB)
    t.transfer(f"{source}/", target)
    data.write_random(target / "stranger", 10)
    t.equal(verify(t, target)["without_digest"], 1, "files without a digest")
    flipped = target / "large"
    found = flipped.stat()
    with open(flipped, "r+b") as file:
        file.seek(11 * MIB)
        byte = file.read(1)
        file.seek(11 * MIB)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(flipped, ns=(found.st_atime_ns, found.st_mtime_ns))
    done = verify(t, target, status=4)
    t.equal((done["mismatched"], [error["path"] for error in done["errors"]]), (1, ["large"]), "what verify found")
    flipped.unlink()
    done = verify(t, target, status=4)
    t.equal((done["missing"], [error["path"] for error in done["errors"]]), (1, ["large"]), "what verify found")
    data.write_random(target / "large", 100)
    t.equal(verify(t, target, status=4)["changed"], 1, "files that were changed after the transfer")
    t.transfer(f"{source}/", target)
    verify(t, target)
    t.run("verify", "verify", t.directory / "nowhere", status=1)
