"""seSparse extents: the snapshots of ESXi since VMFS 5 for large disks, and of all since VMFS 6.

A constant header says where everything lies, a volatile one whether a journal must be replayed.
Entries have 64 bits: the upper four are their kind. VMware has not published the format; of the
free bitmap, the back map and the journal no more is known than where they lie.

Source: libvmdk's description does not cover it; the layout is the one QEMU's reader checks. All
integers are little-endian, all offsets and sizes in sectors of 512 bytes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Self

import numpy as np

from converters.disks.formats.vmdk.grains import (
    Entries,
    GrainedExtent,
    Tables,
    check_apart,
    check_inside,
    read_directory,
)
from converters.disks.formats.vmdk.recognition import SESPARSE_MAGIC
from converters.disks.image import LARGEST_DISK, SECTOR
from converters.disks.tables import ABSENT, ZEROED, Positions
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

VOLATILE_MAGIC = 0xCAFE_CAFE
CONST_MAGIC = int.from_bytes(SESPARSE_MAGIC, "little")
VERSION = 0x2_0000_0001
GRAIN = 8
TABLE = 64
ENTRY = 8
MOST_TABLES = 1 << 22
"""As many as 64 TiB have, where a table stands for 16 MiB."""
PART = 1 << 18

_CONST = struct.Struct("<26Q304s")
_VOLATILE = struct.Struct("<4Q480s")

_KIND = np.uint64(60)
_UNALLOCATED, _UNMAPPED, _ZERO, _ALLOCATED = range(4)
_TABLE_KIND = 1


class ConstHeader(NamedTuple):
    """The first sector, which never changes once an extent is made."""

    magic: int
    version: int
    capacity: int
    grain: int
    table: int
    flags: int
    reserved: tuple[int, int, int, int]
    volatile_at: int
    directory_at: int
    directory_size: int
    tables_at: int
    tables_size: int
    grains_at: int
    grains_size: int

    @classmethod
    def parse(cls, sector: bytes, where: str) -> Self:
        """Read a header, refusing what is not known and what no disk could have."""
        if len(sector) < SECTOR:
            raise DamagedInputError(
                f"the seSparse header is cut short ({len(sector)} bytes, should be {SECTOR})",
                where=where,
            )
        fields = _CONST.unpack(sector)
        header = cls._make((*fields[:6], fields[6:10], fields[10], *fields[16:20], *fields[24:26]))
        if header.magic != CONST_MAGIC:
            raise DamagedInputError(f"is no seSparse extent (found {sector[:8]!r})", where=where)
        header._check(where)
        return header

    def _check(self, where: str) -> None:
        found = {
            "version": self.version ^ VERSION,
            "grain size": self.grain ^ GRAIN,
            "table size": self.table ^ TABLE,
            "flags": self.flags,
            "reserved fields": any(self.reserved),
        }
        if unusual := [name for name, differs in found.items() if differs]:
            raise UnsupportedInputError(
                f"the seSparse extent is of a kind that is not known (unusual "
                f"{', '.join(unusual)})",
                where=where,
            )
        if self.capacity * SECTOR > LARGEST_DISK:
            raise DamagedInputError(
                f"the VMDK's capacity is impossible ({self.capacity} sectors)", where=where
            )

    @property
    def details(self) -> dict[str, object]:
        """What it says, for people; sizes in bytes."""
        return {
            "headerVersion": f"{self.version:#x}",
            "headerFlags": f"{self.flags:#x}",
            "capacity": self.capacity * SECTOR,
            "grainSectors": self.grain,
            "grainTableEntries": self.table * SECTOR // ENTRY,
        }


class SeSparseExtent(GrainedExtent):
    """One seSparse extent."""

    oddities: tuple[str, ...] = ()

    def __init__(self, file: File) -> None:
        self.header = ConstHeader.parse(file.pread(0, SECTOR), file.name)
        self.file = file
        self._check_volatile()
        header = self.header
        width = TABLE * SECTOR // ENTRY
        grains = -(-header.capacity // GRAIN)
        needed = -(-grains // width)
        if header.directory_size * SECTOR // ENTRY < needed:
            raise DamagedInputError(
                f"the grain directory is too small for the disk "
                f"({header.directory_size * SECTOR // ENTRY} entries, should be {needed})",
                where=file.name,
            )
        entries = read_directory(file, header.directory_at * SECTOR, needed, "<u8", MOST_TABLES)
        tables = Tables(file, self._table_offsets(entries), width, "<u8", grains)
        tables.check()
        super().__init__(tables, header.capacity * SECTOR, GRAIN * SECTOR)

    @property
    def details(self) -> dict[str, object]:
        """What the header says."""
        return self.header.details

    def places(self, entries: Entries) -> Positions:
        """Return where the grains of these entries lie; those the guest discarded are zeros."""
        kinds = entries >> _KIND
        if len(unknown := entries[(kinds > _ALLOCATED) | (kinds == _UNALLOCATED)]):
            raise DamagedInputError(
                f"a grain table has an entry of no known kind ({int(unknown[0]):#x})",
                where=self.file.name,
            )
        # The upper 12 bits of a grain's number lie below the lower 48, so it has 60 in all.
        low = (entries >> np.uint64(48)) & np.uint64(0xFFF)
        number = low | ((entries & np.uint64(0xFFFF_FFFF_FFFF)) << np.uint64(12))
        farthest = np.uint64(self.file.size // (GRAIN * SECTOR) + 1)
        places = np.minimum(number, farthest).astype(np.int64) * (GRAIN * SECTOR)
        places += self.header.grains_at * SECTOR
        places[(kinds == _UNMAPPED) | (kinds == _ZERO)] = ZEROED
        check_inside(places, self.file)
        check_apart(places, self._grain, "grains", self.file)
        return places

    def _table_offsets(self, entries: Entries) -> Positions:
        # Neither may lie so far behind the end of the file that offsets no longer fit.
        for at in (self.header.tables_at, self.header.grains_at):
            if at * SECTOR > self.file.size:
                raise DamagedInputError(
                    f"the VMDK is cut short (its tables or grains lie at {at * SECTOR}, "
                    f"the file ends at {self.file.size})",
                    where=self.file.name,
                    hint="Copy the file again.",
                )
        places = np.empty(len(entries), dtype=np.int64)
        for at in range(0, len(entries), PART):
            places[at : at + PART] = self._part_offsets(entries[at : at + PART])
        return places

    def _part_offsets(self, entries: Entries) -> Positions:
        kinds = entries >> np.uint64(32)
        wrong = entries[(entries != 0) & (kinds != _TABLE_KIND << 28)]
        if len(wrong):
            raise DamagedInputError(
                f"the grain directory has an entry of no known kind ({int(wrong[0]):#x})",
                where=self.file.name,
            )
        places: Positions = (entries & np.uint64(0xFFFF_FFFF)).astype(np.int64) * TABLE * SECTOR
        places += self.header.tables_at * SECTOR
        places[entries == 0] = ABSENT
        return places

    def _check_volatile(self) -> None:
        at = self.header.volatile_at * SECTOR
        where = f"{self.file.name} at {at}"
        if at >= self.file.size or len(raw := self.file.pread(at, SECTOR)) < SECTOR:
            raise DamagedInputError("the volatile header of the seSparse is missing", where=where)
        magic, _, _, replay, _ = _VOLATILE.unpack(raw)
        if magic != VOLATILE_MAGIC:
            raise DamagedInputError(
                f"no volatile header of a seSparse (found {raw[:8]!r})", where=where
            )
        if replay:
            raise UnsupportedInputError(
                "the seSparse extent has a journal that was not replayed",
                where=self.file.name,
                hint="Start and stop the machine where it was made, or consolidate its snapshots.",
            )
