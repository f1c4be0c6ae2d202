"""One transfer by one mover: the servers are made ready, then the clock runs until the copy is complete."""

import os
import subprocess
import time

import wires
from cage import Cage
from children import Failed, remove

DROP_CACHES = "/proc/sys/vm/drop_caches"


class Trial:
    """What a mover gets: where things are, how its processes are started, and the timed part.

    `source` is a directory, whose content is to arrive in `target`, a directory that is there and empty; `scratch` is the mover's own.
    After timed(): seconds, cpu_seconds and memory_bytes, of all processes at both ends; commands: what was started, in words."""

    def __init__(self, workload, wire, source, target, scratch, timeout_s):
        self.workload, self.wire, self.source, self.target, self.scratch = workload, wire, source, target, scratch
        self.timeout_s, self.commands, self.seconds, self.logs = timeout_s, [], None, 0
        for directory in (target, scratch):
            remove(directory)
            os.makedirs(directory)
        # What a user has configured is left out of the comparison, and sockets and keys of movers stay in the scratch directory.
        self.env = {**os.environ, "XDG_RUNTIME_DIR": scratch, "XDG_CONFIG_HOME": scratch, "HOME": scratch}
        self.cage = Cage()

    def addresses(self, end):
        """Of one end, "src" or "dst", one for each path."""
        return [path[end == "dst"] for path in self.wire.paths]

    def address(self, end):
        return self.addresses(end)[0]

    def file(self, name, text=None):
        """The path of a file of the mover's own, written if there is a text."""
        path = os.path.join(self.scratch, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        return path

    def tool(self, *words):
        """Runs something that prepares, outside the time."""
        done = subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{' '.join(map(str, words))} ended with {done.returncode}: {done.stderr[-500:].strip()}")
        return done.stdout

    def start(self, end, *words, env=None, cwd=None):
        self.logs += 1
        words = list(map(str, words))
        self.commands.append(self.told(words))
        child = self.cage.start(self.wire.at(end, words), self.file(f"log-{self.logs}"), {**self.env, **(env or {})}, cwd)
        child.name = os.path.basename(words[0])
        return child

    def told(self, words):
        """A command as it stands in the results: without the directories of this run."""
        text = " ".join(words)
        for path, name in ((self.source, "$SOURCE"), (self.target, "$TARGET"), (self.scratch, "$OWN")):
            text = text.replace(path, name)
        return text

    def server(self, end, port, *words, **more):
        """Starts one, and waits until it listens on the port; 0: until the caller has seen it ready."""
        child = self.start(end, *words, **more)
        if port:
            wires.wait_for(child, lambda: wires.listens(child.pid, port), f"its port {port}")
        return child

    def timed(self, end, *words, also=(), env=None, cwd=None):
        """The client, from its start to its end and that of `also`, and a sync where the workload wants one."""
        if self.workload.on_disk:
            os.sync()
            if os.access(DROP_CACHES, os.W_OK):
                with open(DROP_CACHES, "w", encoding="ascii") as out:
                    out.write("3")
        self.wire.restart()
        self.cage.watch_memory()
        cpu, begun = self.cage.cpu_seconds(), time.monotonic()
        for child in (self.start(end, *words, env=env, cwd=cwd), *also):
            child.end(begun + self.timeout_s - time.monotonic(), self.timeout_s)
        if self.workload.on_disk:
            self.start("dst", "sync", "-f", self.target).end(self.timeout_s)
        self.seconds, self.cpu_seconds = time.monotonic() - begun, self.cage.cpu_seconds() - cpu
        self.memory_bytes = self.cage.still()

    def compare(self, landed, besides):
        """Whether all is there, byte by byte, and nothing else but what has a name of `besides`."""
        done = subprocess.run(["diff", "-rq", *(f"--exclude={name}" for name in besides), self.source, landed],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed("what arrived is not what was sent: " + (done.stdout + done.stderr).strip()[:500])

    def close(self):
        self.cage.close()
        remove(self.scratch)
        remove(self.target)
