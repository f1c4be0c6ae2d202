#!/usr/bin/env python3
"""Whole transfers over several long-haul paths at once, against what each path can carry by itself. Root only. See README.md.

First the denominator of each path: the best of Longhaul alone on it and of iperf3 with 1, 4 and 16 connections, cubic and bbr; then
whole transfers over each set of paths. Also one path alone with little loss, beside rsync and iperf3."""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tests/lab"), str(ROOT / "tests/e2e"), str(ROOT / "bench")]

import harness  # noqa: E402
from warming import Warm  # noqa: E402
from wan import LARGE_WINDOWS, TCP_SHARE, Line, Meter, Wan, lateness  # noqa: E402

RATES_SUM_MAX = 3000  # Mb/s: above, the lab's delay is no longer exact
SETS = {
    "equal": [Line("p1", 1000, 50), Line("p2", 1000, 50)],
    "unequal": [Line("p1", 200, 10), Line("p2", 400, 25), Line("p3", 800, 80), Line("p4", 1600, 150)],
    "orbits": [Line("fiber", 1000, 25),
               Line("leo", 200, 45, "jitter=7ms/250ms fwd.loss=0.5% burst=3 gap=15s/60ms queue=100ms"),
               Line("geo", 50, 600, "fwd.loss=0.01% queue=250ms")],
}
ALONE = [Line("p1", 1000, 100, f"fwd.loss={loss}") for loss in ("0.01%", "0.1%")]
USUAL_WINDOWS = {"net.ipv4.tcp_wmem": "4096 16384 4194304"}
CONNECTIONS = (1, 4, 16)
CONGESTIONS = ("cubic", "bbr")
AVAILABLE = pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
SYSTEM = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control")
ONE_FILE_MAX = 1500 * 10**6  # above, a transfer is of many files, and what has arrived makes room at once in the memory that is warm
PIECE_BYTES = 64 * 2**20
PIECES_COMPARED = 3
RSYNC_PORT = 8873
START_WAIT_S = 20


class Failed(Exception):
    """This figure cannot be had; the text says why."""


def say(words):
    print(words, file=sys.stderr, flush=True)


@dataclasses.dataclass
class Child:
    """A process of the bench, with its output in a file; ended with us."""
    words: list
    log: pathlib.Path

    def __post_init__(self):
        self.begun, self.cpu_seconds = time.monotonic(), 0.0
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen([str(word) for word in self.words], stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, preexec_fn=harness.die_with_parent)

    def wait(self, timeout_s):
        """Seconds that it ran; after a timeout it is killed, and that is a failure."""
        timer = threading.Timer(timeout_s, self.process.kill)
        timer.start()
        _, status, usage = os.wait4(self.process.pid, 0)
        timer.cancel()
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        if self.process.returncode == -signal.SIGKILL:
            raise Failed(f"{self.words[3]} was not done after {timeout_s:.0f} s")
        if self.process.returncode != 0:
            raise Failed(f"{' '.join(map(str, self.words))} ended with {self.process.returncode}: {self.text()[-1500:].strip()}")
        return time.monotonic() - self.begun

    def text(self):
        return self.log.read_text(errors="replace")

    def end(self):
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()


def wait_until(condition, what):
    deadline = time.monotonic() + START_WAIT_S
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"waited {START_WAIT_S} s for {what}")
        time.sleep(0.02)


class Eater:
    """Takes files away from a target as soon as they are published: memory would not hold all of them. The first are compared."""

    def __init__(self, target, original):
        self.target, self.original, self.eaten, self.wrong, self.ended = target, original, 0, 0, False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended:
            time.sleep(0.2)
            self.eat()

    def eat(self):
        for path in self.target.glob("[!.]*") if self.target.exists() else ():
            if self.eaten < PIECES_COMPARED:
                self.wrong += subprocess.run(["cmp", "-s", self.original, path], check=False).returncode
            path.unlink()
            self.eaten += 1

    def stop(self):
        self.ended = True
        self.thread.join()
        self.eat()


def tail_seconds(meter, names, begin, end):
    """From the last half second in which the paths carried 80 % of what is usual until the end: what the end-game costs."""
    step, window = 0.1, 0.5
    moments = [begin + number * step for number in range(max(1, int((end - begin - window) / step)))]
    rates = [meter.rate(names, at, at + window) for at in moments]
    usual = statistics.median(rates)
    return end - max((at + window for at, rate in zip(moments, rates) if rate >= 0.8 * usual), default=begin)


