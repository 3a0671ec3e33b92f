"""Writing VDI: dynamic, fixed, or only the differences to another VDI."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID, uuid5

import numpy as np

from converters.disks.formats.vdi import SIGNATURE
from converters.disks.formats.vdi.header import (
    DIFFERENCING,
    DYNAMIC,
    FIXED,
    NOTHING,
    SIZE_FIELD_AT,
    VERSION,
    Header,
)
from converters.disks.formats.vdi.options import SUBFORMAT
from converters.disks.formats.vdi.table import MOST_BLOCKS, PART, UNUSED
from converters.disks.identity import NAMESPACE, identity
from converters.disks.image import SECTOR
from converters.disks.output import Output
from converters.disks.registry import Base, Shape
from converters.disks.writer import Place
from rehost.errors import UsageError

TEXT = b"<<< VirtualBox Disk Image, written by rehost >>>\n"
BLOCK = 1 << 20
FINE = 4096
MAP_AT = SECTOR


class VdiWriter:
    """Blocks in the order of the disk; a fixed disk has all of them from the beginning.

    Data begins at a multiple of 1 MiB, as in VirtualBox. What holds nothing stays a hole. Above
    another disk a block is stored whole, for the map knows nothing smaller. The map is written
    while the disk goes by, so memory does not grow with it.
    """

    def __init__(self, output: Output, shape: Shape) -> None:
        self.unit = FINE if shape.base is None else BLOCK
        output.need_going_back()
        self._output = output
        self._kind = _kind_of(shape)
        self._parent = (NOTHING, NOTHING) if shape.base is None else _link(shape.base)
        self._size = -(-shape.size // SECTOR) * SECTOR
        self._count = -(-self._size // BLOCK)
        if self._count > MOST_BLOCKS:
            raise UsageError(
                f"a VDI holds at most {MOST_BLOCKS * BLOCK >> 40} TiB "
                f"(the disk has {shape.size} bytes)",
                hint="Choose a format without this limit, such as qcow2.",
            )
        self._data_at = -(-(MAP_AT + self._count * 4) // BLOCK) * BLOCK
        self._allocated = 0
        self._digest = sha256(b"".join(self._parent))
        self._part = 0
        self._entries = self._empty_part()

    def place(self, start: int, length: int) -> list[Place]:
        """Give each block that is touched the next place, unless it has one."""
        places = []
        stop = start + length
        while start < stop:
            number, inside = divmod(start, BLOCK)
            part = min(BLOCK - inside, stop - start)
            places.append(Place(self._block_at(number) + inside, part))
            start += part
        return places

    def finish(self) -> None:
        """Write the map and the header; the last block is whole, whatever the disk's size."""
        while self._part * PART < self._count:
            self._flush()
        if self._kind == FIXED:
            self._allocated = self._count
        self._output.truncate(self._data_at + self._allocated * BLOCK)
        self._output.write(self._header(), 0)

    def _block_at(self, number: int) -> int:
        if self._kind == FIXED:
            return self._data_at + number * BLOCK
        while self._part < number // PART:
            self._flush()
        index = number % PART
        if self._entries[index] == UNUSED:
            self._entries[index] = self._allocated
            self._allocated += 1
        return self._data_at + int(self._entries[index]) * BLOCK

    def _empty_part(self) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
        first = self._part * PART
        count = max(0, min(PART, self._count - first))
        if self._kind == FIXED:
            return np.arange(first, first + count, dtype="<u4")
        return np.full(count, UNUSED, dtype="<u4")

    def _flush(self) -> None:
        """Write a part of the map, for the engine never comes back to it."""
        content = self._entries.tobytes()
        self._digest.update(content)
        self._output.write(content, MAP_AT + self._part * PART * 4)
        self._part += 1
        self._entries = self._empty_part()

    def _header(self) -> bytes:
        known = identity(self._output, self._data_at, self._size, self._digest.digest())
        header = Header(
            *(TEXT, SIGNATURE, VERSION, Header.LAYOUT.size - SIZE_FIELD_AT, self._kind, 0, b""),
            *(MAP_AT, self._data_at, 0, 0, 0, SECTOR, 0, self._size, BLOCK, 0),
            *(self._count, self._allocated),
            *(known.bytes_le, uuid5(NAMESPACE, known.hex).bytes_le, *self._parent),
        )
        return header.packed()


def _kind_of(shape: Shape) -> int:
    fixed = shape.option(SUBFORMAT) == "fixed"
    if shape.base is None:
        return FIXED if fixed else DYNAMIC
    if fixed:
        raise UsageError(
            "a fixed VDI cannot store differences only", hint="Leave out subformat, or the base."
        )
    return DIFFERENCING


def _link(base: Base) -> tuple[bytes, bytes]:
    """Return the identifiers by which the disk below will be found."""
    if base.format != "vdi":
        raise UsageError(
            f"a VDI stores differences to a VDI only (the base {base.name!r} is {base.format})",
            hint="Convert the base to VDI first.",
        )
    details = base.image.facts.details
    found = [UUID(str(details[name])).bytes_le for name in ("identifier", "modification")]
    if found[0] == NOTHING:
        raise UsageError(f"the base {base.name!r} has no identifier to find it by")
    return found[0], found[1]
