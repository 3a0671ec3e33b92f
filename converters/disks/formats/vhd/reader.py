"""Reading VHD: a fixed disk is its file, a dynamic one a table of blocks with sector bitmaps.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 2006,
sections "Block Allocation Table and Data Blocks" and "Implementing a Differencing Hard Disk".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from converters.disks.formats.vhd.footer import Footer, Found, Kind, identifier_of
from converters.disks.formats.vhd.header import Header
from converters.disks.holes import Holes, stored_runs
from converters.disks.image import PARENT, SECTOR, ZERO, Facts, Image, Run, Source
from converters.disks.tables import ABSENT, Positions, check_unshared, read_table, stretches
from rehost.errors import DamagedInputError
from rehost.files import File

UNUSED = 0xFFFF_FFFF
ALL_STORED = 0xFF
BATMAP_COOKIE = b"tdbatmap"


class FixedVhd:
    """A disk byte for byte, with a footer behind it."""

    parent = None

    def __init__(self, file: File, found: Found) -> None:
        self.size = found.footer.size
        if self.size > found.end:
            raise DamagedInputError(
                f"the fixed VHD is cut short ({found.end} bytes, should be {self.size})",
                where=file.name,
                hint="Copy the file again.",
            )
        self._file = file
        self.facts = Facts("vhd", "fixed", _details(found.footer), found.oddities)

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the stretches between the file's holes."""
        return stored_runs(self._file, start, min(stop, self.size))


class DynamicVhd:
    """A disk of blocks, each with a bitmap of the sectors that are stored in it.

    Where a sector is not stored, a dynamic disk reads zeros and a differencing one its parent.
    XenServer's second map of blocks that are full ("batmap") says nothing the bitmaps do not say.
    """

    def __init__(self, file: File, found: Found, header: Header, parent: Image | None) -> None:
        self.parent = parent
        self.size = found.footer.size
        self._file = file
        self._header = header
        self._holes = Holes(file)
        self._full = bytes([ALL_STORED]) * -(-header.block // SECTOR // 8)
        self._absent: Source = ZERO if parent is None else PARENT
        self._step = header.bitmap + header.block
        self._blocks = self._read_table()
        self.facts = _facts(file, found, header, parent)

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield what the blocks between two offsets hold."""
        for run in self._runs_of_blocks(start, stop):
            if run.start < stop and run.stop > start:
                yield run

    def _runs_of_blocks(self, start: int, stop: int) -> Iterator[Run]:
        block = self._header.block
        first, last = start // block, -(-min(stop, self.size) // block)
        for number, count, at in stretches(self._blocks[first:last], self._step):
            begin = (first + number) * block
            if at == ABSENT:
                end = min(begin + count * block, self.size)
                yield Run(begin, end - begin, self._absent)
                continue
            for index in range(count):
                yield from self._block_runs(begin + index * block, at + index * self._step)

    def _read_table(self) -> Positions:
        header, file = self._header, self._file
        needed = -(-self.size // header.block)
        if header.blocks < needed:
            raise DamagedInputError(
                f"the VHD block allocation table is too small for the disk "
                f"({header.blocks} entries, should be {needed})",
                where=file.name,
            )
        entries = read_table(file, header.table_at, needed, ">u4", "VHD block allocation table")
        blocks: Positions = entries.astype(np.int64) * SECTOR
        blocks[entries == UNUSED] = ABSENT
        check_unshared(blocks, "VHD block", file.name)
        self._check_places(np.sort(blocks[blocks != ABSENT]))
        return blocks

    def _check_places(self, places: Positions) -> None:
        """Refuse blocks that overlap: a small file would be an endless disk."""
        if not len(places):
            return
        close = np.flatnonzero(np.diff(places) < self._step)
        if len(close):
            raise DamagedInputError(
                f"two VHD blocks overlap (at {places[close[0]]} and {places[close[0] + 1]})",
                where=self._file.name,
            )
        if places[-1] >= self._file.size:
            raise DamagedInputError(
                f"the VHD is cut short (a block lies at {places[-1]}, "
                f"the file ends at {self._file.size})",
                where=self._file.name,
                hint="Copy the file again.",
            )

    def _block_runs(self, begin: int, at: int) -> Iterator[Run]:
        sectors = min(self._header.block, self.size - begin) // SECTOR
        data = at + self._header.bitmap
        # Most blocks are full, so that is looked at before anything else is made of the bitmap.
        if self._file.pread(at, -(-sectors // 8)) == self._full[: -(-sectors // 8)]:
            yield from self._holes.runs(begin, data, sectors * SECTOR)
            return
        bitmap = read_table(self._file, at, -(-sectors // 8), "u1", "VHD sector bitmap")
        stored = np.unpackbits(bitmap)[:sectors]
        places = np.where(stored, data + np.arange(sectors) * SECTOR, ABSENT)
        for number, count, place in stretches(places, SECTOR):
            start, length = begin + number * SECTOR, count * SECTOR
            if place == ABSENT:
                yield Run(start, length, self._absent)
            else:
                yield from self._holes.runs(start, place, length)


def _facts(file: File, found: Found, header: Header, parent: Image | None) -> Facts:
    details = _details(found.footer)
    details["blockSize"] = header.block
    behind = -(-(header.table_at + header.blocks * 4) // SECTOR) * SECTOR
    details["batmap"] = file.pread(behind, len(BATMAP_COOKIE)) == BATMAP_COOKIE
    oddities = found.oddities
    if parent is not None:
        details["parentName"] = header.parent_name
        details["parentIdentifier"] = identifier_of(header.parent_identifier)
        details["parentTimestamp"] = header.parent_timestamp
        if header.parent_timestamp != (real := parent.facts.details["timestamp"]):
            oddities += (
                f"the disk below it was changed or copied since (its timestamp is {real}, "
                f"should be {header.parent_timestamp})",
            )
    return Facts("vhd", Kind(found.footer.kind).name.lower(), details, oddities)


def _details(footer: Footer) -> dict[str, object]:
    version = footer.application_version
    return {
        "creatorApplication": footer.application.decode("latin-1").rstrip(" \0"),
        "creatorVersion": f"{version >> 16}.{version & 0xFFFF}",
        "creatorHost": footer.host.decode("latin-1").rstrip(" \0"),
        "identifier": identifier_of(footer.identifier),
        "timestamp": footer.timestamp,
        "originalSize": footer.original_size,
        "currentSize": footer.current_size,
        "geometry": [footer.cylinders, footer.heads, footer.sectors],
        "temporary": bool(footer.features & 1),
        "savedState": bool(footer.saved),
    }