class Bench:
    def __init__(self, options):
        self.options, self.skipped = options, {}
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="longhaul-bench-lab-", dir=options.dir))
        self.longhaul = pathlib.Path(options.build) / "tools/longhaul"
        self.warm = None

    def clean(self):
        if self.warm:
            self.warm.close()
        harness.remove_tree(self.dir)

    def lab(self, lines, windows):
        scaled = [dataclasses.replace(line, rate=line.rate * self.options.scale) for line in lines]
        if sum(line.rate for line in scaled) > RATES_SUM_MAX:
            raise Failed(f"--scale {self.options.scale}: the rates' sum is over {RATES_SUM_MAX} Mb/s, and the lab's delay not exact")
        return Wan(pathlib.Path(self.options.build) / "tests/lab/wanlab", scaled, windows)

    def has(self, tool, package):
        if shutil.which(tool):
            return True
        self.skipped[tool] = f"not installed (package {package}; tools/setup installs it)"
        return False

    def congestions(self):
        there = AVAILABLE.read_text().split()
        for name in CONGESTIONS:
            if name not in there:
                self.skipped[name] = "this kernel does not offer it"
        return [name for name in CONGESTIONS if name in there]

    def source(self, size):
        """A file that nothing compresses, in memory. The one before goes: a machine has only so much of it."""
        path = self.dir / f"source-{size}"
        if not path.exists():
            for old in self.dir.glob("source-*"):
                old.unlink()
            Child([pathlib.Path(self.options.build) / "bench/mkdata", path, size, 1], self.dir / "mkdata.log").wait(300)
        return path

    def pieces(self, size):
        """A directory with names of one file, together about `size` bytes."""
        directory = self.dir / f"pieces-{size}"
        if not directory.exists():
            for old in self.dir.glob("pieces-*"):
                harness.remove_tree(old)
            original = self.source(PIECE_BYTES)
            directory.mkdir()
            for number in range(max(1, round(size / PIECE_BYTES))):
                os.link(original, directory / f"piece-{number:05}")
        return directory

    # ----- one measurement each: Mb/s and what belongs to it

    def iperf(self, lab, name, connections, congestion, seconds):
        address = lab.address(name, "dst")
        server = Child(lab.at("dst", "iperf3", "-s", "-1", "--forceflush", "-B", address), self.dir / "iperf-server.log")
        try:
            wait_until(lambda: "listening" in server.text() or server.process.poll() is not None, "iperf3's server")
            client = Child(lab.at("src", "iperf3", "-c", address, "-J", "-t", seconds, "-O", 2, "-P", connections, "-C", congestion),
                           self.dir / "iperf-client.log")
            client.wait(seconds + 60)
        finally:
            server.end()
        # What was queued while -O warmed up is counted too: no more than the path can carry.
        found = json.loads(client.text())["end"]["sum_received"]["bits_per_second"] / 1e6
        return min(found, lab.line(name).rate * TCP_SHARE)

    def transfer(self, lab, names, size, congestion="", timeout_s=0):
        """Longhaul over these paths. Wall time runs from the sender's start to its end, when everything is durable."""
        many = size > ONE_FILE_MAX
        source, target, ticket = self.pieces(size) if many else self.source(size), self.dir / "target", self.dir / "ticket"
        if many:
            size = len(list(source.iterdir())) * PIECE_BYTES
        eater = Eater(target, source / "piece-00000") if many else None
        ticket.unlink(missing_ok=True)
        listen, dial = [], []
        for name in names:
            remote = lab.address(name, "dst")
            listen += ["--listen", remote]
            dial += ["--path", f"name={name},local={lab.address(name, 'src')},remote={remote}"
                     + (f",cc={congestion}" if congestion else "")]
        report = self.dir / "report.json"
        receiver = Child(lab.at("dst", self.longhaul, "receive", "--cipher", "none", "-q", *listen, "--ticket-file", ticket, target),
                         self.dir / "receive.log")
        sender, meter = None, None
        try:
            wait_until(lambda: ticket.exists() or receiver.process.poll() is not None, "the receiver's ticket")
            if not ticket.exists():
                raise Failed(f"the receiver gave no ticket: {receiver.text()}")
            lab.stats(restart=True)
            meter = Meter(lab)
            sender = Child(lab.at("src", self.longhaul, "send", "--cipher", "none", "-q", "--report", report, *dial,
                                  *self.options.send_option, f"{source}/" if many else source, f"@{ticket}"), self.dir / "send.log")
            seconds = sender.wait(timeout_s or self.options.timeout)
            ended = time.monotonic()
            receiver.wait(60)
            meter.stop()
            if eater:
                eater.stop()
                wrong = eater.wrong or eater.eaten * PIECE_BYTES != size
            else:
                wrong = subprocess.run(["cmp", "-s", source, target / source.name], check=False).returncode != 0
            if wrong:
                raise Failed("what arrived is not what was sent")
        finally:
            for child in (sender, receiver):
                if child:
                    child.end()
            if meter:
                meter.stop()
            if eater and not eater.ended:
                eater.stop()
            harness.remove_tree(target)
        stats = lab.stats()
        wire = {name: stats[name]["fwd"]["bytes"] for name in names}
        return {"mbps": size * 8 / 1e6 / seconds, "seconds": seconds,
                "resent_bytes": json.loads(report.read_text())["resent_bytes"],
                "tail_s": tail_seconds(meter, names, meter.begun(), ended),
                "cpu_seconds": sender.cpu_seconds + receiver.cpu_seconds,
                "wire_share": {name: wire[name] / max(sum(wire.values()), 1) for name in names}, "lab": lateness(stats)}

    def rsync(self, lab, name, size, limit_s):
        """rsync from its client to its daemon, whole files, no compression. What is not done in time is rated by the wire."""
        source, target, address = self.source(size), harness.make_directory(self.dir / "target"), lab.address(name, "dst")
        config = self.dir / "rsyncd.conf"
        config.write_text(f"use chroot = no\nuid = root\ngid = root\naddress = {address}\nport = {RSYNC_PORT}\n"
                          f"[bench]\npath = {target}\nread only = no\n")
        daemon = Child(lab.at("dst", "rsync", "--daemon", "--no-detach", f"--config={config}"), self.dir / "rsyncd.log")
        try:
            time.sleep(1)
            lab.stats(restart=True)
            begun = time.monotonic()
            client = Child(lab.at("src", "rsync", "--whole-file", source, f"rsync://{address}:{RSYNC_PORT}/bench/"),
                           self.dir / "rsync.log")
            try:
                return size * 8 / 1e6 / client.wait(limit_s)
            except Failed:
                if client.process.returncode != -signal.SIGKILL:
                    raise
                return lab.stats()[name]["fwd"]["bytes"] * 8 / 1e6 / (time.monotonic() - begun)
        finally:
            daemon.end()
            harness.remove_tree(target)

    # ----- what is measured

    def candidates(self, lab, name, seconds):
        """{who: a function of the seconds that gives Mb/s} for one path."""
        found = {}
        rate = lab.line(name).rate
        for congestion in self.congestions():
            if self.has("iperf3", "iperf3"):
                for connections in CONNECTIONS:
                    found[f"iperf3 -P {connections} {congestion}"] = (
                        lambda length, c=connections, cc=congestion: self.iperf(lab, name, c, cc, length))
            found[f"Longhaul {congestion}"] = (
                lambda length, cc=congestion: self.transfer(lab, [name], int(rate * 1e6 / 8 * length), cc, 20 * length + 60)["mbps"])
        return found

    def tried(self, what, function, *arguments):
        """The figure, or None; a failure is said and kept among what was skipped."""
        try:
            figure = function(*arguments)
        except (Failed, KeyError, ValueError) as problem:
            self.skipped[what] = str(problem)
            say(f"  {what}: {problem}")
            return None
        say(f"  {what}: {figure:.1f} Mb/s")
        return figure

    def denominator(self, lab, name):
        """The best of all on this path: all for a short time, then the best one for longer."""
        candidates = self.candidates(lab, name, self.options.seconds)
        short = {who: self.tried(f"{name}: {who}", measure, self.options.seconds) for who, measure in candidates.items()}
        short = {who: figure for who, figure in short.items() if figure is not None}
        if not short:
            raise Failed(f"nothing could be measured on {name} alone")
        best = max(short, key=short.get)
        long = self.tried(f"{name}: {best}, {self.options.best_seconds} s", candidates[best], self.options.best_seconds)
        return {"best": best, "mbps": long or short[best], "short": short, "rate": lab.line(name).rate}

    def known(self, name):
        """The denominators of a set that an earlier run has measured."""
        for file in self.options.denominators:
            found = json.loads(pathlib.Path(file).read_text())["sets"]
            if name in found:
                return found[name]["denominators"]
        return None

    def whole(self, name):
        lab = self.lab(SETS[name], LARGE_WINDOWS)
        try:
            names = [line.name for line in lab.lines]
            denominators = self.known(name) or {each: self.denominator(lab, each) for each in names}
            total = sum(each["mbps"] for each in denominators.values())
            size = int(total * 1e6 / 8 * self.options.transfer_seconds)
            runs = []
            for number in range(self.options.runs):
                runs.append(self.transfer(lab, names, size, self.options.congestion))
                say(f"  {name} {number + 1}/{self.options.runs}: {runs[-1]['mbps']:.1f} of {total:.1f} Mb/s")
        finally:
            lab.close()
        return {"paths": [dataclasses.asdict(line) for line in lab.lines], "denominators": denominators, "sum_mbps": total,
                "bytes": size, "runs": runs}

    def alone(self, line, windows):
        lab = self.lab([line], windows)
        try:
            rate, seconds = lab.lines[0].rate, self.options.seconds
            size = int(rate * 1e6 / 8 * seconds)
            found = {who: self.tried(f"{line.more}: {who}", measure, seconds)
                     for who, measure in self.candidates(lab, "p1", seconds).items()}
            found["Longhaul"] = self.tried(f"{line.more}: Longhaul", lambda length: self.transfer(
                lab, ["p1"], int(rate * 1e6 / 8 * length), "", 20 * length + 60)["mbps"], seconds)
            if self.has("rsync", "rsync"):
                who = f"rsync {SYSTEM.read_text().strip()}"
                found[who] = self.tried(f"{line.more}: {who}", self.rsync, lab, "p1", size, 4 * seconds)
            stats = lateness(lab.stats())
        finally:
            lab.close()
        return {"path": dataclasses.asdict(lab.lines[0]), "mbps": found, "lab": stats}

    def run(self):
        self.source(PIECE_BYTES)
        self.warm = Warm(self.options.build, self.options.warm_gib * 2**30)
        chosen = self.options.set or [*SETS, "alone"]
        found = {"sets": {}, "alone": []}
        for name in (each for each in chosen if each in SETS):
            say(f"{name}:")
            found["sets"][name] = self.whole(name)
        if "alone" in chosen:
            for windows, words in ((USUAL_WINDOWS, "tcp_wmem 4 MiB"), (LARGE_WINDOWS, "tcp_wmem 64 MiB")):
                for line in ALONE:
                    say(f"one path alone, {line.more}, {words}:")
                    found["alone"].append({"windows": words, **self.alone(line, windows)})
        return found


