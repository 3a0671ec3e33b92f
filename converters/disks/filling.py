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
from converters.disks.image import Packed, Parent, Run, Stored, Zero, fetch, unpack
from rehost.errors import TransferError
from rehost.files import File, Stretch

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
            read_into(part, file, offset + skip)
        case Packed(file, at, most, _):
            plain = unpack(run.source, run.length, file.pread(at, most))
            part[:] = memoryview(plain)[skip : skip + len(part)]
        case Zero():
            clear(part)
        case Parent():
            raise TransferError("a chain was not resolved")


def read_into(part: memoryview, file: File, offset: int) -> None:
    """Read a stretch of a file straight into ``part``, refusing a file that ends inside it."""
    inside = offset + len(part) <= file.size
    places = file.stretches(offset, len(part)) if inside else None
    if places is None or not _read_places(part, places, file.name):
        part[:] = fetch(Stored(file, offset), len(part))


def _read_places(part: memoryview, places: list[Stretch], name: str) -> bool:
    """Read local stretches one behind the other; say whether all of them was there."""
    at = 0
    for fd, offset, length in places:
        stop, shift = at + length, offset - at
        while at < stop:
            try:
                count = os.preadv(fd, [part[at:stop]], at + shift)
            except OSError as error:
                raise TransferError(
                    f"cannot be read ({error.strerror})", where=f"{name} at {at + shift}"
                ) from error
            if not count:
                return False
            at += count
    return True
