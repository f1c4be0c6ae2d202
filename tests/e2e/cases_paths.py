"""First-class paths: a file of paths, what packets carry, and policy, which no byte may break on either side."""

import json
import socket
import subprocess

import data
from cases_streams import listening_sender
from cases_transfer import shared_file
from data import MIB
from harness import Skip, case

SIZE = 20 * MIB + 4321
A = "name=a,remote=127.0.0.1,tags=us+fiber,cost=0.02"
B = "name=b,remote=127.0.0.2,tags=us+metered,cost=5"


def paths_of(process):
    return {path["name"]: path for path in process.done()["paths"]}


def all_on_a(t, sender, receiver, source, target):
    """Both ended well, and the audit of both sides shows every byte on a and none on b."""
    t.exits(sender, 0)
    t.exits(receiver, 0)
    t.check(data.same_content(source, target / source.name), "content differs")
    for process in (sender, receiver):
        paths = paths_of(process)
        t.check(paths["a"]["bytes"] >= SIZE, f"{process.label}: path a carried {paths['a']['bytes']} bytes")
        t.equal(paths["a"]["excluded"], None, f"{process.label}: path a")
        if "b" in paths:
            t.equal((paths["b"]["bytes"], paths["b"]["streams"], paths["b"]["up"]), (0, 0, False), f"{process.label}: path b")
            t.check(paths["b"]["excluded"], f"{process.label}: no reason for path b")
        t.check(not [event for event in process.events("path_up") if event["name"] == "b"], f"{process.label}: path b came up")


@case()
def paths_from_a_file(t):
    """`--paths FILE`: its paths carry the transfer, one more comes from --path, and the report has the terms of each."""
    source = shared_file(t, SIZE)
    (t.directory / "paths.toml").write_text("""
require = ["us"]
cap = "8Gbps"
streams = 1

[[path]]
name = "a"
local = "127.0.0.1"
remote = "127.0.0.1"
cap = "4Gbps"
tags = ["us", "fiber"]
cost = 0.02
dscp = "af11"

[[path]]
name = "eu"
remote = "127.0.0.2"
tags = ["eu"]
""")
    receiver = t.receive(t.directory / "target")
    sender = t.send("--paths", "paths.toml", "--report", "report.json", source, paths=["name=b,remote=127.0.0.2,tags=us"])
    t.exits(sender, 0)
    t.exits(receiver, 0)
    t.check(data.same_content(source, t.directory / "target" / source.name), "content differs")
    t.equal([path["name"] for path in sender.done()["paths"]], ["a", "eu", "b"], "the sender's paths")
    report = {path["name"]: path for path in json.loads((t.directory / "report.json").read_text())["paths"]}
    for path in (report["a"], paths_of(receiver)["a"]):
        t.equal((path["tags"], path["cap_bits_per_s"], path["dscp"], path["cost_per_gb"]), (["us", "fiber"], 4 * 10**9, 10, 0.02),
                "terms of path a")
        t.check(abs(path["cost"] - path["bytes"] * 0.02 / 1e9) < 1e-9, f"path a cost {path['cost']}")
    t.equal(report["b"]["dscp"], None, "dscp of path b")
    t.equal(report["eu"]["bytes"], 0, "bytes on the path that the file's own policy excludes")
    t.says(sender, "'us' is required and missing")


@case()
def paths_file_that_is_wrong(t):
    """What is wrong in a file of paths: exit code 2 before anything is dialled, with file, line and the key that was meant."""
    data.write_random(t.directory / "file", 1000)
    receiver = t.receive(t.directory / "target")
    table = [
        ('[[path]]\nnmae = "a"\n', ("line 2", "did you mean 'name'")),
        ('[[path]]\nname = "a"\ncap = "fast"\n', ("line 3", "cap:")),
        ('[[path]]\nname = "a"\n[[path]]\nname = "a"\n', ("line 3", "two paths are called 'a'")),
        ('[[path]]\ntransport = "rdma"\n', ("line 2", "tcp, or fabric:PROVIDER")),
        ('requires = ["us"]\n', ("line 1", "did you mean 'require'")),
        ('[[path\n', ("line 1", "TOML")),
    ]
    for text, words in table:
        (t.directory / "paths.toml").write_text(text)
        sender = t.send("--paths", "paths.toml", "file", paths=[], json_events=False)
        t.exits(sender, 2, 20)
        t.says(sender, "paths.toml", *words)
    sender = t.exits(t.send("--paths", "none.toml", "file", paths=[], json_events=False), 2, 20)
    t.says(sender, "none.toml", "No such file")
    sender = t.exits(t.send("file", paths=["name=a,dscp=af14"], json_events=False), 2, 20)
    t.says(sender, "dscp", "af11..af43")
    t.equal([event["event"] for event in receiver.events()], ["note", "ticket"], "what the receiver said, of its walls and then nothing more")


@case()
def policy_of_the_sender(t):
    """--forbid and --require where it dials: nothing is carried on the excluded path, and nothing knocks there."""
    source = shared_file(t, SIZE)
    trap = socket.create_server(("127.0.0.3", 0))
    t.at_end(trap.close)
    trap.setblocking(False)
    excluded = f"name=b,remote=127.0.0.3:{trap.getsockname()[1]},tags=us+metered"
    for number, policy in enumerate((("--forbid", "metered"), ("--require", "us,fiber"))):
        target = t.directory / f"target-{number}"
        receiver = t.receive(target)
        # The excluded path first: control would begin there.
        all_on_a(t, t.send(*policy, source, paths=[excluded, A]), receiver, source, target)
    try:
        trap.accept()
    except BlockingIOError:
        return
    t.check(False, "somebody dialled the excluded path")


