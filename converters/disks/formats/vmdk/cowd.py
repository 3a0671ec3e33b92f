"""Sparse extents of ESX, which begin with "COWD": the redo logs of old snapshots.

The header is 2048 bytes; a grain table always has 4096 entries, a grain is often a single sector.

Source: libvmdk's description, section "The COWD sparse extent data file"; QEMU's reader agrees. All
integers are little-endian, all offsets in sectors of 512 bytes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Self

from converters.disks.formats.vmdk.directory import entry_offsets
from converters.disks.formats.vmdk.grains import (
    Entries,
    GrainedExtent,
    Tables,
    check_apart,
    check_inside,
    read_directory,
)
from converters.disks.formats.vmdk.header import LARGEST_GRAIN
from converters.disks.formats.vmdk.recognition import COWD_MAGIC
from converters.disks.image import SECTOR
from converters.disks.tables import Positions
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

VERSION = 1
FLAGS = 3
HEADER_SIZE = 2048
ENTRIES = 4096
TABLE = ENTRIES * 4

_LAYOUT = struct.Struct("<4s7I")
_UNCLEAN_AT = 1648


class CowdHeader(NamedTuple):
    """The first fields of the header, which are those a reader needs."""

    version: int
    flags: int
    capacity: int
    grain: int
    directory_at: int
    directory_entries: int
    next_free: int
    unclean: bool = False

    @classmethod
    def parse(cls, raw: bytes, where: str) -> Self:
        """Read a header, refusing what no disk could have."""
        if len(raw) < HEADER_SIZE:
            raise DamagedInputError(
                f"the header of the ESX sparse extent is cut short ({len(raw)} bytes, "
                f"should be {HEADER_SIZE})",
                where=where,
            )
        magic, *fields = _LAYOUT.unpack_from(raw)
        if magic != COWD_MAGIC:
            raise DamagedInputError(f"is no sparse extent of ESX (found {magic!r})", where=where)
        header = cls._make((*fields, bool(struct.unpack_from("<I", raw, _UNCLEAN_AT)[0])))
        if header.version != VERSION:
            raise UnsupportedInputError(
                f"the ESX sparse extent has an unknown version ({header.version})", where=where
            )
        grain = header.grain * SECTOR
        if not 0 < grain <= LARGEST_GRAIN or grain & (grain - 1):
            raise DamagedInputError(
                f"the VMDK's grain size is impossible ({header.grain} sectors)", where=where
            )
        return header

    def packed(self) -> bytes:
        """Return the bytes that say all this."""
        return _LAYOUT.pack(COWD_MAGIC, *self[:-1]).ljust(HEADER_SIZE, b"\0")

    @property
    def details(self) -> dict[str, object]:
        """What it says, for people; sizes in bytes."""
        return {
            "headerVersion": self.version,
            "headerFlags": f"{self.flags:#x}",
            "capacity": self.capacity * SECTOR,
            "grainSectors": self.grain,
            "grainTableEntries": ENTRIES,
            "uncleanShutdown": self.unclean,
        }


class CowdExtent(GrainedExtent):
    """One sparse extent of ESX."""

    def __init__(self, file: File) -> None:
        self.header = CowdHeader.parse(file.pread(0, HEADER_SIZE), file.name)
        self.file = file
        header = self.header
        grains = -(-header.capacity // header.grain)
        needed = -(-grains // ENTRIES)
        if header.directory_entries < needed:
            raise DamagedInputError(
                f"the grain directory is too small for the disk ({header.directory_entries} "
                f"entries, should be {needed})",
                where=file.name,
            )
        entries = read_directory(file, header.directory_at * SECTOR, needed, "<u4")
        tables = Tables(file, entry_offsets(entries), ENTRIES, "<u4", grains)
        tables.check()
        super().__init__(tables, header.capacity * SECTOR, header.grain * SECTOR)

    @property
    def details(self) -> dict[str, object]:
        """What the header says."""
        return self.header.details

    @property
    def oddities(self) -> tuple[str, ...]:
        """What is strange about it."""
        unclean = "it was not closed cleanly by what wrote to it last"
        return (unclean,) if self.header.unclean else ()

    def places(self, entries: Entries) -> Positions:
        """Return where the grains of these entries lie."""
        places = entry_offsets(entries)
        check_inside(places, self.file, HEADER_SIZE)
        check_apart(places, self._grain, "grains", self.file)
        return places
