"""Targets that are full, shared, or made of several file systems."""

import os
import subprocess

import data
from cases_transfer import same, shared_file, small_tree, verify
from data import MIB
from harness import Skip, case


def small_file_system(t, size, kind="ext4"):
    """A file system of `size` bytes, mounted."""
    image, where = t.directory / "image", t.directory / "small"
    with open(image, "wb") as out:
        out.truncate(size)
    where.mkdir()
    try:
        made = subprocess.run([f"mkfs.{kind}", "-q", *(["-F"] if kind == "ext4" else []), image],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    except FileNotFoundError as missing:
        raise Skip(f"mkfs.{kind} is missing") from missing
    if made.returncode != 0:
        raise Skip(f"mkfs.{kind}: " + made.stderr.decode(errors="replace"))
    t.mount("-o", "loop", image, where)
    return where


def fill(t, where, sources, what):
    """Both ends say that the target is full; what has its final name is whole."""
    source, target = t.directory / f"source-{what}", where / what
    source.mkdir()
    for name, size in sources:
        data.write_random(source / name, size)
    sender, receiver = t.transfer(f"{source}/", target, status=6)
    for process in (sender, receiver):
        t.says(process, "space")
        t.equal((process.done()["ok"], process.done()["exit_code"]), (False, 6), f"done event of {process.label}")
    for name, size in sources:
        if (target / name).exists():
            t.check(data.same_content(source / name, target / name), f"{name} is at its final name and not whole")
    return source, target


def full_target(t, where):
    fill(t, where, [("large", 120 * MIB)], "one-large-file")
    subprocess.run(["rm", "-rf", where / "one-large-file"], timeout=20, check=True)
    source, target = fill(t, where, [(f"small-{number:04}", 60_000) for number in range(1500)], "many-small-files")
    t.check(sum(1 for name in data.listing(target)) > 0, "nothing of what would have fitted is there")
    for number in range(900):
        (source / f"small-{number:04}").unlink(missing_ok=True)
        (target / f"small-{number:04}").unlink(missing_ok=True)
    t.transfer(f"{source}/", target)
    same(t, source, target)


@case(root=True)
def full_ext4(t):
    """ENOSPC on an ext4 of 64 MB: exit code 6 on both sides, nothing half at a final name; with room again it continues."""
    full_target(t, small_file_system(t, 64 * MIB))


@case(root=True)
def full_tmpfs(t):
    """The same on a tmpfs of 64 MB, where preallocation tells nothing in time or all of it at once."""
    where = t.directory / "small"
    where.mkdir()
    t.mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", where)
    full_target(t, where)


@case(root=True)
def target_in_memory(t):
    """On a tmpfs small files have no name until they are whole: new ones appear, those that are there are replaced in one
    step, behind a receiver's walls, and a receiver that is killed leaves nothing of them."""
    where = t.directory / "memory"
    where.mkdir()
    t.mount("-t", "tmpfs", "-o", "size=500m", "tmpfs", where)
    source, target = small_tree(t, files=500), where / "target"
    receiver, sender = t.receive(target), t.send(f"{source}/", cap="20Mbps")
    landing = target / ".longhaul" / "landing"
    t.wait_for(lambda: len(data.listing(target)) > 100, "files that are published")
    scratch = [name for name in os.listdir(landing) if name.startswith("scratch")]
    t.equal(scratch, [], "small files that have a name in the landing zone")
    receiver.kill()
    sender.kill()
    t.transfer(f"{source}/", target)
    same(t, source, target)
    changed = [path for path in sorted((source / "real").rglob("*")) if path.is_file() and not path.is_symlink()][:50]
    for path in changed:
        path.chmod(0o644)
        path.write_bytes(b"another version of " + path.name.encode())
    done = t.transfer(f"{source}/", target)[0].done()
    t.equal(done["files"], len(changed), "files that were replaced")
    same(t, source, target)
    t.equal(sorted(os.listdir(landing)), [], "files left in the landing zone")
    t.equal(verify(t, target)["without_digest"], 0, "files without a digest")


@case(root=True)
def read_only_directory_in_memory(t):
    """A directory of a tmpfs that is mounted read-only below the target: its files are named as failed, all others land."""
    where, source = t.directory / "memory", t.directory / "source"
    where.mkdir()
    t.mount("-t", "tmpfs", "-o", "size=100m", "tmpfs", where)
    target, elsewhere = where / "target", where / "elsewhere"
    for directory in (elsewhere, target / "sub", source / "sub/new"):
        directory.mkdir(parents=True)
    for name in ("before", "sub/file", "tail"):
        data.write_random(source / name, 3000)
    t.mount("--bind", elsewhere, target / "sub")
    t.mount("-o", "remount,ro,bind", target / "sub")
    sender = t.transfer(f"{source}/", target, status=3)[0]
    failed = [os.path.basename(error["path"]) for error in sender.done()["errors"]]
    t.check("file" in failed and not {"before", "tail"} & set(failed), f"failed: {failed}")
    for name in ("before", "tail"):
        t.check(data.same_content(source / name, target / name), f"{name} has not arrived")
    t.equal(os.listdir(elsewhere), [], "what is in the read-only directory")
    t.equal(os.listdir(target / ".longhaul" / "landing"), [], "files left in the landing zone")


@case(root=True)
def setgid_directory_in_memory(t):
    """A small file has the group of the directory that it lands in, where that hands it on, as `cp` gives it."""
    where, source = t.directory / "memory", t.directory / "source"
    where.mkdir()
    t.mount("-t", "tmpfs", "-o", "size=100m", "tmpfs", where)
    target = where / "target"
    for directory in (target / "sub", source / "sub"):
        directory.mkdir(parents=True)
    os.chown(target / "sub", -1, 4711)
    (target / "sub").chmod(0o2755)
    for name in ("sub/file", "beside"):
        data.write_random(source / name, 3000)
    t.transfer(f"{source}/", target)
    t.equal([(target / name).stat().st_gid for name in ("sub/file", "beside")], [4711, os.getegid()], "groups")


@case(root=True)
def mount_point_below_the_target(t):
    """Another file system at TARGET/sub: files land there by rename on that same file system."""
    source, target = t.directory / "source", t.directory / "target"
    for name in ("", "sub/deeper", "beside"):
        (source / name).mkdir(parents=True, exist_ok=True)
        data.write_random(source / name / "large", 20 * MIB + 3)
        data.write_random(source / name / "small", 3000)
    (target / "sub").mkdir(parents=True)
    t.mount("-t", "tmpfs", "-o", "size=200m", "tmpfs", target / "sub")
    t.transfer(f"{source}/", target)
    same(t, source, target)
    t.check(os.path.ismount(target / "sub"), "the mount point is gone")
    verify(t, target)
    done = t.transfer(f"{source}/", target)[0].done()
    t.equal((done["files"], done["skipped_files"]), (0, 6), "files of a second run")


@case(root=True)
def mounts_of_one_file_system_below_the_target(t):
    """Another directory of the same file system at TARGET/bound, as containers have them: the device number does not tell,
    and no rename leads from one mount to the other."""
    source, target, elsewhere = t.directory / "source", t.directory / "target", t.directory / "elsewhere"
    inside = source / "bound/deeper"
    inside.mkdir(parents=True)
    data.write_random(source / "large", 20 * MIB + 3)
    data.write_random(inside / "large", 40 * MIB + 3)
    for number in range(50):
        data.write_random(inside / f"small-{number}", 3000)
    os.symlink("small-1", inside / "link")
    os.link(inside / "small-2", inside / "other")
    (elsewhere / "deeper").mkdir(parents=True)
    (elsewhere / "deeper/small-3").write_text("old")
    os.symlink("old", elsewhere / "deeper/link")
    (target / "bound").mkdir(parents=True)
    t.mount("--bind", elsewhere, target / "bound")
    receiver, sender = t.receive(target), t.send("--hard-links", f"{source}/", cap="200Mbps")
    t.wait_for(lambda: data.durable_bytes(elsewhere) > 0, "a durable chunk in the landing zone of the other mount")
    receiver.kill()
    sender.kill()
    done = t.transfer(f"{source}/", target, send_options=("--hard-links",))[0].done()
    t.check(done["skipped_bytes"] >= data.NODE, f"a rerun found {done['skipped_bytes']} bytes")
    same(t, source, target)
    verify(t, target)
    for name in ("large", "small-4"):
        data.write_random(inside / name, 21 * MIB if name == "large" else 4000)
    t.transfer(f"{source}/", target, send_options=("--hard-links",))
    same(t, source, target)
    t.equal(sorted(os.listdir(elsewhere)), ["deeper"], "what is on the other mount")


@case()
def landing_zones_are_not_sent(t):
    """A directory that was a target itself is sent without its landing zone, which holds tickets, at whatever level."""
    source, first, second = small_tree(t), t.directory / "first", t.directory / "second"
    first.mkdir()
    t.transfer(f"{source}/", first / "checkpoint")
    done = t.transfer(first, second)[0].done()
    t.equal(done["landing_zones"], 1, "landing zones that are counted")
    t.equal(list(second.rglob(".longhaul")), [second / ".longhaul"], "landing zones")
    same(t, source, second / "first/checkpoint")


@case()
def two_transfers_side_by_side(t):
    """Two transfers with names of their own into one target at the same time."""
    pairs = []
    for name in ("first", "second"):
        source = small_tree(t, name, files=100)
        data.write_random(source / "large", 30 * MIB + 1)
        receiver = t.receive(t.directory / "target", ticket=f"ticket-{name}")
        pairs.append((t.send(source, ticket=f"ticket-{name}", cap="200Mbps"), receiver))
    for sender, receiver in pairs:
        t.exits(sender, 0)
        t.exits(receiver, 0)
    for name in ("first", "second"):
        same(t, t.directory / name, t.directory / "target" / name)
    report = verify(t, t.directory / "target")
    t.equal(report["without_digest"], 0, "files without a digest: one manifest for both transfers")


@case()
def two_that_claim_one_name(t):
    """Two transfers of one final name at the same time: the second is told, the first arrives whole."""
    source, other = shared_file(t, 60 * MIB), t.directory / "other"
    other.mkdir()
    data.write_random(other / source.name, 60 * MIB)
    target = t.directory / "target"
    first_receiver = t.receive(target, ticket="ticket-1")
    first = t.send(source, ticket="ticket-1", cap="100Mbps")
    t.wait_for(lambda: data.durable_bytes(target) > 0, "a durable chunk of the first")
    second_receiver = t.receive(target, ticket="ticket-2")
    second = t.send(other / source.name, ticket="ticket-2")
    t.check(second.wait(30) in (1, 3) and second_receiver.wait(30) in (1, 3), f"exit codes {second.status}, {second_receiver.status}")
    t.says(second, source.name, "another")
    t.exits(first, 0)
    t.exits(first_receiver, 0)
    t.check(data.same_content(source, target / source.name), "the first did not arrive whole")
    verify(t, target)


@case()
def names_never_lead_outside(t):
    """A symlink at the target where the source has a directory is not followed out of the target."""
    source, target, outside = t.directory / "source", t.directory / "target", t.directory / "outside"
    (source / "dir").mkdir(parents=True)
    data.write_random(source / "dir" / "file", 1000)
    target.mkdir()
    outside.mkdir()
    (target / "dir").symlink_to(outside)
    receiver = t.receive(target)
    sender = t.send("--retry-for", "5s", f"{source}/")
    t.check(sender.wait(30) in (0, 1, 3) and receiver.wait(30) in (0, 1, 3), f"exit codes {sender.status}, {receiver.status}")
    t.equal(list(outside.iterdir()), [], "files outside the target")
    if sender.status != 0:
        t.says(sender, "dir")
