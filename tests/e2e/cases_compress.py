"""--compress: what shrinks crosses smaller, what does not goes as it is, the report tells both, and files arrive the same."""

import os
import random

import data
from cases_paths import paths_of
from checks import same, verify
from data import MIB, NODE
from harness import case

LINE = b"%08d step loss=%.4f grad_norm=%.4f tokens/s=%d host=node%02d\n"


def write_log(path, size, seed=1):
    """Text such as a training run writes; zstd makes about a third of it."""
    draw = random.Random(seed)
    block = b"".join(LINE % (number, draw.random() * 3, draw.random(), draw.randrange(90000, 99999), draw.randrange(64))
                     for number in range(min(40_000, size // 60 + 1)))
    with open(path, "wb") as out:
        for number in range(0, size, len(block)):
            out.write(b"block %d\n" % number)
            out.write(block)
        out.truncate(size)
    return path


def log_tree(root, large=40 * MIB):
    """Large and small text, and a file that nothing compresses."""
    root.mkdir()
    (root / "small").mkdir()
    for number in range(300):
        write_log(root / "small" / f"{number}.log", number * 40, number)
    for number in range(5):
        write_log(root / f"middle-{number}.log", 2 * MIB + number, number)
    write_log(root / "run.log", large)
    data.write_random(root / "weights.bin", 2 * NODE + 5)
    return root


def carried(process):
    """(file bytes, bytes on the wire) of all paths, of one end."""
    paths = process.done()["paths"]
    return sum(path["bytes"] for path in paths), sum(path["wire_bytes"] for path in paths)


@case(timeout_s=90)
def what_shrinks_crosses_packed(t):
    """Text, small files and random bytes; sealed and in clear, at two levels. Both ends count the same bytes on the wire."""
    source = log_tree(t.directory / "source")
    whole = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    incompressible = 2 * NODE + 5
    for cipher, level in (("auto", "zstd:1"), ("none", "zstd")):
        target = t.directory / f"target-{cipher}"
        sender, receiver = t.transfer(f"{source}/", target, receive_options=("--cipher", cipher),
                                      send_options=("--cipher", cipher, "--compress", level))
        same(t, source, target)
        verify(t, target)
        done, received = sender.done(), receiver.done()
        t.equal(done["compression"], "zstd:1" if cipher == "auto" else "zstd:3", "compression")
        t.equal(done["bytes"], whole, "file bytes")
        t.check(done["packed_frames"] > 40 and done["futile_frames"] > 0,
                f"{done['packed_frames']} frames packed, {done['futile_frames']} in vain")
        content, wire = carried(sender)
        t.check(content >= whole and done["wire_bytes"] == wire, f"{content} of {whole} bytes, {wire} on the wire")
        t.check(incompressible < wire < incompressible + (whole - incompressible) * 0.5, f"{wire} bytes crossed for {whole}")
        # Of a copy that turned out not to be needed, what has gone out need not have been read any more.
        unread = content - carried(receiver)[0]
        t.check(0 <= unread <= done["resent_bytes"], f"the receiver counts {carried(receiver)}, the sender {content, wire}")
        if unread == 0:
            t.equal(carried(receiver)[1], wire, "what the receiver counts on the wire")
            t.equal(received["packed_frames"], done["packed_frames"], "packed frames at the receiver")


@case()
def what_came_of_it_is_said(t):
    """The summaries of both ends: a part of the bytes, nothing that shrank, nothing that was asked for."""
    write_log(t.directory / "run.log", 9 * MIB)
    data.write_random(t.directory / "random", 9 * MIB)
    for name, options, words, silent in (("run.log", ("--compress", "zstd:1"), "  compressed to ", "not compressed"),
                                         ("random", ("--compress", "zstd:1"), "not compressed: what was tried did not shrink", "compressed to"),
                                         ("run.log", (), "done: 1 file", "compressed")):
        target = t.directory / f"target-{name}-{len(options)}"
        receiver = t.receive(target, json_events=False)
        sender = t.exits(t.send(*options, t.directory / name, json_events=False), 0)
        t.exits(receiver, 0, 20)
        t.says(sender, words)
        t.check(silent not in sender.err() + sender.out().decode(), f"the sender says {silent!r} of {name}")
        if "compressed to" in words:
            t.says(receiver, words, "crossed for")


@case(timeout_s=120)
def automatic_packs_where_the_path_limits(t):
    """Under a cap, auto packs, and what is on the wire keeps to the cap; of random bytes no more crosses than without it.

    Bytes decide, not seconds: a machine that pauses for two of them says nothing about us."""
    text = write_log(t.directory / "run.log", 40 * MIB)
    noise = data.write_random(t.directory / "random", 12 * MIB)
    took, wire = {}, {}
    for name, file, mode in (("plain", text, "none"), ("packed", text, "auto"), ("noise", noise, "none"), ("noise packed", noise, "auto")):
        target = t.directory / f"target {name}"
        sender, _ = t.transfer(file, target, cap="40Mbps", send_options=("--compress", mode))
        t.check(data.same_content(file, target / file.name), f"content differs: {name}")
        done = sender.done()
        took[name], wire[name] = done["seconds"], done["wire_bytes"]
        most = file.stat().st_size * 1.02 + done["resent_bytes"]
        t.check(wire[name] < most, f"{name}: {wire[name]} bytes crossed, {most:.0f} would do")
    print(f"      {took}, {wire}", flush=True)
    t.check(wire["packed"] < 0.75 * wire["plain"], f"on the wire: {wire}")
    t.check(wire["packed"] / took["packed"] < 1.25 * 2 * 40e6 / 8, f"{wire['packed']} bytes in {took['packed']:.1f} s are more than the caps")


@case(timeout_s=120)
def packed_transfers_continue(t):
    """Both sides are killed on the way; the rest crosses packed, or not, as the next command says."""
    size = 16 * NODE + 77  # at the second kill there is enough left: both paths end their nodes at about the same time
    source = write_log(t.directory / "run.log", size)
    target = t.directory / "target"
    for compress in ("zstd:1", "auto"):
        before = data.durable_bytes(target)
        receiver, sender = t.receive(target), t.send("--compress", compress, source, cap="24Mbps")
        t.wait_for(lambda: data.durable_bytes(target) > before or sender.poll() is not None, "a part of it", 60)
        t.check(sender.poll() is None, "it was over before it could be killed")
        sender.kill()
        receiver.kill()
    durable = data.durable_bytes(target)
    sender, _ = t.transfer(source, target)
    t.equal(sender.done()["bytes"], size - durable, "bytes of the last run")
    t.equal(sender.done()["packed_frames"], 0, "packed frames that nobody asked for")
    t.check(data.same_content(source, target / source.name), "content differs")
    verify(t, target)


@case()
def streams_and_sinks_take_packed_frames(t):
    """stdin to stdout, and holes: a file of holes and text."""
    text = write_log(t.directory / "run.log", 3 * NODE + 9)
    with open(t.directory / "out", "wb") as out:
        receiver = t.receive("--stdout", json_events=False, stdout=out)
        with open(text, "rb") as stdin:
            sender = t.exits(t.send("--compress", "zstd:1", "--name", "all.log", "-", stdin=stdin), 0)
        t.exits(receiver, 0, 20)
    t.check(data.same_content(text, t.directory / "out"), "content differs")
    t.check(sender.done()["packed_frames"] > 0, "nothing was packed")
    with open(t.directory / "holes", "wb") as out:
        out.truncate(4 * NODE)
        out.seek(NODE + 12345)
        out.write(text.read_bytes()[: 2 * MIB])
    sender, _ = t.transfer(t.directory / "holes", t.directory / "target", send_options=("--compress", "zstd:1"))
    t.check(data.same_content(t.directory / "holes", t.directory / "target" / "holes"), "content with holes differs")
    t.check(carried(sender)[1] < 2 * MIB, f"{carried(sender)} bytes of 2 MiB of text crossed")


@case()
def packed_bytes_are_what_costs(t):
    """cost= is paid for bytes on the wire."""
    write_log(t.directory / "run.log", 12 * MIB)
    receiver = t.receive(t.directory / "target")
    sender = t.exits(t.send("--compress", "zstd:1", t.directory / "run.log", paths=["name=a,remote=127.0.0.1,cost=2"]), 0)
    t.exits(receiver, 0, 20)
    path = paths_of(sender)["a"]
    t.check(path["wire_bytes"] < path["bytes"] * 0.6, f"{path['wire_bytes']} of {path['bytes']} bytes crossed")
    t.check(abs(path["cost"] - 2 * path["wire_bytes"] / 1e9) < 1e-9, f"cost {path['cost']} of {path['wire_bytes']} bytes")


@case(timeout_s=20)
def compress_is_asked_for_in_words_that_there_are(t):
    """Other words are a usage error, and so is asking the receiver."""
    for value in ("lz4", "zstd:20", "zstd:0", "zstd:fast"):
        refused = t.run("bad", "send", "--compress", value, "file", "longhaul://x", status=2)
        t.says(refused, "--compress", "zstd:LEVEL")
    t.says(t.run("bad", "receive", "--compress", "auto", os.devnull, status=2), "option of 'longhaul send'")
