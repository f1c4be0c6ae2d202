"""The lab itself: its delay and rate are what was asked for, every cut is felt, nothing of it stays behind."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import harness
import transfers
from transfers import case, make_lab, note
from wan import TCP_SHARE, LabError, Line

PROBE = pathlib.Path(__file__).resolve().parent / "probe.py"
RTT_MS, RATE = 40, 100
LATE_MS_MAX = 25  # by which a busy machine may be late


def probe(t, lab, end, *words):
    return t.start_program("probe", *lab.at(end, "/usr/bin/python3", PROBE, *words))


def listener(t, lab, name):
    server = probe(t, lab, "dst", "listen", lab.address(name, "dst"))
    t.wait_for(lambda: server.out(), "a listening socket")
    return server


def answer(t, lab, *words):
    """What a probe at src says when it ends."""
    return json.loads(t.exits(probe(t, lab, "src", *words), 0, 30).out())


def lines_of(process):
    return [json.loads(line) for line in process.out().splitlines(keepends=True) if line.endswith(b"\n")]


@case()
def lab_keeps_delay_and_rate(t):
    """Connecting takes one round trip, and TCP gets the rate that was set."""
    lab = make_lab(t, [Line("p1", RATE, RTT_MS)])
    server = listener(t, lab, "p1")
    address = lab.address("p1", "dst")
    trips = [answer(t, lab, "connect", address)["seconds"] * 1000 for _ in range(3)]
    t.check(RTT_MS <= min(trips) <= RTT_MS + LATE_MS_MAX, f"connecting took {trips} ms over {RTT_MS} ms")
    answer(t, lab, "send", address, "2")
    said = t.wait_for(lambda: next((each for each in lines_of(server) if each.get("bytes", 0) > 1e5), None), "the figures")
    rate = said["bytes"] * 8 / 1e6 / said["seconds"]
    note(f"connecting took {min(trips):.1f} ms over {RTT_MS} ms, TCP got {rate:.1f} of {RATE} Mb/s")
    t.check(RATE * TCP_SHARE / 2 <= rate <= RATE * TCP_SHARE * 1.02, f"TCP got {rate:.1f} of {RATE} Mb/s")


@case()
def lab_cuts_are_felt(t):
    """down is silence, reset an error at both ends, hold a delay, carrier=off seen by the host, maxpkt silence for large packets."""
    lab = make_lab(t, [Line("p1", RATE, 10)])
    server = listener(t, lab, "p1")
    address = lab.address("p1", "dst")
    lab.set("p1", "down")
    t.equal(answer(t, lab, "connect", address).get("error"), "timed out", "connecting over a cut path")
    lab.set("p1", "reset")
    t.equal(answer(t, lab, "connect", address).get("error"), "Connection refused", "connecting where everything is reset")
    lab.heal("p1")
    sender = probe(t, lab, "src", "send", address, "20")
    t.wait_for(lambda: lab.stats()["p1"]["fwd"]["bytes"] > 1e6, "bytes on the path")
    lab.set("p1", "reset")
    t.exits(sender, 0, 10)
    t.equal(lines_of(sender)[-1]["error"], "Connection reset by peer", "the sender of a connection that was reset")
    lab.heal("p1")
    lab.set("p1", "hold")
    waiting = probe(t, lab, "src", "connect", address)
    time.sleep(0.5)
    t.check(waiting.poll() is None, "connected over a path that holds everything back")
    lab.heal("p1")
    t.check("seconds" in json.loads(t.exits(waiting, 0, 10).out()), "not connected after a hold")
    lab.set("p1", "carrier=off")
    seen = t.exits(t.start_program("ip", *lab.at("src", "ip", "link", "show", "p1")), 0).out()
    t.check(b"NO-CARRIER" in seen, f"no carrier, and the host does not see it: {seen}")
    lab.heal("p1")
    lab.set("p1", "maxpkt=1000")
    before = lab.stats()["p1"]["fwd"]
    t.check("seconds" in answer(t, lab, "connect", address), "small packets do not pass")
    answer(t, lab, "send", address, "0.3")
    after = lab.stats()["p1"]["fwd"]
    t.check(after["dropped_size"] > before["dropped_size"], "large packets pass")
    t.check(server.poll() is None, "the listener has ended")


@case()
def lab_refuses_nonsense(t):
    """Bad settings are refused in words, and what was set before stays."""
    for bad in (Line("p1", RATE, 10, "speed=5"), Line("all", RATE, 10), Line("p1", 0, 10), Line("p1", RATE, 10, "mtu=5")):
        try:
            make_lab(t, [bad])
        except LabError as error:
            t.check(str(error).startswith("line 4: "), f"no line number: {error}")
        else:
            raise harness.Failure(f"taken: {bad}")
    lab = make_lab(t, [Line("p1", RATE, 10)])
    for name, settings in (("p2", "down"), ("p1", "down rate=x"), ("p1", "sideways"), ("p1", "rate=")):
        try:
            lab.set(name, settings)
        except LabError:
            continue
        raise harness.Failure(f"taken: {name} {settings}")
    listener(t, lab, "p1")
    t.check("seconds" in answer(t, lab, "connect", lab.address("p1", "dst")), "a refused setting was made in part")


MAKER = """
import sys, time
sys.path[:0] = sys.argv[2:]
import harness, wan, subprocess
lab = wan.Wan(sys.argv[1], [wan.Line("p1", 100, 10)])
inside = subprocess.Popen(lab.at("src", "sleep", "60"), preexec_fn=harness.die_with_parent)
print(lab.process.pid, inside.pid, flush=True)
time.sleep(60)
"""


def network_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None


@case()
def lab_leaves_nothing_behind(t):
    """kill -9 of a test ends its lab and whoever runs in it; so does closing the lab."""
    make_lab(t, [Line("p1", RATE, 10)]).close()
    here = pathlib.Path(__file__).resolve().parent
    maker = t.start_program("maker", sys.executable, "-c", MAKER, transfers.program(t), here, here.parent / "e2e")
    t.wait_for(lambda: maker.out().endswith(b"\n"), "a lab in another process")
    pids = [int(word) for word in maker.out().split()]
    t.wait_for(lambda: network_of(pids[1]) not in (None, network_of("self")), "a process in the lab's network")
    maker.signal(signal.SIGKILL)
    t.equal(maker.wait(), -signal.SIGKILL, "status of the killed test")
    t.wait_for(lambda: not any(pathlib.Path(f"/proc/{pid}/ns").exists() and network_of(pid) for pid in pids), "the lab's end")
    named = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, timeout=20, check=False).stdout
    t.check("198.18" not in named and "wanlab" not in named, f"named namespaces are left: {named}")
