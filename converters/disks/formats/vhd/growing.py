"""Writing dynamic and differencing VHDs: blocks behind bitmaps of the sectors that are stored.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 2006,
sections "Block Allocation Table and Data Blocks" and "Implementing a Differencing Hard Disk"; for
the map of full blocks, blktap's include/vhd.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from converters.disks.formats.vhd.footer import Creator, Kind, packed_footer
from converters.disks.formats.vhd.header import SIZE, Link, bitmap_size, packed_header
from converters.disks.formats.vhd.reader import BATMAP_COOKIE, UNUSED
from converters.disks.identity import identity
from converters.disks.image import SECTOR
from converters.disks.output import Output
from converters.disks.writer import Place

FINE = 4096
HEADER_AT = SECTOR
TABLE_AT = HEADER_AT + SIZE
BATMAP_HEADER = struct.Struct(">8sQIII")
BATMAP_VERSION = 0x0001_0002


@dataclass(frozen=True, slots=True)
class Growth:
    """What is asked of a disk that grows; with a ``link`` it stores differences only."""

    size: int
    block: int
    batmap: bool
    link: Link | None


class DynamicVhdWriter:
    """Blocks in the order of the disk, each behind its bitmap.

    Without a disk below a bitmap calls all its sectors stored, and those that hold nothing stay a
    hole of the file; above another disk it calls stored what was. The data of each block begin at a
    multiple of 4 KiB, as XenServer lays them out.
    """

    unit = FINE

    def __init__(self, output: Output, growth: Growth) -> None:
        output.need_going_back()
        self._output = output
        self._growth = growth
        self._table = np.full(-(-growth.size // growth.block), UNUSED, dtype=">u4")
        self._bitmap_size = bitmap_size(growth.block)
        self._bits = np.zeros(self._bitmap_size * 8, dtype=np.uint8)
        self._number, self._data_at = -1, 0
        self._digest = sha256()
        padded = -(-self._table.nbytes // SECTOR) * SECTOR
        self._behind_table = self._end = TABLE_AT + padded
        if growth.batmap:
            self._end += SECTOR + len(self._batmap())
        self._locators_at = self._end
        if growth.link is not None:
            self._end += growth.link.room
        self._first = self._end

    def place(self, start: int, length: int) -> list[Place]:
        """Give each block that is touched the next place."""
        places = []
        stop, block = start + length, self._growth.block
        while start < stop:
            number, inside = divmod(start, block)
            if number != self._number:
                self._begin(number)
            part = min(block - inside, stop - start)
            places.append(Place(self._data_at + inside, part))
            self._bits[inside // SECTOR : -(-(inside + part) // SECTOR)] = 1
            start += part
        return places

    def finish(self) -> None:
        """Write the footer at the end, the tables, the header and the footer's copy."""
        self._close_block()
        growth, table = self._growth, self._table.tobytes()
        self._output.truncate(self._end + SECTOR)
        footer = self._footer(table)
        self._output.write(footer, self._end)
        self._output.write(table + b"\xff" * (-len(table) % SECTOR), TABLE_AT)
        if growth.batmap:
            self._write_batmap()
        if growth.link is not None:
            self._output.write(growth.link.names(), self._locators_at)
        header = packed_header(
            *(TABLE_AT, len(self._table), growth.block, growth.link, self._locators_at)
        )
        self._output.write(header, HEADER_AT)
        self._output.write(footer, 0)

    def _begin(self, number: int) -> None:
        """Give a block its place, behind the one before it."""
        self._close_block()
        before = self._end + self._bitmap_size
        self._number, self._data_at = number, -(-before // FINE) * FINE
        self._table[number] = (self._data_at - self._bitmap_size) // SECTOR
        self._end = self._data_at + self._growth.block

    def _close_block(self) -> None:
        """Write the bitmap of the last block, for the engine never comes back to it."""
        if self._number < 0:
            return
        if self._growth.link is None:
            bitmap = b"\xff" * self._bitmap_size
        else:
            bitmap = np.packbits(self._bits).tobytes()
            self._digest.update(bitmap)
            self._bits[:] = 0
        self._output.write(bitmap, self._data_at - self._bitmap_size)

    def _batmap(self) -> bytes:
        """Return a bit for each block, set for those whose sectors are all stored."""
        full = self._table != UNUSED
        if self._growth.link is not None:
            full = np.zeros(len(self._table), dtype=np.bool_)
        bits = np.packbits(full).tobytes()
        return bits.ljust(max(1, -(-len(bits) // SECTOR)) * SECTOR, b"\0")

    def _write_batmap(self) -> None:
        at, batmap = self._behind_table, self._batmap()
        checksum = ~sum(batmap) & 0xFFFF_FFFF
        header = BATMAP_HEADER.pack(
            *(BATMAP_COOKIE, at + SECTOR, len(batmap) // SECTOR, BATMAP_VERSION, checksum)
        )
        self._output.write(header.ljust(SECTOR, b"\0") + batmap, at)

    def _footer(self, table: bytes) -> bytes:
        link, size = self._growth.link, self._growth.size
        if link is not None:
            table += link.identifier + self._digest.digest()
        known = identity(self._output, self._first, size, table)
        kind = Kind.DYNAMIC if link is None else Kind.DIFFERENCING
        creator = Creator.XEN if self._growth.batmap else Creator.WINDOWS
        return packed_footer(kind, size, known, creator, header_at=HEADER_AT)
