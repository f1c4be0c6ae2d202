"""What every end-to-end test stands on: a registry of cases, processes with deadlines, cleaning up behind them.

No process of a test reads our stdin, outlives its case, or is waited for without a deadline. Processes are only ever ended
by the id of one that a case itself has started.
"""

import contextlib
import ctypes
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import threading
import time

TICKET_WAIT_S = 20
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Failure(Exception):
    """A case found something wrong."""


class Skip(Exception):
    """A case cannot run here; the text says why."""


@dataclasses.dataclass
class Case:
    name: str
    function: object
    timeout_s: float
    root: bool  # needs root
    user: bool  # needs an ordinary user
    tiers: tuple  # in which of quick, fast, full it runs


CASES = []


def case(timeout_s=60, root=False, user=False, tiers=("quick", "fast", "full")):
    """Registers a test function; its name is the case's name, its doc string what --list says."""

    def register(function):
        CASES.append(Case(function.__name__, function, timeout_s, root, user, tiers))
        return function

    return register


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One process with its output in files. `wait` has a deadline and reaps it with its peak memory."""

    def __init__(self, directory, label, arguments, stdin=subprocess.DEVNULL, stdout=None, env=None, cwd=None):
        self.label, self.arguments = label, [os.fspath(word) for word in arguments]
        self.out_path, self.err_path = directory / f"{label}.out", directory / f"{label}.err"
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.popen = subprocess.Popen(self.arguments, stdin=stdin, stdout=out if stdout is None else stdout, stderr=err,
                                          env=env, cwd=cwd, preexec_fn=die_with_parent)
        self.pid, self.status, self.peak_bytes = self.popen.pid, None, 0

    def poll(self):
        """The exit status (minus the signal's number), or None while it runs."""
        if self.status is None:
            self.peak_bytes = max(self.peak_bytes, self.peak_so_far())
            pid, raw, usage = os.wait4(self.pid, os.WNOHANG)
            if pid == self.pid:
                self.status = self.popen.returncode = os.waitstatus_to_exitcode(raw)
                # What it says cannot be less than what this process has in use: the child begins as a copy of it.
                self.peak_bytes = self.peak_bytes or usage.ru_maxrss * 1024
        return self.status

    def peak_so_far(self):
        """The most memory that the program itself has had resident, in bytes; 0: it has ended."""
        try:
            with open(f"/proc/{self.pid}/status", "rb") as status:
                return next((int(line.split()[1]) * 1024 for line in status if line.startswith(b"VmHWM:")), 0)
        except OSError:
            return 0

    def wait(self, timeout_s=60):
        deadline = time.monotonic() + timeout_s
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise Failure(f"{self.label} (pid {self.pid}) still runs after {timeout_s} s")
            time.sleep(0.005)
        return self.status

    def signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        """kill -9, and reaps it."""
        self.signal(signal.SIGKILL)
        return self.wait(20)

    def out(self):
        return self.out_path.read_bytes()

    def err(self):
        return self.err_path.read_text(errors="replace")

    def events(self, kind=None):
        """Its --json events. A last line that a kill cut off is left out; any other that is no JSON is a failure."""
        found = []
        for line in self.out().splitlines(keepends=True):
            if line.endswith(b"\n"):
                try:
                    found.append(json.loads(line))
                except ValueError as error:
                    raise Failure(f"{self.label}: not a JSON object: {line[:200]!r}") from error
        return [event for event in found if kind is None or event["event"] == kind]

    def done(self):
        events = self.events("done")
        if len(events) != 1 or self.events()[-1]["event"] != "done":
            raise Failure(f"{self.label}: {len(events)} done events, expected one, and that last")
        return events[0]


class Context:
    """What one case gets: its directory, its processes, its checks."""

    def __init__(self, options, directory, shared):
        self.binary, self.tier, self.directory, self.shared = options.binary, options.tier, directory, shared
        # Control sockets: where no other test, and nobody's real transfer, has its own. Short, as sockets' names must be.
        self.run_directory = shared.parent / "run"
        self.processes, self.cleanups, self.labels = [], [], {}

    def pick(self, quick, fast, full=None):
        return {"quick": quick, "fast": fast, "full": fast if full is None else full}[self.tier]

    # ----- checks

    def check(self, condition, words):
        if not condition:
            raise Failure(words)

    def equal(self, found, expected, what):
        if found != expected:
            raise Failure(f"{what}: {found!r}, expected {expected!r}")

    def exits(self, process, status, timeout_s=60):
        self.equal(process.wait(timeout_s), status, f"exit status of {process.label}")
        return process

    def says(self, process, *words):
        """Each of the words stands in what the process said to people."""
        text = process.err() + process.out().decode(errors="replace")
        for word in words:
            self.check(word.lower() in text.lower(), f"{process.label} does not say {word!r}")

    def wait_for(self, condition, what, timeout_s=30):
        deadline = time.monotonic() + timeout_s
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                raise Failure(f"waited {timeout_s} s for {what}")
            time.sleep(0.01)

    # ----- processes

    def start(self, label, *arguments, env=None, within=(), **kwargs):
        """`longhaul ARGUMENTS` in the case's directory. `within`: a program, with its words, that starts it."""
        return self.start_program(label, *within, self.binary, *arguments, env=env, **kwargs)

    def start_program(self, label, *arguments, env=None, **kwargs):
        count = self.labels[label] = self.labels.get(label, 0) + 1
        label = label if count == 1 else f"{label}.{count}"
        plain = {key: value for key, value in os.environ.items() if key != "LONGHAUL_TICKET"}
        plain["XDG_RUNTIME_DIR"] = str(make_directory(self.run_directory))
        plain["XDG_CONFIG_HOME"] = str(make_directory(self.shared.parent / "config"))  # and keys
        process = Process(self.directory, label, arguments, env={**plain, **(env or {})}, cwd=self.directory, **kwargs)
        self.processes.append(process)
        return process

    def run(self, label, *arguments, status=0, timeout_s=60, **kwargs):
        return self.exits(self.start(label, *arguments, **kwargs), status, timeout_s)

    def receive(self, *arguments, ticket="ticket", json_events=True, listen=("127.0.0.1", "127.0.0.2"), wait=True, **kwargs):
        """A receiver that listens on two paths; returns when it has written its ticket."""
        file = self.directory / ticket
        file.unlink(missing_ok=True)
        words = ["--json"] if json_events else []
        for address in listen:
            words += ["--listen", address]
        process = self.start("receive", "receive", *words, "--ticket-file", file, *arguments, **kwargs)
        if wait:
            self.wait_for(lambda: file.exists() or process.poll() is not None, "the receiver's ticket", TICKET_WAIT_S)
            self.check(file.exists(), f"{process.label} ended with status {process.status} and left no ticket")
        return process

    def send(self, *arguments, ticket="ticket", json_events=True, paths=None, cap=None, **kwargs):
        """A sender on two paths."""
        if paths is None:
            paths = ["name=a,remote=127.0.0.1", "name=b,remote=127.0.0.2"]
        words = ["--json"] if json_events else []
        for path in paths:
            words += ["--path", path + (f",cap={cap}" if cap else "")]
        return self.start("send", "send", *words, *arguments, f"@{self.directory / ticket}", **kwargs)

    def transfer(self, source, target, status=0, timeout_s=60, cap=None, receive_options=(), send_options=()):
        """One transfer from begin to end; both sides must end with `status`. Returns (sender, receiver)."""
        receiver = self.receive(*receive_options, target)
        sender = self.send(*send_options, source, cap=cap)
        self.exits(sender, status, timeout_s)
        self.exits(receiver, status, 20)
        return sender, receiver

    # ----- what has to be undone

    def at_end(self, function):
        self.cleanups.append(function)

    def mount(self, *arguments):
        """mount(8), undone at the end. The last argument is the mount point."""
        done = subprocess.run(["mount", *map(os.fspath, arguments)], stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
        if done.returncode != 0:
            raise Skip("this machine does not let us mount: " + done.stderr.decode(errors="replace").strip())
        self.at_end(lambda: subprocess.run(["umount", "--lazy", os.fspath(arguments[-1])], stdin=subprocess.DEVNULL,
                                           capture_output=True, timeout=20))

    def background(self, function):
        thread = threading.Thread(target=function, daemon=True)
        thread.start()
        return thread

    def clean_up(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        for function in reversed(self.cleanups):
            function()
        remove_tree(self.run_directory)  # a program that was killed leaves its control socket, which a later test would count
        for process in self.processes:  # ... and libfabric's shm 4 MiB of memory for each stream
            for region in pathlib.Path("/dev/shm").glob(f"{process.pid}:*"):
                with contextlib.suppress(PermissionError):  # of somebody else, whose process had this number before
                    region.unlink(missing_ok=True)

    def told(self):
        """What the processes said, for a failure."""
        parts = []
        for process in self.processes:
            parts.append(f"--- {process.label}: {' '.join(process.arguments[1:])}\n    status {process.poll()}")
            for name, path in (("stdout", process.out_path), ("stderr", process.err_path)):
                data = path.read_bytes() if path.exists() else b""
                if data:
                    parts.append(f"    {name}: " + data[-int(os.environ.get("LONGHAUL_E2E_TAIL", "2000")):].decode(errors="backslashreplace"))
        return "\n".join(parts)


def remove_tree(directory):
    """Also what is read-only."""
    for parent, names, _ in os.walk(os.fsencode(directory)):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                try:
                    os.chmod(path, 0o700)
                except OSError:
                    pass
    shutil.rmtree(os.fsencode(directory), ignore_errors=True)


def make_directory(path):
    path = pathlib.Path(path)
    path.mkdir(parents=True, exist_ok=True)
    return path
