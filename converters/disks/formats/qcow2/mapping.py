"""Where the clusters of a guest's disk lie: two levels of tables, walked many tables at a time.

A cluster may be stored, compressed, zero or left to the backing; with extended L2 entries each of
its 32 subclusters is one of these. Tables that lie behind each other are read at once, and all
entries of a chunk are looked at in one pass, whichever tables they are from.

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
FIRST_PACKED = -16
"""Positions from here downwards are compressed clusters, each with a number of its own."""

Entries = npt.NDArray[np.uint64]
Marks = npt.NDArray[np.bool_]


class Level1(NamedTuple):
    """An L1 table, the active one or a snapshot's, and the size of the disk it maps."""

    at: int
    entries: int
    size: int


class Part(NamedTuple):
    """A stretch of the guest's disk and its position in the file, or what stands for one."""

    start: int
    length: int
    position: int
    entry: int


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
        tables: Positions = (entries & np.uint64(OFFSET)).astype(np.int64)
        odd = tables[tables % cluster != 0]
        if len(odd):
            raise DamagedInputError(
                "a qcow2 L2 table lies at an odd place", where=f"{name} at {odd[0]}"
            )
        check_unshared(tables, "qcow2 L2 table", name)
        reserved = (entries & ~np.uint64(OFFSET | COPIED)) != 0
        return tables, int(np.count_nonzero(reserved))

    def parts(self, start: int, stop: int) -> Iterator[Part]:
        """Yield the parts that cover two offsets, or more than that, in ascending order."""
        found = self._parts(start, stop)
        if not self._header.extended:
            return found
        # A window may begin and end inside a cluster, with subclusters wholly outside of it.
        return (part for part in found if part.start < stop and part.start + part.length > start)

    def _parts(self, start: int, stop: int) -> Iterator[Part]:
        cluster = self._header.cluster
        first, last = start // cluster, -(-min(stop, self._size) // cluster)
        for begin, end, mapped in self._spans(first, last):
            if not mapped:
                yield self._part(begin * cluster, end * cluster, ABSENT, 0)
                continue
            for at in range(begin, end, self._chunk):
                yield from self._chunk_parts(at, min(at + self._chunk, end))

    def _part(self, start: int, stop: int, position: int, entry: int) -> Part:
        return Part(start, min(stop, self._size) - start, position, entry)

    def _spans(self, first: int, last: int) -> Iterator[tuple[int, int, bool]]:
        """Cut a range of clusters where L2 tables begin or cease to be there."""
        per = self._per_table
        begin, end = first // per, -(-last // per)
        present = self._tables[begin:end] > 0
        edges = (np.flatnonzero(present[1:] != present[:-1]) + 1 + begin).tolist()
        for low, high in zip([begin, *edges], [*edges, end], strict=True):
            if low < high:
                yield max(low * per, first), min(high * per, last), bool(present[low - begin])

    def _chunk_parts(self, first: int, last: int) -> Iterator[Part]:
        base, step = first * self._header.cluster, self._step
        entries = self._entries(first, last)
        if not entries.any():
            yield self._part(base, last * self._header.cluster, ABSENT, 0)
            return
        words = entries[:: self._words]
        if self._header.extended:
            positions = self._extended(words, entries[1::2], base)
        else:
            positions = self._standard(words, base)
        size = self._size
        for index, count, position in stretches(positions, step):
            start = base + index * step
            length = count * step
            if start + length > size:
                length = size - start
            entry = int(words[FIRST_PACKED - position]) if position <= FIRST_PACKED else 0
            yield Part(start, length, position, entry)

    def _entries(self, first: int, last: int) -> Entries:
        """Read the L2 entries of mapped clusters, those of touching tables at once."""
        per, words = self._per_table, self._words
        begin, end = first // per, -(-last // per)
        found = []
        for number, count, at in stretches(self._tables[begin:end], self._header.cluster):
            table = (begin + number) * per
            low, high = max(first, table), min(last, table + count * per)
            place, length = at + (low - table) * 8 * words, (high - low) * words
            found.append(read_table(self._file, place, length, ">u8", "qcow2 L2 table"))
        joined = found[0] if len(found) == 1 else np.concatenate(found)
        return joined.astype(np.uint64)

    def _standard(self, words: Entries, base: int) -> Positions:
        positions = self._offsets(words)
        packed, zeroed = _marked(words, COMPRESSED), _marked(words, READS_ZERO)
        zeroed &= ~packed
        if self._header.version == 2 and zeroed.any():
            self._refuse("a qcow2 cluster of version 2 is marked zero, which is not defined", base)
        positions[zeroed] = ZEROED
        self._number(positions, packed, base)
        self._check(positions, base)
        return positions

    def _extended(self, words: Entries, bitmaps: Entries, base: int) -> Positions:
        """Give each subcluster a position, from the bitmaps of what is allocated and zero."""
        offsets, packed = self._offsets(words), _marked(words, COMPRESSED)
        self._number(offsets, packed, base)
        bits = np.unpackbits(
            bitmaps.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little"
        ).astype(np.bool_)
        bits[packed] = False
        stored, zeroed = bits[:, :SUBCLUSTERS], bits[:, SUBCLUSTERS:]
        if (stored & zeroed).any():
            self._refuse("a qcow2 subcluster is marked both stored and zero", base)
        in_use = stored.any(axis=1)
        if (offsets[in_use] == ABSENT).any():
            self._refuse("a qcow2 subcluster is marked stored, but its cluster is not", base)
        self._check(np.where(in_use, offsets, ABSENT), base)
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

    def _number(self, positions: Positions, packed: Marks, base: int) -> None:
        """Give each compressed cluster a number that tells it from those beside it."""
        numbers = np.flatnonzero(packed)
        if len(numbers) and self._header.has_data_file:
            self._refuse("a qcow2 cluster is compressed, which none in a data file can be", base)
        positions[numbers] = FIRST_PACKED - numbers

    def _check(self, positions: Positions, base: int) -> None:
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
            places = base + np.arange(len(positions), dtype=np.int64) * self._header.cluster
            wrong = positions[stored & (positions != places)]
            if len(wrong):
                raise DamagedInputError(
                    "a qcow2 cluster does not lie at its own place in the data file",
                    where=f"{self._data.name} at {wrong[0]}",
                )

    def _refuse(self, what: str, base: int) -> None:
        raise DamagedInputError(
            what,
            where=f"{self._file.name}, from byte {base} of the disk on",
            hint="Look at it with: qemu-img check.",
        )


def _marked(words: Entries, bit: int) -> Marks:
    marks: Marks = (words & np.uint64(bit)) != 0
    return marks
