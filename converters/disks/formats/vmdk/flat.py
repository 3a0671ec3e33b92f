"""Writing flat VMDKs, which store every sector: monolithicFlat, twoGbMaxExtentFlat and vmfs.

What is not written stays a hole of the file. ESXi calls the extent of a disk "disk-flat.vmdk".

Source: VMware, "Virtual Disk Format 5.0", sections "Flat Extents" and "The Descriptor File".
"""

from __future__ import annotations

from converters.disks.formats.vmdk.describing import describe
from converters.disks.formats.vmdk.identity import Content
from converters.disks.formats.vmdk.options import WHOLE_FLAT
from converters.disks.formats.vmdk.pieces import PIECE, beside, piece_names, sizes
from converters.disks.image import SECTOR
from converters.disks.output import Output
from converters.disks.registry import Shape
from converters.disks.writer import Place


class FlatWriter:
    """A new VMDK of flat extents: one, or one for every two gigabytes."""

    unit = SECTOR

    def __init__(self, output: Output, shape: Shape, kind: str) -> None:
        self._output = output
        self._shape = shape
        self._kind = kind
        whole = kind in WHOLE_FLAT
        self._piece = shape.size if whole else PIECE
        self._sizes = [shape.size] if whole else sizes(shape.size)
        self._names = (
            [beside(output.name, "-flat")] if whole else piece_names(output.name, "f", shape.size)
        )
        self._files = [output.beside(name) for name in self._names]
        self._content = Content(shape)

    def place(self, start: int, length: int) -> list[Place]:
        """Return where a stretch lies: where it always does."""
        found = []
        stop = start + length
        while start < stop:
            number, at = divmod(start, self._piece)
            part = min(stop - start, self._piece - at)
            self._content.add(start, part, self._files[number], at)
            found.append(Place(at, part, self._files[number]))
            start += part
        return found

    def finish(self) -> None:
        """Give the extents their length, to a whole sector, and write the descriptor."""
        extents = []
        for file, name, size in zip(self._files, self._names, self._sizes, strict=True):
            sectors = -(-size // SECTOR)
            file.truncate(sectors * SECTOR)
            words = f'VMFS "{name}"' if self._kind == "vmfs" else f'FLAT "{name}" 0'
            extents.append(f"RW {sectors} {words}")
        self._output.write(describe(self._kind, self._shape, self._content.digest(), extents), 0)
