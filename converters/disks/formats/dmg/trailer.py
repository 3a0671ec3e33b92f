"""The trailer of a DMG, its last 512 bytes: where the forks and the property list lie."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar

from converters.disks.formats.dmg import MAGIC, SIZE
from converters.disks.image import LARGEST_DISK, SECTOR
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

VERSION = 4
LARGEST_LIST = 16 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of the file, in bytes."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Trailer:
    """What the last 512 bytes say; ``size`` is the disk's, in bytes."""

    FORKS: ClassVar[struct.Struct] = struct.Struct(">4sII4x8xQQQQII")
    LIST: ClassVar[struct.Struct] = struct.Struct(">QQ")
    DISK: ClassVar[struct.Struct] = struct.Struct(">IQ")
    LIST_AT: ClassVar[int] = 216
    DISK_AT: ClassVar[int] = 488

    data: Extent
    resources: Extent
    listing: Extent
    variant: int
    size: int

    @classmethod
    def read(cls, file: File) -> Trailer:
        """Read and check a trailer."""
        where = f"{file.name} at {max(0, file.size - SIZE)}"
        raw = file.pread(max(0, file.size - SIZE), SIZE)
        if len(raw) < SIZE or not raw.startswith(MAGIC):
            raise DamagedInputError(
                f"no DMG trailer (found {raw[:4]!r})",
                where=where,
                hint="The file is cut short, or is no DMG; copy it again.",
            )
        _, version, length, *places, segment, segments = cls.FORKS.unpack_from(raw)
        if version != VERSION or length != SIZE:
            raise UnsupportedInputError(
                f"the DMG has an unknown version ({version}, with a trailer of {length} bytes)",
                where=where,
            )
        if segments > 1:
            raise UnsupportedInputError(
                f"is one of several segments of a DMG ({segment} of {segments})",
                where=where,
                hint="Join them on a Mac: hdiutil convert FILE -format UDZO -o NEW.",
            )
        variant, sectors = cls.DISK.unpack_from(raw, cls.DISK_AT)
        if sectors * SECTOR > LARGEST_DISK:
            raise DamagedInputError(
                f"the DMG disk's size is impossible ({sectors} sectors)", where=where
            )
        trailer = cls(
            data=Extent(*places[:2]),
            resources=Extent(*places[2:]),
            listing=Extent(*cls.LIST.unpack_from(raw, cls.LIST_AT)),
            variant=variant,
            size=sectors * SECTOR,
        )
        trailer._check(file)
        return trailer

    def _check(self, file: File) -> None:
        end = file.size - SIZE
        named = {
            "data fork": self.data,
            "resource fork": self.resources,
            "property list": self.listing,
        }
        for what, extent in named.items():
            if extent.length and extent.offset + extent.length > end:
                raise DamagedInputError(
                    f"the DMG {what} lies behind the end of the file ({extent.length} bytes at "
                    f"{extent.offset}, the trailer begins at {end})",
                    where=file.name,
                    hint="The file is cut short; copy it again.",
                )
        for what in ("resource fork", "property list"):
            if named[what].length > LARGEST_LIST:
                raise DamagedInputError(
                    f"the DMG {what} is absurdly large ({named[what].length} bytes)",
                    where=file.name,
                )
