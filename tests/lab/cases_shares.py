"""Whole transfers over sets of unlike paths: right, and the bytes go where the rates are."""

import time

from transfers import Transfer, best_for_loss, bound, case, make_lab, note
from wan import Line

# Wished of a whole transfer: its rate against what the paths can carry together (their start included, so less than the
# bench asks of long ones), and what one path's share of the bytes may differ from its share of the rates.
SHARE_OF_RATES_LEAST = {"fast": 0.7, "full": 0.9}
SHARE_OFF_MOST = 0.10
MIB = {"fast": 256, "full": 1024}
CAP_OFF_MOST = 0.02  # of a cap, over 10 s: this is held to, for no machine is too slow to send this little
CAP_WINDOW_S = 10
ETHERNET_BYTES = 14  # of each packet: caps count them, and TUN devices do not have them

EQUAL = [Line("p1", 250, 50), Line("p2", 250, 50)]
UNEQUAL = [Line("p1", 40, 10), Line("p2", 80, 25), Line("p3", 160, 80), Line("p4", 320, 150)]
ORBITS = [Line("fiber", 300, 25),
          Line("leo", 100, 45, "jitter=7ms/250ms fwd.loss=0.5% burst=3 gap=15s/60ms queue=100ms"),
          Line("geo", 50, 600, "fwd.loss=0.01% queue=250ms")]


def whole_transfer(t, lines, ip6=False, congestion="cubic", mib=None):
    """One transfer over these paths: right, no path unused, and the figures."""
    lab = make_lab(t, lines)
    transfer = Transfer(t, lab, mib or MIB[t.tier], congestion, ip6)
    report = transfer.finish(timeout_s=100)
    transfer.told(report)
    wire = {name: lab.stats()[name]["fwd"]["bytes"] for name in transfer.names}
    t.equal(sorted(path["name"] for path in report["paths"]), sorted(transfer.names), "paths in the report")
    for path in report["paths"]:
        t.check(path["bytes"] <= wire[path["name"]], f"the report says {path['bytes']} bytes of {path['name']}: the lab "
                f"has seen {wire[path['name']]}")
    for line in lines:
        t.check(wire[line.name] > 100e3, f"{line.name} has carried {wire[line.name]} bytes")
        expected = line.rate / sum(each.rate for each in lines)
        off = abs(wire[line.name] / sum(wire.values()) - expected)
        bound(t, f"share of {line.name}, from {expected:.3f}", off, SHARE_OFF_MOST)
    rate = transfer.bytes * 8 / 1e6 / transfer.seconds()
    bound(t, "of the sum of the rates", rate / transfer.sum_of_rates(), SHARE_OF_RATES_LEAST[t.tier], least=True)


@case()
def two_equal_paths(t):
    """Two equal fibers: each carries its half."""
    whole_transfer(t, EQUAL)


@case()
def four_unequal_paths(t):
    """Rates 1:2:4:8 with round trips of 10 to 150 ms."""
    whole_transfer(t, UNEQUAL)


@case()
def a_lossy_path_finds_its_congestion_control(t):
    """Nobody named one: loss holds cubic back, bbr is tried and kept, and what carries the bytes is told."""
    lossy = Line("leo", 100, 45, "jitter=4ms/250ms fwd.loss=0.5% queue=100ms")
    transfer = Transfer(t, make_lab(t, [lossy]), 64, congestion="")
    report = transfer.finish(timeout_s=150)
    transfer.told(report)
    words = report["paths"][0]["congestion"]
    note(f"congestion control: {words}")
    if best_for_loss() != "bbr":
        t.check("bbr might carry more, but cannot use" in words, f"without bbr the report says '{words}'")
        return
    t.check(words.startswith("bbr: bbr carried"), f"bbr was not kept: '{words}'")
    t.check(any("no queue explains it" in event["text"] for event in transfer.sender.events("note")), "the trial was not told")
    bound(t, "of the path's rate", transfer.bytes * 8 / 1e6 / transfer.seconds() / transfer.sum_of_rates(), 0.35, least=True)


@case()
def a_clean_path_stays_with_cubic(t):
    """... and nothing is tried where nothing is lost but what fills a queue."""
    transfer = Transfer(t, make_lab(t, [Line("p1", 200, 30)]), 256, congestion="")
    report = transfer.finish(timeout_s=60)
    transfer.told(report)
    t.equal(report["paths"][0]["congestion"], None, "congestion control")


@case()
def fiber_and_satellites(t):
    """A fiber, a constellation with jitter and loss, and a geostationary satellite: the slow ones help and do not delay."""
    whole_transfer(t, ORBITS, congestion=best_for_loss())


@case()
def ip6_paths(t):
    """The same over IPv6."""
    whole_transfer(t, EQUAL, ip6=True, mib=64)


def on_the_wire(lab):
    """(when, bytes) that have arrived on all paths, as a network interface would count them."""
    links = [each["fwd"] for each in lab.stats().values()]
    return time.monotonic(), sum(link["bytes"] + ETHERNET_BYTES * link["packets"] for link in links)


def capped_transfer(t, lines, cap, mib, **options):
    """What leaves under a cap of so many Mb/s of all paths together, measured from outside; the transfer is not waited for."""
    lab = make_lab(t, lines)
    transfer = Transfer(t, lab, mib, **options)
    t.wait_for(lambda: transfer.arrived() > 1e6, "the first bytes")
    time.sleep(1.5)
    begun, before = on_the_wire(lab)
    time.sleep(CAP_WINDOW_S)
    ended, after = on_the_wire(lab)
    transfer.meter.stop()
    t.check(transfer.sender.poll() is None, "the sender ended before the measurement did")
    rate = (after - before) * 8 / 1e6 / (ended - begun)
    worst = max(abs(transfer.meter.rate(transfer.names, begun + at, begun + at + 1) / rate - 1) for at in range(CAP_WINDOW_S))
    note(f"cap {cap} Mb/s: {rate:.2f} on the wire, off by {rate / cap - 1:+.2%}; seconds differ from their mean by {worst:.1%}")
    t.check(abs(rate / cap - 1) <= CAP_OFF_MOST, f"{rate:.2f} Mb/s under a cap of {cap}")


@case(timeout_s=60)
def cap_of_20_mbit(t):
    """A slow cap of one path, exact over 10 s."""
    capped_transfer(t, [Line("p1", 100, 40)], 20, 64, options=("--cap", "20Mbps"))


@case(timeout_s=60)
def cap_of_200_mbit(t):
    """A cap of all paths together, of which one is slower than its share: the other carries the rest."""
    capped_transfer(t, [Line("p1", 60, 80), Line("p2", 400, 20)], 200, 512, options=("--cap", "200Mbps"))
