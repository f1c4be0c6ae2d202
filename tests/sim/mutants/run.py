#!/usr/bin/env python3
"""Puts each bug of this directory into a copy of the tree, and looks whether the tests catch it.

A mutant whose row in README.md says `swarm` is caught when the median of its ranges of seeds finds it within --seeds; a failed
check, a crash, or a seed that does not end count as found, when the engine without the mutant stands the same seed. A row that
names another test is caught when that test passes without the mutant and fails with it.
"""

import argparse
import datetime
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SWARM = "tests/sim/test_swarm"

# What `tools/test` runs of the swarm every time: two halves. A bug that takes more seeds is one that may be merged.
SEEDS = 2 * int(re.search(r"seeds = (\d+);", (HERE.parent / "swarm_test.cc").read_text()).group(1))
RANGE_STRIDE = 1_000_000  # the ranges never meet; the first two begin where the two halves of every check do
BATCH = 50                # seeds of one process: an endless loop is found without waiting for all of them
# CPU, not time: a busy machine makes no mutant caught. A healthy seed takes 0.05 s, a batch 3 s.
BATCH_CPU_S = 60
SEED_CPU_S = 20
OTHER_TEST_S = 600
# Quick to compile; a mutant may leave a variable unused.
MESON_OPTIONS = ["-Doptimization=1", "-Ddebug=false", "-Dwerror=false"]

RESULT = re.compile(r"^\| (\d\d-\S+) \| (.*) \|$", re.M)
ROW = re.compile(r"^\| (\d+) \| `([^`]+)` \| ([^|]*)\|.*\| ([^|]+) \|$", re.M)


class Broken(Exception):
    """The check itself does not work: a patch that does not apply, a build that fails, a test that fails by itself."""


def run(command, where, timeout=None, cpu_s=None, environment=None):
    """(status, output); -24 is the CPU limit, 124 the timeout."""
    limit = (lambda: resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))) if cpu_s else None
    try:
        done = subprocess.run([str(word) for word in command], cwd=where, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout, preexec_fn=limit,
                              env={**os.environ, **(environment or {})}, start_new_session=timeout is not None)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        return 124, (late.stdout or b"").decode(errors="replace") + f"\nstopped after {timeout} s\n"


def must(command, where, what):
    status, output = run(command, where)
    if status != 0:
        raise Broken(f"{what}:\n" + "\n".join(output.splitlines()[-15:]))


class Mutant:
    """A patch, and what its row in README.md says of it."""

    def __init__(self, patch, rows):
        self.patch = patch
        self.name = patch.stem
        number, _, name = patch.stem.partition("-")
        if (number, name) not in rows:
            raise Broken(f"README.md has no row for {self.name}")
        self.caught_by = rows[(number, name)]

    @property
    def by_swarm(self):
        return self.caught_by == "swarm"

    @property
    def test(self):
        """(ninja targets, command) of the test that README.md names instead of the swarm, relative to the build."""
        first, *arguments = self.caught_by.strip("`").split()
        if first.endswith(".py"):
            return ["tools/longhaul"], [sys.executable, "../tree/" + first, "--binary", "tools/longhaul", *arguments]
        return [first], ["./" + first, *arguments]


def read_rows():
    rows = {(number, name): caught_by.strip() for number, name, _, caught_by in ROW.findall((HERE / "README.md").read_text())}
    if not rows:
        raise Broken("README.md has no table")
    return rows


class Copy:
    """The tree as it is now, with uncommitted changes, and a build of it. Kept between runs: what has not changed is not built."""

    def __init__(self, directory):
        self.tree = directory / "tree"
        self.build = directory / "build"
        self.plain = directory / "plain"  # programs without a mutant

    def refresh(self):
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                                capture_output=True, check=True, text=True).stdout
        wanted = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
        for name in wanted:
            source, copy = ROOT / name, self.tree / name
            if copy.exists() and copy.read_bytes() == source.read_bytes():
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            shutil.copymode(source, copy)
        for copy in [path for path in self.tree.rglob("*") if path.is_file()]:
            if str(copy.relative_to(self.tree)) not in wanted:
                copy.unlink()
        if not (self.build / "build.ninja").exists():
            must(["meson", "setup", *MESON_OPTIONS, self.build, self.tree], self.tree, "meson setup")

    def make(self, targets, what):
        must(["ninja", "-C", self.build, *targets], self.tree, f"{what} does not build")

    def keep_plain(self):
        self.plain.mkdir(exist_ok=True)
        shutil.copy(self.build / SWARM, self.plain / "test_swarm")

    def patched(self, patch):
        return Patched(self, patch)


