"""Writing hosted sparse extents: monolithicSparse, one file, and twoGbMaxExtentSparse, many.

Both grain directories are written, as VMware does, and grains begin at a multiple of their size.

Source: VMware, "Virtual Disk Format 5.0", section "Hosted Sparse Extent Metadata".
"""

from __future__ import annotations

from converters.disks.formats.vmdk.describing import SIZE, describe, embedded
from converters.disks.formats.vmdk.header import (
    NEWLINE_TEST,
    NEWLINES,
    REDUNDANT_TABLES,
    ZEROED_GRAINS,
    ZEROED_SINCE,
    Header,
)
from converters.disks.formats.vmdk.identity import Content
from converters.disks.formats.vmdk.options import GRAIN_SIZE, SPARSE, SPLIT, ZEROED_GRAIN
from converters.disks.formats.vmdk.pieces import PIECE, piece_names, sizes
from converters.disks.formats.vmdk.tables import ENTRIES, GrainTables
from converters.disks.image import SECTOR
from converters.disks.output import Output
from converters.disks.registry import Shape
from converters.disks.writer import Place


class SparseFile:
    """One hosted sparse extent that is being filled with the grains of ``size`` bytes."""

    def __init__(self, output: Output, shape: Shape, size: int, reserved: int) -> None:
        """Lay it out; ``reserved`` is the room for a descriptor."""
        self.output = output
        self._shape = shape
        self._size = size
        self._reserved = reserved
        self._grain = int(shape.option(GRAIN_SIZE))
        self._redundant = GrainTables(output, SECTOR + reserved, size, self._grain)
        self._tables = GrainTables(output, self._redundant.stop, size, self._grain)
        self._overhead = self._next = -(-self._tables.stop // self._grain) * self._grain

    def place(self, start: int, length: int) -> Place:
        """Give a stretch the next grains."""
        offset, grain = self._next, self._grain
        number, last = start // grain, -(-(start + length) // grain)
        while number < last:
            count = min(last - number, ENTRIES - number % ENTRIES)
            for tables in (self._redundant, self._tables):
                tables.enter(number, self._next, count)
            self._next += count * grain
            number += count
        return Place(offset, length, self.output)

    def finish(self, descriptor: bytes = b"") -> None:
        """Write the tables, the descriptor and, last of all, the header."""
        self.output.truncate(self._next)
        self._redundant.finish()
        self._tables.finish()
        if descriptor:
            self.output.write(descriptor, SECTOR)
        self.output.write(self._header().packed(), 0)

    def _header(self) -> Header:
        zeroed = self._shape.option(ZEROED_GRAIN) == "on"
        return Header(
            version=ZEROED_SINCE if zeroed else 1,
            flags=NEWLINE_TEST | REDUNDANT_TABLES | (ZEROED_GRAINS if zeroed else 0),
            capacity=-(-self._size // SECTOR),
            grain=self._grain // SECTOR,
            descriptor_at=1 if self._reserved else 0,
            descriptor_size=self._reserved // SECTOR,
            entries_per_table=ENTRIES,
            redundant_at=(SECTOR + self._reserved) // SECTOR,
            directory_at=self._redundant.stop // SECTOR,
            overhead=self._overhead // SECTOR,
            unclean=0,
            newlines=NEWLINES,
            compression=0,
        )


class SparseWriter:
    """A new monolithicSparse VMDK."""

    def __init__(self, output: Output, shape: Shape) -> None:
        self.unit = int(shape.option(GRAIN_SIZE))
        self._shape = shape
        self._file = SparseFile(output, shape, shape.size, SIZE)
        self._content = Content(shape)

    def place(self, start: int, length: int) -> list[Place]:
        """Give a stretch the next grains."""
        place = self._file.place(start, length)
        self._content.add(start, length, self._file.output, place.offset)
        return [place]

    def finish(self) -> None:
        """Write tables, descriptor and header."""
        self._file.finish(embedded(SPARSE, self._shape, self._content.digest(), self._file.output))


class SplitSparseWriter:
    """A new twoGbMaxExtentSparse VMDK: a descriptor and an extent for every two gigabytes."""

    def __init__(self, output: Output, shape: Shape) -> None:
        self.unit = int(shape.option(GRAIN_SIZE))
        self._output = output
        self._shape = shape
        self._names = piece_names(output.name, "s", shape.size)
        self._files = [
            SparseFile(output.beside(name), shape, size, 0)
            for name, size in zip(self._names, sizes(shape.size), strict=True)
        ]
        self._content = Content(shape)

    def place(self, start: int, length: int) -> list[Place]:
        """Give a stretch the next grains of the extents it touches."""
        found = []
        stop = start + length
        while start < stop:
            number, at = divmod(start, PIECE)
            part = min(stop - start, PIECE - at)
            place = self._files[number].place(at, part)
            self._content.add(start, part, self._files[number].output, place.offset)
            found.append(place)
            start += part
        return found

    def finish(self) -> None:
        """Write the tables of all extents, and the descriptor."""
        for file in self._files:
            file.finish()
        extents = [
            f'RW {-(-size // SECTOR)} SPARSE "{name}"'
            for name, size in zip(self._names, sizes(self._shape.size), strict=True)
        ]
        self._output.write(describe(SPLIT, self._shape, self._content.digest(), extents), 0)
