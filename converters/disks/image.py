"""Reading disk images: a format says where bytes lie, one reader fetches them.

An image answers a single question, ``runs(start, stop)``: which stretches of the guest's disk lie
where. Tables are walked as arrays, a run is as long as they allow, and nothing else is asked of a
format. Splitting, clipping, backing chains and zero filling happen here, once, for all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from rehost.errors import DamagedInputError, TransferError
from rehost.files import File

SECTOR = 512
LARGEST_DISK = 1 << 60

Unpack = Callable[[bytes | memoryview], bytes | bytearray]


class Stored(NamedTuple):
    """The bytes as they are, from ``offset`` of ``file`` on."""

    file: File
    offset: int


class Packed(NamedTuple):
    """A compressed unit: ``unpack`` makes the run's bytes from those stored.

    ``length`` is an upper bound of what is stored. ``unpack`` is pure, works on any thread, and
    returns exactly the run's length or raises.
    """

    file: File
    offset: int
    length: int
    unpack: Unpack


class Zero:
    """Nothing is stored and the guest reads zeros."""


class Parent:
    """Nothing is stored here: the image below in the chain decides."""


ZERO = Zero()
PARENT = Parent()
Source = Stored | Packed | Zero | Parent


class Run(NamedTuple):
    """A stretch of the guest's disk that lies in one place; a packed run is never split."""

    start: int
    length: int
    source: Source

    @property
    def stop(self) -> int:
        """The offset of the first byte behind it."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Facts:
    """What an image's headers say: for ``disk info``, and for judging a package.

    ``variant`` is the kind within the format ("streamOptimized"), ``details`` whatever else the
    headers hold, ``oddities`` sentences on what is strange but not fatal.
    """

    format: str
    variant: str | None
    details: dict[str, object]
    oddities: tuple[str, ...] = ()


class Image(Protocol):
    """A disk image that has been opened."""

    @property
    def size(self) -> int:
        """The size of the guest's disk in bytes."""

    @property
    def parent(self) -> Image | None:
        """The image below, where this one stores only differences."""

    @property
    def facts(self) -> Facts:
        """What its headers say."""

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield ascending, touching runs that cover ``start`` to ``stop``, or more than that.

        Whole runs may lie outside, too.
        """


def clipped(run: Run, start: int, stop: int) -> Run:
    """Cut a run to a window; a packed run stays whole, for it can only be unpacked whole."""
    first, last = max(run.start, start), min(run.stop, stop)
    if isinstance(run.source, Packed) or (first == run.start and last == run.stop):
        return run
    source = run.source
    if isinstance(source, Stored):
        source = Stored(source.file, source.offset + first - run.start)
    return Run(first, last - first, source)


def resolved(image: Image, start: int, stop: int) -> Iterator[Run]:
    """Yield the runs of a whole chain: no Parent is left, and stored runs are clipped.

    Only packed runs may reach outside the window.
    """
    stop = min(stop, image.size)
    if start >= stop:
        return
    for found in image.runs(start, stop):
        first, length, source = found
        inside = first >= start and first + length <= stop
        if not inside and (first + length <= start or first >= stop):
            continue
        run = found if inside else clipped(found, start, stop)
        if not isinstance(source, Parent):
            yield run
            continue
        below = image.parent
        shared = run.start if below is None else min(run.stop, max(below.size, run.start))
        if below is not None and shared > run.start:
            yield from _clip_packed(resolved(below, run.start, shared), run.start, shared)
        if shared < run.stop:
            yield Run(shared, run.stop - shared, ZERO)


def _clip_packed(runs: Iterator[Run], start: int, stop: int) -> Iterator[Run]:
    """Cut the packed runs of a parent to the hole its child leaves, by wrapping their unpacking."""
    for run in runs:
        source = run.source
        if not isinstance(source, Packed) or (run.start >= start and run.stop <= stop):
            yield run
            continue
        first, last = max(run.start, start), min(run.stop, stop)
        part = slice(first - run.start, last - run.start)
        yield Run(
            first, last - first, source._replace(unpack=partial(_unpack_part, source.unpack, part))
        )


def _unpack_part(unpack: Unpack, part: slice, packed: bytes | memoryview) -> bytes | bytearray:
    return unpack(packed)[part]


def fetch(source: Stored, length: int) -> bytes:
    """Read a stored run, refusing a file that ends inside it."""
    found = source.file.pread(source.offset, length)
    if len(found) < length:
        raise DamagedInputError(
            f"the image is cut short ({length} bytes of the disk should lie here, {len(found)} do)",
            where=f"{source.file.name} at {source.offset}",
            hint="Copy the file again; its tables point behind its end.",
        )
    return found


def fetch_into(source: Stored, view: memoryview) -> None:
    """Fill ``view`` from a stored run, without memory between where its file allows that."""
    places = source.file.stretches(source.offset, len(view)) or []
    at = 0
    for fd, offset, length in places:
        part = view[at : at + length]
        try:
            if os.preadv(fd, [part], offset) < length:
                break
        except OSError:
            break
        at += length
    if at < len(view):
        # Reading again says what is wrong, or gets what a kernel did not hand over at once.
        view[at:] = fetch(Stored(source.file, source.offset + at), len(view) - at)


def unpack(source: Packed, length: int, stored: bytes | memoryview) -> bytes | bytearray:
    """Unpack a run of ``length`` bytes from what is stored, naming the place if it is damaged."""
    try:
        plain = source.unpack(stored)
    except ValueError as error:
        raise DamagedInputError(
            f"a compressed block is damaged ({error})",
            where=f"{source.file.name} at {source.offset}",
            hint="Copy the file again; what lies there is cut short or was changed.",
        ) from error
    if len(plain) != length:
        raise DamagedInputError(
            f"a compressed block has the wrong size ({len(plain)} bytes, should be {length})",
            where=f"{source.file.name} at {source.offset}",
        )
    return plain


def read(image: Image, offset: int, length: int) -> bytes:
    """Return what the guest reads at ``offset``: fewer than ``length`` bytes only at the end."""
    stop = min(offset + length, image.size)
    found = bytearray(max(0, stop - offset))
    for run in resolved(image, offset, stop):
        match run.source:
            case Stored():
                found[run.start - offset : run.stop - offset] = fetch(run.source, run.length)
            case Packed(file, at, most, _):
                plain = unpack(run.source, run.length, file.pread(at, most))
                first, last = max(run.start, offset), min(run.stop, stop)
                part = plain[first - run.start : last - run.start]
                found[first - offset : last - offset] = part
            case Zero():
                pass
            case Parent():
                raise TransferError("a chain was not resolved")
    return bytes(found)


def chain(image: Image) -> list[Image]:
    """Return an image and those below it, the topmost first."""
    found = [image]
    while (below := found[-1].parent) is not None:
        found.append(below)
    return found
