"""The grain directory and grain tables of a sparse extent that is being written.

They lie in front of the grains: the directory, then every table, also those of nothing but holes.
Grains come in ascending order, so that one table at a time is in memory.

Source: VMware, "Virtual Disk Format 5.0", section "Hosted Sparse Extent Metadata".
"""

from __future__ import annotations

import numpy as np

from converters.disks.image import SECTOR
from converters.disks.output import Output
from rehost.errors import UsageError

GRAIN = 64 << 10
ENTRIES = 512
TABLE = ENTRIES * 4
FARTHEST = 0xFFFF_FFFF

NO_TABLE = -1


class GrainTables:
    """A directory and its tables, from ``offset`` of the file on, for grains of ``grain`` bytes."""

    def __init__(self, output: Output, offset: int, size: int, grain: int = GRAIN) -> None:
        self._output = output
        self._offset = offset
        self._grain = grain
        self._count = -(-size // (grain * ENTRIES))
        self._tables_at = offset + -(-self._count * 4 // SECTOR) * SECTOR
        self._table = NO_TABLE
        self._entries = np.zeros(ENTRIES, dtype="<u4")

    @property
    def stop(self) -> int:
        """The offset of the first byte behind the tables."""
        return self._tables_at + self._count * TABLE

    def enter(self, number: int, offset: int, count: int = 1) -> None:
        """Say that ``count`` grains of one table, from a number on, lie at ``offset`` and on."""
        check_reach(offset + count * self._grain)
        table, index = divmod(number, ENTRIES)
        if table != self._table:
            self._finish_table()
            self._table = table
        first, step = offset // SECTOR, self._grain // SECTOR
        self._entries[index : index + count] = np.arange(first, first + count * step, step)

    def finish(self) -> None:
        """Write what is not written yet."""
        self._finish_table()
        first, step = self._tables_at // SECTOR, TABLE // SECTOR
        directory = np.arange(first, first + self._count * step, step, dtype="<u4")
        self._output.write(directory.tobytes(), self._offset)

    def _finish_table(self) -> None:
        if self._table == NO_TABLE:
            return
        self._output.write(self._entries.tobytes(), self._tables_at + self._table * TABLE)
        self._entries[:] = 0


def check_reach(offset: int) -> None:
    """Refuse a file that grows behind what an entry of 32 bits can name."""
    if offset // SECTOR > FARTHEST:
        raise UsageError(
            "a sparse VMDK cannot grow beyond 2 TiB",
            hint="Write another format, such as qcow2.",
        )
