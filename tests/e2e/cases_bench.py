"""longhaul bench: what it prints, what it leaves behind (nothing), and how it ends. No figure is judged."""

import json
import os
import signal
import stat
import time

import data
from data import MIB
from harness import case


def bench_of(process):
    lines = process.out().decode().splitlines()
    assert len(lines) == 1, lines
    found = json.loads(lines[0])
    assert found["event"] == "bench", found
    return found


def sound(t, rate, what):
    t.check(rate["bytes"] > 0 and rate["seconds"] > 0 and rate["bytes_per_s"] > 0, f"{what}: {rate}")


def place(t, name="place"):
    directory = t.directory / name
    directory.mkdir()
    return directory


@case()
def bench_hash(t):
    """Every digest, cipher and packing has a figure for one core and for all, and says what it is done by."""
    found = bench_of(t.run("hash", "bench", "hash", "--json", "--seconds", "0.02"))
    t.equal(found["bench"], "hash", "which bench")
    what = [figure["what"] for figure in found["figures"]]
    for word in ("xxh3-128", "sha-256", "aes-256-gcm seal", "chacha20-poly1305 open", "zstd:1 pack"):
        t.check(word in what, f"{word} is missing in {what}")
    for figure in found["figures"]:
        sound(t, figure["one"], figure["what"])
        sound(t, figure["all"], figure["what"])
        t.check(figure["implementation"], f"{figure['what']}: by what?")
    t.says(t.run("hash", "bench", "hash", "--seconds", "0.02"), "ONE CORE", "ALL CORES", "aes-256-gcm seal")


@case()
def bench_disk(t):
    """Written, synced, read; and nothing is left, and nothing that was there is touched."""
    directory = place(t)
    (directory / "mine").write_text("untouched")
    found = bench_of(t.run("disk", "bench", "disk", "--json", "--size", "8MiB", directory))
    for part in ("write", "durable", "read"):
        t.equal(found[part]["bytes"], 8 * MIB, f"{part} bytes")
        sound(t, found[part], part)
    t.check(found["small_files"]["files"] > 0 and found["free_bytes"] > 0, f"small files, room: {found}")
    t.check(all(isinstance(has, bool) for has in found["can"].values()), f"abilities: {found['can']}")
    t.says(t.run("disk", "bench", "disk", "--size", "8M", "--no-direct", directory), "durable", "small files", "fallocate")
    t.equal(os.listdir(directory), ["mine"], "what is in the directory")
    t.equal((directory / "mine").read_text(), "untouched", "the file that was there")


@case()
def bench_disk_reads_only(t):
    """--read needs no directory to write in, and leaves its file as it is."""
    file = t.directory / "file"
    data.write_random(file, 5 * MIB + 7)
    before = (file.read_bytes(), file.stat().st_mtime_ns)
    found = bench_of(t.run("read", "bench", "disk", "--json", "--read", file))
    t.equal(found["read"]["bytes"], 5 * MIB, "bytes read")
    t.equal(found["write"], None, "nothing is written")
    t.equal((file.read_bytes(), file.stat().st_mtime_ns), before, "the file")
    t.says(t.run("read", "bench", "disk", "--read", t.directory / "none", status=1), "none", "no such file")
    (t.directory / "short").write_text("x")
    t.says(t.run("read", "bench", "disk", "--read", t.directory / "short", status=2), "short", "takes no time")


@case()
def bench_disk_without_room(t):
    """What does not fit is told before anything is written: exit code 6."""
    directory = place(t)
    t.says(t.run("disk", "bench", "disk", "--size", "4096T", directory, status=6), "free", "--size")
    t.equal(os.listdir(directory), [], "what is in the directory")
    t.says(t.run("disk", "bench", "disk", t.directory / "nowhere", status=1), "nowhere", "no such file")


@case(root=True)
def bench_disk_on_a_small_file_system(t):
    """A file system that is smaller than the bench: the same, and it is as empty as before."""
    directory = place(t)
    t.mount("-t", "tmpfs", "-o", "size=80M", "tmpfs", directory)
    t.says(t.run("disk", "bench", "disk", "--size", "100M", directory, status=6), "80.00 MiB free")
    found = bench_of(t.run("disk", "bench", "disk", "--json", "--size", "8M", directory))
    t.equal(found["can"]["in_memory"], True, "tmpfs is memory")
    t.equal(os.listdir(directory), [], "what is in the directory")


@case(root=True)
def bench_disk_read_only(t):
    """A directory on a read-only file system: exit code 1, in words that help; reading still works."""
    directory = place(t)
    data.write_random(directory / "file", 2 * MIB)
    t.mount("--bind", directory, directory)
    t.mount("-o", "remount,ro,bind", directory)
    t.says(t.run("disk", "bench", "disk", "--size", "1M", directory, status=1), "read-only", "--read FILE")
    bench_of(t.run("read", "bench", "disk", "--json", "--read", directory / "file"))


@case(user=True)
def bench_disk_without_permission(t):
    """A directory that we may not write: the same."""
    directory = place(t)
    directory.chmod(stat.S_IRUSR | stat.S_IXUSR)
    t.says(t.run("disk", "bench", "disk", "--size", "1M", directory, status=1), "permission", "--read FILE")


