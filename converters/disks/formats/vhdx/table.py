"""The block allocation table of a VHDX, with the places of sector bitmaps between its blocks.

It is read in parts, because that of 64 TiB in blocks of 1 MiB takes half a GiB.

Source: [MS-VHDX], section "Block Allocation Table (BAT)".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from converters.disks.formats.vhdx.ground import Ground
from converters.disks.formats.vhdx.header import MIB, Region
from converters.disks.formats.vhdx.metadata import Metadata
from converters.disks.tables import ABSENT, PACKED, ZEROED, Positions, read_table
from rehost.errors import DamagedInputError
from rehost.files import File

STATE = 7
OFFSET = 0xFFFF_FFFF_FFF0_0000
NOT_PRESENT, RESERVED, FULLY_PRESENT, PARTIALLY_PRESENT = 0, 4, 6, 7
BITMAP_PRESENT = 6
PARTIAL = PACKED
PART = 1 << 16
NAME = "VHDX block allocation table"

Entries = npt.NDArray[np.uint64]


class BlockTable:
    """Where the blocks of a disk lie. All of it is checked when the image is opened."""

    def __init__(self, file: File, place: Region, metadata: Metadata, ground: Ground) -> None:
        self._file = file
        self._at = place.offset
        self._metadata = metadata
        self.stored = 0
        if (needed := metadata.entries * 8) > place.length:
            raise DamagedInputError(
                f"the {NAME} is too small for the disk ({place.length} bytes, should be {needed})",
                where=f"{file.name} at {place.offset}",
            )
        self._bitmaps = self._read_bitmaps(ground)
        for begin in range(0, metadata.blocks, PART):
            self._check(begin, min(begin + PART, metadata.blocks), ground)

    def entries(self, first: int, last: int) -> Entries:
        """Return the entries of the blocks between two numbers, without those of bitmaps."""
        blocks = np.arange(first, last, dtype=np.int64)
        places = blocks + blocks // self._metadata.chunk
        begin, count = int(places[0]), int(places[-1] - places[0]) + 1
        raw = read_table(self._file, self._at + begin * 8, count, "<u8", NAME)
        found: Entries = raw[places - begin].astype(np.uint64)
        return found

    def bitmap_at(self, block: int) -> int:
        """Return where the bits of a block's sectors begin in the file."""
        chunk, number = divmod(block, self._metadata.chunk)
        sectors = self._metadata.block // self._metadata.logical
        return int(self._bitmaps[chunk]) + number * sectors // 8

    def _read_bitmaps(self, ground: Ground) -> Positions:
        """Return where the sector bitmap of each chunk lies, 0 for one that is not there."""
        step = self._metadata.chunk + 1
        chunks = self._metadata.entries // step if self._metadata.locator is not None else 0
        found: Entries = np.zeros(chunks, dtype=np.uint64)
        for number in range(chunks):
            at = self._at + (number * step + step - 1) * 8
            found[number] = int.from_bytes(self._file.pread(at, 8), "little")
        places = found[(found & np.uint64(STATE)) == BITMAP_PRESENT] & np.uint64(OFFSET)
        self._check_inside(places, np.full(len(places), MIB), "VHDX sector bitmap")
        ground.take(places.astype(np.int64), MIB, "VHDX sector bitmap")
        found[(found & np.uint64(STATE)) != BITMAP_PRESENT] = 0
        bitmaps: Positions = (found & np.uint64(OFFSET)).astype(np.int64)
        return bitmaps

    def _check(self, first: int, last: int, ground: Ground) -> None:
        """Refuse blocks that cannot be, that lie behind the file's end, or lie upon others."""
        entries = self.entries(first, last)
        states = (entries & np.uint64(STATE)).astype(np.int64)
        self._check_states(first, states)
        stored = np.flatnonzero(states >= FULLY_PRESENT)
        places = entries[stored] & np.uint64(OFFSET)
        block, size = self._metadata.block, self._metadata.size
        self._check_inside(places, np.minimum(size - (first + stored) * block, block), "VHDX block")
        ground.take(places.astype(np.int64), block, "VHDX block")
        self.stored += len(stored)

    def _check_states(self, first: int, states: Positions) -> None:
        partial = states == PARTIALLY_PRESENT
        wrong = (states == RESERVED) | (partial if self._metadata.locator is None else False)
        for number in np.flatnonzero(wrong)[:1].tolist():
            raise DamagedInputError(
                f"a VHDX block has an impossible state (block {first + number}, "
                f"state {states[number]})",
                where=self._file.name,
            )
        blocks = first + np.flatnonzero(partial)
        for number in blocks[self._bitmaps[blocks // self._metadata.chunk] == 0][:1].tolist():
            raise DamagedInputError(
                f"a VHDX block has no sector bitmap (block {number})", where=self._file.name
            )

    def _check_inside(self, places: Entries, lengths: Positions, what: str) -> None:
        """Refuse what ends behind the file; only the disk's part of its last block must be there.

        Everything is found here, before a conversion has begun.
        """
        room = np.uint64(self._file.size)
        short = (places > room) | (places + lengths.astype(np.uint64) > room)
        for place in places[short][:1].tolist():
            raise DamagedInputError(
                f"the VHDX is cut short (a {what} lies at {place}, "
                f"the file ends at {self._file.size})",
                where=self._file.name,
                hint="Copy the file again.",
            )


def positions_of(entries: Entries) -> Positions:
    """Return what `stretches` cuts: undefined and unmapped blocks read as zeros."""
    states = entries & np.uint64(STATE)
    positions: Positions = np.full(len(entries), ZEROED, dtype=np.int64)
    stored = states == FULLY_PRESENT
    positions[stored] = (entries[stored] & np.uint64(OFFSET)).astype(np.int64)
    positions[states == NOT_PRESENT] = ABSENT
    positions[states == PARTIALLY_PRESENT] = PARTIAL
    return positions
