"""Transfers over a device of RDMA (verbs), which few machines have: tests/rdma gives them one in a virtual machine. Little data, for that
one carries 10 MB/s."""

import ipaddress
import signal

import data
from cases_breaks import Relay
from cases_fabric import all_came_by_rail, fabric_path, need_fabric, paths_of
from cases_refusals import address_of
from cases_transfer import same, small_tree, verify
from data import MIB
from harness import Skip, case


def device_and_address(t):
    """Of the first device that has an IPv4 address."""
    report = need_fabric(t)
    for provider in report["providers"]:
        for place in provider["places"] if provider["name"] == "verbs" else []:
            address = place["address"]
            if address and "%" not in address and ipaddress.ip_address(address).version == 4:
                return place["device"], address
    raise Skip("no device of RDMA (verbs) with an IPv4 address here: tests/rdma/run.py has one")


def address_of_device(t):
    return device_and_address(t)[1]


def make_source(t, large_bytes):
    source = small_tree(t, files=20)
    data.write_random(source / "large", large_bytes)
    return source


@case(timeout_s=500)
def files_over_verbs(t):
    """A tree by rail: sealed, in clear, packed; all of it, and only there."""
    address = address_of_device(t)
    source = make_source(t, 3 * MIB + 77)
    for number, words in enumerate(((), ("--cipher", "none"), ("--compress", "zstd"))):
        target = t.directory / f"target-{number}"
        listens = [word for word in words if word in ("--cipher", "none")]
        receiver = t.receive("--fabric", "verbs", *listens, target, listen=(address,))
        sender = t.send(*words, f"{source}/", paths=[fabric_path("verbs", address=address)])
        all_came_by_rail(t, sender, receiver, source, target, "verbs", 3 * MIB, (180, 60))


@case(timeout_s=500)
def verbs_survives_kills(t):
    """kill -9 of the receiver, then of the sender, in the middle of a transfer by rail: the same commands go on."""
    address = address_of_device(t)
    source, target = make_source(t, 4 * MIB), t.directory / "target"

    def receive():
        return t.receive("--fabric", "verbs", target, listen=(address,))

    def send():
        return t.send(f"{source}/", paths=[fabric_path("verbs", address=address, more=",cap=4Mbps")])

    receiver, sender = receive(), send()
    t.wait_for(lambda: sender.events("path_up"), "the path", 30)
    receiver.kill()
    receiver = receive()
    t.wait_for(lambda: sender.events("path_down") or sender.poll() is not None, "the path's end", 60)
    sender.kill()
    sender = send()
    t.exits(sender, 0, 240)
    t.exits(receiver, 0, 60)
    same(t, source, target)
    verify(t, target)


@case(timeout_s=500)
def verbs_and_tcp_together(t):
    """One transfer over a verbs path and a TCP path: both carry."""
    address = address_of_device(t)
    source, target = make_source(t, 4 * MIB), t.directory / "target"
    receiver = t.receive("--fabric", "verbs", target, listen=(address, "127.0.0.2"))
    sender = t.send(f"{source}/", paths=[fabric_path("verbs", address=address), "name=b,remote=127.0.0.2"], cap="4Mbps")
    t.exits(sender, 0, 240)
    t.exits(receiver, 0, 60)
    same(t, source, target)
    for name, path in paths_of(sender).items():
        t.check(path["bytes"] > MIB // 2, f"path {name} carried {path['bytes']} bytes")


@case(timeout_s=500)
def verbs_whose_companion_is_cut(t):
    """The TCP connections of a verbs path are reset, its device is not: the path dials anew, and all arrives. They go through a relay at
    another address than the device's, which is why the path names the device."""
    device, address = device_and_address(t)
    source, target = make_source(t, 4 * MIB), t.directory / "target"
    receiver = t.receive("--fabric", "verbs", target, listen=(address,))
    relay = Relay((address, address_of((t.directory / "ticket").read_text())[1]))
    t.at_end(relay.close)
    sender = t.send(f"{source}/", paths=[f"name=f,remote=127.0.0.1:{relay.port},local={address},transport=fabric:verbs@{device},cap=8Mbps"])
    t.wait_for(lambda: sender.events("path_up"), "the path", 30)
    relay.reset(True)
    t.wait_for(lambda: sender.events("path_down"), "a path_down event", 60)
    relay.reset(False)
    t.exits(sender, 0, 240)
    t.exits(receiver, 0, 60)
    same(t, source, target)


@case(timeout_s=500)
def verbs_that_is_interrupted(t):
    """Ctrl-C in the middle: status 130, and the same command ends the work."""
    address = address_of_device(t)
    source, target = make_source(t, 2 * MIB), t.directory / "target"
    receiver = t.receive("--fabric", "verbs", target, listen=(address,))
    sender = t.send(f"{source}/", paths=[fabric_path("verbs", address=address, more=",cap=2Mbps")])
    t.wait_for(lambda: sender.events("path_up"), "the path", 30)
    sender.signal(signal.SIGINT)
    t.exits(sender, 130, 30)
    sender = t.send(f"{source}/", paths=[fabric_path("verbs", address=address)])
    t.exits(sender, 0, 150)
    t.exits(receiver, 0, 60)
    same(t, source, target)
