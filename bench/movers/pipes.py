"""tar through a pipe at both ends: no check of anything, no going on after a break."""

from wires import free_port

from .mover import Mover

MBUFFER = "mbuffer -4 -q -s 256k -m 64M"


class TarPipe(Mover):
    """What listens and writes is there before the clock runs; the clock ends when both ends have."""

    def pipe(self, trial, port, incoming, outgoing):
        receiver = trial.server("dst", port, "bash", "-o", "pipefail", "-c", f"{incoming} | tar -C {trial.target} -b 512 -xf -")
        trial.timed("src", "bash", "-o", "pipefail", "-c", f"tar -C {trial.source} -b 512 -cf - . | {outgoing}", also=[receiver])
        return trial.target


class TarMbuffer(TarPipe):
    name = "tar | mbuffer"
    packages = {"tar": "tar", "mbuffer": "mbuffer", "bash": "bash"}

    def run(self, trial):
        port = free_port()
        # Its -I names who may dial.
        return self.pipe(trial, port, f"{MBUFFER} -I {trial.address('src')}:{port}", f"{MBUFFER} -O {trial.address('dst')}:{port}")


class TarNetcat(TarPipe):
    name = "tar | nc"
    packages = {"tar": "tar", "nc": "netcat-openbsd", "bash": "bash"}

    def run(self, trial):
        port, address = free_port(), trial.address("dst")
        return self.pipe(trial, port, f"nc -l {address} {port}", f"nc -N {address} {port}")
