"""Fabrics (RDMA): which there are, and transfers over those that need no device. What this machine has decides what can be looked at."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import data
from cases_breaks import Relay
from cases_refusals import address_of
from cases_targets import small_file_system
from cases_transfer import same, small_tree, verify
from data import MIB
from harness import LIBC, Skip, case

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
    t.check(all(place["remote_data_bytes"] >= 4 or place["provider"] == "tcp;ofi_rxm" for place in places), "slot and generation fit beside it")
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


@case()
def fabric_library_from_elsewhere(t):
    """A libfabric where the receiver's walls let nobody look, as that of a vendor in /opt: it is loaded before they stand."""
    provider = usable(t, "tcp")[0]
    library = next(iter(pathlib.Path("/usr").glob("lib*/**/libfabric.so.1")), None)
    if library is None:
        raise Skip("libfabric.so.1 is not below /usr/lib*")
    elsewhere = t.shared / "vendor"  # not where the ticket is written
    elsewhere.mkdir()
    t.at_end(lambda: shutil.rmtree(elsewhere))
    shutil.copy(library, elsewhere / "libfabric.so.1")
    env = {"LD_LIBRARY_PATH": str(elsewhere)}
    source = small_tree(t)
    target = t.directory / "target"
    receiver = t.receive("--fabric", provider, target, env=env)
    t.check(str(elsewhere) in pathlib.Path(f"/proc/{receiver.pid}/maps").read_text(encoding="utf-8"), "the receiver has loaded that one")
    sender = t.send(f"{source}/", paths=[fabric_path(provider)], env=env)
    all_came_by_rail(t, sender, receiver, source, target, provider, 1, (30, 20))


# ----- transfers

SOFTWARE = ("tcp", "net", "shm", "sockets", "udp")  # those that need no device
CAP = "400Mbps"  # so slow that there is a half-way


def usable(t, *names):
    """Those of these providers that this machine has."""
    report = need_fabric(t)
    found = [provider["name"] for provider in report["providers"] if provider["usable"] and provider["name"] in names]
    if not found:
        raise Skip(f"this libfabric has none of {', '.join(names)}")
    return found


def several(t, *names):
    """Those of these that this machine has; in the full tier of all that need no device."""
    return usable(t, *(SOFTWARE if t.tier == "full" else names))


def fabric_path(provider, name="f", more="", address="127.0.0.1"):
    return f"name={name},remote={address},transport=fabric:{provider}{more}"


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def make_source(t, large_bytes):
    """Small files, one with a hole, one of many frames."""
    source = small_tree(t, files=100)
    data.write_random(source / "large", large_bytes)
    with open(source / "hole", "wb") as file:
        file.write(b"begin")
        file.seek(9 * MIB)
        file.write(b"end")
    return source


def paths_of(process):
    return {path["name"]: path for path in process.done()["paths"]}


def all_came_by_rail(t, sender, receiver, source, target, provider, least_bytes, patience_s):
    """Both ends end well, in the seconds that each is given; the target is the source; path f carried it, and by this provider."""
    for side, seconds in zip((sender, receiver), patience_s):
        t.exits(side, 0, seconds)
    same(t, source, target)
    verify(t, target)
    for side in (sender, receiver):
        path = paths_of(side)["f"]
        t.equal(path["transport"], f"fabric:{provider}", "what the report says of the path")
        t.check(path["bytes"] >= least_bytes, f"{provider}: {path['bytes']} bytes by rail")


@case(timeout_s=240)
def files_over_every_fabric(t):
    """Each provider that needs no device carries a tree by rail: sealed, in clear, packed; all of it, and only there."""
    source = make_source(t, 40 * MIB + 77)
    for provider in usable(t, *SOFTWARE):
        ways = ((), ("--cipher", "none")) if provider != "tcp" else ((), ("--cipher", "none"), ("--cipher", "aes-128-gcm"))
        for number, words in enumerate(ways):
            target = t.directory / f"target-{provider}-{number}"
            receiver = t.receive("--fabric", provider, *words, target)
            packed = ("--compress", "zstd") if number == 0 else ()
            sender = t.send(*words, *packed, f"{source}/", paths=[fabric_path(provider)])
            all_came_by_rail(t, sender, receiver, source, target, provider, 40 * MIB, (100, 20))
            t.equal([event["text"] for event in sender.events("path_down")], [], f"{provider}: the path stayed up")


