"""Disk images of macOS, built from published descriptions of UDIF."""

from __future__ import annotations

import base64
import bz2
import lzma
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

SECTOR = 512
ZEROS, PLAIN, IGNORED = 0, 1, 2
ADC, ZLIB, BZIP2, LZFSE, LZMA = range(0x8000_0004, 0x8000_0009)
COMMENT, LAST = 0x7FFF_FFFE, 0xFFFF_FFFF
EMPTY = {ZEROS, IGNORED, COMMENT, LAST}

LIST = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList.dtd">
<plist version="1.0">
<dict>
\t<key>resource-fork</key>
\t<dict>
\t\t<key>blkx</key>
\t\t<array>
{tables}\t\t</array>
\t\t<key>plst</key>
\t\t<array>
\t\t\t<dict>
\t\t\t\t<key>Attributes</key>
\t\t\t\t<string>0x0050</string>
\t\t\t\t<key>Data</key>
\t\t\t\t<data>AAAAAA==</data>
\t\t\t</dict>
\t\t</array>
\t</dict>
</dict>
</plist>
"""
TABLE = """\t\t\t<dict>
\t\t\t\t<key>Attributes</key>
\t\t\t\t<string>0x0050</string>
\t\t\t\t<key>CFName</key>
\t\t\t\t<string>part {number}</string>
\t\t\t\t<key>Data</key>
\t\t\t\t<data>
{data}\t\t\t\t</data>
\t\t\t\t<key>ID</key>
\t\t\t\t<string>{number}</string>
\t\t\t</dict>
"""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some sectors; ``packed`` is what the file holds for them."""

    kind: int
    sectors: int
    packed: bytes


def chunk(kind: int, plain: bytes) -> Chunk:
    """Pack sectors in one way."""
    return Chunk(kind, len(plain) // SECTOR, b"" if kind in EMPTY else _packed(kind, plain))


def _packed(kind: int, plain: bytes) -> bytes:
    match kind:
        case _ if kind == PLAIN:
            return plain
        case _ if kind == ADC:
            return adc(plain)
        case _ if kind == ZLIB:
            return zlib.compress(plain)
        case _ if kind == BZIP2:
            return bz2.compress(plain)
        case _ if kind == LZMA:
            return lzma.compress(plain)
    packed: bytes = import_module("lzfse").compress(plain)
    return packed


def adc(plain: bytes) -> bytes:
    """Pack with steps of all three kinds, copying from one of four distances where it can."""
    found, at = bytearray(), 0
    literal = bytearray()
    while at < len(plain):
        distance, count = max(
            ((near, _same(plain, at, near)) for near in (1, 4, 512, 5000)), key=lambda each: each[1]
        )
        if count < 4:
            literal.append(plain[at])
            at += 1
        if literal and (count >= 4 or len(literal) == 128 or at == len(plain)):
            found += bytes([0x80 | (len(literal) - 1)]) + literal
            literal.clear()
        if count >= 4:
            found += _copy(distance - 1, count)
            at += count
    return bytes(found)


def _same(plain: bytes, at: int, distance: int) -> int:
    """Return how many bytes, up to 67, are those ``distance`` before them."""
    count = 0
    most = min(67, len(plain) - at) if distance <= at else 0
    while count < most and plain[at + count] == plain[at + count - distance]:
        count += 1
    return count


def _copy(back: int, count: int) -> bytes:
    if count <= 18 and back < 1024:
        return bytes([(count - 3) << 2 | back >> 8, back & 0xFF])
    return bytes([0x40 | (count - 4)]) + back.to_bytes(2, "big")


def mish(first: int, chunks: Sequence[Chunk], at: int, *, base: int = 0) -> bytes:
    """Return a table of chunks, whose data begins ``at`` bytes into the data fork."""
    sectors = sum(each.sectors for each in chunks)
    head = struct.pack(">4sIQQQII", b"mish", 1, first, sectors, base, 0x208, 0)
    entries, start = b"", 0
    for each in chunks:
        entries += struct.pack(">IIQQQQ", each.kind, 0, start, each.sectors, at, len(each.packed))
        at, start = at + len(each.packed), start + each.sectors
    entries += struct.pack(">IIQQQQ", LAST, 0, start, 0, at, 0)
    count = struct.pack(">I", len(chunks) + 1)
    return head.ljust(64, b"\0") + bytes(136) + count + entries


def koly(
    size: int,
    data: tuple[int, int],
    fork: tuple[int, int] = (0, 0),
    listing: tuple[int, int] = (0, 0),
    *,
    version: int = 4,
    segments: int = 1,
) -> bytes:
    """Return a trailer."""
    raw = struct.pack(">4sIII Q4QII", b"koly", version, 512, 1, 0, *data, *fork, 1, segments)
    raw = raw.ljust(216, b"\0") + struct.pack(">QQ", *listing)
    return (raw.ljust(488, b"\0") + struct.pack(">IQ", 1, size // SECTOR)).ljust(512, b"\0")


def listed(tables: Sequence[bytes]) -> bytes:
    """Return a property list with these tables, as Apple's tools lay it out."""
    text = ""
    for number, table in enumerate(tables):
        lines = base64.encodebytes(table).decode().splitlines()
        data = "".join(f"\t\t\t\t{line}\n" for line in lines)
        text += TABLE.format(number=number, data=data)
    return LIST.format(tables=text).encode()


def forked(tables: Sequence[bytes]) -> bytes:
    """Return a resource fork with these tables and one of another type before them."""
    resources = [b"\0\0", *tables]
    data, places = b"", []
    for each in resources:
        places.append(len(data))
        data += struct.pack(">I", len(each)) + each
    types = struct.pack(">H4sHH4sHH", 1, b"plst", 0, 18, b"blkx", len(tables) - 1, 30)
    references = b"".join(struct.pack(">HHII", 0, 0xFFFF, place, 0) for place in places)
    listing = types + references
    size = 28 + len(listing)
    head = struct.pack(">IIII", 256, 256 + len(data), len(data), size)
    return head.ljust(256, b"\0") + data + head + bytes(8) + struct.pack(">HH", 28, size) + listing


def dmg(partitions: Sequence[Sequence[Chunk]], *, fork: bool = False, lead: bytes = b"") -> bytes:
    """Return an image of partitions, one behind the other; ``lead`` precedes the data fork."""
    data, tables, first = b"", [], 0
    for number, chunks in enumerate(partitions):
        base = len(data) if number % 2 else 0
        tables.append(mish(first, chunks, len(data) - base, base=base))
        data += b"".join(each.packed for each in chunks)
        first += sum(each.sectors for each in chunks)
    listing = forked(tables) if fork else listed(tables)
    place = (len(lead) + len(data), len(listing))
    places = (place, (0, 0)) if fork else ((0, 0), place)
    trailer = koly(first * SECTOR, (len(lead), len(data)), *places)
    return lead + data + listing + trailer
