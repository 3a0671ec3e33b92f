"""Where a file that stores a disk byte for byte really has data.

Holes of the file system (lseek's SEEK_DATA and SEEK_HOLE) are reported as zeros, so that a sparse
terabyte costs nothing, whether it is a raw image, a member of a tar or a flat extent.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from converters.disks.image import ZERO, Run, Stored
from rehost.files import File


def stored_runs(file: File, start: int, stop: int) -> Iterator[Run]:
    """Yield the data and the holes of a file between two offsets, as runs at the same offsets."""
    while start < stop:
        data, hole = _data_from(file, start, stop)
        if data > start:
            yield Run(start, data - start, ZERO)
        if hole > data:
            yield Run(data, hole - data, Stored(file, data))
        start = max(hole, data)


def _data_from(file: File, start: int, stop: int) -> tuple[int, int]:
    """Return the next stretch of data as (first, behind it), both at most ``stop``."""
    places = file.stretches(start, stop - start)
    if places is None or len(places) != 1:
        return start, stop
    fd, offset, length = places[0]
    if offset + length > os.fstat(fd).st_size:
        # Cut short: calling it data makes whoever fetches it say so. A block device has size 0.
        return start, stop
    shift = offset - start
    try:
        data = os.lseek(fd, offset, os.SEEK_DATA)
        hole = os.lseek(fd, data, os.SEEK_HOLE)
    except OSError as error:
        return (stop, stop) if error.errno == errno.ENXIO else (start, stop)
    return min(max(data - shift, start), stop), min(max(hole - shift, start), stop)
