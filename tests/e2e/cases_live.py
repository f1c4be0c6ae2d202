"""Changing a transfer that runs: its control socket, and the commands list, path, pause, resume and rate."""

import json
import os
import shutil
import socket
import stat
import subprocess
import time

from cases_transfer import shared_file
from checks import same
from data import MIB
from harness import Skip, case

SIZE = 150 * MIB
SLOW = "cap=80Mbps"  # 10 MB/s: the file takes 15 s on such a path, time enough to change what is tested
NOBODY = 65534
END_GAME_BYTES = 32 * MIB  # the last chunks may go out on a second path, where that is expected to be earlier


def start(t, *paths, receive_options=(), send_options=()):
    """A slow transfer over the named paths; returns when bytes move. (source directory, target, sender, receiver)"""
    source = t.directory / "source"
    source.mkdir()
    os.link(shared_file(t, SIZE), source / "large")
    target = t.directory / "target"
    receiver = t.receive(*receive_options, target)
    sender = t.send("--streams", "2", *send_options, f"{source}/", paths=paths)
    t.wait_for(lambda: status_of(t, sender)["paths"] and moved(t, sender) > 0, "the first bytes")
    return source, target, sender, receiver


def ask(t, *words, status=0):
    """A command that speaks to a running one."""
    return t.run(words[0], *map(str, words), status=status, timeout_s=30)


def live(t, *words):
    """The same, when it should work; its stdout."""
    return ask(t, *words).out().decode()


def status_of(t, process):
    """What the command says of itself; {"paths": []} while it has no socket yet."""
    lines = [json.loads(line) for line in live(t, "list", "--json").splitlines()]
    return next((line for line in lines if line["pid"] == process.pid), {"paths": []})


def path_of(t, process, name):
    return next((path for path in status_of(t, process)["paths"] if path["name"] == name), {"bytes": 0, "streams": 0, "state": "gone"})


def moved(t, process, name=None):
    """File bytes that all paths, or one of them, have carried."""
    return sum(path["bytes"] for path in status_of(t, process)["paths"] if name in (None, path["name"]))


def rate_of(t, process, name, seconds=2.0):
    """Bytes per second of a path, over a while."""
    before, begun = moved(t, process, name), time.monotonic()
    time.sleep(seconds)
    return (moved(t, process, name) - before) / (time.monotonic() - begun)


def unleash(t, sender, *names):
    """The rest at full speed."""
    live(t, "rate", sender.pid, "none")
    for name in names:
        live(t, "path", "cap", sender.pid, name, "none")


def finish(t, source, target, sender, receiver):
    t.exits(sender, 0, 60)
    t.exits(receiver, 0, 20)
    same(t, source, target)
    return {path["name"]: path for path in sender.done()["paths"]}


def sockets(t):
    directory = t.run_directory / "longhaul"
    return sorted(directory.iterdir()) if directory.exists() else []


@case(timeout_s=90)
def path_added(t):
    """Capacity on demand: a path added at 40 % carries bytes within seconds, and the result is right."""
    source, target, sender, receiver = start(t, f"name=a,remote=127.0.0.1,{SLOW}")
    t.wait_for(lambda: moved(t, sender) > 0.4 * SIZE, "40 %")
    said = live(t, "path", "add", sender.pid, "name=b,remote=127.0.0.2")
    t.check("path b is added" in said, said)
    t.wait_for(lambda: moved(t, sender, "b") > MIB, "bytes on the new path", 5)
    paths = finish(t, source, target, sender, receiver)
    t.check(paths["b"]["bytes"] > 0.3 * SIZE, f"the new path carried only {paths['b']['bytes']} bytes")
    t.equal(receiver.done()["bytes"], SIZE, "bytes")


@case(timeout_s=90)
def path_drained_and_enabled(t):
    """drain: what it carries still arrives, nothing is sent twice, then it rests; enable: it carries again."""
    source, target, sender, receiver = start(t, f"name=a,remote=127.0.0.1,{SLOW}", f"name=b,remote=127.0.0.2,{SLOW}")
    t.wait_for(lambda: moved(t, sender, "b") > 0, "bytes on b")
    live(t, "path", "drain", receiver.pid, "b")  # the receiver asks the sender, whose paths they are
    t.wait_for(lambda: path_of(t, sender, "b")["state"] == "drained", "the drained state", 20)
    t.equal(path_of(t, sender, "b")["streams"], 0, "streams of the drained path")
    t.wait_for(lambda: path_of(t, receiver, "b")["state"] == "drained", "the receiver's word for it", 5)
    at_rest = moved(t, sender, "b")
    t.check("drained already" in live(t, "path", "drain", sender.pid, "b"), "a second drain is not told from the first")
    time.sleep(1)
    t.equal(moved(t, sender, "b"), at_rest, "bytes on the drained path")
    t.check(sender.poll() is None, "the transfer ended before the path could come back")
    live(t, "path", "enable", sender.pid, "b")
    t.wait_for(lambda: moved(t, sender, "b") > at_rest, "bytes on the path that is in use again", 10)
    unleash(t, sender, "a", "b")
    finish(t, source, target, sender, receiver)
    t.check(sender.done()["resent_bytes"] <= END_GAME_BYTES, "a change that closes no stream early makes bytes go out again")


