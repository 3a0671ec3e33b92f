"""Comparing what a guest sees of two disks, whatever formats they are in."""

from __future__ import annotations

from collections.abc import Iterator

from converters.disks.cells import CELL, Buffers, Cell, fill, is_zero
from converters.disks.image import Image, Packed, clipped
from converters.disks.ordered import in_order, threads_for
from converters.disks.pairs import Pair, pairs
from rehost.progress import SILENT, Progress

FINEST = 4096
PART = 256 << 10


def first_difference(left: Image, right: Image, progress: Progress = SILENT) -> int | None:
    """Return the first byte at which two disks differ, or None; the end of one is a difference.

    Stretches that both tables call zero, or that lie in the same place of the same file, as those
    of a common backing file do, are not read.
    """
    shared = min(left.size, right.size)
    progress.start("compare", shared)
    done = 0
    found_pairs = pairs(left, right, FINEST, stop=shared)
    for pair, found in in_order(_Comparer(), found_pairs, threads_for(2 * CELL)):
        if found is not None:
            return found
        progress.advance(pair.stop - done)
        done = pair.stop
    progress.advance(shared - done)
    return None if left.size == right.size else shared


class _Comparer:
    """Returns the first byte at which a pair differs, on any thread."""

    def __init__(self) -> None:
        self._buffers = {size: Buffers(size) for size in (PART, CELL)}

    def __call__(self, pair: Pair) -> int | None:
        for part in _parts(pair):
            buffers = self._buffers[PART if part.stop - part.start <= PART else CELL]
            one, other = buffers.take(), buffers.take()
            found = _difference(part, one, other)
            buffers.give(one)
            buffers.give(other)
            if found is not None:
                return part.start + found
        return None


def _parts(pair: Pair) -> Iterator[Pair]:
    """Cut a pair into parts that stay in a processor's cache, unless anything is packed in it."""
    sides = [cell for cell in (pair.left, pair.right) if cell is not None]
    if any(isinstance(run.source, Packed) for cell in sides for run in cell.runs):
        yield pair
        return
    for start in range(pair.start, pair.stop, PART):
        stop = min(start + PART, pair.stop)
        yield Pair(start, stop, _within(pair.left, start, stop), _within(pair.right, start, stop))


def _within(cell: Cell | None, start: int, stop: int) -> Cell | None:
    runs = cell.runs if cell is not None else ()
    kept = tuple(clipped(run, start, stop) for run in runs if run.start < stop and start < run.stop)
    return Cell(start, stop, kept) if kept else None


def _difference(pair: Pair, one: bytearray, other: bytearray) -> int | None:
    """Return how many bytes into a pair its sides differ first, if they do."""
    left, right = _filled(one, pair.left, pair), _filled(other, pair.right, pair)
    if left is None or right is None:
        content = right if left is None else left
        if content is None or is_zero(content):
            return None
        return len(content) - len(bytes(content).lstrip(b"\0"))
    # Comparing whole byte arrays is one memcmp; views are compared byte by byte.
    if len(left) == len(one) and one == other:
        return None
    return _first(left, right)


def _first(left: memoryview, right: memoryview) -> int | None:
    """Return the index of the first byte in which two contents of one length differ."""
    import numpy as np  # two disks that are the same are told so without it

    differ = np.frombuffer(left, np.uint8) != np.frombuffer(right, np.uint8)
    at = int(np.argmax(differ))
    return at if differ[at] else None


def _filled(buffer: bytearray, cell: Cell | None, pair: Pair) -> memoryview | None:
    """Put a cell into a buffer, and zeros where the pair is longer."""
    if cell is None:
        return None
    content = memoryview(buffer)[: pair.stop - pair.start]
    fill(Cell(pair.start, pair.stop, cell.runs), content)
    return content
