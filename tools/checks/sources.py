"""Which files are ours, and which of them have changed."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("include", "src", "tools", "tests", "bench")


def all_sources():
    return sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.suffix in (".h", ".cc"))


def git(*arguments):
    """Output of git, or None where this is no checkout. The owner of the checkout may be another user (sudo)."""
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def changed_sources():
    """(files, words): what differs from the merge base with origin/main; where that is HEAD itself (a fresh clone) or is not
    there, from the commit before the last, else everything."""
    base, words = git("merge-base", "HEAD", "origin/main"), "the merge base with origin/main"
    if base is None or base == git("rev-parse", "HEAD"):
        base, words = git("rev-parse", "--verify", "-q", "HEAD~1"), "the commit before the last"
    changed = git("diff", "--name-only", "-z", base.strip()) if base else None
    if changed is None:
        return all_sources(), "everything, for want of an older commit"
    new = git("ls-files", "-z", "--others", "--exclude-standard") or ""
    names = {ROOT / name for name in (changed + new).split("\0") if name}
    if ROOT / ".clang-tidy" in names:
        return all_sources(), "everything, for .clang-tidy has changed"
    return [path for path in all_sources() if path in names], f"changed since {words}"


def own_includes(path, seen=None):
    """All own headers that `path` reaches, itself included."""
    seen = set() if seen is None else seen
    if path in seen:
        return seen
    seen.add(path)
    for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', path.read_text(errors="replace"), re.M):
        for base in (ROOT / "include", ROOT / "src", ROOT, ROOT / "tests", path.parent):
            if (base / name).is_file():
                own_includes(base / name, seen)
                break
    return seen
