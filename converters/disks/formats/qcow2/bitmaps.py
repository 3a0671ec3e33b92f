"""The dirty bitmaps of a qcow2 image: their directory, their tables and their bits.

Source: QEMU, "docs/interop/qcow2.txt", sections "Bitmaps extension" and "Bitmaps".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import numpy.typing as npt

from converters.disks.bitmaps import Bitmap, edges_of
from converters.disks.formats.qcow2.extensions import Kind
from converters.disks.formats.qcow2.header import LARGEST_NAME, Autoclear, Header
from converters.disks.tables import (
    ABSENT,
    ZEROED,
    Positions,
    check_unshared,
    read_table,
    stretches,
)
from rehost.errors import DamagedInputError
from rehost.files import File

OFFSET = 0x00FF_FFFF_FFFF_FE00
ALL_ONES = 1
MOST_BITMAPS = 65535
LARGEST_DIRECTORY = 64 << 20
LARGEST_READ = 1 << 20
MOST_ENTRIES = 1 << 22
BYTE = 8
COARSEST = 63
ONES = ZEROED
DIRTY_TRACKING = 1

EXTENSION = struct.Struct(">IIQQ")
ENTRY = struct.Struct(">QIIBBHI")


Bits = npt.NDArray[np.uint8]


class Flag(IntFlag):
    """What the directory says of a bitmap."""

    IN_USE = 1
    AUTO = 2
    EXTRA_COMPATIBLE = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One bitmap as the directory describes it."""

    name: str
    table_at: int
    table_entries: int
    flags: Flag
    type: int
    granularity_bits: int
    extra_size: int

    @property
    def reliable(self) -> bool:
        """Whether its bits mean something to us and were saved rightly."""
        understood = not self.extra_size or bool(self.flags & Flag.EXTRA_COMPATIBLE)
        return self.type == DIRTY_TRACKING and understood and not self.flags & Flag.IN_USE


class Bitmaps:
    """All bitmaps of an image; their bits are read when they are asked for."""

    def __init__(self, file: File, header: Header) -> None:
        self._file = file
        self._header = header
        self.consistent = bool(header.features.autoclear & Autoclear.BITMAPS)
        self.entries = tuple(self._directory())

    def _directory(self) -> Iterator[Entry]:
        where = self._file.name
        fields = self._header.extensions.fields(Kind.BITMAPS, EXTENSION, where)
        if fields is None:
            return
        count, _, size, at = fields
        if not 1 <= count <= MOST_BITMAPS or size > LARGEST_DIRECTORY:
            raise DamagedInputError(
                f"the qcow2 bitmap directory is impossible ({count} bitmaps in {size} bytes)",
                where=f"{where} at {at}",
            )
        raw = self._file.pread(at, size)
        if len(raw) < size:
            raise DamagedInputError(
                "the qcow2 bitmap directory lies behind the end of the file",
                where=f"{where} at {at}",
                hint="The file is cut short; copy it again.",
            )
        place = 0
        for _ in range(count):
            entry, place = _entry(raw, place, f"{where} at {at + place}")
            yield entry

    def told(self) -> list[dict[str, object]]:
        """Return what ``disk info`` says of them; how much is marked only where that is known."""
        marked = {each.name: each.marked(self._header.size) for each in self.reliable()}
        return [
            {
                "name": entry.name,
                "granularity": 1 << entry.granularity_bits,
                "flags": [flag.name.lower().replace("_", "-") for flag in entry.flags if flag.name],
                "dirty": marked.get(entry.name),
            }
            for entry in self.entries
        ]

    def reliable(self) -> tuple[Bitmap, ...]:
        """Return the bitmaps that can be kept."""
        entries = [entry for entry in self.entries if self.consistent and entry.reliable]
        needed = sum(self._needed(entry) for entry in entries)
        if needed > MOST_ENTRIES:
            raise DamagedInputError(
                f"the tables of the qcow2 bitmaps are absurdly large ({needed} entries)",
                where=self._file.name,
            )
        tables = [self._table(entry) for entry in entries]
        every = np.concatenate([*tables, np.zeros(0, dtype=np.int64)])
        check_unshared(every, "cluster of qcow2 bitmaps", self._file.name)
        return tuple(map(self._bitmap, entries, tables))

    def _bits(self, entry: Entry) -> int:
        return -(-self._header.size // (1 << entry.granularity_bits))

    def _needed(self, entry: Entry) -> int:
        return -(-self._bits(entry) // (self._header.cluster * BYTE))

    def _bitmap(self, entry: Entry, table: Positions) -> Bitmap:
        edges = edges_of(self._pieces(table), self._bits(entry), self._file.name)
        enabled = bool(entry.flags & Flag.AUTO)
        return Bitmap(entry.name, 1 << entry.granularity_bits, enabled, edges)

    def _table(self, entry: Entry) -> Positions:
        """Return where a bitmap's clusters are; those not stored are all ONES or all ABSENT."""
        needed, where = self._needed(entry), f"{self._file.name} at {entry.table_at}"
        if entry.table_entries < needed:
            raise DamagedInputError(
                f"the table of the qcow2 bitmap {entry.name!r} is too small "
                f"({entry.table_entries} entries, should be {needed})",
                where=where,
            )
        what = "table of a qcow2 bitmap"
        raw = read_table(self._file, entry.table_at, needed, ">u8", what).astype(np.uint64)
        positions: Positions = (raw & np.uint64(OFFSET)).astype(np.int64)
        odd = positions[positions % self._header.cluster != 0]
        if len(odd):
            raise DamagedInputError(
                f"a cluster of the qcow2 bitmap {entry.name!r} lies at an odd place ({odd[0]})",
                where=where,
            )
        alike = positions == 0
        positions[alike] = np.where(raw[alike] & np.uint64(ALL_ONES), ONES, ABSENT)
        return positions

    def _pieces(self, table: Positions) -> Iterator[tuple[int, Bits | bool]]:
        """Yield a bitmap's bits piece by piece; clusters that are not stored are all alike."""
        cluster = self._header.cluster
        for number, count, at in stretches(table, cluster):
            first = number * cluster * BYTE
            if at < 0:
                yield first, at == ONES
                continue
            for place in range(0, count * cluster, LARGEST_READ):
                length = min(LARGEST_READ, count * cluster - place)
                stored = read_table(self._file, at + place, length, "u1", "qcow2 bitmap's data")
                yield first + place * BYTE, np.unpackbits(stored, bitorder="little")


def _entry(raw: bytes, place: int, where: str) -> tuple[Entry, int]:
    """Read an entry of the directory and return it with the place of the next one."""
    if place + ENTRY.size > len(raw):
        raise DamagedInputError("the qcow2 bitmap directory is cut short", where=where)
    at, entries, flags, kind, bits, name_size, extra = ENTRY.unpack_from(raw, place)
    name_at = place + ENTRY.size + extra
    if name_at + name_size > len(raw):
        raise DamagedInputError("the qcow2 bitmap directory is cut short", where=where)
    if bits > COARSEST or not 1 <= name_size <= LARGEST_NAME:
        raise DamagedInputError(
            f"a qcow2 bitmap is impossible (granularity 2^{bits}, a name of {name_size} bytes)",
            where=where,
        )
    name = raw[name_at : name_at + name_size].decode("utf-8", "replace")
    next_place = place + -(-(ENTRY.size + extra + name_size) // 8) * 8
    return Entry(name, at, entries, Flag(flags), kind, bits, extra), next_place
