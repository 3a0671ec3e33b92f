"""Reading VDI: blocks that are stored somewhere, were discarded, or were never written."""

from __future__ import annotations

from collections.abc import Iterator

from converters.disks.formats.vdi.header import KINDS, NOTHING, Header, identifier_of
from converters.disks.formats.vdi.table import PART, BlockMap
from converters.disks.holes import Holes
from converters.disks.image import PARENT, ZERO, Facts, Image, Run
from converters.disks.tables import ABSENT, stretches
from rehost.files import File


class VdiImage:
    """A disk of blocks. One that was discarded reads zeros, one never written what lies below."""

    def __init__(
        self, file: File, header: Header, parent: Image | None, oddities: tuple[str, ...] = ()
    ) -> None:
        self.parent = parent
        self.size = header.size
        self._holes = Holes(file)
        self._block = header.block
        self._map = BlockMap(file, header)
        self._absent = ZERO if parent is None else PARENT
        self.facts = _facts(header, oddities)

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the blocks between two offsets; in files with holes, those are zeros."""
        stop = min(stop, self.size)
        last = -(-stop // self._block)
        for part in range(start // self._block, last, PART):
            positions = self._map.positions(part, min(part + PART, last))
            for number, count, at in stretches(positions, self._block):
                begin = max((part + number) * self._block, start)
                end = min((part + number + count) * self._block, stop)
                if at < 0:
                    yield Run(begin, end - begin, self._absent if at == ABSENT else ZERO)
                    continue
                shift = at - (part + number) * self._block
                yield from self._holes.runs(begin, begin + shift, end - begin)


def _facts(header: Header, oddities: tuple[str, ...]) -> Facts:
    details: dict[str, object] = {
        "version": f"{header.version >> 16}.{header.version & 0xFFFF}",
        "text": _text(header.text),
        "description": _text(header.description),
        "blockSize": header.block,
        "blocksAllocated": header.allocated,
        "identifier": identifier_of(header.identifier),
        "modification": identifier_of(header.modification),
    }
    if header.block_extra:
        details["blockPrefix"] = header.block_extra
    if header.parent != NOTHING:
        details["parentIdentifier"] = identifier_of(header.parent)
        details["parentModification"] = identifier_of(header.parent_modification)
    if header.size != header.disk_size:
        odd = f"the disk has no whole number of sectors ({header.disk_size} bytes)"
        oddities = (odd, *oddities)
    return Facts("vdi", KINDS[header.kind], details, oddities)


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
