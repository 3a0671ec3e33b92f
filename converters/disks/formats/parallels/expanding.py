"""The expanding image of Parallels: one table of blocks, in any order.

Source: QEMU, "docs/interop/parallels.txt". All integers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from converters.disks.formats.parallels import MAGICS, OLD
from converters.disks.image import (
    LARGEST_DISK,
    SECTOR,
    ZERO,
    Facts,
    Image,
    Parent,
    Run,
    Source,
    Stored,
    Zero,
)
from converters.disks.tables import ABSENT, Positions, read_table, stretches
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

VERSION = 2
MOST_TRACKS = ((1 << 31) - 1) // 513
IN_USE = 0x746F_6E59
CLOSED = (0, 0x312E_3276)
EMPTY = 1
MOST_ENTRIES = 1 << 18


@dataclass(frozen=True, slots=True)
class Header:
    """What the first 64 bytes say; ``tracks`` is the size of a block in sectors."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<16sIIIIIQIIIQ")

    magic: bytes
    version: int
    heads: int
    cylinders: int
    tracks: int
    entries: int
    sectors: int
    in_use: int
    data_at: int
    flags: int
    extension_at: int

    @classmethod
    def read(cls, file: File) -> Header:
        """Read and check a header."""
        raw = file.pread(0, cls.LAYOUT.size)
        if raw[:16] not in MAGICS:
            raise DamagedInputError(f"no Parallels header (found {raw[:16]!r})", where=file.name)
        if len(raw) < cls.LAYOUT.size:
            raise DamagedInputError(
                f"the Parallels header is cut short ({len(raw)} bytes, should be "
                f"{cls.LAYOUT.size})",
                where=file.name,
            )
        header = cls(*cls.LAYOUT.unpack(raw))
        header._check(file.name)
        return header

    @property
    def size(self) -> int:
        """The size of the disk; in old images only the lower half of its field counts."""
        return (self.sectors & 0xFFFF_FFFF if self.magic == OLD else self.sectors) * SECTOR

    @property
    def block(self) -> int:
        """The size of a block in bytes."""
        return self.tracks * SECTOR

    @property
    def unit(self) -> int:
        """What entries of the table count: sectors in old images, else blocks."""
        return SECTOR if self.magic == OLD else self.block

    def _check(self, where: str) -> None:
        if self.version != VERSION:
            raise UnsupportedInputError(
                f"the Parallels image has an unknown version ({self.version})", where=where
            )
        if not 0 < self.tracks <= MOST_TRACKS:
            raise DamagedInputError(
                f"the Parallels block size is impossible ({self.tracks} sectors)", where=where
            )
        if self.size > LARGEST_DISK:
            raise DamagedInputError(
                f"the Parallels disk's size is impossible ({self.size // SECTOR} sectors)",
                where=where,
            )
        if self.entries * self.block < self.size:
            raise DamagedInputError(
                f"the Parallels block table is too small for the disk ({self.entries} entries, "
                f"should be {-(-self.size // self.block)})",
                where=where,
            )


class Expanding:
    """A disk of blocks that are stored somewhere, or absent.

    ``absent`` is what the others are: zeros, or those of the image below, where this one is a
    layer of a described disk.
    """

    parent: Image | None = None

    def __init__(self, file: File, absent: Zero | Parent = ZERO) -> None:
        self.header = Header.read(file)
        self.size = self.header.size
        self.facts = _facts(self.header)
        self._file = file
        self._absent = absent
        self._check_table()

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the blocks between two offsets."""
        block = self.header.block
        first, last = start // block, -(-min(stop, self.size) // block)
        for part in range(first, last, MOST_ENTRIES):
            positions = self._positions(part, min(MOST_ENTRIES, last - part))
            for number, count, at in stretches(positions, block):
                begin = (part + number) * block
                source: Source = self._absent if at == ABSENT else Stored(self._file, at)
                yield Run(begin, min(count * block, self.size - begin), source)

    def _positions(self, first: int, count: int) -> Positions:
        at = Header.LAYOUT.size + first * 4
        entries = read_table(self._file, at, count, "<u4", "Parallels block table")
        positions: Positions = entries.astype(np.int64) * self.header.unit
        positions[entries == 0] = ABSENT
        return positions

    def _check_table(self) -> None:
        """Refuse blocks that overlap each other or the table, or lie behind the file's end."""
        header, name = self.header, self._file.name
        needed, unit = -(-self.size // header.block), header.unit
        at = Header.LAYOUT.size
        entries = np.sort(read_table(self._file, at, needed, "<u4", "Parallels block table"))
        used = entries[np.searchsorted(entries, 1) :]
        if not len(used):
            return
        if (first := int(used[0]) * unit) < at + needed * 4:
            raise DamagedInputError(
                "a Parallels block lies inside the block table", where=f"{name} at {first}"
            )
        close = np.flatnonzero(np.diff(used) < header.block // unit)
        if len(close):
            raise DamagedInputError(
                "Parallels blocks overlap", where=f"{name} at {int(used[close[0] + 1]) * unit}"
            )
        if (last := int(used[-1]) * unit) >= self._file.size:
            raise DamagedInputError(
                f"a Parallels block lies behind the end of the file (which is at "
                f"{self._file.size})",
                where=f"{name} at {last}",
                hint="The file is cut short; copy it again.",
            )


def _facts(header: Header) -> Facts:
    details: dict[str, object] = {
        "version": header.version,
        "magic": header.magic.decode("ascii"),
        "blockSize": header.block,
        "extensionAt": header.extension_at * SECTOR or None,
    }
    oddities = []
    if header.in_use == IN_USE:
        oddities.append("the image was not closed: what was written last may be missing")
    elif header.in_use not in CLOSED:
        oddities.append(f"the mark of an open image has an unknown value ({header.in_use:#x})")
    if header.flags & EMPTY:
        oddities.append("the image is marked empty; its blocks are read all the same")
    if header.extension_at:
        oddities.append("the format extension, which may hold dirty bitmaps, is not read")
    return Facts("parallels", "expanding", details, tuple(oddities))
