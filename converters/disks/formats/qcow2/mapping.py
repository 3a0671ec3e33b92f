"""Where the clusters of a guest's disk lie: two levels of tables, walked many tables at a time.

A cluster may be stored, compressed, zero or left to the backing; with extended L2 entries each of
its 32 subclusters is one of these. Tables that lie together are read at once, in whichever order,
and all entries of a chunk are looked at in one pass.

Source: QEMU, "docs/interop/qcow2.txt", sections "Cluster mapping" and "Extended L2 Entries".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from converters.disks.formats.qcow2.header import Header
from converters.disks.tables import (
    ABSENT,
    ZEROED,
    Positions,
    check_unshared,
    read_table,
    stretches,
)
from rehost.errors import DamagedInputError
from rehost.files import File

OFFSET = 0x00FF_FFFF_FFFF_FE00
COPIED = 1 << 63
COMPRESSED = 1 << 62
READS_ZERO = 1
SUBCLUSTERS = 32
CHUNK = 1 << 18
WASTE = 4
"""How much more than the tables may be read to read them at once."""

FIRST_PACKED = -16
"""Positions from here downwards are compressed clusters, each with a number of its own."""

Entries = npt.NDArray[np.uint64]
NOTHING: Entries = np.zeros(0, dtype=np.uint64)
Marks = npt.NDArray[np.bool_]


class Level1(NamedTuple):
    """An L1 table, the active one or a snapshot's, and the size of the disk it maps."""

    at: int
    entries: int
    size: int


class Chunk(NamedTuple):
    """Stretches of the guest's disk, ascending and touching, and their positions in the file.

    ``words`` are the entries behind it, which compressed clusters are numbered by.
    """

    starts: Positions
    lengths: Positions
    positions: Positions
    words: Entries

    def slices(self, count: int) -> Iterator[Chunk]:
        """Yield it as chunks of so many stretches."""
        starts, lengths, positions, words = self
        for at in range(0, len(starts), count):
            part = slice(at, at + count)
            yield Chunk(starts[part], lengths[part], positions[part], words)


