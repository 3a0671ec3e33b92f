"""Writing stream-optimized VMDKs, as ESXi and vSphere take them.

Each grain is a zlib stream behind a marker that says where on the disk it belongs; grains ascend
and begin at a sector. In a file the grain directory lies in front, so that there is no footer; in
what cannot be written back and forth each grain table follows its grains, and the directory and a
footer end it. Both end with the end-of-stream marker: whoever digests a stream while reading it
stops there.

Source: VMware, "Virtual Disk Format 5.0", section "Stream-Optimized Compressed Sparse Extents".
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import numpy as np

from converters.disks.formats.vmdk.describing import SIZE, embedded, parent_id
from converters.disks.formats.vmdk.ending import END, FOOTER, GRAIN_DIRECTORY, GRAIN_TABLE
from converters.disks.formats.vmdk.ending import GRAIN_MARKER as MARKER
from converters.disks.formats.vmdk.ending import MARKER as TABLE_MARKER
from converters.disks.formats.vmdk.header import (
    AT_END,
    COMPRESSED,
    DEFLATE,
    MARKERS,
    NEWLINE_TEST,
    NEWLINES,
    Header,
)
from converters.disks.formats.vmdk.options import STREAM
from converters.disks.formats.vmdk.tables import (
    ENTRIES,
    GRAIN,
    NO_TABLE,
    TABLE,
    GrainTables,
    check_reach,
)
from converters.disks.image import SECTOR
from converters.disks.output import Output
from converters.disks.packing import zlib_packer
from converters.disks.registry import Shape
from converters.disks.writer import Level

VERSION = 3
CHECKSUM = 4


class _Packing:
    """What both kinds of stream have in common: how a grain is stored."""

    unit = GRAIN

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._deflate = zlib_packer(shape.level or Level.DEFAULT)

    def pack(self, start: int, block: memoryview) -> bytes:
        """Return a grain with its marker, up to the end of its last sector."""
        whole = block if len(block) == GRAIN else memoryview(bytes(block).ljust(GRAIN, b"\0"))
        packed = self._deflate(whole)
        padding = bytes(-(MARKER.size + len(packed)) % SECTOR)
        return b"".join((MARKER.pack(start // SECTOR, len(packed)), packed, padding))

    def _header(self, directory_at: int, overhead: int) -> Header:
        return Header(
            version=VERSION,
            flags=NEWLINE_TEST | COMPRESSED | MARKERS,
            capacity=-(-self._shape.size // SECTOR),
            grain=GRAIN // SECTOR,
            descriptor_at=1,
            descriptor_size=SIZE // SECTOR,
            entries_per_table=ENTRIES,
            redundant_at=0,
            directory_at=directory_at,
            overhead=overhead // SECTOR,
            unclean=0,
            newlines=NEWLINES,
            compression=DEFLATE,
        )


class StreamWriter(_Packing):
    """A new stream-optimized VMDK with its directory in front."""

    def __init__(self, output: Output, shape: Shape) -> None:
        super().__init__(shape)
        self._output = output
        self._tables = GrainTables(output, SECTOR + SIZE, shape.size)
        self._next = self._tables.stop
        self._content = sha256(shape.size.to_bytes(8, "little"))
        if shape.base is not None:
            self._content.update(parent_id(shape.base).encode())

    def append(self, start: int, packed: memoryview) -> int:
        """Give a grain the next sectors, and note its checksum for the content's identity."""
        offset = self._next
        self._tables.enter(start // GRAIN, offset)
        self._next += len(packed)
        sector, length = MARKER.unpack_from(packed)
        stop = MARKER.size + length
        self._content.update(sector.to_bytes(8, "little"))
        self._content.update(packed[stop - CHECKSUM : stop])
        return offset

    def finish(self) -> None:
        """Write the end, the tables, the descriptor and, last of all, the header."""
        self._output.write(END, self._next)
        self._output.truncate(self._next + len(END))
        self._tables.finish()
        self._output.write(
            embedded(STREAM, self._shape, self._content.digest(), self._output), SECTOR
        )
        header = self._header((SECTOR + SIZE) // SECTOR, self._tables.stop)
        self._output.write(header.packed(), 0)


class FootedStreamWriter(_Packing):
    """A new stream-optimized VMDK that is written from its first byte to its last.

    The descriptor comes before the content is known, so that its identifier goes by the size alone.
    """

    def __init__(self, output: Output, shape: Shape) -> None:
        super().__init__(shape)
        self._output = output
        self._directory = np.zeros(-(-shape.size // (GRAIN * ENTRIES)), dtype="<u4")
        self._table = NO_TABLE
        self._entries = np.zeros(ENTRIES, dtype="<u4")
        seen = sha256(shape.size.to_bytes(8, "little"))
        if shape.base is not None:
            seen.update(parent_id(shape.base).encode())
        self._next = GRAIN
        head = self._header(AT_END, GRAIN).packed() + embedded(
            STREAM, shape, seen.digest(), self._output
        )
        output.write(head.ljust(GRAIN, b"\0"), 0)

    def append(self, start: int, packed: memoryview) -> int:
        """Give a grain the next sectors, behind the table of those before it.

        A table is written when the next one's first grain comes. The engine has written all grains
        before it by then: it hands over no more than a part of a table before it writes.
        """
        table, index = divmod(start // GRAIN, ENTRIES)
        if table != self._table:
            self._finish_table()
            self._table = table
        offset = self._next
        check_reach(offset + len(packed))
        self._entries[index] = offset // SECTOR
        self._next += len(packed)
        return offset

    def finish(self) -> None:
        """Write the last table, the directory, the footer and the end."""
        self._finish_table()
        sectors = -(-self._directory.nbytes // SECTOR)
        directory_at = self._next // SECTOR + 1
        self._write(_marker(sectors, GRAIN_DIRECTORY))
        self._write(self._directory.tobytes().ljust(sectors * SECTOR, b"\0"))
        footer = replace(self._header(AT_END, GRAIN), directory_at=directory_at)
        self._write(_marker(1, FOOTER) + footer.packed() + END)
        self._output.truncate(self._next)

    def _finish_table(self) -> None:
        if self._table == NO_TABLE:
            return
        self._write(_marker(TABLE // SECTOR, GRAIN_TABLE))
        self._directory[self._table] = self._next // SECTOR
        self._write(self._entries.tobytes())
        self._entries[:] = 0

    def _write(self, content: bytes) -> None:
        check_reach(self._next + len(content))
        self._output.write(content, self._next)
        self._next += len(content)


def _marker(sectors: int, kind: int) -> bytes:
    """Return the sector in front of ``sectors`` of metadata."""
    return TABLE_MARKER.pack(sectors, 0, kind).ljust(SECTOR, b"\0")
