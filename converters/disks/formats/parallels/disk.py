"""A described disk of Parallels: layers of snapshots, each of them split as the storages are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from converters.disks.extents import spanned
from converters.disks.formats.parallels.descriptor import PLAIN, Descriptor, Layer, Storage
from converters.disks.formats.parallels.expanding import Expanding
from converters.disks.gate import Gate
from converters.disks.holes import stored_runs
from converters.disks.image import PARENT, SECTOR, ZERO, Facts, Image, Run
from rehost.errors import DamagedInputError
from rehost.files import File


class Plain:
    """An image that stores every sector in its place."""

    def __init__(self, file: File) -> None:
        self.size = file.size
        self._file = file

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the data of the file and its holes."""
        return stored_runs(self._file, start, stop)


class ParallelsDisk:
    """One layer of a described disk, and those below it."""

    def __init__(
        self, extents: Sequence[Plain | Expanding], starts: Sequence[int], facts: Facts
    ) -> None:
        self.parent: Image | None = None
        self.size = starts[-1]
        self.facts = facts
        self._extents = extents
        self._starts = starts

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the runs of each image touched."""
        return spanned(self._extents, self._starts, start, stop)


def open_described(descriptor: Descriptor, gate: Gate, *, by: str) -> ParallelsDisk:
    """Open the images a descriptor names, through the gate, and lay them on each other."""
    lengths = [(each.end - each.start) * SECTOR for each in descriptor.storages]
    starts = list(accumulate(lengths, initial=0))
    below: ParallelsDisk | None = None
    for guid in reversed(descriptor.chain):
        extents = [
            _open_layer(storage, storage.layers[guid], gate, by, below=below)
            for storage in descriptor.storages
        ]
        layer = ParallelsDisk(extents, starts, _facts(descriptor, guid, extents))
        layer.parent = below
        below = layer
    if below is None:
        raise DamagedInputError("the Parallels descriptor names no image", where=by)
    return below


def _open_layer(
    storage: Storage, layer: Layer, gate: Gate, by: str, *, below: Image | None
) -> Plain | Expanding:
    """Open one image of a storage; what it has beyond that is not the disk's."""
    if layer.kind == PLAIN and below is not None:
        raise DamagedInputError(
            f"a plain image lies on another in the Parallels disk ({layer.file!r})", where=by
        )
    file = gate.open(layer.file, by=by)
    absent = ZERO if below is None else PARENT
    image = Plain(file) if layer.kind == PLAIN else Expanding(file, absent)
    size = (storage.end - storage.start) * SECTOR
    if image.size < size:
        raise DamagedInputError(
            f"an image of the Parallels disk is too small ({image.size} bytes, should be {size})",
            where=file.name,
            hint="The file is cut short, or belongs to another disk.",
        )
    image.size = size
    return image


def _facts(descriptor: Descriptor, guid: str, extents: Sequence[Plain | Expanding]) -> Facts:
    files = [storage.layers[guid].file for storage in descriptor.storages]
    details: dict[str, object] = {
        "name": descriptor.name,
        "identifier": guid,
        "files": files,
        "snapshots": list(descriptor.snapshots),
    }
    oddities: list[str] = []
    for file, extent, storage in zip(files, extents, descriptor.storages, strict=True):
        if isinstance(extent, Plain):
            continue
        oddities += [f"{file}: {said}" for said in extent.facts.oddities]
        if extent.header.tracks != storage.block:
            oddities.append(
                f"{file}: has blocks of {extent.header.tracks} sectors, the descriptor says "
                f"{storage.block}"
            )
    kind = "plain" if isinstance(extents[0], Plain) else "expanding"
    return Facts("parallels", "split" if len(extents) > 1 else kind, details, tuple(oddities))
