"""Copies from and to another machine, whose end ssh starts. A script stands for ssh: it runs the command here."""

import os
import pathlib
import signal
import time

import data
from cases_transfer import same
from data import MIB
from harness import case

FAR = "ops@far"


def fake_ssh(t, body='exec sh -c "$3"'):
    """Takes what ssh is given (-- HOST COMMAND), checks it and does `body`."""
    script = t.directory / "fake-ssh"
    script.write_text(f'#!/bin/sh\n[ "$1" = -- ] && [ "$2" = {FAR} ] && [ $# = 3 ] || exit 99\n{body}\n')
    script.chmod(0o755)
    return script


def copy(t, *arguments, ssh=None, **kwargs):
    words = ["--ssh", f"'{ssh or fake_ssh(t)}'", "--remote-longhaul", t.binary, "--json"]
    return t.start("copy", "copy", *words, *arguments, **kwargs)


def children(pid):
    """Of a process, and theirs."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found += [int(path.parent.name), *children(int(path.parent.name))]
    return found


def under_way(t):
    """A copy of `file` to `target` that takes seconds and has begun, and the processes of its other end."""
    data.write_random(t.directory / "file", 60 * MIB)
    process = copy(t, "--cap", "100Mbps", "file", f"{FAR}:{t.directory}/target")
    t.wait_for(lambda: any(event["bytes"] > 0 for event in process.events("progress")), "the first bytes")
    return process, children(process.pid)


def leaves_nothing(t, before):
    """No longhaul that this case started runs on at the other side."""
    t.wait_for(lambda: not [pid for pid in before if pathlib.Path(f"/proc/{pid}/cmdline").exists()
                            and pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()], "the other end to go", 20)


@case()
def copy_to_and_from(t):
    """There and back again: the tree is the same, also under a name that a shell would take apart."""
    source = t.directory / "source"
    source.mkdir()
    data.write_random(source / "large", 30 * MIB + 7)
    for number in range(50):
        data.write_random(source / f"small $HOME '{number}' \"x\"", 1000 + number)
    far = t.directory / "far away; it's"
    far.mkdir()
    t.exits(copy(t, "source", f"{FAR}:{far}"), 0)
    same(t, source, far / "source")
    done = t.exits(copy(t, f"{FAR}:{far}/source", t.directory / "back"), 0).done()
    same(t, source, t.directory / "back" / "source")
    t.equal(done["cipher"], "aes-256-gcm", "how it was sealed")
    t.equal(done["role"], "receiver", "what this side was")


@case()
def copy_over_paths_of_its_own(t):
    """--path: the other end listens where the paths lead to."""
    data.write_random(t.directory / "file", 60 * MIB)
    target = t.directory / "target"
    done = t.exits(copy(t, "--path", "name=a,remote=127.0.0.1,cap=400Mbps", "--path", "name=b,remote=127.0.0.2,cap=400Mbps", "file",
                        f"{FAR}:{target}"), 0).done()
    t.equal({path["name"]: path["bytes"] > 0 for path in done["paths"]}, {"a": True, "b": True}, "paths that carried")
    t.check((target / "file").read_bytes() == (t.directory / "file").read_bytes(), "content differs")


@case()
def copy_without_the_other_end(t):
    """No longhaul there, no ssh, an ssh that fails, one that says nothing of use: in words, and at once."""
    data.write_random(t.directory / "file", 1000)
    target = f"{FAR}:{t.directory}/target"
    ssh = f"'{fake_ssh(t)}'"
    began = time.monotonic()
    t.says(t.run("copy", "copy", "--ssh", ssh, "--remote-longhaul", "no-such-longhaul", "file", target, status=1), "not found on ops@far",
           "--remote-longhaul")
    t.says(t.run("copy", "copy", "--ssh", "/nonexistent/ssh -p 2", "file", target, status=1), "/nonexistent/ssh", "--ssh")
    t.says(t.exits(copy(t, "file", target, ssh=fake_ssh(t, "echo no route to host >&2; exit 255")), 1), "no route to host",
           "ssh cannot reach")
    t.says(t.exits(copy(t, "file", target, ssh=fake_ssh(t, "echo welcome")), 5), "no ticket")
    t.says(t.exits(copy(t, "nowhere", target), 1), "nowhere")
    t.says(t.exits(copy(t, "file", f"{FAR}:/proc/nowhere"), 1), "/proc/nowhere")
    t.check(time.monotonic() - began < 40, "that took too long")
    for wrong in (["far:a", "near:b"], ["a", "-oProxyCommand=x:b"], ["--path", "name=a", "file", "there"], ["--ssh", "$(x)", "file", target]):
        t.run("usage", "copy", *wrong, status=2)


@case()
def copy_whose_ssh_dies(t):
    """ssh is killed in the middle: both ends end, this one in words, and the same command continues."""
    target = t.directory / "target"
    process, others = under_way(t)
    t.check(others, "the other end runs")
    for pid in others:  # script and longhaul are one process: exec
        os.kill(pid, signal.SIGKILL)
    t.check(process.wait(30) == 1, f"exit status {process.status}")
    t.says(process, "ssh", "same command again continues")
    done = t.exits(copy(t, "file", f"{FAR}:{target}"), 0).done()
    t.check(done["skipped_bytes"] > 0 or done["bytes"] < 60 * MIB, "nothing was continued")
    t.check((target / "file").read_bytes() == (t.directory / "file").read_bytes(), "content differs")


@case()
def copy_that_dies(t):
    """This side is killed without a word: the other end lets go of everything by itself."""
    process, others = under_way(t)
    process.kill()
    process.wait(10)
    leaves_nothing(t, others)


@case()
def copy_that_is_stopped(t):
    """A signal to this side: both ends end, and the exit code says so."""
    process, others = under_way(t)
    process.signal(signal.SIGTERM)
    t.exits(process, 130, 20)
    leaves_nothing(t, others)


@case()
def copy_shows_no_secret(t):
    """The ticket of the other end stands in no process list and in no output."""
    process, others = under_way(t)
    for pid in [process.pid, *others]:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        t.check(b"longhaul://" not in words, f"a ticket stands in the command line of {pid}")
    t.exits(process, 0)
    t.check(b"longhaul://" not in process.out() and "longhaul://" not in process.err(), "a ticket was printed")
