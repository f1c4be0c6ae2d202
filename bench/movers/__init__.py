"""Every mover that compare.py knows, in the order of its tables."""

from .gridftp import GridFtp
from .local import Copy
from .longhaul import Longhaul
from .pipes import TarMbuffer, TarNetcat
from .rclone import Rclone
from .rsync import RsyncDaemon
from .secure_shell import RsyncSsh, Scp
from .web import Aria2
from .xrootd import Xrdcp

MOVERS = [
    Longhaul(), Longhaul(one_path=True), Copy(), RsyncDaemon(), RsyncDaemon(processes=2), Rclone(), GridFtp(), Xrdcp(), TarMbuffer(),
    TarNetcat(), Aria2(),
    Longhaul(sealed=True), RsyncSsh(), Scp(), Rclone(sealed=True), GridFtp(sealed=True), Aria2(sealed=True),
]
