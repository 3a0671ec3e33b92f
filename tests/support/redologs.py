"""Redologs of Bochs, built from its documentation, with extents in any order."""

from __future__ import annotations

import struct
from random import Random

SECTOR = 512
UNUSED = 0xFFFF_FFFF
MAGIC = b"Bochs Virtual HD Image"


def header(
    size: int,
    extent: int,
    entries: int,
    *,
    version: int = 0x0002_0000,
    kind: bytes = b"Redolog",
    subtype: bytes = b"Growing",
) -> bytes:
    """Return the first sector; version 1 has no room for a time stamp."""
    bitmap = -(-extent // SECTOR // 8)
    fields = struct.pack(
        "<32s16s16sIIIII", MAGIC, kind, subtype, version, SECTOR, entries, bitmap, extent
    )
    stamp = b"" if version == 0x0001_0000 else bytes(4)
    return (fields + stamp + struct.pack("<Q", size)).ljust(SECTOR, b"\0")


def redolog(content: bytes, extent: int, seed: int, *, version: int = 0x0002_0000) -> bytes:
    """Return an image that stores the sectors of ``content`` that are not zero."""
    pick = Random(seed)
    count = -(-len(content) // extent)
    order = [n for n in range(count) if any(content[n * extent : (n + 1) * extent])]
    pick.shuffle(order)
    catalog = [UNUSED] * count
    body = bytearray()
    for place, number in enumerate(order):
        catalog[number] = place
        plain = content[number * extent : (number + 1) * extent].ljust(extent, b"\0")
        body += _extent(plain)
    table = struct.pack(f"<{count}I", *catalog)
    return header(len(content), extent, count, version=version) + table + bytes(body)


def _extent(plain: bytes) -> bytes:
    sectors = [plain[at : at + SECTOR] for at in range(0, len(plain), SECTOR)]
    bits = sum(1 << number for number, sector in enumerate(sectors) if any(sector))
    size = -(-len(sectors) // 8)
    room = -(-size // SECTOR) * SECTOR
    # What was never written is not zero in the file, as after a crash.
    stored = b"".join(sector if any(sector) else b"\xee" * SECTOR for sector in sectors)
    return bits.to_bytes(size, "little").ljust(room, b"\0") + stored