class Mapping:
    """The clusters under one L1 table; ``data`` is the file that they lie in."""

    def __init__(self, file: File, header: Header, level1: Level1, data: File) -> None:
        self._file = file
        self._data = data
        self._header = header
        self._size = level1.size
        self._words = 2 if header.extended else 1
        self._per_table = header.cluster // (8 * self._words)
        self._step = header.cluster // (SUBCLUSTERS if header.extended else 1)
        self._chunk = CHUNK // (SUBCLUSTERS if header.extended else 1)
        self._tables, self.odd_entries = self._read(level1)

    def _read(self, level1: Level1) -> tuple[Positions, int]:
        """Return where the L2 tables lie, and how many entries have bits that should be 0."""
        name, cluster = self._file.name, self._header.cluster
        needed = -(-self._size // self._header.span)
        if level1.entries < needed:
            raise DamagedInputError(
                f"the qcow2 L1 table is too small for the disk ({level1.entries} entries, "
                f"should be {needed})",
                where=name,
            )
        if level1.at % cluster:
            raise DamagedInputError(
                "the qcow2 L1 table lies at an odd place", where=f"{name} at {level1.at}"
            )
        raw = read_table(self._file, level1.at, needed, ">u8", "qcow2 L1 table")
        entries = raw.astype(np.uint64)
        del raw
        reserved = int(np.count_nonzero(entries & ~np.uint64(OFFSET | COPIED)))
        # In place, for a table may have millions of entries, and be one of many images open.
        entries &= np.uint64(OFFSET)
        tables: Positions = entries.view(np.int64)
        if np.bitwise_or.reduce(tables, initial=0) & (cluster - 1):
            odd = tables[tables % cluster != 0]
            raise DamagedInputError(
                "a qcow2 L2 table lies at an odd place", where=f"{name} at {odd[0]}"
            )
        check_unshared(tables, "qcow2 L2 table", name)
        return tables, reserved

    def chunks(self, start: int, stop: int) -> Iterator[Chunk]:
        """Yield all that lies between two offsets; a chunk may reach outside of them."""
        per, cluster = self._per_table, self._header.cluster
        first, last = start // cluster, -(-min(stop, self._size) // cluster)
        present = np.flatnonzero(self._tables[first // per : -(-last // per)]) + first // per
        reached, together = first, max(1, self._chunk // per)
        for at in range(0, len(present), together):
            numbers = present[at : at + together]
            low = max(first, int(numbers[0]) * per)
            high = min(last, (int(numbers[-1]) + 1) * per)
            if low > reached:
                yield self._absent(reached, low)
            step = self._chunk if len(numbers) == 1 else high - low
            for begin in range(low, high, step):
                chunk = self._mapped(numbers, begin, min(begin + step, high))
                # A window may begin or end inside a cluster, with subclusters outside of it.
                yield _within(chunk, start, stop) if self._header.extended else chunk
            reached = high
        if reached < last:
            yield self._absent(reached, last)

    def _absent(self, first: int, last: int) -> Chunk:
        start = first * self._header.cluster
        length = min(last * self._header.cluster, self._size) - start
        return Chunk(np.array([start]), np.array([length]), np.array([ABSENT]), NOTHING)

    def _mapped(self, numbers: Positions, first: int, last: int) -> Chunk:
        """Return the clusters of some tables between two; tables between these are not there."""
        per, cluster, step = self._per_table, self._header.cluster, self._step
        skipped = first - int(numbers[0]) * per
        entries = self._entries(numbers, skipped, last - int(numbers[-1]) * per)
        # Entries of 0 say nothing, and in a sparse image most are: what is left makes the chunk.
        indices = np.flatnonzero(entries[:, 0] if self._words == 1 else entries.any(axis=1))
        if not len(indices):
            return self._absent(first, last)
        words = entries[indices].view(">u8").astype(np.uint64)
        indices += skipped
        guests = (numbers[indices // per] * per + indices % per) * cluster
        if self._header.extended:
            positions = self._extended(words[:, 0], words[:, 1], guests)
        else:
            positions = self._standard(words[:, 0], guests)
        parts = cluster // step
        heads, counts = _cut(positions, step, parts, np.diff(guests) == cluster)
        starts = guests[heads // parts] + heads % parts * step
        end = min(last * cluster, self._size)
        lengths = np.minimum(counts * step, end - starts)
        return _bridged(Chunk(starts, lengths, positions[heads], words[:, 0]), first * cluster, end)

    def _entries(self, numbers: Positions, skipped: int, kept: int) -> Entries:
        """Read tables, without the first entries of the first and behind ``kept`` of the last.

        The words of the file are not turned around yet: most will be 0.
        """
        places, size = self._tables[numbers], self._header.cluster
        lowest, words = int(places.min()), self._words
        what = "qcow2 L2 table"
        if len(places) == 1:
            at, count = lowest + skipped * 8 * words, (kept - skipped) * words
            return read_table(self._file, at, count, "u8", what).reshape(-1, words)
        window = int(places.max()) + size - lowest
        if window <= WASTE * len(places) * size:
            rows = read_table(self._file, lowest, window // 8, "u8", what).reshape(-1, size // 8)
            found = rows[(places - lowest) // size].reshape(-1)
        else:
            found = np.concatenate(
                [
                    read_table(self._file, at, count * size // 8, "u8", what)
                    for _, count, at in stretches(places, size)
                ]
            )
        rows = found.reshape(-1, words)
        return rows[skipped : len(rows) - (self._per_table - kept)]

    def _standard(self, words: Entries, guests: Positions) -> Positions:
        positions = self._offsets(words)
        packed, zeroed = _marked(words, COMPRESSED), _marked(words, READS_ZERO)
        zeroed &= ~packed
        if self._header.version == 2 and zeroed.any():
            self._refuse(
                "a qcow2 cluster of version 2 is marked zero, which is not defined",
                int(guests[zeroed][0]),
            )
        positions[zeroed] = ZEROED
        self._number(positions, packed, guests)
        self._check(positions, guests)
        return positions

    def _extended(self, words: Entries, bitmaps: Entries, guests: Positions) -> Positions:
        """Give each subcluster a position, from the bitmaps of what is allocated and zero."""
        offsets, packed = self._offsets(words), _marked(words, COMPRESSED)
        self._number(offsets, packed, guests)
        bits = np.unpackbits(
            bitmaps.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little"
        ).astype(np.bool_)
        bits[packed] = False
        stored, zeroed = bits[:, :SUBCLUSTERS], bits[:, SUBCLUSTERS:]
        both = (stored & zeroed).any(axis=1)
        if both.any():
            self._refuse("a qcow2 subcluster is marked both stored and zero", int(guests[both][0]))
        in_use = stored.any(axis=1)
        lost = in_use & (offsets == ABSENT)
        if lost.any():
            said = "a qcow2 subcluster is marked stored, but its cluster is not"
            self._refuse(said, int(guests[lost][0]))
        self._check(np.where(in_use, offsets, ABSENT), guests)
        places = offsets[:, None] + np.arange(SUBCLUSTERS, dtype=np.int64) * self._step
        positions = np.where(stored, places, ABSENT)
        positions[zeroed] = ZEROED
        positions[packed] = offsets[packed, None]
        return positions.reshape(-1)

    def _offsets(self, words: Entries) -> Positions:
        """Return where clusters lie; in a data file, one may lie at 0."""
        positions: Positions = (words & np.uint64(OFFSET)).astype(np.int64)
        absent = positions == 0
        if self._header.has_data_file:
            absent &= ~_marked(words, COPIED)
        positions[absent] = ABSENT
        return positions

    def _number(self, positions: Positions, packed: Marks, guests: Positions) -> None:
        """Give each compressed cluster a number that tells it from those beside it."""
        numbers = np.flatnonzero(packed)
        if len(numbers) and self._header.has_data_file:
            said = "a qcow2 cluster is compressed, which none in a data file can be"
            self._refuse(said, int(guests[packed][0]))
        positions[numbers] = FIRST_PACKED - numbers

    def _check(self, positions: Positions, guests: Positions) -> None:
        """Refuse clusters that cannot be where they are said to be."""
        stored = positions >= 0
        if not stored.any():
            return
        odd = positions[stored & (positions & (self._header.cluster - 1) != 0)]
        if len(odd):
            raise DamagedInputError(
                "a qcow2 cluster lies at an odd place", where=f"{self._file.name} at {odd[0]}"
            )
        beyond = positions[positions > self._data.size]
        if len(beyond):
            raise DamagedInputError(
                f"a qcow2 cluster lies behind the end of the file (which is at {self._data.size})",
                where=f"{self._data.name} at {beyond[0]}",
                hint="The file is cut short; copy it again.",
            )
        if self._header.has_data_file:
            wrong = positions[stored & (positions != guests)]
            if len(wrong):
                raise DamagedInputError(
                    "a qcow2 cluster does not lie at its own place in the data file",
                    where=f"{self._data.name} at {wrong[0]}",
                )

    def _refuse(self, what: str, place: int) -> None:
        raise DamagedInputError(
            what,
            where=f"{self._file.name}, from byte {place} of the disk on",
            hint="Look at it with: qemu-img check.",
        )


def _marked(words: Entries, bit: int) -> Marks:
    marks: Marks = (words & np.uint64(bit)) != 0
    return marks


def _cut(
    positions: Positions, step: int, parts: int, touching: Marks
) -> tuple[Positions, Positions]:
    """Return where stretches begin and how many positions each has.

    There are ``parts`` positions to a cluster; a stretch goes on only in clusters that touch.
    """
    before, after = positions[:-1], positions[1:]
    joined = np.where(before < 0, after == before, after == before + step)
    joined[parts - 1 :: parts] &= touching
    heads = np.concatenate((np.zeros(1, dtype=np.int64), np.flatnonzero(~joined) + 1))
    return heads, np.diff(heads, append=len(positions))


def _bridged(chunk: Chunk, begin: int, end: int) -> Chunk:
    """Fill the gaps between stretches, before the first and behind the last."""
    starts, lengths, positions, words = chunk
    stops = np.concatenate(([begin], starts + lengths))
    nexts = np.concatenate((starts, [end]))
    gaps = np.flatnonzero(stops != nexts)
    if not len(gaps):
        return chunk
    return Chunk(
        starts=np.insert(starts, gaps, stops[gaps]),
        lengths=np.insert(lengths, gaps, nexts[gaps] - stops[gaps]),
        positions=np.insert(positions, gaps, ABSENT),
        words=words,
    )


def _within(chunk: Chunk, start: int, stop: int) -> Chunk:
    """Return the stretches that reach into a window."""
    starts, lengths, positions, words = chunk
    inside = (starts < stop) & (starts + lengths > start)
    return Chunk(starts[inside], lengths[inside], positions[inside], words)
