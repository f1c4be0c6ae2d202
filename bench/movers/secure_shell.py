"""scp, and rsync through ssh, to an sshd of our own with keys of its own. AES-128-GCM, without compression."""

import getpass
import os

from wires import free_port

from .mover import Mover, program
from .rsync import OPTIONS, RsyncDaemon

CIPHER = "aes128-gcm@openssh.com"


def start_sshd(trial):
    """Returns (port, options of the client)."""
    port = free_port()
    for key in ("host-key", "key"):
        trial.tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", trial.file(key))
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # sshd's own, without which it does not start
    config = trial.file("sshd_config", f"""Port {port}
ListenAddress {trial.address("dst")}
HostKey {trial.file("host-key")}
AuthorizedKeysFile {trial.file("key.pub")}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
UseDNS no
Compression no
Ciphers {CIPHER}
Subsystem sftp internal-sftp
""")
    trial.server("dst", port, program("sshd"), "-D", "-e", "-f", config)
    return port, ["-F", "none", "-i", trial.file("key"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                  "-o", "LogLevel=ERROR", "-o", "Compression=no", "-c", CIPHER]


class OverSsh(Mover):
    packages = {"sshd": "openssh-server", "ssh": "openssh-client", "scp": "openssh-client", "ssh-keygen": "openssh-client"}
    sealed = True
    verified = "on the wire, by ssh"

    def target(self, trial):
        return f"{getpass.getuser()}@{trial.address('dst')}:{trial.target}/"


class Scp(OverSsh):
    name = "scp"

    def run(self, trial):
        port, options = start_sshd(trial)
        trial.timed("src", "scp", "-q", "-r", "-p", "-P", port, *options, f"{trial.source}/.", self.target(trial))
        return trial.target


class RsyncSsh(OverSsh):
    name = "rsync over ssh"
    packages = {**OverSsh.packages, "rsync": "rsync"}
    verified = RsyncDaemon.verified

    def run(self, trial):
        port, options = start_sshd(trial)
        trial.timed("src", "rsync", *OPTIONS, "-e", f"ssh -p {port} {' '.join(options)}", f"{trial.source}/", self.target(trial))
        return trial.target
