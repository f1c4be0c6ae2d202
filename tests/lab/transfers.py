"""A real transfer over the paths of a lab: starts it, meters it from outside, waits for its end, looks at the result."""

import os
import pathlib
import shutil
import tempfile
import time

import checks
import data
import harness
import wan

MIB = data.MIB
TICKET_WAIT_S = 20
SMALL_FILES = 20
CONGESTION_FILE = pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
# Bounds that are wished for, and not yet kept by everything, are failures only when this is set.
STRICT = os.environ.get("LONGHAUL_LAB_STRICT") == "1"


def case(timeout_s=120, tiers=("fast", "full")):
    return harness.case(timeout_s=timeout_s, root=True, tiers=tiers)


def note(words):
    print(f"      {words}", flush=True)


def bound(t, what, found, wished, least=False):
    """Prints a figure beside the bound that is wished for; with LONGHAUL_LAB_STRICT=1 it must be kept."""
    kept = found >= wished if least else found <= wished
    note(f"{what}: {found:.2f}, wished {'at least' if least else 'at most'} {wished:g}{'' if kept else '  <-- not yet'}")
    t.check(kept or not STRICT, f"{what}: {found:.2f}, bound {wished:g}")


def program(t):
    return pathlib.Path(os.environ.get("LONGHAUL_WANLAB") or pathlib.Path(t.binary).parents[1] / "tests/lab/wanlab")


def make_lab(t, lines, **kwargs):
    """A lab that is taken down at the end of the case."""
    if not os.access(program(t), os.X_OK):
        raise harness.Failure(f"no {program(t)}: tools/build makes it")
    for tool, package in (("ip", "iproute2"), ("nsenter", "util-linux")):
        if shutil.which(tool) is None:
            raise harness.Skip(f"no {tool} (of {package}; tools/setup installs it)")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise harness.Skip("no /dev/net/tun on this machine")
    try:
        lab = wan.Wan(program(t), lines, **kwargs)
    except wan.LabError as error:
        if "network namespace" in str(error) or "TUN" in str(error):
            raise harness.Skip(f"no lab on this machine: {error}") from error
        raise
    t.at_end(lab.close)
    return lab


def best_for_loss():
    """The congestion control for lossy paths: bbr where it is."""
    return "bbr" if "bbr" in CONGESTION_FILE.read_text().split() else "cubic"


def source_of(t, mib):
    """A large file of some MiB and a few small ones; made once for all cases, and cached."""
    source = t.shared / f"source-{mib}"
    if not source.exists():
        making = harness.make_directory(t.shared / "making")
        data.write_random(making / "large", mib * MIB)
        for number in range(SMALL_FILES):
            data.write_random(making / f"small-{number}", 1 + number * 5000)
        making.rename(source)
    return source


def target_of(t, mib):
    """In memory, where there is room: the disk is not what is tested."""
    memory = pathlib.Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < 3 * mib * MIB:
        return t.directory / "target"
    directory = pathlib.Path(tempfile.mkdtemp(prefix="longhaul-lab-", dir=memory))
    t.at_end(lambda: harness.remove_tree(directory))
    return directory / "target"


class Transfer:
    """One transfer, which has started. `paths`: the names of those that are used from the start; nothing: all. `terms`: more
    that --path says of each; `congestion` empty: as each path finds."""

    def __init__(self, t, lab, mib, congestion="cubic", ip6=False, paths=None, options=(), receive_options=(), terms=""):
        self.t, self.lab, self.names = t, lab, paths or [line.name for line in lab.lines]
        self.source, self.target = source_of(t, mib), target_of(t, mib)
        self.bytes = data.file_bytes(self.source)[1]
        ticket = t.directory / "ticket"
        ticket.unlink(missing_ok=True)
        listen, dial = [], []
        for name in self.names:
            remote = lab.address(name, "dst", ip6)
            listen += ["--listen", f"[{remote}]" if ip6 else remote]
            dial += ["--path", f"name={name},local={lab.address(name, 'src', ip6)},remote={remote}" +
                     (f",cc={congestion}" if congestion else "") + (f",{terms}" if terms else "")]
        self.receiver = t.start_program("receive", *lab.at("dst", t.binary), "receive", "--json", *listen,
                                        "--ticket-file", ticket, *receive_options, self.target)
        t.wait_for(lambda: ticket.exists() or self.receiver.poll() is not None, "the receiver's ticket", TICKET_WAIT_S)
        t.check(ticket.exists(), f"{self.receiver.label} ended with status {self.receiver.status} and left no ticket")
        lab.stats(restart=True)
        self.meter = wan.Meter(lab)
        t.at_end(self.meter.stop)
        self.started = time.monotonic()
        self.sender = t.start_program("send", *lab.at("src", t.binary), "send", "--json", *dial, *options,
                                      f"{self.source}/", f"@{ticket}")
        self.ended = 0.0

    def arrived(self):
        return sum(self.meter.samples[-1][1].values())

    def wait_for_share(self, share, timeout_s=60):
        """Until this share of the bytes has arrived at the lab's other end."""
        self.t.wait_for(lambda: self.arrived() >= share * self.bytes or self.sender.poll() is not None, f"{share:.0%} of the bytes",
                        timeout_s)
        self.t.check(self.sender.poll() is None, f"the sender ended before {share:.0%} of the bytes: status {self.sender.status}")

    def ends_within(self, seconds):
        deadline = time.monotonic() + seconds
        while self.sender.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.sender.poll() is not None

    def finish(self, timeout_s=90):
        """Both sides must end well and the result be right. Returns the sender's report."""
        self.t.exits(self.sender, 0, timeout_s)
        self.ended = time.monotonic()
        self.t.exits(self.receiver, 0, 40)
        self.meter.stop()
        checks.same(self.t, self.source, self.target)
        for process in (self.sender, self.receiver):
            self.t.check(process.done()["ok"], f"{process.label} ended with 0 and a report that is not ok")
        report = self.sender.done()
        self.t.equal(report["bytes"], self.bytes, "bytes in the sender's report")
        return report

    def seconds(self):
        return self.ended - self.started

    def sum_of_rates(self, names=None):
        """Mb/s of payload that these paths can carry together."""
        return sum(self.lab.line(name).rate for name in names or self.names) * wan.TCP_SHARE

    def told(self, report):
        """Seconds, rate, shares and the lab's own error, for people."""
        stats = self.lab.stats()
        wire = {name: stats[name]["fwd"]["bytes"] for name in self.names}
        shares = ", ".join(f"{name} {wire[name] / max(sum(wire.values()), 1):.1%}" for name in self.names)
        late = wan.lateness(stats)
        note(f"{self.seconds():.1f} s, {self.bytes * 8 / 1e6 / self.seconds():.0f} Mb/s; wire: {shares}; re-sent "
             f"{report['resent_bytes'] / self.bytes:.2%}; lab late {late['late_mean_us']:.0f} us (most {late['late_max_us'] / 1e3:.0f} ms)")
