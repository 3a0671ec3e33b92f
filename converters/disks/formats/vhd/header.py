"""The header of a dynamic or differencing VHD, and the names of the disk below it.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 2006,
section "Dynamic Disk Header Format"; libvhdi's description of the format. All integers are
big-endian, but the names in locators are little-endian where Windows wrote them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from converters.disks.formats.vhd.footer import (
    COPY_AGAIN,
    NO_OFFSET,
    VERSION,
    checksum_of,
)
from converters.disks.image import SECTOR
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

COOKIE = b"cxsparse"
SIZE = 1024
CHECKSUM_AT = 36
LOCATORS_AT = 576
LOCATORS = 8
LARGEST_NAME = 65_534
RELATIVE, ABSOLUTE, MACINTOSH = b"W2ru", b"W2ku", b"MacX"
LONGEST_PARENT_NAME = 255


class Locator(NamedTuple):
    """Where the name of the disk below lies, written the way one platform wants it."""

    platform: bytes
    space: int
    length: int
    reserved: int
    offset: int


@dataclass(frozen=True, slots=True)
class Header:
    """The 1024 bytes that say where the block allocation table is, and what lies below."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">8sQQIIII16sII512s")
    LOCATOR: ClassVar[struct.Struct] = struct.Struct(">4sIIIQ")

    table_at: int
    blocks: int
    block: int
    parent_identifier: bytes
    parent_timestamp: int
    parent_name: str
    locators: tuple[Locator, ...]

    @classmethod
    def read(cls, file: File, at: int) -> Header:
        """Read and check the header at ``at``."""
        where = f"{file.name} at {at}"
        raw = file.pread(at, SIZE)
        if len(raw) < SIZE:
            raise DamagedInputError(
                f"the VHD dynamic disk header is cut short ({len(raw)} bytes, should be {SIZE})",
                where=where,
            )
        cookie, _, table_at, version, blocks, block, checksum = cls.LAYOUT.unpack_from(raw)[:7]
        identifier, timestamp, _, name = cls.LAYOUT.unpack_from(raw)[7:]
        if cookie != COOKIE:
            raise DamagedInputError(f"no VHD dynamic disk header (found {cookie!r})", where=where)
        if checksum != (real := checksum_of(raw, CHECKSUM_AT)):
            raise DamagedInputError(
                f"the VHD dynamic disk header's checksum is wrong (is {checksum:#x}, "
                f"should be {real:#x})",
                where=where,
                hint=COPY_AGAIN,
            )
        if version >> 16 != VERSION >> 16:
            raise UnsupportedInputError(
                "the VHD dynamic disk header has an unknown version "
                f"({version >> 16}.{version & 0xFFFF})",
                where=where,
            )
        if block < SECTOR or block & (block - 1):
            raise DamagedInputError(
                f"the VHD block size is impossible ({block} bytes)", where=where
            )
        return cls(
            table_at=table_at,
            blocks=blocks,
            block=block,
            parent_identifier=identifier,
            parent_timestamp=timestamp,
            parent_name=_text(name, "utf-16-be"),
            locators=tuple(_locators(raw)),
        )

    @property
    def bitmap(self) -> int:
        """The size of a block's sector bitmap, which is whole sectors."""
        return bitmap_size(self.block)

    def names(self, file: File) -> dict[bytes, str]:
        """Return the names in the locators of Windows, by platform code."""
        found: dict[bytes, str] = {}
        for locator in self.locators:
            if locator.platform not in {RELATIVE, ABSOLUTE}:
                continue
            where = f"{file.name} at {locator.offset}"
            if locator.length > LARGEST_NAME:
                raise DamagedInputError(
                    f"a VHD parent locator is too long ({locator.length} bytes, "
                    f"at most {LARGEST_NAME})",
                    where=where,
                )
            raw = file.pread(locator.offset, locator.length)
            if len(raw) < locator.length:
                raise DamagedInputError(
                    f"a VHD parent locator lies behind the end of the file "
                    f"({locator.length} bytes are needed, the file ends at {file.size})",
                    where=where,
                )
            found[locator.platform] = _text(raw, _byte_order(raw))
        return found


@dataclass(frozen=True, slots=True)
class Link:
    """How a differencing disk names the one below: the locators are encoded as each is stored."""

    identifier: bytes
    timestamp: int
    name: str
    locators: dict[bytes, bytes]

    @property
    def room(self) -> int:
        """How many bytes the names of all locators take."""
        return sum(_room(text) for text in self.locators.values())

    def names(self) -> bytes:
        """Return the names of all locators, one behind the other."""
        return b"".join(text.ljust(_room(text), b"\0") for text in self.locators.values())

    def packed(self, at: int) -> bytes:
        """Return the locators themselves, whose names lie at ``at``."""
        found = b""
        for platform, text in self.locators.items():
            space = _room(text) // SECTOR
            found += Header.LOCATOR.pack(platform, space, len(text), 0, at)
            at += _room(text)
        return found


def _room(text: bytes) -> int:
    return -(-len(text) // SECTOR) * SECTOR


def bitmap_size(block: int) -> int:
    """Return the size of a block's sector bitmap, which is whole sectors."""
    return -(-block // SECTOR // (8 * SECTOR)) * SECTOR


def packed_header(
    table_at: int, blocks: int, block: int, link: Link | None = None, locators_at: int = 0
) -> bytes:
    """Return the header of a dynamic disk, or of one that differs from another."""
    identifier, timestamp, name = bytes(16), 0, b""
    if link is not None:
        identifier, timestamp = link.identifier, link.timestamp
        name = link.name.encode("utf-16-be", "surrogatepass")
    values = (COOKIE, NO_OFFSET, table_at, VERSION, blocks, block, 0, identifier, timestamp, 0)
    raw = Header.LAYOUT.pack(*values, name)
    if link is not None:
        raw = raw.ljust(LOCATORS_AT, b"\0") + link.packed(locators_at)
    whole = bytearray(raw.ljust(SIZE, b"\0"))
    struct.pack_into(">I", whole, CHECKSUM_AT, checksum_of(whole, CHECKSUM_AT))
    return bytes(whole)


def _locators(raw: bytes) -> list[Locator]:
    step = Header.LOCATOR.size
    places = range(LOCATORS_AT, LOCATORS_AT + LOCATORS * step, step)
    return [Locator(*Header.LOCATOR.unpack_from(raw, at)) for at in places]


def _byte_order(raw: bytes) -> str:
    """Tell the order of a name's bytes by where the zeros are, for both occur."""
    return "utf-16-be" if raw[0::2].count(0) > raw[1::2].count(0) else "utf-16-le"


def _text(raw: bytes, encoding: str) -> str:
    """Decode a name up to its first null; half a pair of surrogates is allowed in it."""
    return raw[: len(raw) & ~1].decode(encoding, "surrogatepass").split("\0", 1)[0]
