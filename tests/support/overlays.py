"""Writing only the differences to a base, as the engine asks a format to."""

from __future__ import annotations

from pathlib import Path
from random import Random

from converters.disks.image import read
from converters.disks.output import Output
from converters.disks.registry import Base, Shape, format_named
from converters.disks.writer import PackedWriter
from tests.support.images import opened

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
    """Write an image of ``content`` above ``base``: the units that differ, whole, in order."""
    below = opened(base)
    said = Base(base.name, below.facts.format, below)
    shape = Shape(len(content), options, base=said)
    create = format_named(format_name).create
    assert create is not None
    with Output(path) as output:
        writer = create(output, shape)
        assert not isinstance(writer, PackedWriter)
        old, unit = read(below, 0, len(content)).ljust(len(content), b"\0"), writer.unit
        for start in range(0, len(content), unit):
            new = content[start : start + unit]
            if new == old[start : start + unit]:
                continue
            for place in writer.place(start, len(new)):
                output.write(new[: place.length], place.offset)
                new = new[place.length :]
            assert not new
        writer.finish()
    return path