@case(timeout_s=90)
def fabric_where_the_receiver_dials(t):
    """The sender listens, the receiver dials and names the fabric: the same the other way round."""
    source = make_source(t, 20 * MIB)
    for provider in several(t, "tcp", "shm"):
        target = t.directory / f"target-{provider}"
        sender = t.start("send", "send", "--json", "--listen", "127.0.0.1", "--fabric", provider, "--ticket-file",
                         t.directory / "ticket", f"{source}/")
        t.wait_for(lambda: (t.directory / "ticket").exists() or sender.poll() is not None, "the sender's ticket")
        receiver = t.start("receive", "receive", "--json", "--path", fabric_path(provider), "@ticket", target)
        t.exits(receiver, 0)
        t.exits(sender, 0, 20)
        same(t, source, target)
        t.check(paths_of(receiver)["f"]["bytes"] >= 20 * MIB, "it went by rail")
        (t.directory / "ticket").unlink()


@case(timeout_s=90)
def fabric_and_tcp_together(t):
    """One transfer over a fabric path and a TCP path: both carry, and the caps of both are kept."""
    source = make_source(t, 100 * MIB)
    for provider in several(t, "tcp"):
        target = t.directory / f"target-{provider}"
        receiver = t.receive("--fabric", provider, target)
        sender = t.send(f"{source}/", paths=[fabric_path(provider), "name=b,remote=127.0.0.2"], cap="160Mbps")
        t.exits(sender, 0, 60)
        t.exits(receiver, 0, 20)
        same(t, source, target)
        verify(t, target)
        done, paths = sender.done(), paths_of(sender)
        t.equal((paths["f"]["transport"], paths["b"]["transport"]), (f"fabric:{provider}", "tcp"), "transports")
        for name, path in paths.items():
            t.check(path["bytes"] >= 20 * MIB, f"path {name} carried {path['bytes']} bytes")
            rate = path["bytes"] / done["seconds"]
            t.check(rate <= 20_000_000 * 1.25, f"path {name}: {rate:.0f} bytes/s under a cap of 20 MB/s")


def stand_still(where, seconds):
    """The file system there takes nothing for so long."""
    try:
        subprocess.run(["fsfreeze", "--freeze", where], timeout=20, check=True)
        time.sleep(seconds)
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", where], timeout=20, check=False)


@case(timeout_s=120, root=True)
def fabric_and_a_disk_that_hangs(t):
    """The target's file system stands still: what has arrived is told meanwhile, and no path is given up for it."""
    source = small_tree(t, files=2000)
    data.write_random(source / "large", 60 * MIB)
    where = small_file_system(t, 600 * MIB)
    for provider in several(t, "tcp"):
        target = where / provider
        receiver = t.receive("--fabric", provider, target)
        sender = t.send(f"{source}/", paths=[fabric_path(provider)], cap="100Mbps")
        t.wait_for(lambda to=target: sum(1 for _ in to.rglob("*")) > 100, "the first files at the target")
        stand_still(where, 7)
        all_came_by_rail(t, sender, receiver, source, target, provider, 60 * MIB, (60, 20))
        t.equal([event["text"] for event in sender.events("path_down")], [], f"{provider}: the path stayed up")
        shutil.rmtree(target)


def pairs_of_ports(pid):
    """Of this process's TCP connections: descriptor -> (own port, the other's)."""
    table = {}
    for line in open("/proc/net/tcp", encoding="ascii").read().splitlines()[1:]:
        words = line.split()
        if words[3] == "01":
            table[words[9]] = tuple(int(words[column].split(":")[1], 16) for column in (1, 2))
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if link.startswith("socket:[") and link[8:-1] in table:
            found[int(name)] = table[link[8:-1]]
    return found


