"""Giving the blocks of a new VHDX room, and writing the table that finds them.

The table goes out in parts while the disk goes by, so memory does not grow with it. Above another
disk each chunk of blocks has a bitmap of the sectors that are stored, before the first of them.

Source: [MS-VHDX], sections "Block Allocation Table (BAT)" and "Sector Bitmap Blocks".
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from converters.disks.formats.vhdx.header import MIB, Region
from converters.disks.formats.vhdx.metadata import BITS_OF_BITMAP, Metadata
from converters.disks.formats.vhdx.table import (
    BITMAP_PRESENT,
    FULLY_PRESENT,
    PART,
    PARTIALLY_PRESENT,
    Entries,
)
from converters.disks.output import Output

ALL_ZERO = 2


class Allocation:
    """Blocks in the order in which they come; ``end`` is where the file ends so far."""

    def __init__(self, output: Output, place: Region, metadata: Metadata, *, zero: bool) -> None:
        self._output = output
        self._place = place
        self._metadata = metadata
        self._absent = ALL_ZERO if zero else 0
        self._part = 0
        self._entries = self._empty_part()
        self.end = sum(place)

    def room(self, number: int, begin: int, stop: int) -> int:
        """Return where a block lies of which the disk's bytes ``begin`` to ``stop`` come."""
        del begin, stop
        self._set(number + number // self._metadata.chunk, self.end | FULLY_PRESENT)
        return self._take(self._metadata.block)

    def finish(self) -> bytes:
        """Write what is left of the table, and return what tells it from others."""
        self._flush(self._part + 1)
        while self._absent and self._part * PART < self._metadata.entries:
            self._flush(self._part + 1)
        return b""

    def _take(self, length: int) -> int:
        self.end += length
        return self.end - length

    def _set(self, index: int, entry: int) -> None:
        part = index // PART
        while part > self._part:
            # What is never touched is a hole of the file, and a hole is an entry of zero.
            self._flush(self._part + 1 if self._absent else part)
        self._entries[index % PART] = entry

    def _empty_part(self) -> Entries:
        count = max(0, min(PART, self._metadata.entries - self._part * PART))
        entries: Entries = np.full(count, self._absent, dtype="<u8")
        if self._absent:
            step = self._metadata.chunk + 1
            indices = np.arange(self._part * PART, self._part * PART + count)
            entries[indices % step == step - 1] = 0
        return entries

    def _flush(self, following: int) -> None:
        """Write the part of the table that is full, for the engine never comes back to it."""
        self._output.write(self._entries.tobytes(), self._place.offset + self._part * PART * 8)
        self._part = following
        self._entries = self._empty_part()


class FixedAllocation(Allocation):
    """Blocks that follow each other and are all there from the beginning."""

    def room(self, number: int, begin: int, stop: int) -> int:
        """Return where a block lies."""
        del begin, stop
        return self.end + number * self._metadata.block

    def finish(self) -> bytes:
        """Write a table in which the places of bitmaps stay empty."""
        step, block = self._metadata.chunk + 1, self._metadata.block
        for begin in range(0, self._metadata.entries, PART):
            indices = np.arange(begin, min(begin + PART, self._metadata.entries))
            numbers = indices - indices // step
            entries = self.end + numbers * block | FULLY_PRESENT
            entries[indices % step == step - 1] = 0
            self._output.write(entries.astype("<u8").tobytes(), self._place.offset + begin * 8)
        self.end += self._metadata.blocks * block
        return b""


class DifferencingAllocation(Allocation):
    """Blocks of which only some sectors are there, which the bitmap of their chunk says."""

    def __init__(self, output: Output, place: Region, metadata: Metadata) -> None:
        super().__init__(output, place, metadata, zero=False)
        self._sectors = metadata.block // metadata.logical
        self._bits = np.zeros(BITS_OF_BITMAP, dtype=np.uint8)
        self._chunk = self._number = -1
        self._bitmap_at = self._block_at = 0
        self._digest = sha256()

    def room(self, number: int, begin: int, stop: int) -> int:
        """Return where a block lies, and note in its bitmap the sectors that come."""
        if number != self._number:
            self._begin(number)
        first = self._first_bit()
        sector, start = self._metadata.logical, number * self._metadata.block
        self._bits[first + (begin - start) // sector : first - (start - stop) // sector] = 1
        return self._block_at

    def finish(self) -> bytes:
        """Close the last chunk, too."""
        self._close_chunk()
        super().finish()
        return self._digest.digest()

    def _begin(self, number: int) -> None:
        self._close_block()
        self._number = -1
        chunk = number // self._metadata.chunk
        if chunk != self._chunk:
            self._close_chunk()
            self._chunk, self._bitmap_at = chunk, self._take(MIB)
        self._number, self._block_at = number, self._take(self._metadata.block)

    def _first_bit(self) -> int:
        return self._number % self._metadata.chunk * self._sectors

    def _close_block(self) -> None:
        """Note whether all sectors of a block came; the disk's last may have fewer."""
        if self._number < 0:
            return
        number, metadata = self._number, self._metadata
        length = min(metadata.block, metadata.size - number * metadata.block)
        first = self._first_bit()
        whole = self._bits[first : first + length // metadata.logical].all()
        state = FULLY_PRESENT if whole else PARTIALLY_PRESENT
        self._set(number + number // metadata.chunk, self._block_at | state)

    def _close_chunk(self) -> None:
        if self._chunk < 0:
            return
        self._close_block()
        self._number = -1
        bitmap = np.packbits(self._bits, bitorder="little").tobytes()
        self._digest.update(bitmap)
        self._output.write(bitmap, self._bitmap_at)
        step = self._metadata.chunk + 1
        self._set(self._chunk * step + step - 1, self._bitmap_at | BITMAP_PRESENT)
        self._bits[:] = 0
