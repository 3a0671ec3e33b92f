"""Extents of grains: a directory names tables, a table names grains.

Hosted sparse extents, those of ESX ("COWD") and seSparse differ in how an entry says where its
grain lies, in nothing else. Tables are read many at a time and looked through as arrays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, compress, repeat
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from converters.disks.holes import stored_runs
from converters.disks.image import PARENT, ZERO, Parent, Run, Source, Stored, Zero
from converters.disks.tables import ABSENT, ZEROED, Positions, read_table, stretches
from rehost.errors import DamagedInputError
from rehost.files import File

BATCH = 1 << 20
LONG = 64 << 10
MOST_TABLES = 1 << 21
"""As many as 64 TiB have, where a table stands for 32 MiB."""

NOTHING: dict[int, Parent | Zero] = {ABSENT: PARENT, ZEROED: ZERO}
"""What the guest reads where an entry names no place."""

# What Run(...) and Stored(...) do, without a call in Python for each of millions.
_RUN: Callable[[tuple[int, int, Source]], Run] = partial(tuple.__new__, Run)
_STORED: Callable[[tuple[File, int]], Stored] = partial(tuple.__new__, Stored)

Entries = npt.NDArray[Any]


class Batch(NamedTuple):
    """Tables from the one numbered ``first`` on: a row of entries each, or ``nothing`` for all."""

    first: int
    tables: int
    entries: Entries
    nothing: Parent | Zero | None


@dataclass(frozen=True, slots=True)
class Tables:
    """Grain tables of ``width`` entries; ``directory`` has the offset of each, or says it is none.

    ``grains`` is the number of grains of the disk: what the last table has behind them is not read.
    """

    file: File
    directory: Positions
    width: int
    dtype: str
    grains: int

    @property
    def size(self) -> int:
        """The bytes of one table."""
        return self.width * np.dtype(self.dtype).itemsize

    def batches(self, first: int, last: int) -> Iterator[Batch]:
        """Yield the tables between two numbers, in order."""
        most = max(1, BATCH // self.size)
        none = np.empty((0, self.width), dtype=self.dtype)
        kinds = np.minimum(self.directory[first:last], 0)
        for number, count, kind in stretches(kinds, 0):
            begin, end = first + number, first + number + count
            if kind < 0:
                yield Batch(begin, count, none, NOTHING[kind])
                continue
            for part in range(begin, end, most):
                few = min(most, end - part)
                yield Batch(part, few, self.rows(np.arange(part, part + few)), None)

    def rows(self, numbers: Positions) -> Entries:
        """Return the tables with these numbers, a row each; those that touch are read at once."""
        pieces = [
            self._read(at, count) for _, count, at in stretches(self.directory[numbers], self.size)
        ]
        found = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        rows = np.frombuffer(found, dtype=self.dtype).reshape(-1, self.width)
        behind = self.grains - (len(self.directory) - 1) * self.width
        if behind < self.width and len(numbers) and numbers[-1] == len(self.directory) - 1:
            rows = rows.copy()
            rows[-1, behind:] = 0
        return rows

    def check(self) -> None:
        """Refuse tables that overlap, for a small file would be an endless disk, or are cut off."""
        directory = self.directory
        if len(directory) and (farthest := int(directory.max())) + self.least > self.file.size:
            raise DamagedInputError(
                f"the grain table lies behind the end of the file ({self.least} bytes are "
                f"needed, the file ends at {self.file.size})",
                where=f"{self.file.name} at {farthest}",
                hint="The file is cut short; copy it again.",
            )
        check_apart(directory, self.size, "grain tables", self.file)

    @property
    def least(self) -> int:
        """The number of bytes of the last table in the file that must be there at least."""
        return min(self.size, self.grains * np.dtype(self.dtype).itemsize)

    def _read(self, at: int, count: int) -> bytes | bytearray:
        """Read tables that touch; holes of the file are zeros, which nobody needs to read."""
        length = count * self.size
        if length < LONG:
            return self.file.pread(at, length).ljust(length, b"\0")
        runs = list(stored_runs(self.file, at, min(at + length, self.file.size)))
        if len(runs) == 1 and runs[0].length == length and runs[0].source is not ZERO:
            return self.file.pread(at, length)
        found = bytearray(length)
        for start, size, source in runs:
            if source is not ZERO:
                found[start - at : start - at + size] = self.file.pread(start, size)
        return found


class Grains(NamedTuple):
    """The grains of a batch that are not absent: which they are, and an offset or ZEROED each."""

    numbers: Positions
    places: Positions


class Pieces(NamedTuple):
    """Stretches of the disk, ascending, and where each of them lies."""

    starts: Positions
    lengths: Positions
    sources: Iterable[Source]


class GrainedExtent(ABC):
    """A stretch of the disk in grains; what a grain's entry means is for each kind to say.

    ``absent`` is what the guest reads where nothing is stored.
    """

    def __init__(self, tables: Tables, size: int, grain: int) -> None:
        self.size = size
        self.absent: Parent | Zero = PARENT
        self._tables = tables
        self._grain = grain
        self._span = grain * tables.width

    @property
    def is_stream(self) -> bool:
        """Whether its grains lie behind markers, packed, one behind the other."""
        return False

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the grains between two offsets; what is absent in between is one run."""
        stop = min(stop, self.size)
        left = self._tables.file.size
        for batch in self._tables.batches(start // self._span, -(-stop // self._span)):
            begin, end = (at * self._span for at in (batch.first, batch.first + batch.tables))
            if batch.nothing is not None:
                yield self._nothing(begin, end, batch.nothing)
                continue
            grains = self.grains(batch)
            if (left := left - self._stored(grains.places)) < 0:
                raise DamagedInputError(
                    "the grain tables name more grains than the file can hold",
                    where=self._tables.file.name,
                )
            at, end = max(begin, start // self._grain * self._grain), min(end, stop)
            window = ((at - begin) // self._grain, -(-(end - begin) // self._grain))
            first, last = np.searchsorted(grains.numbers, window).tolist()
            pieces = self.pieces(begin, Grains(*(each[first:last] for each in grains)))
            yield from _with_gaps(pieces, at, end, self.absent)

    def grains(self, batch: Batch) -> Grains:
        """Return the grains of a batch, all checked."""
        entries = batch.entries.reshape(-1)
        numbers = np.flatnonzero(entries)
        return Grains(numbers, self.places(entries[numbers]))

    @abstractmethod
    def places(self, entries: Entries) -> Positions:
        """Return where the grains of these entries lie, all checked; none of them is 0."""

    def pieces(self, begin: int, grains: Grains) -> Pieces:
        """Return where grains lie whose numbers count from ``begin`` of the disk."""
        firsts, counts = _stretches(grains, self._grain)
        starts = begin + grains.numbers[firsts] * self._grain
        lengths = np.minimum(counts * self._grain, self.size - starts)
        places = grains.places[firsts]
        file = repeat(self._tables.file)
        stored = map(_STORED, zip(file, places.tolist(), strict=False))
        return Pieces(starts, lengths, with_zeros(stored, places))

    def _nothing(self, begin: int, end: int, nothing: Parent | Zero) -> Run:
        length = min(end, self.size) - begin
        return Run(begin, length, ZERO if nothing is ZERO else self.absent)

    def _stored(self, places: Positions) -> int:
        """Return how many bytes of the file these grains need at least."""
        return max(0, int(np.count_nonzero(places >= 0)) - 1) * self._grain


def with_zeros(sources: Iterable[Source], places: Positions) -> Iterable[Source]:
    """Return the sources, zeros where a place is none."""
    if not (places < 0).any():
        return sources
    pairs = zip(sources, places.tolist(), strict=True)
    return (ZERO if place < 0 else source for source, place in pairs)


def _with_gaps(pieces: Pieces, begin: int, end: int, absent: Source) -> Iterator[Run]:
    """Return runs that cover ``begin`` to ``end``, with what is absent between the pieces."""
    count = 2 * len(pieces.starts) + 1
    starts, lengths = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    starts[0], starts[1::2], starts[2::2] = begin, pieces.starts, pieces.starts + pieces.lengths
    lengths[1::2], lengths[-1] = pieces.lengths, end - starts[-1]
    lengths[:-1:2] = pieces.starts - starts[:-1:2]
    # Lazily: a batch has so many pieces that keeping them would make the garbage collector work.
    sources = chain(
        chain.from_iterable(zip(repeat(absent), pieces.sources, strict=False)), [absent]
    )
    fields = zip(starts.tolist(), lengths.tolist(), sources, strict=True)
    return map(_RUN, compress(fields, (lengths > 0).tolist()))


def _stretches(grains: Grains, step: int) -> tuple[Positions, Positions]:
    """Cut grains into those that follow each other on the disk and, ``step`` apart, in the file.

    Returns the index of each first one, and how many they are.
    """
    numbers, places = grains
    follow = np.diff(places)
    joined = (np.diff(numbers) == 1) & np.where(places[:-1] < 0, follow == 0, follow == step)
    firsts = np.concatenate(([0], np.flatnonzero(~joined) + 1))[: len(numbers)]
    return firsts, np.diff(firsts, append=len(numbers))


def read_directory(
    file: File, offset: int, count: int, dtype: str, most: int = MOST_TABLES
) -> Entries:
    """Read a grain directory, bounded before anything is read."""
    if count > most:
        raise DamagedInputError(
            f"the grain directory is absurdly large ({count} entries)",
            where=f"{file.name} at {offset}",
        )
    return read_table(file, offset, count, dtype, "grain directory")


def check_inside(places: Positions, file: File, least: int = 0) -> None:
    """Refuse a grain that begins behind the end of the file, or before ``least``."""
    if not len(places):
        return
    if (farthest := int(places.max())) >= file.size:
        raise DamagedInputError(
            f"the VMDK is cut short (a grain lies at {farthest}, the file ends at {file.size})",
            where=file.name,
            hint="Copy the file again.",
        )
    stored = places[places >= 0]
    if least and len(stored) and (nearest := int(stored.min())) < least:
        raise DamagedInputError(
            f"a grain lies in the VMDK's own tables (at {nearest}, grains begin at {least})",
            where=file.name,
        )


def check_apart(places: Positions, step: int, what: str, file: File) -> None:
    """Refuse two of ``what`` that begin less than ``step`` bytes apart."""
    named = places[places >= 0]
    if (np.diff(named) >= step).all():
        return
    named.sort()
    close = np.flatnonzero(np.diff(named) < step)
    if len(close):
        first, second = named[close[0]], named[close[0] + 1]
        raise DamagedInputError(f"two {what} overlap (at {first} and {second})", where=file.name)
