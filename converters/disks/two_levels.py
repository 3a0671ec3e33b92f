"""Two levels of tables: a first whose entries name second ones, whose entries name clusters.

What qcow and QED share. The format reads its first table and says what an entry of the second kind
means; the walk, its bounds and its stretches are here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from converters.disks.tables import ABSENT, Positions, check_unshared, read_table, stretches
from rehost.errors import DamagedInputError
from rehost.files import File

MOST_ENTRIES = 1 << 18
"""Entries of a second table that are read at once: tables may be larger than memory."""


class Clusters(NamedTuple):
    """Clusters that belong together: where on the disk, and the first one's position and entry."""

    start: int
    length: int
    position: int
    entry: int


@dataclass(frozen=True, slots=True)
class TwoLevels:
    """The tables of a disk; ``tables`` are the second ones' offsets, ABSENT where there is none.

    ``positions`` makes offsets, ABSENT, ZEROED or PACKED of the entries of a second table.
    ``what`` names the format in messages.
    """

    file: File
    size: int
    cluster: int
    entries: int
    tables: Positions
    dtype: str
    positions: Callable[[npt.NDArray[Any]], Positions]
    what: str

    @property
    def span(self) -> int:
        """How many bytes of the disk one second table covers."""
        return self.cluster * self.entries

    def clusters(self, start: int, stop: int) -> Iterator[Clusters]:
        """Yield what the tables say of a window, in order and without gaps."""
        stop = min(stop, self.size)
        first, last = start // self.span, -(-stop // self.span)
        for number, count, at in stretches(self.tables[first:last], 0):
            begin = (first + number) * self.span
            if at == ABSENT:
                end = min(begin + count * self.span, self.size)
                yield Clusters(begin, end - begin, ABSENT, 0)
                continue
            for table in range(first + number, first + number + count):
                yield from self._of_table(table * self.span, at, start, stop)

    def _of_table(self, begin: int, at: int, start: int, stop: int) -> Iterator[Clusters]:
        first = max(0, start - begin) // self.cluster
        last = -(-(min(stop, begin + self.span) - begin) // self.cluster)
        for part in range(first, last, MOST_ENTRIES):
            count = min(MOST_ENTRIES, last - part)
            place = at + part * np.dtype(self.dtype).itemsize
            raw = read_table(self.file, place, count, self.dtype, f"{self.what} L2 table")
            positions = self.positions(raw)
            check_unshared(positions, f"{self.what} cluster", self.file.name)
            for index, number, position in stretches(positions, self.cluster):
                offset = begin + (part + index) * self.cluster
                length = min(number * self.cluster, self.size - offset)
                self._check(position, length)
                yield Clusters(offset, length, position, int(raw[index]))

    def _check(self, position: int, length: int) -> None:
        """Refuse clusters behind the end; the file may end inside the last one."""
        if position >= 0 and position + length >= self.file.size + self.cluster:
            raise DamagedInputError(
                f"a {self.what} cluster lies behind the end of the file "
                f"(which is at {self.file.size})",
                where=f"{self.file.name} at {position}",
                hint="The file is cut short; copy it again.",
            )
