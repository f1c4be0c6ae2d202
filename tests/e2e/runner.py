"""Runs the cases that were registered, one after the other: options, tiers, deadlines, the line for each, the sum at last."""

import argparse
import contextlib
import os
import pathlib
import signal
import tempfile
import time
import traceback

import harness

MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs")


def file_system_of(path):
    """The type of the file system that holds `path`."""
    best, kind = "", ""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, where, found = line.split()[:3]
        if (path + "/").startswith(where.rstrip("/") + "/") and len(where) >= len(best):
            best, kind = where, found
    return kind


def base_directory(asked):
    """Where the tests work: as told, or else the first that is on a real file system."""
    if asked:
        return asked
    candidates = [os.path.realpath(path) for path in (os.environ.get("TMPDIR"), "/var/tmp", "/tmp") if path]
    candidates = [path for path in candidates if os.path.isdir(path) and os.access(path, os.W_OK)]
    real = [path for path in candidates if file_system_of(path) not in MEMORY_FILE_SYSTEMS]
    return (real or candidates)[0]


def out_of_time(_number, _frame):
    raise harness.Failure("the test's time is up")


def stop(number, _frame):
    raise SystemExit(128 + number)


@contextlib.contextmanager
def undisturbed():
    """Ctrl-C, also the second one, waits until what a test has set up is taken down."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def reason_to_skip(case, tier):
    if tier not in case.tiers:
        return f"not in the {tier} tier"
    if case.root and os.geteuid() != 0:
        return "needs root"
    if case.user and os.geteuid() == 0:
        return "needs an ordinary user"
    return ""


def run_case(case, options, base, shared):
    """(verdict, details) of one case."""
    reason = reason_to_skip(case, options.tier)
    if reason:
        return f"skipped: {reason}", ""
    directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{case.name}-", dir=base))
    context = harness.Context(options, directory, shared)
    verdict, details = "ok", ""
    try:
        signal.alarm(int(case.timeout_s * (10 if options.tier == "full" else 1)))
        case.function(context)
    except harness.Skip as skip:
        verdict = f"skipped: {skip}"
    except harness.Failure as failure:
        verdict, details = "FAILED", f"{failure}\n{context.told()}"
    except Exception:  # pylint: disable=broad-except  (a test that breaks has failed; the others still run)
        verdict, details = "FAILED", f"{traceback.format_exc()}\n{context.told()}"
    finally:
        signal.alarm(0)
        with undisturbed():
            context.clean_up()
            if not (options.keep and verdict == "FAILED"):
                harness.remove_tree(directory)
    return verdict, details


def area_of(case):
    """`names` of a case in cases_names.py."""
    return case.function.__module__.removeprefix("cases_")


def chosen_cases(filters, areas):
    return [case for case in harness.CASES if (not filters or any(word in case.name for word in filters))
            and (not areas or area_of(case) in areas)]


def parse_arguments(words):
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(pathlib.Path(__file__).resolve().parents[2] / "build/tools/longhaul"))
    parser.add_argument("--quick", dest="tier", action="store_const", const="quick", default="fast", help="small and short")
    parser.add_argument("--full", dest="tier", action="store_const", const="full", help="large and long")
    parser.add_argument("--dir", help="where to work; otherwise TMPDIR, /var/tmp or /tmp")
    parser.add_argument("--keep", action="store_true", help="leave the files of failed tests")
    parser.add_argument("--list", action="store_true", help="print the tests")
    parser.add_argument("--of", metavar="AREA,...", help="only tests of these files: names,fidelity for cases_names.py, cases_fidelity.py")
    parser.add_argument("names", nargs="*", metavar="WORD", help="only tests with a WORD in their name")
    options = parser.parse_args()
    options.binary = os.path.realpath(options.binary)
    return options


def main(words):
    """Runs what the command line asks for; `words`: what --help says of this program. Returns the exit status."""
    options = parse_arguments(words)
    cases = chosen_cases(options.names, options.of.split(",") if options.of else [])
    if options.list:
        print("\n".join(f"{case.name}: {(case.function.__doc__ or '').splitlines()[0]}" for case in cases))
        return 0
    if not cases or not os.access(options.binary, os.X_OK):
        print(f"no such test: {' '.join(options.names)} {options.of or ''}" if not cases else f"no program at {options.binary}: tools/build makes it")
        return 2
    signal.signal(signal.SIGALRM, out_of_time)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    os.umask(0o022)
    counts = {"ok": 0, "FAILED": 0, "skipped": 0}
    with tempfile.TemporaryDirectory(prefix="longhaul-e2e-", dir=base_directory(options.dir)) as base:
        shared = harness.make_directory(pathlib.Path(base) / "shared")
        for case in cases:
            begun = time.monotonic()
            verdict, details = run_case(case, options, base, shared)
            counts[verdict.split(":")[0]] += 1
            mark = f"{verdict} ({case.name})" if verdict.startswith("skipped") else f"{verdict:6} {case.name}"
            print(f"{mark} ({time.monotonic() - begun:.1f} s)", flush=True)
            if details:
                print("\n".join("    " + line for line in details.splitlines()), flush=True)
    print(f"{counts['ok']} passed, {counts['FAILED']} failed, {counts['skipped']} skipped")
    return 1 if counts["FAILED"] else 0

