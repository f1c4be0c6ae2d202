"""Which files are sent: rsync's filter rules, limits of size and age. rsync itself is asked what its rules mean."""

import os
import random
import shutil
import time

import cases_ssh
import data
from checks import need
from harness import case

NAMES = ("a", "b", "ab", "a.o", "b.cc", "cache", "x y", "[z]")
PATTERNS = ("*", "*.o", "*.cc", "a", "b", "ab", "cache", "cache/", "/a", "/a/", "/b/*", "a/b", "a/*", "a/**", "/a/**", "**/b", "**/a/*", "cache/***",
            "/a/***", "?", "??", "[ab]", "[!a]*", "[a-b].*", "a*", "*b", "*/a", "*/*/b", "/*/a", "a/*/b", "a/**/b", "**", "x y", "[[]z]", "*[[:space:]]*")


def make_tree(directory, chance, depth=0):
    directory.mkdir()
    for name in NAMES:
        if chance.random() < 0.55:
            if chance.random() < 0.4 and depth < 3:
                make_tree(directory / name, chance, depth + 1)
            else:
                (directory / name).write_bytes(chance.randbytes(chance.randrange(200)))


def names_in(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if ".longhaul" not in path.parts)


@case(timeout_s=180)
def rules_mean_what_rsync_means(t):
    """Random trees and random rules, against rsync -a: the same names arrive."""
    need("rsync", "rsync")
    for seed in range(t.pick(15, 60, 300)):
        chance = random.Random(seed)
        source, ours, theirs = (t.directory / name for name in ("source", "ours", "theirs"))
        make_tree(source, chance)
        words = []
        for _ in range(chance.randrange(1, 5)):
            pattern, way = chance.choice(PATTERNS), chance.randrange(4)
            sign = chance.choice("+-")
            odd = chance.choice((sign, sign, f"{sign}!", f"{sign},s", f"{sign}r", *"SHRP"))
            words.append({0: f"--filter={odd} {pattern}", 1: f"--exclude={pattern}", 2: f"--include={pattern}", 3: f"-f{sign}_{pattern}"}[way])
        end = "/" if seed % 2 else ""
        t.run("copy", "copy", "--no-control", "--quiet", *words, f"{source}{end}", ours)
        t.exits(t.start_program("rsync", "rsync", "-a", *words, f"{source}{end}", f"{theirs}/"), 0)
        t.equal(names_in(ours), names_in(theirs), f"seed {seed}, {' '.join(words)}: the names that have arrived")
        for directory in (source, ours, theirs):
            shutil.rmtree(directory)


@case()
def rules_from_files(t):
    """--exclude-from, --include-from and a merged file count where they stand; a line that is no rule is named."""
    source = t.directory / "source"
    for name in ("keep.log", "a.log", "b.txt", "c.o"):
        source.mkdir(exist_ok=True)
        (source / name).write_text(name)
    (t.directory / "keep").write_text("# what stays\n\nkeep.*\n")
    (t.directory / "leave").write_text("; what does not\n*.log\n+ never.o\n")
    (t.directory / "more").write_text("exclude *.o\n")
    words = ("--include-from", "keep", "--exclude-from", "leave", "--filter", "merge more")
    t.run("copy", "copy", *words, "source/", "target")
    t.equal(names_in(t.directory / "target"), ["b.txt", "keep.log"], "what has arrived")
    t.run("plan", "plan", *words, "source/")
    (t.directory / "more").write_text("exclude *.o\nnonsense\n")
    t.says(t.run("copy", "copy", *words, "source/", "target", status=2), "'more', line 2", "no filter rule")
    t.says(t.run("copy", "copy", "--exclude-from", "missing", "source/", "target", status=2), "missing")
    for rule in ("P,s *.o", "-x *.o", "dir-merge .rules", "protects a"):
        t.says(t.run("copy", "copy", "--filter", rule, "source/", "target", status=2), "no filter rule")
    (t.directory / "more").write_text("hide,! keep.*\nprotect_b.txt\n")
    t.run("copy", "copy", "--filter", ". more", "source/", "other")
    t.equal(names_in(t.directory / "other"), ["keep.log"], "what has arrived by rules in words")


@case()
def sizes_and_ages(t):
    """--min-size, --max-size and --newer are about regular files; what they leave out is counted, there and by plan alike."""
    source = t.directory / "source"
    (source / "sub").mkdir(parents=True)
    for name, size, age_s in (("small", 10, 0), ("sub/middle", 5000, 0), ("large", 300_000, 0), ("old", 5000, 10 * 86400)):
        data.write_random(source / name, size)
        os.utime(source / name, (time.time() - age_s,) * 2)
    (source / "link").symlink_to("large")
    words = ("--min-size", "100", "--max-size", "100k", "--newer", "2d")
    done = t.run("copy", "copy", "--json", *words, "source/", "target").done()
    t.equal(names_in(t.directory / "target"), ["link", "sub", "sub/middle"], "what has arrived")
    t.equal((done["left_out"], done["files"]), (3, 1), "left out, sent")
    t.says(t.run("copy", "copy", "--max-size", "1k", "source/", "again"), "left out")
    for wrong in (("--min-size", "2M", "--max-size", "1M"), ("--newer", "yesterday"), ("--newer", "2026-02-31"), ("--max-size", "big")):
        t.says(t.run("copy", "copy", *wrong, "source/", "target", status=2), wrong[0])


@case(root=True)
def other_file_systems_stay_out(t):
    """-x: a mount point arrives as an empty directory."""
    source = t.directory / "source"
    (source / "mounted").mkdir(parents=True)
    (source / "here").write_text("here")
    t.mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", source / "mounted")
    (source / "mounted" / "there").write_text("there")
    t.run("copy", "copy", "-x", "source/", "target")
    t.equal(names_in(t.directory / "target"), ["here", "mounted"], "what has arrived")


@case()
def rules_cross_to_the_machine_that_sends(t):
    """copy HOST:DIR with rules: the other end, which has the files, is told them."""
    source = t.directory / "source"
    source.mkdir()
    for name in ("a b.o", "keep"):
        (source / name).write_text(name)
    t.exits(cases_ssh.copy(t, "--exclude", "a *.o", "--newer", "1d", "--max-size", "1M", "-x", f"{cases_ssh.FAR}:{source}/", "target"), 0)
    t.equal(names_in(t.directory / "target"), ["keep"], "what has arrived")
