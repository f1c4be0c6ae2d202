"""--delete and --dry-run: what the target has and the source has not. rsync itself is asked what a mirror is."""

import os
import random
import shutil
import signal

import cases_ssh
import data
from cases_names import listing, make_tree
from cases_update import change, set_time
from checks import need, same, verify
from data import MIB
from harness import case

PATTERNS = ("a", "*.o", "/a", "b/", "a/*", "only*", "**/b", "x y", "/ab/***")


def names_at(directory):
    return [name for name, *_ in listing(directory)]


def named(event):
    return os.fsdecode(data.name_in(event, "path"))


def random_options(chance):
    options = []
    for _ in range(chance.choice((0, 0, 1, 2))):
        sign = chance.choice(("+", "-", "-", "-!", "-s", "-,r", "+r", "-sr", *"SHRP"))
        options.append(f"--filter={sign} {chance.choice(PATTERNS)}")
    for option in ("--max-size=100", "--existing", "--ignore-existing", "--update", "--delete-excluded"):
        if chance.random() < 0.2:
            options.append(option)
    return options


def comparable(target, source):
    """A directory that stays only for what is protected in it has no time of its own, nor has one that was left alone."""
    found = []
    for name, mode, seconds, what in listing(target):
        there, here = target / name, source / name
        directory = there.is_dir() and not there.is_symlink()
        known = directory and here.is_dir() and not here.is_symlink()
        odd = here.is_dir() and not here.is_symlink() and not directory
        found.append((name, mode, what) if (directory and not known) or odd else (name, mode, seconds, what))
    return found


@case(timeout_s=300)
def a_mirror_is_what_rsync_makes(t):
    """Random trees on both sides, random rules, against rsync -a --delete-after: both targets are alike, and a dry run before it
    says so and changes nothing."""
    need("rsync", "rsync")
    for seed in range(t.pick(25, 50, 300)):
        chance = random.Random(seed)
        source, ours, theirs = (t.directory / name for name in ("source", "ours", "theirs"))
        make_tree(source, chance)
        shutil.copytree(source, ours / "source" if seed % 3 == 0 else ours, symlinks=True)
        change(ours, chance, True)
        make_tree(ours / "a tree", chance)
        shutil.copytree(ours, theirs, symlinks=True)
        options = random_options(chance)
        end = "" if seed % 3 == 0 else "/"
        told = f"seed {seed}, {' '.join(options)}"
        before = listing(ours)
        dry = t.start("copy", "copy", "--no-control", "--json", "-n", "--delete", *options, f"{source}{end}", ours)
        dry.wait()
        t.equal((listing(ours), (ours / ".longhaul").exists()), (before, False), f"{told}: what a dry run leaves")
        rsync = t.start_program("rsync", "rsync", "-a", "--delete-after", *options, f"{source}{end}", f"{theirs}/")
        t.check(rsync.wait() in (0, 23), f"{told}: rsync ended with status {rsync.status}")
        copy = t.start("copy", "copy", "--no-control", "--json", "-v", "--delete", *options, f"{source}{end}", ours)
        # Beneath what --ignore-existing left in a directory's place rsync tries to make things, and fails.
        fails = rsync.status == 23 and "--ignore-existing" not in options
        t.equal(copy.wait(), 3 if fails else 0, f"{told}: exit status")
        t.equal(dry.status, copy.status, f"{told}: exit status of the dry run")
        if copy.status == 0:
            base = t.directory if seed % 3 == 0 else source
            t.equal(comparable(ours, base), comparable(theirs, base), f"{told}: what is at the target")
            expected = sorted(named(event) for event in dry.events("would") if event["what"] == "delete")
            t.equal(sorted(named(event) for event in copy.events("deleted")), expected, f"{told}: what was deleted")
            done = copy.done()
            t.equal(done["deleted_files"] + done["deleted_directories"], len(expected), f"{told}: how much was deleted")
            t.equal(dry.done()["would_send_files"], done["files"], f"{told}: how many files a dry run would send")
        for directory in (source, ours, theirs):
            shutil.rmtree(directory)


def small_mirror(t):
    """A source, and a target that has more."""
    source, target = t.directory / "source", t.directory / "target"
    (source / "dir").mkdir(parents=True)
    for name in ("a", "dir/b"):
        (source / name).write_text(name)
    shutil.copytree(source, target)
    (target / "more" / "deep").mkdir(parents=True)
    for name in ("x", "dir/y", "more/z", "more/deep/z", "new\nline"):
        (target / name).write_text(name)
    return source, target


