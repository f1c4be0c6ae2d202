"""What lies between the two ends: loopback, or long-haul paths of the lab. A wire tells the addresses of both ends of each of its
paths, and the words that run a command at one end."""

import os
import socket
import time

from children import Failed
from own_namespace import set_congestion
from wan import LARGE_WINDOWS, Line, Wan, lateness

READY_WAIT_S = 20
LISTENS = "0A"
LINES = [Line("p1", 1000, 50), Line("p2", 1000, 50)]  # Mb/s, ms


class Loopback:
    """Both ends in the namespace that this program runs in."""
    words = "loopback"
    is_long = False
    paths = [("127.0.0.1", "127.0.0.1")]  # (of the source, of the target)

    def at(self, _end, words):
        return list(words)

    def restart(self):
        pass

    def lateness(self):
        return None

    def close(self):
        pass


class LongHaul:
    """Two paths of the lab. Root only."""
    words = f"two paths of {LINES[0].rate:g} Mb/s, {LINES[0].rtt_ms:g} ms"
    is_long = True

    def __init__(self, build, congestion):
        self.lab = Wan(os.path.join(build, "tests/lab/wanlab"), LINES, LARGE_WINDOWS)
        if congestion:
            for end in ("src", "dst"):
                set_congestion(self.lab.at(end), congestion)
        self.paths = [(self.lab.address(line.name, "src"), self.lab.address(line.name, "dst")) for line in LINES]

    def at(self, end, words):
        return self.lab.at(end, *words)

    def restart(self):
        self.lab.stats(restart=True)

    def lateness(self):
        return lateness(self.lab.stats())

    def close(self):
        self.lab.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(pid, port):
    """Whether somebody listens on the port where that process has its network."""
    for family in ("tcp", "tcp6"):
        try:
            with open(f"/proc/{pid}/net/{family}", encoding="ascii") as table:
                rows = [line.split() for line in table.readlines()[1:]]
        except OSError:
            continue
        if any(row[3] == LISTENS and int(row[1].rpartition(":")[2], 16) == port for row in rows):
            return True
    return False


def wait_for(child, condition, what):
    """Until what a server needs is there."""
    give_up = time.monotonic() + READY_WAIT_S
    while not condition():
        if not child.runs():
            raise Failed(f"{child.name} has ended before {what}:\n{child.log()}")
        if time.monotonic() > give_up:
            raise Failed(f"waited {READY_WAIT_S} s for {what}:\n{child.log()}")
        time.sleep(0.01)
