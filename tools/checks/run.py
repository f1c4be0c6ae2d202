#!/usr/bin/env python3
"""Builds Longhaul and checks everything about it: the steps behind tools/test.

Fast tier: build, format, lint, clang-tidy on what has changed (without its analyzer), stress on real threads, simulation, fuzz
targets (short), the end-to-end suite, of it in short as a non-root user what may go otherwise there, parallel long-haul paths
and power cuts on real file systems (as root), unit tests and simulation (fewer seeds) under ASan + UBSan.
--full: clang-tidy with the analyzer on everything, end-to-end suite, long-haul paths and power cuts in full, RDMA in a virtual machine where it
has been set up, a build without libfabric, scale in full, unit tests as released and under ThreadSanitizer as well, and every mutant of tests/sim/mutants.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
import typing

import tidy
from ahead import Ahead
from results import Result, failure, of_meson_log, of_script, tail
from sources import ROOT, all_sources, changed_sources

BINARY = ROOT / "build/tools/longhaul"
E2E = ROOT / "tests/e2e/run.py"
E2E_TIMEOUT_S = {"--quick": 900, "": 1200, "--full": 7200}
MUTANTS = ROOT / "tests/sim/mutants/run.py"
MUTANTS_TIMEOUT_S = 3 * 3600
CRASH = ROOT / "tests/crash/run.py"
CRASH_TIMEOUT_S = {"": 600, "--full": 3600}
LAB = ROOT / "tests/lab/run.py"
RDMA = ROOT / "tests/rdma/run.py"
RDMA_TIMEOUT_S = 1800
LAB_TIMEOUT_S = {"": 900, "--full": 7200}
# What an ordinary user may do less, or sees otherwise, than root.
AREAS_OF_NOBODY = "transfer,security,ssh,live,fidelity,names,update,mirror,manifest,sources,targets"


def call(command, timeout=None, **kwargs):
    """(status, output) of a command; 124 after a timeout, as timeout(1) has it."""
    try:
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", cwd=ROOT, timeout=timeout, stdin=subprocess.DEVNULL, **kwargs)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""
        return 124, output.decode(errors="replace") + f"\nstopped after {timeout} s\n"


def build(kind, *targets):
    """A build that works counts as nothing; one that does not is a failure. Later steps that need it then fail by themselves."""
    status, output = call(["tools/build", kind, *targets])
    return Result() if status == 0 else failure(f"tools/build {kind}:\n{tail(output)}")


def introspect(directory, what):
    done = subprocess.run(["meson", "introspect", what, str(directory)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def build_tests(kind, directory, suites):
    """Builds what the tests of these suites need and no more: meson itself builds everything for a test that needs nothing."""
    needed = {target for test in introspect(directory, "--tests") for target in test["depends"]
              if {suite.split(":")[-1] for suite in test["suite"]} & set(suites)}
    files = [os.path.relpath(name, directory) for target in introspect(directory, "--targets") if target["id"] in needed
             for name in target["filename"]]
    return call(["tools/build", kind, *sorted(set(files))]) if files else (0, "")


def directory_of(kind):
    return ROOT / ("build" if kind == "release" else f"build-{kind}")


def build_suites(kind, suites):
    """(status, output) of configuring the build of that kind and building what the suites need."""
    status, output = call(["tools/build", "--configure", kind])
    return build_tests(kind, directory_of(kind), suites) if status == 0 else (status, output)


def meson_suites(kind, suites, wrapper=(), environment=None):
    """Builds what the suites need in the build of that kind, and runs them. A suite without tests is a failure."""
    directory = directory_of(kind)
    status, output = build_suites(kind, suites)
    if status != 0:
        return failure(f"tools/build {kind}, for the tests:\n{tail(output)}")
    result = Result()
    for suite in suites:
        logs = directory / "meson-logs"  # testlog.json, or, with a wrapper, testlog-WRAPPER.json
        for old in logs.glob("testlog*.json"):
            old.unlink()
        command = ["meson", "test", "--no-rebuild", "-C", directory, "--suite", suite]
        if kind != "release":
            command += ["--timeout-multiplier", "5"]
        if wrapper:
            command += ["--wrapper", " ".join(wrapper)]
        status, output = call(command, env={**os.environ, **(environment or {})})
        log = next((each for each in logs.glob("testlog*.json") if each.stat().st_size > 0), None)
        found = of_meson_log(log) if log else Result()
        if found.passed + found.failed + found.skipped == 0:
            found = failure(f"suite {suite}: no test ran:\n{tail(output)}")
        elif status != 0 and found.failed == 0:
            found.add(failure(f"suite {suite}: meson ended with status {status}:\n{tail(output)}"))
        result.add(found)
    return result


def check_format():
    status, output = call(["clang-format-19", "--dry-run", "-Werror", *all_sources()])
    if status == 0:
        return Result(passed=1)
    files = sorted({line.split(":")[0] for line in output.splitlines() if ": error: " in line})
    return failure(f"clang-format-19 -i mends these {len(files)} files:\n" + "\n".join(files or [tail(output)]))


def check_tidy(full):
    files, words = (all_sources(), "everything") if full else changed_sources()
    result, figures = tidy.run(files, ROOT / "build", with_analyzer=full)
    print(f"      clang-tidy: {words}; {figures}")
    return result


def end_to_end(mode):
    """mode: --quick, nothing, or --full."""
    command = [sys.executable, E2E, "--binary", BINARY] + ([mode] if mode else [])
    status, output = call(command, timeout=E2E_TIMEOUT_S[mode])
    return of_script("tests/e2e/run.py", output, status)


def without_libfabric():
    """A build where libfabric was missing: it works, and says what it has not."""
    result = build("bare", "tools/longhaul")
    command = [sys.executable, E2E, "--binary", directory_of("bare") / "tools/longhaul", "--quick", "--of", "fabric,transfer"]
    status, output = call(command, timeout=E2E_TIMEOUT_S["--quick"])
    result.add(of_script("tests/e2e/run.py without libfabric", output, status))
    return result


def end_to_end_as_nobody(full):
    """The end-to-end suite in short once more as `nobody`: all of it, or what may go otherwise for an ordinary user.

    From a copy, for `nobody` may not be able to look in here."""
    user = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="longhaul-nobody-") as scratch:
        home = pathlib.Path(scratch)
        home.chmod(0o755)
        shutil.copytree(ROOT / "tests", home / "tests")
        shutil.copy(BINARY, home / "longhaul")
        (home / "tmp").mkdir()
        os.chown(home / "tmp", user.pw_uid, user.pw_gid)
        # Debian's own python: another one may live where `nobody` cannot go.
        command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "env", f"HOME={home}/tmp",
                   f"TMPDIR={home}/tmp", "PYTHONDONTWRITEBYTECODE=1", "/usr/bin/python3", home / "tests/e2e/run.py",
                   "--binary", home / "longhaul", "--quick"] + ([] if full else ["--of", AREAS_OF_NOBODY])
        status, output = call(command, timeout=E2E_TIMEOUT_S["--quick"])
    return of_script("tests/e2e/run.py as nobody", output, status)


def power_cuts(mode):
    """mode: nothing, or --full. Debian's own python: it has xxhash."""
    command = ["/usr/bin/python3", CRASH, "--binary", BINARY] + ([mode] if mode else [])
    status, output = call(command, timeout=CRASH_TIMEOUT_S[mode])
    return of_script("tests/crash/run.py", output, status)


