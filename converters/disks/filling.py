"""Reading what a guest sees into buffers that are used again, many cells at a time and in order.

A new bytes object for each read costs as much as the read itself: the kernel has to find and clear
its pages. So each thread reads into one buffer of its own, straight from the files below.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from converters.disks.cells import CELL, Cell
from converters.disks.image import Packed, Parent, Run, Stored, Zero, fetch_into, unpack
from rehost.errors import TransferError

DEPTH = 3
MOST_THREADS = 16
MOST_BUFFERED = 64 << 20

Item = TypeVar("Item")
Result = TypeVar("Result")

ZEROS = bytes(CELL)


class Buffers(threading.local):
    """A thread's own buffers, all of one size."""

    def __init__(self, size: int, count: int = 1) -> None:
        self.all = [bytearray(size) for _ in range(count)]


def threads_for(buffered: int) -> int:
    """Return how many threads to use when each holds buffers of so many bytes."""
    processors = max(2, len(os.sched_getaffinity(0)))
    return max(1, min(processors, MOST_THREADS, MOST_BUFFERED // buffered))


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[tuple[Item, Result]]:
    """Yield each item with what ``work`` makes of it, while threads work on those behind it."""
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > threads * DEPTH:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def fill(buffer: memoryview, cell: Cell) -> None:
    """Put what the guest sees of a cell into a buffer as long as the cell."""
    at = cell.start
    for run in cell.runs:
        first, last = max(run.start, cell.start), min(run.stop, cell.stop)
        if first >= last:
            continue
        clear(buffer[at - cell.start : first - cell.start])
        _fill_run(buffer[first - cell.start : last - cell.start], run, first - run.start)
        at = last
    clear(buffer[at - cell.start :])


def clear(part: memoryview) -> None:
    """Fill with zeros."""
    while part:
        count = min(len(part), len(ZEROS))
        part[:count] = ZEROS if count == len(ZEROS) else ZEROS[:count]
        part = part[count:]


def is_zero(part: memoryview) -> bool:
    """Say whether there are only zeros."""
    step = len(ZEROS)
    return all(ZEROS.startswith(part[at : at + step]) for at in range(0, len(part), step))


def _fill_run(part: memoryview, run: Run, skip: int) -> None:
    """Put what lies ``skip`` bytes behind a run's start into ``part``."""
    match run.source:
        case Stored(file, offset):
            fetch_into(Stored(file, offset + skip), part)
        case Packed(file, at, most, _):
            plain = unpack(run.source, run.length, file.pread(at, most))
            part[:] = memoryview(plain)[skip : skip + len(part)]
        case Zero():
            clear(part)
        case Parent():
            raise TransferError("a chain was not resolved")