class Patched:
    """Within it the copy has the mutant; afterwards it is as before."""

    def __init__(self, copy, patch):
        self.copy, self.patch = copy, patch

    def apply(self, *words):
        must(["patch", "-p1", "--quiet", "--no-backup-if-mismatch", "--fuzz=0", *words, "-i", self.patch], self.copy.tree,
             f"{self.patch.name} does not apply (make the same bug in the new code)")

    def __enter__(self):
        self.apply("--dry-run")
        self.apply()

    def __exit__(self, *_):
        self.apply("-R")


# --- the swarm ----------------------------------------------------------------------------------------------------------------

def first_complaint(status, output):
    """What the first failure says, in one line."""
    found = re.search(r": Failure\n(?:Failed\n)?(.*(?:\n  .*)*)", output)
    if found:
        return " ".join(found.group(1).split())
    if status in (-24, -9):
        return "a seed does not come to its end"
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith("[")]
    return f"ends by signal {-status}: {lines[-1].strip()}" if lines else f"ends with status {status}"


def swarm(program, first, seeds, cpu_s):
    return run([program, "--gtest_filter=Swarm.See*", "--first", first, "--seeds", seeds], ROOT, cpu_s=cpu_s)


def failing_seed(program, first, seeds, output):
    """Of a batch that failed. A crash does not say at which seed: it is looked for."""
    said = re.search(r"^seed (\d+) failed", output, re.M)
    if said:
        return int(said.group(1)), None
    for seed in range(first, first + seeds):
        status, words = swarm(program, seed, 1, SEED_CPU_S)
        if status != 0:
            return seed, (status, words)
    return None, None  # only slow


def search(copy, first, seeds):
    """(number of seeds until the mutant shows, first complaint); (None, "") when it does not."""
    program = copy.build / SWARM
    for begin in range(first, first + seeds, BATCH):
        count = min(BATCH, first + seeds - begin)
        status, output = swarm(program, begin, count, BATCH_CPU_S)
        if status == 0:
            continue
        seed, again = failing_seed(program, begin, count, output)
        if seed is None:
            continue
        if swarm(copy.plain / "test_swarm", seed, 1, SEED_CPU_S)[0] != 0:
            raise Broken(f"seed {seed} fails without any mutant")
        return seed - first + 1, first_complaint(*(again or (status, output)))
    return None, ""


def try_swarm(copy, options):
    """(caught, seeds, words). No further than it takes to know the median: not when most ranges have missed it, and not beyond
    what the median can still be when most have found it."""
    found, missed, words = [], 0, ""
    middle = options.ranges // 2
    for number in range(options.ranges):
        enough = sorted(found)[middle] if len(found) > middle else None
        count, complaint = search(copy, 1 + number * RANGE_STRIDE, enough or options.seeds)
        words = words or complaint
        if count is None and enough:
            found.append(enough)
        elif count is None:
            missed += 1
        else:
            found.append(count)
        if missed * 2 > options.ranges:
            break
    median = statistics.median_high(found + [options.seeds + 1] * missed)
    if median <= options.seeds:
        return True, str(median), words
    some = f"shows in {len(found)} of {len(found) + missed} ranges only: {words}" if found else "not noticed"
    return False, f"over {options.seeds}", some


# --- other tests --------------------------------------------------------------------------------------------------------------

def run_other(copy, mutant):
    command = mutant.test[1]
    return run(command, copy.build, timeout=OTHER_TEST_S)


def check_other_passes(copy, mutant):
    status, output = run_other(copy, mutant)
    if status != 0:
        raise Broken(f"{mutant.caught_by} fails without the mutant:\n" + "\n".join(output.splitlines()[-15:]))
    if re.search(r"Running 0 tests", output) or re.search(r"^0 passed", output, re.M):
        raise Broken(f"{mutant.caught_by} runs no test")


def try_other(copy, mutant):
    status, output = run_other(copy, mutant)
    return status != 0, "-", first_complaint(status, output) if status != 0 else "not noticed"


# --- all of them --------------------------------------------------------------------------------------------------------------

def try_mutant(copy, mutant, options):
    if not mutant.by_swarm and not options.swarm_only:
        copy.make(mutant.test[0], mutant.name)
        check_other_passes(copy, mutant)
    with copy.patched(mutant.patch):
        if mutant.by_swarm or options.swarm_only:
            copy.make([SWARM], mutant.name)
            return try_swarm(copy, options)
        copy.make(mutant.test[0], mutant.name)
        return try_other(copy, mutant)


