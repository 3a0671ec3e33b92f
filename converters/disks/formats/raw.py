"""Raw images: the guest's disk, byte for byte. What no other format recognises is raw.

Holes of the file system (lseek's SEEK_DATA and SEEK_HOLE) are reported as zeros, so that a sparse
terabyte costs nothing.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from io import FileIO

from converters.disks.gate import Gate
from converters.disks.image import SECTOR, ZERO, Facts, Run, Stored
from converters.disks.registry import DiskFormat, Shape
from converters.disks.writer import Place
from rehost.files import File


class RawImage:
    """A file that is a disk. A size that is no multiple of a sector is kept as it is."""

    parent = None

    def __init__(self, file: File) -> None:
        self._file = file
        self.size = file.size
        self.facts = Facts("raw", None, {})

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the stretches between the file's holes."""
        while start < stop:
            data, hole = self._data_from(start, stop)
            if data > start:
                yield Run(start, data - start, ZERO)
            if hole > data:
                yield Run(data, hole - data, Stored(self._file, data))
            start = max(hole, data)

    def _data_from(self, start: int, stop: int) -> tuple[int, int]:
        """Return the next stretch of data as (first, behind it), both at most ``stop``."""
        places = self._file.stretches(start, stop - start)
        if places is None or len(places) != 1:
            return start, stop
        place = places[0]
        shift = place.offset - start
        try:
            data = os.lseek(place.fd, place.offset, os.SEEK_DATA)
            hole = os.lseek(place.fd, data, os.SEEK_HOLE)
        except OSError as error:
            return (stop, stop) if error.errno == errno.ENXIO else (start, stop)
        return min(max(data - shift, start), stop), min(max(hole - shift, start), stop)


class RawWriter:
    """Every byte at its own offset; what is not written stays a hole."""

    unit = SECTOR

    def __init__(self, output: FileIO, shape: Shape) -> None:
        self._output = output
        self._output.truncate(shape.size)

    def place(self, start: int, length: int) -> list[Place]:
        """Return the same offset."""
        return [Place(start, length)]

    def finish(self) -> None:
        """Leave the file as it is: its length was set at the beginning."""


def _open(file: File, gate: Gate) -> RawImage:
    del gate
    return RawImage(file)


FORMAT = DiskFormat(
    name="raw",
    title="Raw disk",
    suffixes=(".raw", ".img", ".iso", ".dd"),
    recognise=lambda file: True,
    open=_open,
    create=RawWriter,
)
