"""Writing qcow2 version 3.

The file grows in one direction: header, L1 table, then data, each L2 table behind the data it maps,
and the reference counts at the end. Every cluster is used once, so all counts are 1 and none need
to be kept while the image grows; memory is one L2 table and the L1 table.

Source: QEMU, "docs/interop/qcow2.txt".
"""

from __future__ import annotations

import os
from io import FileIO

import numpy as np

from converters.disks.formats.qcow2.header import MAGIC, VERSION_3_LENGTH, Header
from converters.disks.image import SECTOR
from converters.disks.registry import Option, Shape
from converters.disks.writer import Place, write_whole
from rehost.errors import UsageError

CLUSTER_SIZE = Option(
    "cluster_size",
    ("65536", *(str(1 << bits) for bits in range(9, 22) if bits != 16)),
    "bytes of a cluster",
)
COPIED = 1 << 63
REFCOUNT_ORDER = 4
REFCOUNT_SIZE = 2
NO_TABLE = -1
LARGEST_L1 = 32 << 20
ONES = 1 << 20


class Qcow2Writer:
    """A new qcow2 image whose clusters are stored as they are.

    QEMU counts disks in sectors and forgets what is left over, so the size is rounded up to one.
    """

    def __init__(self, output: FileIO, shape: Shape) -> None:
        self._fd = output.fileno()
        self._size = -(-shape.size // SECTOR) * SECTOR
        self.unit = int(shape.option(CLUSTER_SIZE))
        self._per_table = self.unit // 8
        tables = -(-shape.size // (self.unit * self._per_table))
        if tables * 8 > LARGEST_L1:
            raise UsageError(
                f"a qcow2 of {shape.size} bytes needs larger clusters (found {self.unit})",
                hint="Pass -o cluster_size=65536 or more.",
            )
        self._l1 = np.zeros(max(tables, 1), dtype=">u8")
        self._l2 = np.zeros(self._per_table, dtype=">u8")
        self._table = NO_TABLE
        self._next = 1 + self._clusters(self._l1.nbytes)

    def place(self, start: int, length: int) -> list[Place]:
        """Give a stretch the next clusters, leaving room for an L2 table wherever one ends."""
        places = []
        stop = start + length
        while start < stop:
            table, index = divmod(start // self.unit, self._per_table)
            if table != self._table:
                self._finish_table()
                self._table = table
            count = min(self._clusters(stop - start), self._per_table - index)
            first = self._next * self.unit
            self._l2[index : index + count] = _entries(first, count, self.unit)
            part = min(count * self.unit, stop - start)
            places.append(Place(first, part))
            self._next += count
            start += part
        return places

    def finish(self) -> None:
        """Write the tables, the reference counts and, last of all, the header."""
        self._finish_table()
        write_whole(self._fd, self._l1.tobytes(), self.unit)
        refcounts_at, refcount_clusters = self._write_refcounts()
        os.ftruncate(self._fd, self._next * self.unit)
        write_whole(self._fd, self._header(refcounts_at, refcount_clusters), 0)

    def _finish_table(self) -> None:
        if self._table == NO_TABLE:
            return
        at = self._next * self.unit
        write_whole(self._fd, self._l2.tobytes(), at)
        self._l1[self._table] = at | COPIED
        self._l2[:] = 0
        self._next += 1

    def _write_refcounts(self) -> tuple[int, int]:
        """Count every cluster once, those of the counts themselves included."""
        per_block = self.unit // REFCOUNT_SIZE
        blocks = table = 0
        while True:
            total = self._next + blocks + table
            needed = -(-total // per_block)
            needed_table = self._clusters(needed * 8)
            if (needed, needed_table) == (blocks, table):
                break
            blocks, table = needed, needed_table
        blocks_at, table_at = self._next * self.unit, (self._next + blocks) * self.unit
        self._write_ones(blocks_at, total)
        entries = _offsets(blocks_at, blocks, self.unit).astype(">u8")
        write_whole(self._fd, entries.tobytes(), table_at)
        self._next = total
        return table_at, table

    def _write_ones(self, at: int, count: int) -> None:
        ones = np.ones(ONES, dtype=">u2").tobytes()
        stop = at + count * REFCOUNT_SIZE
        for begin in range(at, stop, len(ones)):
            write_whole(self._fd, ones[: stop - begin], begin)

    def _clusters(self, length: int) -> int:
        return -(-length // self.unit)

    def _header(self, refcounts_at: int, refcount_clusters: int) -> bytes:
        basic = Header.BASIC.pack(
            *(MAGIC, 3, 0, 0, self.unit.bit_length() - 1, self._size, 0),
            *(len(self._l1), self.unit, refcounts_at, refcount_clusters, 0, 0),
        )
        return basic + Header.EXTENDED.pack(0, 0, 0, REFCOUNT_ORDER, VERSION_3_LENGTH) + bytes(8)


def _offsets(first: int, count: int, unit: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.uint64(first) + np.arange(count, dtype=np.uint64) * np.uint64(unit)


def _entries(first: int, count: int, unit: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return _offsets(first, count, unit) | np.uint64(COPIED)