def cut_rails(pid, port):
    """Shuts all TCP connections of a process that are not to or from `port`: those of the fabric. How many there were."""
    process, cut = os.pidfd_open(pid), 0
    try:
        for descriptor, ports in pairs_of_ports(pid).items():
            if port in ports:
                continue
            own = LIBC.syscall(438, process, descriptor, 0)  # pidfd_getfd
            if own < 0:
                raise Skip("this system does not let us take another process's descriptor")
            with socket.socket(fileno=own) as rail:
                try:
                    rail.shutdown(socket.SHUT_RDWR)
                    cut += 1
                except OSError:
                    pass
    finally:
        os.close(process)
    return cut


def rail_is_cut(t, provider, more_paths, options=(), until_down=True):
    """Again and again, while the receiver does not read, until the path is down; or twice."""
    source, target = make_source(t, 100 * MIB), t.directory / "target"
    receiver = t.receive("--fabric", provider, *options, target)
    port = address_of((t.directory / "ticket").read_text())[1]
    sender = t.send(*options, f"{source}/", paths=[fabric_path(provider)] + more_paths, cap="160Mbps")
    t.wait_for(lambda: data.durable_bytes(target) > 5 * MIB, "the first bytes to be durable")
    cuts = 0
    while sender.poll() is None and (ups_and_downs(sender)[1] == 0 if until_down else cuts < 2):
        receiver.signal(signal.SIGSTOP)
        time.sleep(0.1)  # so that there is something on its way
        cuts += 1 if cut_rails(sender.pid, port) else 0
        receiver.signal(signal.SIGCONT)
        time.sleep(0.2)
    t.check(cuts > 0, "rails were cut")
    t.exits(sender, 0, 60)
    t.exits(receiver, 0, 20)
    same(t, source, target)
    verify(t, target)
    return sender


def ups_and_downs(sender):
    return [len([event for event in sender.events(kind) if event["name"] == "f"]) for kind in ("path_up", "path_down")]


@case(timeout_s=120, root=True)
def rail_that_is_cut(t):
    """The fabric of the only path fails half-way, its TCP does not: the path is down, comes back with a new rail, and ends the work."""
    ups, downs = ups_and_downs(rail_is_cut(t, usable(t, "sockets")[0], []))
    t.check(downs >= 1 and ups >= 2, f"the path went down ({downs}) and came back ({ups})")


@case(timeout_s=120, root=True)
def rail_that_heals(t):
    """Providers that dial anew by themselves when their connections are cut (tcp, net): whatever was lost is sent again."""
    for provider in usable(t, "tcp", "net"):
        rail_is_cut(t, provider, [], until_down=False)
        for left in ("source", "target", "ticket"):
            remove(t.directory / left)


@case(timeout_s=120, root=True)
def rail_that_is_cut_beside_tcp(t):
    """The fabric of one path fails beside a TCP path, in clear: that one takes over what was on the rail."""
    sender = rail_is_cut(t, usable(t, "sockets")[0], ["name=b,remote=127.0.0.2"], ("--cipher", "none"))
    t.check(paths_of(sender)["b"]["bytes"] > 20 * MIB, "the TCP path carried on")
    t.check(ups_and_downs(sender)[1] >= 1, "the fabric path went down")


def path_is_cut(t, source, provider, address, cut, has_begun):
    """A transfer over the fabric path f and the TCP path b. The connections of path `cut` go to `address` by a relay, which resets them for good
    once `has_begun(relay, target)`. Everything arrives all the same. The sender."""
    target = t.directory / f"target-{provider}"
    receiver = t.receive("--fabric", provider, target)
    relay = Relay((address, address_of((t.directory / "ticket").read_text())[1]))
    t.at_end(relay.close)
    relayed = f"127.0.0.1:{relay.port}"
    paths = {"f": fabric_path(provider), "b": "name=b,remote=127.0.0.2"}
    paths[cut] = fabric_path(provider, address=relayed) if cut == "f" else f"name=b,remote={relayed}"
    sender = t.send(f"{source}/", paths=list(paths.values()), cap="160Mbps")
    t.wait_for(lambda: has_begun(relay, target), "the transfer to be on its way")
    relay.reset(True)
    t.wait_for(lambda: any(event["name"] == cut for event in sender.events("path_down")), "a path_down event", 20)
    t.exits(sender, 0, 60)
    t.exits(receiver, 0, 20)
    same(t, source, target)
    return sender


