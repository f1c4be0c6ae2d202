"""--publish tree: whole directories appear by one rename, or not at all."""

import os
import pathlib
import random
import shutil
import time

import data
from cases_fidelity import make_tree, rsync_sees_no_difference, set_acls
from checks import same, verify
from cases_transfer import small_tree
from data import MIB
from harness import case

TREE = ("--publish", "tree")


def copied(t, *arguments, status=0, label="copy"):
    return t.run(label, "copy", "--json", "--no-control", *arguments, status=status)


def nothing_is_left(t, target):
    """Neither of a landing tree, nor of what was replaced, nor of logs."""
    zone = pathlib.Path(target) / ".longhaul"
    for place in ("landing", "tree", "trash"):
        if (zone / place).exists():
            t.equal(os.listdir(zone / place), [], f"left in .longhaul/{place}")
    t.equal(sorted(name for name in os.listdir(zone) if name.startswith("manifest")), ["manifest", "manifest.lock"], "manifests")


def every_file_has_its_digest(t, target):
    report = verify(t, target)
    t.equal(report["without_digest"], 0, "files without a digest")
    return report["files"]


def published_whole(t, source, tree):
    """What stands at `tree`, at the top of the target, is the source, with nothing beside it and a digest of each file."""
    same(t, source, tree)
    nothing_is_left(t, tree.parent)
    every_file_has_its_digest(t, tree.parent)


@case()
def a_tree_appears_and_is_replaced(t):
    """Over two paths: a new tree, then another version in its place - of which only what differs is sent - with all its
    properties; what the source has not any more is gone, and the manifest speaks of what is there."""
    source, target = small_tree(t, files=100), t.directory / "target"
    data.write_random(source / "large", 20 * MIB + 5)
    sender, _ = t.transfer(source, target, send_options=TREE)
    same(t, source, target / "source")
    nothing_is_left(t, target)
    files = every_file_has_its_digest(t, target)
    kept = os.stat(target / "source/large").st_ino
    (target / "source/of somebody else").write_text("x")
    shutil.rmtree(source / "real")
    data.write_random(source / "new", 10 * MIB)
    os.utime(source / "odd", ns=(10**18, 10**18))
    sender, _ = t.transfer(source, target, send_options=TREE)
    same(t, source, target / "source")
    t.equal(os.stat(target / "source/large").st_ino, kept, "a file that was there already is the same file")
    t.equal(sender.done()["bytes"], 10 * MIB, "bytes sent")
    nothing_is_left(t, target)
    t.check(every_file_has_its_digest(t, target) < files, "the manifest speaks of what is gone")
    sender, _ = t.transfer(source, target, send_options=TREE)
    t.equal(sender.done()["bytes"], 0, "bytes sent when nothing has changed")
    same(t, source, target / "source")
    every_file_has_its_digest(t, target)


@case(root=True, timeout_s=120)
def everything_is_kept_in_a_tree(t):
    """--archive: owners, attributes, ACLs, hard links, special files, modes and times of directories; twice, so that it
    is replaced, and after a change of what a file shares with the tree that is replaced."""
    source, target = t.directory / "source", t.directory / "target"
    make_tree(source)
    set_acls(source)
    for number in range(2):
        copy = copied(t, "--archive", *TREE, source, target)
        rsync_sees_no_difference(t, source, target / "source")
        if number:
            t.equal(copy.done()["bytes"], 0, "bytes sent by the second run")
    old = os.stat(target / "source/attributes-middle")
    os.chmod(source / "attributes-middle", 0o600)
    os.chown(source / "owned", 77, 88)
    reader = os.open(target / "source/attributes-middle", os.O_RDONLY)
    copied(t, "--archive", *TREE, source, target)
    t.equal(os.fstat(reader).st_mode, old.st_mode, "mode of the file that was replaced")
    os.close(reader)
    rsync_sees_no_difference(t, source, target / "source")
    nothing_is_left(t, target)


