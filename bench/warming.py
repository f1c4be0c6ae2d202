"""Memory that stays warm while a bench runs (README.md, the first trap)."""

import os
import subprocess

MIB = 1 << 20


def mem_available():
    with open("/proc/meminfo", encoding="ascii") as info:
        for line in info:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    raise OSError("no MemAvailable in /proc/meminfo")


class Warm:
    """Runs `warm` of this build until close(). `bytes` is what was touched: at most 40 % of what is available."""

    def __init__(self, build, wanted_bytes):
        self.bytes = min(int(wanted_bytes), mem_available() * 2 // 5)
        self.process = None
        if self.bytes < MIB:
            self.bytes = 0
            return
        self.process = subprocess.Popen([os.path.join(build, "bench/warm"), str(self.bytes)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            self.close()
            raise OSError("warm could not touch its memory")

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
            self.process = None
