"""Working through items on all cores, with one step that keeps their order.

Each thread takes the next item and prepares it. Whoever prepared the item whose turn it is settles
it, and then runs what settling returned; both happen one at a time and in order, on whichever
thread is there. So what a thread prepared mostly stays in its own cache until it is written, and no
thread waits for another unless ``DEPTH`` items for each are under way.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import Generic, NamedTuple, TypeVar

DEPTH = 3
PROCESSORS = len(os.sched_getaffinity(0))
THREADS = max(2, PROCESSORS)
WATCH_SECONDS = 0.5

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")
Finish = Callable[[], None]


class Failure(NamedTuple):
    """What went wrong, and with which item."""

    number: int
    error: BaseException


def nothing() -> None:
    """Do nothing: what `work_through` calls now and then unless told otherwise."""


def work_through(
    items: Iterator[Item],
    prepare: Callable[[Item], Prepared],
    settle: Callable[[Item, Prepared], Finish],
    *,
    watch: Callable[[], None] = nothing,
    threads: int = THREADS,
) -> None:
    """Prepare, settle and finish every item; the calling thread runs ``watch`` now and then.

    A failure, and an interruption of the calling thread, ends the work of all of them; of several
    failures, the first in the order of the items is raised.
    """
    crew = _Crew(items, prepare, settle, threads)
    # Unlike what is built on conditions, this queue may be interrupted anywhere while it waits.
    ended: SimpleQueue[Failure | None] = SimpleQueue()
    failures: list[Failure] = []
    workers = [Thread(target=crew.work, args=(ended,)) for _ in range(threads)]
    try:
        for worker in workers:
            worker.start()
        working = threads
        while working:
            with suppress(Empty):
                if failure := ended.get(timeout=WATCH_SECONDS):
                    failures.append(failure)
                working -= 1
            watch()
    finally:
        crew.stop()
        for worker in workers:
            if worker.ident is not None:
                worker.join()
    if failures:
        raise min(failures, key=lambda failure: failure.number).error


class _Crew(Generic[Item, Prepared]):
    def __init__(
        self,
        items: Iterator[Item],
        prepare: Callable[[Item], Prepared],
        settle: Callable[[Item, Prepared], Finish],
        threads: int,
    ) -> None:
        self._items = enumerate(items)
        self._prepare = prepare
        self._settle = settle
        self._threads = threads
        self._taking, self._settling = Lock(), Lock()
        self._room = Semaphore(threads * DEPTH)
        self._ready: dict[int, tuple[Item, Prepared]] = {}
        self._turn = 0
        self._finishing = Lock()
        self._unfinished: deque[Finish] = deque()
        self._stopped = False

    def work(self, ended: SimpleQueue[Failure | None]) -> None:
        """Do one thread's part of the work, and say how it ended."""
        number = -1
        try:
            while (taken := self._take()) is not None:
                number, item = taken
                prepared = self._prepare(item)
                with self._settling:
                    self._ready[number] = item, prepared
                del taken, item, prepared
                self._settle_ready()
        except BaseException as error:  # the calling thread raises it
            self.stop()
            ended.put(Failure(number, error))
        else:
            ended.put(None)

    def stop(self) -> None:
        """Let every thread end after what it is doing."""
        self._stopped = True
        self._room.release(self._threads)

    def _take(self) -> tuple[int, Item] | None:
        with self._taking:
            self._room.acquire()
            return None if self._stopped else next(self._items, None)

    def _settle_ready(self) -> None:
        while True:
            with self._settling:
                if self._stopped or self._turn not in self._ready:
                    return
                self._unfinished.append(self._settle(*self._ready.pop(self._turn)))
                self._turn += 1
            self._finish()

    def _finish(self) -> None:
        """Finish what is settled, unless another thread is at it, which then does this, too.

        Two threads that write to one file wait for each other in the kernel, spinning: that takes
        from the one that writes what it needs to copy.
        """
        while self._unfinished and self._finishing.acquire(blocking=False):
            try:
                while self._unfinished and not self._stopped:
                    self._unfinished.popleft()()
                    self._room.release()
            finally:
                self._finishing.release()
            if self._stopped:
                return
