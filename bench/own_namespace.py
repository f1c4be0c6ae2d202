"""As root all runs in namespaces of its own, which end with it: a network in which nobody else is and TCP is as asked, and a view of
/etc/hosts in which the addresses of the lab have names, for programs that serve at none without. Nothing of the machine is changed."""

import os
import shutil
import subprocess
import sys
import tempfile

from children import Failed

ENTERED = "LONGHAUL_COMPARE_IN_NAMESPACE"
# One that is not used: some programs look up no name, not even an address, where all they have is 127.0.0.1.
OTHER_ADDRESS = "198.18.0.1"
PATHS = 2


def is_here():
    return bool(os.environ.get(ENTERED))


def enter(congestion):
    """As root: this program again, in there. For an ordinary user nothing."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return
    if not is_here():
        os.environ[ENTERED] = "yes"
        os.execvp("unshare", ["unshare", "--net", "--mount", "--", sys.executable, *sys.argv])
    for words in ("link set lo up", f"addr add {OTHER_ADDRESS}/32 dev lo"):
        subprocess.run(["ip", *words.split()], check=True)
    name_addresses()
    if congestion:
        set_congestion([], congestion)


def name_addresses():
    with open("/etc/hosts", encoding="utf-8") as hosts:
        text = hosts.read()
    for path in range(1, PATHS + 1):
        text += "".join(f"198.18.{path}.{host} {end}-{path}\n" for host, end in ((1, "src"), (2, "dst")))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.chmod(file.name, 0o644)
        subprocess.run(["mount", "--bind", file.name, "/etc/hosts"], check=True)


def set_congestion(prefix, name):
    """The congestion control of all TCP in a namespace, by its routes: a namespace's own default may only be one that the whole machine allows.
    `prefix`: the words that run a command there."""
    for table in ("local", "main"):
        route = [*prefix, "ip", "-4", "route"]
        for line in subprocess.run([*route, "show", "table", table], capture_output=True, text=True, check=True).stdout.splitlines():
            done = subprocess.run([*route, "replace", "table", table, *line.split(), "congctl", name], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Failed(f"congestion control {name} of the route {line.strip()}: {done.stderr.strip()}")