@case()
def bench_disk_interrupted(t):
    """Ctrl-C in the middle, and kill -9 too: the disk has its room back, and the directory is as it was."""
    directory = place(t)

    def begun(process):
        """It has written, for its file has no name by which to see it."""
        def written():
            try:
                text = open(f"/proc/{process.pid}/io").read()
            except OSError:
                return False
            return int(text.split("write_bytes: ")[1].split()[0]) > 4 * MIB
        t.wait_for(lambda: written() or process.poll() is not None, "bytes on the disk")
        t.check(process.poll() is None, "it ended before it could be interrupted")

    size = str(min(2048 * MIB, os.statvfs(directory).f_bavail * os.statvfs(directory).f_frsize // 4))
    process = t.start("disk", "bench", "disk", "--size", size, "--no-direct", directory)
    begun(process)
    t.equal(os.listdir(directory), [], "its file has no name while it runs")
    process.signal(signal.SIGINT)
    t.exits(process, 130)
    t.says(process, "stopped")
    t.equal(os.listdir(directory), [], "after Ctrl-C")
    process = t.start("disk", "bench", "disk", "--size", size, "--no-direct", directory)
    begun(process)
    process.kill()
    t.equal(os.listdir(directory), [], "after kill -9")


@case()
def bench_wire(t):
    """In clear and sealed, each with its congestion control."""
    found = bench_of(t.run("wire", "bench", "wire", "--json", "--seconds", "0.1", "--streams", "3"))
    t.equal(found["streams"], 3, "streams")
    t.equal([figure["cipher"] for figure in found["figures"][:2]], ["none", "aes-256-gcm"], "ciphers")
    for figure in found["figures"]:
        sound(t, figure["rate"], figure["cipher"])
        t.check(figure["congestion"], "a congestion control")
    one = bench_of(t.run("wire", "bench", "wire", "--json", "--seconds", "0.1", "--cipher", "chacha20-poly1305"))
    t.equal(one["figures"][1]["cipher"], "chacha20-poly1305", "the cipher that was asked for")
    t.says(t.run("wire", "bench", "wire", "--seconds", "0.1"), "2 streams over loopback", "CONGESTION")
    process = t.start("wire", "bench", "wire", "--seconds", "60")
    time.sleep(0.3)
    process.signal(signal.SIGTERM)
    t.exits(process, 130, 10)


def bench_listener(t, *words):
    file = t.directory / "ticket"
    file.unlink(missing_ok=True)
    process = t.start("there", "bench", "path", "--json", "--listen", "127.0.0.1", "--listen", "127.0.0.2", "--ticket-file",
                      file, *words)
    t.wait_for(lambda: file.exists() or process.poll() is not None, "the ticket")
    t.check(file.exists(), "no ticket was written")
    return process, f"@{file}"


@case(timeout_s=150)
def bench_path(t):
    """Two paths, each alone and then together; both ends come to an end by themselves."""
    there, ticket = bench_listener(t)
    here = t.run("here", "bench", "path", "--json", "--seconds", "0.5", "--path", "name=a,remote=127.0.0.1", "--path",
                 "name=b,remote=127.0.0.2,cap=400Mbps", ticket, timeout_s=100)
    found = bench_of(here)
    t.exits(there, 0, 20)
    t.equal([path["name"] for path in found["paths"]], ["a", "b"], "paths")
    for path in found["paths"]:
        sound(t, path["rate"], path["name"])
        t.equal(path["why"], None, "why it was not measured")
    sound(t, found["together"], "together")
    t.check(found["paths"][1]["rate"]["bytes_per_s"] < 100e6, f"a cap of 400 Mb/s holds: {found['paths'][1]}")
    t.equal(found["cipher"], "aes-256-gcm", "cipher")
    served = there.events("bench")[0]
    t.check(served["measurements"] >= 4, f"they met, each alone, together: {served}")
    t.check(served["bytes"] > 0, "bytes")


@case(timeout_s=200)
def bench_path_not_all_there(t):
    """A path that leads nowhere is named, the other one is measured; a ticket whose listener is gone is an error soon."""
    there, ticket = bench_listener(t)
    here = t.run("here", "bench", "path", "--seconds", "0.3", "--path", "name=a,remote=127.0.0.1", "--path",
                 "name=b,remote=127.0.0.1:1", ticket, timeout_s=100)
    t.says(here, "not measured: b: ", "refused")
    t.exits(there, 0)
    there, ticket = bench_listener(t)
    there.signal(signal.SIGINT)
    t.exits(there, 130)
    t.says(t.run("here", "bench", "path", ticket, status=7), "could not be reached")


@case()
def bench_usage(t):
    """What makes no sense: exit code 2, on stderr alone."""
    for words in ([], ["hsah"], ["hash", "--size", "1M"], ["disk"], ["disk", "--size", "much", "."], ["wire", "--cipher", "x"],
                  ["wire", "--streams", "auto"], ["path"], ["path", "no-ticket"], ["hash", "--seconds", "0"]):
        process = t.run("usage", "bench", *words, status=2)
        t.check(process.err() and not process.out(), f"{words}: what is wrong stands on stderr alone")