def long_haul_paths(mode):
    """mode: nothing, or --full."""
    command = [sys.executable, LAB, "--binary", BINARY] + ([mode] if mode else [])
    status, output = call(command, timeout=LAB_TIMEOUT_S[mode])
    return of_script("tests/lab/run.py", output, status)


def virtual_rdma():
    status, output = call([sys.executable, RDMA, "--binary", BINARY], timeout=RDMA_TIMEOUT_S)
    return of_script("tests/rdma/run.py", output, status)


def mutants():
    """Bugs on purpose, each in a copy of the tree: what the tests do not notice, they do not test."""
    status, output = call([sys.executable, MUTANTS], timeout=MUTANTS_TIMEOUT_S)
    return of_script("tests/sim/mutants/run.py", output, status)


# What the steps under sanitizers run, by build: built ahead of them.
SANITIZED = {"asan": ["unit", "sim"], "tsan": ["unit", "stress"], "fuzz": ["fuzz"]}


def thread_sanitizer():
    """Not the simulation: it has one thread, in which there is nothing to race, and would take most of the time.

    Address space randomisation off: g++ 12's ThreadSanitizer does not know the layouts of newer kernels."""
    plain = ["setarch", "--addr-no-randomize"]
    wrapper = plain if call([*plain, "true"])[0] == 0 else []
    return meson_suites("tsan", SANITIZED["tsan"], wrapper, {"TSAN_OPTIONS": "halt_on_error=1 second_deadlock_stack=1"})


