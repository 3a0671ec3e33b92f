"""Reading a DMG: chunks that are zero, plain, or packed in one of five ways."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from converters.disks.blocks import Block, Blocks, check_length, check_stored, most_stored
from converters.disks.formats.dmg import SIZE, is_encrypted
from converters.disks.formats.dmg.chunks import (
    EMPTY,
    VARIANTS,
    Chunks,
    Kind,
    Table,
    joined,
)
from converters.disks.formats.dmg.listing import tables_of_fork, tables_of_list
from converters.disks.formats.dmg.packing import (
    require_lzfse,
    unadc,
    unbzip2,
    unlzfse,
    unlzma,
    unzlib,
)
from converters.disks.formats.dmg.trailer import Trailer
from converters.disks.gate import Gate
from converters.disks.image import ZERO, Facts, Run, Stored
from converters.disks.tables import AT_ONCE
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

UNPACK = {
    Kind.ADC: unadc,
    Kind.ZLIB: unzlib,
    Kind.BZIP2: unbzip2,
    Kind.LZFSE: unlzfse,
    Kind.LZMA: unlzma,
}


Entry = tuple[int, int, int, int, int, int]


class DmgImage:
    """The disk in a DMG; sectors that are "ignored" were free, and read as zeros."""

    parent = None

    def __init__(self, file: File, trailer: Trailer) -> None:
        self.size = trailer.size
        self._file = file
        self._blocks = Blocks(file)
        self._chunks = _chunks(file, trailer)
        self._check_packed()
        self.facts = _facts(trailer, self._chunks)

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the chunks between two offsets."""
        starts = self._chunks["start"]
        first = max(0, int(np.searchsorted(starts, np.uint64(start), side="right")) - 1)
        last = int(np.searchsorted(starts, np.uint64(min(stop, self.size)), side="left"))
        for part in range(first, last, AT_ONCE):
            for chunk in self._chunks[part : min(part + AT_ONCE, last)].tolist():
                yield from self._of_chunk(chunk, start, stop)

    def _of_chunk(self, chunk: Entry, start: int, stop: int) -> Iterator[Run]:
        kind, _, begin, length, offset, stored = chunk
        if kind in EMPTY:
            yield Run(begin, length, ZERO)
        elif kind == Kind.PLAIN:
            yield Run(begin, length, Stored(self._file, offset))
        else:
            unpack = partial(UNPACK[Kind(kind)], length)
            block = Block(begin, length, offset, stored, unpack)
            yield from self._blocks.runs(block, start, stop)

    def _check_packed(self) -> None:
        """Bound what packed chunks take, packed and plain."""
        found = self._chunks[self._chunks["kind"] > Kind.IGNORED]
        if not len(found):
            return
        largest = found[np.argmax(found["length"])]
        check_length(int(largest["length"]), f"{self._file.name} at {largest['offset']}")
        for each in found[found["stored"] > most_stored(found["length"])]:
            check_stored(int(each["offset"]), int(each["stored"]), int(each["length"]), self._file)
        if (found["kind"] == Kind.LZFSE).any():
            require_lzfse()


def _chunks(file: File, trailer: Trailer) -> Chunks:
    end = file.size - SIZE
    listing, fork = trailer.listing, trailer.resources
    if listing.length:
        where = f"{file.name} at {listing.offset}"
        raw = tables_of_list(file.pread(listing.offset, listing.length), where)
    elif fork.length:
        where = f"{file.name} at {fork.offset}"
        raw = tables_of_fork(file.pread(fork.offset, fork.length), where)
    else:
        return _whole(file, trailer, end)
    tables = [Table.parse(table, trailer.data.offset, where) for table in raw]
    return joined(tables, trailer.size, end, file.name)


def _whole(file: File, trailer: Trailer, end: int) -> Chunks:
    """Return the one chunk of an image without tables, whose data fork must be the disk itself."""
    if trailer.data.length != trailer.size:
        raise DamagedInputError(
            f"the DMG has no table of its chunks, and its data is not the disk "
            f"({trailer.data.length} bytes for {trailer.size})",
            where=file.name,
        )
    whole = (Kind.PLAIN, 0, 0, trailer.size, trailer.data.offset, trailer.size)
    return joined([np.array([whole], Table.NATIVE)], trailer.size, end, file.name)


def _facts(trailer: Trailer, chunks: Chunks) -> Facts:
    kinds = [Kind(kind) for kind in np.unique(chunks["kind"]).tolist()]
    variants = [VARIANTS[kind] for kind in kinds if kind in VARIANTS]
    details: dict[str, object] = {
        "chunks": len(chunks),
        "kinds": [kind.name.lower() for kind in kinds],
        "imageVariant": trailer.variant,
    }
    return Facts("dmg", "+".join(variants) or "UDRO", details)


def open_dmg(file: File, gate: Gate) -> DmgImage:
    """Open the disk that a trailer leads to."""
    del gate
    if is_encrypted(file):
        raise UnsupportedInputError(
            "the DMG is encrypted",
            where=file.name,
            hint="Decrypt it on a Mac: hdiutil convert FILE -format UDZO -o NEW.",
        )
    return DmgImage(file, Trailer.read(file))