@case(timeout_s=90)
def path_disabled_and_removed(t):
    """disable and remove close streams at once; the bytes go elsewhere, and what was carried stays in the report."""
    source, target, sender, receiver = start(t, f"name=a,remote=127.0.0.1,{SLOW}", f"name=b,remote=127.0.0.2,{SLOW}")
    t.wait_for(lambda: moved(t, sender, "a") > 0 and moved(t, sender, "b") > 0, "bytes on both")
    live(t, "path", "disable", sender.pid, "a")  # control came up on it, and leaves it
    t.wait_for(lambda: path_of(t, sender, "a")["streams"] == 0, "closed streams", 5)
    t.equal(path_of(t, sender, "a")["state"], "disabled", "state")
    at_rest = moved(t, sender, "a")
    t.check(rate_of(t, sender, "b") > 0, "the other path stands still")
    t.equal(moved(t, sender, "a"), at_rest, "bytes on the disabled path")
    live(t, "path", "enable", sender.pid, "a")
    t.wait_for(lambda: moved(t, sender, "a") > at_rest, "bytes on the path that is in use again", 10)
    live(t, "path", "remove", sender.pid, "b")
    names = [json.loads(line)["name"] for line in live(t, "path", "list", sender.pid, "--json").splitlines()]
    t.equal(names, ["a"], "paths in the list")
    said = live(t, "path", "remove", sender.pid, "a")
    t.check("no path is in use" in said, f"the last path went without a word of it: {said}")
    live(t, "path", "add", sender.pid, "--path", "name=c,remote=127.0.0.2")
    paths = finish(t, source, target, sender, receiver)
    t.check(all(paths[name]["bytes"] > 0 for name in "abc"), f"bytes of the paths: {paths}")
    t.equal([paths[name]["state"] for name in "abc"], ["removed", "removed", "up"], "states in the report")
    t.equal([paths[name]["up"] for name in "abc"], [False, False, True], "paths up at the end")


@case(timeout_s=90)
def path_capped(t):
    """A path's cap halved: its rate follows, and its neighbour's does not."""
    source, target, sender, receiver = start(t, f"name=a,remote=127.0.0.1,{SLOW}", f"name=b,remote=127.0.0.2,{SLOW}")
    time.sleep(1)  # what the sockets' buffers took at once
    before = rate_of(t, sender, "a")
    live(t, "path", "cap", sender.pid, "a", "20Mbps")
    time.sleep(0.5)
    after, neighbour = rate_of(t, sender, "a"), rate_of(t, sender, "b")
    t.check(after < 0.6 * before, f"{after:.0f} B/s after the cap went down to a quarter, {before:.0f} before")
    t.check(neighbour > after, f"the other path fell with it: {neighbour:.0f} B/s")
    t.equal(path_of(t, sender, "a")["cap_bits_per_s"], 20_000_000, "the cap that is told")
    live(t, "rate", sender.pid, "16Mbps")
    time.sleep(0.5)
    both = rate_of(t, sender, None)
    t.check(0 < both < 0.6 * (after + neighbour), f"{both:.0f} B/s of both after a limit of 2 MB/s")
    unleash(t, sender, "a", "b")
    finish(t, source, target, sender, receiver)


@case(timeout_s=60)
def caps_of_both_ends_and_a_timetable(t):
    """The receiver caps, the sender has a timetable: the lower holds, each side tells it, and a rate that is said ends both."""
    source, target, sender, receiver = start(t, "name=a,remote=127.0.0.1", receive_options=("--cap", "80Mbps"),
                                             send_options=("--schedule", "00:00-24:00=160Mbps"))
    t.wait_for(lambda: status_of(t, sender)["cap_bits_per_s"] == 80_000_000, "the receiver's cap at the sender", 5)
    t.wait_for(lambda: status_of(t, receiver)["cap_bits_per_s"] == 80_000_000, "the cap that the receiver tells", 5)
    t.equal(status_of(t, sender)["schedule"], "160 Mb/s", "what the sender's timetable says")
    t.check("timetable: 160 Mb/s" in status_of(t, receiver)["verdict"], status_of(t, receiver)["verdict"])
    rate = rate_of(t, receiver, None, 3.0)
    t.check(rate < 12e6, f"{rate:.0f} B/s under a cap of 10 MB/s")
    unleash(t, receiver)
    t.equal(status_of(t, sender)["cap_bits_per_s"], 0, "cap after a rate of none")
    finish(t, source, target, sender, receiver)
    t.check("overridden by hand" in sender.done()["schedule"], sender.done()["schedule"])
    refused = t.run("copy", "copy", "--schedule", "8-18=1Gbps", source, t.directory / "other", status=2)
    t.says(refused, "8-18=1Gbps", "times are HH:MM-HH:MM")


