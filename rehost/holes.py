"""Where a file has data, and where the file system has holes: lseek's SEEK_DATA and SEEK_HOLE."""

from __future__ import annotations

import errno
import os

from rehost.files import File


class Veil:
    """A file with the bytes of another, ``inner``, at the same places.

    It hides where they lie, so that nobody reads there; for holes the inner one is asked.
    """

    inner: File


def data_from(file: File, start: int, stop: int) -> tuple[int, int]:
    """Return the next stretch of data as (first, behind it), both at most ``stop``."""
    inner = file.inner if isinstance(file, Veil) else file
    places = inner.stretches(start, stop - start)
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


class Sparing:
    """Reads a file, step by step, without reading what lies wholly in a hole."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._zeros = b""
        # What has to be computed has no holes, and a size that may be dear to find out.
        self._is_placed = bool(file.stretches(0, 0))
        self._data = self._hole = 0

    def pread(self, offset: int, length: int) -> bytes:
        """Return the bytes at ``offset``; zeros of holes are the same ones each time."""
        if self._is_placed and not self._data <= offset < self._hole:
            self._data, self._hole = data_from(self._file, offset, self._file.size)
        if self._is_placed and offset + length <= self._data:
            if len(self._zeros) < length:
                self._zeros = bytes(length)
            return self._zeros[:length]
        return self._file.pread(offset, length)
