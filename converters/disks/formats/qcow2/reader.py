"""Reading qcow2: two levels of tables, clusters stored, compressed, zero or left to the backing.

Source: QEMU, "docs/interop/qcow2.txt", sections "Cluster mapping" and "Compressed clusters".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from converters.disks.formats.qcow2.header import Header
from converters.disks.image import (
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
from converters.disks.tables import (
    ABSENT,
    PACKED,
    ZEROED,
    Positions,
    check_unshared,
    read_table,
    stretches,
)
from converters.disks.zstandard import require_zstd, unzstd
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

OFFSET = 0x00FF_FFFF_FFFF_FE00
COMPRESSED = 1 << 62
READS_ZERO = 1
DEFLATE = 0
ZSTD = 1

Entries = npt.NDArray[np.uint64]


class Qcow2Image:
    """A qcow2 image, without its internal snapshots."""

    def __init__(self, file: File, header: Header, parent: Image | None) -> None:
        self.parent = parent
        self.size = header.size
        self._file = file
        self._header = header
        self._span = header.cluster * (header.cluster // 8)
        self._tables = self._read_l1()
        self._unpack = _unpacker(header.compression, file.name)
        self.facts = _facts(header)

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the clusters between two offsets."""
        first, last = start // self._span, -(-min(stop, self.size) // self._span)
        for number, count, at in stretches(self._tables[first:last], 0):
            begin = (first + number) * self._span
            if at == 0:
                end = min(begin + count * self._span, self.size)
                yield self._absent(begin, end - begin)
                continue
            for table in range(first + number, first + number + count):
                yield from self._table_runs(table * self._span, at, start, stop)

    def _absent(self, start: int, length: int) -> Run:
        return Run(start, length, ZERO if self.parent is None else PARENT)

    def _read_l1(self) -> Positions:
        needed = -(-self.size // self._span)
        header = self._header
        if header.l1_entries < needed:
            raise DamagedInputError(
                f"the qcow2 L1 table is too small for the disk ({header.l1_entries} entries, "
                f"should be {needed})",
                where=self._file.name,
            )
        entries = read_table(self._file, header.l1_at, needed, ">u8", "qcow2 L1 table")
        tables: Positions = (entries & np.uint64(OFFSET)).astype(np.int64)
        check_unshared(tables, "qcow2 L2 table", self._file.name)
        return tables

    def _table_runs(self, begin: int, at: int, start: int, stop: int) -> Iterator[Run]:
        cluster = self._header.cluster
        if at % cluster:
            raise DamagedInputError(
                "a qcow2 L2 table lies at an odd place", where=f"{self._file.name} at {at}"
            )
        first = max(0, start - begin) // cluster
        last = -(-(min(stop, self.size, begin + self._span) - begin) // cluster)
        raw = read_table(self._file, at + first * 8, last - first, ">u8", "qcow2 L2 table")
        entries: Entries = raw.astype(np.uint64)
        for index, count, position in stretches(_positions(entries), cluster):
            offset = begin + (first + index) * cluster
            length = min(count * cluster, self.size - offset)
            source: Source = ZERO
            if position == ABSENT:
                yield self._absent(offset, length)
                continue
            if position == PACKED:
                source = self._packed(int(entries[index]), length)
            elif position != ZEROED:
                source = self._stored(position, length)
            yield Run(offset, length, source)

    def _stored(self, position: int, length: int) -> Stored:
        if position % self._header.cluster:
            raise DamagedInputError(
                "a qcow2 cluster lies at an odd place", where=f"{self._file.name} at {position}"
            )
        if position + length > self._file.size + self._header.cluster:
            raise DamagedInputError(
                f"a qcow2 cluster lies behind the end of the file (which is at {self._file.size})",
                where=f"{self._file.name} at {position}",
                hint="The file is cut short; copy it again.",
            )
        return Stored(self._file, position)

    def _packed(self, entry: int, length: int) -> Packed:
        """Split a compressed cluster's entry into its offset and its count of sectors."""
        shift = 62 - (self._header.cluster_bits - 8)
        offset = entry & ((1 << shift) - 1)
        sectors = ((entry & (COMPRESSED - 1)) >> shift) + 1
        stored = sectors * SECTOR - offset % SECTOR
        return Packed(
            self._file, offset, stored, partial(self._unpack, self._header.cluster, length)
        )


def _positions(entries: Entries) -> Positions:
    positions: Positions = (entries & np.uint64(OFFSET)).astype(np.int64)
    positions[positions == 0] = ABSENT
    positions[(entries & np.uint64(READS_ZERO)) != 0] = ZEROED
    positions[(entries & np.uint64(COMPRESSED)) != 0] = PACKED
    return positions


def _unpacker(
    compression: int, where: str
) -> Callable[[int, int, bytes | memoryview], bytes | bytearray]:
    if compression == DEFLATE:
        return _inflate
    if compression == ZSTD:
        require_zstd()
        return _unzstd
    raise UnsupportedInputError(
        f"the qcow2 compression is not known (type {compression})", where=where
    )


def _inflate(cluster: int, length: int, stored: bytes | memoryview) -> bytes | bytearray:
    """Inflate a cluster; the one at the disk's end may hold more than the disk."""
    return inflate(stored, length, most=cluster)


def _unzstd(cluster: int, length: int, stored: bytes | memoryview) -> bytes:
    return unzstd(stored, length, most=cluster)


def _facts(header: Header) -> Facts:
    details: dict[str, object] = {
        "version": header.version,
        "clusterSize": header.cluster,
        "snapshots": header.snapshots,
        "backingFile": header.backing,
        "incompatibleFeatures": int(header.incompatible),
    }
    return Facts("qcow2", f"v{header.version}", details)
