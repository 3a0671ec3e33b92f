"""Sparse extents of a VMDK: growing ones, and the compressed ones of streams.

Source: VMware, "Virtual Disk Format 5.0", sections "Hosted Sparse Extent Metadata" and
"Stream-Optimized Compressed Sparse Extents"; libvmdk's description. All integers are
little-endian, all offsets in sectors of 512 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from converters.disks.image import LARGEST_DISK, PARENT, SECTOR, ZERO, Packed, Run, Stored
from converters.disks.inflate import inflate_zlib
from converters.disks.tables import (
    ABSENT,
    PACKED,
    ZEROED,
    Positions,
    check_unshared,
    read_table,
    stretches,
)
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

MAGIC = b"KDMV"
AT_END = 0xFFFF_FFFF_FFFF_FFFF
FOOTER_MARKER = 3
LARGEST_GRAIN = 2 << 20
TRAILING = 1 << 20
NEWLINES = b"\n \r\n"
ZEROED_ENTRY = 1
MARKER = struct.Struct("<QI")
SLACK = 1024

NEWLINE_TEST = 1 << 0
REDUNDANT_TABLES = 1 << 1
ZEROED_GRAINS = 1 << 2
COMPRESSED = 1 << 16
MARKERS = 1 << 17


@dataclass(frozen=True, slots=True)
class Header:
    """The first sector of a sparse extent, or the footer that replaces it."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<4sIIQQQQIQQQB4sH")

    version: int
    flags: int
    capacity: int
    grain: int
    descriptor_at: int
    descriptor_size: int
    entries_per_table: int
    redundant_at: int
    directory_at: int
    overhead: int
    unclean: int
    newlines: bytes
    compression: int

    @classmethod
    def parse(cls, sector: bytes, where: str) -> Header:
        """Read a header, refusing what no disk could have."""
        if len(sector) < SECTOR:
            raise DamagedInputError(
                f"the VMDK header is cut short ({len(sector)} bytes, should be {SECTOR})",
                where=where,
            )
        magic, *rest = cls.LAYOUT.unpack_from(sector)
        header = cls(*rest)
        if magic != MAGIC:
            raise DamagedInputError(f"no VMDK header (found {magic!r})", where=where)
        header._check(where)
        return header

    def packed(self) -> bytes:
        """Return the sector that says all this."""
        return self.LAYOUT.pack(MAGIC, *astuple(self)).ljust(SECTOR, b"\0")

    def _check(self, where: str) -> None:
        if not 1 <= self.version <= 3:
            raise UnsupportedInputError(
                f"the sparse VMDK has an unknown version ({self.version})", where=where
            )
        if self.flags & NEWLINE_TEST and self.newlines != NEWLINES:
            raise DamagedInputError(
                f"the VMDK was transferred as text (its newlines became {self.newlines!r})",
                where=where,
                hint="Copy it again in binary mode.",
            )
        grain = self.grain * SECTOR
        if not 0 < grain <= LARGEST_GRAIN or grain & (grain - 1):
            raise DamagedInputError(
                f"the VMDK's grain size is impossible ({self.grain} sectors)", where=where
            )
        if not 0 < self.entries_per_table <= 1 << 20:
            raise DamagedInputError(
                f"the VMDK's grain tables have an impossible size ({self.entries_per_table})",
                where=where,
            )
        if self.capacity * SECTOR > LARGEST_DISK:
            raise DamagedInputError(
                f"the VMDK's capacity is impossible ({self.capacity} sectors)", where=where
            )
        if self.flags & COMPRESSED and self.compression != 1:
            raise UnsupportedInputError(
                f"the VMDK's compression is not known (algorithm {self.compression})", where=where
            )


