#!/usr/bin/python3
"""Prints the digest of a file as Longhaul defines it, straight from the definition (src/chunk/digest_tree.h)."""
import sys

import xxhash  # Debian: python3-xxhash

LEAF_BYTES = 256 * 1024
LEAVES_PER_NODE = 32


def root_digest(file):
    root, size = xxhash.xxh3_128(), 0
    while node := file.read(LEAF_BYTES * LEAVES_PER_NODE):
        leaves = [node[at : at + LEAF_BYTES] for at in range(0, len(node), LEAF_BYTES)]
        root.update(xxhash.xxh3_128_digest(b"".join(xxhash.xxh3_128_digest(leaf) for leaf in leaves)))
        size += len(node)
    root.update(size.to_bytes(8, "big"))
    return root.hexdigest()


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as content:
        print(root_digest(content))
