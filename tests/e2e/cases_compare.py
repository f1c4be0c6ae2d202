"""bench/compare.py: the movers that every machine has, beside Longhaul, on a little of each kind of data."""

import json
import pathlib
import sys
import xml.etree.ElementTree

from harness import Skip, case

COMPARE = pathlib.Path(__file__).resolve().parents[2] / "bench/compare.py"
OURS = ("Longhaul", "cp -r", "rsync daemon")


def compare(t, *options, status=0):
    """(the process, what OUT.json says)."""
    build = pathlib.Path(t.binary).resolve().parents[1]
    for needed in (COMPARE, build / "bench/mkdata"):
        if not needed.exists():
            raise Skip(f"{needed.name} is not here")
    words = [word for name in OURS for word in ("--mover", name)]
    process = t.start_program("compare", sys.executable, COMPARE, "--build", build, "--dir", t.directory, "--disk-dir", t.directory,
                              "--warm-gib", "0", "--divide", "4096", "--wire", "plain", "--out", t.directory / "found", *words, *options)
    t.exits(process, status, 45)
    return process, json.loads((t.directory / "found.json").read_text())


@case(tiers=("fast", "full"))
def compare_with_other_movers(t):
    """Each group has its rows, each with figures; table and chart are there; nothing is left behind."""
    _, found = compare(t, "--runs", "2", "--workload", "checkpoint", "--wire", "sealed")
    t.equal([(group["wire_name"], group["workload"]) for group in found["groups"]],
            [("plain", "checkpoint"), ("sealed", "checkpoint")], "groups")
    for group in found["groups"]:
        names = [row["mover"] for row in group["rows"]]
        ours = "Longhaul, sealed" if group["wire_name"] == "sealed" else "Longhaul"
        t.check(ours in names, f"rows: {names}")
        t.equal("cp -r (no network)" in names, group["wire_name"] == "plain", "whether cp has a row")
        for row in group["rows"]:
            t.check("failed" not in row, f"{row['mover']}: {row.get('failed')}")
            t.check(len(row["runs"]) == 2 and row["seconds"]["min"] > 0 and row["cpu_s"]["median"] > 0, f"figures of {row['mover']}: {row}")
    t.check("| Longhaul |" in (t.directory / "found.md").read_text(), "no row in the table")
    xml.etree.ElementTree.parse(t.directory / "found.svg")
    t.equal([path.name for path in t.directory.glob("longhaul-compare-*")], [], "left behind")


@case(tiers=("fast", "full"))
def compare_with_movers_that_fail(t):
    """Who is too late is a row with its reason, no more and no less; that Longhaul was is an exit status of 1."""
    process, found = compare(t, "--runs", "3", "--workload", "many-100k", "--timeout", "0.001", status=1)
    rows = [row for group in found["groups"] for row in group["rows"]]
    t.check(len(rows) >= 3, f"rows: {rows}")
    for row in rows:
        t.check("was not done after" in row.get("failed", ""), f"{row['mover']}: {row}")
        t.equal(len(row["runs"]), 1, f"runs of {row['mover']}, which fails each time")
    t.says(process, "failed: longhaul was not done after")
