"""Writing vmfsSparse VMDKs: a descriptor and the sparse extent that ESX keeps snapshots in.

A grain is one sector, as ESX makes them; a grain table is made when the first of its grains comes.

Source: libvmdk's description, section "The COWD sparse extent data file".
"""

from __future__ import annotations

import numpy as np

from converters.disks.formats.vmdk.cowd import (
    ENTRIES,
    FLAGS,
    HEADER_SIZE,
    TABLE,
    VERSION,
    CowdHeader,
)
from converters.disks.formats.vmdk.describing import describe
from converters.disks.formats.vmdk.identity import Content
from converters.disks.formats.vmdk.options import REDO_LOG
from converters.disks.formats.vmdk.pieces import beside
from converters.disks.formats.vmdk.tables import NO_TABLE, check_reach
from converters.disks.image import SECTOR
from converters.disks.output import Output
from converters.disks.registry import Shape
from converters.disks.writer import Place
from rehost.errors import UsageError

LARGEST = 0xFFFF_FFFF * SECTOR
SPAN = ENTRIES * SECTOR


class RedoLogWriter:
    """A new vmfsSparse VMDK."""

    unit = SECTOR

    def __init__(self, output: Output, shape: Shape) -> None:
        if shape.size > LARGEST:
            raise UsageError(
                f"a {REDO_LOG} VMDK holds {LARGEST} bytes at most (the disk has {shape.size})"
            )
        self._output = output
        self._shape = shape
        self._name = beside(output.name, "-delta")
        self._file = output.beside(self._name)
        self._directory = np.zeros(-(-shape.size // SPAN), dtype="<u4")
        self._table = NO_TABLE
        self._entries = np.zeros(ENTRIES, dtype="<u4")
        self._next = HEADER_SIZE + -(-len(self._directory) * 4 // SECTOR) * SECTOR
        self._content = Content(shape)

    def place(self, start: int, length: int) -> list[Place]:
        """Give a stretch the next sectors, behind a table of its own where it is the first."""
        found = []
        stop = start + length
        while start < stop:
            table, at = divmod(start, SPAN)
            part = min(stop - start, SPAN - at)
            if table != self._table:
                self._begin_table(table)
            first, index, count = self._next // SECTOR, at // SECTOR, -(-part // SECTOR)
            check_reach(self._next + count * SECTOR)
            self._entries[index : index + count] = np.arange(first, first + count)
            self._content.add(start, part, self._file, self._next)
            found.append(Place(self._next, part, self._file))
            self._next += count * SECTOR
            start += part
        return found

    def finish(self) -> None:
        """Write the last table, the directory, the descriptor and, last of all, the header."""
        self._finish_table()
        self._file.truncate(self._next)
        self._file.write(self._directory.tobytes(), HEADER_SIZE)
        sectors = -(-self._shape.size // SECTOR)
        header = CowdHeader(
            version=VERSION,
            flags=FLAGS,
            capacity=sectors,
            grain=1,
            directory_at=HEADER_SIZE // SECTOR,
            directory_entries=len(self._directory),
            next_free=self._next // SECTOR,
        )
        self._file.write(header.packed(), 0)
        extent = f'RW {sectors} VMFSSPARSE "{self._name}"'
        text = describe(REDO_LOG, self._shape, self._content.digest(), [extent])
        self._output.write(text, 0)

    def _begin_table(self, table: int) -> None:
        self._finish_table()
        check_reach(self._next + TABLE)
        self._table = table
        self._directory[table] = self._next // SECTOR
        self._entries[:] = 0
        self._next += TABLE

    def _finish_table(self) -> None:
        if self._table != NO_TABLE:
            at = int(self._directory[self._table]) * SECTOR
            self._file.write(self._entries.tobytes(), at)
