"""Writing VHDX, dynamic or fixed.

The file is laid out as Hyper-V does: headers, an empty log, metadata, the block allocation table,
then blocks in the order of the disk. The table is written while the disk goes by, so memory does
not grow with it. Identifiers follow from what is stored where, never from chance or time.

Source: [MS-VHDX].
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from uuid import uuid5

import numpy as np

from converters.disks.formats.vhdx.header import (
    BAT,
    CREATOR_SIZE,
    HEADERS_AT,
    METADATA,
    MIB,
    NO_LOG,
    REGIONS_AT,
    SIGNATURE,
    Header,
    Region,
    RegionTable,
)
from converters.disks.formats.vhdx.metadata import LARGEST_DISK, Metadata
from converters.disks.formats.vhdx.table import FULLY_PRESENT, PART
from converters.disks.identity import identity
from converters.disks.image import SECTOR
from converters.disks.options import Option
from converters.disks.output import Output
from converters.disks.registry import Shape
from converters.disks.writer import Place
from rehost.errors import UsageError

DYNAMIC, FIXED = "dynamic", "fixed"
SUBFORMAT = Option(
    "subformat", (DYNAMIC, FIXED), "whether room is given as it is needed or at once"
)
BLOCK_SIZE = Option(
    "block_size",
    ("0", *(str(MIB << bits) for bits in range(9))),
    "bytes of a block, 0 to follow from the disk's size",
)
PHYSICAL_SECTOR = 4096
CREATOR = "rehost"
LOG = Region(MIB, MIB)
METADATA_REGION = Region(2 * MIB, MIB)
BAT_AT = 3 * MIB


class VhdxWriter:
    """A new VHDX. Its unit is a sector, not a block: what is zero in a block stays a hole."""

    unit = SECTOR

    def __init__(self, output: Output, shape: Shape) -> None:
        if shape.size > LARGEST_DISK:
            raise UsageError(f"a VHDX holds 64 TiB at most (the disk has {shape.size} bytes)")
        self._output = output
        self._fixed = shape.option(SUBFORMAT) == FIXED
        self._metadata = Metadata(
            block=int(shape.option(BLOCK_SIZE)) or usual_block(shape.size),
            size=-(-shape.size // SECTOR) * SECTOR,
            logical=SECTOR,
            physical=PHYSICAL_SECTOR,
            disk_id=NO_LOG,
            fixed=self._fixed,
        )
        # QEMU counts the entries of an empty disk in 32 bits, from -1 on, and wants room for them.
        table = (self._metadata.entries or 0xFFFF_FFFF // self._metadata.chunk) * 8
        self._bat = Region(BAT_AT, -(-table // MIB) * MIB)
        self._next = sum(self._bat)
        self._block, self._at = -1, 0
        self._part = 0
        self._entries = np.zeros(PART, dtype="<u8")
        self._begun = self._reached = 0
        self._digest = sha256()
        self._output.truncate(self._next)

    def place(self, start: int, length: int) -> list[Place]:
        """Give each block room when the first of it comes."""
        if start != self._reached:
            self._note()
            self._begun = start
        self._reached = start + length
        size = self._metadata.block
        places: list[Place] = []
        stop = start + length
        while start < stop:
            number, inside = divmod(start, size)
            if number != self._block:
                self._block, self._at = number, self._room(number)
            part = min(size - inside, stop - start)
            places.append(Place(self._at + inside, part))
            start += part
        return places

    def finish(self) -> None:
        """Write the tables, the headers and, last of all, the signature."""
        if self._fixed:
            self._write_fixed_table()
            self._next = sum(self._bat) + self._metadata.blocks * self._metadata.block
        else:
            self._flush()
        self._output.truncate(self._next)
        self._note()
        found = identity(self._output, sum(self._bat), self._metadata.size, self._digest.digest())
        written, data, disk = (uuid5(found, name) for name in ("file", "data", "disk"))
        metadata = replace(self._metadata, disk_id=disk)
        self._output.write(metadata.packed(), METADATA_REGION.offset)
        regions = RegionTable.packed({BAT: self._bat, METADATA: METADATA_REGION})
        for at in REGIONS_AT:
            self._output.write(regions, at)
        for sequence, at in enumerate(HEADERS_AT):
            header = Header(sequence, written, data, NO_LOG, 0, 1, LOG.length, LOG.offset)
            self._output.write(header.packed(), at)
        creator = CREATOR.encode("utf-16-le").ljust(CREATOR_SIZE, b"\0")
        self._output.write(SIGNATURE + creator, 0)

    def _note(self) -> None:
        """Let the identifiers depend on a stretch that is stored, however it came in parts."""
        self._digest.update(b"%d %d," % (self._begun, self._reached))

    def _room(self, number: int) -> int:
        """Return where a block goes, and note it in the table."""
        if self._fixed:
            return sum(self._bat) + number * self._metadata.block
        part, index = divmod(number + number // self._metadata.chunk, PART)
        if part != self._part:
            self._flush()
            self._part = part
        self._entries[index] = self._next | FULLY_PRESENT
        self._next += self._metadata.block
        return self._next - self._metadata.block

    def _flush(self) -> None:
        """Write the part of the table that is full, for the engine never comes back to it."""
        at = self._bat.offset + self._part * self._entries.nbytes
        self._output.write(self._entries.tobytes(), at)
        self._entries[:] = 0

    def _write_fixed_table(self) -> None:
        """Write a table whose blocks follow each other; the places of bitmaps stay empty."""
        step, block = self._metadata.chunk + 1, self._metadata.block
        for begin in range(0, self._metadata.entries, PART):
            indices = np.arange(begin, min(begin + PART, self._metadata.entries))
            numbers = indices - indices // step
            entries = sum(self._bat) + numbers * block | FULLY_PRESENT
            entries[indices % step == step - 1] = 0
            self._output.write(entries.astype("<u8").tobytes(), self._bat.offset + begin * 8)


def usual_block(size: int) -> int:
    """Return the block size that other programs choose for a disk of this size."""
    for most, block in ((1 << 30, 8), (100 << 30, 16), (32 << 40, 32)):
        if size <= most:
            return block * MIB
    return 64 * MIB
