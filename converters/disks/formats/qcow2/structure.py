"""What lies where in a qcow2 file, for checking it: header, snapshots, bitmaps, encryption.

Unlike reading, checking wants the fields that reading ignores, of images that reading refuses.

Source: QEMU, "docs/interop/qcow2.txt", sections "Header", "Header extensions", "Snapshots" and
"Bitmaps". All integers are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from converters.disks.checking import Findings, Kind
from converters.disks.image import LARGEST_DISK
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

BASIC = struct.Struct(">4sIQIIQIIQQIIQ")
EXTENDED = struct.Struct(">QQQII")
EXTENSION = struct.Struct(">II")
SNAPSHOT = struct.Struct(">QIHHIIQII")
DIRECTORY = struct.Struct(">QIIBBHI")
PLACE = struct.Struct(">QQ")
BITMAPS_AT = struct.Struct(">IIQQ")

DIRTY, CORRUPT, DATA_FILE, COMPRESSION, EXTENDED_L2 = 1, 2, 4, 8, 16
BITMAPS_VALID = 1
ENCRYPTION, BITMAPS = 0x0537BE77, 0x23852875
LARGEST_L1 = 32 << 20
LARGEST_REFCOUNT_TABLE = 8 << 20
MOST_SNAPSHOTS = 65_536
MOST_BITMAPS = 65_535
LARGEST_DIRECTORY = 64 << 20
MOST_CLUSTERS = 1 << 31
MOST_ENTRIES = 64 << 20
ENTRY_OFFSET = 0x00FF_FFFF_FFFF_FE00
BITMAP_RESERVED = 0xFF00_0000_0000_01FE

Words = npt.NDArray[np.uint64]


class Area(NamedTuple):
    """A part of the file that holds metadata."""

    offset: int
    length: int
    what: str


class Table(NamedTuple):
    """An L1 table: where it lies and how many entries it has."""

    offset: int
    entries: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of a header that tell where everything is."""

    version: int
    bits: int
    size: int
    encryption: int
    active: Table
    refcounts_at: int
    refcount_clusters: int
    snapshots: int
    snapshots_at: int
    incompatible: int
    autoclear: int
    order: int
    compression: int
    extensions: dict[int, bytes]

    @property
    def cluster(self) -> int:
        """The size of a cluster in bytes."""
        return 1 << self.bits

    @property
    def entry(self) -> int:
        """The size of an entry of an L2 table in bytes."""
        return 16 if self.incompatible & EXTENDED_L2 else 8

    @property
    def span(self) -> int:
        """How many bytes of the disk one L2 table maps."""
        return self.cluster // self.entry * self.cluster

    @classmethod
    def read(cls, file: File) -> Layout:
        """Read a header, refusing only what leaves nothing to check."""
        raw = file.pread(0, BASIC.size + EXTENDED.size + 1)
        if len(raw) < BASIC.size:
            raise DamagedInputError(
                f"the qcow2 header is cut short ({len(raw)} bytes, should be "
                f"{BASIC.size} at least)",
                where=file.name,
            )
        _, version, _, _, bits, size, encryption, l1_entries, l1_at, *rest = BASIC.unpack_from(raw)
        incompatible, autoclear, order, length, compression = 0, 0, 4, BASIC.size, 0
        if version >= 3:
            if len(raw) < BASIC.size + EXTENDED.size:
                raise DamagedInputError("the qcow2 header is cut short", where=file.name)
            incompatible, _, autoclear, order, length = EXTENDED.unpack_from(raw, BASIC.size)
            if incompatible & COMPRESSION:
                compression = raw[-1]
        found = cls(
            version=version,
            bits=bits,
            size=size,
            encryption=encryption,
            active=Table(l1_at, l1_entries),
            refcounts_at=rest[0],
            refcount_clusters=rest[1],
            snapshots=rest[2],
            snapshots_at=rest[3],
            incompatible=incompatible,
            autoclear=autoclear,
            order=order,
            compression=compression,
            extensions=_extensions(file, length),
        )
        found._check(file)
        return found

    def _check(self, file: File) -> None:
        self._check_sizes(file.name)
        self._check_tables(file)

    def _check_sizes(self, where: str) -> None:
        if self.version not in {2, 3}:
            raise UnsupportedInputError(
                f"the qcow2 image has an unknown version ({self.version})", where=where
            )
        if not 9 <= self.bits <= 21:
            raise DamagedInputError(
                f"the qcow2 cluster size is impossible (2^{self.bits} bytes)", where=where
            )
        if self.size > LARGEST_DISK:
            raise DamagedInputError(
                f"the qcow2 disk's size is impossible ({self.size} bytes)", where=where
            )
        if self.order > 6:
            raise DamagedInputError(
                f"the qcow2 reference counts have an impossible width (2^{self.order} bits)",
                where=where,
            )

    def _check_tables(self, file: File) -> None:
        where = file.name
        if self.active.entries * 8 > LARGEST_L1:
            raise DamagedInputError(
                f"the qcow2 L1 table is absurdly large ({self.active.entries} entries)",
                where=where,
            )
        if self.active.entries and self.active.offset >= file.size:
            raise DamagedInputError(
                "the qcow2 L1 table lies behind the end of the file "
                f"(at {self.active.offset}, the file ends at {file.size})",
                where=where,
            )
        if self.refcount_clusters * self.cluster > LARGEST_REFCOUNT_TABLE:
            raise DamagedInputError(
                f"the qcow2 refcount table is absurdly large ({self.refcount_clusters} clusters)",
                where=where,
            )
        if self.snapshots > MOST_SNAPSHOTS:
            raise DamagedInputError(
                f"the qcow2 image has too many snapshots ({self.snapshots})", where=where
            )
        if file.size >> self.bits > MOST_CLUSTERS:
            raise UnsupportedInputError(
                f"the qcow2 image is too large to be checked ({file.size} bytes)", where=where
            )


