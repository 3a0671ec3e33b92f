"""Every L2 table of a qcow2 file, those of its snapshots included, each read once and judged.

Source: QEMU, "docs/interop/qcow2.txt", section "Cluster mapping".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from converters.disks.checking import BEHIND, Findings, Kind
from converters.disks.formats.qcow2.counted import StoredCounts
from converters.disks.formats.qcow2.structure import (
    DATA_FILE,
    EXTENDED_L2,
    Layout,
    Table,
    Words,
    words,
)
from converters.disks.image import SECTOR
from converters.disks.tables import Positions
from rehost.files import File

OFFSET = 0x00FF_FFFF_FFFF_FE00
COPIED, COMPRESSED, READS_ZERO = 1 << 63, 1 << 62, 1
L1_RESERVED = 0x7F00_0000_0000_01FF
STANDARD_RESERVED = 0x3F00_0000_0000_01FE
ODD = "it lies at an odd place"

Mask = npt.NDArray[np.bool_]


def has(entries: Words, bits: int) -> Mask:
    """Say which entries have one of some bits set."""
    found: Mask = (entries & np.uint64(bits)) != 0
    return found


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of one L2 table, split: clusters stored whole, and compressed ones."""

    raw: Words
    bitmaps: Words
    offsets: Positions
    stored: Mask
    compressed: Mask
    packed_at: Positions
    packed_size: Positions

    @classmethod
    def read(cls, file: File, layout: Layout, at: int) -> Entries:
        """Read a table; what lies behind the end of the file reads as empty."""
        found = words(file, at, layout.cluster // 8)
        bitmaps = np.zeros(0, dtype=np.uint64)
        if layout.incompatible & EXTENDED_L2:
            found, bitmaps = found[0::2], found[1::2]
        compressed = has(found, COMPRESSED)
        usable = compressed & ~(bitmaps != 0) if len(bitmaps) else compressed
        offsets = (found & np.uint64(OFFSET)).astype(np.int64)
        shift = 62 - (layout.bits - 8)
        packed = found[usable]
        packed_at = (packed & np.uint64((1 << shift) - 1)).astype(np.int64)
        sectors = (packed & np.uint64(COMPRESSED - 1)) >> np.uint64(shift)
        size = (sectors.astype(np.int64) + 1) * SECTOR - packed_at % SECTOR
        named = offsets != 0
        if layout.incompatible & DATA_FILE:
            # In a data file a cluster may lie at 0; its flag then says that it is one.
            named |= has(found, COPIED)
        return cls(found, bitmaps, offsets, ~compressed & named, usable, packed_at, size)


class Walk:
    """The L2 tables by their places: how often each is used, and by the disk itself.

    QEMU reads a table at an odd place, too, so that is done here; ``odd`` lists them.
    """

    def __init__(
        self, file: File, layout: Layout, stored: StoredCounts, findings: Findings
    ) -> None:
        self.file = file
        self.layout = layout
        self._stored = stored
        self._findings = findings
        self.places: Positions = np.zeros(0, dtype=np.int64)
        self.times: Positions = np.zeros(0, dtype=np.int64)
        self.active: Positions = np.zeros(0, dtype=np.int64)
        self.odd: list[tuple[int, int]] = []
        self._l1: Positions = np.zeros(0, dtype=np.int64)

    def enter(self, table: Table, times: int, *, guest: bool) -> None:
        """Take the L2 tables that an L1 table names; ``guest`` says that it is the disk's own."""
        if not table.entries:
            return  # then its offset means nothing
        entries = words(self.file, table.offset, table.entries)
        numbers = np.flatnonzero(entries)
        reserved = numbers[has(entries[numbers], L1_RESERVED)]
        findings = self._findings
        findings.add_all(
            Kind.DAMAGE,
            table.offset + reserved * 8,
            lambda _: "an L1 entry has reserved bits set",
            times=times,
        )
        places = (entries & np.uint64(OFFSET)).astype(np.int64)
        aligned = places[numbers] % self.layout.cluster == 0
        odd = numbers[~aligned]
        findings.add_all(
            Kind.DAMAGE, places[odd], lambda _: "an L2 table lies at an odd place", times=times
        )
        self.odd += [(int(place), times) for place in places[odd]]
        behind = numbers[aligned & (places[numbers] >= self.file.size)]
        findings.add_all(
            Kind.DAMAGE,
            places[behind],
            lambda _: "an L2 table lies behind the end of the file",
            times=times,
        )
        if guest:
            self._l1 = places
            self.check_copied(entries[numbers], places[numbers], numbers, guest_l1=table.offset)
            self._lose_tables(odd, ODD)
            self._lose_tables(behind, BEHIND)
        self._merge(places[numbers], times, guest=guest)

    def judge(self) -> tuple[Positions, Positions]:
        """Judge every entry, and return the lowest and highest cluster that each table names."""
        low = np.full(len(self.places), np.iinfo(np.int64).max, dtype=np.int64)
        high = np.full(len(self.places), -1, dtype=np.int64)
        usage = self._findings.usage
        usage.allocated = usage.compressed = usage.fragmented = 0
        for number, entries in self.tables(np.arange(len(self.places))):
            firsts, lasts = self.spans(entries)
            if len(firsts):
                low[number], high[number] = firsts.min(), lasts.max()
            self._judge_table(number, entries)
        return low, high

    def tables(self, numbers: Positions) -> Iterator[tuple[int, Entries]]:
        """Read some of the tables."""
        for number in numbers.tolist():
            yield number, Entries.read(self.file, self.layout, int(self.places[number]))

    def whole(self, entries: Entries) -> Mask:
        """Say which entries count one cluster: stored ones inside the file."""
        if self.layout.incompatible & DATA_FILE:
            return np.zeros(len(entries.stored), dtype=np.bool_)
        return entries.stored & (entries.offsets < self.file.size)

    def spans(self, entries: Entries) -> tuple[Positions, Positions]:
        """Return the first and last clusters of all that entries count."""
        bits, cluster = self.layout.bits, self.layout.cluster
        offsets = entries.offsets[self.whole(entries)]
        inside = self._packed_inside(entries)
        at, size = entries.packed_at[inside], entries.packed_size[inside]
        firsts = np.concatenate((offsets, at)) >> bits
        lasts = np.concatenate((offsets + cluster - 1, at + size - 1)) >> bits
        return firsts, lasts

    def packed_spans(self, entries: Entries) -> tuple[Positions, Positions]:
        """Return the first and last clusters of the compressed ones inside the file."""
        inside = self._packed_inside(entries)
        at, size = entries.packed_at[inside], entries.packed_size[inside]
        return at >> self.layout.bits, (at + size - 1) >> self.layout.bits

    def starts_of(self, number: int) -> list[int]:
        """Return where the disk has what a table maps: once, unless it is damaged."""
        span = self.layout.span
        mapped = self._l1[: -(-self.layout.size // span)]
        indices: list[int] = np.flatnonzero(mapped == self.places[number]).tolist()
        return [index * span for index in indices]

    def lose(self, number: int, entries: Mask, why: str) -> None:
        """Say that what some entries of a table map is lost, and empty them."""
        at_odd = self.places[number] % self.layout.cluster
        if not self.active[number] or not entries.any() or at_odd:
            return
        marked = np.flatnonzero(entries)
        starts = self.starts_of(number)
        width = self.layout.entry
        for group in np.split(marked, np.flatnonzero(np.diff(marked) != 1) + 1):
            at = int(self.places[number]) + int(group[0]) * width
            self._findings.mend(at, bytes(width * len(group)))
            for start in starts:
                begin = start + int(group[0]) * self.layout.cluster
                self._lose(begin, len(group) * self.layout.cluster, why)

    def lose_tables_at(self, places: Positions, why: str) -> None:
        """Say that all that some L2 tables of the disk map is lost, and leave them out."""
        self._lose_tables(np.flatnonzero((self._l1 > 0) & np.isin(self._l1, places)), why)

    def _lose_tables(self, indices: Positions, why: str) -> None:
        for index in indices.tolist():
            self._findings.mend(self.layout.active.offset + index * 8, bytes(8))
            self._lose(index * self.layout.span, self.layout.span, why)

    def _lose(self, start: int, length: int, why: str) -> None:
        if start < self.layout.size:
            self._findings.lose(start, min(length, self.layout.size - start), why)

    def _merge(self, places: Positions, times: int, *, guest: bool) -> None:
        every = np.concatenate((self.places, places))
        self.places, inverse = np.unique(every, return_inverse=True)
        known, count = len(self.times), len(self.places)
        old, new = inverse[:known], inverse[known:]
        total = np.bincount(new, minlength=count) * times
        total[old] += self.times
        active = np.bincount(new, minlength=count) * (1 if guest else 0)
        active[old] += self.active
        self.times, self.active = total, active

    def _packed_inside(self, entries: Entries) -> Mask:
        if self.layout.incompatible & DATA_FILE:
            return np.zeros(len(entries.packed_at), dtype=np.bool_)
        stop = entries.packed_at + entries.packed_size
        found: Mask = stop - self.file.size < self.layout.cluster
        return found

    def check_copied(
        self, entries: Words, places: Positions, numbers: Positions, *, guest_l1: int
    ) -> None:
        """Check of entries that their flag says what the reference count says: 1 or not."""
        named = places > 0
        entries, places, numbers = entries[named], places[named], numbers[named]
        if self.layout.incompatible & DATA_FILE and not guest_l1:
            counts = np.ones(len(places), dtype=np.uint32)
        else:
            counts = self._stored.at(places >> self.layout.bits)
        known = self._stored.known(places >> self.layout.bits)
        wrong = np.flatnonzero(known & ((counts == 1) != has(entries, COPIED)))

        def told(index: int) -> str:
            kind = "L1" if guest_l1 else "L2"
            return (
                f"an {kind} entry is wrong about its cluster being its own "
                f"(entry {numbers[wrong[index]]}, reference count {counts[wrong[index]]})"
            )

        self._findings.add_all(Kind.FLAG, places[wrong], told)

    def _judge_table(self, number: int, entries: Entries) -> None:
        times, active = int(self.times[number]), int(self.active[number])
        zero = has(entries.raw, READS_ZERO)
        self._judge_flags(number, entries, times)
        odd = entries.stored & (entries.offsets % self.layout.cluster != 0)
        self._tell(number, odd, "a cluster lies at an odd place", times)
        self.lose(number, odd & ~zero, ODD)
        if not self.layout.incompatible & DATA_FILE:
            self._judge_places(number, entries, times)
        if active:
            stored = entries.stored
            numbers = np.flatnonzero(stored)
            for _ in range(active):
                self.check_copied(entries.raw[stored], entries.offsets[stored], numbers, guest_l1=0)
            self._count(entries, active)

    def _judge_flags(self, number: int, entries: Entries, times: int) -> None:
        reserved = ~has(entries.raw, COMPRESSED) & has(entries.raw, STANDARD_RESERVED)
        self._tell(number, reserved, "an L2 entry has reserved bits set", times)
        copied = has(entries.raw, COMPRESSED) & has(entries.raw, COPIED)
        self._tell(number, copied, "a compressed cluster claims to be its entry's own", times)
        if self.layout.incompatible & DATA_FILE:
            self._tell(
                number, entries.compressed, "a compressed cluster lies in a data file", times
            )
        if len(entries.bitmaps):
            bitmaps = entries.bitmaps
            both = (bitmaps >> np.uint64(32)) & bitmaps & np.uint64(0xFFFF_FFFF)
            clash = entries.stored & (both != 0)
            self._tell(number, clash, "subclusters are called stored and zero at once", times)
            self.lose(number, clash, "its subclusters contradict each other")
            empty = ~entries.stored & ~has(entries.raw, COMPRESSED)
            empty &= has(bitmaps, 0xFFFF_FFFF)
            self._tell(number, empty, "subclusters are stored in no cluster", times)
            self.lose(number, empty, "its subclusters lie nowhere")
            packed = has(entries.raw, COMPRESSED) & (bitmaps != 0)
            self.lose(number, packed, "its subclusters contradict each other")
            self._tell(number, packed, "a compressed cluster has subclusters", times)

    def _judge_places(self, number: int, entries: Entries, times: int) -> None:
        behind = entries.stored & (entries.offsets >= self.file.size)
        self._tell(number, behind, "a cluster lies behind the end of the file", times)
        self.lose(number, behind & ~has(entries.raw, READS_ZERO), BEHIND)
        packed = np.zeros(len(entries.raw), dtype=np.bool_)
        packed[np.flatnonzero(entries.compressed)[~self._packed_inside(entries)]] = True
        self._tell(number, packed, "a compressed cluster lies behind the end of the file", times)
        self.lose(number, packed, BEHIND)

    def _tell(self, number: int, wrong: Mask, what: str, times: int) -> None:
        indices = np.flatnonzero(wrong)
        at = int(self.places[number]) + indices * self.layout.entry
        self._findings.add_all(
            Kind.DAMAGE, at, lambda index: f"{what} (L2 entry {indices[index]})", times=times
        )

    def _count(self, entries: Entries, active: int) -> None:
        usage = self._findings.usage
        offsets = entries.offsets[entries.stored]
        packed = int(entries.compressed.sum())
        scattered = int((np.diff(offsets) != self.layout.cluster).sum())
        usage.allocated = (usage.allocated or 0) + active * (len(offsets) + packed)
        usage.compressed = (usage.compressed or 0) + active * packed
        usage.fragmented = (usage.fragmented or 0) + active * (scattered + packed)
