"""Writing only the differences to a base."""

from __future__ import annotations

from pathlib import Path
from random import Random

from converters.disks.copy import write_image
from converters.disks.gate import ClosedGate
from converters.disks.registry import Base, Shape, format_named, open_image
from tests.support.images import opened
from tests.support.models import Memory

SMALLEST = 512


def changed(content: bytes, seed: int, *, size: int | None = None, changes: int = 12) -> bytes:
    """Return content with some stretches of sectors overwritten, one of them by zeros."""
    pick, found = Random(seed), bytearray(content.ljust(size or len(content), b"\0"))
    for number in range(changes):
        length = min(pick.randrange(1, 300) * SMALLEST, len(found))
        at = pick.randrange((len(found) - length) // SMALLEST + 1) * SMALLEST
        found[at : at + length] = bytes(length) if number % 4 == 0 else pick.randbytes(length)
    return bytes(found)


def overlay(content: bytes, base: Path, path: Path, format_name: str, **options: str) -> Path:
    """Write an image of ``content`` that stores only its differences to ``base``."""
    below = opened(base)
    image = open_image(Memory(content, "content"), ClosedGate(), format="raw")
    shape = Shape(len(content), options, base=Base(base.name, below.facts.format, below))
    write_image(image, path, format_named(format_name), shape)
    return path
