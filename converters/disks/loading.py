"""What a copy works on, item by item: cells with data, where a disk differs from
its base, or what is known to have changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from converters.disks.cells import CELL, Buffers, Cell, Piece, cells, fill, is_zero, load
from converters.disks.image import Image, Zero, resolved
from converters.disks.pairs import Pair, pairs
from converters.disks.salvage import Salvage


class Load(NamedTuple):
    """The pieces of an item that ends at ``stop``, and the buffers they may be views of."""

    stop: int
    pieces: Sequence[Piece]
    buffers: tuple[bytearray, ...]


class Loader(Protocol):
    """Loads items, on any thread."""

    def load(self, item: Any) -> Load:
        """Return what of an item is to be written."""

    def release(self, loaded: Load) -> None:
        """Take the buffers back: the pieces have been written."""


def cells_of(
    image: Image, unit: int, start: int, salvage: Salvage | None
) -> tuple[Iterator[Any], Loader]:
    """Return the cells of a disk from ``start`` on, and what loads them."""
    return cells(image, unit, start), CellLoader(unit, salvage)


def differences_of(
    image: Image, base: Image, unit: int, start: int, salvage: Salvage | None
) -> tuple[Iterator[Any], Loader]:
    """Return where two disks may differ from ``start`` on, and what finds the units that do."""
    return pairs(image, base, unit, start=start, stop=image.size), DifferenceLoader(unit, salvage)


def stretches_of(
    image: Image,
    stretches: Iterator[tuple[int, int]],
    unit: int,
    start: int,
    salvage: Salvage | None,
) -> tuple[Iterator[Any], Loader]:
    """Return the units that stretches touch, from ``start`` on, and what loads all of each."""
    return _cut(image, stretches, unit, start), WholeLoader(unit, salvage)


def _cut(
    image: Image, stretches: Iterator[tuple[int, int]], unit: int, reached: int
) -> Iterator[Cell]:
    step = max(CELL, unit)
    for begin, length in stretches:
        at = max(begin // unit * unit, reached)
        end = min(-(-(begin + length) // unit) * unit, image.size)
        while at < end:
            reached = min(at // step * step + step, end)
            runs = resolved(image, at, reached)
            yield Cell(at, reached, tuple(r for r in runs if not isinstance(r.source, Zero)))
            at = reached


class CellLoader:
    """Loads what is not zero."""

    def __init__(self, unit: int, salvage: Salvage | None) -> None:
        self._unit = unit
        self._salvage = salvage
        self._buffers = Buffers(max(CELL, unit))

    def load(self, item: Cell) -> Load:
        """Return the units of a cell that are not zero."""
        buffer = self._buffers.take()
        return Load(item.stop, load(item, self._unit, buffer, self._salvage), (buffer,))

    def release(self, loaded: Load) -> None:
        """Take the buffers back."""
        for buffer in loaded.buffers:
            self._buffers.give(buffer)


class DifferenceLoader(CellLoader):
    """Loads the units that differ from the base's, zeros among them."""

    def load(self, item: Pair) -> Load:  # type: ignore[override]
        """Return the units of a pair that differ."""
        length = item.stop - item.start
        buffers = (self._buffers.take(), self._buffers.take())
        ours, theirs = (memoryview(buffer)[:length] for buffer in buffers)
        for view, cell in ((ours, item.left), (theirs, item.right)):
            runs = () if cell is None else cell.runs
            fill(Cell(item.start, item.stop, runs), view, self._salvage)
        pieces = [
            piece
            for first, last in _differing(ours, theirs, self._unit)
            for piece in _parted(item.start + first, ours[first:last], self._unit)
        ]
        return Load(item.stop, pieces, buffers)


class WholeLoader(CellLoader):
    """Loads all that a cell stands for, zeros among it."""

    def load(self, item: Cell) -> Load:
        """Return the whole of a cell."""
        buffer = self._buffers.take()
        view = memoryview(buffer)[: item.stop - item.start]
        fill(item, view, self._salvage)
        return Load(item.stop, list(_parted(item.start, view, self._unit)), (buffer,))


def _parted(start: int, view: memoryview, unit: int) -> Iterator[Piece]:
    """Yield the units of zeros apart from the others."""
    marks = [is_zero(view[at : at + unit]) for at in range(0, len(view), unit)]
    edges = [0, *(n for n, (one, other) in enumerate(pairwise(marks), 1) if one != other)]
    for first, last in pairwise([*edges, len(marks)]):
        yield Piece(start + first * unit, view[first * unit : last * unit], zeros=marks[first])


def _differing(ours: memoryview, theirs: memoryview, unit: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches of units that are not the same; the last unit may be a short one."""
    import numpy as np  # a copy without a base starts quicker without it

    even = len(ours) // unit * unit
    marks: list[bool] = []
    if even:
        one, other = (np.frombuffer(view[:even], np.uint64) for view in (ours, theirs))
        marks = (one != other).reshape(-1, unit // 8).any(axis=1).tolist()
    if even < len(ours):
        marks.append(bytes(ours[even:]) != bytes(theirs[even:]))
    edges = [0, *(n for n, (one, other) in enumerate(pairwise(marks), 1) if one != other)]
    for first, last in pairwise([*edges, len(marks)]):
        if marks[first]:
            yield first * unit, min(last * unit, len(ours))
