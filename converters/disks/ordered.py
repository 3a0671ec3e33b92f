"""Working on items on all cores, with the results in the order of the items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from converters.disks.crew import DEPTH, THREADS

MOST_THREADS = 16
MOST_BUFFERED = 64 << 20

Item = TypeVar("Item")
Result = TypeVar("Result")


def threads_for(buffered: int) -> int:
    """Return how many threads to use when each holds buffers of so many bytes."""
    return max(1, min(THREADS, MOST_THREADS, MOST_BUFFERED // buffered))


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
