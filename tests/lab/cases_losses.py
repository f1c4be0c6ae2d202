"""Paths that are cut, held back, reset, slowed or made lossy half-way, and healed: the transfer goes on, and is right."""

import os
import random
import time

import data
import harness
from transfers import Transfer, bound, case, make_lab, note
from wan import TCP_SHARE, Line

MIB = {"fast": 256, "full": 512}
FOUR = [Line("p1", 120, 10), Line("p2", 120, 25), Line("p3", 120, 80), Line("p4", 120, 150)]
HALF_WAY = 0.4  # of the bytes
# Wished: what the loss of one path may cost. The 1 s windows of the surviving paths against their own rate; the end against
# the moment when they could have carried all that was left; what is sent again; when a healed path carries bytes again.
SURVIVORS_LEAST = 0.95
LATE_END_S_MOST = 1.5
RESENT_SHARE_MOST = 0.30
RESENT_SHARE_MOST_JITTER = 0.005
BACK_S_MOST = 5
ALL_BACK_S_MOST = 5
# After so long without the end the path is healed, so that a test ends.
PATIENCE_S = {"fast": 6, "full": 60}


def survivors_windows(t, transfer, cut_at, survivors, until):
    """The survivors' slowest second between the cut and the last part of the transfer, against before the cut."""
    meter = transfer.meter
    usual = min(meter.rate(survivors, max(meter.begun(), cut_at - 1.5), cut_at), transfer.sum_of_rates(survivors) / TCP_SHARE)
    worst, at = meter.worst_window(survivors, cut_at, max(until, cut_at + 0.2))
    note(f"survivors carried {usual:.0f} Mb/s before the cut; the slowest second after it {worst:.0f} Mb/s, at +{at - cut_at:.1f} s")
    bound(t, "survivors' slowest second against before", worst / max(usual, 1e-6), SURVIVORS_LEAST, least=True)


def cut_half_way(t, settings, name, lines=None, resent_most=RESENT_SHARE_MOST):
    """One of four paths gets these settings half-way and keeps them until the end, or until our patience is up."""
    lab = make_lab(t, lines or FOUR)
    transfer = Transfer(t, lab, MIB[t.tier])
    transfer.wait_for_share(HALF_WAY)
    lab.set(name, settings)
    cut_at, cut_time, left = time.monotonic(), time.time(), transfer.bytes - transfer.arrived()
    survivors = [each for each in transfer.names if each != name]
    ideal_s = left * 8 / 1e6 / transfer.sum_of_rates(survivors)
    by_itself = transfer.ends_within(ideal_s + PATIENCE_S[t.tier])
    if not by_itself:
        note(f"not done {ideal_s + PATIENCE_S[t.tier]:.1f} s after the cut ({ideal_s:.1f} s would do): healed now")
        lab.heal(name)
    report = transfer.finish()
    transfer.told(report)
    down = [event["time"] - cut_time for event in transfer.sender.events("path_down") if event["name"] == name]
    note(f"path_down {f'told {down[0]:.1f} s after the cut' if down else 'not told'}; {report['resent_bytes'] / 2**20:.0f} MiB re-sent")
    survivors_windows(t, transfer, cut_at, survivors, cut_at + 0.9 * ideal_s - 0.3)  # the end-game is judged by its end
    bound(t, "seconds from the cut to the end, over the least possible", transfer.ended - cut_at - ideal_s, LATE_END_S_MOST)
    bound(t, "bytes sent again, of all", report["resent_bytes"] / transfer.bytes, resent_most)


CUTS = {
    "black_hole": ("down", "p3", "everything on one path vanishes silently"),
    "reset": ("reset", "p2", "the connections of one path are reset, and refused when dialled anew"),
    "no_carrier": ("carrier=off", "p4", "the interfaces of one path lose their carrier at both ends"),
    "stall": ("hold", "p3", "nothing on one path arrives and nothing is lost"),
    "crawl": ("rate=1.2mbit", "p2", "one path falls to 1 % of its rate"),
    "lossy": ("loss=5%", "p4", "one path loses 5 % of its packets"),
    "first_path": ("down", "p1", "the path that is dialled first, with control, vanishes silently"),
}
FAST = ("black_hole", "reset", "crawl", "first_path")


