"""Reading qcow2: clusters stored, compressed, encrypted, zero or left to the backing.

Source: QEMU, "docs/interop/qcow2.txt", sections "Cluster mapping" and "Compressed clusters".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial

from converters.disks.bitmaps import Bitmap
from converters.disks.ciphers import decrypted_runs
from converters.disks.formats.qcow2.bitmaps import Bitmaps
from converters.disks.formats.qcow2.encryption import Encrypted
from converters.disks.formats.qcow2.facts import facts_of
from converters.disks.formats.qcow2.header import Header
from converters.disks.formats.qcow2.mapping import COMPRESSED, FIRST_PACKED, Level1, Mapping
from converters.disks.formats.qcow2.snapshots import Snapshot
from converters.disks.holes import stored_runs
from converters.disks.image import (
    PARENT,
    SECTOR,
    ZERO,
    Facts,
    Image,
    Packed,
    Run,
    Stored,
)
from converters.disks.inflate import inflate
from converters.disks.tables import ABSENT, ZEROED
from converters.disks.zstandard import require_zstd, unzstd
from rehost.errors import UnsupportedInputError
from rehost.files import File

DEFLATE = 0
ZSTD = 1
WORTH_ASKING = 1 << 20
"""Stretches from this length on are looked at for holes of the file system."""


class Qcow2Image:
    """A qcow2 image as it is now, or as a snapshot of it was."""

    def __init__(
        self,
        file: File,
        header: Header,
        *,
        parent: Image | None = None,
        data: File | None = None,
        encrypted: Encrypted | None = None,
        snapshots: tuple[Snapshot, ...] = (),
        chosen: Snapshot | None = None,
    ) -> None:
        active = Level1(header.l1_at, header.l1_entries, header.size)
        level1 = chosen.level1 if chosen else active
        self.parent = parent
        self.size = level1.size
        self._file = file
        self._data = data or file
        self._header = header
        self._encrypted = encrypted
        self._snapshots = snapshots
        self._chosen = chosen
        self._mapping = Mapping(file, header, level1, self._data)
        self._bitmaps = Bitmaps(file, header)
        self._unpack = _unpacker(header.features.compression, file.name)
        self._shift = 62 - (header.cluster_bits - 8)

    @cached_property
    def facts(self) -> Facts:
        """What its headers say; the bitmaps are read for it."""
        return facts_of(
            self._header,
            self._bitmaps,
            self._snapshots,
            odd_entries=self._mapping.odd_entries,
            encrypted=self._encrypted,
            chosen=self._chosen,
        )

    def bitmaps(self) -> tuple[Bitmap, ...]:
        """Return the bitmaps that can be relied on; a snapshot has none."""
        return () if self._chosen else self._bitmaps.reliable()

    def bitmap_names(self) -> tuple[str, ...]:
        """Return the names of all bitmaps."""
        return () if self._chosen else tuple(entry.name for entry in self._bitmaps.entries)

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the clusters between two offsets."""
        absent = ZERO if self.parent is None else PARENT
        plain = self._encrypted is None
        for begin, length, position, entry in self._mapping.parts(start, stop):
            if position == ABSENT:
                yield Run(begin, length, absent)
            elif position == ZEROED:
                yield Run(begin, length, ZERO)
            elif position <= FIRST_PACKED:
                yield Run(begin, length, self._packed(entry, length))
            elif plain and length < WORTH_ASKING:
                yield Run(begin, length, Stored(self._data, position))
            else:
                yield from self._long(begin, length, position)

    def _long(self, start: int, length: int, position: int) -> Iterator[Run]:
        """Yield a stretch piece by piece: what is decrypted at once, or is no hole of the file."""
        if self._encrypted is not None:
            at = Stored(self._data, position)
            shift = 0 if self._encrypted.by_place else start - position
            yield from decrypted_runs(start, start + length, at, self._encrypted.decipher, shift)
            return
        for run in stored_runs(self._data, position, position + length):
            yield run._replace(start=start + run.start - position)

    def _packed(self, entry: int, length: int) -> Packed:
        """Split a compressed cluster's entry into its offset and its count of sectors."""
        offset = entry & ((1 << self._shift) - 1)
        sectors = ((entry & (COMPRESSED - 1)) >> self._shift) + 1
        stored = sectors * SECTOR - offset % SECTOR
        return Packed(
            self._file, offset, stored, partial(self._unpack, self._header.cluster, length)
        )


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
