"""The metadata of a VHDX: the disk's size, its blocks and sectors, and its parent.

Source: [MS-VHDX], sections "Metadata Region" and "Known Metadata Items"; libvhdi's description.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID

from converters.disks.formats.vhdx.header import KIB, MIB, Region
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b")
DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8")
DISK_ID = UUID("beca12ab-b2e6-4523-93ef-c309e000c746")
LOGICAL_SECTOR = UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f")
PHYSICAL_SECTOR = UUID("cda348c7-445d-4471-9cc9-e9885251c556")
PARENT_LOCATOR = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c")
VHDX_PARENT = UUID("b04aefb7-d19e-4a81-b789-25b8e9445913")

SIGNATURE = b"metadata"
TABLE_SIZE = 64 * KIB
MOST_ITEMS = 2047
LARGEST_ITEM = MIB
IS_DISK, IS_REQUIRED = 2, 4
LEAVE_ALLOCATED, HAS_PARENT = 1, 2
LARGEST_BLOCK = 256 * MIB
LARGEST_DISK = 64 << 40
SECTORS = (512, 4096)
BITS_OF_BITMAP = 1 << 23

TABLE = struct.Struct("<8sHH20x")
ENTRY = struct.Struct("<16sIII4x")
PARAMETERS = struct.Struct("<II")
LOCATOR = struct.Struct("<16sHH")
LOCATOR_ENTRY = struct.Struct("<IIHH")

_NAMES = {
    FILE_PARAMETERS: "file parameters",
    DISK_SIZE: "disk's size",
    DISK_ID: "disk's identifier",
    LOGICAL_SECTOR: "logical sector size",
    PHYSICAL_SECTOR: "physical sector size",
    PARENT_LOCATOR: "parent locator",
}
_OF_THE_DISK = {DISK_SIZE, DISK_ID, LOGICAL_SECTOR, PHYSICAL_SECTOR}
_LENGTHS = {FILE_PARAMETERS: 8, DISK_SIZE: 8, DISK_ID: 16, LOGICAL_SECTOR: 4, PHYSICAL_SECTOR: 4}


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the metadata say; sizes in bytes. ``locator`` is set for a differencing disk."""

    block: int
    size: int
    logical: int
    physical: int
    disk_id: UUID
    fixed: bool
    locator: dict[str, str] | None = None

    @property
    def chunk(self) -> int:
        """The number of blocks that share a sector bitmap: the chunk ratio."""
        return BITS_OF_BITMAP * self.logical // self.block

    @property
    def blocks(self) -> int:
        """The number of blocks of the disk."""
        return -(-self.size // self.block)

    @property
    def entries(self) -> int:
        """The number of entries of the block allocation table."""
        if self.locator is not None:
            return -(-self.blocks // self.chunk) * (self.chunk + 1)
        return self.blocks + max(0, self.blocks - 1) // self.chunk

    @classmethod
    def read(cls, file: File, region: Region) -> Metadata:
        """Read and check the metadata."""
        items = _read_items(file, region)
        block, flags = PARAMETERS.unpack(items[FILE_PARAMETERS])
        locator = None
        if flags & HAS_PARENT:
            if PARENT_LOCATOR not in items:
                raise DamagedInputError("the VHDX metadata have no parent locator", where=file.name)
            locator = _parse_locator(items[PARENT_LOCATOR], file.name)
        found = cls(
            block=block,
            size=int.from_bytes(items[DISK_SIZE], "little"),
            logical=int.from_bytes(items[LOGICAL_SECTOR], "little"),
            physical=int.from_bytes(items[PHYSICAL_SECTOR], "little"),
            disk_id=UUID(bytes_le=items[DISK_ID]),
            fixed=bool(flags & LEAVE_ALLOCATED),
            locator=locator,
        )
        found._check(file.name)
        return found

    def _check(self, where: str) -> None:
        if not MIB <= self.block <= LARGEST_BLOCK or self.block & (self.block - 1):
            raise DamagedInputError(
                f"the VHDX block size is impossible ({self.block} bytes)", where=where
            )
        for name, size in ((LOGICAL_SECTOR, self.logical), (PHYSICAL_SECTOR, self.physical)):
            if size not in SECTORS:
                raise DamagedInputError(
                    f"the VHDX {_NAMES[name]} is impossible ({size} bytes)", where=where
                )
        if self.size > LARGEST_DISK or self.size % self.logical:
            raise DamagedInputError(
                f"the VHDX disk's size is impossible ({self.size} bytes)", where=where
            )

    def packed(self) -> bytes:
        """Return the metadata region as it is stored."""
        kind = LEAVE_ALLOCATED if self.fixed else 0
        items = {
            FILE_PARAMETERS: PARAMETERS.pack(
                self.block, kind if self.locator is None else HAS_PARENT
            ),
            DISK_SIZE: self.size.to_bytes(8, "little"),
            DISK_ID: self.disk_id.bytes_le,
            LOGICAL_SECTOR: self.logical.to_bytes(4, "little"),
            PHYSICAL_SECTOR: self.physical.to_bytes(4, "little"),
        }
        if self.locator is not None:
            items[PARENT_LOCATOR] = packed_locator(self.locator)
        table, content = TABLE.pack(SIGNATURE, 0, len(items)), b""
        for name, item in items.items():
            flags = IS_REQUIRED | (IS_DISK if name in _OF_THE_DISK else 0)
            table += ENTRY.pack(name.bytes_le, TABLE_SIZE + len(content), len(item), flags)
            content += item
        return table.ljust(TABLE_SIZE, b"\0") + content


def _read_items(file: File, region: Region) -> dict[UUID, bytes]:
    """Return the items that are known, and those every disk has for certain."""
    where = f"{file.name} at {region.offset}"
    table = file.pread(region.offset, TABLE_SIZE)
    magic, _, count = TABLE.unpack_from(table)
    if magic != SIGNATURE:
        raise DamagedInputError(f"no VHDX metadata (found {magic!r})", where=where)
    if count > MOST_ITEMS:
        raise DamagedInputError(
            f"the VHDX metadata have too many items ({count}, at most {MOST_ITEMS})", where=where
        )
    found: dict[UUID, bytes] = {}
    for number in range(count):
        guid, at, length, flags = ENTRY.unpack_from(table, TABLE.size + number * ENTRY.size)
        name = UUID(bytes_le=guid)
        if name in _NAMES:
            if name in found:
                raise DamagedInputError(
                    f"the VHDX metadata give the {_NAMES[name]} twice", where=where
                )
            found[name] = _item(file, region, name, Region(at, length))
        elif flags & IS_REQUIRED:
            raise UnsupportedInputError(
                f"the VHDX requires a metadata item that is not known ({name})", where=where
            )
    for name in _LENGTHS:
        if name not in found:
            raise DamagedInputError(f"the VHDX metadata have no {_NAMES[name]}", where=where)
    return found


def _item(file: File, region: Region, name: UUID, place: Region) -> bytes:
    right = place.length == _LENGTHS.get(name, place.length) <= LARGEST_ITEM
    if not right or place.offset < TABLE_SIZE or sum(place) > region.length:
        raise DamagedInputError(
            f"the VHDX {_NAMES[name]} lies at an impossible place "
            f"(at {place.offset} of the metadata, {place.length} bytes long)",
            where=f"{file.name} at {region.offset}",
        )
    return file.pread(region.offset + place.offset, place.length)


def _parse_locator(raw: bytes, where: str) -> dict[str, str]:
    """Read the keys and values of a parent locator."""
    if len(raw) < LOCATOR.size:
        raise DamagedInputError(
            f"the VHDX parent locator is cut short ({len(raw)} bytes)", where=where
        )
    guid, _, count = LOCATOR.unpack_from(raw)
    if (kind := UUID(bytes_le=guid)) != VHDX_PARENT:
        raise UnsupportedInputError(
            f"the VHDX parent locator is of a type that is not known ({kind})", where=where
        )
    if LOCATOR.size + count * LOCATOR_ENTRY.size > len(raw):
        raise DamagedInputError(
            f"the VHDX parent locator is too small for its entries ({count})", where=where
        )
    found = {}
    for number in range(count):
        at = LOCATOR.size + number * LOCATOR_ENTRY.size
        key_at, value_at, key_length, value_length = LOCATOR_ENTRY.unpack_from(raw, at)
        key, value = raw[key_at : key_at + key_length], raw[value_at : value_at + value_length]
        if len(key) < key_length or len(value) < value_length:
            raise DamagedInputError("a VHDX parent locator entry lies behind its end", where=where)
        found[_text(key)] = _text(value)
    return found


def packed_locator(entries: dict[str, str]) -> bytes:
    """Return a parent locator as it is stored."""
    texts = b""
    table = LOCATOR.pack(VHDX_PARENT.bytes_le, 0, len(entries))
    begin = LOCATOR.size + len(entries) * LOCATOR_ENTRY.size
    for pair in entries.items():
        key, value = (text.encode("utf-16-le", "surrogatepass") for text in pair)
        at = begin + len(texts)
        table += LOCATOR_ENTRY.pack(at, at + len(key), len(key), len(value))
        texts += key + value
    return table + texts


def _text(raw: bytes) -> str:
    return raw.decode("utf-16-le", "replace").rstrip("\0")
