"""Cutting a disk into cells, and loading one: fetched, unpacked, and rid of its zeros.

A cell is what one thread works on at a time, in a buffer that is used again and again: memory that
is new each time costs more than reading into it. Any thread may do all of this; the C libraries
that read, inflate and compare release the GIL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from converters.disks.image import (
    Image,
    Packed,
    Run,
    Stored,
    Zero,
    clipped,
    fetch_into,
    resolved,
    unpack,
)
from converters.disks.salvage import Salvage
from rehost.errors import TransferError

CELL = 2 << 20
NEAR = 4096
LARGEST_READ = 4 << 20

ZEROS = bytes(CELL)
SAMPLES = 8
UNTOUCHED = re.compile(rb"\0+")


class Piece(NamedTuple):
    """Bytes of the guest's disk, to be written at ``start``.

    ``zeros`` says that they are nothing else, which only happens where they replace something.
    """

    start: int
    content: memoryview
    zeros: bool = False

    @property
    def stop(self) -> int:
        """The offset of the first byte behind it."""
        return self.start + len(self.content)


class Cell(NamedTuple):
    """A stretch of the disk between two multiples of the unit, and the runs with its data."""

    start: int
    stop: int
    runs: tuple[Run, ...]


def cells(image: Image, unit: int, start: int = 0) -> Iterator[Cell]:
    """Cut the disk from ``start`` on into cells with data.

    ``start`` is a multiple of the unit. A packed run over an edge belongs to both sides.
    """
    size = max(CELL, unit)
    held: list[Run] = []
    number = -1
    for run in resolved(image, start, image.size):
        if isinstance(run.source, Zero):
            continue
        for touched in range(max(run.start, start) // size, (run.stop - 1) // size + 1):
            if held and touched != number:
                yield _cell(held, max(start, number * size), (number + 1) * size, unit, image.size)
                held = []
            number = touched
            held.append(clipped(run, touched * size, (touched + 1) * size))
    if held:
        yield _cell(held, max(start, number * size), (number + 1) * size, unit, image.size)


def _cell(runs: Sequence[Run], first: int, last: int, unit: int, size: int) -> Cell:
    start = max(first, runs[0].start) // unit * unit
    stop = min(-(-min(last, runs[-1].stop) // unit) * unit, size)
    return Cell(start, stop, tuple(runs))


class Buffers:
    """Buffers of one size that are lent out, and come back to be lent again."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free: list[bytearray] = []

    def take(self) -> bytearray:
        """Return one nobody uses; what is in it is of no meaning."""
        try:
            return self._free.pop()
        except IndexError:
            return bytearray(self._size)

    def give(self, buffer: bytearray) -> None:
        """Take one back."""
        self._free.append(buffer)


def load(cell: Cell, unit: int, buffer: bytearray, salvage: Salvage | None = None) -> list[Piece]:
    """Fetch what a cell holds into ``buffer`` and return the pieces that are not zero.

    Pieces are views of the buffer; they begin and end at multiples of the unit or the cell's end.
    """
    view = memoryview(buffer)[: cell.stop - cell.start]
    segments = _segments(cell, unit, view)
    _fetch(cell, view, salvage)
    return [
        Piece(cell.start + first, view[first:last])
        for start, stop in segments
        for first, last in _without_zeros(view, start, stop, unit)
    ]


def _segments(cell: Cell, unit: int, view: memoryview) -> list[tuple[int, int]]:
    """Return the units that runs touch, as stretches of the buffer; clear what no run will fill."""
    found: list[tuple[int, int]] = []
    filled = 0
    for run in cell.runs:
        first, last = max(run.start, cell.start) - cell.start, min(run.stop, cell.stop) - cell.start
        low, high = first // unit * unit, min(-(-last // unit) * unit, len(view))
        if found and low <= found[-1][1]:
            clear(view, filled, first)
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            if found:
                clear(view, filled, found[-1][1])
            clear(view, low, first)
            found.append((low, high))
        filled = last
    if found:
        clear(view, filled, found[-1][1])
    return found


