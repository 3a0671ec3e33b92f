"""Reading Bochs' growing disks: a catalog of extents, and a bitmap of sectors in each."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from converters.disks.formats.bochs import MAGIC
from converters.disks.gate import Gate
from converters.disks.image import LARGEST_DISK, SECTOR, ZERO, Facts, Run, Source, Stored
from converters.disks.tables import (
    ABSENT,
    AT_ONCE,
    Positions,
    check_unshared,
    read_table,
    stretches,
)
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

KIND = b"Redolog"
GROWING = b"Growing"
VERSIONS = {0x0001_0000: "v1", 0x0002_0000: "v2"}
UNUSED = 0xFFFF_FFFF
LARGEST_EXTENT = 8 << 20
LARGEST_BITMAP = 1 << 20

Entries = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Header:
    """What the first sector says; sizes in bytes."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<32s16s16sIIIII")
    SIZE_AT: ClassVar[dict[str, int]] = {"v1": 84, "v2": 88}
    NEEDED: ClassVar[int] = 96

    version: str
    catalog_at: int
    entries: int
    bitmap: int
    extent: int
    size: int

    @classmethod
    def read(cls, file: File) -> Header:
        """Read and check a header."""
        raw = file.pread(0, cls.NEEDED)
        if not raw.startswith(MAGIC):
            raise DamagedInputError(f"no Bochs header (found {raw[:5]!r})", where=file.name)
        if len(raw) < cls.NEEDED:
            raise DamagedInputError(
                f"the Bochs header is cut short ({len(raw)} bytes, should be {cls.NEEDED} at "
                "least)",
                where=file.name,
            )
        _, kind, subtype, number, at, entries, bitmap, extent = cls.LAYOUT.unpack_from(raw)
        _check_kind(kind, subtype, number, file.name)
        version = VERSIONS[number]
        (size,) = struct.unpack_from("<Q", raw, cls.SIZE_AT[version])
        header = cls(version, at, entries, bitmap, extent, size)
        header._check(file.name)
        return header

    @property
    def bitmap_room(self) -> int:
        """What a bitmap takes in the file: whole sectors."""
        return -(-self.bitmap // SECTOR) * SECTOR

    def _check(self, where: str) -> None:
        if not SECTOR <= self.extent <= LARGEST_EXTENT or self.extent & (self.extent - 1):
            raise DamagedInputError(
                f"the Bochs extent size is impossible ({self.extent} bytes)", where=where
            )
        if self.bitmap > LARGEST_BITMAP:
            raise DamagedInputError(
                f"the Bochs bitmaps' size is impossible ({self.bitmap} bytes)", where=where
            )
        if self.size > LARGEST_DISK:
            raise DamagedInputError(
                f"the Bochs disk's size is impossible ({self.size} bytes)", where=where
            )
        sectors = self.extent // SECTOR
        if self.bitmap * 8 < sectors:
            raise DamagedInputError(
                f"the Bochs bitmaps are too small for the extents ({self.bitmap} bytes for "
                f"{sectors} sectors)",
                where=where,
            )
        if self.entries * self.extent < self.size:
            raise DamagedInputError(
                f"the Bochs catalog is too small for the disk ({self.entries} extents, "
                f"should be {-(-self.size // self.extent)})",
                where=where,
            )


def _check_kind(kind: bytes, subtype: bytes, version: int, where: str) -> None:
    kind, subtype = (text.split(b"\0", 1)[0] for text in (kind, subtype))
    if kind != KIND or version not in VERSIONS:
        raise UnsupportedInputError(
            f"the Bochs image is of a kind that is not read ({_text(kind)}, version {version:#x})",
            where=where,
        )
    if subtype != GROWING:
        raise UnsupportedInputError(
            f"stores only changes to another disk ({_text(subtype)}), which it does not name",
            where=where,
            hint="Merge them where it was made: bximage -func=commit.",
        )


def _text(raw: bytes) -> str:
    return repr(raw.decode("ascii", "replace"))


class BochsImage:
    """A disk of extents, of whose sectors some were written."""

    parent = None

    def __init__(self, file: File, header: Header) -> None:
        self.size = header.size
        self.facts = _facts(header)
        self._file = file
        self._header = header
        self._catalog = self._read_catalog()

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the sectors between two offsets: those written, and zeros."""
        extent = self._header.extent
        first, last = start // extent, -(-min(stop, self.size) // extent)
        for part in range(first, last, AT_ONCE):
            bitmaps = self._bitmaps(self._catalog[part : min(part + AT_ONCE, last)])
            for number, count, at in stretches(bitmaps, 0):
                begin = (part + number) * extent
                end = min(begin + count * extent, self.size)
                if at == ABSENT:
                    yield Run(begin, end - begin, ZERO)
                    continue
                sectors = max(start, begin) // SECTOR, -(-min(stop, end) // SECTOR)
                for run in self._sectors(*sectors, begin // SECTOR, at):
                    yield run._replace(length=min(run.length, self.size - run.start))

    def _bitmaps(self, entries: Entries) -> Positions:
        """Return where the bitmaps of extents lie; their sectors follow."""
        header = self._header
        positions: Positions = entries.astype(np.int64) * (header.bitmap_room + header.extent)
        positions += header.catalog_at + header.entries * 4
        positions[entries == UNUSED] = ABSENT
        return positions

    def _read_catalog(self) -> Entries:
        header = self._header
        needed = -(-header.size // header.extent)
        entries = read_table(self._file, header.catalog_at, needed, "<u4", "Bochs catalog")
        used = np.sort(entries[entries != UNUSED])
        twice = used[np.flatnonzero(used[1:] == used[:-1])[:1]]
        # Not by their places: those of a large catalog would take twice its room.
        check_unshared(np.repeat(self._bitmaps(twice), 2), "Bochs extent", self._file.name)
        return entries

    def _sectors(self, first: int, last: int, begin: int, at: int) -> Iterator[Run]:
        """Yield some sectors of an extent that begins with the sector ``begin``, by its bitmap."""
        bitmap = read_table(self._file, at, -(-(last - begin) // 8), "u1", "Bochs bitmap")
        written = np.unpackbits(bitmap, count=last - begin, bitorder="little").astype(bool)
        data = at + self._header.bitmap_room
        places = np.where(written, data + np.arange(last - begin) * SECTOR, ABSENT)
        for number, count, place in stretches(places[first - begin :], SECTOR):
            source: Source = ZERO if place == ABSENT else Stored(self._file, place)
            yield Run((first + number) * SECTOR, count * SECTOR, source)


def _facts(header: Header) -> Facts:
    details: dict[str, object] = {"version": header.version, "extentSize": header.extent}
    oddities = []
    if header.size % SECTOR:
        oddities.append(f"the disk has no whole number of sectors ({header.size} bytes)")
    return Facts("bochs", "growing", details, tuple(oddities))


def open_bochs(file: File, gate: Gate) -> BochsImage:
    """Open a growing disk."""
    del gate
    return BochsImage(file, Header.read(file))
