"""--update, --existing, --ignore-existing: what the receiver leaves alone. rsync itself is asked what they mean."""

import os
import random
import shutil

import data
from cases_names import listing, make_tree
from checks import need, verify
from data import MIB
from harness import case

OPTIONS = ("--update", "--existing", "--ignore-existing")


def set_time(path, seconds):
    os.utime(path, (seconds,) * 2, follow_symlinks=False)


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def change(target, chance, directories_too):
    """Some names go, some are older or newer, of another size or of another type. Changed from the leaves up: a change
    gives the directory above another time."""
    for path in sorted(target.rglob("*"), reverse=True):
        is_directory = path.is_dir() and not path.is_symlink()
        happens = chance.randrange(8)
        before = int(path.lstat().st_mtime)
        if happens == 0:
            remove(path)
        elif happens == 1 and (directories_too or not is_directory):
            remove(path)
            if is_directory or chance.random() < 0.5:
                path.symlink_to("elsewhere")
            else:
                path.write_text("another")
            set_time(path, before + chance.choice((-5, 0, 5)))
        elif happens == 2 and directories_too and not is_directory:
            remove(path)
            path.mkdir()
        elif happens < 5 and not is_directory and not path.is_symlink():
            if chance.random() < 0.5:
                path.write_bytes(path.read_bytes() + b"more")
            path.chmod(0o600)
            set_time(path, before + chance.choice((-5, 0, 5)))
    (target / "only here").write_text("only here")


@case(timeout_s=300)
def what_is_left_alone_is_what_rsync_leaves_alone(t):
    """Random trees on both sides and random options, against rsync -a: both targets are alike, times and modes included."""
    need("rsync", "rsync")
    for seed in range(t.pick(20, 40, 250)):
        chance = random.Random(seed)
        source, ours, theirs = (t.directory / name for name in ("source", "ours", "theirs"))
        make_tree(source, chance)
        shutil.copytree(source, ours, symlinks=True)
        options = [option for option in OPTIONS if chance.random() < 0.45]
        # A directory in place of something else is refused, and rsync deletes: only where neither happens they are alike.
        change(ours, chance, "--ignore-existing" in options)
        shutil.copytree(ours, theirs, symlinks=True)
        told = f"seed {seed}, {' '.join(options)}"
        rsync = t.start_program("rsync", "rsync", "-a", *options, f"{source}/", f"{theirs}/")
        t.check(rsync.wait() in (0, 23), f"{told}: rsync ended with status {rsync.status}")
        t.run("copy", "copy", "--no-control", "--quiet", *options, f"{source}/", ours)
        # rsync leaves alone what stands where a directory should, and gives it that directory's time all the same.
        odd = {name for name, *_ in listing(ours)
               if (source / name).is_dir() and not (source / name).is_symlink() and ((ours / name).is_symlink() or not (ours / name).is_dir())}
        found, expected = ([each if each[0] not in odd else (each[0], each[1], each[3]) for each in listing(target)] for target in (ours, theirs))
        t.equal(found, expected, f"{told}: what is at the target")
        for directory in (source, ours, theirs):
            shutil.rmtree(directory)


@case()
def what_is_left_alone_is_counted(t):
    """Over two machines, sender asking: told by both sides, apart from what was there already."""
    source, target = t.directory / "source", t.directory / "target"
    (source / "dir").mkdir(parents=True)
    target.mkdir()
    for name in ("newer", "same", "absent", "dir/absent"):
        (source / name).write_text(name)
        set_time(source / name, 10**9)
    for name, seconds in (("newer", 10**9 + 1), ("same", 10**9)):
        (target / name).write_text(name)
        set_time(target / name, seconds)
    sender, receiver = t.transfer(f"{source}/", target, send_options=("--update", "--existing"))
    for done in (sender.done(), receiver.done()):
        t.equal((done["files"], done["skipped_files"], done["left_alone"], done["failed_files"]), (0, 4, 4, 0),
                f"files, skipped, left alone, failed as {done['role']} tells")
    t.equal([name for name, *_ in listing(target)], ["newer", "same"], "what is at the target")
    t.says(t.run("copy", "copy", "-u", "source/", "target"), "left alone at the target, as asked: 1 file")


@case()
def what_comes_to_be_meanwhile_is_left_alone(t):
    """Somebody makes the name, or a newer file, at the target while ours is on its way: theirs stays, both sides say so, and nothing failed."""
    source = t.directory / "source"
    source.mkdir()
    set_time(data.write_random(source / "large", 12 * MIB), 10**9)
    (source / "small").write_text("small")
    for option in ("--ignore-existing", "--update"):
        target = t.directory / f"target{option}"
        receiver = t.receive(target)
        sender = t.send(option, f"{source}/", cap="20Mbps")
        t.wait_for(lambda: list(target.glob(".longhaul/landing/*.part")), "the landing file")
        (target / "large").write_text("theirs")
        t.exits(sender, 0)
        t.exits(receiver, 0)
        t.equal((target / "large").read_bytes()[:10], b"theirs", f"what was made meanwhile, with {option}")
        for done in (sender.done(), receiver.done()):
            t.equal((done["files"], done["left_alone"], done["failed_files"]), (1, 1, 0), f"files, left alone, failed as {done['role']} tells")
        t.equal(os.listdir(target / ".longhaul/landing"), [], "in the landing zone")
        verify(t, target)


@case()
def what_exists_makes_room(t):
    """--existing with --delete: a directory makes room for the file of its name, which is then published, though nothing is there any more."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    (source / "name").write_text("a file")
    (target / "name" / "below").mkdir(parents=True)
    done = t.run("copy", "copy", "--json", "--existing", "--delete", f"{source}/", target).done()
    t.equal(((target / "name").read_text(), done["left_alone"]), ("a file", 0), "what is at the target; left alone")


@case()
def a_receiver_without_a_directory_leaves_nothing_alone(t):
    """--stdout has nothing to compare with: it is refused in words, and nothing is written."""
    (t.directory / "file").write_text("content")
    receiver = t.receive("--stdout", json_events=False)
    sender = t.send("--existing", "file")
    t.exits(sender, 2)
    t.says(sender, "need a receiver that writes to a directory")
    receiver.wait(20)
    t.equal(receiver.out(), b"", "what came out")
