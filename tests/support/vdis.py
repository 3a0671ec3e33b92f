"""VDIs as VirtualBox makes them and QEMU does not: differencing ones, old ones, wide blocks.

Nothing here is shared with the code under test.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

DYNAMIC, FIXED, UNDO, DIFFERENCING = 1, 2, 3, 4
DISCARDED, UNUSED = 0xFFFF_FFFE, 0xFFFF_FFFF
BASE, BASE_CHANGE, CHILD, CHILD_CHANGE = (UUID(int=number) for number in (11, 12, 21, 22))
NOBODY = UUID(int=0)
EDGE = 4096


@dataclass(frozen=True, slots=True)
class Vdi:
    """A VDI; ``blocks`` maps the number of a block to its bytes, in their order in the file."""

    size: int
    blocks: Mapping[int, bytes] = field(default_factory=dict)
    discarded: tuple[int, ...] = ()
    block: int = EDGE
    extra: int = 0
    kind: int = DYNAMIC
    identifier: UUID = BASE
    modification: UUID = BASE_CHANGE
    parent: UUID = NOBODY
    parent_modification: UUID = NOBODY

    def map(self) -> bytes:
        """Return the map of blocks."""
        entries = [UNUSED] * -(-self.size // self.block)
        for number in self.discarded:
            entries[number] = DISCARDED
        for place, number in enumerate(self.blocks):
            entries[number] = place
        return struct.pack(f"<{len(entries)}I", *entries)

    def data(self) -> bytes:
        """Return the blocks, each behind its prefix."""
        return b"".join(
            b"!" * self.extra + content.ljust(self.block, b"\0") for content in self.blocks.values()
        )

    def packed(self) -> bytes:
        """Return the whole file, of version 1.1."""
        table = self.map()
        begin = 512 + -(-len(table) // 512) * 512
        ids = (self.identifier, self.modification, self.parent, self.parent_modification)
        raw = struct.pack(
            "<64s4sIIII256sIIIIIIIQIIII",
            *(b"<<< Oracle VM VirtualBox Disk Image >>>\n", b"\x7f\x10\xda\xbe", 0x10001),
            *(400, self.kind, 0, b"", 512, begin, 0, 0, 0, 512, 0, self.size),
            *(self.block, self.extra, len(table) // 4, len(self.blocks)),
        )
        raw += b"".join(each.bytes_le for each in ids)
        return (raw.ljust(512, b"\0") + table).ljust(begin, b"\0") + self.data()

    def packed_old(self) -> bytes:
        """Return the whole file, of version 0.1."""
        table = self.map()
        raw = struct.pack(
            "<64s4sIII256sIIIIQIII",
            *(b"<<< InnoTek VirtualBox Disk Image >>>\n", b"\x7f\x10\xda\xbe", 1),
            *(self.kind, 0, b"old", 0, 0, 0, 512, self.size, self.block),
            *(len(table) // 4, len(self.blocks)),
        )
        ids = (self.identifier, self.modification, self.parent)
        return raw + b"".join(each.bytes_le for each in ids) + table + self.data()

    def over(self, base: bytes) -> bytes:
        """Return what the guest sees above a disk with this content."""
        content = bytearray(base.ljust(self.size, b"\0")[: self.size])
        for number in self.discarded:
            content[number * self.block : (number + 1) * self.block] = bytes(self.block)
        for number, block in self.blocks.items():
            at = number * self.block
            content[at : at + self.block] = block.ljust(self.block, b"\0")
        return bytes(content[: self.size])
