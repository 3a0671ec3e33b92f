"""Reading qcow: clusters that are stored, deflated, or left to the backing file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from converters.disks.backing import backing_name, open_by_suffix
from converters.disks.formats.qcow import MAGIC, VERSION
from converters.disks.gate import Gate
from converters.disks.image import (
    LARGEST_DISK,
    PARENT,
    SECTOR,
    ZERO,
    Facts,
    Image,
    Packed,
    Run,
    Source,
    Stored,
)
from converters.disks.inflate import inflate
from converters.disks.tables import ABSENT, PACKED, Positions, check_unshared, read_table
from converters.disks.two_levels import Clusters, TwoLevels
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

COMPRESSED = 1 << 63
CLUSTER_BITS = range(9, 17)
TABLE_BITS = range(6, 14)

Entries = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes say; offsets and sizes in bytes."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct(">4sIQIIQBBHIQ")

    modified: int
    size: int
    cluster_bits: int
    table_bits: int
    tables_at: int
    backing: str | None

    @classmethod
    def read(cls, file: File) -> Header:
        """Read and check a header."""
        raw = file.pread(0, cls.LAYOUT.size)
        if not raw.startswith(MAGIC + VERSION):
            raise DamagedInputError(f"no qcow header (found {raw[:8]!r})", where=file.name)
        if len(raw) < cls.LAYOUT.size:
            raise DamagedInputError(
                f"the qcow header is cut short ({len(raw)} bytes, should be {cls.LAYOUT.size})",
                where=file.name,
            )
        (_, _, backing_at, backing_size, modified, size, cluster_bits, table_bits, _) = (
            cls.LAYOUT.unpack(raw)[:9]
        )
        method, tables_at = cls.LAYOUT.unpack(raw)[9:]
        _check(size, cluster_bits, table_bits, method, file.name)
        backing = backing_name(file, backing_at, backing_size, "qcow") if backing_at else None
        return cls(modified, size, cluster_bits, table_bits, tables_at, backing)


def _check(size: int, cluster_bits: int, table_bits: int, method: int, where: str) -> None:
    if cluster_bits not in CLUSTER_BITS:
        raise DamagedInputError(
            f"the qcow cluster size is impossible (2^{cluster_bits} bytes)", where=where
        )
    if table_bits not in TABLE_BITS:
        raise DamagedInputError(
            f"the size of the qcow L2 tables is impossible (2^{table_bits} entries)", where=where
        )
    if size > LARGEST_DISK:
        raise DamagedInputError(f"the qcow disk's size is impossible ({size} bytes)", where=where)
    if method:
        raise UnsupportedInputError(
            f"the qcow image is encrypted (method {method})",
            where=where,
            hint="Decrypt it first: qemu-img convert with --object secret.",
        )


class QcowImage:
    """A qcow image of version 1."""

    def __init__(self, file: File, header: Header, parent: Image | None) -> None:
        self.parent = parent
        self.size = header.size
        self.facts = _facts(header)
        self._file = file
        self._cluster = 1 << header.cluster_bits
        # An entry of a deflated cluster: a bit, its size in bytes, its offset.
        self._shift = 63 - header.cluster_bits
        self._tables = TwoLevels(
            file=file,
            size=header.size,
            cluster=self._cluster,
            entries=1 << header.table_bits,
            tables=_read_l1(file, header),
            dtype=">u8",
            positions=partial(_positions, where=file.name),
            what="qcow",
        )

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the clusters between two offsets."""
        for found in self._tables.clusters(start, stop):
            yield Run(found.start, found.length, self._source(found))

    def _source(self, found: Clusters) -> Source:
        if found.position == ABSENT:
            return ZERO if self.parent is None else PARENT
        if found.position != PACKED:
            return Stored(self._file, found.position)
        offset = found.entry & ((1 << self._shift) - 1)
        stored = (found.entry >> self._shift) & (self._cluster - 1)
        return Packed(self._file, offset, stored, partial(_inflate, self._cluster, found.length))


def _inflate(cluster: int, length: int, stored: bytes | memoryview) -> bytes | bytearray:
    """Inflate a cluster; the one at the disk's end may hold more than the disk."""
    return inflate(stored, length, most=cluster)


def _read_l1(file: File, header: Header) -> Positions:
    span = 1 << (header.cluster_bits + header.table_bits)
    needed = -(-header.size // span)
    entries = read_table(file, header.tables_at, needed, ">u8", "qcow L1 table")
    tables: Positions = entries.astype(np.int64)
    tables[tables == 0] = ABSENT
    farthest = int(entries.max(initial=0))
    if farthest > file.size:
        raise DamagedInputError(
            f"a qcow L2 table lies behind the end of the file (which is at {file.size})",
            where=f"{file.name} at {farthest}",
            hint="The file is cut short; copy it again.",
        )
    check_unshared(tables, "qcow L2 table", file.name)
    return tables


def _positions(entries: Entries, where: str) -> Positions:
    positions: Positions = (entries & np.uint64(COMPRESSED - 1)).astype(np.int64)
    packed = entries >= COMPRESSED
    odd = np.flatnonzero((positions % SECTOR != 0) & ~packed)
    if len(odd):
        raise DamagedInputError(
            "a qcow cluster lies at an odd place", where=f"{where} at {positions[odd[0]]}"
        )
    positions[positions == 0] = ABSENT
    positions[packed] = PACKED
    return positions


def _facts(header: Header) -> Facts:
    details: dict[str, object] = {
        "version": 1,
        "clusterSize": 1 << header.cluster_bits,
        "tableEntries": 1 << header.table_bits,
        "backingFile": header.backing,
    }
    oddities = []
    if header.size % SECTOR:
        oddities.append(f"the disk has no whole number of sectors ({header.size} bytes)")
    return Facts("qcow", "v1", details, tuple(oddities))


def open_qcow(file: File, gate: Gate) -> QcowImage:
    """Open an image and the one below it."""
    header = Header.read(file)
    parent = None
    if header.backing is not None:
        parent = open_by_suffix(header.backing, gate, by=file.name)
    return QcowImage(file, header, parent)
