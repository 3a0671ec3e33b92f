"""Comparing what a guest sees of two disks, whatever formats they are in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from converters.disks.cells import CELL, Cell, cells
from converters.disks.filling import Buffers, fill, in_order, is_zero, threads_for
from converters.disks.image import Image, Run, Stored
from rehost.progress import SILENT, Progress

FINEST = 4096


class Pair(NamedTuple):
    """A stretch of both disks, and what each has there; None is nothing but zeros."""

    start: int
    stop: int
    left: Cell | None
    right: Cell | None


def first_difference(left: Image, right: Image, progress: Progress = SILENT) -> int | None:
    """Return the first byte at which two disks differ, or None; the end of one is a difference.

    Stretches that both tables call zero, or that lie in the same place of the same file, as those
    of a common backing file do, are not read.
    """
    shared = min(left.size, right.size)
    progress.start("compare", shared)
    done = 0
    work = _Comparer()
    for pair, found in in_order(work, _pairs(left, right, shared), threads_for(2 * CELL)):
        if found is not None:
            return found
        progress.advance(pair.stop - done)
        done = pair.stop
    progress.advance(shared - done)
    return None if left.size == right.size else shared


class _Comparer:
    """Returns the first byte at which a pair differs, on any thread."""

    def __init__(self) -> None:
        self._buffers = Buffers(CELL, 2)

    def __call__(self, pair: Pair) -> int | None:
        if pair.left is not None and pair.right is not None and _shared(pair.left, pair.right):
            return None
        one, other = self._buffers.all
        length = pair.stop - pair.start
        left = _filled(one, pair.left, pair)
        right = _filled(other, pair.right, pair)
        if left is None or right is None:
            content = right if left is None else left
            if content is None or is_zero(content):
                return None
            return pair.start + int(np.argmax(np.frombuffer(content, np.uint8) != 0))
        # Comparing whole byte arrays is one memcmp; views are compared byte by byte.
        if length == CELL and one == other:
            return None
        differ = np.frombuffer(left, np.uint8) != np.frombuffer(right, np.uint8)
        at = int(np.argmax(differ))
        return pair.start + at if differ[at] else None


def _shared(left: Cell, right: Cell) -> bool:
    """Say whether all that two cells hold is stored once, in a file that both have opened."""
    return len(left.runs) == len(right.runs) and all(
        one.start == other.start
        and one.length == other.length
        and (places := _places(one)) is not None
        and places == _places(other)
        for one, other in zip(left.runs, right.runs, strict=True)
    )


def _places(run: Run) -> list[tuple[int, int, int, int]] | None:
    """Return where a stored run lies, by the numbers of its file; none if it is not all there."""
    if not isinstance(run.source, Stored):
        return None
    found = []
    for fd, offset, length in run.source.file.stretches(run.source.offset, run.length) or ():
        status = os.fstat(fd)
        if offset + length > status.st_size:
            return None
        found.append((status.st_dev, status.st_ino, offset, length))
    return found or None


def _filled(buffer: bytearray, cell: Cell | None, pair: Pair) -> memoryview | None:
    """Put a cell into a buffer, and zeros where the pair is longer."""
    if cell is None:
        return None
    content = memoryview(buffer)[: pair.stop - pair.start]
    fill(content, Cell(pair.start, pair.stop, cell.runs))
    return content


def _pairs(left: Image, right: Image, shared: int) -> Iterator[Pair]:
    """Yield, ascending, the stretches in which either disk holds data and that both have."""
    ours, theirs = cells(left, FINEST), cells(right, FINEST)
    one, other = next(ours, None), next(theirs, None)
    while one is not None or other is not None:
        number = min(cell.start // CELL for cell in (one, other) if cell is not None)
        mine = one if one is not None and one.start // CELL == number else None
        their = other if other is not None and other.start // CELL == number else None
        found = [cell for cell in (mine, their) if cell is not None]
        start, stop = min(cell.start for cell in found), max(cell.stop for cell in found)
        if start >= shared:
            return
        yield Pair(start, min(stop, shared), mine, their)
        one = next(ours, None) if mine is not None else one
        other = next(theirs, None) if their is not None else other
