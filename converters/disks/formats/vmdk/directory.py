"""The grain directories of a hosted sparse extent: the first, and the one kept for when it fails.

Where the header's flags say so there are two directories, each with grain tables of its own. What
is damaged in the first is taken from the second, entry by entry, and said.

Source: VMware, "Virtual Disk Format 5.0", section "Hosted Sparse Extent Metadata".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt

from converters.disks.formats.vmdk.grains import Entries, Tables, read_directory
from converters.disks.formats.vmdk.header import REDUNDANT_TABLES, ZEROED_GRAINS, Header
from converters.disks.image import SECTOR
from converters.disks.tables import ABSENT, ZEROED, Positions
from rehost.errors import DamagedInputError
from rehost.files import File

Marks = npt.NDArray[np.bool_]


def entry_offsets(entries: Entries) -> Positions:
    """Return the offsets in bytes that entries of 32 bits mean, ABSENT where they are 0."""
    places: Positions = entries.astype(np.int64)
    places *= SECTOR
    places[places == 0] = ABSENT
    return places


class Directory:
    """The tables of an extent, the second copies behind them, and what was wrong with the first."""

    def __init__(self, tables: Tables, second: Tables | None, oddities: list[str]) -> None:
        self.tables = tables
        self.second = second
        self._found = oddities
        self._mended: set[int] = set()

    @classmethod
    def read(cls, file: File, header: Header) -> Directory:
        """Read the directory, and its copy if there is one; one of them must do."""
        if not header.flags & REDUNDANT_TABLES or not header.redundant_at:
            tables = _tables(file, header, header.directory_at)
            tables.check()
            return cls(tables, None, [])
        first = _tried(file, header, header.directory_at)
        second = _tried(file, header, header.redundant_at)
        if isinstance(second, DamagedInputError):
            if isinstance(first, DamagedInputError):
                raise first
            first.check()
            return cls(first, None, [f"its redundant grain directory is damaged ({second.what})"])
        if isinstance(first, DamagedInputError):
            second.check()
            return cls(second, None, [f"its first grain directory is damaged ({first.what})"])
        oddities: list[str] = []
        merged = _merged(first, second, oddities)
        merged.check()
        return cls(merged, second, oddities)

    @property
    def has_second(self) -> bool:
        """Say whether a damaged table may have a copy."""
        return self.second is not None

    @property
    def oddities(self) -> tuple[str, ...]:
        """What was wrong, as far as tables have been read."""
        if not self._mended:
            return tuple(self._found)
        return (
            *self._found,
            f"{len(self._mended)} of its grain tables are damaged, redundant ones are used",
        )

    @cached_property
    def _sound_seconds(self) -> Marks:
        return np.zeros(0, dtype=np.bool_) if self.second is None else _sound(self.second)

    def second_rows(self, numbers: Positions) -> Iterator[tuple[int, Entries]]:
        """Yield the second copies of tables, those that exist, and remember that they were used."""
        if self.second is None:
            return
        sound = self._sound_seconds
        for number in numbers.tolist():
            if sound[number] and self.second.directory[number] >= 0:
                self._mended.add(number)
                yield number, self.second.rows(np.array([number]))[0]


def _tried(file: File, header: Header, at: int) -> Tables | DamagedInputError:
    try:
        return _tables(file, header, at)
    except DamagedInputError as error:
        return error


def _tables(file: File, header: Header, at: int) -> Tables:
    grains = -(-header.capacity // header.grain)
    count = -(-grains // header.entries_per_table)
    entries = read_directory(file, at * SECTOR, count, "<u4")
    directory = entry_offsets(entries)
    if header.flags & ZEROED_GRAINS:
        directory[entries == 1] = ZEROED
    return Tables(file, directory, header.entries_per_table, "<u4", grains)


def _sound(tables: Tables) -> Marks:
    """Mark the entries of a directory that can be right: inside the file, none on another."""
    inside: Marks = tables.directory + tables.least <= tables.file.size
    return inside & ~close_places(tables.directory, tables.size)


def close_places(places: Positions, step: int) -> Marks:
    """Mark the places that lie less than ``step`` bytes from another."""
    order = np.argsort(places, kind="stable")
    named = places[order]
    close = (np.diff(named) < step) & (named[:-1] >= 0)
    marks = np.zeros(len(places), dtype=np.bool_)
    marks[order[:-1][close]] = True
    marks[order[1:][close]] = True
    return marks


def _merged(first: Tables, second: Tables, oddities: list[str]) -> Tables:
    """Take from the second directory what is damaged or missing in the first."""
    wanted = first.directory == ABSENT
    try:
        first.check()
    except DamagedInputError:
        wanted |= ~_sound(first)
    if not wanted.any() or not (second.directory[wanted] != ABSENT).any():
        return first
    replaced = wanted & _sound(second) & (second.directory != ABSENT)
    if not (count := int(np.count_nonzero(replaced))):
        return first
    oddities.append(f"{count} entries of its grain directory are damaged, redundant ones are used")
    directory = np.where(replaced, second.directory, first.directory)
    return Tables(first.file, directory, first.width, first.dtype, first.grains)
