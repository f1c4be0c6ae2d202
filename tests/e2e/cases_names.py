"""--files-from: what a list names is sent. rsync itself is asked what a list means."""

import os
import pathlib
import random
import shutil
import signal
import stat

import cases_ssh
import data
from cases_selection import NAMES
from data import MIB
from checks import need
from harness import case

PATTERNS = ("*.o", "a", "b", "ab", "cache", "/a", "/a/b", "b/", "a/*", "**/b", "x y", "*")


def make_tree(directory, chance, depth=0):
    """Files, links and directories, empty ones too; all times are whole seconds of the past."""
    directory.mkdir()
    for name in NAMES:
        kind, path = chance.random(), directory / name
        if kind < 0.25 and depth < 3:
            make_tree(path, chance, depth + 1)
        elif kind < 0.5:
            path.write_bytes(chance.randbytes(chance.randrange(200)))
        elif kind < 0.55:
            path.symlink_to(chance.choice(NAMES))
        else:
            continue
        os.utime(path, (chance.randrange(10**9),) * 2, follow_symlinks=False)


def listing(directory):
    """What has arrived, but for the landing zone and the directory itself, which a list need not name."""
    found = []
    for path in sorted(directory.rglob("*")):
        if ".longhaul" in path.parts:
            continue
        is_link, status = path.is_symlink(), path.lstat()
        what = os.readlink(path) if is_link else "" if path.is_dir() else path.read_bytes()
        found.append((str(path.relative_to(directory)), stat.filemode(status.st_mode), int(status.st_mtime), what))
    return found


