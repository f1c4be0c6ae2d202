"""What limits a transfer: both ends say it, and their stages add up."""

import json

import data
from cases_transfer import shared_file
from data import MIB
from harness import case

SIZE = 24 * MIB
PATHS = ["name=narrow,remote=127.0.0.1,cap=80Mbps"]  # 10 MB/s: 2.5 s


@case(timeout_s=60, tiers=("fast", "full"))
def verdict_names_the_capped_path(t):
    """A path with a cap is the limit: progress, summary and reports of both ends say so; the table comes with -v."""
    source = shared_file(t, SIZE)
    receiver = t.receive("--report", "received.json", t.directory / "target")
    sender = t.exits(t.send("--verbose", "--report", "report.json", source, paths=PATHS), 0)
    t.exits(receiver, 0)
    t.check(data.same_content(source, t.directory / "target" / source.name), "content differs")
    for process in (sender, receiver):
        done = process.done()
        t.check(done["verdict"].startswith("path narrow (cap 80 Mb/s), "), f"{process.label}: {done['verdict']}")
        t.check(done["limits"][0]["share"] > 0.5, f"{process.label}: {done['limits']}")
        t.check(abs(sum(limit["share"] for limit in done["limits"]) - 1) < 0.1, f"{process.label}: {done['limits']}")
    t.check(any("narrow" in event["verdict"] for event in sender.events("progress")), "progress never said it")
    report = json.loads((t.directory / "report.json").read_text())
    t.equal(report["stages"], sender.done()["stages"], "stages in the report")


@case(timeout_s=60, tiers=("fast", "full"))
def stages_add_up(t):
    """All stages of an end are its threads times the length of the transfer; work is not less than the CPU it took."""
    source = shared_file(t, SIZE)
    workers = 2
    receiver = t.receive("--workers", str(workers), t.directory / "target")
    sender = t.exits(t.send("--workers", str(workers), source, paths=PATHS), 0)
    t.exits(receiver, 0)
    done = sender.done()
    threads = workers + 2  # control, and one for the walk
    spent = sum(stage["sender_s"] for stage in done["stages"])
    t.check(abs(spent - threads * done["seconds"]) <= 0.05 * spent + 0.05, f"{spent} s of {threads} threads in {done['seconds']} s")
    for end in ("sender", "receiver"):
        work = sum(stage[f"{end}_s"] for stage in done["stages"] if not stage["name"].startswith(("wait_", "idle")))
        t.check(work > 0, f"the {end} did nothing")


@case(timeout_s=60, tiers=("fast", "full"))
def summary_says_what_limits(t):
    """People read it: one line, and the table of stages with -v."""
    source = shared_file(t, SIZE)
    receiver = t.receive(t.directory / "target", json_events=False)
    sender = t.exits(t.send("-v", source, paths=PATHS, json_events=False), 0)
    t.exits(receiver, 0)
    t.says(sender, "limited by: path narrow (cap 80 Mb/s)", "thread time", "s/GiB", "wait_send")
    t.says(receiver, "limited by: path narrow (cap 80 Mb/s)")
