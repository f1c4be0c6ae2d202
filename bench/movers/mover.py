"""What all movers have in common."""

import os
import shutil

# Servers live where an ordinary user's PATH does not look.
SEARCH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def program(name):
    """The path of a program, or None."""
    return shutil.which(name, path=SEARCH)


class Mover:
    """One way to move a tree. run() prepares a Trial and has it time the client; all servers have begun to listen before."""

    name = ""
    packages = {}  # program: the Debian package that has it
    sealed = False
    verified = "no"  # in words, for the table
    durable = "no"  # whether the copy is on disk when the mover says that it is done
    own_names = ()  # what it leaves in the target besides
    paths = "one"  # of several: "one", "all", or "none" for a mover that knows no network

    def missing(self):
        """{program: package} of what is not installed."""
        return {name: package for name, package in self.packages.items() if not program(name)}

    def unfit(self, workload, wire):
        """Why it has no place in this group, or nothing. Such a mover is left out of it, without a row."""
        if wire.is_long and self.paths == "none":
            return "knows no network"
        return ""

    def run(self, trial):
        """Returns the directory that is to be compared with the source."""
        raise NotImplementedError
