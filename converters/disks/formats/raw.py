"""Raw images: the guest's disk, byte for byte. What no other format recognises is raw."""

from __future__ import annotations

from collections.abc import Iterator

from converters.disks.device import DeviceOutput
from converters.disks.gate import Gate
from converters.disks.holes import stored_runs
from converters.disks.image import SECTOR, Facts, Run
from converters.disks.output import Output
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
        return stored_runs(self._file, start, stop)


class RawWriter:
    """Every byte at its own offset; what is not written stays a hole, or is made zero."""

    unit = SECTOR

    def __init__(self, output: Output, shape: Shape) -> None:
        self._output = output
        self._size = shape.size
        self._at = 0

    def place(self, start: int, length: int) -> list[Place]:
        """Return the same offset."""
        self._zero(start)
        self._at = start + length
        return [Place(start, length)]

    def finish(self) -> None:
        """Give the file its length."""
        self._zero(self._size)
        self._output.truncate(self._size)

    def _zero(self, stop: int) -> None:
        """Make what was left out zero where something else may lie there."""
        if isinstance(self._output, DeviceOutput) and stop > self._at:
            self._output.zero(self._at, stop - self._at)


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
