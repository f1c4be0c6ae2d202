"""Which fabrics there are: path probe and version --verbose. What this machine has decides what can be looked at."""

import json

from harness import Skip, case

KNOWN = {"verbs", "efa", "tcp", "net", "shm", "sockets", "udp"}


def probed(t, *words, status=0, env=None):
    return t.run("probe", "path", "probe", *words, status=status, env=env)


def report_of(process):
    lines = process.out().decode().splitlines()
    assert len(lines) == 1, lines
    return json.loads(lines[0])


def need_fabric(t):
    report = report_of(probed(t, "--json"))
    if not report["usable"]:
        raise Skip(report["library"])
    return report


@case()
def fabrics_of_this_machine(t):
    """Every provider is either here, with a place, or missing, with a reason; as JSON, as a table, and in short."""
    report = report_of(probed(t, "--json"))
    if not report["usable"]:
        t.check("libfabric" in report["library"], "why there is none is said")
        t.equal(report["providers"], [], "and nothing is made up")
        t.says(probed(t), "fabrics: none", "libfabric")
        t.says(t.run("version", "version", "--verbose"), "fabrics: none")
        t.says(probed(t, "tcp", status=1), "no fabric 'tcp'", "libfabric")
        raise Skip(report["library"])
    t.equal({provider["name"] for provider in report["providers"]}, KNOWN, "providers that are looked for")
    table, short = probed(t), t.run("version", "version", "--verbose")
    t.says(table, report["library"], "REMOTE DATA")
    t.says(short, f"fabrics: {report['library']}")
    for provider in report["providers"]:
        name = provider["name"]
        t.equal(bool(provider["why"]), not provider["usable"], f"{name}: a reason or a place")
        t.equal(bool(provider["places"]), provider["usable"], f"{name}: places")
        if provider["usable"]:
            t.says(table, provider["places"][0]["provider"])
            t.says(short, f"  {name}: ")
        else:
            t.says(table, f"missing: {name}: {provider['why']}")
            t.says(short, f"  {name}: missing: {provider['why']}")
    t.check("libfabric" not in t.run("version", "version").out().decode(), "the plain version looks at no fabric")


@case()
def fabrics_by_name_and_place(t):
    """One provider, at one address or device; exit code 1 and words when it is not there."""
    need_fabric(t)
    at_home = report_of(probed(t, "fabric:tcp", "127.0.0.1", "--json"))
    t.equal([provider["name"] for provider in at_home["providers"]], ["tcp"], "only the one that was asked for")
    places = at_home["providers"][0]["places"]
    t.equal({place["address"] for place in places}, {"127.0.0.1"}, "only where it was asked for")
    t.check(all(place["write_bytes_max"] >= 1 << 20 for place in places), "a frame fits into one write")
    t.check(all(place["remote_data_bytes"] >= 4 for place in places), "slot and generation fit beside it")
    device = places[0]["device"]
    by_device = report_of(probed(t, "tcp", device, "--json"))["providers"][0]["places"]
    t.check("127.0.0.1" in {place["address"] for place in by_device}, f"the same by its device {device}")
    t.says(probed(t, "tcp", "192.0.2.77", status=1), "no fabric 'tcp'", "not at 192.0.2.77", "127.0.0.1")
    t.says(probed(t, "tcp", "nosuch0", status=1), "not at nosuch0")
    nonsense = probed(t, "nonsense", "--json", status=1)
    t.says(nonsense, "no fabric 'nonsense'", "has only")
    t.equal(report_of(nonsense)["providers"][0]["usable"], False, "JSON says it as well")
    t.says(probed(t, "shm", status=1, env={"FI_PROVIDER": "tcp"}), "FI_PROVIDER=tcp in the environment")


@case()
def fabrics_without_libfabric(t):
    """The same program on a machine whose libfabric is none, or broken: everything else works, and why is said."""
    need_fabric(t)
    broken = t.directory / "lib"
    broken.mkdir()
    (broken / "libfabric.so.1").write_text("not a library\n")
    env = {"LD_LIBRARY_PATH": str(broken)}
    t.says(probed(t, env=env), "fabrics: none", "cannot be loaded", "libfabric1")
    t.equal(report_of(probed(t, "--json", env=env))["usable"], False, "JSON")
    t.says(probed(t, "tcp", status=1, env=env), "no fabric 'tcp'", "cannot be loaded")
    t.says(t.run("version", "version", "--verbose", env=env), "io_uring", "fabrics: none")
