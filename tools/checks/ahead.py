"""Builds for later steps while earlier ones mostly wait: for each other, for long-haul paths, for disks that come back.

At idle priority, so that the compiler gets what the tests leave of the processors and takes nothing from them."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time


class Ahead:
    """COMMAND KIND..., in the background. That it fails is no matter: whoever needs what it builds builds it again, and tells."""

    def __init__(self, command, kinds):
        self.command = [*command, *kinds]
        self.kinds = kinds
        self.process = None

    def start(self):
        """Once; again it does nothing."""
        if self.process is not None or not self.kinds:
            return
        # A session of its own: to be stopped with all its compilers, and to be a group of its own for a kernel that shares time between groups.
        self.process = subprocess.Popen(["chrt", "--idle", "0", *self.command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        with contextlib.suppress(OSError):  # a kernel without such groups
            pathlib.Path(f"/proc/{self.process.pid}/autogroup").write_text("19")

    def stop(self):
        """What is built stays. Before anybody else builds: there must not be two builds in one directory."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # raised when nobody of its group is left
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()
            while True:  # ninja puts its compilers away first
                os.killpg(self.process.pid, 0)
                time.sleep(0.1)
