"""VHDs by QEMU, and as other programs make them: differencing ones, old ones, and odd ones."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from tests.support.images import MIB, Variant, create, scribble, virtual_size

SECTOR = 512
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4
NO_OFFSET = 0xFFFF_FFFF_FFFF_FFFF
UNUSED = 0xFFFF_FFFF
CHILD, PARENT, NOBODY = UUID(int=0xC0FFEE), UUID(int=0xBA5E), UUID(int=0)
TABLE_AT = 1536
NAMES_AT = 0x10000
DATA_AT = 0x20000
ODD = 7 * MIB + 37 * 512
BLOCK = 2 * MIB
VARIANTS = (
    Variant("dynamic", "vpc"),
    Variant("dynamic by size", "vpc", "force_size=on"),
    Variant("fixed", "vpc", "subformat=fixed"),
    Variant("fixed by size", "vpc", "subformat=fixed,force_size=on"),
)
SIZES = (512, 4096, BLOCK - 512, BLOCK, BLOCK + 512, ODD)


def scribbled(path: Path, variant: Variant, size: int, seed: int) -> Path:
    """Make a VHD with QEMU, which may round its size up, and write to it in random order."""
    create(path, variant, size)
    scribble(path, "vpc", virtual_size(path, "vpc"), seed)
    return path


def checksummed(raw: bytes, at: int) -> bytes:
    """Return a structure with its checksum."""
    empty = raw[:at] + bytes(4) + raw[at + 4 :]
    return raw[:at] + struct.pack(">I", ~sum(empty) & 0xFFFF_FFFF) + raw[at + 4 :]


def footer(
    kind: int,
    size: int,
    *,
    application: bytes = b"win ",
    geometry: tuple[int, int, int] = (0, 0, 0),
    identifier: UUID = CHILD,
    timestamp: int = 0,
    saved: int = 0,
) -> bytes:
    """Return the 512 bytes at the end of a VHD."""
    header_at = NO_OFFSET if kind == FIXED else SECTOR
    raw = struct.pack(
        ">8sIIQI4sI4sQQHBBII16sB",
        *(b"conectix", 2, 0x10000, header_at, timestamp, application, 0x60001, b"Wi2k"),
        *(size, size, *geometry, kind, 0, identifier.bytes, saved),
    )
    return checksummed(raw.ljust(SECTOR, b"\0"), 64)


@dataclass(frozen=True, slots=True)
class Block:
    """A block and the numbers of its sectors that are stored."""

    number: int
    stored: Sequence[int]
    content: bytes

    def bitmap(self, length: int) -> bytes:
        """Return the sector bitmap, whose first bit is the highest of the first byte."""
        bits = bytearray(length)
        for sector in self.stored:
            bits[sector // 8] |= 0x80 >> sector % 8
        return bytes(bits)


@dataclass(frozen=True, slots=True)
class Growing:
    """A dynamic disk, or a differencing one when it names what lies below; blocks in any order."""

    size: int
    blocks: Sequence[Block] = ()
    block: int = 4096
    kind: int = DYNAMIC
    locators: Mapping[bytes, bytes] = field(default_factory=dict)
    parent_name: str = ""
    parent: UUID = NOBODY
    parent_timestamp: int = 0
    identifier: UUID = CHILD
    timestamp: int = 0
    batmap: bool = False

    def header(self, count: int) -> bytes:
        """Return the dynamic disk header."""
        name = self.parent_name.encode("utf-16-be", "surrogatepass")
        raw = struct.pack(
            ">8sQQIIII16sII512s",
            *(b"cxsparse", NO_OFFSET, TABLE_AT, 0x10000, count, self.block, 0),
            *(self.parent.bytes, self.parent_timestamp, 0, name),
        )
        at = NAMES_AT
        for platform, text in self.locators.items():
            raw += struct.pack(">4sIIIQ", platform, 1, len(text), 0, at)
            at += SECTOR
        return checksummed(raw.ljust(1024, b"\0"), 36)

    def packed(self) -> bytes:
        """Return the whole file."""
        count = -(-self.size // self.block)
        bitmap = -(-self.block // SECTOR // 8 // SECTOR) * SECTOR
        step = bitmap + self.block
        table = [UNUSED] * count
        data = b""
        for place, each in enumerate(self.blocks):
            table[each.number] = (DATA_AT + place * step) // SECTOR
            data += each.bitmap(bitmap) + each.content.ljust(self.block, b"\0")
        end = footer(self.kind, self.size, identifier=self.identifier, timestamp=self.timestamp)
        front = end + self.header(count) + struct.pack(f">{count}I", *table)
        if self.batmap:
            front = front.ljust(-(-len(front) // SECTOR) * SECTOR, b"\xff") + b"tdbatmap"
        front = front.ljust(NAMES_AT, b"\0")
        front += b"".join(text.ljust(SECTOR, b"\0") for text in self.locators.values())
        return front.ljust(DATA_AT, b"\0") + data + end
