"""Going on behind a read error: what cannot be read becomes zeros, and is listed."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from converters.disks.image import Packed, Run, Stored, fetch
from rehost.errors import TransferError

STEPS = (64 << 10, 4096, 512)


class Lost(NamedTuple):
    """A stretch of the guest's disk that could not be read."""

    start: int
    length: int


class Salvage:
    """Reads what can be read, in ever smaller steps, and remembers the rest. For any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lost: list[Lost] = []

    @property
    def lost(self) -> list[Lost]:
        """What was lost, ascending and joined."""
        joined: list[Lost] = []
        for start, length in sorted(self._lost):
            if joined and sum(joined[-1]) >= start:
                joined[-1] = Lost(
                    joined[-1].start, max(start + length, sum(joined[-1])) - joined[-1].start
                )
            else:
                joined.append(Lost(start, length))
        return joined

    def stored(self, source: Stored, view: memoryview, start: int) -> None:
        """Fill ``view``, the guest's from ``start`` on, from a stored run that cannot be read."""
        self._narrow(source, view, start, STEPS)

    def packed(self, run: Run, view: memoryview, start: int) -> bytes:
        """Return what is stored of a packed run; if it cannot be read, all of its unit is lost."""
        source = run.source
        assert isinstance(source, Packed)  # noqa: S101
        try:
            return source.file.pread(source.offset, source.length)
        except TransferError:
            view[:] = bytes(len(view))
            self._note(start, len(view))
            return b""

    def _narrow(self, source: Stored, view: memoryview, start: int, steps: tuple[int, ...]) -> None:
        step = steps[0]
        for at in range(0, len(view), step):
            part = view[at : at + step]
            place = Stored(source.file, source.offset + at)
            try:
                part[:] = fetch(place, len(part))
            except TransferError:
                if steps[1:]:
                    self._narrow(place, part, start + at, steps[1:])
                else:
                    part[:] = bytes(len(part))
                    self._note(start + at, len(part))

    def between(self, start: int, stop: int) -> list[Lost]:
        """Return what was lost of a stretch, as it was noted."""
        with self._lock:
            return [lost for lost in self._lost if start <= lost.start < stop]

    def note(self, lost: Sequence[Lost]) -> None:
        """Take note of what an earlier run has lost."""
        with self._lock:
            self._lost += lost

    def _note(self, start: int, length: int) -> None:
        self.note([Lost(start, length)])
