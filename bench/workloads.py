"""The data that movers are compared on: made from a seed, incompressible, each workload a directory of its own."""

import dataclasses
import os
import random

from children import Child
from warming import MIB

GIB = 1 << 30
KIB = 1 << 10
SMALL_LEAST, SMALL_MOST = 200, 16 * KIB  # bytes of a checkpoint's small files
TIMEOUT_S = 600


@dataclasses.dataclass(frozen=True)
class Workload:
    """`files` of `file_bytes` each, and `small_files` of sizes by chance. `on_disk`: from disk to disk, cold, with a sync inside the time."""
    name: str
    words: str
    file_bytes: int
    files: int = 1
    small_files: int = 0
    on_disk: bool = False

    @property
    def is_tree(self):
        return self.files + self.small_files > 1

    @property
    def many_small(self):
        """Mostly names, not bytes: movers that know two ways take the one for small files."""
        return self.file_bytes < MIB

    @property
    def bytes_most(self):
        """That it may take, in blocks of the file system."""
        block = 4 * KIB
        return self.files * -(-self.file_bytes // block) * block + self.small_files * SMALL_MOST

    def divided(self, divisor):
        """A quick look at the same: of one file and of a checkpoint the size is divided, of many small files the number."""
        if self.many_small:
            return dataclasses.replace(self, files=max(self.files // divisor, 2))
        return dataclasses.replace(self, file_bytes=max(self.file_bytes // divisor, 1), small_files=self.small_files // divisor)


WORKLOADS = {workload.name: workload for workload in (
    Workload("one-4g", "one file of 4 GiB", 4 * GIB),
    Workload("many-100k", "20,000 files of 100 KiB", 100 * KIB, 20000),
    Workload("checkpoint", "a checkpoint: 8 files of 256 MiB and 2,000 of up to 16 KiB", 256 * MIB, 8, 2000),
    Workload("many-4k", "200,000 files of 4 KiB", 4 * KIB, 200000),
    Workload("disk-8g", "one file of 8 GiB, disk to disk, cold, synced", 8 * GIB, on_disk=True),
)}


def make(workload, directory, mkdata, log, seed=1):
    """Makes it as `directory`, which must not be there; `mkdata` is the program. Returns its bytes."""
    if workload.files > 1:
        Child([mkdata, directory, workload.file_bytes, seed, workload.files], log).end(TIMEOUT_S)
    else:
        os.makedirs(directory)
        Child([mkdata, os.path.join(directory, "file.bin"), workload.file_bytes, seed], log).end(TIMEOUT_S)
    return workload.file_bytes * workload.files + make_small(workload.small_files, os.path.join(directory, "meta"), seed)


def make_small(count, directory, seed):
    chance, total = random.Random(seed), 0
    for number in range(count):
        os.makedirs(directory, exist_ok=True)
        content = chance.randbytes(chance.randint(SMALL_LEAST, SMALL_MOST))
        with open(os.path.join(directory, f"part-{number:05}.json"), "wb") as out:
            out.write(content)
        total += len(content)
    return total
