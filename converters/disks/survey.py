"""What can be said of an image without reading its data: headers, allocation, the map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from converters.disks.image import Image, Packed, Run, Stored, resolved


class Stretch(NamedTuple):
    """A stretch of the guest's disk that lies in one place; ``offset`` is None for zeros."""

    start: int
    length: int
    kind: str
    file: str | None
    offset: int | None


def facts_of(image: Image) -> dict[str, Any]:
    """Return what ``disk info`` says of one layer of a chain; sizes in bytes."""
    facts = image.facts
    return {
        "format": facts.format,
        "variant": facts.variant,
        "virtual_size": image.size,
        "allocated": allocated(image),
        **facts.details,
        "oddities": list(facts.oddities),
    }


def allocated(image: Image) -> int:
    """Return how many bytes of the guest's disk this layer itself stores."""
    stored = (Stored, Packed)
    return sum(run.length for run in image.runs(0, image.size) if isinstance(run.source, stored))


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