ALL = ["a", "dir", "dir/b", "dir/y", "more", "more/deep", "more/deep/z", "more/z", "new\nline", "x"]
KEPT = ["a", "dir", "dir/b"]


@case()
def a_receiver_must_allow_it(t):
    """Who holds a ticket cannot empty a target whose receiver did not say so; one that did is emptied of what is too much, and
    both sides tell how much that was."""
    source, target = small_mirror(t)
    receiver = t.receive(target)
    sender = t.send("--delete", f"{source}/")
    t.exits(sender, 5)
    t.exits(receiver, 5)
    t.says(sender, "--allow-delete")
    t.equal(names_at(target), ALL, "what is at the target")
    sender, receiver = t.transfer(f"{source}/", target, receive_options=("--allow-delete", "-v"), send_options=("--delete", "-v"))
    t.equal(names_at(target), KEPT, "what is at the target")
    for process in (sender, receiver):
        done = process.done()
        t.equal((done["deleted_files"], done["deleted_directories"], done["failed_files"]), (5, 2, 0), f"deleted, failed, {process.label}")
        told = sorted(named(event) for event in process.events("deleted"))
        t.equal(told, ["dir/y", "more/", "more/deep/", "more/deep/z", "more/z", "new\nline", "x"], f"names that {process.label} told")
    sender, _ = t.transfer(f"{source}/", target, receive_options=("--allow-delete",))
    t.equal(sender.done()["deleted_files"], 0, "deleted although nobody asked")


@case()
def only_below_directories_that_are_sent(t):
    """As rsync: nothing beside a file that is named, nor beside a directory without its slash, nor where a list names no content."""
    source, target = small_mirror(t)
    t.run("copy", "copy", "--delete", "source/a", "source/dir", "target")
    t.equal(names_at(target), [name for name in ALL if name != "dir/y"], "what is at the target")
    (t.directory / "names").write_text("a\ndir\n")
    (target / "dir" / "y").write_text("again")
    t.run("copy", "copy", "--delete", "--files-from", "names", "source", "target")
    t.equal(names_at(target), ALL, "what is at the target after a list")
    (t.directory / "names").write_text("a\ndir/\n")
    t.run("copy", "copy", "--delete", "--files-from", "names", "source", "target")
    t.equal(names_at(target), [name for name in ALL if name != "dir/y"], "what is at the target after a list with content")
    (t.directory / "names").write_text(".\n")
    t.run("copy", "copy", "--delete", "-r", "--files-from", "names", "source", "target")
    t.equal(names_at(target), KEPT, "what is at the target after a list of all")


@case(user=True)
def errors_hold_it(t):
    """What could not be read may be there all the same: nothing is deleted, unless that is forced; and what is in a directory that
    cannot be read never is."""
    source, target = small_mirror(t)
    shutil.copytree(source / "dir", source / "closed")
    shutil.copytree(source / "dir", target / "closed")
    (source / "closed").chmod(0)
    copy = t.run("copy", "copy", "--delete", "source/", "target", status=3)
    t.says(copy, "nothing deleted", "--ignore-errors")
    (target / "closed").chmod(0o755)
    t.equal(names_at(target), sorted(ALL + ["closed", "closed/b"]), "what is at the target")
    (source / "closed").chmod(0o755)
    (source / "closed" / "b").write_text("another version")
    (source / "closed" / "b").chmod(0)
    done = t.run("copy", "copy", "--delete", "--json", "--no-control", "source/", "target", status=3)
    t.check(done.done()["deletions_held"], "it does not say that nothing was deleted")
    (source / "closed" / "b").chmod(0o644)
    (source / "closed").chmod(0)
    t.run("copy", "copy", "--delete", "--ignore-errors", "source/", "target", status=3)
    (target / "closed").chmod(0o755)
    t.equal(names_at(target), sorted(KEPT + ["closed", "closed/b"]), "what is at the target")
    (source / "closed").chmod(0o755)


