"""Reading VHDX: blocks stored whole, in part, as zeros, or left to the parent.

Source: [MS-VHDX], sections "Payload BAT Entry States" and "Sector Bitmap Blocks".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from converters.disks.formats.vhdx.header import Header
from converters.disks.formats.vhdx.metadata import Metadata
from converters.disks.formats.vhdx.table import OFFSET, PART, PARTIAL, BlockTable, positions_of
from converters.disks.holes import Holes
from converters.disks.image import PARENT, ZERO, Facts, Image, Run, Stored, fetch
from converters.disks.tables import ABSENT, ZEROED, stretches
from rehost.files import File


class VhdxImage:
    """A VHDX. Behind ``solid`` its file has only zeros, which the log promised room for."""

    def __init__(
        self,
        file: File,
        metadata: Metadata,
        table: BlockTable,
        *,
        solid: int,
        parent: Image | None,
        facts: Facts,
    ) -> None:
        self.parent = parent
        self.size = metadata.size
        self.facts = facts
        self._file = file
        self._holes = Holes(file)
        self._solid = solid
        self._metadata = metadata
        self._table = table

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the blocks between two offsets."""
        stop = min(stop, self.size)
        block = self._metadata.block
        last = -(-stop // block)
        for begin in range(start // block, last, PART):
            entries = self._table.entries(begin, min(begin + PART, last))
            for index, count, position in stretches(positions_of(entries), block):
                number = begin + index
                offset = max(number * block, start)
                end = min((number + count) * block, stop)
                if position == PARTIAL:
                    at = int(entries[index]) & OFFSET
                    yield from self._partial(number, at, offset, end)
                elif position in {ABSENT, ZEROED}:
                    yield Run(offset, end - offset, PARENT if position == ABSENT else ZERO)
                elif end + (shift := position - number * block) <= self._solid:
                    yield from self._holes.runs(offset, offset + shift, end - offset)
                else:
                    yield from self._stored(offset, end, shift)

    def _stored(self, start: int, stop: int, shift: int) -> Iterator[Run]:
        """Yield what the file stores ``shift`` bytes further on, its holes as zeros."""
        solid = max(start, min(stop, self._solid - shift))
        if solid > start:
            yield from self._holes.runs(start, start + shift, solid - start)
        if stop > solid:
            yield Run(solid, stop - solid, ZERO)

    def _partial(self, number: int, at: int, start: int, stop: int) -> Iterator[Run]:
        """Yield the sectors of a block that are stored here and those that the parent has."""
        begin, sector = number * self._metadata.block, self._metadata.logical
        first, last = (start - begin) // sector // 8, -(-(stop - begin) // sector // 8)
        bitmap = Stored(self._file, self._table.bitmap_at(number) + first)
        raw = np.frombuffer(fetch(bitmap, last - first), dtype=np.uint8)
        bits = np.unpackbits(raw, bitorder="little")
        edges = np.flatnonzero(bits[1:] != bits[:-1]) + 1
        origin = begin + first * 8 * sector
        starts = [0, *edges.tolist()]
        for low, high in zip(starts, [*starts[1:], len(bits)], strict=True):
            offset, end = max(origin + low * sector, start), min(origin + high * sector, stop)
            if offset < end and bits[low]:
                yield from self._stored(offset, end, at - begin)
            elif offset < end:
                yield Run(offset, end - offset, PARENT)


def facts_of(
    creator: str,
    header: Header,
    metadata: Metadata,
    table: BlockTable,
    oddities: tuple[str, ...],
) -> Facts:
    """Return what the headers and the metadata say."""
    details: dict[str, object] = {
        "creator": creator,
        "blockSize": metadata.block,
        "logicalSectorSize": metadata.logical,
        "physicalSectorSize": metadata.physical,
        "leaveBlocksAllocated": metadata.fixed,
        "storedBlocks": table.stored,
        "diskIdentifier": str(metadata.disk_id),
        "fileWriteGuid": str(header.file_write),
        "dataWriteGuid": str(header.data_write),
        "parentLocator": metadata.locator,
    }
    kind = "fixed" if metadata.fixed else "dynamic"
    variant = kind if metadata.locator is None else "differencing"
    return Facts("vhdx", variant, details, oddities)