@case()
def names_for_trees(t):
    """--name: the content of a directory, a directory or a file lands by another name; without one, content is refused."""
    source, target = t.directory / "source", t.directory / "target"
    (source / "d").mkdir(parents=True)
    (source / "d/f").write_text("f")
    for given in (f"{source}/", source):
        copied(t, *TREE, "--name", "step-7", given, target)
        same(t, source, target / "step-7")
    copied(t, "--name", "content", f"{source}/", target)
    same(t, source, target / "content")
    copied(t, "--name", "one", source / "d/f", target)
    t.equal((target / "one").read_text(), "f", "content of the one file")
    names = t.directory / "names"
    names.write_text("d/f\n")
    copied(t, *TREE, "--files-from", names, "--name", "listed", source, target)
    same(t, source, target / "listed")
    for options in ((f"{source}/",), ("--files-from", names, source)):
        t.says(t.run("refused", "copy", *TREE, *options, target, status=2), "--name NAME")
    t.says(t.run("refused", "copy", *TREE, "--update", source, target, status=2), "take one of them")
    receiver = t.receive("--stdout", json_events=False)
    t.exits(t.send(*TREE, source), 2)
    t.says(t.exits(receiver, 2, 20), "--publish tree needs a receiver that writes to a directory")


@case()
def something_else_in_the_way(t):
    """A file, or a symlink, where the tree should appear: refused before a byte moves, and it stays."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    (source / "f").write_text("f")
    target.mkdir()
    for kind in ("file", "symlink"):
        there = target / "source"
        there.write_text("x") if kind == "file" else there.symlink_to(source)
        copy = copied(t, *TREE, source, target, status=1)
        t.says(copy, "move that away first")
        t.equal(copy.done()["bytes"], 0, "bytes sent")
        t.check(there.is_symlink() or there.read_text() == "x", f"the {kind} was touched")
        there.unlink()
    copied(t, *TREE, source, target)
    same(t, source, target / "source")


@case(root=True)
def mount_points_are_refused(t):
    """A tree that would span mount points, a bind mount on the same file system among them, is refused before a byte
    moves."""
    source, target, elsewhere = t.directory / "source", t.directory / "target", t.directory / "elsewhere"
    for directory in (source / "sub/mnt", target / "source/sub/mnt", elsewhere):
        directory.mkdir(parents=True)
    data.write_random(source / "f", 3 * MIB)
    (elsewhere / "precious").write_text("x")
    t.mount("--bind", elsewhere, target / "source/sub/mnt")
    copy = copied(t, *TREE, source, target, status=1)
    t.says(copy, "mount points")
    t.equal(copy.done()["bytes"], 0, "bytes sent")
    t.equal((target / "source/sub/mnt/precious").read_text(), "x", "what is mounted there")


@case()
def what_fails_keeps_the_old_tree(t):
    """One name that cannot be sent: exit code 3, the tree that was there stays as it is, what has arrived is kept, and the
    run that can send everything sends no more than what was missing."""
    source, target, names = t.directory / "source", t.directory / "target", t.directory / "names"
    (source / "d").mkdir(parents=True)
    (source / "d/old").write_text("old")
    copied(t, *TREE, "--name", "tree", f"{source}/", target)
    data.write_random(source / "d/new", 12 * MIB)
    names.write_text("d/old\nd/new\nmissing\n")
    arguments = (*TREE, "--name", "tree", "--files-from", names, source, target)
    copy = copied(t, *arguments, status=3)
    t.says(copy, "tree is not published", "run again")
    t.check("tree" in [event["path"] for event in copy.events("file_error")], "no event names the tree")
    t.equal(os.listdir(target / "tree/d"), ["old"], "the old tree")
    t.equal(every_file_has_its_digest(t, target), 1, "files of the old tree in the manifest")
    (source / "missing").write_text("here I am")
    t.equal(copied(t, *arguments).done()["bytes"], 9, "bytes sent by the run that could send all")
    published_whole(t, source, target / "tree")


@case()
def several_sources(t):
    """Each directory by its own rename, in their order; a file that is a source by itself appears with them, not before."""
    first, second, latest, target = (t.directory / name for name in ("first", "second", "LATEST", "target"))
    for number, directory in enumerate((first, second)):
        directory.mkdir()
        data.write_random(directory / "f", 5 * MIB + number)
    latest.write_text("second")
    (target / "first").mkdir(parents=True)
    (target / "first/old").write_text("old")
    (target / "LATEST").write_text("none")
    seen, stop = [], []

    def poll():
        while not stop:
            state = tuple((target / name).exists() for name in ("first/f", "second/f"))
            state += ((target / "LATEST").read_text(),)
            if not seen or seen[-1] != state:
                seen.append(state)

    poller = t.background(poll)
    copied(t, *TREE, first, second, latest, target)
    stop.append(True)
    poller.join(10)
    for directory in (first, second):
        same(t, directory, target / directory.name)
    t.equal((target / "LATEST").read_text(), "second", "the file")
    t.check((True, True, "second") in seen or len(seen) < 2, f"seen: {seen}")
    t.check(all(state[2] == "none" or state[:2] == (True, True) for state in seen), f"the file came before the trees: {seen}")
    copied(t, *TREE, first, second, latest, target)
    nothing_is_left(t, target)
    every_file_has_its_digest(t, target)


@case(user=True)
def read_only_directories(t):
    """A tree whose top may not be written to is published, replaced and removed by a user who is not root."""
    source, target = t.directory / "source", t.directory / "target"
    (source / "sub").mkdir(parents=True)
    for number in range(2):
        os.chmod(source, 0o755)
        os.chmod(source / "sub", 0o755)
        (source / "sub/f").write_text(str(number))
        os.chmod(source / "sub", 0o555)
        os.chmod(source, 0o555)
        copied(t, *TREE, source, target)
        same(t, source, target / "source")
        t.equal(os.stat(target / "source").st_mode & 0o777, 0o555, "mode of the tree")
        nothing_is_left(t, target)


# --- kill -9 ----------------------------------------------------------------------------------------------------------------


class Versions:
    """A source of which every file says of which version it is; some files come and go. `touches`: what stays as it is gets
    another time, and of the large file little is rewritten."""

    def __init__(self, source, touches=False):
        self.source, self.touches, self.number, self.known = source, touches, 0, []
        source.mkdir()
        for directory in range(8):
            (source / f"d{directory}").mkdir()

    def next(self):
        """Writes the next version, and remembers what a reader would see of it."""
        self.number += 1
        for place in range(160):
            path = self.source / f"d{place % 8}" / f"f{place}"
            if place % 5 == self.number % 5:
                path.unlink(missing_ok=True)
            elif place % 4 == self.number % 4 or not path.exists():  # the rest stays as it is
                path.write_text(f"version {self.number} of {place}")
            elif self.touches:
                os.utime(path)
        (self.source / "version").write_text(str(self.number))
        large = self.source / "large"
        if not (self.touches and large.exists()):
            data.write_random(large, 9 * MIB)
        with open(large, "r+b") as file:
            file.write(b"%8d" % self.number)
        self.known.append(see(self.source))


def see(directory):
    """What is in a tree; of large files how they begin."""
    found = {}
    for parent, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, directory)] = file.read(100)
    return found


class Watcher:
    """Reads a tree in a loop, as a reader must that wants all of it: what it has read counts if it is still the same
    directory when it is through."""

    def __init__(self, t, tree, versions):
        self.tree, self.versions, self.wrong, self.reads, self.stop = tree, versions, [], 0, False
        self.seen = set()
        self.thread = t.background(self.run)

    def look(self):
        try:
            before = os.stat(self.tree).st_ino
        except FileNotFoundError:
            return None
        try:
            found = see(self.tree)
        except FileNotFoundError:
            found = {}
        try:
            return found if os.stat(self.tree).st_ino == before else None
        except FileNotFoundError:
            return {}

    def run(self):
        there = False
        while not self.stop and not self.wrong:
            found = self.look()
            if found is None:
                if there and not os.path.lexists(self.tree):
                    self.wrong.append("the tree is gone")
                continue
            there = True
            self.reads += 1
            if found not in self.versions.known:
                self.wrong.append(f"{len(found)} files, version {found.get('version')}: neither the old tree nor the new one")
            else:
                self.seen.add(self.versions.known.index(found))

    def end(self, t):
        self.stop = True
        self.thread.join(20)
        t.check(not self.wrong, "; ".join(self.wrong[:3]))


@case(timeout_s=600)
def readers_see_the_old_tree_or_the_new_one(t):
    """kill -9 at random moments, again and again, of a copy that replaces a tree while readers poll it: they see a whole
    version, never anything else. Every second version is one that was killed on its way and then run again."""
    replace_again_and_again(t, TREE, t.pick(8, 25, 100))


@case(timeout_s=600)
def readers_see_whole_trees_that_are_made_of_old_ones(t):
    """The same, with what the old tree has taken over by content."""
    replace_again_and_again(t, (*TREE, "--checksum", "--delta"), t.pick(5, 12, 60))


def replace_again_and_again(t, options, rounds):
    seed = int(os.environ.get("LONGHAUL_E2E_SEED") or random.randrange(1 << 32))
    print(f"      seed: LONGHAUL_E2E_SEED={seed}", flush=True)
    chance = random.Random(seed)
    source, target = t.directory / "source", t.directory / "target"
    versions = Versions(source, touches=options != TREE)
    versions.next()
    began = time.monotonic()
    copied(t, *options, source, target)
    usual_s = time.monotonic() - began
    watcher = Watcher(t, target / "source", versions)
    killed = 0
    for _ in range(rounds):
        versions.next()
        for _ in range(chance.randrange(1, 4)):
            copy = t.start("killed", "copy", "--quiet", "--no-control", *options, source, target)
            time.sleep(chance.uniform(0, 1.3 * usual_s))
            killed += copy.poll() is None
            copy.kill()
            if watcher.wrong:
                break
        if watcher.wrong:
            break
        if chance.random() < 0.5:
            copied(t, *options, source, target, label="whole")
            t.equal((target / "source/version").read_text(), str(versions.number), "version that is published")
            same(t, source, target / "source")
    watcher.end(t)
    t.check(killed > 0, "no copy was killed on its way")
    t.check(watcher.reads > 10, f"the tree was read {watcher.reads} times only")
    copied(t, *options, source, target, label="whole")
    published_whole(t, source, target / "source")


@case(timeout_s=120)
def a_rerun_sends_what_is_missing(t):
    """The receiver is killed in the middle: nothing is to be seen; the same commands again send no more than was missing."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    for number in range(200):
        data.write_random(source / f"small-{number}", 20_000)
    data.write_random(source / "large", 100 * MIB)
    receiver, sender = t.receive(target), t.send(*TREE, source, cap="400Mbps")
    t.wait_for(lambda: data.durable_bytes(target) > 16 * MIB, "something durable")
    receiver.kill()
    sender.kill()
    t.check(not (target / "source").exists(), "something of the tree is to be seen")
    landed = len(list((target / ".longhaul/tree/source").iterdir()))
    durable = data.durable_bytes(target) + 20_000 * landed
    sender, _ = t.transfer(source, target, send_options=TREE)
    sent = sender.done()["bytes"]
    t.check(sent <= data.file_bytes(source)[1] - durable, f"{sent} bytes sent, {durable} were durable")
    published_whole(t, source, target / "source")