@case(timeout_s=90)
def pause_and_resume(t):
    """Bytes stop, at either side's word, for longer than the deadline for progress; then they go on."""
    source, target, sender, receiver = start(t, f"name=a,remote=127.0.0.1,{SLOW}", send_options=("--stall-timeout", "3s"))
    live(t, "pause", receiver.pid)
    t.wait_for(lambda: status_of(t, receiver).get("paused"), "the receiver's word for it", 5)
    t.wait_for(lambda: rate_of(t, sender, "a", 0.5) == 0, "silence", 20)
    before = moved(t, sender)
    time.sleep(4)
    t.equal(moved(t, sender), before, "bytes moved during the pause")
    t.equal(status_of(t, sender)["verdict"], "paused", "the sender's verdict")
    t.check("paused" in live(t, "list"), "list does not show the pause")
    live(t, "resume", sender.pid)
    t.wait_for(lambda: moved(t, sender) > before, "bytes after the pause", 10)
    unleash(t, sender, "a")
    finish(t, source, target, sender, receiver)
    t.check(sender.done()["resent_bytes"] <= END_GAME_BYTES, "a change that closes no stream early makes bytes go out again")


@case(timeout_s=60)
def listing(t):
    """list: nothing, then one line for each transfer; by id, by pid, by '-'; path list as a table."""
    idle = ask(t, "list")
    t.says(idle, "no transfer of this user runs here")
    t.equal(live(t, "list", "--json"), "", "list --json when nothing runs")
    source, target, sender, receiver = start(t, f"name=a,remote=127.0.0.1,{SLOW}")
    lines = live(t, "list").splitlines()
    t.equal(len(lines), 3, f"lines of {lines}")
    t.check(lines[0].startswith("TRANSFER") and f" {sender.pid} " in "".join(lines) and f" {receiver.pid} " in "".join(lines), lines)
    status = status_of(t, sender)
    t.equal((status["command"], status["role"], status["ok"]), ("send", "sender", True), "what the sender says of itself")
    t.check(status["id"] == status_of(t, receiver)["id"] and len(status["id"]) == 32, "both ends have one id")
    table = live(t, "path", "list", sender.pid).splitlines()
    t.equal(table[0].split(), ["NAME", "STATE", "LOCAL", "REMOTE", "STREAMS", "RATE", "CAP", "BYTES", "RTT"], "head of the table")
    t.check(table[1].startswith("a ") and " up " in table[1] and "10.00 MB/s" in table[1], table[1])
    ambiguous = ask(t, "pause", status["id"][:6], status=2)
    t.says(ambiguous, "means 2 transfers", str(sender.pid), str(receiver.pid))
    t.says(ask(t, "pause", "-", status=2), "there are 2")
    unleash(t, sender, "a")
    finish(t, source, target, sender, receiver)
    t.equal(sockets(t), [], "sockets left behind")


@case(timeout_s=60)
def wrong_names(t):
    """What is not there is refused in words, with what there is; nothing happens to the transfer."""
    source, target, sender, receiver = start(t, f"name=a,remote=127.0.0.1,{SLOW}")
    t.says(ask(t, "pause", "nosuch", status=2), "nosuch", str(sender.pid))
    t.says(ask(t, "path", "drain", sender.pid, "b", status=1), "no path is called 'b'", "there are: a")
    t.says(ask(t, "path", "drain", receiver.pid, "b", status=1), "no path is called 'b'", "there are: a")
    t.says(ask(t, "path", "add", sender.pid, "name=a,remote=127.0.0.2", status=1), "exists already")
    t.says(ask(t, "path", "add", receiver.pid, "name=x,remote=192.0.2.1", status=1), "add the path there")
    t.says(ask(t, "path", "add", sender.pid, "colour=red", status=2), "unknown key")
    t.says(ask(t, "rate", sender.pid, "fast", status=2), "fast")
    unleash(t, sender, "a")
    finish(t, source, target, sender, receiver)


