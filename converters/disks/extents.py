"""Disks that are made of extents, one behind the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Protocol

from converters.disks.image import Run


class Extent(Protocol):
    """A part of a disk; offsets count from its first byte."""

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield where the bytes of a stretch lie."""


def spanned(
    extents: Sequence[Extent], starts: Sequence[int], start: int, stop: int
) -> Iterator[Run]:
    """Yield the runs of each extent touched; ``starts`` ends with where the disk does."""
    stop = min(stop, starts[-1])
    while start < stop:
        number = bisect_right(starts, start) - 1
        begin, end = starts[number], min(starts[number + 1], stop)
        runs = extents[number].runs(start - begin, end - begin)
        if not begin:
            yield from runs
        else:
            for first, length, source in runs:
                yield Run(begin + first, length, source)
        start = end
