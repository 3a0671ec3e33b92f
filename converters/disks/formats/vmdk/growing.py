"""Writing monolithicSparse VMDKs: one file that holds the grains in use, and its own descriptor.

Both grain directories are written, as VMware does, and grains begin at a multiple of their size.

Source: VMware, "Virtual Disk Format 5.0", section "Hosted Sparse Extent Metadata".
"""

from __future__ import annotations

from hashlib import sha256

from converters.disks.formats.vmdk.describing import SIZE, describe
from converters.disks.formats.vmdk.header import NEWLINE_TEST, NEWLINES, REDUNDANT_TABLES, Header
from converters.disks.formats.vmdk.tables import ENTRIES, GRAIN, GrainTables
from converters.disks.image import SECTOR
from converters.disks.output import Output
from converters.disks.registry import Shape
from converters.disks.writer import Level, Place
from rehost.errors import UsageError

KIND = "monolithicSparse"
VERSION = 1


class SparseWriter:
    """A new monolithicSparse VMDK."""

    unit = GRAIN

    def __init__(self, output: Output, shape: Shape) -> None:
        if shape.level not in {None, Level.NONE}:
            raise UsageError(
                f"a {KIND} VMDK is never compressed",
                hint="Pass no level, or -o subformat=streamOptimized.",
            )
        self._output = output
        self._shape = shape
        self._redundant = GrainTables(self._output, SECTOR + SIZE, shape.size)
        self._tables = GrainTables(self._output, self._redundant.stop, shape.size)
        self._overhead = self._next = -(-self._tables.stop // GRAIN) * GRAIN
        self._content = sha256(shape.size.to_bytes(8, "little"))

    def place(self, start: int, length: int) -> list[Place]:
        """Give a stretch the next grains. Which ones are in use is the disk's identity."""
        offset, grain = self._next, start // GRAIN
        last = -(-(start + length) // GRAIN)
        while grain < last:
            count = min(last - grain, ENTRIES - grain % ENTRIES)
            for tables in (self._redundant, self._tables):
                tables.enter(grain, self._next, count)
            self._next += count * GRAIN
            grain += count
        self._content.update(start.to_bytes(8, "little") + length.to_bytes(8, "little"))
        return [Place(offset, length)]

    def finish(self) -> None:
        """Write the tables, the descriptor and, last of all, the header."""
        self._output.truncate(self._next)
        self._redundant.finish()
        self._tables.finish()
        self._output.write(describe(KIND, self._shape, self._content.digest()), SECTOR)
        self._output.write(self._header().packed(), 0)

    def _header(self) -> Header:
        return Header(
            version=VERSION,
            flags=NEWLINE_TEST | REDUNDANT_TABLES,
            capacity=-(-self._shape.size // SECTOR),
            grain=GRAIN // SECTOR,
            descriptor_at=1,
            descriptor_size=SIZE // SECTOR,
            entries_per_table=ENTRIES,
            redundant_at=(SECTOR + SIZE) // SECTOR,
            directory_at=self._redundant.stop // SECTOR,
            overhead=self._overhead // SECTOR,
            unclean=0,
            newlines=NEWLINES,
            compression=0,
        )