def clear(view: memoryview, start: int, stop: int) -> None:
    """Fill a stretch of a view with zeros."""
    while start < stop:
        part = min(stop - start, len(ZEROS))
        view[start : start + part] = ZEROS[:part]
        start += part


def fill(cell: Cell, view: memoryview, salvage: Salvage | None = None) -> None:
    """Put all that the guest sees of a cell into ``view``, zeros among it."""
    if not _segments(cell, len(view), view):
        clear(view, 0, len(view))
    _fetch(cell, view, salvage)


def _fetch(cell: Cell, view: memoryview, salvage: Salvage | None) -> None:
    """Put what the runs of a cell hold where it belongs."""
    for run in cell.runs:
        if not isinstance(run.source, Stored):
            continue
        part = view[run.start - cell.start : run.stop - cell.start]
        try:
            fetch_into(run.source, part)
        except TransferError:
            if salvage is None:
                raise
            salvage.stored(run.source, part, run.start)
    runs = [(run, run.source) for run in cell.runs if isinstance(run.source, Packed)]
    for batch in _together(runs):
        try:
            _unpack_batch(cell, view, batch)
        except TransferError:
            if salvage is None:
                raise
            for run, source in batch:
                part = _part_of(cell, view, run)
                if read := salvage.packed(run, part, max(run.start, cell.start)):
                    _unpack_run(cell, view, run, source, memoryview(read))


def _unpack_batch(cell: Cell, view: memoryview, batch: Sequence[tuple[Run, Packed]]) -> None:
    """Unpack runs that lie together, which are read at once."""
    file, begin = batch[0][1].file, batch[0][1].offset
    end = max(source.offset + source.length for _, source in batch)
    read = memoryview(file.pread(begin, end - begin))
    for run, source in batch:
        at = source.offset - begin
        _unpack_run(cell, view, run, source, read[at : at + source.length])


def _unpack_run(cell: Cell, view: memoryview, run: Run, source: Packed, stored: memoryview) -> None:
    plain = memoryview(unpack(source, run.length, stored))
    part, skipped = _part_of(cell, view, run), max(0, cell.start - run.start)
    part[:] = plain[skipped : skipped + len(part)]


def _part_of(cell: Cell, view: memoryview, run: Run) -> memoryview:
    first, last = max(run.start, cell.start), min(run.stop, cell.stop)
    return view[first - cell.start : last - cell.start]


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


def _without_zeros(view: memoryview, start: int, stop: int, unit: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches without units of zeros; the last unit may be a short one."""
    begin = start
    for first, last in _zeros(view[start:stop], unit):
        if begin < start + first:
            yield begin, start + first
        begin = start + last
    if begin < stop:
        yield begin, stop


def _zeros(view: memoryview, unit: int) -> Iterator[tuple[int, int]]:
    """Yield stretches of units that hold nothing but zeros, which may touch.

    Few bytes of each unit are looked at first: most data is told from zeros by them.
    """
    seen = 0
    for at in range(0, unit, unit // SAMPLES + 1):
        seen |= int.from_bytes(view[at::unit], "little")
    for found in UNTOUCHED.finditer(seen.to_bytes(-(-len(view) // unit), "little")):
        first, last = found.start() * unit, min(found.end() * unit, len(view))
        if is_zero(view[first:last]):
            yield first, last
            continue
        for each in range(first, last, unit):
            if is_zero(view[each : min(each + unit, last)]):
                yield each, min(each + unit, last)


def is_zero(view: memoryview) -> bool:
    """Say whether all bytes are zero, ending at the first that is not."""
    if len(view) <= len(ZEROS):
        return ZEROS.startswith(view)
    return all(
        ZEROS.startswith(view[at : at + len(ZEROS)]) for at in range(0, len(view), len(ZEROS))
    )
