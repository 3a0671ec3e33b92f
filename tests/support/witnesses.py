"""What every reader is held to: QEMU's own reading of a file, and composure whatever its bytes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from converters.disks.gate import ClosedGate
from converters.disks.image import Image, read
from converters.disks.registry import open_image
from rehost.errors import InteropError
from tests.support.images import KIB, MIB, as_raw, opened
from tests.support.models import Memory

MOST_MEMORY = 200 * MIB
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def assert_reads_like_qemu(path: Path, format_name: str, *, requests: int = 80) -> None:
    """Compare reads at random places, every fourth near the disk's end, with qemu-img's content."""
    assert_reads_like(path, format_name, as_raw(path, format_name), requests=requests)


def assert_reads_like(path: Path, format_name: str, expected: Path, *, requests: int = 80) -> None:
    """Compare reads at random places with a raw file, and the sizes."""
    pick = Random(7)
    image = opened(path, format_name=format_name)
    assert image.size == expected.stat().st_size
    with expected.open("rb") as witness:
        for number in range(requests):
            nearest = max(0, image.size - 200 * KIB) if number % 4 == 0 else 0
            offset = pick.randrange(nearest, image.size)
            length = pick.randrange(1, 2 * MIB if number % 2 else 2 * KIB)
            witness.seek(offset)
            assert read(image, offset, length) == witness.read(length), (offset, length)


def error_of(content: bytes, name: str, format_name: str) -> InteropError:
    """Return what is said of a file with this content, opened and read whole."""
    try:
        image = open_image(Memory(content, name), ClosedGate(), format=format_name)
        read(image, 0, min(image.size, 64 * MIB))
    except InteropError as error:
        return error
    raise AssertionError("nothing was refused")


def assert_composed(
    content: bytes, format_name: str, *, seed: int, rounds: int = 300, tables: range | None = None
) -> None:
    """Open and read mutations of a sound file: only a named error may come of it, in bounds.

    Most of the mutations lie in ``tables``, by default the first 512 bytes.
    """

    def look(changed: bytes) -> Image:
        image = open_image(Memory(changed, "mutated"), ClosedGate(), format=format_name)
        for number, _ in enumerate(image.runs(0, image.size)):
            if number > 5000:
                break
        read(image, 0, min(image.size, 4 * MIB))
        read(image, max(0, image.size - 9000), 9000)
        return image

    tracemalloc.start()
    try:
        for changed in _mutations(content, Random(seed), rounds, tables or range(512)):
            _tolerate(look, changed)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()


def _tolerate(look: Callable[[bytes], Image], changed: bytes) -> None:
    try:
        look(changed)
    except InteropError as error:
        assert error.exit_code > 2
        assert error.where.startswith("mutated")


def _mutations(content: bytes, pick: Random, rounds: int, tables: range) -> Iterator[bytes]:
    for _ in range(rounds // 6):
        yield content[: pick.randrange(len(content))]
    for _ in range(rounds):
        changed = bytearray(content)
        for _ in range(pick.randrange(1, 4)):
            near = pick.random() < 0.8
            at = pick.choice(tables) if near else pick.randrange(len(content))
            for place in range(at, min(at + pick.choice((1, 1, 2, 4, 8)), len(content))):
                changed[place] = pick.choice((*INTERESTING, pick.randrange(256)))
        yield bytes(changed)
