"""The first MiB of a VHDX: the file's signature, two headers and two region tables.

Source: [MS-VHDX], sections "Header Section" and "Region Tables"; libvhdi's description. All
integers are little-endian, GUIDs have their first three fields little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, TypeVar
from uuid import UUID

from converters.disks.formats.vhdx import SIGNATURE
from converters.disks.formats.vhdx.checksum import checksum_of
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

KIB = 1 << 10
MIB = 1 << 20
LARGEST_FILE = 128 << 40
CREATOR_SIZE = 512
HEADERS_AT = (64 * KIB, 128 * KIB)
HEADER_SIZE = 4 * KIB
REGIONS_AT = (192 * KIB, 256 * KIB)
REGIONS_SIZE = 64 * KIB
MOST_REGIONS = 2047
BAT = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
NO_LOG = UUID(int=0)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Header:
    """One of the two headers; the one with the higher sequence number holds."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<4sIQ16s16s16sHHIQ")
    MAGIC: ClassVar[bytes] = b"head"

    sequence: int
    file_write: UUID
    data_write: UUID
    log: UUID
    log_version: int
    version: int
    log_length: int
    log_at: int

    @classmethod
    def parse(cls, raw: bytes, where: str) -> Header:
        """Read a header, refusing one whose checksum is not its own."""
        _check_sum(raw, HEADER_SIZE, cls.MAGIC, "header", where)
        _, _, sequence, *guids, log_version, version, length, at = cls.LAYOUT.unpack_from(raw)
        written, data, log = (UUID(bytes_le=guid) for guid in guids)
        return cls(sequence, written, data, log, log_version, version, length, at)

    def packed(self) -> bytes:
        """Return the header as it is stored, with its checksum."""
        guids = (self.file_write.bytes_le, self.data_write.bytes_le, self.log.bytes_le)
        versions = (self.log_version, self.version)
        raw = self.LAYOUT.pack(
            self.MAGIC, 0, self.sequence, *guids, *versions, self.log_length, self.log_at
        )
        return with_checksum(raw.ljust(HEADER_SIZE, b"\0"))


class Region(NamedTuple):
    """A part of the file, in bytes."""

    offset: int
    length: int


class RegionTable:
    """Where the block allocation table and the metadata lie."""

    HEADER: ClassVar[struct.Struct] = struct.Struct("<4sIII")
    ENTRY: ClassVar[struct.Struct] = struct.Struct("<16sQII")
    MAGIC: ClassVar[bytes] = b"regi"

    @classmethod
    def parse(cls, raw: bytes, where: str) -> dict[UUID, tuple[Region, bool]]:
        """Read a table: for each region its place, and whether a reader must know it."""
        _check_sum(raw, REGIONS_SIZE, cls.MAGIC, "region table", where)
        count = cls.HEADER.unpack_from(raw)[2]
        if count > MOST_REGIONS:
            raise DamagedInputError(
                f"the VHDX region table has too many entries ({count}, at most {MOST_REGIONS})",
                where=where,
            )
        found: dict[UUID, tuple[Region, bool]] = {}
        for number in range(count):
            at = cls.HEADER.size + number * cls.ENTRY.size
            guid, offset, length, required = cls.ENTRY.unpack_from(raw, at)
            name = UUID(bytes_le=guid)
            if name in found:
                raise DamagedInputError(f"the VHDX region {name} is named twice", where=where)
            found[name] = (Region(offset, length), bool(required & 1))
        return found

    @classmethod
    def packed(cls, regions: dict[UUID, Region]) -> bytes:
        """Return a table of required regions as it is stored, with its checksum."""
        entries = [cls.ENTRY.pack(name.bytes_le, *place, 1) for name, place in regions.items()]
        raw = cls.HEADER.pack(cls.MAGIC, 0, len(entries), 0) + b"".join(entries)
        return with_checksum(raw.ljust(REGIONS_SIZE, b"\0"))


