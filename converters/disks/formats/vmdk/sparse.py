"""Hosted sparse extents: growing ones, and the compressed ones of streams.

Source: VMware, "Virtual Disk Format 5.0", sections "Hosted Sparse Extent Metadata" and
"Stream-Optimized Compressed Sparse Extents"; libvmdk's description.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from itertools import chain, repeat

import numpy as np

from converters.disks.formats.vmdk.directory import Directory, Marks, close_places, entry_offsets
from converters.disks.formats.vmdk.ending import Ending, ending, footer_of
from converters.disks.formats.vmdk.grains import (
    Batch,
    Entries,
    GrainedExtent,
    Grains,
    Pieces,
    check_apart,
    check_inside,
    with_zeros,
)
from converters.disks.formats.vmdk.header import AT_END, ZEROED_GRAINS, Header
from converters.disks.image import SECTOR, Packed, Unpack
from converters.disks.inflate import inflate_zlib
from converters.disks.tables import ZEROED, Positions
from rehost.errors import DamagedInputError
from rehost.files import File

ZEROED_ENTRY = 1
MARKER = struct.Struct("<QI")
SLACK = 1024

_PACKED: Callable[[tuple[File, int, int, Unpack]], Packed] = partial(tuple.__new__, Packed)


class SparseExtent(GrainedExtent):
    """One hosted sparse extent: a file with a header, two grain directories, tables and grains."""

    def __init__(self, file: File) -> None:
        first = Header.parse(file.pread(0, SECTOR), file.name)
        found = footer_of(file, first) if first.directory_at == AT_END else None
        header = found.header if found else first
        self.file = file
        self.header = header
        self.first = first
        self._footer = found
        self.directory = Directory.read(file, header)
        super().__init__(self.directory.tables, header.capacity * SECTOR, header.grain * SECTOR)
        self._unpack = _unpack_marked if header.has_markers else _unpack_bare
        self._whole = partial(self._unpack, self._grain, self._grain)
        # Uncompressed grains lie behind all tables; in a stream, tables may lie anywhere.
        self._least = 0 if header.is_compressed else header.overhead * SECTOR
        self._step = 1 if header.is_compressed else self._grain

    @property
    def details(self) -> dict[str, object]:
        """What the header says, and where a stream ends."""
        if not self.is_stream:
            return self.header.details
        end = self.end
        told = {"streamEnd": end.stop, "bytesBehindStreamEnd": end.left}
        more = {"streamEndDue": end.due, "streamDamage": end.damage}
        said = {name: value for name, value in more.items() if value is not None}
        return {**self.header.details, **told, **said}

    @property
    def oddities(self) -> tuple[str, ...]:
        """What is strange about the file, as far as it has been looked at."""
        return (*self.header.oddities, *self.directory.oddities, *self.end.oddities)

    def grains(self, batch: Batch) -> Grains:
        """Return the grains of a batch; tables that are damaged are replaced by second copies."""
        if not self.directory.has_second:
            return super().grains(batch)
        try:
            return super().grains(batch)
        except DamagedInputError:
            return super().grains(self.mended(batch))

    def places(self, entries: Entries) -> Positions:
        """Return where the grains of these entries lie."""
        places = self.offsets(entries)
        check_inside(places, self.file, self._least)
        check_apart(places, self._step, "grains", self.file)
        return places

    def pieces(self, begin: int, grains: Grains) -> Pieces:
        """Return where grains lie; of a stream, each is a piece of its own."""
        if not self.header.is_compressed:
            return super().pieces(begin, grains)
        starts = begin + grains.numbers * self._grain
        unpacks: Iterator[Unpack] = repeat(self._whole)
        if len(starts) and starts[-1] + self._grain > self.size:
            last = partial(self._unpack, self._grain, self.size - int(starts[-1]))
            unpacks = chain(repeat(self._whole, len(starts) - 1), [last])
        bounds = self._bounds(grains.places).tolist()
        places = grains.places.tolist()
        packed = map(_PACKED, zip(repeat(self.file), places, bounds, unpacks, strict=False))
        lengths = np.minimum(self._grain, self.size - starts)
        return Pieces(starts, lengths, with_zeros(packed, grains.places))

    def farthest(self) -> int:
        """Return the offset of the grain that lies behind all others, or 0 without one."""
        tables = self._tables
        return max(
            (
                int(batch.entries.max(initial=0)) * SECTOR
                for batch in tables.batches(0, len(tables.directory))
                if batch.nothing is None
            ),
            default=0,
        )

    @property
    def is_stream(self) -> bool:
        """Whether its grains are compressed and behind markers."""
        return self.header.is_compressed and self.header.has_markers

    @cached_property
    def end(self) -> Ending:
        """What a stream has behind its last grain."""
        if not self.is_stream:
            return Ending()
        if self._footer:
            return self._footer.ending
        return ending(self.file, self.farthest() or self.header.overhead * SECTOR)

    def offsets(self, entries: Entries) -> Positions:
        """Return what these entries say, right or wrong: an offset, ABSENT or ZEROED."""
        places = entry_offsets(entries)
        if self.header.flags & ZEROED_GRAINS:
            places[places == ZEROED_ENTRY * SECTOR] = ZEROED
        return places

    def mended(self, batch: Batch) -> Batch:
        """Replace the tables of a batch that name impossible places."""
        places = self.offsets(batch.entries.reshape(-1))
        wrong: Marks = (places >= self.file.size) | ((places >= 0) & (places < self._least))
        if not wrong.any():
            wrong = close_places(places, self._step)
        damaged = np.flatnonzero(wrong.reshape(batch.tables, -1).any(axis=1))
        rows = batch.entries.copy()
        for number, row in self.directory.second_rows(batch.first + damaged):
            rows[number - batch.first] = row
        return batch._replace(entries=rows)

    def _bounds(self, places: Positions) -> Positions:
        """Return how many bytes each packed grain may occupy: up to the next grain in the file."""
        order = np.sort(places)
        following = np.searchsorted(order, places, side="right")
        order = np.append(order, np.int64(1 << 62))
        most = self._grain + (self._grain >> 3) + SLACK
        bounds: Positions = np.minimum(order[following] - places, most)
        return bounds

    def _stored(self, places: Positions) -> int:
        if not self.header.is_compressed:
            return super()._stored(places)
        return int(np.count_nonzero(places >= 0)) * SECTOR


def _unpack_marked(grain: int, length: int, stored: bytes | memoryview) -> bytes | bytearray:
    """Inflate a grain behind its marker, which says how many bytes are stored."""
    if len(stored) < MARKER.size:
        raise ValueError("the grain marker is cut short")
    _, size = MARKER.unpack_from(stored)
    if size > len(stored) - MARKER.size:
        raise ValueError(f"its marker says {size} bytes, {len(stored) - MARKER.size} are there")
    return _unpack_bare(grain, length, memoryview(stored)[MARKER.size : MARKER.size + size])


def _unpack_bare(grain: int, length: int, stored: bytes | memoryview) -> bytes | bytearray:
    """Inflate a grain; the one at the disk's end may hold more than the disk, never less."""
    return inflate_zlib(stored, length, most=grain)