@case(timeout_s=90)
def companion_that_is_cut(t):
    """The TCP connections of a fabric path are reset, its fabric is not: what was on it goes over the other path."""
    source = make_source(t, 60 * MIB)
    for provider in several(t, "tcp"):
        path_is_cut(t, source, provider, "127.0.0.1", "f", lambda _, target: data.durable_bytes(target) > 5 * MIB)


@case(timeout_s=90)
def tcp_that_is_cut_beside_a_fabric(t):
    """The TCP path of a transfer is reset and stays away: the fabric carries what was on it, and the rest."""
    source = make_source(t, 60 * MIB)
    for provider in several(t, "tcp"):
        sender = path_is_cut(t, source, provider, "127.0.0.2", "b", lambda relay, _: relay.carried > 5 * MIB)
        t.check(paths_of(sender)["f"]["bytes"] > 30 * MIB, f"{provider}: the fabric took over")


@case(timeout_s=60)
def fabric_of_a_listener_of_both_families(t):
    """Who listens for both families hears of IPv4 peers by disguised addresses; the fabric is at the IPv4 address all the same."""
    try:
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True).close()
    except OSError as error:
        raise Skip(f"no sockets for both families here: {error}") from error
    source = make_source(t, 10 * MIB)
    for provider in [each for each in several(t, "tcp") if each != "shm"]:
        target = t.directory / f"target-{provider}"
        receiver = t.receive("--fabric", provider, target, listen=("[::]",))
        port = address_of((t.directory / "ticket").read_text())[1]
        sender = t.send(f"{source}/", paths=[f"name=f,remote=127.0.0.1:{port},transport=fabric:{provider}"])
        all_came_by_rail(t, sender, receiver, source, target, provider, 10 * MIB, (40, 20))


@case()
def fabric_at_another_address(t):
    """The connections of a fabric path end at another address than the fabric that the peer tells of: refused in words, and no byte goes there."""
    provider = usable(t, "tcp", "net", "sockets")[0]
    data.write_random(t.directory / "file", 3 * MIB)
    receiver = t.receive("--fabric", provider, t.directory / "target", listen=("127.0.0.1",))
    port = address_of((t.directory / "ticket").read_text())[1]
    relay = Relay(("127.0.0.1", port), "127.0.0.2")
    t.at_end(relay.close)
    sender = t.send("file", paths=[fabric_path(provider, address=f"127.0.0.2:{relay.port}"), f"name=b,remote=127.0.0.1:{port},cap=16Mbps"])
    t.exits(sender, 0, 40)
    t.exits(receiver, 0, 20)
    downs = [event["text"] for event in sender.events("path_down") if event["name"] == "f"]
    t.check(downs and f"fabric is at 127.0.0.1, and its TCP connection at 127.0.0.2:{relay.port}" in downs[0], f"{downs}")
    t.equal(paths_of(sender)["f"]["bytes"], 0, "bytes by rail")


@case()
def slots_of_a_fabric_path(t):
    """How many frames may be on their way is as asked at both ends, and said; loopback is not limited by them."""
    provider = usable(t, "tcp", "net", "sockets")[0]
    source = make_source(t, 40 * MIB)
    for number, (more, words) in enumerate((("", None), (",slots=2", "4 of 256 KiB, 2 for a stream"),
                                            (",slots=20,streams=1", "20 of 256 KiB, 20 for a stream"))):
        target = t.directory / f"target-{number}"
        receiver = t.receive("--fabric", provider, target)
        sender = t.send("--verbose", f"{source}/", paths=[fabric_path(provider, more=more)], cap=CAP)
        t.exits(sender, 0, 40)
        t.exits(receiver, 0, 20)
        same(t, source, target)
        done = sender.done()
        said = re.match(r"(\d+) of 256 KiB, (\d+) for a stream", done["paths"][0]["slots"])
        t.check(said is not None and (said[0] == words if words else 4 <= int(said[2]) <= 64), done["paths"][0]["slots"])
        t.check("limited by slots" not in done["verdict"], done["verdict"])
    t.equal(receiver.done()["paths"][0]["slots"], None, "the side that receives does not know")
    for value in ("1", "257", "many"):
        t.says(t.exits(t.send("file", paths=[fabric_path(provider, more=f",slots={value}")], json_events=False), 2, 20), "slots:", "2 to 256")


