"""rclone from its own server: WebDAV for one file, HTTP for a tree, which are its fastest; HTTPS where it is to be sealed."""

from wires import free_port

from .certificates import make_certificate
from .mover import Mover

OPTIONS = ("--checkers", "8", "--multi-thread-streams", "8", "--multi-thread-cutoff", "64M", "--buffer-size", "4M",
           "--ignore-times", "--no-check-dest", "--retries", "1", "--stats", "0")
TRANSFERS, TRANSFERS_LONG = 8, 32  # files side by side: each waits for a round trip


class Rclone(Mover):
    packages = {"rclone": "rclone"}
    verified = "sizes only"

    def __init__(self, sealed=False):
        self.sealed = sealed
        self.name = "rclone, https" if sealed else "rclone, http"
        if sealed:
            self.packages, self.verified = {**self.packages, "openssl": "openssl"}, "sizes; on the wire, by TLS"

    def run(self, trial):
        port, address = free_port(), trial.address("src")
        protocol = "http" if trial.workload.is_tree else "webdav"
        transfers = TRANSFERS_LONG if trial.wire.is_long else TRANSFERS
        serve, trust = [], []
        if self.sealed:
            certificate, key = make_certificate(trial, "src")
            serve, trust = ["--cert", certificate, "--key", key], ["--ca-cert", certificate, "--disable-http2"]
        env = {"RCLONE_CONFIG": "/dev/null"}
        trial.server("src", port, "rclone", "serve", protocol, "--addr", f"{address}:{port}", "--read-only", "--vfs-cache-mode", "off", *serve,
                     trial.source, env=env)
        url = f"http{'s' if self.sealed else ''}://{address}:{port}"
        trial.timed("dst", "rclone", "copy", *OPTIONS, "--transfers", transfers, *trust, f"--{protocol}-url", url, f":{protocol}:", trial.target,
                    env=env)
        return trial.target
