"""Paths that nobody named, found between two hosts that have three each."""

from transfers import Transfer, case, make_lab
from wan import Line

LINES = [Line("p1", 120, 20), Line("p2", 120, 40), Line("p3", 120, 60)]
LAB_NETWORKS = "198.18.0.0/15"


def carried(lab):
    return {name: link["fwd"]["bytes"] for name, link in lab.stats().items()}


@case()
def paths_are_found(t):
    """--discover at both ends: one path is named, the two others are found, and each carries its share."""
    lab = make_lab(t, LINES)
    permit = ("--discover", LAB_NETWORKS)
    transfer = Transfer(t, lab, 96, paths=["p1"], options=permit, receive_options=permit)
    report = transfer.finish()
    # The routes to all addresses of the other end lead over each path: any pairing of the two that were found will do.
    for end, host in (("local", 1), ("remote", 2)):
        found = sorted(path[end].split(":")[0] for path in report["paths"])
        t.equal(found, [f"198.18.{i}.{host}" for i in (1, 2, 3)], f"{end} addresses in the report")
    for name, found in carried(lab).items():
        t.check(found > transfer.bytes / 6, f"{name} has carried {found} of {transfer.bytes} bytes")


@case()
def no_paths_are_found_where_policy_requires_tags(t):
    """A path that is found has no tags: under --require nothing leaves on the others, no probe either."""
    lab = make_lab(t, LINES)
    transfer = Transfer(t, lab, 24, paths=["p1"], options=("--discover", LAB_NETWORKS),
                        receive_options=("--discover", LAB_NETWORKS, "--forbid", "guest", "--require", "us"), terms="tags=us")
    transfer.finish()
    bytes_of = carried(lab)
    t.equal((bytes_of["p2"], bytes_of["p3"]), (0, 0), "bytes on the paths that nobody named")
