"""File systems far away: a look at a name takes its time there, and many are under way at once."""

import os
import pathlib
import tempfile

import harness
from checks import same
from harness import case
from served import serve, why_not_served

DELAY_US = 1000
DIRECTORIES, FILES = 30, 40
ENTRIES = DIRECTORIES * (FILES + 1)
AT_ONCE = 4  # a walk by itself has one look under way


class FarFileSystem:
    """What is beneath `directory`, far away, at `top`: mounted once, so nothing of it is cached."""

    def __init__(self, t, directory):
        program = pathlib.Path(t.binary).parents[1] / "tests/crash/farfs"
        if reason := why_not_served(program):
            raise harness.Skip(reason)
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="far-", dir=t.directory))
        serve(t, [program, directory, str(DELAY_US), self.top], self.top, self.top.with_suffix(".log"), lambda: os.path.ismount(self.top))

    def figures(self):
        """looks: how many there were; at_once: how many were under way at once, at most."""
        return {name: int(figure) for name, figure in (line.split() for line in (self.top / ".far").read_text().splitlines())}


def make_tree(directory):
    for number in range(DIRECTORIES):
        (directory / f"d{number}").mkdir(parents=True)
        for file in range(FILES):
            (directory / f"d{number}" / f"f{file}").write_text(f"{number} {file}")


@case(timeout_s=120, root=True)
def a_source_far_away(t):
    """Names are looked at ahead of the walk, many at once, and none of them twice."""
    make_tree(t.directory / "near")
    far = FarFileSystem(t, t.directory / "near")
    t.run("copy", "copy", "--no-control", "--quiet", f"{far.top}/", "target")
    same(t, t.directory / "near", t.directory / "target")
    figures = far.figures()
    t.check(figures["at_once"] >= AT_ONCE, f"never more than {figures['at_once']} looks at once")
    t.check(figures["looks"] <= 1.2 * ENTRIES, f"{figures['looks']} looks at {ENTRIES} names")


@case(timeout_s=120, root=True)
def a_target_far_away(t):
    """A second run looks at what is there, many names at once."""
    make_tree(t.directory / "source")
    (t.directory / "near").mkdir()
    t.run("copy", "copy", "--no-control", "--quiet", "source/", "near")
    far = FarFileSystem(t, t.directory / "near")
    copy = t.start("copy", "copy", "--no-control", "--json", "source/", far.top)
    t.equal(copy.wait(), 0, "exit status")
    t.equal(copy.done()["skipped_files"], DIRECTORIES * FILES, "files that were there")
    figures = far.figures()
    t.check(figures["at_once"] >= AT_ONCE, f"never more than {figures['at_once']} looks at once")
    t.check(figures["looks"] <= 1.3 * ENTRIES, f"{figures['looks']} looks at {ENTRIES} names")
