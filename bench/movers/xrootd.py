"""xrdcp from an xrootd server, with a checksum of both ends."""

import os

from wires import free_port

from .mover import Mover, program

FILES, FILES_LONG = 4, 16  # side by side
STREAMS, STREAMS_LONG = 4, 15  # the most it takes


class Xrdcp(Mover):
    name = "xrdcp, adler32"
    packages = {"xrdcp": "xrootd-client", "xrootd": "xrootd-server"}
    verified = "adler32 of both ends"

    def run(self, trial):
        port = free_port()
        config = trial.file("xrootd.cfg", f"""all.export / nolock
xrd.port {port}
xrd.network nodnr
xrootd.async nosf
all.adminpath {trial.file("admin")}
all.pidpath {trial.file("run")}
xrootd.chksum max 4 adler32 crc32c
oss.localroot /
""")
        own_user = self.own_user(trial)
        trial.server("src", port, *own_user, program("xrootd"), "-I", "v4", "-c", config, "-l", trial.file("admin/log"), "-n", "bench")
        files, streams = (FILES_LONG, STREAMS_LONG) if trial.wire.is_long else (FILES, STREAMS)
        trial.timed("dst", "xrdcp", "-f", "-s", "-r", "--parallel", files, "-S", streams, "--cksum", "adler32",
                    f"root://{trial.address('src')}:{port}/{trial.source}", f"{trial.target}/", env={"XRD_CPUSEPGWRTRD": "0"})
        return os.path.join(trial.target, os.path.basename(trial.source))

    def own_user(self, trial):
        """The server refuses to run as root: the words that make it an ordinary user, who can write its own directories."""
        for name in ("admin", "run"):
            os.makedirs(trial.file(name))
        if os.geteuid() != 0:
            return []
        for path in (trial.scratch, trial.file("admin"), trial.file("run")):
            os.chmod(path, 0o777)
        return ["setpriv", "--reuid", "nobody", "--clear-groups"]
