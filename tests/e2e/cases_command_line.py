"""Usage errors, sources and targets that cannot work, secrets that must not show, signals, reports."""

import json
import os
import signal
import stat

import data
from cases_transfer import same, shared_file, small_tree
from data import MIB
from harness import case


def secret_of(ticket_file):
    return ticket_file.read_text().strip().split("#")[1]


@case()
def usage_errors(t):
    """Whatever is wrong with the command line: exit code 2, said on stderr, nothing done."""
    ticket = f"longhaul://127.0.0.1:9/{'0' * 32}?x=99999999999,k={'A' * 43}#{'A' * 43}"
    wrong = [
        [], ["sned"], ["receive"], ["send"], ["copy"], ["copy", "one"], ["verify"], ["receive", "--no-such-option", "d"],
        ["receive", "--cipher", "aes", "d"], ["send", "x", "not-a-ticket"],
        ["send", "x", "@/nonexistent/ticket"], ["send", "x", ticket[:-1]],
        ["send", "--name", "n", "-", "-"], ["send", "-", ticket],
        ["send", "--path", "name=a,colour=red", "x", ticket],
        ["send", "--path", "name=a", "--path", "name=a", "x", ticket],
        ["send", "--path", "cap=fast", "x", ticket],
        ["receive", "--chunk", "5MiB", "d"], ["receive", "--streams", "65", "d"],
        ["receive", "--streams", "0", "d"], ["receive", "--retry-for", "soon", "d"],
        ["receive", "--stdout", "--keep", "d"], ["receive", "--listen", "no such address", "d"],
    ]
    data.write_random(t.directory / "x", 10)
    for arguments in wrong:
        process = t.run("usage", *arguments, status=2)
        t.check(process.err() and not process.out(), f"{arguments}: what is wrong stands on stderr alone")
    t.check(not (t.directory / "d").exists(), "a usage error has made a directory")
    for arguments in (["--help"], ["send", "--help"], ["version"], ["version", "--verbose"]):
        t.check(t.run("help", *arguments).out(), f"{arguments} says nothing")


@case()
def sources_that_are_not_there(t):
    """A source that does not exist: exit code 1, named; the receiver does not wait for ever."""
    process = t.run("copy", "copy", t.directory / "no-such-source", t.directory / "target", status=1)
    t.says(process, "no-such-source")
    receiver = t.receive(t.directory / "target")
    sender = t.send("no-such-source")
    t.exits(sender, 1)
    t.says(sender, "no-such-source")
    # Nothing has reached the receiver: the corrected command finds it still there.
    data.write_random(t.directory / "file", 10)
    t.exits(t.send("file"), 0)
    t.exits(receiver, 0)


@case()
def targets_that_cannot_be(t):
    """A missing parent, a file where the directory should be: exit code 1, in words, at once."""
    (t.directory / "file").write_text("in the way")
    (t.directory / "source").mkdir()
    for target, word in (("no/such/parent", "no/such"), ("file", "file"), ("file/below", "file")):
        t.says(t.run("receive", "receive", target, status=1), word)
        t.says(t.run("copy", "copy", "source", target, status=1), word)
    t.equal((t.directory / "file").read_text(), "in the way", "the file in the way")


@case(root=True)
def read_only_target(t):
    """A target on a read-only file system: exit code 1, in words, at once."""
    target = t.directory / "target"
    target.mkdir()
    t.mount("--bind", target, target)
    t.mount("-o", "remount,ro,bind", target)
    t.says(t.run("receive", "receive", target, status=1), "read-only")


@case(user=True)
def target_without_permission(t):
    """A target that we may not write: exit code 1, in words, at once."""
    target = t.directory / "target"
    target.mkdir(mode=0o555)
    t.says(t.run("receive", "receive", target, status=1), "permission")


@case()
def final_name_is_a_directory(t):
    """A directory stands where a file should go: that file is named, the rest arrives, exit code 3 or 1, never a hang."""
    source, target = t.directory / "source", t.directory / "target"
    source.mkdir()
    data.write_random(source / "taken", 1000)
    data.write_random(source / "free", 1000)
    (target / "taken" / "inside").mkdir(parents=True)
    receiver = t.receive(target)
    sender = t.send(f"{source}/")
    t.check(sender.wait() in (1, 3) and receiver.wait() in (1, 3), f"exit codes {sender.status} and {receiver.status}")
    t.says(sender, "taken")
    t.check((target / "taken" / "inside").is_dir(), "the directory in the way is gone")
    t.check(data.same_content(source / "free", target / "free"), "the other file did not arrive")