@case(timeout_s=60)
def copy_with_control(t):
    """A local copy listens too; with --no-control nothing does."""
    source = shared_file(t, SIZE)
    copier = t.start("copy", "copy", "--json", source, t.directory / "target")
    t.wait_for(lambda: status_of(t, copier)["paths"] or copier.poll() is not None, "the copy's socket", 10)
    if copier.poll() is None:
        ask(t, "rate", copier.pid, "1Gbps")
    t.exits(copier, 0)
    t.equal(sockets(t), [], "sockets left behind")
    silent = t.start("copy", "copy", "--json", "--no-control", source, t.directory / "other")
    while silent.poll() is None:
        t.equal(sockets(t), [], "sockets of a command that should have none")
        time.sleep(0.01)
    t.exits(silent, 0)


@case(timeout_s=60)
def garbage_on_the_socket(t):
    """Whatever is written to a control socket is answered in words, and the transfer does not care."""
    source, target, sender, receiver = start(t, f"name=a,remote=127.0.0.1,{SLOW}")
    path = next(path for path in sockets(t) if path.name.endswith(f"-{sender.pid}"))
    t.equal(stat.S_IMODE(path.stat().st_mode), 0o600, "mode of the socket")
    t.equal(stat.S_IMODE(path.parent.stat().st_mode), 0o700, "mode of its directory")
    idlers = []
    for sent in (b"\0\1\2\n", b"{}\n", b'{"ask":"explode"}\n', b"[" * 70_000, os.urandom(5000) + b"\n"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(path))
            try:
                client.sendall(sent)
            except OSError:
                pass  # cut off in the middle
            answer = json.loads(client.makefile().readline())
            t.check(answer["ok"] is False and answer["text"], f"{sent[:20]!r}: {answer}")
        idlers.append(socket.socket(socket.AF_UNIX))
        idlers[-1].connect(str(path))  # says nothing, and stays
    t.check(rate_of(t, sender, "a", 1) > 0, "the transfer stands still")
    unleash(t, sender, "a")
    finish(t, source, target, sender, receiver)
    for idler in idlers:
        idler.close()


@case(timeout_s=60)
def killed_command(t):
    """kill -9 leaves a socket behind; the next list takes it away, and knows of no transfer."""
    _, _, sender, receiver = start(t, f"name=a,remote=127.0.0.1,{SLOW}")
    for process in (sender, receiver):
        process.kill()
    t.equal(len(sockets(t)), 2, "sockets after kill -9")
    t.says(ask(t, "list"), "no transfer of this user runs here")
    t.equal(sockets(t), [], "sockets after list")
    t.says(ask(t, "pause", sender.pid, status=2), "no transfer of this user runs here")


@case(timeout_s=60)
def directory_that_cannot_be(t):
    """A directory that is open to others is not used: one warning, and the transfer goes on."""
    runtime = t.directory / "run"
    (runtime / "longhaul").mkdir(parents=True)
    (runtime / "longhaul").chmod(0o755)
    source = shared_file(t, MIB)
    env = {"XDG_RUNTIME_DIR": str(runtime)}
    done = t.run("copy", "copy", source, t.directory / "target", env=env)
    t.equal(done.err().count("chmod 700"), 1, "warnings")
    t.equal(list((runtime / "longhaul").iterdir()), [], "files in the directory")
    t.says(t.run("list", "list", env=env, status=1), "chmod 700")


@case(timeout_s=60, root=True)
def other_user_refused(t):
    """Another user cannot enter the directory; and where somebody has opened it, is refused all the same."""
    if shutil.which("setpriv") is None:
        raise Skip("there is no setpriv(1) here")
    source, target, sender, receiver = start(t, f"name=a,remote=127.0.0.1,{SLOW}")
    path = next(path for path in sockets(t) if path.name.endswith(f"-{sender.pid}"))
    script = ("import socket, sys\nclient = socket.socket(socket.AF_UNIX)\nclient.settimeout(10)\nclient.connect(sys.argv[1])\n"
              "try:\n    client.sendall(b'{\"ask\":\"pause\"}\\n')\nexcept BrokenPipeError:\n    pass\n"
              "print(client.makefile().readline())\n")

    def as_nobody():
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "/usr/bin/python3", "-c", script, str(path)]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)

    refused = as_nobody()
    t.check(refused.returncode != 0 and "PermissionError" in refused.stderr, refused.stderr)
    modes = [(directory, stat.S_IMODE(directory.stat().st_mode)) for directory in path.parents]
    before = [(directory, mode) for directory, mode in modes if not mode & 0o001]
    try:
        for directory, mode in before:
            directory.chmod(mode | 0o001)
        path.chmod(0o666)
        answered = as_nobody()
    finally:
        for directory, mode in before:
            directory.chmod(mode)
    t.check("another user" in answered.stdout, f"{answered.stdout} {answered.stderr}")
    t.check(not status_of(t, sender)["paused"], "another user could pause the transfer")
    unleash(t, sender, "a")
    finish(t, source, target, sender, receiver)