def address_sanitizer():
    options = {"ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
               "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
               "LONGHAUL_SEEDS_OF": "3", "LONGHAUL_SWARM_SEEDS": "60", "LONGHAUL_SWEEP_STEP": "9"}  # ten times as slow
    return meson_suites("asan", SANITIZED["asan"], environment=options)


@dataclasses.dataclass
class Step:
    """One line of the summary. `needs` is a build of SANITIZED; while a step that `waits` runs, such builds are made."""

    name: str
    run: typing.Callable
    needs: str | None = None
    waits: bool = False


def steps(full):
    """In the order in which a mistake shows soonest."""
    yield Step("format", check_format)
    yield Step("build", lambda: build("release"))
    yield Step("lint", lambda: meson_suites("release", ["lint"]))
    if full:
        yield Step("unit tests", lambda: meson_suites("release", ["unit"]))
    yield Step("stress on real threads", lambda: meson_suites("release", ["stress"]))
    yield Step("simulation", lambda: meson_suites("release", ["sim"]))
    if full:
        yield Step("scale", lambda: meson_suites("release", ["scale"]))
    yield Step("end to end", lambda: end_to_end("--full" if full else ""), waits=True)
    if os.geteuid() == 0:
        yield Step("end to end, as nobody", lambda: end_to_end_as_nobody(full), waits=True)
    yield Step("lab", lambda: long_haul_paths("--full" if full else ""), waits=True)
    yield Step("power cuts", lambda: power_cuts("--full" if full else ""), waits=True)
    if full:
        yield Step("end to end, built without libfabric", without_libfabric, waits=True)
        yield Step("soft-RoCE in a virtual machine", virtual_rdma, waits=True)
    yield Step("clang-tidy", lambda: check_tidy(full))
    yield Step("unit + simulation, ASan + UBSan", address_sanitizer, needs="asan")
    if full:
        yield Step("unit + stress, TSan", thread_sanitizer, needs="tsan")
    if (ROOT / "tests/fuzz/meson.build").exists():
        yield Step("fuzz targets", lambda: meson_suites("fuzz", SANITIZED["fuzz"]), needs="fuzz")
    if full:
        yield Step("mutants", mutants)  # longer than all others together


def run_step(step):
    """A step never takes the others down with it."""
    try:
        return step.run()
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        return failure(f"this step broke: {type(error).__name__}: {error}")


def run_steps(chosen, ahead):
    total = Result()
    for step in chosen:
        print(f"----- {step.name} ...", flush=True)
        begun = time.monotonic()
        if step.waits:
            ahead.start()
        if step.needs:
            ahead.stop()  # nobody waits any more: the rest is built at full speed
        result = run_step(step)
        for text in result.failures:
            print(text)
        verdict = "FAILED" if result.failed else "ok    "
        print(f"{verdict} {step.name}: {result.passed} passed, {result.failed} failed, {result.skipped} skipped "
              f"({time.monotonic() - begun:.0f} s)", flush=True)
        total.add(result)
    return total


def main():
    parser = argparse.ArgumentParser(prog="tools/test", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--full", action="store_true", help="run everything")
    parser.add_argument("--only", metavar="WORD", help="only steps with WORD in their name (see --list)")
    parser.add_argument("--list", action="store_true", help="print the steps")
    parser.add_argument("--build-ahead", metavar="KIND", nargs="+", choices=SANITIZED, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build_ahead:
        for kind in options.build_ahead:
            build_suites(kind, SANITIZED[kind])
        return 0
    chosen = [step for step in steps(options.full) if options.only is None or options.only in step.name]
    if options.list or not chosen:
        print("\n".join(step.name for step in steps(options.full)))
        return 0 if options.list else 2
    begun = time.monotonic()
    ahead = Ahead([sys.executable, __file__, "--build-ahead"], [step.needs for step in chosen if step.needs])
    try:
        total = run_steps(chosen, ahead)
    finally:
        ahead.stop()
    for reason in dict.fromkeys(total.skip_reasons):
        print(f"skipped: {reason}")
    print(f"----- all steps took {time.monotonic() - begun:.0f} s")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
