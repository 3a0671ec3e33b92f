"""cloop images, built from the format's description: any block size, any blocks."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

SCRIPT = (
    b"#!/bin/sh\n#V2.0 Format\n"
    b"modprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\nexit $?\n"
)


def cloop_of(blocks: Sequence[bytes], size: int, *, script: bytes = SCRIPT) -> bytes:
    """Return an image of packed blocks that are said to have ``size`` bytes each."""
    offsets = [136 + 8 * (len(blocks) + 1)]
    for block in blocks:
        offsets.append(offsets[-1] + len(block))
    table = struct.pack(f">{len(offsets)}Q", *offsets)
    return (
        script.ljust(128, b"\0") + struct.pack(">II", size, len(blocks)) + table + b"".join(blocks)
    )


def cloop(content: bytes, size: int, level: int = 6) -> bytes:
    """Return an image of ``content``, its last block filled up with zeros."""
    blocks = [
        zlib.compress(content[at : at + size].ljust(size, b"\0"), level)
        for at in range(0, len(content), size)
    ]
    return cloop_of(blocks, size)