@case()
def secret_does_not_show(t):
    """The ticket's secret stands in no process list, no report, no event of the sender; its file is the owner's alone."""
    source = shared_file(t, 60 * MIB)
    file = t.directory / "ticket"
    receiver = t.receive("--report", "receive.json", "--verbose", t.directory / "target")
    secret = secret_of(file)
    t.equal(stat.S_IMODE(file.stat().st_mode), 0o600, "mode of the ticket file")
    sender = t.start("send", "send", "--json", "--verbose", "--report", "send.json", "--path", "name=a,cap=200Mbps",
                     source, file.read_text().strip())
    t.wait_for(lambda: sender.events("start") or sender.poll() is not None, "the start of the transfer")
    command_line = open(f"/proc/{sender.pid}/cmdline", "rb").read()
    t.check(b"send" in command_line and secret.encode() not in command_line, f"the process list shows {command_line!r}")
    t.exits(sender, 0)
    t.exits(receiver, 0)
    t.check(secret.encode() not in sender.out() + sender.err_path.read_bytes(), "the sender says the secret")
    t.check(secret.encode() not in receiver.err_path.read_bytes(), "the receiver's stderr says the secret")
    t.equal(receiver.events("ticket")[0]["ticket"], file.read_text().strip(), "the ticket event")
    for name, role in (("send.json", "sender"), ("receive.json", "receiver")):
        text = (t.directory / name).read_text()
        t.check(secret not in text, f"{name} has the secret")
        report = json.loads(text)
        t.equal((report["ok"], report["role"], report["command"]), (True, role, name[:-5]), name)
    for parent, _, names in os.walk(t.directory / "target" / ".longhaul"):
        for name in names:
            t.check(secret.encode() not in open(os.path.join(parent, name), "rb").read(), f"{name} keeps the secret")


@case()
def ticket_by_every_way(t):
    """@FILE, the environment variable named or not, standard input, the text itself; plain output for people."""
    data.write_random(t.directory / "file", 1000)
    ways = (lambda text: t.start("send", "send", "file", text),
            lambda text: t.start("send", "send", "file", "@ticket"),
            lambda text: t.start("send", "send", "file", "$LONGHAUL_TICKET", env={"LONGHAUL_TICKET": text}),
            lambda text: t.start("send", "send", "file", env={"LONGHAUL_TICKET": text}),
            lambda text: t.start("send", "send", "file", "-", stdin=open(t.directory / "ticket", "rb")))
    for number, way in enumerate(ways):
        receiver = t.receive(t.directory / f"target-{number}", json_events=False)
        text = (t.directory / "ticket").read_text().strip()
        t.wait_for(lambda: receiver.out().endswith(b"\n"), "the receiver's stdout")  # it writes the file first
        t.equal(receiver.out().decode().strip(), text, "the receiver's stdout")
        t.exits(way(text), 0)
        t.exits(receiver, 0)
        t.check(data.same_content(t.directory / "file", t.directory / f"target-{number}" / "file"), "content differs")


@case()
def interrupt_and_continue(t):
    """SIGINT and SIGTERM: exit code 130, how to continue is said, and the same command continues."""
    source, target = small_tree(t, files=50), t.directory / "target"
    data.write_random(source / "large", 120 * MIB)
    receiver = t.receive(target, json_events=False)
    sender = t.send(f"{source}/", json_events=False, cap="150Mbps")
    t.wait_for(lambda: data.durable_bytes(target) > 0, "a durable chunk")
    sender.signal(signal.SIGINT)
    t.exits(sender, 130)
    t.says(sender, "continue")
    t.check(receiver.poll() is None, "the receiver did not wait for its sender")
    sender = t.send(f"{source}/", cap="150Mbps")
    t.wait_for(lambda: sender.events("path_up"), "the sender to be back")
    receiver.signal(signal.SIGTERM)
    t.exits(receiver, 130)
    t.says(receiver, "continue")
    sender.kill()
    durable = data.durable_bytes(target)
    sender, _ = t.transfer(f"{source}/", target)
    same(t, source, target)
    t.check(sender.done()["bytes"] <= data.file_bytes(source)[1] - durable, "what was durable was sent again")


@case()
def nobody_there(t):
    """--retry-for 2s with nobody at the other end: exit code 7 after about that time, on either side."""
    data.write_random(t.directory / "file", 1000)
    receiver = t.receive(t.directory / "target")
    receiver.kill()
    sender = t.send("--retry-for", "2s", "file")
    t.exits(sender, 7, 15)
    t.says(sender, "127.0.0.1")
