"""Processes of a bench: what each costs, and that none is left behind."""

import os
import shutil
import signal
import subprocess
import threading
import time


class Failed(Exception):
    """This figure cannot be had; the text says why."""


class Child:
    """A process whose end tells what it cost. `before` runs in it before its program; env and cwd as subprocess.Popen has them.

    After end(): seconds (wall), cpu_seconds (its own and of those it has waited for), rss_mib (peak)."""

    def __init__(self, command, log, before=None, env=None, cwd=None):
        self.command = [str(word) for word in command]
        self.name = " ".join(self.command)  # in what is said of it
        self.log_path = log
        self.begin = time.monotonic()
        self.cpu_seconds = 0.0
        with open(log, "wb") as out:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                            preexec_fn=before, env=env, cwd=cwd)

    @property
    def pid(self):
        return self.process.pid

    def runs(self):
        return self.process.returncode is None and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def reap(self):
        _, status, usage = os.wait4(self.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.monotonic() - self.begin
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.rss_mib = usage.ru_maxrss / 1024

    def end(self, timeout_s, allowed_s=None):
        """Waits for it. One that takes longer is killed, and that or a status other than 0 is a failure. `allowed_s`: what is said to have been
        allowed, where `timeout_s` is only the rest of it."""
        late = threading.Event()

        def stop():
            late.set()
            self.shoot()

        killer = threading.Timer(max(timeout_s, 0), stop)
        killer.daemon = True
        killer.start()
        try:
            self.reap()
        finally:
            killer.cancel()
        if late.is_set():
            raise Failed(f"{self.name} was not done after {allowed_s or timeout_s:g} s")
        if self.process.returncode != 0:
            raise Failed(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")

    def shoot(self):
        os.kill(self.pid, signal.SIGKILL)  # not by Popen, which may reap it: its cost would be lost

    def kill(self):
        if self.process.returncode is None:
            self.shoot()
            self.reap()

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()[-4000:].strip()


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.unlink(path)
