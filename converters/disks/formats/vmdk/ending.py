"""How a stream ends: the footer, the end-of-stream marker, and what lies behind it.

A consumer that digests a stream while it reads it stops at the marker, so that bytes behind it make
its digest differ from that of the whole file.

Source: VMware, "Virtual Disk Format 5.0", section "Stream-Optimized Compressed Sparse Extents".
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import NamedTuple

from converters.disks.formats.vmdk.header import Header
from converters.disks.formats.vmdk.recognition import SPARSE_MAGIC
from converters.disks.image import SECTOR
from rehost.errors import DamagedInputError
from rehost.files import File

TRAILING = 1 << 20
MOST_MARKERS = 1 << 12
"""How many markers are followed behind the last grain before the search is given up."""

GRAIN_MARKER = struct.Struct("<QI")
MARKER = struct.Struct("<QII")
END_OF_STREAM, GRAIN_TABLE, GRAIN_DIRECTORY, FOOTER = range(4)
END = bytes(SECTOR)
END_MARKER = "end-of-stream marker"


class Ending(NamedTuple):
    """What was found behind the last grain.

    ``stop`` is the offset of the first byte behind the end-of-stream marker, if that was found, and
    ``left`` the number of bytes from there on. ``due`` is where a marker belongs that is not there,
    all before it being whole, and ``damage`` says what is not.
    """

    oddities: tuple[str, ...] = ()
    stop: int | None = None
    left: int = 0
    due: int | None = None
    damage: str | None = None


WITHOUT_MARKER = Ending((f"the stream has no {END_MARKER}",))


class Footer(NamedTuple):
    """The footer of a stream, and how the file goes on behind it."""

    header: Header
    ending: Ending


def footer_of(file: File, header: Header) -> Footer:
    """Find the footer of a stream, which ends with it and an end-of-stream marker.

    Some writers pad the file behind the marker, so it is looked for in the last MiB. If there is
    none, or it is damaged, the stream is walked from its first grain to the directory.
    """
    begin = max(0, file.size - file.size % SECTOR - TRAILING)
    tail = file.pread(begin, TRAILING)
    at = len(tail)
    while (at := tail.rfind(SPARSE_MAGIC, 0, at)) > 0:
        marker = tail[at - SECTOR : at]
        if at % SECTOR == 0 and marker[:16] == MARKER.pack(1, 0, FOOTER):
            try:
                found = Header.parse(tail[at : at + SECTOR], f"{file.name} at {begin + at}")
            except DamagedInputError as error:
                return _walked(file, header, f"its footer is damaged ({error.what})")
            return Footer(found, _behind(file, begin + at + SECTOR))
    return _walked(file, header, "its footer is missing")


def ending(file: File, last: int) -> Ending:
    """Follow the markers from the last grain on, to the end of the stream."""
    at = last
    for _ in range(MOST_MARKERS):
        marker = file.pread(at, SECTOR)
        if not any(marker):
            return _behind(file, at)
        stop = at + _length(marker) if len(marker) >= MARKER.size else file.size + 1
        if stop > file.size:
            return _cut(file, at) if at == last else WITHOUT_MARKER
        at = -(-stop // SECTOR) * SECTOR
    return Ending()


def _behind(file: File, at: int) -> Ending:
    """Say what lies behind the end-of-stream marker that should be at ``at``."""
    marker = file.pread(at, SECTOR)
    if marker != END:
        due = at if not any(marker) and file.size > at - SECTOR else None
        return WITHOUT_MARKER._replace(due=due)
    left = file.size - at - SECTOR
    oddities = (f"{left} bytes lie behind the {END_MARKER}",) if left else ()
    return Ending(oddities, at + SECTOR, left)


def _cut(file: File, last: int) -> Ending:
    said = f"its last grain begins at {last}, the file ends at {file.size}"
    return WITHOUT_MARKER._replace(damage=f"the VMDK is cut short ({said})")


def _length(marker: bytes) -> int:
    """Return how many bytes a marker and what it announces take; the next begins at a sector."""
    sectors: int
    size: int
    sectors, size, kind = MARKER.unpack_from(marker)
    if size:
        return GRAIN_MARKER.size + size
    return SECTOR + (sectors * SECTOR if kind != END_OF_STREAM else 0)


def _walked(file: File, header: Header, oddity: str) -> Footer:
    """Walk a stream for its grain directory; only one with an end-of-stream marker is whole."""
    at, directory = header.overhead * SECTOR, 0
    while at and at < file.size:
        marker = file.pread(at, SECTOR)
        if marker == END and directory:
            return Footer(replace(header, directory_at=directory), Ending((oddity,)))
        if len(marker) < SECTOR or marker == END:
            break
        _, size, kind = MARKER.unpack_from(marker)
        if not size and kind == GRAIN_DIRECTORY:
            directory = at // SECTOR + 1
        at = -(-(at + _length(marker)) // SECTOR) * SECTOR
    raise DamagedInputError(
        f"the stream-optimized VMDK has no footer (the file ends at {file.size}, "
        f"the disk has {header.capacity} sectors)",
        where=file.name,
        hint="The file is cut short; copy it again.",
    )
