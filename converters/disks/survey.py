"""What can be said of an image without reading its data: headers, allocation, the map."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from converters.disks.image import Image, Packed, Run, Stored, chain, resolved
from converters.disks.noting import NotingGate
from rehost.files import File

RESERVED = frozenset({"files", "oddities"})


class Stretch(NamedTuple):
    """A stretch of the guest's disk that lies in one place; ``offset`` is None for zeros."""

    start: int
    length: int
    kind: str
    file: str | None
    offset: int | None


class Held(NamedTuple):
    """What one layer holds, in bytes of the disk, and in how many pieces of its files."""

    stored: int
    packed: int
    pieces: int


def layers(image: Image, file: File, gate: NotingGate) -> list[dict[str, Any]]:
    """Return what ``disk info`` says of each layer of a chain, the topmost first.

    ``gate`` is the one it was opened through: it knows which files the layers are.
    """
    found = []
    own: File | None = file
    for layer in chain(image):
        below = layer.parent
        named = [] if own is None else gate.named(own.name)
        next_file = None if own is None or below is None else gate.below(own.name, below)
        files = [] if own is None else [own, *(each for each in named if each is not next_file)]
        found.append({"files": [_file(each) for each in files], **facts_of(layer)})
        own = next_file
    return found


def facts_of(image: Image) -> dict[str, Any]:
    """Return what ``disk info`` says of one layer of a chain; sizes in bytes."""
    facts, held = image.facts, held_by(image)
    said = {
        "format": facts.format,
        "variant": facts.variant,
        "virtual_size": image.size,
        "allocated": held.stored + held.packed,
        "packed": held.packed,
        "pieces": held.pieces,
    }
    # What a file says under a name of ours, as a VMDK's descriptor may, does not replace it.
    details = {
        name: value for name, value in facts.details.items() if name not in RESERVED | said.keys()
    }
    # Asked again: what is odd about tables is found when they are walked.
    return {**said, **details, "oddities": list(image.facts.oddities)}


def held_by(image: Image) -> Held:
    """Return what this layer itself holds; pieces are what does not follow the piece before it."""
    stored = packed = pieces = 0
    last: tuple[str, int] | None = None
    for _, length, source in image.runs(0, image.size):
        if isinstance(source, Stored):
            stored += length
            pieces += (source.file.name, source.offset) != last
            last = (source.file.name, source.offset + length)
        elif isinstance(source, Packed):
            packed += length
            pieces += 1
            last = None
    return Held(stored, packed, pieces)


def _file(file: File) -> dict[str, Any]:
    """Return what is known of a file of an image: its size, and what it takes on this computer."""
    return {"name": file.name, "size": file.size, "allocated": _allocated(file)}


def _allocated(file: File) -> int | None:
    """Return how many bytes the file system gives a file, or nothing if it is part of another."""
    places = file.stretches(0, file.size)
    if places is None or len(places) != 1 or places[0].offset:
        return None
    status = os.fstat(places[0].fd)
    return status.st_blocks * 512 if status.st_size == file.size else None


def stretches_of(image: Image) -> Iterator[Stretch]:
    """Yield the map of a whole chain, runs that continue each other joined."""
    held: Stretch | None = None
    for run in resolved(image, 0, image.size):
        found = _stretch(run)
        if held is not None and _continues(held, found):
            held = held._replace(length=held.length + found.length)
            continue
        if held is not None:
            yield held
        held = found
    if held is not None:
        yield held


def _stretch(run: Run) -> Stretch:
    match run.source:
        case Stored(file, offset):
            return Stretch(run.start, run.length, "stored", file.name, offset)
        case Packed(file, offset, _, _):
            return Stretch(run.start, run.length, "packed", file.name, offset)
    return Stretch(run.start, run.length, "zero", None, None)


def _continues(held: Stretch, found: Stretch) -> bool:
    if held.kind != found.kind or held.file != found.file or found.kind == "packed":
        return False
    return held.offset is None or held.offset + held.length == found.offset
