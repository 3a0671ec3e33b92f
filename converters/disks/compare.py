"""Comparing what a guest sees of two disks, whatever formats they are in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from heapq import merge
from itertools import groupby

import numpy as np

from converters.disks.cells import CELL, cells
from converters.disks.copy import DEPTH, FINEST, THREADS
from converters.disks.image import Image, read
from rehost.progress import SILENT, Progress


def first_difference(left: Image, right: Image, progress: Progress = SILENT) -> int | None:
    """Return the first byte at which two disks differ, or None; the end of one is a difference.

    Stretches that both tables call zero are not read.
    """
    shared = min(left.size, right.size)
    progress.start("compare", shared)
    waiting: deque[Future[int | None]] = deque()
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for number in _numbers(left, right):
                start = number * CELL
                length = min(CELL, shared - start)
                waiting.append(pool.submit(_difference, left, right, start, length))
                if len(waiting) > THREADS * DEPTH:
                    if (found := waiting.popleft().result()) is not None:
                        return found
                    progress.advance(CELL)
            for future in waiting:
                if (found := future.result()) is not None:
                    return found
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    return None if left.size == right.size else shared


def _numbers(left: Image, right: Image) -> Iterator[int]:
    """Yield, ascending, the cells in which either disk holds data and both reach."""
    last = min(left.size, right.size) - 1
    held = merge(*(_held(image) for image in (left, right)))
    return (number for number, _ in groupby(held) if number * CELL <= last)


def _held(image: Image) -> Iterator[int]:
    return (cell.start // CELL for cell in cells(image, FINEST))


def _difference(left: Image, right: Image, start: int, length: int) -> int | None:
    one, other = read(left, start, length), read(right, start, length)
    if one == other:
        return None
    differ = np.frombuffer(one, np.uint8) != np.frombuffer(other, np.uint8)
    return start + int(np.argmax(differ))