class Table:
    """Results as they come, from several threads."""

    def __init__(self):
        self.rows = {}
        self.lock = threading.Lock()

    def add(self, mutant, state, seeds, words, took_s):
        with self.lock:
            self.rows[mutant.name] = (state, seeds, mutant.caught_by, words)
            print(f"{state:<8} {mutant.name:<40} {seeds:>8}  {words[:200]}  ({took_s:.0f} s)", flush=True)

    def count(self, state):
        return sum(row[0] == state for row in self.rows.values())

    def write(self, path, options):
        """Rows of mutants that this run has not tried stay as they are, with the day and the commit that they are of."""
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        rows = dict(RESULT.findall(path.read_text())) if path.exists() else {}
        for name, (state, seeds, by, words) in self.rows.items():
            rows[name] = f"{state} | {seeds} | {by} | {words[:160].replace('|', '/')} | {datetime.date.today().isoformat()}, {commit}"
        caught = sum(row.startswith("caught") for row in rows.values())
        path.write_text("\n".join([
            "# Results", "",
            f"Written by `tests/sim/mutants/run.py --write`, nothing by hand: the median of {options.ranges} ranges of {options.seeds} seeds each, the",
            "first of which is seed 1.", "", "| mutant | result | seeds | by | first complaint | of |", "|---|---|---|---|---|---|",
            *(f"| {name} | {rows[name]} |" for name in sorted(rows)), "", f"{caught} of {len(rows)} caught", ""]))

    def summary(self):
        return f"{self.count('caught')} passed, {len(self.rows) - self.count('caught')} failed, 0 skipped"


def work(copy, queue, table, options):
    try:
        copy.refresh()
        copy.make([SWARM], "the tree without mutants")
        copy.keep_plain()
    except Broken as error:
        print(error)
        return
    while queue:
        try:
            mutant = queue.pop(0)
        except IndexError:
            return
        begun = time.monotonic()
        try:
            caught, seeds, words = try_mutant(copy, mutant, options)
            state = "caught" if caught else "MISSED"
        except Broken as error:
            state, seeds, words = "BROKEN", "-", str(error)
        table.add(mutant, state, seeds, words, time.monotonic() - begun)


def chosen_mutants(names):
    rows = read_rows()
    mutants = [Mutant(patch, rows) for patch in sorted(HERE.glob("*.patch"))]
    return [each for each in mutants if not names or any(each.name.startswith(name) for name in names)]


def check_patches(mutants):
    """Code that changes under a patch would be noticed only when somebody runs all of them."""
    stale = 0
    for mutant in mutants:
        status, _ = run(["patch", "-p1", "--quiet", "--dry-run", "--fuzz=0", "-i", mutant.patch], ROOT)
        if status != 0:
            print(f"{mutant.patch.name} does not apply: make the same bug in the new code")
            stale += 1
    print(f"{len(mutants) - stale} passed, {stale} failed, 0 skipped")
    return 1 if stale else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only mutants whose names begin so (17, 2)")
    parser.add_argument("--jobs", type=int, default=1, help="copies of the tree that are built and run side by side")
    parser.add_argument("--ranges", type=int, default=3, help="ranges of seeds; their median counts")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="seeds of one range")
    parser.add_argument("--dir", type=pathlib.Path, default=ROOT / "build-mutants", help="where copies and builds are kept")
    parser.add_argument("--swarm-only", action="store_true", help="the swarm on those for which README.md names another test, too")
    parser.add_argument("--check", action="store_true", help="only whether every patch applies to the tree and has its row")
    parser.add_argument("--write", action="store_true", help="write the table to RESULTS.md")
    options = parser.parse_args()
    try:
        queue = chosen_mutants(options.names)
        if not queue:
            raise Broken("no such mutant")
        if options.check:
            return check_patches(queue)
        wanted, table = len(queue), Table()
        threads = [threading.Thread(target=work, args=(Copy(options.dir.resolve() / str(job)), queue, table, options))
                   for job in range(max(1, options.jobs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(table.rows) < wanted:
            raise Broken("a copy of the tree could not be made or built")
    except Broken as error:
        print(error)
        print("0 passed, 1 failed, 0 skipped")
        return 1
    if options.write:
        table.write(HERE / "RESULTS.md", options)
    print(table.summary())
    return 1 if table.count("caught") < wanted else 0


if __name__ == "__main__":
    sys.exit(main())
