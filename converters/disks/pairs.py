"""Two disks side by side: the stretches in which either holds data.

Where both lead to the very same bytes of the same file, as an image and its backing file mostly do,
there is nothing to compare.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from converters.disks.cells import CELL, Cell, cells
from converters.disks.image import Image, Packed, Run, Stored, clipped


class Pair(NamedTuple):
    """A stretch of both disks, and what each has there; None is nothing but zeros."""

    start: int
    stop: int
    left: Cell | None
    right: Cell | None


def pairs(left: Image, right: Image, unit: int, *, start: int = 0, stop: int) -> Iterator[Pair]:
    """Yield, ascending, the stretches up to ``stop`` in which either disk holds data.

    They begin and end at multiples of the unit, or end at ``stop``.
    """
    size = max(CELL, unit)
    ours, theirs = cells(left, unit, start), cells(right, unit, start)
    one, other = next(ours, None), next(theirs, None)
    while one is not None or other is not None:
        number = min(cell.start // size for cell in (one, other) if cell is not None)
        mine = one if one is not None and one.start // size == number else None
        their = other if other is not None and other.start // size == number else None
        found = [cell for cell in (mine, their) if cell is not None]
        first = min(cell.start for cell in found)
        last = -(-max(cell.stop for cell in found) // unit) * unit
        if first >= stop:
            return
        if mine is None or their is None or not _same(mine, their):
            yield Pair(first, min(last, stop), _within(mine, stop), _within(their, stop))
        one = next(ours, None) if mine is not None else one
        other = next(theirs, None) if their is not None else other


def _within(cell: Cell | None, stop: int) -> Cell | None:
    """Return what of a cell lies before ``stop``, for one disk may be longer than the other."""
    if cell is None or cell.stop <= stop:
        return cell
    runs = tuple(clipped(run, cell.start, stop) for run in cell.runs if run.start < stop)
    return Cell(cell.start, stop, runs) if runs else None


def _same(left: Cell, right: Cell) -> bool:
    """Say whether two cells are stored in the very same places."""
    if left[:2] != right[:2] or len(left.runs) != len(right.runs):
        return False
    return all(
        one[:2] == other[:2] and (place := _place(one)) is not None and place == _place(other)
        for one, other in zip(left.runs, right.runs, strict=True)
    )


def _place(run: Run) -> tuple[object, ...] | None:
    """Return where a run's bytes really lie, if that is one place and all of them are there."""
    source = run.source
    if not isinstance(source, Stored | Packed):
        return None
    length = run.length if isinstance(source, Stored) else source.length
    found = source.file.stretches(source.offset, length)
    if found is None or len(found) != 1:
        return None
    place = os.fstat(found[0].fd)
    if sum(found[0][1:]) > place.st_size:
        return None
    return type(source), place.st_dev, place.st_ino, found[0].offset, length