def spread(values, digits=1):
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


def lab_words(runs):
    return (f"lab late {statistics.median(run['lab']['late_mean_us'] for run in runs):.0f} us "
            f"(most {max(run['lab']['late_max_us'] for run in runs) / 1e3:.1f} ms), "
            f"{sum(run['lab']['dropped_ring'] for run in runs)} packets dropped by the kernel")


def set_lines(name, found):
    lines = [f"## {name}", "", "| path | rate Mb/s | RTT ms | best alone | Mb/s |", "|---|---|---|---|---|"]
    for path in found["paths"]:
        alone = found["denominators"][path["name"]]
        lines.append(f"| {path['name']} {path['more']} | {path['rate']:g} | {path['rtt_ms']:g} | {alone['best']} | {alone['mbps']:.1f} |")
    runs = found["runs"]
    shares = ", ".join(f"{path['name']} {statistics.median(run['wire_share'][path['name']] for run in runs):.1%}" for path in found["paths"])
    lines += ["", f"Sum {found['sum_mbps']:.1f} Mb/s. {len(runs)} transfers of {found['bytes'] / 1e9:.2f} GB, median [least-most]: "
              f"{spread([run['mbps'] for run in runs])} Mb/s, {spread([run['mbps'] / found['sum_mbps'] * 100 for run in runs])} % of the "
              f"sum, {spread([run['seconds'] for run in runs], 2)} s, end-game {spread([run['tail_s'] for run in runs], 2)} s, re-sent "
              f"{spread([run['resent_bytes'] / found['bytes'] * 100 for run in runs], 2)} %, CPU "
              f"{spread([run['cpu_seconds'] / found['bytes'] * 2**30 for run in runs], 2)} s/GiB. Wire: {shares}; {lab_words(runs)}.", ""]
    return lines