def _extensions(file: File, at: int) -> dict[int, bytes]:
    """Read the header extensions, as far as they hang together."""
    found: dict[int, bytes] = {}
    while len(raw := file.pread(at, EXTENSION.size)) == EXTENSION.size:
        kind, length = EXTENSION.unpack(raw)
        if not kind or length > 1 << 16 or len(found) > 64:
            break
        found[kind] = file.pread(at + EXTENSION.size, length)
        at += EXTENSION.size + -(-length // 8) * 8
    return found


def words(file: File, offset: int, count: int) -> Words:
    """Read big-endian 64-bit words; what lies behind the end of the file is zero."""
    raw = file.pread(offset, count * 8) if offset < file.size else b""
    return np.frombuffer(raw.ljust(count * 8, b"\0"), dtype=">u8").astype(np.uint64)


def snapshots(file: File, layout: Layout, findings: Findings) -> tuple[list[Table], list[Area]]:
    """Return the L1 tables of the internal snapshots, and where their table lies."""
    found: list[Table] = []
    at = layout.snapshots_at
    for number in range(layout.snapshots):
        raw = file.pread(at, SNAPSHOT.size)
        if len(raw) < SNAPSHOT.size:
            findings.add(Kind.DAMAGE, f"the snapshot table is cut short at snapshot {number}", at)
            at += SNAPSHOT.size
            break
        l1_at, entries, identifier, name, *_, extra = SNAPSHOT.unpack(raw)
        if l1_at >= file.size and entries:
            said = f"the L1 table of snapshot {number} lies behind the end of the file"
            findings.add(Kind.DAMAGE, said, at)
        elif l1_at % layout.cluster:
            findings.add(Kind.DAMAGE, f"the L1 table of snapshot {number} lies at an odd place", at)
        elif entries * 8 > LARGEST_L1:
            findings.add(Kind.DAMAGE, f"the L1 table of snapshot {number} is absurdly large", at)
        else:
            found.append(Table(l1_at, entries))
        length = SNAPSHOT.size + extra + identifier + name
        at += -(-length // 8) * 8
    if sum({each: each.entries for each in found}.values()) > MOST_ENTRIES:
        raise UnsupportedInputError(
            "the qcow2 image has too many entries in its L1 tables to be checked", where=file.name
        )
    length = at - layout.snapshots_at
    return found, [Area(layout.snapshots_at, length, "the snapshot table")] if length else []


def encryption(layout: Layout) -> list[Area]:
    """Return where the header of the encryption lies, if there is one."""
    raw = layout.extensions.get(ENCRYPTION, b"")
    if len(raw) < PLACE.size:
        return []
    at, length = PLACE.unpack_from(raw)
    return [Area(at, length, "the encryption header")]


def bitmaps(file: File, layout: Layout, findings: Findings) -> Iterator[Area]:
    """Yield where the directory of bitmaps, their tables and their clusters lie."""
    raw = layout.extensions.get(BITMAPS, b"")
    if len(raw) < BITMAPS_AT.size or not layout.autoclear & BITMAPS_VALID:
        return
    count, _, length, at = BITMAPS_AT.unpack_from(raw)
    yield Area(at, length, "the bitmap directory")
    if count > MOST_BITMAPS or length > LARGEST_DIRECTORY or at + length > file.size:
        findings.add(Kind.DAMAGE, f"the bitmap directory is impossible ({count} bitmaps)", at)
        return
    stop = at + length
    for number in range(count):
        raw = file.pread(at, DIRECTORY.size) if at + DIRECTORY.size <= stop else b""
        if len(raw) < DIRECTORY.size:
            findings.add(Kind.DAMAGE, f"the bitmap directory is cut short at bitmap {number}", at)
            return
        table_at, entries, _, _, _, name, extra = DIRECTORY.unpack(raw)
        yield Area(table_at, entries * 8, "a bitmap table")
        if table_at + entries * 8 > file.size:
            findings.add(Kind.DAMAGE, f"the table of bitmap {number} lies behind the end", table_at)
        else:
            yield from _bitmap_clusters(file, layout, Table(table_at, entries), findings)
        at += -(-(DIRECTORY.size + name + extra) // 8) * 8


def _bitmap_clusters(
    file: File, layout: Layout, table: Table, findings: Findings
) -> Iterator[Area]:
    entries = words(file, table.offset, table.entries)
    places = entries & np.uint64(ENTRY_OFFSET)
    wrong = (entries & np.uint64(BITMAP_RESERVED)) != 0
    wrong |= (places != 0) & ((entries & np.uint64(1)) != 0)
    wrong |= places % np.uint64(layout.cluster) != 0
    findings.add_all(
        Kind.DAMAGE, places[wrong], lambda _: "an entry of a bitmap table is impossible"
    )
    for place in places[~wrong & (places != 0)].tolist():
        yield Area(place, layout.cluster, "a bitmap")