def random_list(source, chance):
    """Some of the names in a tree, as people and programs write them, and some that are not there."""
    there = [path for path in sorted(source.rglob("*")) if not any(parent.is_symlink() for parent in path.parents)]
    words = []
    for path in chance.sample(there, min(len(there), chance.randrange(1, 9))):
        word = str(path.relative_to(source))
        if not path.is_symlink() and chance.random() < 0.3:
            word += chance.choice(("/", "/", "//", "/."))
        words.append(chance.choice(("", "", "./", "/")) + word.replace("/", chance.choice(("/", "/", "//"))))
    missing = chance.choice(([], [], ["nowhere"], ["a/nowhere/b", "ab/cd"]))
    if chance.random() < 0.1:
        words.append(chance.choice((".", "./")))
    words += chance.sample(words, len(words) // 3)
    words += missing
    chance.shuffle(words)
    return words


@case(timeout_s=300)
def lists_mean_what_rsync_means(t):
    """Random trees and lists, with and without -r, -0 and rules, against rsync -a: the same arrives, with the same times."""
    need("rsync", "rsync")
    for seed in range(t.pick(20, 40, 250)):
        chance = random.Random(seed)
        source, ours, theirs, names = (t.directory / name for name in ("source", "ours", "theirs", "names"))
        make_tree(source, chance)
        words = random_list(source, chance)
        options = [f"--files-from={names}"]
        if chance.random() < 0.5:
            options.append("-r")
        for _ in range(chance.choice((0, 0, 1, 2))):
            options.append(f"--filter={chance.choice('+--')} {chance.choice(PATTERNS)}")
        if chance.random() < 0.3:
            options.append("-0")
            names.write_text("\0".join(words) + chance.choice(("", "\0")))
        else:
            lines = [*words, "# no name", "; no name either", ""]
            chance.shuffle(lines)
            names.write_text(chance.choice(("\n", "\r\n")).join(lines) + chance.choice(("", "\n")))
        told = f"seed {seed}, {' '.join(options)}, {words}"
        theirs.mkdir()
        rsync = t.start_program("rsync", "rsync", "-a", *options, f"{source}/", f"{theirs}/")
        t.check(rsync.wait() in (0, 23), f"{told}: rsync ended with status {rsync.status}")
        end = chance.choice(("", "/"))
        copy = t.start("copy", "copy", "--no-control", "--quiet", *options, f"{source}{end}", ours)
        t.equal(copy.wait(), 3 if rsync.status == 23 else 0, f"{told}: exit status")
        t.equal(listing(ours), listing(theirs), f"{told}: what has arrived")
        for directory in (source, ours, theirs):
            shutil.rmtree(directory)


def small_source(t):
    source = t.directory / "source"
    (source / "dir" / "sub").mkdir(parents=True)
    for name in ("a", "b", "dir/c", "dir/sub/d", "new\nline", "#hash"):
        (source / name).write_text(name)
    return source


@case()
def names_that_cannot_be_sent(t):
    """A name that leads nowhere is named and the rest arrives; a list that makes no sense is refused before anything moves."""
    source = small_source(t)
    names = t.directory / "names"
    names.write_text("a\nnowhere\ndir/none\ndir/sub/d\n")
    copy = t.run("copy", "copy", "--json", "--files-from", "names", "source", "target", status=3)
    t.equal(sorted(event["path"] for event in copy.events("file_error")), ["source/dir/none", "source/nowhere"], "names in errors")
    t.equal((copy.done()["files"], copy.done()["failed_files"]), (2, 2), "files, failed files")
    t.equal([name for name, *_ in listing(t.directory / "target")], ["a", "dir", "dir/sub", "dir/sub/d"], "what has arrived")
    t.says(t.run("plan", "plan", "--files-from", "names", "source", status=3), "2 files", "2 directories", "nowhere")
    source.joinpath("link").symlink_to("dir")
    names.write_text("link/c\n")
    t.says(t.run("copy", "copy", "--files-from", "names", "source", "none", status=3), "symlink")
    for text, *words in (("a\n\n../b\n", "line 3", ".."), ("a/./b\n", "line 1"), ("a\nb\0c\n", "line 2", "-0"), ("x" * 2_000_000, "line 1", "longer")):
        names.write_text(text)
        t.says(t.run("copy", "copy", "--files-from", "names", "source", "none", status=2), "'names'", *words)
    t.says(t.run("copy", "copy", "--files-from", "missing", "source", "none", status=2), "'missing'", "no such file")
    t.says(t.run("copy", "copy", "--files-from", "source", "source", "none", status=2), "'source'", "is a directory")
    t.says(t.run("copy", "copy", "--files-from", "names", "source", "source/dir", "none", status=2), "one source")
    names.write_text("a\n")
    t.says(t.run("copy", "copy", "--files-from", "names", "source/a", "none", status=1), "not a directory")
    t.check(listing(t.directory / "none") == [], "something arrived")


@case()
def an_empty_list_sends_nothing(t):
    """And that is no error, as for a tree that is empty."""
    small_source(t)
    (t.directory / "names").write_text("\n# nothing\n")
    done = t.run("copy", "copy", "--json", "--files-from", "names", "source", "target").done()
    t.equal((done["files"], done["directories"]), (0, 0), "files, directories")
    t.equal(listing(t.directory / "target"), [], "what has arrived")


def catches(pid, number):
    """Whether a process has a handler for a signal."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return int(line.split()[1], 16) >> (number - 1) & 1
    return False


@case()
def names_from_a_pipe(t):
    """--files-from - with names of any bytes, from a program that goes on writing; counted first, for a deadline."""
    source = small_source(t)
    receiver = t.receive("target")
    reader, writer = os.pipe()
    sender = t.send("--files-from", "-", "-0", "--deadline", "+1h", source, stdin=reader)
    os.close(reader)
    for piece in (b"new\nl", b"ine\0#hash\0./dir", b"/\0"):
        os.write(writer, piece)
    t.check(sender.poll() is None, "it waits for the end of the list")
    os.close(writer)
    t.exits(sender, 0)
    t.exits(receiver, 0)
    t.equal([name for name, *_ in listing(t.directory / "target")], ["#hash", "dir", "dir/c", "dir/sub", "new\nline"], "what has arrived")
    reader, writer = os.pipe()
    waiting = t.start("copy", "copy", "--files-from", "-", source, "other", stdin=reader)
    os.close(reader)
    t.wait_for(lambda: catches(waiting.pid, signal.SIGINT), "it to run")
    t.check(waiting.poll() is None, "it waits for names")
    waiting.signal(signal.SIGINT)
    t.exits(waiting, 130, 10)
    os.close(writer)
    t.says(t.run("send", "send", "--files-from", "-", source, "-", status=2), "stdin")


@case(timeout_s=120)
def a_list_outlives_its_receiver(t):
    """The receiver is killed and comes back: the names, which came from a pipe, are walked again."""
    source, target = t.directory / "source", t.directory / "target"
    (source / "dir").mkdir(parents=True)
    for number in range(30):
        data.write_random(source / "dir" / f"{number:02}", MIB)
    (t.directory / "names").write_text("".join(f"dir/{number:02}\n" for number in range(0, 30, 2)))
    receiver = t.receive(target)
    with open(t.directory / "names") as names:
        sender = t.send("--files-from", "-", source, stdin=names, cap="20Mbps")
    t.wait_for(lambda: any(event["bytes"] > 0 for event in sender.events("progress")), "the first bytes")
    receiver.kill()
    receiver = t.start("receive", "receive", "--json", "--listen", "127.0.0.1", "--listen", "127.0.0.2", target)
    t.exits(sender, 0, 90)
    t.exits(receiver, 0, 20)
    for number in range(30):
        there = target / "dir" / f"{number:02}"
        t.equal(there.exists(), number % 2 == 0, f"whether {there} is there")
        t.check(not there.exists() or there.read_bytes() == (source / "dir" / there.name).read_bytes(), f"{there} differs")


@case(timeout_s=120, tiers=("fast", "full"))
def a_list_longer_than_memory(t):
    """What is too long goes to a file where TMPDIR says, which leaves nothing behind; a place that takes none is named."""
    source, names, place = t.directory / "source", t.directory / "names", t.directory / "place"
    (source / ("long" * 50)).mkdir(parents=True)
    place.mkdir()
    for number in range(100):
        (source / ("long" * 50) / str(number)).write_text(str(number))
    with open(names, "w") as out:
        for _ in range(t.pick(0, 5000, 50000)):
            out.writelines(f"{'long' * 50}/{number}\n" for number in random.sample(range(100), 100))
    copy = t.run("copy", "copy", "--json", "--files-from", "names", "source", "target", timeout_s=100, env={"TMPDIR": str(place)})
    t.equal((copy.done()["files"], copy.done()["directories"]), (100, 1), "files, directories")
    t.check(copy.peak_bytes < 256 * MIB, f"{copy.peak_bytes / MIB:.0f} MiB resident")
    t.equal(list(place.iterdir()), [], "what is left of the list")
    t.says(t.run("copy", "copy", "--files-from", "names", "source", "target", status=1, env={"TMPDIR": str(t.directory / "none")}),
           "TMPDIR", str(t.directory / "none"))


@case(timeout_s=90)
def lists_cross_to_the_machine_that_sends(t):
    """copy HOST:DIR with a list of this machine, from a file and from stdin, longer than a pipe holds; and copy to HOST."""
    source = small_source(t)
    names = t.directory / "names"
    names.write_bytes(b"new\nline\0#hash\0dir/c\0missing\0" + b"".join(b"./dir//c\0" for _ in range(50_000)))
    expected = ["#hash", "dir", "dir/c", "new\nline"]
    options = ("--files-from", "names", "--from0", "--ignore-existing")
    t.exits(cases_ssh.copy(t, *options, f"{cases_ssh.FAR}:{source}", "target"), 3)
    t.equal([name for name, *_ in listing(t.directory / "target")], expected, "what has arrived")
    t.exits(cases_ssh.copy(t, *options, source, f"{cases_ssh.FAR}:{t.directory}/there"), 3)
    t.equal([name for name, *_ in listing(t.directory / "there")], expected, "what has arrived there")
    many = source / "many"
    many.mkdir()
    for number in range(3000):
        (many / f"{number:04}-{'x' * 60}").write_text("x")
    (t.directory / "many").write_text("".join(f"many/{path.name}\n" for path in many.iterdir()))
    with open(t.directory / "many") as stdin:
        t.exits(cases_ssh.copy(t, "--files-from", "-", f"{cases_ssh.FAR}:{source}/", "from-stdin", stdin=stdin), 0)
    t.equal(len(listing(t.directory / "from-stdin")), 3001, "names from stdin")
    with open(t.directory / "many") as stdin:
        no_host = cases_ssh.copy(t, "--files-from", "-", f"{cases_ssh.FAR}:{source}/", "none", ssh=cases_ssh.fake_ssh(t, "exit 255"), stdin=stdin)
    t.says(t.exits(no_host, 1), "ssh cannot reach")
    names.write_text("../x\n")
    t.says(t.exits(cases_ssh.copy(t, "--files-from", "names", f"{cases_ssh.FAR}:{source}", "none"), 2), "line 1")


@case(root=True)
def a_list_may_name_what_is_mounted(t):
    """-x is about content: a mount point beneath arrives empty, but what is named on it arrives, as with rsync."""
    need("rsync", "rsync")
    source = t.directory / "source"
    (source / "dir" / "mounted").mkdir(parents=True)
    (source / "dir" / "here").write_text("here")
    t.mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", source / "dir" / "mounted")
    (source / "dir" / "mounted" / "sub").mkdir()
    for name in ("there", "sub/deeper"):
        (source / "dir" / "mounted" / name).write_text(name)
    for number, words in enumerate((["dir"], ["dir", "dir/mounted/there"], ["dir", "dir/mounted/sub/"], ["dir/", "dir/mounted/"], ["dir/mounted"], ["."])):
        for options in (["-x"], ["-x", "-r"], ["-r"]):
            (t.directory / "names").write_text("\n".join(words))
            ours, theirs = (t.directory / f"{name}{number}{''.join(options)}" for name in ("ours", "theirs"))
            theirs.mkdir()
            t.exits(t.start_program("rsync", "rsync", "-a", *options, f"--files-from={t.directory}/names", f"{source}/", f"{theirs}/"), 0)
            t.run("copy", "copy", "--no-control", "--quiet", *options, "--files-from", "names", source, ours)
            t.equal(listing(ours), listing(theirs), f"{words}, {options}: what has arrived")
