"""Writing qcow2: clusters stored as they are, or compressed one by one.

Source: QEMU, "docs/interop/qcow2.txt", section "Cluster mapping".
"""

from __future__ import annotations

from converters.disks.formats.qcow2.growth import Growth
from converters.disks.formats.qcow2.mapping import COMPRESSED
from converters.disks.formats.qcow2.reader import DEFLATE, ZSTD
from converters.disks.image import SECTOR
from converters.disks.options import Option
from converters.disks.output import Output
from converters.disks.packing import Pack, deflate_packer, zstd_packer
from converters.disks.registry import Shape
from converters.disks.writer import Level, Place

WINDOW = 12
COMPRESSION_TYPE = Option(
    "compression_type", ("zlib", "zstd"), "how clusters are compressed, if they are"
)


def create(output: Output, shape: Shape) -> Qcow2Writer | PackedQcow2Writer:
    """Lay out a new image, compressed if a level asks for it."""
    if shape.level is None or shape.level is Level.NONE:
        return Qcow2Writer(output, shape)
    return PackedQcow2Writer(output, shape, shape.level)


class Qcow2Writer:
    """A new qcow2 image whose clusters are stored as they are."""

    def __init__(self, output: Output, shape: Shape) -> None:
        self._growth = Growth(output, shape)
        self.unit = self._growth.unit

    def place(self, start: int, length: int) -> list[Place]:
        """Give a stretch the next clusters, leaving room for an L2 table wherever one ends."""
        places = []
        stop = start + length
        while start < stop:
            index, left = self._growth.table_of(start // self.unit)
            count = min(-(-(stop - start) // self.unit), left)
            first = self._growth.take(count)
            self._growth.enter(index, first, count)
            part = min(count * self.unit, stop - start)
            places.append(Place(first, part))
            start += part
        return places

    def finish(self) -> None:
        """Write the tables, the reference counts and the header."""
        self._growth.finish()


class PackedQcow2Writer:
    """A new qcow2 image whose clusters are compressed where that makes them smaller."""

    def __init__(self, output: Output, shape: Shape, level: Level) -> None:
        self._growth = Growth(output, shape)
        self.unit = self._growth.unit
        self._type = ZSTD if shape.option(COMPRESSION_TYPE) == "zstd" else DEFLATE
        self._pack = _packer(self._type, level)
        self._shift = 62 - (self.unit.bit_length() - 1 - 8)

    def pack(self, start: int, block: memoryview) -> bytes | bytearray | memoryview:
        """Return a cluster compressed or, if that is no smaller, as it is."""
        del start
        whole = (
            block if len(block) == self.unit else memoryview(bytes(block).ljust(self.unit, b"\0"))
        )
        packed = self._pack(whole)
        return packed if len(packed) < self.unit else whole

    def append(self, start: int, packed: memoryview) -> int:
        """Give a cluster the next bytes, or a whole cluster if it is not compressed."""
        index, _ = self._growth.table_of(start // self.unit)
        if len(packed) == self.unit:
            at = self._growth.take(1)
            self._growth.enter(index, at, 1)
            return at
        at = self._growth.share(len(packed))
        more_sectors = (at + len(packed) - 1) // SECTOR - at // SECTOR
        self._growth.enter_packed(index, COMPRESSED | more_sectors << self._shift | at)
        return at

    def finish(self) -> None:
        """Write the tables, the reference counts and the header."""
        self._growth.finish(self._type)


def _packer(kind: int, level: Level) -> Pack:
    return zstd_packer(level) if kind == ZSTD else deflate_packer(level, WINDOW)