@case()
def policy_of_the_receiver(t):
    """--forbid and --require where it listens: control and streams on the excluded path are refused, its report knows only a."""
    source = shared_file(t, SIZE)
    for number, policy in enumerate((("--forbid", "metered+guest"), ("--require", "fiber"))):
        target = t.directory / f"target-{number}"
        receiver = t.receive(*policy, target)
        sender = t.send(source, paths=[B, A])
        all_on_a(t, sender, receiver, source, target)
        t.equal(list(paths_of(receiver)), ["a"], "paths that the receiver let in")
        refused = [event for event in receiver.events("note") if "refused a connection" in event["text"]]
        t.check(len(refused) == 1 and "path b" in refused[0]["text"], f"the receiver's words: {refused}")
        t.says(sender, "the peer refused: policy of the side that listens excludes path b")
        t.check(abs(sender.done()["cost"] - paths_of(sender)["a"]["bytes"] * 0.02 / 1e9) < 1e-9, "cost of the transfer")


@case()
def policy_when_the_receiver_dials(t):
    """The same rule where the sender listens: its policy binds what it accepts, the receiver's what it dials."""
    source = shared_file(t, SIZE)
    for number, (listens, dials) in enumerate(((("--forbid", "metered"), ()), ((), ("--forbid", "metered")))):
        target = t.directory / f"target-{number}"
        sender = listening_sender(t, *listens, source)
        receiver = t.start("receive", "receive", "--json", *dials, "--path", B, "--path", A, "@ticket", target)
        all_on_a(t, sender, receiver, source, target)


@case()
def policy_that_leaves_no_path(t):
    """No path at all: exit code 2 by the own policy, before anything is dialled, and 5 by the peer's; both in words."""
    data.write_random(t.directory / "file", 1000)
    receiver = t.receive("--forbid", "guest", t.directory / "target")
    sender = t.exits(t.send("--require", "eu", "file", paths=[A, B]), 2, 20)
    t.says(sender, "policy excludes every path", "a: ", "b: ", "'eu' is required and missing")
    sender = t.exits(t.send("--require", "us", "file", paths=["name=a"]), 2, 20)
    t.says(sender, "'us' is required and missing")
    sender = t.exits(t.send("file", paths=["name=a,tags=guest,remote=127.0.0.1", "name=b,tags=us+guest,remote=127.0.0.2"]), 5, 20)
    t.says(sender, "policy excludes every path", "path a", "path b", "'guest' is forbidden")
    t.equal([path["bytes"] for path in sender.done()["paths"]], [0, 0], "bytes")
    t.exits(t.send("file", paths=[A]), 0)
    t.exits(receiver, 0)


@case()
def policy_summary(t):
    """People see what was not used, and why, and what it cost."""
    source = shared_file(t, SIZE)
    receiver = t.receive(t.directory / "target", json_events=False)
    sender = t.exits(t.send("--forbid", "metered", source, paths=[A, B], json_events=False), 0)
    t.exits(receiver, 0)
    t.says(sender, "path b is not used: the tag 'metered' is forbidden", "path b: 0 B, not used", "cost 0.00042")


@case()
def device_of_a_path(t):
    """device=lo carries; an interface that does not exist takes its path down in words, and the other one carries all."""
    source = shared_file(t, SIZE)
    receiver = t.receive(t.directory / "target")
    sender = t.send(source, paths=["name=a,remote=127.0.0.1,device=lo", "name=b,remote=127.0.0.2,device=nonesuch0"])
    t.exits(sender, 0)
    t.exits(receiver, 0)
    t.says(sender, "nonesuch0")
    paths = paths_of(sender)
    if paths["a"]["bytes"] == 0 and "CAP_NET_RAW" in sender.out().decode():
        raise Skip("this kernel does not let an ordinary user bind to a device")
    t.check(paths["a"]["bytes"] >= SIZE and paths["b"]["bytes"] == 0, f"bytes on a and b: {paths}")
    t.check([event for event in sender.events("path_down") if event["name"] == "b"], "nothing said that path b is down")


def marks(port):
    """The type-of-service bytes of the connected sockets at `port`, as (local port is ours, tos)."""
    shown = subprocess.run(["ss", "-tnHO", "--tos", "state", "established", f"( sport = :{port} or dport = :{port} )"],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=True).stdout
    found = []
    for line in shown.splitlines():
        words = line.split()
        tos = [int(word.split(":")[1], 16) for word in words if word.startswith("tos:")]
        found.append((words[2].endswith(f":{port}"), tos[0] if tos else 0))
    return found


@case()
def dscp_on_both_ends(t):
    """dscp=af11: control and streams carry it from the side that dials and from the one that listens."""
    source = shared_file(t, SIZE)
    receiver = t.receive(t.directory / "target", listen=("127.0.0.1",))
    port = int((t.directory / "ticket").read_text().split("//")[1].split("/")[0].split(":")[1])
    sender = t.send(source, paths=["name=a,remote=127.0.0.1,dscp=af11,streams=2,cap=80Mbps"])
    t.wait_for(lambda: sender.events("progress") or sender.poll() is not None, "the first figures")
    found = marks(port)
    t.check(len(found) >= 6, f"connections seen: {found}")  # control and two streams, both ends
    t.check({ours for ours, _ in found} == {True, False}, f"both ends must be seen: {found}")
    # The two lowest bits are ECN's, the kernel's.
    t.check(all(tos >> 2 == 10 for _, tos in found), f"not all marked: {found}")
    t.exits(sender, 0)
    t.exits(receiver, 0)