@case()
def what_is_left_out_stays(t):
    """Excluded names are protected, unless --delete-excluded; files of another size or age are at the source, and stay; special
    files that are not sent, too."""
    source, target = small_mirror(t)
    (source / "large").write_bytes(bytes(5000))
    (target / "large").write_text("an old version")
    os.mkfifo(source / "pipe")
    (target / "pipe").write_text("no pipe")
    words = ("--max-size", "1000", "--exclude", "x", "--exclude", "/more/z")
    t.run("copy", "copy", "--delete", *words, "source/", "target")
    t.equal(names_at(target), sorted(KEPT + ["large", "more", "more/z", "pipe", "x"]), "what is at the target")
    t.run("copy", "copy", "--delete", "--newer", "2038-01-01", "source/", "target")
    t.equal(names_at(target), sorted(KEPT + ["large", "pipe"]), "what is at the target after one by age")
    (target / "x").write_text("x")
    t.run("copy", "copy", "--delete-excluded", *words, "source/", "target")
    t.equal(names_at(target), sorted(KEPT + ["large", "pipe"]), "what is at the target with --delete-excluded")


@case()
def no_more_than_a_limit(t):
    """--max-delete: the rest stays, the exit status says so, and the same command again goes on."""
    source, target = small_mirror(t)
    copy = t.run("copy", "copy", "--delete", "--max-delete", "3", "source/", "target", status=8)
    t.says(copy, "--max-delete")
    t.equal(len(names_at(target)), len(ALL) - 3, "names at the target")
    t.run("copy", "copy", "--delete", "--max-delete", "0", "--quiet", "source/", "target", status=8)
    t.equal(len(names_at(target)), len(ALL) - 3, "names at the target")
    t.run("copy", "copy", "--delete", "--max-delete", "4", "source/", "target")
    t.equal(names_at(target), KEPT, "what is at the target")
    for wrong in (("--max-delete", "3"), ("--ignore-errors",), ("--delete", "--max-delete", "-1"), ("--delete", "--max-delete", "few")):
        t.run("copy", "copy", *wrong, "source/", "target", status=2)


@case()
def links_lead_nowhere(t):
    """A symlink at the target is a name like others: what is behind it stays, at the end of the path and on the way."""
    source, target = small_mirror(t)
    outside = t.directory / "outside"
    shutil.copytree(source, outside)
    shutil.rmtree(target)
    target.mkdir()
    (target / "too much").symlink_to(outside)
    (target / "dir").symlink_to(outside)
    t.run("copy", "copy", "--delete", "source/", "target")
    t.equal(names_at(target), KEPT, "what is at the target")
    t.equal(names_at(outside), KEPT, "what is behind the links")
    shutil.rmtree(target)
    target.symlink_to(outside)  # the user's own root may be one
    (outside / "more").write_text("more")
    t.run("copy", "copy", "--delete", "source/", "target")
    t.equal(names_at(outside), KEPT, "what is at the target behind a link")


@case()
def other_types_make_room(t):
    """A directory that became a file and the reverse: with --delete they change places, without it they are refused; and a
    directory that holds something protected stays whole."""
    source, target = t.directory / "source", t.directory / "target"
    (source / "now dir").mkdir(parents=True)
    (source / "now dir" / "in").write_text("in")
    (source / "now file").write_text("file")
    (source / "now link").symlink_to("now file")
    (target / "now file" / "deep").mkdir(parents=True)
    (target / "now link").mkdir()
    for name in ("now dir", "now file/x", "now file/deep/y", "now link/z"):
        (target / name).write_text(name)
    before = listing(target)
    t.run("copy", "copy", "source/", "target", status=3)
    t.equal((target / "now file" / "deep" / "y").read_text(), "now file/deep/y", "what was in the way")
    shutil.rmtree(target / ".longhaul")
    dry = t.run("copy", "copy", "-n", "--delete", "source/", "target")
    t.equal([line for line in dry.out().decode().splitlines() if line.startswith("changed")],
            [line for line in dry.out().decode().splitlines() if line.startswith("changed now ")], "what would change")
    t.equal(len(listing(target)), len(before), "names after a dry run")
    t.run("copy", "copy", "--delete", "--exclude", "y", "source/", "target", status=3)
    t.equal((target / "now file" / "x").read_text(), "now file/x", "what is beside what is protected")
    t.run("copy", "copy", "--delete", "source/", "target")
    same(t, source, target)
    verify(t, target)


