"""What no checksum of the network notices, and a path that swallows large packets."""

from transfers import Transfer, bound, case, make_lab, note
from wan import Line

MIB = {"fast": 160, "full": 512}
TWO = [Line("p1", 250, 20), Line("p2", 250, 40)]
# (share of the bytes, path, setting): one bit or a few flip there and then. Far apart: a chunk whose frames fail three times for
# one cause would fail its file, and rightly.
FLIPS = ((0.15, "p1", "fwd.corrupt"), (0.35, "p2", "rev.corrupt"), (0.55, "p2", "fwd.corrupt"), (0.75, "p1", "rev.corrupt"))
LATE_END_S_MOST = 2  # wished: over what the healthy path alone would need


@case(timeout_s=150)
def corrupted_packets(t):
    """Bits flip under a right checksum, in data and in control: the result is right."""
    lab = make_lab(t, TWO)
    transfer = Transfer(t, lab, MIB[t.tier])
    flipped = 0
    for share, name, setting in FLIPS:
        transfer.wait_for_share(share)
        way = setting.partition(".")[0]
        lab.set(name, f"{setting}={'0.2%' if way == 'fwd' else '50%'}")  # what comes back is few packets, most without content
        t.wait_for(lambda: lab.stats()[name][way]["corrupted"] > 0 or transfer.sender.poll() is not None, "a bit that flips")
        lab.set(name, f"{setting}=0")
        flipped += lab.stats()[name][way]["corrupted"]
    report = transfer.finish()
    transfer.told(report)
    note(f"{flipped} bits flipped, {report['resent_bytes'] / 2**20:.0f} MiB sent again")
    t.check(flipped > 0, "the lab flipped no bit: this has tested nothing")


@case(timeout_s=150)
def large_packets_vanish(t):
    """One path takes connections and swallows every large packet: the other one carries on."""
    lab = make_lab(t, TWO)
    lab.set("p2", "maxpkt=1300")
    transfer = Transfer(t, lab, MIB[t.tier])
    least_s = transfer.bytes * 8 / 1e6 / transfer.sum_of_rates(["p1"])
    patience_s = least_s + t.pick(6, 6, 90)
    if not transfer.ends_within(patience_s):
        note(f"not done after {patience_s:.0f} s ({least_s:.0f} s would do): healed now")
        lab.heal("p2")
    report = transfer.finish()
    transfer.told(report)
    t.check(lab.stats()["p2"]["fwd"]["dropped_size"] > 0, "no packet was too large: this has tested nothing")
    bound(t, "seconds over the least possible", transfer.seconds() - least_s, LATE_END_S_MOST)