class SparseExtent:
    """One sparse extent: a grain directory of grain tables of grains."""

    def __init__(self, file: File) -> None:
        self.file = file
        first = Header.parse(file.pread(0, SECTOR), file.name)
        self.header = _footer(file, first) if first.directory_at == AT_END else first
        self.size = self.header.capacity * SECTOR
        self._grain = self.header.grain * SECTOR
        self._span = self._grain * self.header.entries_per_table
        self._directory = self._read_directory()
        marked = bool(self.header.flags & MARKERS)
        self._unpack = partial(_unpack_marked if marked else _unpack_bare, self._grain)

    def descriptor(self) -> bytes:
        """Return the embedded descriptor, empty if there is none."""
        length = min(self.header.descriptor_size * SECTOR, TRAILING)
        return self.file.pread(self.header.descriptor_at * SECTOR, length) if length else b""

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the grains between two offsets; an absent grain is the parent's to say."""
        first, last = start // self._span, -(-min(stop, self.size) // self._span)
        for number, count, at in stretches(self._directory[first:last], 0):
            begin = (first + number) * self._span
            if at <= 0:
                end = min(begin + count * self._span, self.size)
                yield Run(begin, end - begin, PARENT)
                continue
            for table in range(first + number, first + number + count):
                yield from self._table_runs(table, at, start, stop)

    def _read_directory(self) -> Positions:
        count = -(-self.size // self._span)
        at = self.header.directory_at * SECTOR
        directory = read_table(self.file, at, count, "<u4", "grain directory").astype(np.int64)
        check_unshared(directory, "grain table", self.file.name)
        return directory

    def _table_runs(self, table: int, at: int, start: int, stop: int) -> Iterator[Run]:
        begin = table * self._span
        entries = read_table(
            self.file, at * SECTOR, self.header.entries_per_table, "<u4", "grain table"
        )
        self._check_inside(entries)
        first = max(0, (start - begin) // self._grain)
        last = -(-(min(stop, self.size, begin + self._span) - begin) // self._grain)
        positions = self._positions(entries[first:last])
        bounds = self._bounds(entries) if self.header.flags & COMPRESSED else None
        for index, count, position in stretches(positions, self._grain):
            offset = begin + (first + index) * self._grain
            length = min(count * self._grain, self.size - offset)
            if position == ABSENT:
                yield Run(offset, length, PARENT)
            elif position == ZEROED:
                yield Run(offset, length, ZERO)
            elif bounds is None:
                yield Run(offset, length, Stored(self.file, position))
            else:
                place = int(entries[first + index]) * SECTOR
                bound = int(bounds[first + index])
                unpack = partial(self._unpack, length)
                yield Run(offset, length, Packed(self.file, place, bound, unpack))

    def _check_inside(self, entries: npt.NDArray[np.uint32]) -> None:
        farthest = int(entries.max()) * SECTOR
        if farthest >= self.file.size:
            raise DamagedInputError(
                f"the VMDK is cut short (a grain lies at {farthest}, "
                f"the file ends at {self.file.size})",
                where=self.file.name,
                hint="Copy the file again.",
            )

    def _positions(self, entries: npt.NDArray[np.uint32]) -> Positions:
        positions = entries.astype(np.int64) * SECTOR
        positions[entries == 0] = ABSENT
        if self.header.flags & ZEROED_GRAINS:
            positions[entries == ZEROED_ENTRY] = ZEROED
        if self.header.flags & COMPRESSED:
            positions[positions >= 0] = PACKED
        return positions

    def _bounds(self, entries: npt.NDArray[np.uint32]) -> Positions:
        """Return how many bytes each packed grain may occupy: up to the next grain in the file."""
        places = entries.astype(np.int64) * SECTOR
        order = np.sort(places)
        following = np.searchsorted(order, places, side="right")
        order = np.append(order, np.int64(1 << 62))
        most = self._grain + (self._grain >> 3) + SLACK
        bounds: Positions = np.minimum(order[following] - places, most)
        return bounds


def _unpack_marked(grain: int, length: int, stored: bytes | memoryview) -> bytes | bytearray:
    """Inflate a grain behind its marker, which says how many bytes are stored."""
    if len(stored) < MARKER.size:
        raise ValueError("the grain marker is cut short")
    _, size = MARKER.unpack_from(stored)
    if size > len(stored) - MARKER.size:
        raise ValueError(f"its marker says {size} bytes, {len(stored) - MARKER.size} are there")
    return _unpack_bare(grain, length, memoryview(stored)[MARKER.size : MARKER.size + size])


def _unpack_bare(grain: int, length: int, stored: bytes | memoryview) -> bytes | bytearray:
    """Inflate a grain; the one at the disk's end may hold more than the disk, never less."""
    return inflate_zlib(stored, length, most=grain)


def _footer(file: File, header: Header) -> Header:
    """Find the footer of a stream, which ends with it and an end-of-stream marker.

    Some writers pad the file behind the marker, so it is looked for in the last MiB.
    """
    begin = max(0, file.size - file.size % SECTOR - TRAILING)
    tail = file.pread(begin, TRAILING)
    at = len(tail)
    while (at := tail.rfind(MAGIC, 0, at)) > 0:
        marker = tail[at - SECTOR : at]
        if at % SECTOR == 0 and marker[:16] == struct.pack("<QII", 1, 0, FOOTER_MARKER):
            return Header.parse(tail[at : at + SECTOR], f"{file.name} at {begin + at}")
    raise DamagedInputError(
        f"the stream-optimized VMDK has no footer (the file ends at {file.size}, "
        f"the disk has {header.capacity} sectors)",
        where=file.name,
        hint="The file is cut short; copy it again.",
    )
