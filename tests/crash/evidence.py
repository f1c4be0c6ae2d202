"""What a sender was told is durable, and whether it is there after a power failure. Knows nothing of Longhaul's code."""

import dataclasses
import json
import os
import pathlib
import stat
import struct

import data
import harness
from data import NODE

try:
    import xxhash  # Debian: python3-xxhash
except ImportError:
    xxhash = None

JOURNAL_FIXED = struct.Struct("<8sIIQQQqqQQII")  # src/journal/landing.h
RECORD_BYTES = 24


class Acknowledged:
    """What the sender has told of so far: each file that is durable, and how many bytes are: those of these files, or what
    its progress says once a second, which counts chunks of unfinished files too."""

    def __init__(self, sender, source):
        self.sizes = {name: found.st_size for name, found in data.listing(source).items()}
        self.out = open(sender.out_path, "rb")
        self.rest, self.files, self.files_bytes, self.bytes, self.done = b"", set(), 0, 0, False

    def read(self):
        """Takes what was said since; true when there was anything that counts."""
        lines = (self.rest + self.out.read()).split(b"\n")
        self.rest = lines.pop()
        before = (len(self.files), self.bytes, self.done)
        for event in map(json.loads, lines):
            if event["event"] == "file_durable":
                name = data.name_in(event, "path")
                self.files_bytes += 0 if name in self.files else self.sizes[name]
                self.files.add(name)
                self.bytes = max(self.bytes, self.files_bytes)
            elif event["event"] == "progress":
                self.bytes = max(self.bytes, event["bytes"])
            elif event["event"] == "done" and event["ok"]:
                self.done, self.bytes = True, event["bytes"]
        return before != (len(self.files), self.bytes, self.done)


@dataclasses.dataclass
class Journal:
    path: bytes  # of the file that it belongs to, below the target
    size: int
    nodes: dict  # number -> digest
    part: pathlib.Path


def node_digest(content):
    leaves = (content[at : at + data.LEAF] for at in range(0, len(content), data.LEAF))
    return xxhash.xxh3_128_digest(b"".join(map(xxhash.xxh3_128_digest, leaves)))


def check_of(text):
    return struct.pack("<Q", xxhash.xxh3_64_intdigest(text))


def read_journal(file):
    """A journal as a receiver would read it: records with a wrong check do not count. None: its header does not."""
    if xxhash is None:
        raise harness.Skip("python3-xxhash is missing (tools/setup installs it)")
    text = file.read_bytes()
    if len(text) < JOURNAL_FIXED.size:
        return None
    magic, _, header_bytes, nonce, _, size, _, _, _, _, _, path_bytes = JOURNAL_FIXED.unpack_from(text)
    used = JOURNAL_FIXED.size + path_bytes
    if magic != b"LHJRNL1\n" or text[used : used + 8] != check_of(text[:used]):
        return None
    nodes = {}
    for number in range((size + NODE - 1) // NODE):
        at = header_bytes + number * RECORD_BYTES
        record = text[at : at + RECORD_BYTES]
        if record[16:] == check_of(record[:16] + struct.pack("<QQ", number, nonce)):
            nodes[number] = record[:16]
    return Journal(text[JOURNAL_FIXED.size : used], size, nodes, file.with_suffix(".part"))


def journals(target):
    found = (read_journal(file) for file in sorted((target / ".longhaul/landing").glob("*.journal")))
    return [journal for journal in found if journal is not None]


@dataclasses.dataclass
class Findings:
    """What a target holds. `lost`: was acknowledged and is not there. `wrong`: is there and must not be so."""

    lost: list
    wrong: list
    bytes: int = 0  # durable: in files at their final names and in nodes that a journal vouches for


def false_nodes(journal, source_file):
    """Nodes that the journal claims and that are not the source's content, in words."""
    name = journal.path.decode(errors="replace")
    if not journal.part.exists():
        return [f"the journal of {name} claims {len(journal.nodes)} nodes, and there is no data"] if journal.nodes else []
    found = []
    with open(source_file, "rb") as ours, open(journal.part, "rb") as theirs:
        for number, digest in journal.nodes.items():
            ours.seek(number * NODE)
            theirs.seek(number * NODE)
            content = ours.read(NODE)
            if theirs.read(len(content)) != content:
                found.append(f"the journal of {name} claims node {number}, which is not there")
            elif node_digest(content) != digest:
                found.append(f"the journal of {name} has a wrong digest for node {number}")
    return found


def examine(source, target, files=(), acknowledged_bytes=0):
    """Compares a target after a power failure with the source and with what was acknowledged before."""
    findings = Findings([], data.wrong_final_names(source, target))
    there = data.listing(target)
    findings.bytes = sum(found.st_size for found in there.values() if stat.S_ISREG(found.st_mode))
    whole = set(there)
    for journal in journals(target):
        if journal.path in there:
            continue  # published; only its journal was still to go
        source_file = os.path.join(os.fsencode(source), journal.path)
        findings.wrong += false_nodes(journal, source_file)
        findings.bytes += sum(min(NODE, journal.size - number * NODE) for number in journal.nodes)
        if len(journal.nodes) * NODE >= journal.size:
            whole.add(journal.path)
    findings.lost = [f"{name.decode(errors='replace')} was acknowledged" for name in sorted(set(files) - whole)]
    if findings.bytes < acknowledged_bytes:
        findings.lost.append(f"{acknowledged_bytes} bytes were acknowledged, {findings.bytes} are there")
    return findings
