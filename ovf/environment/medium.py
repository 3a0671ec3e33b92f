"""The environment document on an ISO 9660 image, as the ``iso`` transport brings it.

Spec: DSP0243 clause 11.2 for the name; ECMA-119 (ISO 9660), 8.4 volume descriptors and 9.1
directory records; the Joliet specification of Microsoft, for a second tree with names in UCS-2;
RRIP 1.12, "NM", for names beside those of ISO 9660. Numbers are read where they stand in
little-endian order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ovf.parse import LARGEST
from rehost.errors import DamagedInputError, RefusedError
from rehost.files import File

ENVIRONMENT_NAME = "ovf-env.xml"
SECTOR = 2048
FIRST = 16
MOST_DESCRIPTORS = 32
LARGEST_DIRECTORY = 1 << 20
MAGIC = b"CD001"
PRIMARY, SUPPLEMENTARY, LAST = 1, 2, 255
JOLIET = (b"%/@", b"%/C", b"%/E")
ROOT = slice(156, 190)
RECORD = struct.Struct("<B x I 4x I 4x 7x B 6x B")
IS_FOLDER = 2


@dataclass(frozen=True, slots=True)
class Stored:
    """A file in the root directory: its name as a guest sees it, and where it lies."""

    name: str
    offset: int
    size: int


def is_medium(file: File) -> bool:
    """Say whether a file is an ISO 9660 image."""
    return file.pread(FIRST * SECTOR + 1, len(MAGIC)) == MAGIC


def environment_on(file: File) -> tuple[str, bytes]:
    """Return the name and the content of the environment document, in whatever spelling."""
    spelled = {each.name.lower().replace("_", "-"): each for each in root_files(file)}
    found = spelled.get(ENVIRONMENT_NAME)
    if found is None:
        raise DamagedInputError(
            f"is an image that holds no {ENVIRONMENT_NAME} in its root directory", where=file.name
        )
    if found.size > LARGEST:
        raise RefusedError(f"{found.name} is too large ({found.size} bytes)", where=file.name)
    return found.name, file.pread(found.offset, found.size)


def root_files(file: File) -> tuple[Stored, ...]:
    """Return the files in the root directory, by their long names where there are any."""
    trees = dict(_trees(file))
    if not trees:
        raise DamagedInputError("has no primary volume descriptor", where=file.name)
    joliet = SUPPLEMENTARY in trees
    at, size = trees[SUPPLEMENTARY if joliet else PRIMARY]
    if size > LARGEST_DIRECTORY:
        raise DamagedInputError(f"root directory is too large ({size} bytes)", where=file.name)
    content = file.pread(at * SECTOR, size)
    return tuple(_files(content, "utf-16-be" if joliet else "ascii"))


def _trees(file: File) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield the kind of each volume descriptor that is of use, with its root's place and size."""
    for number in range(FIRST, FIRST + MOST_DESCRIPTORS):
        sector = file.pread(number * SECTOR, SECTOR)
        if len(sector) < SECTOR or sector[1:6] != MAGIC or sector[0] == LAST:
            return
        if sector[0] == PRIMARY or (sector[0] == SUPPLEMENTARY and sector[88:91] in JOLIET):
            _, at, size, _, _ = RECORD.unpack_from(sector[ROOT])
            yield sector[0], (at, size)


def _files(content: bytes, encoding: str) -> Iterator[Stored]:
    """Yield the files of a directory; records do not cross sectors, which end in zeros."""
    place = 0
    while place + RECORD.size < len(content):
        length = content[place]
        if length == 0:
            place += SECTOR - place % SECTOR
            continue
        record = content[place : place + length]
        place += length
        if len(record) <= RECORD.size:
            continue
        _, at, size, flags, named = RECORD.unpack_from(record)
        if flags & IS_FOLDER:
            continue
        own = record[RECORD.size : RECORD.size + named].decode(encoding, "replace")
        after = RECORD.size + named + (1 - named % 2)
        name = own.partition(";")[0].rstrip(".")
        yield Stored(_long_name(record[after:]) or name, at * SECTOR, size)


def _long_name(fields: bytes) -> str:
    """Return the name in the NM fields of Rock Ridge, or nothing."""
    name = b""
    while len(fields) >= 4 and fields[2] >= 4:
        if fields[:2] == b"NM":
            name += fields[5 : fields[2]]
        fields = fields[fields[2] :]
    return name.decode(errors="replace")
