"""stdin and stdout; every combination of who listens and who sends."""

import hashlib
import subprocess

import data
from cases_transfer import same, shared_file, small_tree
from data import MIB
from harness import case

SIZES = (0, 1, 20 * MIB + 4321)


@case()
def stdin_to_file(t):
    """`send --name N -`: nothing, one byte and 20 MB from a pipe arrive as a file."""
    for size in SIZES:
        source, target = shared_file(t, size), t.directory / f"target-{size}"
        feeder = subprocess.Popen(["cat", source], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        t.at_end(feeder.wait)
        receiver = t.receive(target)
        sender = t.send("--name", "a named stream", "-", stdin=feeder.stdout)
        feeder.stdout.close()
        t.exits(sender, 0)
        t.exits(receiver, 0)
        t.check(data.same_content(source, target / "a named stream"), f"{size} bytes: content differs")
        t.equal(sender.done()["bytes"], size, "bytes")
        t.run("verify", "verify", target)


def stdout_of(t, sender, receiver, source):
    """Both end well, and the receiver's stdout is the source."""
    t.exits(sender, 0)
    t.exits(receiver, 0)
    t.equal(hashlib.sha256(receiver.out()).hexdigest(), hashlib.sha256(source.read_bytes()).hexdigest(), "sha256 of stdout")


@case()
def file_to_stdout(t):
    """`receive --stdout`: a file in order on stdout, nothing else there, the ticket on stderr."""
    for size in SIZES:
        source = shared_file(t, size)
        receiver = t.receive("--stdout", json_events=False)
        t.wait_for(lambda: "longhaul://" in receiver.err(), "the ticket on stderr")
        stdout_of(t, t.send(source), receiver, source)


@case()
def stdin_to_stdout(t):
    """A pipe on either side, and nothing on a disk."""
    for size in SIZES:
        source = shared_file(t, size)
        receiver = t.receive("--stdout", json_events=False)
        with open(source, "rb") as stdin:
            sender = t.send("--name", "stream", "-", stdin=stdin)
        stdout_of(t, sender, receiver, source)


@case()
def stdout_that_closes(t):
    """A reader that goes away (`| head`): both sides end with a failure in words."""
    source = shared_file(t, 20 * MIB + 4321)
    reader = subprocess.Popen(["head", "-c", "1000"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    t.at_end(reader.wait)
    receiver = t.receive("--stdout", json_events=False, stdout=reader.stdin)
    reader.stdin.close()
    sender = t.send("--retry-for", "5s", source, json_events=False)
    t.check(receiver.wait(30) != 0 and sender.wait(30) != 0, "a stream that nobody read to its end was called complete")
    t.check(receiver.err() and sender.err(), "nothing was said")


@case()
def stdout_refuses_more_than_one_file(t):
    """A directory for a receiver that writes one stream: refused in words by a failure, not a mixture."""
    source = small_tree(t, files=5)
    receiver = t.receive("--stdout", json_events=False)
    sender = t.send("--retry-for", "5s", source, json_events=False)
    t.check(sender.wait(30) in (1, 3, 5), f"exit status {sender.status} of the sender")
    t.check(receiver.wait(30) in (1, 3, 5), f"exit status {receiver.status} of the receiver")


def listening_sender(t, *arguments, **kwargs):
    file = t.directory / "ticket"
    file.unlink(missing_ok=True)
    sender = t.start("send", "send", "--json", "--listen", "127.0.0.1", "--listen", "127.0.0.2", "--ticket-file", file,
                     *arguments, **kwargs)
    t.wait_for(lambda: file.exists() or sender.poll() is not None, "the sender's ticket", 20)
    t.check(file.exists(), "the sender left no ticket")
    return sender


def dialling_receiver(t, *arguments, json_events=True):
    paths = ["--path", "name=a,remote=127.0.0.1", "--path", "name=b,remote=127.0.0.2"]
    return t.start("receive", "receive", *(["--json"] if json_events else []), *paths, f"@{t.directory / 'ticket'}",
                   *arguments)


@case()
def sender_listens(t):
    """`send --listen` prints the ticket, `receive TICKET TARGET` dials: tree, file to stdout, stdin to file and to stdout."""
    source, large = small_tree(t, files=100), shared_file(t, 20 * MIB + 4321)
    sender = listening_sender(t, f"{source}/")
    receiver = dialling_receiver(t, t.directory / "target")
    t.exits(receiver, 0)
    t.exits(sender, 0)
    same(t, source, t.directory / "target")
    t.equal([path["name"] for path in receiver.done()["paths"]], ["a", "b"], "the receiver's paths")

    sender = listening_sender(t, large)
    stdout_of(t, sender, dialling_receiver(t, "--stdout", json_events=False), large)
    with open(large, "rb") as stdin:
        sender = listening_sender(t, "--name", "stream", "-", stdin=stdin)
    stdout_of(t, sender, dialling_receiver(t, "--stdout", json_events=False), large)
    with open(large, "rb") as stdin:
        sender = listening_sender(t, "--name", "stream", "-", stdin=stdin)
    receiver = dialling_receiver(t, t.directory / "from-stdin")
    t.exits(sender, 0)
    t.exits(receiver, 0)
    t.check(data.same_content(large, t.directory / "from-stdin" / "stream"), "content differs")
