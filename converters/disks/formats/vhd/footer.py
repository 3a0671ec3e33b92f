"""The footer of a VHD, which says what kind of disk it is and how large.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 2006,
section "Hard Disk Footer Format" and the appendix on geometry; libvhdi's description of the format.
All integers are big-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import ClassVar, NamedTuple
from uuid import UUID

from converters.disks.formats.vhd.recognition import COOKIE, OLD_SIZE, footer_at
from converters.disks.image import LARGEST_DISK, SECTOR
from rehost.errors import DamagedInputError, InteropError, UnsupportedInputError
from rehost.files import File

VERSION = 0x0001_0000
CHECKSUM_AT = 64
COPY_AGAIN = "The file was changed or is cut short; copy it again."
LARGEST_GEOMETRY = (65535, 16, 255)
NO_OFFSET = 0xFFFF_FFFF_FFFF_FFFF
RESERVED_FEATURE = 2
GUESTS_SEE_GEOMETRY = frozenset({b"vpc ", b"vs  ", b"qemu"})


class Kind(IntEnum):
    """The kinds of disk that are in use."""

    FIXED = 2
    DYNAMIC = 3
    DIFFERENCING = 4


class Creator(Enum):
    """Who a footer says wrote it: readers choose by that name how they find the disk's size.

    Under these names they all take the current size, and not what the geometry leaves of it.
    XenServer looks for its map of full blocks under its own name and since that version only.
    """

    WINDOWS = (b"win ", 0x000A_0000, b"Wi2k")
    XEN = (b"tap\0", 0x0001_0003, bytes(4))


@dataclass(frozen=True, slots=True)
class Footer:
    """The 512 bytes at the end of every VHD, of which dynamic ones begin with a copy."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">8sIIQI4sI4sQQHBBII16sB")

    features: int
    version: int
    header_at: int
    timestamp: int
    application: bytes
    application_version: int
    host: bytes
    original_size: int
    current_size: int
    cylinders: int
    heads: int
    sectors: int
    kind: int
    checksum: int
    identifier: bytes
    saved: int

    @classmethod
    def parse(cls, raw: bytes, where: str) -> Footer:
        """Read a footer, refusing one whose checksum is not its own."""
        cookie, *rest = cls.LAYOUT.unpack_from(raw)
        if cookie != COOKIE:
            raise DamagedInputError(f"no VHD footer (found {cookie!r})", where=where)
        footer = cls(*rest)
        real = checksum_of(raw, CHECKSUM_AT)
        if footer.checksum != real:
            raise DamagedInputError(
                f"the VHD footer's checksum is wrong (is {footer.checksum:#x}, "
                f"should be {real:#x})",
                where=where,
                hint=COPY_AGAIN,
            )
        footer._check(where)
        return footer

    def _check(self, where: str) -> None:
        if self.version >> 16 != VERSION >> 16:
            raise UnsupportedInputError(
                f"the VHD has an unknown version ({self.version >> 16}.{self.version & 0xFFFF})",
                where=where,
            )
        if self.kind not in set(Kind):
            raise UnsupportedInputError(
                f"the VHD is of a type that is not read ({self.kind})", where=where
            )
        if self.current_size > LARGEST_DISK:
            raise DamagedInputError(
                f"the VHD disk's size is impossible ({self.current_size} bytes)", where=where
            )

    @property
    def geometry_size(self) -> int:
        """The size that cylinders, heads and sectors give."""
        return self.cylinders * self.heads * self.sectors * SECTOR

    @property
    def size(self) -> int:
        """The size the guest sees.

        Virtual PC, Virtual Server and QEMU show the guest what the geometry gives, which they
        rounded down; Hyper-V, XenServer, VirtualBox, disk2vhd and Azure show the current size, as
        everybody does where the geometry is the largest there is (QEMU's block/vpc.c knows the
        same rule). QEMU takes the geometry for every creator it does not know; here the current
        size counts then, for what is cut off is lost.
        """
        current = self.current_size // SECTOR * SECTOR
        largest = (self.cylinders, self.heads, self.sectors) == LARGEST_GEOMETRY
        if self.application not in GUESTS_SEE_GEOMETRY or largest or not self.geometry_size:
            return current
        return min(self.geometry_size, current)

    def pack(self) -> bytes:
        """Return the 512 bytes, with the checksum that is theirs."""
        fields = [getattr(self, name) for name in self.__slots__]
        raw = bytearray(self.LAYOUT.pack(COOKIE, *fields).ljust(SECTOR, b"\0"))
        struct.pack_into(">I", raw, CHECKSUM_AT, checksum_of(raw, CHECKSUM_AT))
        return bytes(raw)