def alone_lines(found):
    lines = ["## One path alone", "", "Mb/s, and how much of the path's rate that is.", ""]
    for each in found:
        path = each["path"]
        lines += [f"{path['rate']:g} Mb/s, {path['rtt_ms']:g} ms, {path['more']}, {each['windows']}; {lab_words([each])}", "",
                  "| who | Mb/s | of the rate |", "|---|---|---|"]
        for who, figure in each["mbps"].items():
            lines.append(f"| {who} | {figure:.1f} | {figure / path['rate']:.1%} |" if figure is not None else f"| {who} | - | - |")
        lines.append("")
    return lines


def markdown(setting, found, skipped):
    lines = ["# Transfers over several long-haul paths", "",
             f"{setting['cpus']} CPUs, kernel {setting['kernel']}, load {setting['load']:.1f} at the start. Congestion control of whole "
             f"transfers: {setting['congestion']}. Target in memory, source cached, incompressible. Denominators: {setting['seconds']} s "
             f"each, the best one {setting['best_seconds']} s.", ""]
    for name, each in found["sets"].items():
        lines += set_lines(name, each)
    if found["alone"]:
        lines += alone_lines(found["alone"])
    lines += [f"- not measured: {what}: {why}" for what, why in skipped.items()]
    return "\n".join(lines) + "\n"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build"), help="the meson build directory")
    parser.add_argument("--set", action="append", choices=[*SETS, "alone"], help="only this (repeat)")
    parser.add_argument("--runs", type=int, default=5, help="whole transfers over each set")
    parser.add_argument("--seconds", type=int, default=15, help="of each measurement of a path alone")
    parser.add_argument("--best-seconds", type=int, default=60, help="of the best one's second measurement")
    parser.add_argument("--denominators", action="append", default=[], metavar="JSON",
                        help="take those of sets that are in this earlier result (repeat)")
    parser.add_argument("--transfer-seconds", type=float, default=60, help="that a whole transfer would take at the sum of the paths")
    parser.add_argument("--scale", type=float, default=1, help="of all rates")
    parser.add_argument("--congestion", default="", help="of whole transfers: cubic, bbr ...; default: as each path finds")
    parser.add_argument("--send-option", action="append", default=[], help="one more word for `longhaul send` (repeat)")
    parser.add_argument("--warm-gib", type=float, default=8, help="memory kept warm for targets; 0: left as it is")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for a whole transfer")
    parser.add_argument("--dir", default="/dev/shm", help="where source and targets live")
    parser.add_argument("--out", default="lab", help="writes OUT.md and OUT.json")
    return parser.parse_args()


def main():
    options = parse()
    if os.geteuid() != 0:
        print("lab.py: needs root: network namespaces and TUN devices", file=sys.stderr)
        return 1
    setting = {"cpus": os.cpu_count(), "kernel": os.uname().release, "host": socket.gethostname(), "load": os.getloadavg()[0],
               "congestion": options.congestion or "as each path finds", "seconds": options.seconds,
               "best_seconds": options.best_seconds, "scale": options.scale, "runs": options.runs, "warm_gib": options.warm_gib}
    bench = Bench(options)
    try:
        found = bench.run()
    except Failed as problem:
        print(f"lab.py: {problem}", file=sys.stderr)
        return 1
    finally:
        bench.clean()
    pathlib.Path(f"{options.out}.json").write_text(json.dumps({"setting": setting, **found, "skipped": bench.skipped}, indent=1))
    text = markdown(setting, found, bench.skipped)
    pathlib.Path(f"{options.out}.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
