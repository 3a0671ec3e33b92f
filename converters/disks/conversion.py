"""What ``disk convert`` was asked for, checked before anything is written, and carried out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from converters.disks.bitmaps import bitmaps_of, dropped
from converters.disks.image import Image
from converters.disks.locate import access_of, located
from converters.disks.noting import NotingGate
from converters.disks.options import check
from converters.disks.provenance import about
from converters.disks.registry import (
    Access,
    Base,
    DiskFormat,
    Shape,
    format_for,
    format_named,
    format_of,
    open_image,
)
from converters.disks.salvage import Lost
from converters.disks.transfer import Transfer
from converters.disks.writer import Level
from rehost.errors import UsageError
from rehost.files import LocalFile
from rehost.progress import Progress

if TYPE_CHECKING:
    from converters.disks.delta import Stretch

STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Order:
    """One disk to be converted, and the names of its bitmaps that will be lost."""

    source: str
    transfer: Transfer
    dropped: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Done:
    """How a conversion ended."""

    source: str
    dest: str
    format: str
    size: int
    lost: list[Lost]
    dropped: list[str]

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "source": self.source,
            "dest": self.dest,
            "format": self.format,
            "virtual_size": self.size,
            "unreadable": [each._asdict() for each in self.lost],
            "dropped_bitmaps": self.dropped,
        }


@dataclass(frozen=True, slots=True)
class _Opened:
    image: Image
    known: DiskFormat
    about: str


def orders(sources: Sequence[str], dest: str | None, asked: Mapping[str, Any]) -> list[Order]:
    """Open every source and check what is asked for; without a ``dest``, by ``asked["into"]``."""
    found = []
    for source in sources:
        opened = _open(source, asked.get("named"), access_of(asked))
        into = _format(opened, dest, asked)
        place = None if dest == STDOUT else Path(dest or _name(source, into, asked["into"]))
        found.append(_order(source, opened, into, place, asked))
    places = [order.transfer.dest for order in found]
    if len(set(places)) < len(places):
        raise UsageError("two of the sources would get the same name", hint="Name them one by one.")
    return found


def carry_out(orders: Sequence[Order], progress: Progress, *, jobs: int = 1) -> list[Done]:
    """Convert every disk, several at once; the first failure ends all of them."""
    stop = Event()
    shared = _Shared(progress)
    shared.start(_phase(orders), sum(order.transfer.shape.size for order in orders))

    def one(order: Order) -> Done:
        transfer = replace(order.transfer, watch=lambda: _end(stop))
        lost = transfer.run(shared)
        dest = STDOUT if transfer.dest is None else str(transfer.dest)
        size = transfer.shape.size
        return Done(order.source, dest, transfer.into.name, size, lost, order.dropped)

    if jobs == 1 or len(orders) == 1:
        return [one(order) for order in orders]
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(one, order) for order in orders]
        try:
            return [future.result() for future in futures]
        finally:
            stop.set()
            for future in futures:
                future.cancel()


class _StoppedError(Exception):
    """Another disk failed, which is what the user is told."""


def _end(stop: Event) -> None:
    if stop.is_set():
        raise _StoppedError


class _Shared:
    """One progress for several disks at once."""

    def __init__(self, inner: Progress) -> None:
        self._inner = inner
        self._lock = Lock()

    def start(self, phase: str, total: int) -> None:
        """Begin the one phase."""
        self._inner.start(phase, total)

    def advance(self, done: int) -> None:
        """Count, whichever disk it was."""
        with self._lock:
            self._inner.advance(done)

    def close(self) -> None:
        """End the phase."""
        self._inner.close()


def _phase(orders: Sequence[Order]) -> str:
    if len(orders) > 1:
        return f"{len(orders)} disks"
    dest = orders[0].transfer.dest
    return "standard output" if dest is None else dest.name


def _order(
    source: str, opened: _Opened, into: DiskFormat, place: Path | None, asked: Mapping[str, Any]
) -> Order:
    options = dict(asked["options"])
    check(into.name, into.options, options)
    image = opened.image
    size = image.size if asked.get("size") is None else asked["size"]
    if size < image.size and not asked.get("shrink"):
        raise UsageError(
            f"the disk has {image.size} bytes, {size} would cut it off",
            where=source,
            hint="Shrink what is on the disk first; then pass --shrink.",
        )
    bitmaps = bitmaps_of(image) if into.keeps_bitmaps and size == image.size else ()
    shape = Shape(
        size,
        options,
        Level(asked["level"]) if asked["level"] else None,
        base=_base(asked.get("base"), place),
        bitmaps=bitmaps,
    )
    if asked.get("delta_from") is not None and shape.base is None:
        raise UsageError("a delta is written as differences to a base", hint="Pass --base, too.")
    transfer = Transfer(
        image,
        place,
        into,
        shape,
        about=opened.about,
        force=asked["force"],
        resume=asked["resume"],
        salvages=asked["on_read_error"] == "zero",
        delta=_delta(image, asked.get("delta_from")),
    )
    return Order(source, transfer, dropped(image, bitmaps))


def _open(source: str, named: str | None, access: Access) -> _Opened:
    found = located(source)
    gate = NotingGate(found.gate)
    known = format_named(named) if named else format_of(found.file)
    image = open_image(found.file, gate, format=known.name, access=access)
    return _Opened(image, known, about([found.file, *gate.files]))


def _format(opened: _Opened, dest: str | None, asked: Mapping[str, Any]) -> DiskFormat:
    if asked.get("same"):
        return opened.known
    if asked.get("target"):
        return format_named(asked["target"])
    if dest is None or dest == STDOUT:
        raise UsageError("the format to write is not said", hint="Pass --to FORMAT.")
    if _is_device(Path(dest)):
        return format_named("raw")
    return format_for(Path(dest))


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISBLK(path.stat().st_mode)
    except OSError:
        return False


def _name(source: str, into: DiskFormat, folder: Path) -> Path:
    """Name a disk's copy after the disk, or after its member of an archive."""
    return folder / f"{PurePath(source.rpartition('!')[2]).stem}{into.suffixes[0]}"


def _delta(image: Image, manifest: Path | None) -> Iterator[Stretch] | None:
    if manifest is None:
        return None
    from converters.disks.delta import changed_ranges
    from converters.disks.manifest import Manifest

    return changed_ranges(image, Manifest(LocalFile(manifest)))


def _base(path: Path | None, place: Path | None) -> Base | None:
    if path is None:
        return None
    if place is None:
        raise UsageError("differences to a base cannot be streamed", hint="Name a file as DEST.")
    opened = _open(str(path), None, Access())
    name = os.path.relpath(path.resolve(), place.parent.resolve())
    return Base(name, opened.known.name, opened.image)
