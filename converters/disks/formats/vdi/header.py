"""The header of a VDI: the kind of disk, its size, its blocks and its identifiers.

Source: the layout as VirtualBox (src/VBox/Storage/VDICore.h) and QEMU (block/vdi.c) document it.
All integers are little-endian; of an identifier the first three fields are, too.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, NoReturn
from uuid import UUID

from converters.disks.formats.vdi import SIGNATURE, SIGNATURE_AT
from converters.disks.image import LARGEST_DISK, SECTOR
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

VERSION = 0x0001_0001
SIZE_FIELD_AT = 72
DYNAMIC, FIXED, UNDO, DIFFERENCING = 1, 2, 3, 4
KINDS = {DYNAMIC: "dynamic", FIXED: "fixed", UNDO: "undo", DIFFERENCING: "differencing"}
NOTHING = bytes(16)
OLD_VERSION = 0x0000_0001


@dataclass(frozen=True, slots=True)
class Header:
    """What the first sector says; offsets and sizes in bytes.

    Version 0.1 says less: its map follows its header, the data follow the map, and a disk above
    another one does not know which modification of it that was.
    """

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<64s4sIIII256sIIIIIIIQIIII16s16s16s16sIIII")
    BASIC: ClassVar[int] = 456
    OLD_LAYOUT: ClassVar[struct.Struct] = struct.Struct("<64s4sIII256sIIIIQIII16s16s16s")

    text: bytes
    signature: bytes
    version: int
    header_size: int
    kind: int
    flags: int
    description: bytes
    map_at: int
    data_at: int
    cylinders: int
    heads: int
    sectors: int
    sector_size: int
    reserved: int
    disk_size: int
    block: int
    block_extra: int
    blocks: int
    allocated: int
    identifier: bytes
    modification: bytes
    parent: bytes
    parent_modification: bytes
    logical_cylinders: int = 0
    logical_heads: int = 0
    logical_sectors: int = 0
    logical_sector_size: int = SECTOR

    @classmethod
    def read(cls, file: File) -> Header:
        """Read and check a header."""
        raw = file.pread(0, cls.LAYOUT.size)
        if len(raw) < cls.OLD_LAYOUT.size:
            _refuse_short(raw, cls.OLD_LAYOUT.size, file.name)
        signature, version = struct.unpack_from("<4sI", raw, SIGNATURE_AT)
        if signature != SIGNATURE:
            raise DamagedInputError(
                f"no VDI header (found {signature!r})", where=f"{file.name} at {SIGNATURE_AT}"
            )
        if version >> 16 != VERSION >> 16 and version != OLD_VERSION:
            raise UnsupportedInputError(
                f"the VDI has an unknown version ({version >> 16}.{version & 0xFFFF})",
                where=file.name,
            )
        header = cls._old(raw) if version == OLD_VERSION else cls._usual(raw, file.name)
        header._check(file.name)
        return header

    @classmethod
    def _usual(cls, raw: bytes, where: str) -> Header:
        if len(raw) < cls.BASIC:
            _refuse_short(raw, cls.BASIC, where)
        return cls(*cls.LAYOUT.unpack(raw.ljust(cls.LAYOUT.size, b"\0")))

    @classmethod
    def _old(cls, raw: bytes) -> Header:
        fields = cls.OLD_LAYOUT.unpack_from(raw)
        blocks, size = fields[-5], cls.OLD_LAYOUT.size
        return cls(
            *(*fields[:3], size - SIZE_FIELD_AT, *fields[3:6], size, size + blocks * 4),
            *(*fields[6:10], 0, *fields[10:12], 0, *fields[12:], NOTHING),
        )

    @property
    def size(self) -> int:
        """The size of the disk; one of no whole sector is rounded up, for a block has them all."""
        return -(-self.disk_size // SECTOR) * SECTOR

    @property
    def differs(self) -> bool:
        """Whether only differences to another disk are stored."""
        return self.kind in {UNDO, DIFFERENCING} or self.parent != NOTHING

    def packed(self) -> bytes:
        """Return the first sector."""
        fields = [getattr(self, name) for name in self.__slots__]
        return self.LAYOUT.pack(*fields).ljust(SECTOR, b"\0")

    def _check(self, where: str) -> None:
        if self.kind not in KINDS:
            raise UnsupportedInputError(
                f"the VDI is of a type that is not read ({self.kind})", where=where
            )
        if self.disk_size > LARGEST_DISK:
            raise DamagedInputError(
                f"the VDI disk's size is impossible ({self.disk_size} bytes)", where=where
            )
        if self.block < SECTOR or self.block & (self.block - 1):
            raise DamagedInputError(
                f"the VDI block size is impossible ({self.block} bytes)", where=where
            )
        if self.block_extra > self.block:
            raise DamagedInputError(
                f"the VDI blocks have an impossible prefix ({self.block_extra} bytes, "
                f"a block has {self.block})",
                where=where,
            )
        if self.data_at < self.OLD_LAYOUT.size:
            raise DamagedInputError(
                f"the VDI data lies inside the header (at {self.data_at})", where=where
            )
        if self.blocks * self.block < self.disk_size:
            raise DamagedInputError(
                f"the VDI block map is too small for the disk ({self.blocks} blocks, "
                f"should be {-(-self.disk_size // self.block)})",
                where=where,
            )


def identifier_of(raw: bytes) -> str:
    """Return an identifier as people write it."""
    return str(UUID(bytes_le=raw))


def _refuse_short(raw: bytes, needed: int, where: str) -> NoReturn:
    raise DamagedInputError(
        f"the VDI header is cut short ({len(raw)} bytes, should be {needed} at least)", where=where
    )
