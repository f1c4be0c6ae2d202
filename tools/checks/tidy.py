"""clang-tidy over our sources, remembering what was clean: a file is looked at again only when it, a header of ours that it
reaches, the configuration or the tool has changed."""

import concurrent.futures
import hashlib
import json
import os
import re
import subprocess

from results import Result, failure, tail
from sources import ROOT, own_includes

TIDY = "clang-tidy-19"


def units_for(files, compiled):
    """The translation units that show `files` to clang-tidy: a header is looked at through one unit that includes it, the
    one of its own name where there is one."""
    units = {path for path in files if path in compiled}
    reach = {unit: own_includes(unit) for unit in compiled}
    for header in (path for path in files if path.suffix == ".h"):
        if any(header in reach[unit] for unit in units):
            continue
        through = sorted(unit for unit in compiled if header in reach[unit])
        named = [unit for unit in through if unit.stem == header.stem]
        units.update((named or through)[:1])
    return sorted(units)


def key_of(unit, command, checks, version):
    """What the verdict on `unit` depends on."""
    digest = hashlib.sha256(f"{version}\0{checks}\0{command}\0".encode())
    for path in [ROOT / ".clang-tidy", *sorted(own_includes(unit))]:
        digest.update(str(path).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def run_one(unit, build_dir, checks):
    command = [TIDY, "--quiet", "-p", str(build_dir), f"--checks={checks}", str(unit)]
    done = subprocess.run(command, cwd=build_dir, capture_output=True, text=True)
    return done.returncode, re.sub(r"\d+ warnings? generated\.\n", "", done.stdout + done.stderr)


def run(files, build_dir, with_analyzer):
    """(Result, words). The analyzer takes twice the time of all other checks together: it is left to the full tier."""
    checks = "" if with_analyzer else "-clang-analyzer-*"
    commands = {}
    for entry in json.loads((build_dir / "compile_commands.json").read_text()):
        path = (build_dir / entry["file"]).resolve()
        if path.is_relative_to(ROOT) and not path.is_relative_to(build_dir):
            commands[path] = entry["command"]
    version = subprocess.run([TIDY, "--version"], capture_output=True, text=True).stdout
    units = units_for(files, set(commands))
    clean = build_dir / "tidy-clean"
    clean.mkdir(exist_ok=True)
    keys = {unit: key_of(unit, commands[unit], checks, version) for unit in units}
    todo = [unit for unit in units if not (clean / keys[unit]).exists()]
    result = Result()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for unit, (status, output) in zip(todo, pool.map(lambda u: run_one(u, build_dir, checks), todo)):
            if status == 0:
                (clean / keys[unit]).touch()
            else:
                result.add(failure(f"clang-tidy, {unit.relative_to(ROOT)}:\n{tail(output)}"))
    result.passed = 1 if result.failed == 0 else 0
    return result, f"{len(units)} units, {len(units) - len(todo)} of them known to be clean"