def with_checksum(raw: bytes) -> bytes:
    """Fill in bytes 4 to 7 of a structure."""
    return raw[:4] + checksum_of(raw).to_bytes(4, "little") + raw[8:]


def read_creator(file: File) -> str:
    """Check the file's signature and return the program that made it."""
    raw = file.pread(0, len(SIGNATURE) + CREATOR_SIZE)
    if not raw.startswith(SIGNATURE):
        raise DamagedInputError(f"is no VHDX (it begins {raw[:8]!r})", where=file.name)
    return raw[len(SIGNATURE) :].decode("utf-16-le", "replace").split("\0", 1)[0]


def read_header(file: File) -> tuple[Header, tuple[str, ...]]:
    """Return the header that holds, and what is odd about the other one."""
    headers, oddities = _sound_copies(file, HEADERS_AT, HEADER_SIZE, Header.parse)
    first, last = headers[0], headers[-1]
    if first.sequence == last.sequence and first != last:
        raise DamagedInputError(
            f"the VHDX headers contradict each other (both have the sequence number "
            f"{first.sequence})",
            where=file.name,
        )
    header = first if first.sequence >= last.sequence else last
    if header.version != 1:
        raise UnsupportedInputError(
            f"the VHDX has an unknown version ({header.version})", where=file.name
        )
    return header, oddities


def read_regions(file: File) -> tuple[dict[UUID, Region], tuple[str, ...]]:
    """Return the two regions every VHDX has, from the first table that is sound."""
    tables, oddities = _sound_copies(file, REGIONS_AT, REGIONS_SIZE, RegionTable.parse)
    found: dict[UUID, Region] = {}
    for name, (place, required) in tables[0].items():
        if name in {BAT, METADATA}:
            _check_region(place, file, _NAMES[name])
            found[name] = place
        elif required:
            raise UnsupportedInputError(
                f"the VHDX requires a region that is not known ({name})", where=file.name
            )
    for name, said in _NAMES.items():
        if name not in found:
            raise DamagedInputError(f"the VHDX has no {said}", where=file.name)
    return found, oddities


_NAMES = {BAT: "block allocation table", METADATA: "metadata"}


def _check_region(place: Region, file: File, what: str) -> None:
    if place.offset % MIB or place.offset < MIB or place.length % MIB or not place.length:
        raise DamagedInputError(
            f"the VHDX {what} lies at an impossible place "
            f"(at {place.offset}, {place.length} bytes long)",
            where=file.name,
        )
    if place.offset + place.length > file.size:
        raise DamagedInputError(
            f"the VHDX {what} lies behind the end of the file "
            f"(it ends at {place.offset + place.length}, the file at {file.size})",
            where=file.name,
            hint="The file is cut short; copy it again.",
        )


def _sound_copies(
    file: File, places: Sequence[int], size: int, parse: Callable[[bytes, str], T]
) -> tuple[list[T], tuple[str, ...]]:
    """Parse both copies of a structure; one may be broken, for they are written in turn."""
    sound: list[T] = []
    broken: list[DamagedInputError] = []
    for at in places:
        try:
            sound.append(parse(file.pread(at, size), f"{file.name} at {at}"))
        except DamagedInputError as error:
            broken.append(error)
    if not sound:
        raise broken[0]
    return sound, tuple(f"{error}; the other copy is used" for error in broken)


def _check_sum(raw: bytes, size: int, magic: bytes, what: str, where: str) -> None:
    if len(raw) < size:
        raise DamagedInputError(
            f"the VHDX {what} is cut short ({len(raw)} bytes, should be {size})", where=where
        )
    if not raw.startswith(magic):
        raise DamagedInputError(f"no VHDX {what} (found {raw[:4]!r})", where=where)
    said, real = int.from_bytes(raw[4:8], "little"), checksum_of(raw)
    if said != real:
        raise DamagedInputError(
            f"the VHDX {what}'s checksum is wrong (is {said:#x}, should be {real:#x})",
            where=where,
            hint="Copy the file again; it was changed on its way.",
        )
