"""Writing a raw image, into a file or onto a device."""

from __future__ import annotations

from converters.disks.device import DeviceOutput
from converters.disks.image import SECTOR
from converters.disks.output import Output
from converters.disks.registry import Shape
from converters.disks.writer import Place


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
