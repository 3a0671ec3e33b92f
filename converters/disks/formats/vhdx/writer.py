"""Writing VHDX: dynamic, fixed, or only the differences to another VHDX.

The file is laid out as Hyper-V does: headers, an empty log, metadata, the block allocation table,
then blocks in the order of the disk. Identifiers follow from what is stored where, never from
chance or time.

Source: [MS-VHDX].
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from uuid import UUID, uuid5

from converters.disks.formats.vhdx import SIGNATURE
from converters.disks.formats.vhdx.allocation import (
    Allocation,
    DifferencingAllocation,
    FixedAllocation,
)
from converters.disks.formats.vhdx.header import (
    BAT,
    CREATOR_SIZE,
    HEADERS_AT,
    METADATA,
    MIB,
    NO_LOG,
    REGIONS_AT,
    Header,
    Region,
    RegionTable,
)
from converters.disks.formats.vhdx.metadata import LARGEST_DISK, Metadata
from converters.disks.formats.vhdx.options import (
    BLOCK_SIZE,
    FIXED,
    LOG_SIZE,
    LOGICAL_SECTOR,
    SUBFORMAT,
    ZERO_STATE,
)
from converters.disks.formats.vhdx.parent import locator_to
from converters.disks.identity import identity
from converters.disks.output import Output
from converters.disks.registry import Shape
from converters.disks.writer import Place
from rehost.errors import UsageError

PHYSICAL_SECTOR = 4096
CREATOR = "rehost"
LOG_AT = MIB


class VhdxWriter:
    """A new VHDX. Its unit is a sector, not a block: what is zero in a block stays a hole."""

    def __init__(self, output: Output, shape: Shape) -> None:
        if shape.size > LARGEST_DISK:
            raise UsageError(f"a VHDX holds 64 TiB at most (the disk has {shape.size} bytes)")
        output.need_going_back()
        self._output = output
        self._metadata = _metadata_for(shape)
        self.unit = self._metadata.logical
        self._log = Region(LOG_AT, int(shape.option(LOG_SIZE)))
        self._described = Region(sum(self._log), MIB)
        # QEMU counts the entries of an empty disk in 32 bits, from -1 on, and wants room for them.
        table = (self._metadata.entries or 0xFFFF_FFFF // self._metadata.chunk) * 8
        self._bat = Region(sum(self._described), -(-table // MIB) * MIB)
        self._blocks = _allocation_for(output, self._bat, self._metadata, shape)
        self._each = self._metadata.locator is not None
        self._block, self._at = -1, 0
        self._begun = self._reached = 0
        self._digest = sha256()
        self._output.truncate(sum(self._bat))

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
            part = min(size - inside, stop - start)
            if number != self._block or self._each:
                self._block, self._at = number, self._blocks.room(number, start, start + part)
            places.append(Place(self._at + inside, part))
            start += part
        return places

    def finish(self) -> None:
        """Write the tables, the headers and, last of all, the signature."""
        self._digest.update(self._blocks.finish())
        self._output.truncate(self._blocks.end)
        self._note()
        found = identity(self._output, sum(self._bat), self._metadata.size, self._digest.digest())
        written, data, disk = (uuid5(found, name) for name in ("file", "data", "disk"))
        metadata = self._metadata
        if metadata.locator is None:
            metadata = replace(metadata, disk_id=disk)
        self._output.write(metadata.packed(), self._described.offset)
        regions = RegionTable.packed({BAT: self._bat, METADATA: self._described})
        for at in REGIONS_AT:
            self._output.write(regions, at)
        log = self._log
        for sequence, at in enumerate(HEADERS_AT):
            header = Header(sequence, written, data, NO_LOG, 0, 1, log.length, log.offset)
            self._output.write(header.packed(), at)
        creator = CREATOR.encode("utf-16-le").ljust(CREATOR_SIZE, b"\0")
        self._output.write(SIGNATURE + creator, 0)

    def _note(self) -> None:
        """Let the identifiers depend on a stretch that is stored, however it came in parts."""
        self._digest.update(b"%d %d," % (self._begun, self._reached))


def usual_block(size: int) -> int:
    """Return the block size that other programs choose for a disk of this size."""
    for most, block in ((1 << 30, 8), (100 << 30, 16), (32 << 40, 32)):
        if size <= most:
            return block * MIB
    return 64 * MIB


def _metadata_for(shape: Shape) -> Metadata:
    """Return the metadata of a new disk; one above another has the sectors and identifier of it."""
    block, logical = int(shape.option(BLOCK_SIZE)), int(shape.option(LOGICAL_SECTOR))
    disk_id, locator = NO_LOG, None
    if shape.base is not None:
        locator = locator_to(shape.base)
        details = shape.base.image.facts.details
        known = int(str(details["logicalSectorSize"]))
        if LOGICAL_SECTOR.name in shape.options and logical != known:
            raise UsageError(
                f"the base has sectors of another size ({known} bytes)",
                hint=f"Leave out {LOGICAL_SECTOR.name}.",
            )
        logical, disk_id = known, UUID(str(details["diskIdentifier"]))
        block = block or int(str(details["blockSize"]))
    return Metadata(
        block=block or usual_block(shape.size),
        size=-(-shape.size // logical) * logical,
        logical=logical,
        physical=PHYSICAL_SECTOR,
        disk_id=disk_id,
        fixed=shape.option(SUBFORMAT) == FIXED,
        locator=locator,
    )


def _allocation_for(output: Output, place: Region, metadata: Metadata, shape: Shape) -> Allocation:
    zero = shape.option(ZERO_STATE) == "on"
    if metadata.locator is None:
        if metadata.fixed:
            return FixedAllocation(output, place, metadata, zero=False)
        return Allocation(output, place, metadata, zero=zero)
    if metadata.fixed or zero:
        named = SUBFORMAT.name if metadata.fixed else ZERO_STATE.name
        raise UsageError(
            "a VHDX that stores differences only leaves what it does not store to its base",
            hint=f"Leave out {named}, or the base.",
        )
    return DifferencingAllocation(output, place, metadata)