@case(timeout_s=120)
def fabric_survives_kills(t):
    """Ctrl-C, and kill -9 of the receiver, of the sender, of both in the middle of a transfer by rail: the same commands go on."""
    for provider in several(t, "tcp", "shm"):
        source, target = t.directory / f"source-{provider}", t.directory / f"target-{provider}"
        source.mkdir()
        data.write_random(source / "large", 100 * MIB)

        def receive(to=target, by=provider):
            return t.receive("--fabric", by, to)

        def send(of=source, by=provider):
            return t.send(f"{of}/", paths=[fabric_path(by)], cap=CAP)

        receiver, sender = receive(), send()
        t.wait_for(lambda: data.durable_bytes(target) > 0, "the first bytes")
        sender.signal(signal.SIGINT)  # shm has handlers of its own
        t.exits(sender, 130, 20)
        sender = send()
        for victims in ("receiver", "sender", "both"):
            before = data.durable_bytes(target)
            t.wait_for(lambda low=before: data.durable_bytes(target) > low + 5 * MIB or sender.poll() is not None, "some bytes more")
            if victims != "sender":
                receiver.kill()
                receiver = receive()
            if victims != "receiver":
                sender.kill()
                sender = send()
        t.exits(sender, 0, 60)
        t.exits(receiver, 0, 20)
        same(t, source, target)
        verify(t, target)


@case()
def fabric_that_is_not_wanted(t):
    """Refused in words: a listener that was not asked for it, a provider that is none, a word that names nothing."""
    usable(t, "tcp")
    data.write_random(t.directory / "file", 100_000)
    receiver = t.receive(t.directory / "target")
    sender = t.exits(t.send("file", paths=[fabric_path("tcp")]), 5, 20)
    t.says(sender, "the side that listens", "path f goes by fabric tcp", "--fabric tcp")
    sender = t.send("file", paths=[fabric_path("nonsense"), "name=b,remote=127.0.0.2"])
    t.check(sender.wait(20) != 0, "a provider that is none")
    t.says(sender, "no fabric 'nonsense'", "has only")
    for word in ("rdma", "fabric:", "fabric:a b", "fabric:tcp@"):
        t.says(t.exits(t.send("file", paths=[f"name=a,transport={word}"], json_events=False), 2, 20), "transport:", "path probe")
    t.says(t.run("receive", "receive", "--fabric", "no/thing", "elsewhere", status=2), "--fabric", "path probe")
    listener = t.start("receive", "receive", "--fabric", "nonsense", "elsewhere")
    t.check(listener.wait(20) != 0, "a listener that cannot")
    t.says(listener, "no fabric 'nonsense'")
    # A path beside one that is refused goes on.
    sender = t.exits(t.send("file", paths=[fabric_path("tcp"), "name=b,remote=127.0.0.2"]), 0, 20)
    t.exits(receiver, 0, 20)
    t.check("--fabric tcp" in paths_of(sender)["f"]["excluded"], "why the path was not used is in the report")


@case(timeout_s=90)
def fabric_path_that_joins(t):
    """A fabric path is added to a transfer that runs over TCP, and the TCP path removed: the rest goes by rail."""
    provider = usable(t, "tcp", "net")[0]
    source, target = make_source(t, 100 * MIB), t.directory / "target"
    receiver = t.receive("--fabric", provider, target)
    sender = t.send("--fabric", provider, f"{source}/", paths=["name=b,remote=127.0.0.2,cap=80Mbps"])
    t.wait_for(lambda: data.durable_bytes(target) > 5 * MIB, "the first bytes to be durable")
    t.run("path", "path", "add", str(sender.pid), fabric_path(provider, more=",cap=400Mbps"))
    t.wait_for(lambda: any(event["name"] == "f" for event in sender.events("path_up")), "path f", 20)
    t.run("path", "path", "remove", str(sender.pid), "b")
    t.exits(sender, 0, 60)
    t.exits(receiver, 0, 20)
    same(t, source, target)
    t.check(paths_of(sender)["f"]["bytes"] > 40 * MIB, "the fabric path carried on")
