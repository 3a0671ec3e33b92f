"""The header of a hosted sparse extent, and the footer that replaces it at the end of a stream.

Source: VMware, "Virtual Disk Format 5.0", sections "Hosted Sparse Extent Header" and
"Stream-Optimized Compressed Sparse Extents"; libvmdk's description. All integers are
little-endian, all offsets and sizes in sectors of 512 bytes.
"""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass
from typing import ClassVar

from converters.disks.formats.vmdk.recognition import SPARSE_MAGIC
from converters.disks.image import LARGEST_DISK, SECTOR
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

AT_END = 0xFFFF_FFFF_FFFF_FFFF
LARGEST_GRAIN = 2 << 20
MOST_ENTRIES = 1 << 20
LARGEST_DESCRIPTOR = 1 << 20
NEWLINES = b"\n \r\n"
DEFLATE = 1

NEWLINE_TEST = 1 << 0
REDUNDANT_TABLES = 1 << 1
ZEROED_GRAINS = 1 << 2
COMPRESSED = 1 << 16
MARKERS = 1 << 17
KNOWN = NEWLINE_TEST | REDUNDANT_TABLES | ZEROED_GRAINS | COMPRESSED | MARKERS
INCOMPATIBLE = 0xFFFF_0000
"""Flags that a reader must not ignore; it may ignore the others."""

ZEROED_SINCE = 2


@dataclass(frozen=True, slots=True)
class Header:
    """The first sector of a sparse extent, or the footer that replaces it."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<4sIIQQQQIQQQB4sH")

    version: int
    flags: int
    capacity: int
    grain: int
    descriptor_at: int
    descriptor_size: int
    entries_per_table: int
    redundant_at: int
    directory_at: int
    overhead: int
    unclean: int
    newlines: bytes
    compression: int

    @classmethod
    def parse(cls, sector: bytes, where: str) -> Header:
        """Read a header, refusing what no disk could have."""
        if len(sector) < SECTOR:
            raise DamagedInputError(
                f"the VMDK header is cut short ({len(sector)} bytes, should be {SECTOR})",
                where=where,
            )
        magic, *rest = cls.LAYOUT.unpack_from(sector)
        header = cls(*rest)
        if magic != SPARSE_MAGIC:
            raise DamagedInputError(f"no VMDK header (found {magic!r})", where=where)
        header._check_kind(where)
        header._check_sizes(where)
        return header

    def packed(self) -> bytes:
        """Return the sector that says all this."""
        return self.LAYOUT.pack(SPARSE_MAGIC, *astuple(self)).ljust(SECTOR, b"\0")

    @property
    def is_compressed(self) -> bool:
        """Say whether grains are deflated."""
        return bool(self.flags & COMPRESSED)

    @property
    def has_markers(self) -> bool:
        """Say whether each grain lies behind a marker that says where it belongs."""
        return bool(self.flags & MARKERS)

    @property
    def details(self) -> dict[str, object]:
        """What it says, for people; sizes in bytes."""
        return {
            "headerVersion": self.version,
            "headerFlags": f"{self.flags:#x}",
            "capacity": self.capacity * SECTOR,
            "grainSectors": self.grain,
            "grainTableEntries": self.entries_per_table,
            "descriptorSector": self.descriptor_at,
            "descriptorSectors": self.descriptor_size,
            "redundantDirectorySector": self.redundant_at,
            "directorySector": self.directory_at,
            "overheadSectors": self.overhead,
            "compressAlgorithm": self.compression,
            "uncleanShutdown": bool(self.unclean),
        }

    @property
    def oddities(self) -> tuple[str, ...]:
        """What is strange about it."""
        found = []
        if self.unclean:
            found.append("it was not closed cleanly by what wrote to it last")
        if self.flags & ZEROED_GRAINS and self.version < ZEROED_SINCE:
            found.append(f"it has zeroed grains, which version {self.version} does not know")
        if unknown := self.flags & ~KNOWN:
            found.append(f"it has unknown flags, which may be ignored ({unknown:#x})")
        return tuple(found)

    def descriptor(self, file: File) -> bytes:
        """Return the embedded descriptor, empty if there is none."""
        length = min(self.descriptor_size * SECTOR, LARGEST_DESCRIPTOR)
        return file.pread(self.descriptor_at * SECTOR, length) if length else b""

    def _check_kind(self, where: str) -> None:
        if not 1 <= self.version <= 3:
            raise UnsupportedInputError(
                f"the sparse VMDK has an unknown version ({self.version})", where=where
            )
        if unknown := self.flags & INCOMPATIBLE & ~KNOWN:
            raise UnsupportedInputError(
                f"the sparse VMDK has unknown flags ({unknown:#x})", where=where
            )
        if self.flags & NEWLINE_TEST and self.newlines != NEWLINES:
            raise DamagedInputError(
                f"the VMDK was transferred as text (its newlines became {self.newlines!r})",
                where=where,
                hint="Copy it again in binary mode.",
            )
        if self.is_compressed and self.compression != DEFLATE:
            raise UnsupportedInputError(
                f"the VMDK's compression is not known (algorithm {self.compression})", where=where
            )
        if self.compression and not self.is_compressed:
            raise DamagedInputError(
                f"the VMDK header contradicts itself (compression algorithm {self.compression}, "
                f"but flags {self.flags:#x})",
                where=where,
            )

    def _check_sizes(self, where: str) -> None:
        grain = self.grain * SECTOR
        if not 0 < grain <= LARGEST_GRAIN or grain & (grain - 1):
            raise DamagedInputError(
                f"the VMDK's grain size is impossible ({self.grain} sectors)", where=where
            )
        if not 0 < self.entries_per_table <= MOST_ENTRIES:
            raise DamagedInputError(
                f"the VMDK's grain tables have an impossible size ({self.entries_per_table})",
                where=where,
            )
        if self.capacity * SECTOR > LARGEST_DISK:
            raise DamagedInputError(
                f"the VMDK's capacity is impossible ({self.capacity} sectors)", where=where
            )
