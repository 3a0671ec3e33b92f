"""Reading what is left of a broken image.

``Mended`` shows a file as it would be without its broken entries, so that a format's ordinary
reader takes it. ``Blanked`` shows an image whose lost stretches are zeros. ``patiently`` goes
through the runs of an image and over those its reader refuses.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from converters.disks.checking import Lost, Patch
from converters.disks.gate import Gate, names_beside
from converters.disks.image import SECTOR, ZERO, Facts, Image, Run, clipped
from rehost.errors import DamagedInputError
from rehost.files import File, Stretch

MOST_BROKEN = 1000
Found = Run | Lost


class Mended:
    """A file with patches laid over it, which never reach behind its end."""

    def __init__(self, inner: File, patches: Sequence[Patch]) -> None:
        self.name = inner.name
        self.size = inner.size
        self._inner = inner
        self._patches = sorted(patches, key=lambda each: each.offset)
        self._starts = [each.offset for each in self._patches]
        self._longest = max((len(each.content) for each in patches), default=0)

    def pread(self, offset: int, length: int) -> bytes:
        """Read the file and what lies over it."""
        found = bytearray(self._inner.pread(offset, length))
        stop = offset + len(found)
        for patch in self._patches[self._first(offset) : bisect_left(self._starts, stop)]:
            first, last = max(patch.offset, offset), min(patch.offset + len(patch.content), stop)
            if first < last:
                found[first - offset : last - offset] = patch.content[
                    first - patch.offset : last - patch.offset
                ]
        return bytes(found)

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Ask the file below: nothing lies over what guests store."""
        return self._inner.stretches(offset, length)

    def _first(self, offset: int) -> int:
        return bisect_right(self._starts, offset - self._longest)


class MendingGate:
    """Opens the files that an image names with their patches laid over them."""

    def __init__(self, inner: Gate, patches: Sequence[Patch]) -> None:
        self._inner = inner
        self._patches = patches

    def open(self, name: str, *, by: str) -> File:
        """Open a file, mended."""
        return mended(self._inner.open(name, by=by), self._patches)

    def beside(self, by: str) -> list[str]:
        """Ask the gate below, if it can say."""
        return names_beside(self._inner, by=by)


def mended(file: File, patches: Sequence[Patch]) -> File:
    """Return a file with those of the patches over it that are its own."""
    own = [patch for patch in patches if patch.file == file.name]
    return Mended(file, own) if own else file


class Blanked:
    """An image that reads zeros where its content is lost; ``lost`` is in order."""

    def __init__(self, inner: Image, lost: Sequence[Lost]) -> None:
        self._inner = inner
        self._stretches = _joined(lost, inner.size)
        self._stops = [stop for _, stop in self._stretches]

    @property
    def size(self) -> int:
        """The same."""
        return self._inner.size

    @property
    def parent(self) -> Image | None:
        """The same."""
        return self._inner.parent

    @property
    def facts(self) -> Facts:
        """The same."""
        return self._inner.facts

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the runs of the image between the lost stretches, and zeros for these."""
        stop = min(stop, self.size)
        for first, last in self._stretches[bisect_right(self._stops, start) :]:
            if first >= stop:
                break
            if start < first:
                yield from self._sound(start, first)
            yield Run(max(start, first), min(last, stop) - max(start, first), ZERO)
            start = last
        if start < stop:
            yield from self._sound(start, stop)

    def _sound(self, start: int, stop: int) -> Iterator[Run]:
        for run in self._inner.runs(start, stop):
            if run.start < stop and run.stop > start:
                yield clipped(run, start, stop)


def _joined(lost: Sequence[Lost], size: int) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for each in lost:
        start, stop = each.start, min(each.start + each.length, size)
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        elif start < stop:
            joined.append((start, stop))
    return joined


def patiently(image: Image) -> Iterator[Found]:
    """Yield the runs of an image, and as lost the stretches that its reader refuses.

    What is refused is asked for again in ever smaller parts: a reader may refuse two parts together
    and neither alone, as when both name one place.
    """
    at, broken, window = 0, 0, image.size
    while at < image.size:
        end = min(at + window, image.size)
        try:
            for run in image.runs(at, end):
                if run.stop > at:
                    yield clipped(run, at, image.size)
                    at = run.stop
            at, window = max(at, end), window * 2
        except DamagedInputError as error:
            window = min(window, image.size - at) // 2 // SECTOR * SECTOR
            if window:
                continue
            broken += 1
            stop = image.size if broken > MOST_BROKEN else _readable_from(image, at)
            yield Lost(at, stop - at, str(error))
            at, window = stop, SECTOR


def _readable_from(image: Image, start: int) -> int:
    """Return where reading succeeds again, doubling the step and then halving it."""
    step = SECTOR
    while start + step < image.size and not _readable(image, start + step):
        step *= 2
    first, last = start + step // 2, min(start + step, image.size)
    while last - first > SECTOR:
        middle = (first + last) // 2 // SECTOR * SECTOR
        if middle <= first:
            break
        first, last = (first, middle) if _readable(image, middle) else (middle, last)
    return last


def _readable(image: Image, at: int) -> bool:
    try:
        next(iter(image.runs(at, min(at + SECTOR, image.size))), None)
    except DamagedInputError:
        return False
    return True
