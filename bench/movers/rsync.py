"""rsync to its daemon: whole files, straight to their final names, times and modes kept."""

import os

from wires import free_port

from .mover import Mover

OPTIONS = ("-a", "--whole-file", "--inplace", "--no-compress")


class RsyncDaemon(Mover):
    packages = {"rsync": "rsync"}
    verified = "digests, after it wrote"

    def __init__(self, processes=1):
        self.processes = processes
        self.name = "rsync daemon" + (f", {processes} clients" if processes > 1 else "")

    def unfit(self, workload, wire):
        return super().unfit(workload, wire) or ("one file is for one client" if self.processes > 1 and not workload.is_tree else "")

    def run(self, trial):
        port, address = free_port(), trial.address("dst")
        user = "uid = 0\ngid = 0\n" if os.geteuid() == 0 else ""
        config = trial.file("rsyncd.conf", f"use chroot = no\naddress = {address}\n{user}max verbosity = 0\n"
                                           f"[bench]\npath = {trial.target}\nread only = no\n")
        trial.server("dst", port, "rsync", "--daemon", "--no-detach", f"--config={config}", f"--port={port}")
        url = f"rsync://{address}:{port}/bench/"
        if self.processes == 1:
            trial.timed("src", "rsync", *OPTIONS, f"{trial.source}/", url)
        else:
            lists = self.lists(trial)
            begin = " ".join(f"rsync {' '.join(OPTIONS)} --files-from={each} {trial.source}/ {url} & clients+=($!);" for each in lists)
            # By their numbers: `wait -n` knows nothing of one that has ended before it is asked.
            trial.timed("src", "bash", "-c", begin + ' for client in "${clients[@]}"; do wait "$client" || exit; done')
        return trial.target

    def lists(self, trial):
        """The names of the tree, dealt out in runs so that each client has directories of its own."""
        names = sorted(os.path.relpath(os.path.join(parent, name), trial.source)
                       for parent, _, files in os.walk(trial.source) for name in files)
        share = -(-len(names) // self.processes)
        return [trial.file(f"list-{begin}", "\n".join(names[begin:begin + share]) + "\n") for begin in range(0, len(names), share)]
