"""Whole transfers over sets of unlike paths: right, and the bytes go where the rates are."""

from transfers import Transfer, best_for_loss, bound, case, make_lab
from wan import Line

# Wished of a whole transfer: its rate against what the paths can carry together (their start included, so less than the
# bench asks of long ones), and what one path's share of the bytes may differ from its share of the rates.
SHARE_OF_RATES_LEAST = {"fast": 0.7, "full": 0.9}
SHARE_OFF_MOST = 0.10
MIB = {"fast": 256, "full": 1024}

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
def fiber_and_satellites(t):
    """A fiber, a constellation with jitter and loss, and a geostationary satellite: the slow ones help and do not delay."""
    whole_transfer(t, ORBITS, congestion=best_for_loss())


@case()
def ip6_paths(t):
    """The same over IPv6."""
    whole_transfer(t, EQUAL, ip6=True, mib=64)
