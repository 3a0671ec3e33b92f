"""Reading QED: clusters that two levels of tables find."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from converters.disks.backing import backing_name, open_by_suffix
from converters.disks.formats.qed import MAGIC
from converters.disks.gate import Gate
from converters.disks.image import (
    LARGEST_DISK,
    PARENT,
    SECTOR,
    ZERO,
    Facts,
    Image,
    Run,
    Source,
    Stored,
)
from converters.disks.registry import RAW, open_below
from converters.disks.tables import ABSENT, ZEROED, Positions, check_unshared, read_table
from converters.disks.two_levels import Clusters, TwoLevels
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

CLUSTERS = tuple(1 << bits for bits in range(12, 27))
TABLES = (1, 2, 4, 8, 16)
LARGEST_OFFSET = 1 << 62

Entries = npt.NDArray[np.uint64]


class Feature(IntFlag):
    """Features that a reader must know to read the image rightly."""

    BACKING_FILE = 1
    NEED_CHECK = 2
    BACKING_IS_RAW = 4


KNOWN = Feature.BACKING_FILE | Feature.NEED_CHECK | Feature.BACKING_IS_RAW


@dataclass(frozen=True, slots=True)
class Header:
    """What the first cluster says; sizes in bytes, those of tables and the header in clusters."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<4sIIIQQQQQII")

    magic: bytes
    cluster: int
    table_clusters: int
    header_clusters: int
    features: int
    compatible: int
    autoclear: int
    l1_at: int
    size: int
    backing_at: int
    backing_size: int

    @classmethod
    def read(cls, file: File) -> Header:
        """Read and check a header."""
        raw = file.pread(0, cls.LAYOUT.size)
        if not raw.startswith(MAGIC):
            raise DamagedInputError(f"no QED header (found {raw[:4]!r})", where=file.name)
        if len(raw) < cls.LAYOUT.size:
            raise DamagedInputError(
                f"the QED header is cut short ({len(raw)} bytes, should be {cls.LAYOUT.size})",
                where=file.name,
            )
        header = cls(*cls.LAYOUT.unpack(raw))
        header._check(file.name)
        return header

    @property
    def entries(self) -> int:
        """The number of entries in a table of either level."""
        return self.table_clusters * self.cluster // 8

    def _check(self, where: str) -> None:
        if unknown := self.features & ~KNOWN.value:
            raise UnsupportedInputError(
                f"the QED image uses an unknown feature ({unknown:#x})",
                where=where,
                hint="Convert it where it was made: qemu-img convert -O qcow2.",
            )
        if self.cluster not in CLUSTERS:
            raise DamagedInputError(
                f"the QED cluster size is impossible ({self.cluster} bytes)", where=where
            )
        if self.table_clusters not in TABLES:
            raise DamagedInputError(
                f"the size of the QED tables is impossible ({self.table_clusters} clusters)",
                where=where,
            )
        most = min(self.entries**2 * self.cluster, LARGEST_DISK)
        if self.size > most or self.size % SECTOR:
            raise DamagedInputError(
                f"the QED disk's size is impossible ({self.size} bytes)", where=where
            )
        if not self.header_clusters or self.l1_at % self.cluster:
            raise DamagedInputError(
                f"the QED L1 table lies at an odd place (at {self.l1_at}, "
                f"behind a header of {self.header_clusters} clusters)",
                where=where,
            )


class QedImage:
    """A QED image."""

    def __init__(self, file: File, header: Header, backing: str | None, parent: Image | None):
        self.parent = parent
        self.size = header.size
        self.facts = _facts(header, backing)
        self._file = file
        positions = partial(_positions, header=header, where=file.name)
        span = header.cluster * header.entries
        l1 = read_table(file, header.l1_at, -(-header.size // span), "<u8", "QED L1 table")
        tables = positions(l1, what="L2 table")
        if (tables == ZEROED).any():
            raise DamagedInputError(
                "a QED L2 table lies at an odd place", where=f"{file.name} at 1"
            )
        check_unshared(tables, "QED L2 table", file.name)
        self._tables = TwoLevels(
            file=file,
            size=header.size,
            cluster=header.cluster,
            entries=header.entries,
            tables=tables,
            dtype="<u8",
            positions=positions,
            what="QED",
        )

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the clusters between two offsets."""
        for found in self._tables.clusters(start, stop):
            yield Run(found.start, found.length, self._source(found))

    def _source(self, found: Clusters) -> Source:
        if found.position == ABSENT:
            return ZERO if self.parent is None else PARENT
        return ZERO if found.position == ZEROED else Stored(self._file, found.position)


def _positions(entries: Entries, header: Header, where: str, what: str = "cluster") -> Positions:
    """Return where clusters lie; the entry 1 stands for one of zeros."""
    odd = (entries > 1) & (
        (entries % np.uint64(header.cluster) != 0)
        | (entries < header.header_clusters * header.cluster)
        | (entries > LARGEST_OFFSET)
    )
    if odd.any():
        at = entries[np.flatnonzero(odd)[0]]
        raise DamagedInputError(f"a QED {what} lies at an odd place", where=f"{where} at {at}")
    positions: Positions = entries.astype(np.int64)
    positions[entries == 0] = ABSENT
    positions[entries == 1] = ZEROED
    return positions


def _facts(header: Header, backing: str | None) -> Facts:
    details: dict[str, object] = {
        "clusterSize": header.cluster,
        "tableClusters": header.table_clusters,
        "backingFile": backing,
        "features": header.features,
    }
    oddities = []
    if header.features & Feature.NEED_CHECK:
        oddities.append("the image was not closed: its tables should be checked (qemu-img check)")
    return Facts("qed", None, details, tuple(oddities))


def open_qed(file: File, gate: Gate) -> QedImage:
    """Open an image and the one below it."""
    header = Header.read(file)
    if not header.features & Feature.BACKING_FILE:
        return QedImage(file, header, None, None)
    backing = backing_name(file, header.backing_at, header.backing_size, "QED")
    if header.features & Feature.BACKING_IS_RAW:
        parent = open_below(backing, gate, by=file.name, format=RAW)
    else:
        parent = open_by_suffix(backing, gate, by=file.name)
    return QedImage(file, header, backing, parent)
