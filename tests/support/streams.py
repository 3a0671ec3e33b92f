"""A second reader of stream-optimized VMDKs: it walks the markers and knows no grain table.

Written from VMware's "Virtual Disk Format 5.0" alone and sharing nothing with ours, so that what
one of them misunderstands the other finds.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Walk:
    """What is found on a walk; ``grains`` maps a sector of the disk to the grain's bytes.

    ``places`` are the sectors of the file where their markers are, ``end`` is the offset of the
    first byte behind the end-of-stream marker.
    """

    header: dict[str, int]
    descriptor: str
    grains: dict[int, bytes]
    places: dict[int, int]
    end: int


def header_of(content: bytes) -> dict[str, int]:
    """Return the fields of the header, whose other bytes must be as the format says."""
    names = (
        *("magic", "version", "flags", "capacity", "grain", "descriptor", "descriptor_size"),
        *("entries", "redundant", "directory", "overhead", "unclean"),
    )
    header = dict(zip(names, struct.unpack_from("<IIIQQQQIQQQB", content), strict=True))
    header["compression"] = struct.unpack_from("<H", content, 77)[0]
    assert content[73:77] == b"\n \r\n"
    assert not any(content[79:SECTOR])
    return header


def walked(content: bytes) -> Walk:
    """Walk through a stream from its header to its end-of-stream marker."""
    header = header_of(content)
    at = header["descriptor"] * SECTOR
    descriptor = content[at : at + header["descriptor_size"] * SECTOR].rstrip(b"\0").decode()
    grains: dict[int, bytes] = {}
    places: dict[int, int] = {}
    at = header["overhead"] * SECTOR
    while True:
        sector, size = struct.unpack_from("<QI", content, at)
        if size == 0:
            assert content[at : at + SECTOR] == bytes(SECTOR)
            return Walk(header, descriptor, grains, places, at + SECTOR)
        assert not grains or sector > max(grains)
        grains[sector] = zlib.decompress(content[at + 12 : at + 12 + size])
        places[sector] = at // SECTOR
        stop = at + 12 + size
        at = -(-stop // SECTOR) * SECTOR
        assert not any(content[stop:at])


def tables(content: bytes, header: dict[str, int]) -> dict[int, int]:
    """Return what the grain tables say: sectors of the disk to sectors of the file."""
    grains = -(-header["capacity"] // header["grain"])
    found = {}
    for grain in range(grains):
        table, index = divmod(grain, header["entries"])
        at = struct.unpack_from("<I", content, header["directory"] * SECTOR + table * 4)[0]
        place = struct.unpack_from("<I", content, at * SECTOR + index * 4)[0]
        if place:
            found[grain * header["grain"]] = place
    return found


def end_at_marker(path: Path) -> Path:
    """Cut a stream that qemu-img rounded up off behind its end-of-stream marker."""
    content = path.read_bytes()
    path.write_bytes(content[: walked(content).end])
    return path
