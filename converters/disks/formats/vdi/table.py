"""The map of a VDI: which block of the file holds which block of the disk.

It is read in parts, because that of 512 TiB, the most QEMU knows, takes two GiB.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from converters.disks.formats.vdi.header import Header
from converters.disks.tables import ABSENT, ZEROED, Positions, read_table
from rehost.errors import DamagedInputError
from rehost.files import File

DISCARDED = 0xFFFF_FFFE
UNUSED = 0xFFFF_FFFF
MOST_BLOCKS = 1 << 29
PART = 1 << 20
NAME = "VDI block map"

Entries = npt.NDArray[np.uint32]


class BlockMap:
    """Where the blocks of a disk lie. All of it is checked when the image is opened."""

    def __init__(self, file: File, header: Header) -> None:
        self._file = file
        self._header = header
        self._step = header.block + header.block_extra
        self._begin = header.data_at + header.block_extra
        needed = -(-header.size // header.block)
        if needed > MOST_BLOCKS:
            raise DamagedInputError(
                f"the {NAME} is absurdly large ({needed} entries)",
                where=f"{file.name} at {header.map_at}",
            )
        self._refuse_short(needed)
        seen = _Seen()
        for first in range(0, needed, PART):
            entries = self._entries(first, min(first + PART, needed))
            stored = np.sort(entries[entries < DISCARDED])
            self._check(stored, seen)

    def positions(self, first: int, last: int) -> Positions:
        """Return where blocks lie in the file: ABSENT for one never written, ZEROED discarded."""
        entries = self._entries(first, last)
        positions: Positions = entries.astype(np.int64)
        positions *= self._step
        positions += self._begin
        positions[entries == UNUSED] = ABSENT
        positions[entries == DISCARDED] = ZEROED
        return positions

    def _entries(self, first: int, last: int) -> Entries:
        at = self._header.map_at + first * 4
        entries: Entries = read_table(self._file, at, last - first, "<u4", NAME)
        return entries

    def _refuse_short(self, needed: int) -> None:
        file, at = self._file, self._header.map_at
        if at + needed * 4 > file.size:
            raise DamagedInputError(
                f"the {NAME} lies behind the end of the file ({needed * 4} bytes are needed, "
                f"the file ends at {file.size})",
                where=f"{file.name} at {at}",
                hint="The file is cut short; copy it again.",
            )

    def _check(self, stored: Entries, seen: _Seen) -> None:
        """Refuse sorted blocks that lie behind the file's end or are used twice."""
        if not len(stored):
            return
        farthest = int(stored[-1])
        at = farthest * self._step + self._begin
        if at >= self._file.size:
            raise DamagedInputError(
                f"the VDI is cut short (a block lies at {at}, the file ends at {self._file.size})",
                where=self._file.name,
                hint="Copy the file again.",
            )
        if farthest >= MOST_BLOCKS:
            raise DamagedInputError(
                f"a VDI block has an impossible number ({farthest}, at most {MOST_BLOCKS - 1})",
                where=self._file.name,
            )
        if (twice := seen.twice(stored)) is not None:
            raise DamagedInputError(
                f"a VDI block is used twice (at {twice * self._step + self._begin})",
                where=self._file.name,
            )


class _Seen:
    """The blocks that the parts of a map have used so far, a bit for each."""

    def __init__(self) -> None:
        # Memory that is never touched is never given, so a small disk has a small set.
        self._bits = np.zeros(MOST_BLOCKS // 8, dtype=np.uint8)

    def twice(self, stored: Entries) -> int | None:
        """Note sorted blocks and return one that was there before, if there is."""
        again = np.flatnonzero(stored[1:] == stored[:-1])
        if len(again):
            return int(stored[again[0]])
        places = stored >> np.uint32(3)
        bits = np.left_shift(1, stored & np.uint32(7)).astype(np.uint8)
        known = np.flatnonzero(self._bits[places] & bits)
        if len(known):
            return int(stored[known[0]])
        np.bitwise_or.at(self._bits, places, bits)
        return None
