"""Writing stream-optimized VMDKs, as ESXi and vSphere take them.

Each grain is a zlib stream behind a marker that says where on the disk it belongs; grains ascend
and begin at a sector. The grain directory lies in front, so there is no footer, and the file ends
with the end-of-stream marker: whoever digests it while reading it stops there.

Source: VMware, "Virtual Disk Format 5.0", section "Stream-Optimized Compressed Sparse Extents".
"""

from __future__ import annotations

from hashlib import sha256

from converters.disks.formats.vmdk.describing import SIZE, describe
from converters.disks.formats.vmdk.ending import GRAIN_MARKER as MARKER
from converters.disks.formats.vmdk.header import (
    COMPRESSED,
    MARKERS,
    NEWLINE_TEST,
    NEWLINES,
    Header,
)
from converters.disks.formats.vmdk.tables import ENTRIES, GRAIN, GrainTables
from converters.disks.image import SECTOR
from converters.disks.output import Output
from converters.disks.packing import zlib_packer
from converters.disks.registry import Shape
from converters.disks.writer import Level
from rehost.errors import UsageError

KIND = "streamOptimized"
VERSION = 3
DEFLATE = 1
END_OF_STREAM = bytes(SECTOR)
CHECKSUM = 4


class StreamWriter:
    """A new stream-optimized VMDK."""

    unit = GRAIN

    def __init__(self, output: Output, shape: Shape) -> None:
        level = shape.level or Level.DEFAULT
        if level is Level.NONE:
            raise UsageError(
                f"a {KIND} VMDK is always compressed",
                hint="Pass another level, or -o subformat=monolithicSparse.",
            )
        self._output = output
        self._shape = shape
        self._deflate = zlib_packer(level)
        self._tables = GrainTables(self._output, SECTOR + SIZE, shape.size)
        self._next = self._tables.stop
        self._content = sha256(shape.size.to_bytes(8, "little"))

    def pack(self, start: int, block: memoryview) -> bytes:
        """Return a grain with its marker, up to the end of its last sector."""
        whole = block if len(block) == GRAIN else memoryview(bytes(block).ljust(GRAIN, b"\0"))
        packed = self._deflate(whole)
        padding = bytes(-(MARKER.size + len(packed)) % SECTOR)
        return b"".join((MARKER.pack(start // SECTOR, len(packed)), packed, padding))

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
        self._output.write(END_OF_STREAM, self._next)
        self._output.truncate(self._next + len(END_OF_STREAM))
        self._tables.finish()
        self._output.write(describe(KIND, self._shape, self._content.digest()), SECTOR)
        self._output.write(self._header().packed(), 0)

    def _header(self) -> Header:
        return Header(
            version=VERSION,
            flags=NEWLINE_TEST | COMPRESSED | MARKERS,
            capacity=-(-self._shape.size // SECTOR),
            grain=GRAIN // SECTOR,
            descriptor_at=1,
            descriptor_size=SIZE // SECTOR,
            entries_per_table=ENTRIES,
            redundant_at=0,
            directory_at=(SECTOR + SIZE) // SECTOR,
            overhead=self._tables.stop // SECTOR,
            unclean=0,
            newlines=NEWLINES,
            compression=DEFLATE,
        )
