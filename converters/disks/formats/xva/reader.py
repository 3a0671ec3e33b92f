"""Reading a disk out of an XVA, chunk by chunk, without unpacking the archive.

A chunk is handed out as a unit to be unpacked, of which the checksum behind it is a part: so each
is verified when it is read, on whatever thread reads it, and never otherwise.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from converters.disks.formats.xva.checksum import LENGTHS, Kind, can_verify, digest_of
from converters.disks.formats.xva.index import Chunks, Index, padded, read_index
from converters.disks.formats.xva.repetition import BLOCK
from converters.disks.gate import Gate
from converters.disks.image import ZERO, Facts, Packed, Run, Source, Stored
from rehost.errors import DamagedInputError, UsageError
from rehost.files import File

NAMES = {Kind.NONE: "none", Kind.SHA1: "sha1", Kind.XXHASH: "xxhash"}
NO_XXHASH = "the chunks' checksums are not verified, for xxhash is not installed"
NO_SUMS = "some chunks have no checksum"
MOST_LISTED = 10
PART = re.compile(r"!([^!/]*)\Z")


class XvaImage:
    """A disk of chunks, with zeros where one is missing."""

    parent = None

    def __init__(self, file: File, index: Index, chunks: Chunks) -> None:
        self.size = chunks.size
        self._file = file
        self._chunks = chunks
        self._ways = {kind: _way(kind) for kind in Kind}
        self.facts = _facts(index, chunks)

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the chunks between two offsets."""
        chunks, stop = self._chunks, min(stop, self.size)
        first = max(0, bisect_right(chunks.starts, start) - 1)
        at = start
        for number in range(first, len(chunks.starts)):
            begin, length = chunks.starts[number], chunks.lengths[number]
            if begin >= stop:
                break
            if begin + length <= at:
                continue
            if begin > at:
                yield Run(at, begin - at, ZERO)
            yield Run(begin, length, self._source(number))
            at = begin + length
        if at < stop:
            yield Run(at, stop - at, ZERO)

    def _source(self, number: int) -> Source:
        offset, length = self._chunks.offsets[number], self._chunks.lengths[number]
        kind = Kind(self._chunks.kinds[number])
        if (way := self._ways[kind]) is None:
            return Stored(self._file, offset)
        return Packed(
            self._file, offset, padded(length) + BLOCK + LENGTHS[kind], partial(way, length)
        )


def open_xva(file: File, gate: Gate) -> XvaImage:
    """Open the disk that the file's name says, or the only one."""
    del gate
    named = PART.search(file.name)
    return open_disk(file, named[1] if named else None)


def open_disk(file: File, ref: str | None = None, *, index: Index | None = None) -> XvaImage:
    """Open the disk that the description calls ``ref``; without one, the only disk there is.

    Whoever opens several disks of one file passes the ``index`` it has read.
    """
    found = index or read_index(file)
    if not found.disks:
        raise DamagedInputError("holds no disk", where=file.name)
    names = list(found.disks)
    if ref is None and len(names) == 1:
        ref = names[0]
    if ref not in found.disks:
        listed = ", ".join(f"{file.name}!{name}" for name in names[:MOST_LISTED])
        more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
        raise UsageError(
            f"has no disk of that name ({ref!r})" if ref else "holds several disks",
            where=file.name,
            hint=f"Name one of its disks: {listed}{more}.",
        )
    return XvaImage(file, found, found.disks[ref])


def _way(kind: Kind) -> Callable[[int, bytes | memoryview], bytes] | None:
    """Return what verifies a chunk, if anything can."""
    return partial(_verified, kind) if can_verify(kind) else None


def _verified(kind: Kind, length: int, stored: bytes | memoryview) -> bytes:
    """Return a chunk's bytes from those up to the end of its checksum."""
    view = memoryview(stored)
    begin = padded(length) + BLOCK
    said = bytes(view[begin : begin + LENGTHS[kind]]).decode("ascii", "replace")
    real = digest_of(kind, view[:length])
    if said.lower() != real.lower():
        raise ValueError(f"its {NAMES[kind]} is {real}, should be {said!r}")
    return bytes(view[:length])


def _facts(index: Index, chunks: Chunks) -> Facts:
    kinds = {Kind(kind): count for kind, count in Counter(chunks.kinds).items()}
    details: dict[str, object] = {
        "ref": chunks.ref,
        "disks": list(index.disks),
        "chunks": len(chunks.starts),
        "checksums": sorted(NAMES[kind] for kind in kinds),
        "otherMembers": index.others,
    }
    oddities = list(index.oddities)
    if kinds.get(Kind.NONE):
        oddities.append(NO_SUMS)
    if kinds.get(Kind.XXHASH) and not can_verify(Kind.XXHASH):
        oddities.append(NO_XXHASH)
    return Facts("xva", None, details, tuple(oddities))
