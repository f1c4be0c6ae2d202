"""A fabric path over a long way: what its slots cover, and that it says so when they are too few."""

import re

import harness
from transfers import Transfer, case, make_lab, note
from wan import Line

RTT_MS = 100
MIB = {"fast": 96, "full": 256}
LINE = Line("p1", 600, RTT_MS)


def over_fabric(t, terms):
    """A transfer by the provider that needs no device. Its report."""
    lab = make_lab(t, [LINE])
    if t.start_program("probe", *lab.at("dst", t.binary), "path", "probe", "tcp").wait(20) != 0:
        raise harness.Skip("this libfabric has no provider tcp")
    transfer = Transfer(t, lab, MIB[t.tier], terms=f"transport=fabric:tcp{terms}", receive_options=("--fabric", "tcp"))
    report = transfer.finish()
    transfer.told(report)
    harness.remove_tree(transfer.target)
    note(f"verdict: {report['verdict']}; slots: {report['paths'][0]['slots']}")
    return transfer, report


def trips(report):
    """Round trips for which a frame has its slot: below rxm the sender tells of it when it hears that it is there."""
    return 2 if "which each frame waits for twice" in report["paths"][0]["slots"] else 1


@case()
def slots_that_are_too_few_are_said(t):
    """Half a MiB a stream for a line of 600 Mb/s and 100 ms: the path is limited by slots, with the figures; with 96 it is not."""
    few, report = over_fabric(t, ",slots=2")
    t.check(report["verdict"].startswith("path p1 (limited by slots: 4 x 256 KiB for "), report["verdict"])
    t.check("; slots=4 allows more)" in report["verdict"], report["verdict"])
    t.check(report["paths"][0]["slots"].startswith(f"4 of 256 KiB, 2 for a stream: enough for {8 // trips(report)}"), report["paths"][0]["slots"])
    t.check(any("limited by slots" in event["verdict"] for event in few.receiver.events("progress")), "the receiver heard nothing of it")
    enough, report = over_fabric(t, ",slots=96")
    t.check(all("limited by slots" not in limit["what"] for limit in report["limits"]), f"{report['limits']}")
    t.check(enough.seconds() < few.seconds(), f"{enough.seconds():.1f} s with 96 slots, {few.seconds():.1f} s with 2")


@case()
def slots_cover_the_cap(t):
    """Where a path has a cap, nobody needs to count: both ends keep as many slots as it asks for over the round trip."""
    _, report = over_fabric(t, ",cap=400Mbps")  # 5 MB on the way
    found = re.match(r"(\d+) of 256 KiB, (\d+) for a stream: ", report["paths"][0]["slots"])
    t.check(found is not None and 40 <= int(found[2]) <= 46 and int(found[1]) == 2 * int(found[2]), report["paths"][0]["slots"])
