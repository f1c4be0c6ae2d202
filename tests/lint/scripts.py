#!/usr/bin/env python3
"""Checks every script of the project: bash by `bash -n` and shellcheck, Python by compiling it.
Prints "N passed, N failed, N skipped"."""

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def scripts():
    """(path, is it Python) of all scripts, told by suffix or first line."""
    for folder in ("tools", "tests", "bench", ".ci"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in ("", ".sh", ".py"):
                first = path.open("rb").readline()
                if path.suffix == ".py" or first.startswith(b"#!") and b"python" in first:
                    yield path, True
                elif first.startswith(b"#!") and b"sh" in first:
                    yield path, False


def complaint(path, is_python):
    """What is wrong with one script, or nothing."""
    if is_python:
        try:
            compile(path.read_text(), str(path), "exec")
            return ""
        except SyntaxError as error:
            return str(error)
    commands = [["bash", "-n", str(path)]]
    if shutil.which("shellcheck"):
        commands.append(["shellcheck", "--external-sources", str(path)])
    results = [subprocess.run(command, capture_output=True, text=True) for command in commands]
    return "".join(r.stdout + r.stderr for r in results if r.returncode != 0)


def main():
    passed = failed = 0
    for path, is_python in scripts():
        if wrong := complaint(path, is_python):
            failed += 1
            print(f"{path.relative_to(ROOT)}:\n{wrong}")
        else:
            passed += 1
    skipped = 0 if shutil.which("shellcheck") else 1
    if skipped:
        print("skipped: shellcheck is not installed (tools/setup installs it)")
    if passed == 0:
        failed += 1
        print("no script was found: the search is wrong")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
