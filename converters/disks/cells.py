"""Cutting a disk into cells, and loading one: fetched, unpacked, and rid of its zeros.

A cell is what one thread works on at a time. All of this is pure, so that any thread may do it;
the C libraries that read, inflate and compare release the GIL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from converters.disks.image import (
    Image,
    Packed,
    Run,
    Stored,
    Zero,
    clipped,
    fetch,
    resolved,
    unpack,
)

CELL = 2 << 20
NEAR = 4096
LARGEST_READ = 4 << 20

_ZEROS = bytes(CELL)


class Piece(NamedTuple):
    """Bytes of the guest's disk, to be written at ``start``; not all of them are zero."""

    start: int
    content: memoryview

    @property
    def stop(self) -> int:
        """The offset of the first byte behind it."""
        return self.start + len(self.content)


class Cell(NamedTuple):
    """A stretch of the disk between two multiples of the unit, and the runs with its data."""

    start: int
    stop: int
    runs: tuple[Run, ...]


def cells(image: Image, unit: int) -> Iterator[Cell]:
    """Cut the disk into cells with data; a packed run over an edge belongs to both sides."""
    size = max(CELL, unit)
    held: list[Run] = []
    number = -1
    for run in resolved(image, 0, image.size):
        if isinstance(run.source, Zero):
            continue
        for touched in range(run.start // size, (run.stop - 1) // size + 1):
            if held and touched != number:
                yield _cell(held, number * size, (number + 1) * size, unit, image.size)
                held = []
            number = touched
            held.append(clipped(run, touched * size, (touched + 1) * size))
    if held:
        yield _cell(held, number * size, (number + 1) * size, unit, image.size)


def _cell(runs: Sequence[Run], first: int, last: int, unit: int, size: int) -> Cell:
    start = max(first, runs[0].start) // unit * unit
    stop = min(-(-min(last, runs[-1].stop) // unit) * unit, size)
    return Cell(start, stop, tuple(runs))


def load(cell: Cell, unit: int) -> list[Piece]:
    """Fetch what a cell holds and return the pieces of it that are not zero."""
    loaded = [*_stored(cell), *_packed(cell)]
    if not all(piece.start % unit == 0 and _ends_well(piece, unit, cell) for piece in loaded):
        loaded = [_assembled(cell, loaded)]
    return [part for piece in sorted(loaded, key=_start) for part in _without_zeros(piece, unit)]


def _start(piece: Piece) -> int:
    return piece.start


def _ends_well(piece: Piece, unit: int, cell: Cell) -> bool:
    return piece.stop % unit == 0 or piece.stop == cell.stop


def _assembled(cell: Cell, pieces: Sequence[Piece]) -> Piece:
    """Put pieces that do not keep to the unit into one buffer."""
    buffer = memoryview(bytearray(cell.stop - cell.start))
    for start, content in pieces:
        buffer[start - cell.start : start - cell.start + len(content)] = content
    return Piece(cell.start, buffer)


def _stored(cell: Cell) -> Iterator[Piece]:
    for run in cell.runs:
        if isinstance(run.source, Stored):
            yield Piece(run.start, memoryview(fetch(run.source, run.length)))


def _packed(cell: Cell) -> Iterator[Piece]:
    """Unpack the packed runs, reading those that lie together at once."""
    runs = [(run, run.source) for run in cell.runs if isinstance(run.source, Packed)]
    for batch in _together(runs):
        file, begin = batch[0][1].file, batch[0][1].offset
        end = max(source.offset + source.length for _, source in batch)
        read = memoryview(file.pread(begin, end - begin))
        for run, source in batch:
            at = source.offset - begin
            plain = memoryview(unpack(source, run.length, read[at : at + source.length]))
            first, last = max(run.start, cell.start), min(run.stop, cell.stop)
            yield Piece(first, plain[first - run.start : last - run.start])


def _together(runs: Sequence[tuple[Run, Packed]]) -> Iterator[list[tuple[Run, Packed]]]:
    """Group packed runs that lie close behind each other in one file, whatever their order."""
    batch: list[tuple[Run, Packed]] = []
    for run, source in sorted(runs, key=lambda each: (each[1].file.name, each[1].offset)):
        if batch:
            before, first = batch[-1][1], batch[0][1]
            near = before.offset <= source.offset <= before.offset + before.length + NEAR
            small = source.offset + source.length - first.offset <= LARGEST_READ
            if source.file is not first.file or not near or not small:
                yield batch
                batch = []
        batch.append((run, source))
    if batch:
        yield batch


def _without_zeros(piece: Piece, unit: int) -> Iterator[Piece]:
    """Cut a piece at blocks of zeros; its last block may be shorter than the unit."""
    start, content = piece
    if len(content) <= unit:
        if not _ZEROS.startswith(content):
            yield piece
        return
    even = len(content) // unit * unit
    words = np.frombuffer(content[:even], dtype=np.uint64).reshape(-1, unit // 8)
    marks = (np.bitwise_or.reduce(words, axis=1) != 0).tolist()
    if even < len(content):
        marks.append(not _ZEROS.startswith(content[even:]))
    at = 0
    for holds_data, group in groupby(marks):
        end = min(at + len(list(group)) * unit, len(content))
        if holds_data:
            yield Piece(start + at, content[at:end])
        at = end
