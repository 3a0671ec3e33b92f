"""Writing VHD, fixed and dynamic.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 2006.
"""

from __future__ import annotations

import numpy as np

from converters.disks.formats.vhd.footer import VERSION, Footer, Kind, geometry
from converters.disks.formats.vhd.header import NO_OFFSET, SIZE, packed_header
from converters.disks.formats.vhd.reader import UNUSED
from converters.disks.identity import identity
from converters.disks.image import SECTOR
from converters.disks.options import Option
from converters.disks.output import Output
from converters.disks.registry import Shape
from converters.disks.writer import Place, Writer
from rehost.errors import UsageError

SUBFORMAT = Option("subformat", ("dynamic", "fixed"), "whether the file grows with its content")
LARGEST_SIZE = 2040 << 30
BLOCK = 2 << 20
BITMAP = b"\xff" * SECTOR
FINE = 4096
HEADER_AT = SECTOR
TABLE_AT = HEADER_AT + SIZE
RESERVED_FEATURE = 2
# The name of the creator is what readers choose the size by. Under Hyper-V's they all take the
# current size, and not what the geometry leaves of it.
APPLICATION, APPLICATION_VERSION, HOST = b"win ", 0x000A_0000, b"Wi2k"


class FixedVhdWriter:
    """Every byte at its own offset, and the footer behind them."""

    unit = SECTOR

    def __init__(self, output: Output, shape: Shape) -> None:
        self._output = output
        self._size = _checked_size(shape)
        self._output.truncate(self._size)

    def place(self, start: int, length: int) -> list[Place]:
        """Return the same offset."""
        return [Place(start, length)]

    def finish(self) -> None:
        """Write the footer."""
        footer = _footer(self._output, Kind.FIXED, self._size, 0, b"")
        self._output.write(footer, self._size)
        self._output.truncate(self._size + SECTOR)


class DynamicVhdWriter:
    """Blocks in the order of the disk, each behind a bitmap that calls all its sectors stored.

    The data of each block begins at a multiple of 4 KiB, as XenServer lays it out. A block's
    sectors that hold nothing stay a hole of the file.
    """

    unit = FINE

    def __init__(self, output: Output, shape: Shape) -> None:
        self._output = output
        self._size = _checked_size(shape)
        self._table = np.full(-(-self._size // BLOCK), UNUSED, dtype=">u4")
        padded = -(-self._table.nbytes // SECTOR) * SECTOR
        self._end = self._first = TABLE_AT + padded

    def place(self, start: int, length: int) -> list[Place]:
        """Give each block that is touched the next place, unless it has one."""
        places = []
        stop = start + length
        while start < stop:
            number, inside = divmod(start, BLOCK)
            part = min(BLOCK - inside, stop - start)
            places.append(Place(self._data_at(number) + inside, part))
            start += part
        return places

    def finish(self) -> None:
        """Write the footer at the end, the table, the header and the footer's copy."""
        table = self._table.tobytes()
        footer = _footer(self._output, Kind.DYNAMIC, self._size, self._first, table)
        self._output.truncate(self._end + SECTOR)
        self._output.write(footer, self._end)
        padding = b"\xff" * (-len(table) % SECTOR)
        self._output.write(table + padding, TABLE_AT)
        self._output.write(packed_header(TABLE_AT, len(self._table), BLOCK), HEADER_AT)
        self._output.write(footer, 0)

    def _data_at(self, number: int) -> int:
        known = int(self._table[number])
        if known != UNUSED:
            return (known + 1) * SECTOR
        data = -(-(self._end + SECTOR) // FINE) * FINE
        self._table[number] = data // SECTOR - 1
        self._output.write(BITMAP, data - SECTOR)
        self._end = data + BLOCK
        return data


def create(output: Output, shape: Shape) -> Writer:
    """Lay out a new VHD of the kind that is asked for."""
    if shape.option(SUBFORMAT) == "fixed":
        return FixedVhdWriter(output, shape)
    return DynamicVhdWriter(output, shape)


def _checked_size(shape: Shape) -> int:
    """Return the disk's size in whole sectors."""
    if shape.size > LARGEST_SIZE:
        raise UsageError(
            f"a VHD holds at most 2040 GiB (the disk has {shape.size} bytes)",
            hint="Choose a format without this limit, such as qcow2.",
        )
    return -(-shape.size // SECTOR) * SECTOR


def _footer(output: Output, kind: Kind, size: int, data_at: int, table: bytes) -> bytes:
    cylinders, heads, sectors = geometry(size)
    footer = Footer(
        features=RESERVED_FEATURE,
        version=VERSION,
        header_at=NO_OFFSET if kind == Kind.FIXED else HEADER_AT,
        timestamp=0,
        application=APPLICATION,
        application_version=APPLICATION_VERSION,
        host=HOST,
        original_size=size,
        current_size=size,
        cylinders=cylinders,
        heads=heads,
        sectors=sectors,
        kind=kind,
        checksum=0,
        identifier=identity(output, data_at, size, table).bytes,
        saved=0,
    )
    return footer.pack()
