"""Reading a raw image, whose holes are left out."""

from __future__ import annotations

from collections.abc import Iterator

from converters.disks.gate import Gate
from converters.disks.holes import stored_runs
from converters.disks.image import Facts, Run
from rehost.files import File


class RawImage:
    """A file that is a disk. A size that is no multiple of a sector is kept as it is."""

    parent = None

    def __init__(self, file: File) -> None:
        self._file = file
        self.size = file.size
        self.facts = Facts("raw", None, {})

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the stretches between the file's holes."""
        return stored_runs(self._file, start, stop)


def open_raw(file: File, gate: Gate) -> RawImage:
    """Open any file."""
    del gate
    return RawImage(file)