class Found(NamedTuple):
    """The footer that counts, where the disk's file ends without it, and what was odd."""

    footer: Footer
    end: int
    oddities: tuple[str, ...]


def checksum_of(raw: bytes | bytearray, at: int) -> int:
    """Return the one's complement of the sum of all bytes but those of the checksum at ``at``."""
    return ~(sum(raw) - sum(raw[at : at + 4])) & 0xFFFF_FFFF


def find_footer(file: File) -> Found:
    """Read the footer, or where it is damaged its copy at the beginning."""
    at = footer_at(file)
    copied = file.pread(0, SECTOR)
    problem: InteropError
    if at is None:
        problem = DamagedInputError(
            f"has no VHD footer at its end (the file has {file.size} bytes)",
            where=file.name,
            hint="The file is cut short, or something was appended to it; copy it again.",
        )
    else:
        try:
            raw = file.pread(at, SECTOR)
            footer = Footer.parse(raw.ljust(SECTOR, b"\0"), f"{file.name} at {at}")
            return Found(footer, at, _oddities(footer, raw, copied))
        except DamagedInputError as error:
            problem = error
    if len(copied) < SECTOR or copied[: len(COOKIE)] != COOKIE or at == 0:
        raise problem
    footer = Footer.parse(copied, f"{file.name} at 0")
    if footer.kind == Kind.FIXED:
        raise problem
    said = "the footer is damaged or missing; its copy at the beginning was used"
    return Found(
        footer, file.size if at is None else at, (said, *_oddities(footer, copied, copied))
    )


def _oddities(footer: Footer, raw: bytes, copied: bytes) -> tuple[str, ...]:
    found = []
    if len(raw) == OLD_SIZE:
        found.append("the footer has 511 bytes, as versions of Virtual PC before 2004 wrote it")
    if footer.kind != Kind.FIXED and copied[:OLD_SIZE] != raw[:OLD_SIZE]:
        found.append("the footer's copy at the beginning is not the same")
    if footer.saved:
        found.append("a machine was suspended with this disk, which may not be in a clean state")
    if footer.size != footer.current_size:
        found.append(
            f"the guest sees {footer.size} bytes, though the current size is {footer.current_size}"
        )
    return tuple(found)


def packed_footer(
    kind: Kind, size: int, known: UUID, creator: Creator, *, header_at: int = NO_OFFSET
) -> bytes:
    """Return the footer of a new disk."""
    application, version, host = creator.value
    cylinders, heads, sectors = geometry(size)
    footer = Footer(
        features=RESERVED_FEATURE,
        version=VERSION,
        header_at=header_at,
        timestamp=0,
        application=application,
        application_version=version,
        host=host,
        original_size=size,
        current_size=size,
        cylinders=cylinders,
        heads=heads,
        sectors=sectors,
        kind=kind,
        checksum=0,
        identifier=known.bytes,
        saved=0,
    )
    return footer.pack()


def identifier_of(raw: bytes) -> str:
    """Return an identifier as people write it."""
    return str(UUID(bytes=raw))


def geometry(size: int) -> tuple[int, int, int]:
    """Return the cylinders, heads and sectors of a track for a disk, as the appendix demands."""
    cylinders, heads, sectors = LARGEST_GEOMETRY
    total = min(size // SECTOR, cylinders * heads * sectors)
    if total >= 65535 * 16 * 63:
        return total // sectors // heads, heads, sectors
    sectors = 17
    tracks = total // sectors
    heads = max((tracks + 1023) // 1024, 4)
    if tracks >= heads * 1024 or heads > 16:
        sectors, heads = 31, 16
        tracks = total // sectors
    if tracks >= heads * 1024:
        sectors, heads = 63, 16
        tracks = total // sectors
    return tracks // heads, heads, sectors
