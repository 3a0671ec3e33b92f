"""Where a file that stores a disk byte for byte really has data.

Holes of the file system (lseek's SEEK_DATA and SEEK_HOLE) are reported as zeros, so that a sparse
terabyte costs nothing, whether it is a raw image, a member of a tar or a flat extent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from converters.disks.image import ZERO, Run, Stored
from rehost.files import File
from rehost.holes import data_from


def stored_runs(file: File, start: int, stop: int) -> Iterator[Run]:
    """Yield the data and the holes of a file between two offsets, as runs at the same offsets."""
    while start < stop:
        data, hole = data_from(file, start, stop)
        if data > start:
            yield Run(start, data - start, ZERO)
        if hole > data:
            yield Run(data, hole - data, Stored(file, data))
        start = max(hole, data)


class Holes:
    """A file's data and holes, where the kernel is asked only for what it has not just said.

    For disks whose blocks are scattered over their file: most files have no hole at all, and are
    then asked once, not once for each block.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        # One value, for it is replaced at once: any number of threads may ask.
        self._known = (0, 0, False)

    def runs(self, start: int, at: int, length: int) -> Sequence[Run]:
        """Return the runs of ``length`` bytes of a disk from ``start`` on, which lie ``at``."""
        first, last, is_data = self._known
        if first <= at and at + length <= last:
            source = Stored(self._file, at) if is_data else ZERO
            return (Run(start, length, source),)
        shift, stop = start - at, at + length
        found: list[Run] = []
        while at < stop:
            data, hole = data_from(self._file, at, self._far(at, stop))
            data, hole = self._noted(at, data, hole, stop)
            if data > at:
                found.append(Run(at + shift, data - at, ZERO))
            if hole > data:
                found.append(Run(data + shift, hole - data, Stored(self._file, data)))
            at = hole
        return found

    def _far(self, at: int, stop: int) -> int:
        """Return how far the kernel can be asked: a file of several parts only piece by piece."""
        end = self._file.size
        places = self._file.stretches(at, end - at) if stop <= end else None
        return end if places is not None and len(places) == 1 else stop

    def _noted(self, at: int, data: int, hole: int, stop: int) -> tuple[int, int]:
        """Keep the last stretch that was found, and return where the next data are up to a stop."""
        self._known = (data, hole, True) if data < stop else (at, data, False)
        return min(data, stop), min(hole, stop)