@case()
def rules_know_the_source_by_its_own_name(t):
    """--name: what rules leave out stays at the target beneath the other name, where anchored rules and those that name the source
    itself would not match any more."""
    source, target = t.directory / "data", t.directory / "target"
    (source / "cache").mkdir(parents=True)
    for name in ("a", "keep.log", "cache/c"):
        (source / name).write_text(name)
    for own, rule, kept in (("data/", "/keep.log", "keep.log"), ("data/", "/cache/**", "cache/old"), ("data", "data/cache", "cache/old"),
                            ("data", "/data/keep.log", "keep.log")):
        for name in ("cache/old", "keep.log", "gone/too", "gone/data/cache"):
            (target / "ckpt" / name).parent.mkdir(parents=True, exist_ok=True)
            (target / "ckpt" / name).write_text("at the target")
        options = ("--name", "ckpt", "--delete", "--exclude", rule)
        dry = t.run("copy", "copy", "-n", *options, own, "target").out().decode()
        t.run("copy", "copy", *options, own, "target")
        t.equal((target / "ckpt" / kept).read_text(), "at the target", f"{kept} at the target, after {own} without {rule}")
        t.check(not (target / "ckpt" / "gone" / "too").exists(), "what no rule is about stayed")
        told = [line for line in dry.splitlines() if line.startswith("delete ")]
        t.check(f"delete ckpt/{kept}" not in told and "delete ckpt/gone/too" in told, f"a dry run says: {told}")


def fill(directory, names):
    directory.mkdir(parents=True)
    for name in names:
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(name)


