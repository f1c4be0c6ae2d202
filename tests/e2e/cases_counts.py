"""What a transfer asks of the machine, counted and not timed: system calls, switches, memory. A guard against what makes it slower on every
machine and is seen on none that has other work: one more call for each frame, a wake-up for each file.

Two workers a side, files in memory, so that the figures are those of Longhaul and not of a disk or of the number of cores."""

import json
import pathlib
import sys

from data import MIB
from harness import Skip, case

COUNTED = pathlib.Path(__file__).resolve().parents[2] / "bench/counted.py"
FRAME = 256 * 1024
LARGE_FRAMES = 512
SMALL_FILES = 2000
# How often these are made depends on what has come meanwhile: on who runs when. All others on what is sent.
TIMED = {"sendto", "sendmsg", "recvmsg", "recvfrom", "io_uring_enter", "poll", "ppoll", "futex", "sched_yield", "read", "write", "accept4",
         "getsockopt", "setsockopt", "clock_nanosleep", "mprotect", "brk", "madvise"}

# Measured by bench/counts.py, `--workload one-128m --workload few-4k --cipher auto --congestion cubic`, two workers at either end, 2026-11-29, two cores,
# kernel 6.18: least, median and most of 12 transfers on a machine that was compiling (load 11), and of 10 more beside two busy processes.
#   one file            steady                    timed                               voluntary switches           peak, MiB
#     sender     884 887 890, 884 888 897    1456 1602 1793, 1313 1523 1687    96 116 146,  68 105 129    40.4 40.5 40.7, 40.4 40.6 40.7
#     receiver 1127 1129 1133, 1126 1130 1134  1231 1274 1326, 1142 1247 1295  136 146 160, 119 131 149    40.7 40.9 41.1, 40.8 41.0 41.0
#   small files
#     sender   12397 12399 12403, 12394 12396 12401   752 789 841, 745 761 784     60 65 73,    55 62 65       41.6 41.7 41.9, 41.3 41.7 42.0
#     receiver 12633 12640 12649, 12631 12641 12647 1056 1126 1166, 989 1043 1124  114 121 125, 92 103 113     42.5 42.8 43.0, 42.3 42.7 43.2
# On a machine that does nothing else data comes in smaller pieces: 2374 timed calls and 287 switches of the receiver at most, for one file, in 28
# transfers (2026-11-30).
# Steady calls have room for another C library, and none for one more for each second frame or fifth file. Memory and timed calls: 1.5 times the most;
# switches: twice.
LARGE = {"sender": {"steady": 1050, "timed": 2700, "switches": 300, "peak_mib": 61},
         "receiver": {"steady": 1300, "timed": 3500, "switches": 440, "peak_mib": 62}}
SMALL = {"sender": {"steady": 12_800, "timed": 1270, "switches": 150, "peak_mib": 63},
         "receiver": {"steady": 13_050, "timed": 1750, "switches": 250, "peak_mib": 65}}


def count(t, source, memory):
    """{end: figures of counted.py} of one transfer from memory to memory."""
    if not COUNTED.exists():
        raise Skip(f"{COUNTED.name} is not here")
    words = ("--workers", "2")

    def within(end):
        return (sys.executable, "-B", COUNTED, t.directory / f"{end}.counts")

    receiver = t.receive(*words, memory / "target", listen=("127.0.0.1",), within=within("receiver"))
    sender = t.send(*words, source, paths=["name=loopback,cc=cubic"], within=within("sender"))
    t.exits(sender, 0, 60)
    t.exits(receiver, 0, 20)
    found = {end: json.loads((t.directory / f"{end}.counts").read_text()) for end in ("sender", "receiver")}
    for figures in found.values():
        if figures["syscalls"] is None:
            raise Skip("; ".join(figures["without"]))
    return found


def figures_of(counts):
    """The figures that have bounds, of one end."""
    calls = counts["syscalls"]
    timed = sum(number for name, number in calls.items() if name in TIMED)
    return {"steady": calls["all"] - timed, "timed": timed, "switches": counts["switches_voluntary"],
            "peak_mib": counts["peak_bytes"] / MIB}


def stay_below(t, found, bounds):
    for end, counts in found.items():
        figures = figures_of(counts)
        for name, most in bounds[end].items():
            calls = sorted(counts["syscalls"].items(), key=lambda call: -call[1])[:16]
            t.check(figures[name] <= most, f"{end}: {name} {figures[name]:.0f}, at most {most}; all: {figures}; calls: {dict(calls)}")


def in_memory(t, mib):
    """A directory in memory, whatever file system the tests are on."""
    memory = t.directory / "memory"
    memory.mkdir()
    t.mount("-t", "tmpfs", "-o", f"size={mib}m", "longhaul-counts", memory)
    return memory


@case(root=True, tiers=("fast", "full"))
def counts_of_a_large_file(t):
    """Calls, switches and memory of both ends for one file of 128 MiB, sealed, are what they were."""
    memory = in_memory(t, 400)
    source = memory / "source"
    with open(source, "wb") as out:
        for number in range(LARGE_FRAMES):
            out.write(number.to_bytes(8, "little") * (FRAME // 8))
    stay_below(t, count(t, source, memory), LARGE)


@case(root=True, tiers=("fast", "full"))
def counts_of_small_files(t):
    """Calls, switches and memory of both ends for 2,000 files of 4 KiB, sealed, are what they were."""
    memory = in_memory(t, 200)
    source = memory / "source"
    source.mkdir()
    for number in range(SMALL_FILES):
        (source / f"file-{number:04}").write_bytes(number.to_bytes(8, "little") * 512)
    stay_below(t, count(t, source, memory), SMALL)
