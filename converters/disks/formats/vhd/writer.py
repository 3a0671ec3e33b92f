"""Writing VHD: fixed, dynamic, or only the differences to another VHD.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 2006.
"""

from __future__ import annotations

from converters.disks.formats.vhd.footer import Creator, Kind, packed_footer
from converters.disks.formats.vhd.growing import DynamicVhdWriter, Growth
from converters.disks.formats.vhd.options import AZURE, BATMAP, BLOCK_SIZE, SUBFORMAT
from converters.disks.formats.vhd.parent import link
from converters.disks.identity import identity
from converters.disks.image import SECTOR
from converters.disks.output import Output
from converters.disks.registry import Shape
from converters.disks.writer import Place, Writer
from rehost.errors import UsageError

LARGEST_SIZE = 2040 << 30
MIB = 1 << 20


class FixedVhdWriter:
    """Every byte at its own offset, and the footer behind them."""

    unit = SECTOR

    def __init__(self, output: Output, size: int) -> None:
        output.need_going_back()
        self._output = output
        self._size = size
        self._output.truncate(self._size)

    def place(self, start: int, length: int) -> list[Place]:
        """Return the same offset."""
        return [Place(start, length)]

    def finish(self) -> None:
        """Write the footer."""
        known = identity(self._output, 0, self._size, b"")
        footer = packed_footer(Kind.FIXED, self._size, known, Creator.WINDOWS)
        self._output.write(footer, self._size)
        self._output.truncate(self._size + SECTOR)


def create(output: Output, shape: Shape) -> Writer:
    """Lay out a new VHD of the kind that is asked for."""
    fixed = shape.option(SUBFORMAT) == "fixed"
    azure, batmap = (shape.option(each) == "on" for each in (AZURE, BATMAP))
    if azure and shape.options.get(SUBFORMAT.name) == "dynamic":
        raise UsageError("Azure takes fixed VHDs only", hint="Leave out subformat.")
    fixed = fixed or azure
    if fixed and batmap:
        raise UsageError("a fixed VHD has no batmap", hint="Leave out batmap, or subformat.")
    if fixed and shape.base is not None:
        raise UsageError(
            "a fixed VHD cannot store differences only", hint="Leave out subformat, or the base."
        )
    size = _checked_size(shape, MIB if azure else SECTOR)
    if fixed:
        return FixedVhdWriter(output, size)
    growth = Growth(
        size=size,
        block=int(shape.option(BLOCK_SIZE)),
        batmap=batmap,
        link=None if shape.base is None else link(shape.base),
    )
    return DynamicVhdWriter(output, growth)


def _checked_size(shape: Shape, step: int) -> int:
    """Return the disk's size, rounded up to whole steps."""
    if shape.size > LARGEST_SIZE:
        raise UsageError(
            f"a VHD holds at most 2040 GiB (the disk has {shape.size} bytes)",
            hint="Choose a format without this limit, such as qcow2.",
        )
    return -(-shape.size // step) * step
