#!/usr/bin/python3
"""Prints what a manifest file says as JSON, and what its roots and its signature must be, straight from the definition
(src/journal/manifest.h and manifest_roots.h), without anything of Longhaul's code.

    manifest.py FILE     {"version", "files": [[path in hex, size, mtime_ns, digest, sha256 or null]...], "seal": {...} or null,
                          "root", "sha256_root" or null, "signed": what the signature is over, in hex, "signer"}

Ends with status 1, and words on stderr, when the file is not what it says.
"""

import base64
import hashlib
import json
import struct
import sys

import xxhash  # Debian: python3-xxhash

HEAD = struct.Struct("<IB3xIQq16s")
FILE, END, FILE_SHA256, SEAL = 1, 2, 5, 6
DER_HEAD = bytes.fromhex("302a300506032b6570032100")


def require(condition, words):
    if not condition:
        sys.exit(words)


def records(data):
    """(type, size, mtime_ns, digest, what stands before the path, path) of each record."""
    at = 16
    while at < len(data):
        require(len(data) - at >= HEAD.size + 8, "the last record is cut")
        length, kind, path_length, size, mtime_ns, digest = HEAD.unpack_from(data, at)
        whole = data[at : at + length]
        require(whole[-8:] == struct.pack("<Q", xxhash.xxh3_64_intdigest(whole[:-8])), f"check of the record at {at}")
        body_end = length - 8 - path_length
        yield kind, size, mtime_ns, digest, whole[HEAD.size : body_end], whole[body_end:-8]
        at += length


def roots(files):
    """(tree root, SHA-256 root) of [(path, size, mtime_ns, digest, sha256)]; the second only where all have a SHA-256."""
    tree, everything = xxhash.xxh3_128(), hashlib.sha256(b"longhaul manifest 2 sha256\0")
    for path, size, mtime_ns, digest, sha256 in files:
        name = struct.pack("<I", len(path)) + path + struct.pack("<Q", size)
        tree.update(name + digest)
        everything.update(name + struct.pack("<q", mtime_ns) + digest + (sha256 or b""))
    count = struct.pack("<Q", len(files))
    tree.update(count)
    everything.update(count)
    return tree.digest(), everything.digest() if all(one[4] for one in files) else None


def fingerprint(key):
    return "SHA256:" + base64.urlsafe_b64encode(hashlib.sha256(DER_HEAD + key).digest()).decode().rstrip("=")


def read(data):
    """What `main` prints."""
    require(data[:8] == b"LHMANIF1", "no manifest")
    version, = struct.unpack_from("<I", data, 8)
    files, seal, ended = [], None, False
    for kind, size, mtime_ns, digest, body, path in records(data):
        require(not ended, "something stands behind the end")
        if kind in (FILE, FILE_SHA256):
            require(seal is None and len(body) == (32 if kind == FILE_SHA256 else 0), f"record of {path!r}")
            require(not files or files[-1][0] < path, "paths are not in order")
            files.append((path, size, mtime_ns, digest, body or None))
        elif kind == SEAL:
            require(seal is None and size == len(files) and len(body) in (0, 32, 128), "the seal")
            seal = {"root": digest.hex(), "sha256_root": body[:32].hex() or None, "key": body[32:64].hex() or None,
                    "signature": body[64:].hex() or None}
        else:
            require(kind == END and size == len(files), f"a record of type {kind}")
            ended = True
    require(ended, "there is no end")
    require((seal is not None) == (version == 2), "a seal belongs to version 2")
    tree, everything = roots(files)
    if seal is not None:
        require(seal["root"] == tree.hex(), "the root is wrong")
        require(seal["sha256_root"] in (None, everything and everything.hex()), "the SHA-256 root is wrong")
    signer = fingerprint(bytes.fromhex(seal["key"])) if seal and seal["key"] else None
    return {"version": version, "files": [[path.hex(), size, mtime_ns, digest.hex(), sha256 and sha256.hex()]
                                          for path, size, mtime_ns, digest, sha256 in files],
            "seal": seal, "root": tree.hex(), "sha256_root": everything and everything.hex(),
            "signed": everything and (b"longhaul manifest 2 signature\0" + everything).hex(), "signer": signer}


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as content:
        print(json.dumps(read(content.read())))
