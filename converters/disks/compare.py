"""Comparing what a guest sees of two disks, whatever formats they are in."""

from __future__ import annotations

from converters.disks.cells import CELL, Buffers, Cell, fill, is_zero
from converters.disks.image import Image
from converters.disks.ordered import in_order, threads_for
from converters.disks.pairs import Pair, pairs
from rehost.progress import SILENT, Progress

FINEST = 4096


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
        self._buffers = Buffers(CELL)

    def __call__(self, pair: Pair) -> int | None:
        one, other = self._buffers.take(), self._buffers.take()
        found = _difference(pair, one, other)
        self._buffers.give(one)
        self._buffers.give(other)
        return None if found is None else pair.start + found


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
