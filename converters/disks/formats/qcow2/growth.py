"""A qcow2 version 3 file that grows in one direction.

Header, L1 table, then data, each L2 table behind the data it maps, blocks of reference counts where
they are settled, and the table of these at the end. Memory is the L1 table, one L2 table and few
blocks of counts, however large the file grows.

Source: QEMU, "docs/interop/qcow2.txt".
"""

from __future__ import annotations

import numpy as np

from converters.disks.formats.qcow2.counts import ORDER, Counts
from converters.disks.formats.qcow2.header import (
    MAGIC,
    VERSION_3_LENGTH,
    Features,
    Header,
    Incompatible,
)
from converters.disks.image import SECTOR
from converters.disks.options import Option
from converters.disks.output import Output
from converters.disks.registry import Shape
from rehost.errors import UsageError

CLUSTER_SIZE = Option(
    "cluster_size",
    ("65536", *(str(1 << bits) for bits in range(9, 22) if bits != 16)),
    "bytes of a cluster",
)
COPIED = 1 << 63
NO_TABLE = -1
LARGEST_L1 = 32 << 20


class Growth:
    """The clusters, tables and reference counts of a new image.

    QEMU counts disks in sectors and forgets what is left over, so the size is rounded up to one.
    """

    def __init__(self, output: Output, shape: Shape) -> None:
        self.unit = int(shape.option(CLUSTER_SIZE))
        self.per_table = self.unit // 8
        self._output = output
        self._size = -(-shape.size // SECTOR) * SECTOR
        tables = -(-shape.size // (self.unit * self.per_table))
        if tables * 8 > LARGEST_L1:
            raise UsageError(
                f"a disk of {shape.size} bytes is too large for qcow2 with clusters of {self.unit}",
                hint=f"Such a qcow2 holds {LARGEST_L1 // 8 * self.unit * self.per_table} bytes.",
            )
        self._l1 = np.zeros(max(tables, 1), dtype=">u8")
        self._l2 = np.zeros(self.per_table, dtype=">u8")
        self._table = NO_TABLE
        self._counts = Counts(self.unit)
        self._blocks: list[int] = []
        self._next = 0
        self._open = (0, 0)
        self.take(1 + self._clusters(self._l1.nbytes))

    def table_of(self, cluster: int) -> tuple[int, int]:
        """Make the L2 table of a guest's cluster the present one.

        Return the cluster's index in it, and how many entries it has from there on.
        """
        table, index = divmod(cluster, self.per_table)
        if table != self._table:
            self._finish_table()
            self._table = table
        return index, self.per_table - index

    def enter(self, index: int, first: int, count: int) -> None:
        """Map ``count`` clusters of the present table to whole ones, stored from ``first`` on."""
        self._l2[index : index + count] = _offsets(first, count, self.unit) | np.uint64(COPIED)

    def enter_packed(self, index: int, entry: int) -> None:
        """Map one cluster of the present table to a compressed one."""
        self._l2[index] = entry

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
        if at + length > stop:
            if stop != self._next * self.unit:
                at = self._next * self.unit
            self._next += 1
            stop = self._next * self.unit
        self._open = (at + length, stop)
        first, last = at // self.unit, (at + length - 1) // self.unit
        self._counts.add(first, last - first + 1)
        return at

    def finish(self, compression: int = 0) -> None:
        """Write the tables, the reference counts and, last of all, the header."""
        self._finish_table()
        self._output.write(self._l1.tobytes(), self.unit)
        table_at, table_clusters = self._finish_counts()
        self._output.truncate(self._next * self.unit)
        self._output.write(self._header(table_at, table_clusters, compression), 0)

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
        for _, content in list(self._counts.settled(changing)):
            place = self.take(1)
            self._output.write(content, place)
            self._blocks.append(place)

    def _finish_counts(self) -> tuple[int, int]:
        """Write the blocks that are left, which count themselves and their table too."""
        blocks = table = 0
        while True:
            total = self._next + blocks + table
            needed = -(-total // self._counts.per_block)
            needed_table = self._clusters(needed * 8)
            if (needed - len(self._blocks), needed_table) == (blocks, table):
                break
            blocks, table = needed - len(self._blocks), needed_table
        at, table_at = self.take(blocks), self.take(table)
        for _, content in self._counts.settled(needed * self._counts.per_block):
            self._output.write(content, at)
            self._blocks.append(at)
            at += self.unit
        self._output.write(np.array(self._blocks, dtype=">u8").tobytes(), table_at)
        return table_at, table

    def _clusters(self, length: int) -> int:
        return -(-length // self.unit)

    def _header(self, table_at: int, table_clusters: int, compression: int) -> bytes:
        basic = Header.BASIC.pack(
            *(MAGIC, 3, 0, 0, self.unit.bit_length() - 1, self._size, 0),
            *(len(self._l1), self.unit, table_at, table_clusters, 0, 0),
        )
        incompatible = Incompatible.COMPRESSION if compression else 0
        length = VERSION_3_LENGTH + (8 if compression else 0)
        extended = Features.LAYOUT.pack(incompatible, 0, 0, ORDER, length)
        kind = bytes((compression,)).ljust(8, b"\0") if compression else b""
        return basic + extended + kind + bytes(8)


def _offsets(first: int, count: int, unit: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.uint64(first) + np.arange(count, dtype=np.uint64) * np.uint64(unit)
