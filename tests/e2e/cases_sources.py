"""Sources that change, shrink, vanish or cannot be read while they are sent: law 4, no splice of two versions."""

import os
import shutil

import data
from cases_transfer import same, small_tree, verify
from data import MIB, NODE
from harness import case

SIZE = 80 * MIB + 77


def versions(t, name="large"):
    """(source directory, the file in it, copies of its old and its new version)."""
    source = t.directory / "source"
    source.mkdir()
    file = data.write_random(source / name, SIZE)
    old, new = shutil.copy2(file, t.directory / "old"), data.write_random(t.directory / "new", SIZE)
    return source, file, old, new


def never_spliced(t, path, *whole):
    """`path` is not there, or is one of the whole versions."""
    if path.exists():
        t.check(any(data.same_content(path, version) for version in whole), f"{path.name} is spliced of two versions")


def begin_and_kill(t, source, target, kill_both=True):
    """A transfer of `source` that is killed when some of it is durable. Returns the receiver when that was left alive."""
    receiver = t.receive(target)
    sender = t.send(f"{source}/", cap="150Mbps")
    t.wait_for(lambda: data.durable_bytes(target) >= 2 * NODE, "two durable nodes")
    sender.kill()
    if not kill_both:
        return receiver
    receiver.kill()
    return None


@case()
def rewritten_between_runs(t):
    """Rewritten with equal size between kill and rerun, with a new time and with the old one set back: all of it is new."""
    for number, set_back in enumerate((False, True)):
        target = t.directory / f"target-{number}"
        shutil.rmtree(t.directory / "source", ignore_errors=True)
        source, file, _, new = versions(t)
        times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
        begin_and_kill(t, source, target)
        with open(file, "r+b") as out, open(new, "rb") as content:
            shutil.copyfileobj(content, out)
        if set_back:
            os.utime(file, ns=times)
        sender, _ = t.transfer(f"{source}/", target)
        t.check(data.same_content(target / "large", new), f"mtime set back: {set_back}: not the new version")
        t.equal(sender.done()["bytes"], SIZE, "bytes of the second run")
        verify(t, target)


@case()
def rewritten_while_the_receiver_waits(t):
    """The sender dies, the file is rewritten in place with its time set back, the sender comes back to the same receiver."""
    target = t.directory / "target"
    source, file, _, new = versions(t)
    found = file.stat()
    receiver = begin_and_kill(t, source, target, kill_both=False)
    with open(file, "r+b") as out, open(new, "rb") as content:
        shutil.copyfileobj(content, out)
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    t.exits(t.send(f"{source}/"), 0)
    t.exits(receiver, 0)
    t.check(data.same_content(target / "large", new), "not the new version")
    verify(t, target)


def change_while_sent(t, change, statuses=(3,)):
    """Calls change(file) when some of it is durable; the rest arrives, the file is named, nothing of two versions is there."""
    target = t.directory / "target"
    source, file, old, _ = versions(t)
    for number in range(20):
        data.write_random(source / f"small-{number}", 1000 * number)
    receiver = t.receive(target)
    sender = t.send(f"{source}/", cap="150Mbps")
    t.wait_for(lambda: data.durable_bytes(target) >= 2 * NODE, "two durable nodes")
    change(file)
    t.check(sender.wait(60) in statuses, f"exit status {sender.status} of the sender, expected one of {statuses}")
    t.equal(receiver.wait(20), sender.status, "exit status of the receiver")
    if sender.status == 3:
        t.equal([error["path"] for error in sender.done()["errors"]], [str(file)], "files that were named")
        t.equal(sender.done()["failed_files"], 1, "failed files")
        t.check(not (target / "large").exists(), "a file that could not be sent whole is at its final name")
    whole = [old] + ([file] if file.exists() else [])
    never_spliced(t, target / "large", *whole)
    for number in range(20):
        t.check(data.same_content(source / f"small-{number}", target / f"small-{number}"), f"small-{number} is not there")
    verify(t, target)
    return source, target


@case()
def rewritten_while_sent(t):
    """Rewritten in place with its time set back while it is sent: named, exit code 3; the next run sends the new version."""

    def rewrite(file):
        found = file.stat()
        with open(file, "r+b") as out, open(t.directory / "new", "rb") as content:
            shutil.copyfileobj(content, out)
        os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))

    source, target = change_while_sent(t, rewrite)
    t.transfer(f"{source}/", target)
    same(t, source, target)


@case()
def truncated_while_sent(t):
    """Truncated while it is sent: named, exit code 3."""
    source, target = change_while_sent(t, lambda file: os.truncate(file, 20 * MIB))
    t.transfer(f"{source}/", target)
    same(t, source, target)


@case()
def grows_while_sent(t):
    """Appended to while it is sent: named, exit code 3."""

    def append(file):
        with open(file, "ab") as out:
            out.write(b"more" * 1000)

    source, target = change_while_sent(t, append)
    t.transfer(f"{source}/", target)
    same(t, source, target)


@case()
def vanishes_while_sent(t):
    """Removed while it is sent: either the whole old version (it was open) or none, and then it is named."""
    change_while_sent(t, os.unlink, statuses=(0, 3))


@case()
def replaced_while_sent(t):
    """Replaced by a rename while it is sent: the whole old version or none; the next run has the new one."""
    source, target = change_while_sent(t, lambda file: os.rename(t.directory / "new", file), statuses=(0, 3))
    t.transfer(f"{source}/", target)
    same(t, source, target)


@case(user=True)
def unreadable_sources(t):
    """A file and a directory that we may not read: named, exit code 3, the rest arrives."""
    source, target = small_tree(t, files=50), t.directory / "target"
    data.write_random(source / "closed-file", 100)
    os.chmod(source / "closed-file", 0)
    (source / "closed-dir").mkdir()
    data.write_random(source / "closed-dir" / "inside", 100)
    os.chmod(source / "closed-dir", 0)
    sender, _ = t.transfer(f"{source}/", target, status=3)
    named = sorted(os.path.basename(error["path"]) for error in sender.done()["errors"])
    t.equal(named, ["closed-dir", "closed-file"], "files that were named")
    os.chmod(source / "closed-dir", 0o755)  # for the clean-up
    t.check(data.same_content(source / "odd" / "size-4097", target / "odd" / "size-4097"), "the rest did not arrive")


@case()
def what_is_not_kept_is_counted(t):
    """A pipe, a socket's place, hard links and attributes are counted in the report, never silently left out."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    data.write_random(source / "file", 1000)
    os.link(source / "file", source / "other-name")
    os.mkfifo(source / "pipe")
    sender, _ = t.transfer(f"{source}/", target)
    done = sender.done()
    t.equal((done["special_files"], done["files"]), (1, 2), "special and all files")
    t.check(done["hard_links"] >= 1, "hard links are not counted")