@case(user=True)
def what_cannot_be_read_displaces_nothing(t):
    """A directory at the target stands until the file that comes by its name is whole: one that cannot be read takes nothing away,
    nor does one that is interrupted."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    names = ("model", "large")
    for name in names:
        fill(target / name, ("a", "deep/b"))
    (source / "model").write_text("one file by now")
    data.write_random(source / "large", 20 * MIB)
    (source / "other").write_text("other")
    before = {name: listing(target / name) for name in names}
    for name in names:
        (source / name).chmod(0)
    for options in ((), ("--ignore-errors",)):
        t.run("copy", "copy", "--delete", *options, "source/", "target", status=3)
        for name in names:
            t.equal(listing(target / name), before[name], f"{name} at the target")
    t.equal((target / "other").read_text(), "other", "what could be read")
    for name in names:
        (source / name).chmod(0o644)
    receiver = t.receive("--allow-delete", target)
    sender = t.send("--delete", f"{source}/", cap="2Mbps")
    t.wait_for(lambda: list((target / ".longhaul" / "landing").glob("*.part")), "the large file in the landing zone")
    t.equal(listing(target / "large"), before["large"], "what the large file will displace")
    sender.signal(signal.SIGINT)
    t.exits(sender, 130, 20)
    t.equal(listing(target / "large"), before["large"], "what the large file will displace")
    t.exits(t.send("--delete", f"{source}/"), 0)
    t.exits(receiver, 0, 20)
    same(t, source, target)
    verify(t, target)


@case()
def files_links_and_large_files_displace_directories(t):
    """What was published in a directory goes with it, from the manifest too; closed directories go, and the names are told."""
    source, target = t.directory / "source", t.directory / "target"
    kinds = ("hard", "hard too", "large", "link", "small")
    for kind in kinds:
        fill(source / kind, ("a", "deep/b"))
    t.run("copy", "copy", "source/", "target")
    for kind in kinds:
        shutil.rmtree(source / kind)
    (source / "first").write_text("first")
    for name in ("hard", "hard too"):  # whichever is found first is the file
        os.link(source / "first", source / name)
    data.write_random(source / "large", 20 * MIB)
    (source / "link").symlink_to("first")
    (source / "small").write_text("small")
    (target / "small" / "deep").chmod(0o500)
    (target / "small").chmod(0)
    copy = t.run("copy", "copy", "--delete", "--hard-links", "--json", "-v", "source/", "target")
    same(t, source, target)
    t.equal(verify(t, target)["files"], 3, "files that were verified")
    told = sorted(named(event) for event in copy.events("deleted"))
    t.equal(told, sorted(f"{kind}/{name}" for kind in kinds for name in ("", "a", "deep/", "deep/b")), "names that are told")
    t.equal((copy.done()["deleted_files"], copy.done()["deleted_directories"]), (10, 10), "deleted files and directories")
    t.equal((target / "hard").stat().st_ino, (target / "first").stat().st_ino, "the inode of the hard link")
    t.equal(os.listdir(target / ".longhaul" / "trash"), [], "what is left in the trash")


@case()
def names_of_any_bytes_go(t):
    """What is deleted may be called anything, be read-only, and lie deep."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    (source / "stays").write_text("stays")
    os.makedirs(os.fsencode(target) + b"/\xff\xfe/ \n")
    for name in (b"\xff\xfe/ \n/\x01", b"\xff\xfe/-rf *", b"'\"$(x)", b"a" * 255):
        with open(os.path.join(os.fsencode(target), name), "wb") as file:
            file.write(b"x")
    os.makedirs(target / "closed" / "in")
    (target / "closed" / "in" / "file").write_text("x")
    (target / "closed" / "in").chmod(0o500)
    (target / "closed").chmod(0)
    deep = os.open(target, os.O_RDONLY)
    for _ in range(t.pick(200, 1500)):
        os.mkdir("d" * 30, dir_fd=deep)
        below = os.open("d" * 30, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(deep)
    t.run("copy", "copy", "--delete", "source/", "target")
    t.equal(names_at(target), ["stays"], "what is at the target")


@case()
def landing_zones_stay(t):
    """The target's own, and one of a target that lies within it."""
    source, target = small_mirror(t)
    t.run("copy", "copy", "source/", "target/more")
    t.run("copy", "copy", "--delete", "source/", "target")
    t.equal(sorted(os.listdir(target / "more")), [".longhaul"], "what is in the other target")
    t.check((target / ".longhaul" / "manifest").exists(), "the manifest is gone")


@case(root=True)
def mount_points_stay(t):
    """They are not looked into, nor removed: one that the source does not have, and one that it has."""
    source, target = small_mirror(t)
    for name in ("dir", "more"):
        t.mount("-t", "tmpfs", "-o", "size=8m", "tmpfs", target / name)
        (target / name / "there").write_text("there")
    bound = t.directory / "bound"
    shutil.copytree(source, bound)
    (target / "bound").mkdir()
    t.mount("--bind", bound, target / "bound")  # of the same file system: its device does not tell
    copy = t.run("copy", "copy", "--delete", "--json", "source/", "target")
    t.equal(copy.done()["mounts_kept"], 3, "mount points that were kept")
    t.equal(names_at(target), sorted(["a", "bound", "bound/a", "bound/dir", "bound/dir/b", "dir", "dir/b", "dir/there", "more", "more/there"]),
            "what is at the target")
    t.equal(names_at(bound), KEPT, "what is behind the bind mount")


@case()
def verify_forgets_what_is_gone(t):
    """The manifest does not miss what a mirror deleted."""
    source, target = small_mirror(t)
    shutil.rmtree(target)
    (source / "later gone").write_text("x")
    t.run("copy", "copy", "--delete", "source/", "target")
    t.equal(verify(t, target)["files"], 3, "files that were verified")
    (source / "later gone").unlink()
    t.run("copy", "copy", "--delete", "source/", "target")
    t.equal(verify(t, target)["files"], 2, "files that were verified")


@case()
def what_is_interrupted_deletes_nothing(t):
    """A sender that is stopped in the middle: what is too much is still there, and goes with the rerun."""
    source, target = small_mirror(t)
    data.write_random(source / "large", 40 * MIB)
    receiver = t.receive("--allow-delete", target)
    sender = t.send("--delete", f"{source}/", cap="40Mbps")
    t.wait_for(lambda: any(event["bytes"] > 0 for event in sender.events("progress")), "the first bytes")
    sender.signal(signal.SIGINT)
    t.exits(sender, 130, 20)
    t.equal(names_at(target), ALL, "what is at the target")
    t.exits(t.send("--delete", f"{source}/"), 0)
    t.exits(receiver, 0, 20)
    t.equal(names_at(target), sorted(KEPT + ["large"]), "what is at the target")


@case()
def a_dry_run_writes_nothing(t):
    """Every kind of difference by name, at a receiver that goes on waiting for the transfer itself; a target that is not there is
    not made."""
    source, target = small_mirror(t)
    for name, seconds in (("a", 10**9), ("dir/b", 10**9), ("dir", 10**9), ("", 10**9)):
        set_time(source / name, seconds)
        set_time(target / name, seconds)
    (source / "new").write_text("new")
    (source / "link").symlink_to("a")
    (target / "a").write_text("another version")
    (target / "dir" / "b").chmod(0o600)
    set_time(target / "dir", 10**9)
    set_time(source, 10**9)
    before = listing(target)
    words = ["changed a", "new link", "new new", "properties dir/b", "delete dir/y", "delete more/", "delete more/deep/", "delete more/deep/z",
             "delete more/z", "delete x"]
    dry = t.run("copy", "copy", "-n", "--delete", "source/", "target")
    lines = dry.out().decode().splitlines()
    t.equal(sorted(line for line in lines if "line" not in line and line != "properties ./"), sorted(words), "what it tells")
    t.says(dry, "nothing was written", "2 files would be sent")
    t.equal((listing(target), os.path.exists(target / ".longhaul")), (before, False), "what is at the target")
    t.equal(t.run("copy", "copy", "-n", "-q", "source/", "target").out(), b"", "what a quiet one tells")
    t.run("copy", "copy", "-n", "source/", "none")
    t.check(not (t.directory / "none").exists(), "the target was made")
    t.run("copy", "copy", "-n", "source/", "none/deeper", status=1)
    receiver = t.receive("--allow-delete", target)
    sender = t.exits(t.send("-n", "--delete", "-v", f"{source}/"), 0)
    told = {named(event): event["what"] for event in sender.events("would")}
    t.equal((told["a"], told["dir/"], told["new"], told["more/"]), ("changed", "same", "new", "delete"), "what is told of names")
    done = sender.done()
    t.equal((done["would_send_files"], done["files"], done["deleted_files"], done["would_change"]),
            (2, 0, 5, done["would_change"]), "would be sent, sent, would be deleted")
    t.equal(listing(target), before, "what is at the target")
    t.exits(t.send("--delete", f"{source}/"), 0)
    t.exits(receiver, 0, 20)
    same(t, source, target)


@case(timeout_s=90)
def mirrors_of_other_machines(t):
    """copy to HOST and from HOST: who gives the command allows what it asks for, at both ends; so do dry runs."""
    source, target = small_mirror(t)
    far = f"{cases_ssh.FAR}:"
    dry = t.exits(cases_ssh.copy(t, "-n", "--delete", "source/", f"{far}{target}"), 0)
    t.equal(sum(event["what"] == "delete" for event in dry.events("would")), 7, "names that would be deleted")
    t.equal((names_at(target), (target / ".longhaul").exists()), (ALL, False), "what is at the target")
    dry = t.exits(cases_ssh.copy(t, "-n", "--delete", f"{far}{source}/", target), 0)
    t.equal(sum(event["what"] == "delete" for event in dry.events("would")), 7, "names that would be deleted, when it is fetched")
    t.equal(dry.done()["deleted_files"], 5, "files that would be deleted, when it is fetched")
    t.equal((names_at(target), (target / ".longhaul").exists()), (ALL, False), "what is at the target")
    t.exits(cases_ssh.copy(t, "-n", "source/", f"{far}{t.directory}/none"), 0)
    t.check(not (t.directory / "none").exists(), "the target was made")
    t.exits(cases_ssh.copy(t, "--delete", "--exclude", "/more", "source/", f"{far}{target}"), 0)
    t.equal(names_at(target), sorted(KEPT + ["more", "more/deep", "more/deep/z", "more/z"]), "what is at the target")
    t.exits(cases_ssh.copy(t, "--delete", "--max-delete", "2", f"{far}{source}/", target), 8)
    t.exits(cases_ssh.copy(t, "--delete", f"{far}{source}/", target), 0)
    t.equal(names_at(target), KEPT, "what is at the target")


@case()
def a_receiver_of_dry_runs_takes_nothing_else(t):
    """receive --dry-run: a transfer that would write is refused; the target is not made."""
    (t.directory / "file").write_text("content")
    receiver = t.receive("--dry-run", "target", "--keep")
    t.exits(t.send("-n", "file"), 0)
    t.check(not (t.directory / "target").exists(), "the target was made")
    receiver.signal(signal.SIGINT)
    receiver.wait(20)
    receiver = t.receive("--dry-run", "target")
    sender = t.send("file")
    t.exits(sender, 5)
    t.says(sender, "dry run")
    t.check(not (t.directory / "target").exists(), "the target was made")
    t.says(t.run("receive", "receive", "--dry-run", "--stdout", status=2), "--stdout")
