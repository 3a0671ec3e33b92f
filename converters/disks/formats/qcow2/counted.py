"""Reference counts of a qcow2 file: those it stores, and those its tables amount to.

The counts of a large file do not fit into memory at once, so they are taken window by window.

Source: QEMU, "docs/interop/qcow2.txt", section "Host cluster management".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from converters.disks.checking import Findings, Kind
from converters.disks.formats.qcow2.structure import Layout, Words, words
from converters.disks.tables import Positions
from rehost.files import File

WINDOW = 32 << 20
CHUNK = 1 << 20
MOST_COUNTED = 0xFFFF
BLOCK_RESERVED = 0x1FF
BLOCK_OFFSET = 0xFFFF_FFFF_FFFF_FE00
LARGEST_COUNT = 0xFFFF_FFFF
CACHED = 16

META, DATA, GUEST, PACKED, TWICE = 1, 2, 4, 8, 16
"""What uses a cluster: tables, anybody's data, the disk's own, compressed data; and what is used
by two tables, or twice by the disk itself."""

Counts = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.uint8]


class StoredCounts:
    """The reference counts that a file says its clusters have."""

    def __init__(self, file: File, layout: Layout) -> None:
        self.order = layout.order
        self.per_block = layout.cluster * 8 >> layout.order
        self._file = file
        self._cluster = layout.cluster
        count = layout.refcount_clusters * layout.cluster // 8
        self.table: Words = words(file, layout.refcounts_at, count)
        self.blocks: Positions = (self.table & np.uint64(BLOCK_OFFSET)).astype(
            np.int64, casting="unsafe"
        )
        self._raw = lru_cache(CACHED)(self._read)

    @property
    def most(self) -> int:
        """The largest count that fits."""
        return min((1 << (1 << self.order)) - 1, LARGEST_COUNT)

    def at(self, clusters: Positions) -> Counts:
        """Return the counts of some clusters."""
        found = np.zeros(len(clusters), dtype=np.uint32)
        numbers = clusters // self.per_block
        order = np.argsort(numbers, kind="stable")
        edges = np.flatnonzero(np.diff(numbers[order])) + 1
        for group in np.split(order, edges) if len(order) else ():
            number = int(numbers[group[0]])
            if number < len(self.blocks) and self.blocks[number]:
                indices = clusters[group] - number * self.per_block
                found[group] = self._values(number, indices)
        return found

    def window(self, first: int, stop: int) -> Counts:
        """Return the counts of the clusters between two numbers."""
        found = np.zeros(stop - first, dtype=np.uint32)
        per_block = self.per_block
        for number in range(first // per_block, min(-(-stop // per_block), len(self.blocks))):
            if self.blocks[number]:
                begin, end = max(first, number * per_block), min(stop, (number + 1) * per_block)
                indices = np.arange(begin - number * per_block, end - number * per_block)
                found[begin - first : end - first] = self._values(number, indices)
        return found

    @property
    def unreadable(self) -> Positions:
        """The numbers of the blocks of counts that lie where none can."""
        return np.flatnonzero((self.blocks % self._cluster != 0) | (self.blocks < 0))

    def known(self, clusters: Positions) -> npt.NDArray[np.bool_]:
        """Say whether the counts of clusters can be read."""
        found: npt.NDArray[np.bool_] = ~np.isin(clusters // self.per_block, self.unreadable)
        return found

    def _values(self, number: int, indices: Positions) -> Counts:
        raw = self._raw(number)
        if self.order < 3:
            width = 1 << self.order
            per_byte = 8 // width
            shifts = (indices % per_byte * width).astype(np.uint8)
            found = (raw[indices // per_byte] >> shifts) & np.uint8((1 << width) - 1)
            return found.astype(np.uint32)
        wide = raw.view(f">u{1 << self.order - 3}")[indices].astype(np.uint64)
        counts: Counts = np.minimum(wide, np.uint64(LARGEST_COUNT)).astype(np.uint32)
        return counts

    def _read(self, number: int) -> npt.NDArray[np.uint8]:
        at = int(self.blocks[number])
        raw = self._file.pread(at, self._cluster) if 0 <= at < self._file.size else b""
        return np.frombuffer(raw.ljust(self._cluster, b"\0"), dtype=np.uint8)


class Window:
    """What the tables say of the clusters from ``first`` on, counted up to ``MOST_COUNTED``."""

    def __init__(self, first: int, counts: npt.NDArray[np.uint16], flags: Flags) -> None:
        self.first = first
        self.stop = first + len(counts)
        self.counts = counts
        self.flags = flags

    @classmethod
    def empty(cls, first: int, stop: int) -> Window:
        """Return a window in which nothing is counted yet."""
        length = stop - first
        return cls(first, np.zeros(length, dtype=np.uint16), np.zeros(length, dtype=np.uint8))

    def parts(self) -> Iterator[Window]:
        """Cut it into views of ``CHUNK`` clusters."""
        for begin in range(0, len(self.counts), CHUNK):
            part = slice(begin, begin + CHUNK)
            yield Window(self.first + begin, self.counts[part], self.flags[part])

    def add(self, clusters: Positions, flag: int, times: int = 1, guest_times: int = 0) -> None:
        """Count ``times`` uses of each cluster, of which the disk itself makes ``guest_times``."""
        inside = clusters[(clusters >= self.first) & (clusters < self.stop)] - self.first
        if not len(inside):
            return
        repeated = inside[:0]
        if len(inside) > 1 and not (inside[1:] > inside[:-1]).all():
            inside, number = np.unique(inside, return_counts=True)
            self._count(inside, number * times)
            repeated = inside[number > 1]
        else:
            self._count(inside, times)
        before = self.flags[inside]
        if flag & META:
            self.flags[inside[(before & META) != 0]] |= TWICE
        if guest_times:
            self.flags[inside[(before & GUEST) != 0]] |= TWICE
            self.flags[repeated] |= TWICE
        self.flags[inside] |= flag | (GUEST if guest_times else 0)

    def add_spans(self, firsts: Positions, lasts: Positions, flag: int, times: int) -> None:
        """Count the uses of clusters by what may span or share them: compressed clusters."""
        for step in range(int((lasts - firsts).max(initial=-1)) + 1):
            clusters = (firsts + step)[firsts + step <= lasts]
            inside = clusters[(clusters >= self.first) & (clusters < self.stop)] - self.first
            inside, number = np.unique(inside, return_counts=True)
            self._count(inside, number * times)
            self.flags[inside] |= flag

    def _count(self, indices: Positions, more: Positions | int) -> None:
        total = self.counts[indices].astype(np.int64) + more
        self.counts[indices] = np.minimum(total, MOST_COUNTED)

    def mark(self, clusters: Positions, flag: int) -> None:
        """Flag clusters without counting anything."""
        self.flags[clusters[(clusters >= self.first) & (clusters < self.stop)] - self.first] |= flag

    @property
    def contested(self) -> npt.NDArray[np.bool_]:
        """Which clusters two things use that cannot share them."""
        meta, data, packed = ((self.flags & flag) != 0 for flag in (META, DATA, PACKED))
        twice = (self.flags & TWICE) != 0
        found: npt.NDArray[np.bool_] = (meta & (data | packed)) | (data & packed) | twice
        return found

    def cap(self, most: int) -> tuple[Positions, int]:
        """Cut counts that do not fit into the file's width; return where, and how much is cut."""
        most = min(most, MOST_COUNTED)
        over = np.flatnonzero(self.counts > most)
        cut = int((self.counts[over].astype(np.int64) - most).sum())
        self.counts[over] = most
        return over + self.first, cut


def check_blocks(stored: StoredCounts, clusters: int, bits: int, findings: Findings) -> Positions:
    """Check the refcount table, and return the clusters of the blocks that can be counted."""
    numbers = np.flatnonzero(stored.table)
    reserved = (stored.table[numbers] & np.uint64(BLOCK_RESERVED)) != 0
    findings.add_all(
        Kind.DAMAGE,
        stored.blocks[numbers[reserved]],
        lambda _: "an entry of the refcount table has reserved bits set",
    )
    numbers = numbers[~reserved]
    odd = stored.blocks[numbers] % (1 << bits) != 0
    findings.add_all(
        Kind.DAMAGE,
        stored.blocks[numbers[odd]],
        lambda _: "a block of reference counts lies at an odd place",
    )
    places = stored.blocks[numbers[~odd]]
    outside = (places < 0) | (places >> bits >= clusters)
    findings.add_all(
        Kind.DAMAGE,
        places[outside],
        lambda _: "a block of reference counts lies behind the end of the file",
    )
    found: Positions = places[~outside] >> bits
    return found
