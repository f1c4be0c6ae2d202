"""Longhaul itself, with its defaults; in clear where it is compared with movers that do not seal."""

import os

import wires

from .mover import Mover


class Longhaul(Mover):
    verified = "digests, before it writes"
    durable = "yes"
    own_names = (".longhaul",)
    binary = None  # set by compare.py: the one of the build

    def __init__(self, sealed=False, one_path=False):
        self.sealed, self.one_path = sealed, one_path
        self.paths = "one" if one_path else "all"
        self.name = "Longhaul" + (", sealed" if sealed else "") + (", one path" if one_path else "")

    def unfit(self, workload, wire):
        return "there is one path anyway" if self.one_path and not wire.is_long else ""

    def run(self, trial):
        cipher = [] if self.sealed else ["--cipher", "none"]
        paths = list(enumerate(trial.wire.paths, 1))[:1 if self.one_path else None]
        ticket = trial.file("ticket")
        listen = [word for _, (_, remote) in paths for word in ("--listen", remote)]
        receiver = trial.server("dst", 0, self.binary, "receive", "--quiet", *cipher, *listen, "--ticket-file", ticket, trial.target)
        wires.wait_for(receiver, lambda: os.path.exists(ticket), "its ticket")
        dial = [word for number, (local, remote) in paths for word in ("--path", f"name=p{number},local={local},remote={remote}")]
        trial.timed("src", self.binary, "send", "--quiet", *cipher, *(dial if trial.wire.is_long else ()), f"{trial.source}/",
                    f"@{ticket}", also=[receiver])
        return trial.target