def register(kind, settings, name, words):
    def run(t):
        cut_half_way(t, settings, name)

    run.__name__, run.__doc__ = f"one_of_four_{kind}", f"Half-way {words}: the others go on."
    case(timeout_s=150, tiers=("fast", "full") if kind in FAST else ("full",))(run)


for each, plan in CUTS.items():
    register(each, *plan)


@case(timeout_s=200)
def worsening_path_is_told_and_left(t):
    """A path begins to lose 3 % of its packets: that is told, and the transfer ends as if the others were alone, or sooner."""
    lab = make_lab(t, [Line("p1", 40, 20), Line("p2", 40, 40)])
    transfer = Transfer(t, lab, 256)
    transfer.wait_for_share(0.6)  # some 16 s: what is usual has been learnt
    t.equal(transfer.sender.events("path_degraded"), [], "path_degraded events before anything got worse")
    lab.set("p2", "loss=3%")
    worse_at, worse_time, left = time.monotonic(), time.time(), transfer.bytes - transfer.arrived()
    # What p2 has of one chunk for each of its two streams had better go out again on p1.
    alone_s = (left + 2 * 8 * data.MIB) * 8 / 1e6 / transfer.sum_of_rates(["p1"])
    report = transfer.finish()
    transfer.told(report)
    degraded = transfer.sender.events("path_degraded")
    t.check(degraded and degraded[0]["name"] == "p2", f"not told that p2 got worse: {degraded}")
    note(f"told {degraded[0]['time'] - worse_time:.1f} s after it began: {degraded[0]['text']}")
    t.equal({path["name"]: path["times_degraded"] > 0 for path in report["paths"]}, {"p1": False, "p2": True}, "paths that got worse")
    bound(t, "seconds from then to the end, over what the other path needs alone with the chunks begun on this one", transfer.ended - worse_at - alone_s, LATE_END_S_MOST)


@case(timeout_s=150)
def healed_path_carries_again(t):
    """A path that is cut for two seconds carries bytes again by itself."""
    lab = make_lab(t, FOUR)
    transfer = Transfer(t, lab, MIB[t.tier])
    transfer.wait_for_share(0.2)
    lab.set("p2", "down")
    time.sleep(2)
    lab.heal("p2")
    healed_at = time.monotonic()
    report = transfer.finish()
    transfer.told(report)
    meter = transfer.meter
    before = meter.carried(["p2"], healed_at)
    back = next((at - healed_at for at, bytes_of in meter.samples if at > healed_at and bytes_of["p2"] > before + 3e5), None)
    if back is None:
        note(f"p2 carried nothing in the {transfer.ended - healed_at:.1f} s that were left when it was healed")
    bound(t, "seconds until the healed path carries bytes", transfer.ended - healed_at if back is None else back, BACK_S_MOST)


@case(timeout_s=150)
def jitter_takes_nothing_over(t):
    """Healthy paths with jitter, reordering and a satellite's gaps: next to nothing is sent twice."""
    wild = "jitter=30ms/200ms fwd.reorder=0.1%:3ms gap=2s/150ms"
    lab = make_lab(t, [Line("p1", 200, 40, wild), Line("p2", 200, 60, wild)])
    transfer = Transfer(t, lab, MIB[t.tier])
    report = transfer.finish()
    transfer.told(report)
    t.equal(transfer.sender.events("path_down"), [], "path_down events on healthy paths")
    bound(t, "bytes sent again, of all", report["resent_bytes"] / transfer.bytes, RESENT_SHARE_MOST_JITTER)


