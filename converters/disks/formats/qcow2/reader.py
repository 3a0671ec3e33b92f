"""Reading qcow2: clusters stored, compressed, encrypted, zero or left to the backing.

Source: QEMU, "docs/interop/qcow2.txt", sections "Cluster mapping" and "Compressed clusters".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from itertools import repeat
from typing import cast

import numpy as np

from converters.disks.bitmaps import Bitmap
from converters.disks.ciphers import decrypted_runs
from converters.disks.formats.qcow2.bitmaps import Bitmaps
from converters.disks.formats.qcow2.encryption import Encrypted
from converters.disks.formats.qcow2.facts import facts_of
from converters.disks.formats.qcow2.header import Header
from converters.disks.formats.qcow2.mapping import COMPRESSED, FIRST_PACKED, Chunk, Level1, Mapping
from converters.disks.formats.qcow2.snapshots import Snapshot
from converters.disks.holes import Holes
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
from converters.disks.tables import ABSENT, ZEROED
from converters.disks.zstandard import require_zstd, unzstd
from rehost.errors import UnsupportedInputError
from rehost.files import File

DEFLATE = 0
ZSTD = 1
FEW = 512
"""So many objects at a time do not make Python look for garbage."""

WORTH_ASKING = 1 << 20
"""Stretches of several clusters are looked at for holes of the file if they are this long."""


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
        self._holes = Holes(self._data)
        self._worth_asking = max(WORTH_ASKING, header.cluster + 1)
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
        for chunk in self._mapping.chunks(start, stop):
            for few in chunk.slices(FEW):
                columns = few.starts.tolist(), few.lengths.tolist(), self._sources(few)
                # Made by C code alone: calling Run a million times takes as long as all the rest.
                made = map(tuple.__new__, repeat(Run), zip(*columns, strict=True))
                runs = cast("Iterator[Run]", made)
                if not self._divides(few):
                    yield from runs
                    continue
                for run in runs:
                    yield from self._divided(run)

    def _sources(self, chunk: Chunk) -> list[Source]:
        """Return where the stretches of a chunk are: as if all were stored, then what is not."""
        positions = chunk.positions
        pairs = zip(repeat(self._data), positions.tolist(), strict=False)
        sources = cast("list[Source]", list(map(tuple.__new__, repeat(Stored), pairs)))
        absent = ZERO if self.parent is None else PARENT
        for number in np.flatnonzero(positions == ABSENT).tolist():
            sources[number] = absent
        for number in np.flatnonzero(positions == ZEROED).tolist():
            sources[number] = ZERO
        packed = np.flatnonzero(positions <= FIRST_PACKED)
        entries = chunk.words[FIRST_PACKED - positions[packed]].tolist()
        lengths = chunk.lengths[packed].tolist()
        for number, entry, length in zip(packed.tolist(), entries, lengths, strict=True):
            sources[number] = self._packed(entry, length)
        return sources

    def _divides(self, chunk: Chunk) -> bool:
        """Say whether any stretch of a chunk has to be looked at more closely."""
        long = chunk.lengths >= (self._worth_asking if self._encrypted is None else 0)
        return bool((long & (chunk.positions >= 0)).any())

    def _divided(self, run: Run) -> Iterator[Run]:
        """Yield a run piece by piece: what is decrypted at once, or is no hole of the file."""
        start, length, source = run
        if not isinstance(source, Stored):
            yield run
        elif self._encrypted is not None:
            shift = 0 if self._encrypted.by_place else start - source.offset
            yield from decrypted_runs(start, run.stop, source, self._encrypted.decipher, shift)
        elif length < self._worth_asking:
            yield run
        else:
            yield from self._holes.runs(start, source.offset, length)

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
