"""Writing qcow2: clusters stored as they are, or compressed one by one.

Source: QEMU, "docs/interop/qcow2.txt", section "Cluster mapping".
"""

from __future__ import annotations

import os

import numpy as np

from converters.disks.formats.qcow2.describing import describe
from converters.disks.formats.qcow2.growth import Growth
from converters.disks.formats.qcow2.mapping import COMPRESSED, SUBCLUSTERS
from converters.disks.formats.qcow2.settings import Settings
from converters.disks.formats.qcow2.tracking import Directory, save
from converters.disks.image import SECTOR
from converters.disks.output import Output
from converters.disks.packing import Pack, deflate_packer, zstd_packer
from converters.disks.registry import Shape
from converters.disks.writer import Level, Place

ZEROS = bytes(1 << 20)
PROBE = Directory(1, 0, 0)


def create(output: Output, shape: Shape) -> Qcow2Writer | PackedQcow2Writer:
    """Lay out a new image, compressed if a level asks for it."""
    settings = Settings.of(shape)
    packed = shape.level not in {None, Level.NONE}
    describe(settings, shape, directory=PROBE if shape.bitmaps else None, packed=packed)
    if packed:
        return PackedQcow2Writer(output, shape, settings)
    return Qcow2Writer(output, shape, settings)


class Qcow2Writer:
    """A new qcow2 image whose clusters, or 32nd parts of them, are stored as they are."""

    def __init__(self, output: Output, shape: Shape, settings: Settings) -> None:
        self._growth = Growth(output, settings, shape.size)
        self._output = output
        self._shape = shape
        self._settings = settings
        self._data = output.beside(settings.data_file) if settings.data_file else None
        self._cluster = settings.cluster
        self._filled = 0
        self.unit = settings.cluster // (SUBCLUSTERS if settings.extended else 1)

    def place(self, start: int, length: int) -> list[Place]:
        """Give a stretch the next clusters, leaving room for an L2 table wherever one ends."""
        places = []
        stop = start + length
        self._fill(start // self._cluster)
        while start < stop:
            offset, part = self._room(start, stop)
            places.append(Place(offset, part, self._data))
            start += part
        return places

    def zero(self, start: int, length: int) -> bool:
        """Let a stretch over a base read as zeros, or say that zeros must be stored for it.

        It is what is otherwise asked of ``place``: aligned, ascending, never asked twice.
        """
        if self._settings.version == 2 or self._settings.raw:
            return False
        stop = start + length
        while start < stop:
            number, inside = divmod(start, self._cluster)
            index, left = self._growth.table_of(number)
            part = min(left * self._cluster - inside, stop - start)
            if self._settings.extended:
                self._growth.mark(index, inside, part, zero=True)
            else:
                self._growth.enter_zeros(index, self._growth.clusters(part))
            start += part
        return True

    def finish(self) -> None:
        """Write the tables, the reference counts and the header."""
        self._fill(self._growth.total)
        if self._data is not None:
            self._data.truncate(-(-self._shape.size // SECTOR) * SECTOR)
        length = _finish(self._output, self._growth, self._shape, self._settings, packed=False)
        if self._settings.preallocation == "falloc":
            for output, size in ((self._output, length), (self._data, self._shape.size)):
                if output is not None and size:
                    os.posix_fallocate(output.fileno(), 0, size)

    def _room(self, start: int, stop: int) -> tuple[int, int]:
        """Return where a stretch begins to be stored, and how much of it lies together there."""
        number, inside = divmod(start, self._cluster)
        index, left = self._growth.table_of(number)
        count = min(self._growth.clusters(inside + stop - start), left)
        first = self._growth.entered(index)
        if first is None:
            first = self._allocated(index, number, count)
        else:
            count = 1
        part = min(count * self._cluster - inside, stop - start)
        if self._settings.extended:
            self._growth.mark(index, inside, part)
        self._filled = number + count
        return first + inside, part

    def _allocated(self, index: int, number: int, count: int) -> int:
        own_place = number * self._cluster
        first = self._growth.take(count) if self._data is None else own_place
        self._growth.enter(index, first, count)
        return first

    def _fill(self, upto: int) -> None:
        """Give the guest's clusters before one their places, if all are to have one."""
        while self._settings.preallocation != "off" and self._filled < upto:
            index, left = self._growth.table_of(self._filled)
            count = min(upto - self._filled, left)
            first = self._allocated(index, self._filled, count)
            if self._settings.raw and self._settings.extended:
                self._growth.mark(index, 0, count * self._cluster)
            output = self._data or self._output
            if self._settings.preallocation == "full" or not output.holds_zeros:
                _write_zeros(output, first, count * self._cluster)
            self._filled += count


class PackedQcow2Writer:
    """A new qcow2 image whose clusters are compressed where that makes them smaller."""

    def __init__(self, output: Output, shape: Shape, settings: Settings) -> None:
        self._growth = Growth(output, settings, shape.size)
        self._output = output
        self._shape = shape
        self._settings = settings
        self._pack = _packer(settings, shape.level or Level.DEFAULT)
        self._shift = 62 - (settings.cluster.bit_length() - 1 - 8)
        self._marks_zeros = shape.base is not None and settings.version > 2
        self.unit = settings.cluster

    def pack(self, start: int, block: memoryview) -> bytes | bytearray | memoryview:
        """Return a cluster compressed or, if that is no smaller, as it is; of zeros, nothing."""
        del start
        if self._marks_zeros and not np.frombuffer(block, dtype=np.uint8).any():
            return b""
        whole = (
            block if len(block) == self.unit else memoryview(bytes(block).ljust(self.unit, b"\0"))
        )
        packed = self._pack(whole)
        return packed if len(packed) < self.unit else whole

    def append(self, start: int, packed: memoryview) -> int:
        """Give a cluster the next bytes, or a whole cluster if it is not compressed."""
        index, _ = self._growth.table_of(start // self.unit)
        if not len(packed):
            if self._settings.extended:
                self._growth.mark(index, 0, self.unit, zero=True)
            else:
                self._growth.enter_zeros(index, 1)
            return 0
        if len(packed) == self.unit:
            at = self._growth.take(1)
            self._growth.enter(index, at, 1)
            if self._settings.extended:
                self._growth.mark(index, 0, self.unit)
            return at
        at = self._growth.share(len(packed))
        more_sectors = (at + len(packed) - 1) // SECTOR - at // SECTOR
        self._growth.enter_packed(index, COMPRESSED | more_sectors << self._shift | at)
        return at

    def finish(self) -> None:
        """Write the tables, the reference counts and the header."""
        _finish(self._output, self._growth, self._shape, self._settings, packed=True)


def _finish(
    output: Output, growth: Growth, shape: Shape, settings: Settings, *, packed: bool
) -> int:
    """Write what lies behind the data and, last of all, the header; return the file's length."""
    directory = save(shape.bitmaps, -(-shape.size // SECTOR) * SECTOR, growth, output)
    tables = growth.finish()
    output.write(describe(settings, shape, tables, directory, packed=packed), 0)
    return tables.counts_at + tables.counts_clusters * settings.cluster


def _write_zeros(output: Output, start: int, length: int) -> None:
    for at in range(start, start + length, len(ZEROS)):
        output.write(memoryview(ZEROS)[: start + length - at], at)


def _packer(settings: Settings, level: Level) -> Pack:
    return zstd_packer(level) if settings.zstd else deflate_packer(level, settings.window)