@case(timeout_s=150)
def all_paths_gone_and_back(t):
    """All paths are cut for some seconds: the transfer waits, and completes."""
    lab = make_lab(t, FOUR[:2])
    transfer = Transfer(t, lab, MIB[t.tier] // 2)
    transfer.wait_for_share(HALF_WAY)
    lab.set("all", "down")
    time.sleep(t.pick(4, 4, 40))
    t.check(transfer.sender.poll() is None and transfer.receiver.poll() is None, "a side gave up in some seconds without a path")
    for line in lab.lines:
        lab.heal(line.name)
    healed_at, left = time.monotonic(), transfer.bytes - transfer.arrived()
    report = transfer.finish()
    transfer.told(report)
    bound(t, "seconds from the heal to the end, over the least possible",
          transfer.ended - healed_at - left * 8 / 1e6 / transfer.sum_of_rates(), ALL_BACK_S_MOST)


@case(timeout_s=150)
def flapping_path(t):
    """A path that goes and comes every half second never stops the other one, and the transfer is right."""
    lab = make_lab(t, FOUR[:2])
    transfer = Transfer(t, lab, MIB[t.tier] // 2)
    transfer.wait_for_share(0.1)
    begun = time.monotonic()
    for number in range(t.pick(10, 10, 100)):
        if transfer.sender.poll() is not None:
            break
        lab.set("p2", "down" if number % 2 == 0 else "up")
        time.sleep(0.5)
    lab.heal("p2")
    flapped_until = min(time.monotonic(), transfer.meter.samples[-1][0])
    report = transfer.finish()
    transfer.told(report)
    worst, _ = transfer.meter.worst_window(["p1"], begun, min(flapped_until, transfer.ended - 1))
    bound(t, "slowest second of the steady path, of its rate", worst / lab.line("p1").rate, SURVIVORS_LEAST * TCP_SHARE, least=True)


# ----- random schedules

HURT_S = {"fast": 4, "full": 8}
HURTS = ("down", "down", "reset", "hold", "carrier=off", "rate=5mbit", "loss=3%", "rtt=400ms", "fwd.down", "rev.down")


def random_schedule(t, seed, mib):
    """Some seconds of random hurts and heals on random paths; then all are healed."""
    chance = random.Random(seed)
    lab = make_lab(t, FOUR, seed=chance.randrange(1, 1 << 20))
    transfer = Transfer(t, lab, mib)
    transfer.wait_for_share(0.05)
    hurt, said, begun = {}, [], time.monotonic()
    while time.monotonic() - begun < HURT_S[t.tier] and transfer.sender.poll() is None:
        name = chance.choice(transfer.names)
        if name in hurt:
            lab.heal(name)
            said.append(f"{time.monotonic() - begun:.1f}s {name} healed")
            del hurt[name]
        else:
            hurt[name] = chance.choice(HURTS)
            lab.set(name, hurt[name])
            said.append(f"{time.monotonic() - begun:.1f}s {name} {hurt[name]}")
        time.sleep(chance.uniform(0.05, 0.9))
    for name in transfer.names:
        lab.heal(name)
    healed_at = time.monotonic()
    try:
        report = transfer.finish(timeout_s=100)
    except harness.Failure as failure:
        raise harness.Failure(f"seed {seed}: {failure}; schedule: {'; '.join(said)}") from failure
    note(f"seed {seed}: {len(said)} changes; done {max(0, transfer.ended - healed_at):.1f} s after the last heal; "
         f"re-sent {report['resent_bytes'] / transfer.bytes:.1%}")
    lab.close()


@case(timeout_s=300)
def random_schedules(t):
    """Random cuts, slow-downs, losses and heals on random paths: every transfer completes, and is right."""
    given = os.environ.get("LONGHAUL_LAB_SEED")
    seeds = [int(given)] if given else [random.randrange(1 << 32) for _ in range(t.pick(3, 3, 50))]
    for seed in seeds:
        print(f"      LONGHAUL_LAB_SEED={seed}", flush=True)
        random_schedule(t, seed, 192)
