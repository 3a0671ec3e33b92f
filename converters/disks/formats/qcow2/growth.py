"""A qcow2 file that grows in one direction.

Header, L1 table, then data, each L2 table behind the data it maps, blocks of reference counts where
they are settled, and the table of these at the end. Memory is the L1 table, one L2 table and few
blocks of counts, however large the file grows.

Source: QEMU, "docs/interop/qcow2.txt".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from converters.disks.formats.qcow2.counts import Counts
from converters.disks.formats.qcow2.mapping import COPIED, OFFSET, READS_ZERO, SUBCLUSTERS
from converters.disks.formats.qcow2.settings import Settings
from converters.disks.output import Output
from rehost.errors import UsageError

NO_TABLE = -1
LARGEST_L1 = 32 << 20
LARGEST_COUNTS = 8 << 20
ZERO_SHIFT = 32


class Tables(NamedTuple):
    """Where the tables ended up, as the header says it."""

    l1_entries: int
    l1_at: int
    counts_at: int
    counts_clusters: int


class Growth:
    """The clusters, tables and reference counts of a new image of a disk of ``size`` bytes."""

    def __init__(self, output: Output, settings: Settings, size: int) -> None:
        output.need_going_back()
        self.unit = settings.cluster
        words = 2 if settings.extended else 1
        self.per_table = self.unit // (8 * words)
        self.total = -(-size // self.unit)
        self._output = output
        tables = -(-self.total // self.per_table)
        if tables * 8 > LARGEST_L1:
            raise UsageError(
                f"a disk of {size} bytes is too large for qcow2 with clusters of {self.unit}",
                hint=f"Such a qcow2 holds {LARGEST_L1 // 8 * self.unit * self.per_table} bytes.",
            )
        self._l1 = np.zeros(max(tables, 1), dtype=">u8")
        self._l2 = np.zeros((self.per_table, words), dtype=">u8")
        self._table = NO_TABLE
        self._counts = Counts(self.unit, settings.refcount_bits)
        self._blocks: list[int] = []
        self._next = 0
        self._open = (0, 0)
        self.take(1 + self.clusters(self._l1.nbytes))

    def table_of(self, cluster: int) -> tuple[int, int]:
        """Make the L2 table of a guest's cluster the present one.

        Return the cluster's index in it, and how many entries it has from there on.
        """
        table, index = divmod(cluster, self.per_table)
        if table != self._table:
            self._finish_table()
            self._table = table
        return index, self.per_table - index

    def entered(self, index: int) -> int | None:
        """Return where a cluster of the present table is stored, None where it is not."""
        entry = int(self._l2[index, 0])
        return entry & OFFSET if entry & COPIED else None

    def enter(self, index: int, first: int, count: int) -> None:
        """Map ``count`` clusters of the present table to whole ones, stored from ``first`` on."""
        offsets = np.uint64(first) + np.arange(count, dtype=np.uint64) * np.uint64(self.unit)
        self._l2[index : index + count, 0] = offsets | np.uint64(COPIED)

    def enter_packed(self, index: int, entry: int) -> None:
        """Map one cluster of the present table to a compressed one."""
        self._l2[index, 0] = entry

    def enter_zeros(self, index: int, count: int) -> None:
        """Let ``count`` clusters of the present table read as zeros."""
        self._l2[index : index + count, 0] = READS_ZERO

    def mark(self, index: int, inside: int, length: int, *, zero: bool = False) -> None:
        """Mark the subclusters of a stretch that begins ``inside`` a cluster as stored or zero."""
        step = self.unit // SUBCLUSTERS
        first, last = inside // step, -(-(inside + length) // step)
        while first < last:
            cluster, low = divmod(first, SUBCLUSTERS)
            high = min(SUBCLUSTERS, low + last - first)
            bits = (1 << high) - (1 << low)
            self._l2[index + cluster, 1] |= np.uint64(bits << ZERO_SHIFT if zero else bits)
            first += high - low

    def take(self, count: int) -> int:
        """Take whole clusters and return the offset of the first."""
        first = self._next
        self._counts.add(first, count)
        self._next += count
        return first * self.unit

    def share(self, length: int) -> int:
        """Take bytes, fewer than a cluster, that may share clusters; return their offset.

        They go behind the last ones, and run on into the next cluster if that is still free.
        """
        at, stop = self._open
        if at + length > stop or self._counts.full(at // self.unit):
            if stop != self._next * self.unit or self._counts.full(at // self.unit):
                at = self._next * self.unit
            if at + length > stop:
                self._next += 1
            stop = self._next * self.unit
        self._open = (at + length, stop)
        first, last = at // self.unit, (at + length - 1) // self.unit
        self._counts.add(first, last - first + 1)
        return at

    def finish(self) -> Tables:
        """Write the tables and the reference counts."""
        self._finish_table()
        self._output.write(self._l1.tobytes(), self.unit)
        table_at, table_clusters = self._finish_counts()
        self._output.truncate(self._next * self.unit)
        return Tables(len(self._l1), self.unit, table_at, table_clusters)

    def _finish_table(self) -> None:
        if self._table == NO_TABLE:
            return
        at = self.take(1)
        self._output.write(self._l2.tobytes(), at)
        self._l1[self._table] = at | COPIED
        self._l2[:] = 0
        self._settle()

    def _settle(self) -> None:
        """Write the blocks of counts that nothing changes any more.

        A shared cluster that was left far behind is not gone on with, for it would hold them up.
        """
        if self._open[0] // self.unit + self._counts.per_block < self._next:
            self._open = (0, 0)
        at, stop = self._open
        changing = at // self.unit if at < stop else self._next
        for number, content in list(self._counts.settled(changing)):
            self._enter_counts(number, content, self.take(1))

    def _enter_counts(self, number: int, content: bytes, at: int) -> None:
        self._output.write(content, at)
        self._blocks += [0] * (number + 1 - len(self._blocks))
        self._blocks[number] = at

    def _finish_counts(self) -> tuple[int, int]:
        """Write the blocks that are left, which count themselves and their table too."""
        blocks = table = 0
        while True:
            total = self._next + blocks + table
            needed = -(-total // self._counts.per_block)
            needed_table = self.clusters(needed * 8)
            if (needed - len(self._blocks), needed_table) == (blocks, table):
                break
            blocks, table = needed - len(self._blocks), needed_table
        if needed * 8 > LARGEST_COUNTS:
            raise UsageError(
                f"a qcow2 file of {total} clusters has more reference counts than QEMU reads",
                hint="Choose a larger cluster_size or smaller refcount_bits.",
            )
        at, table_at = self.take(blocks), self.take(table)
        for number, content in list(self._counts.settled(needed * self._counts.per_block)):
            self._enter_counts(number, content, at)
            at += self.unit
        self._output.write(np.array(self._blocks, dtype=">u8").tobytes(), table_at)
        return table_at, table

    def clusters(self, length: int) -> int:
        """Return how many clusters hold ``length`` bytes."""
        return -(-length // self.unit)
