"""Disk images in memory, for properties: runs of every kind with boundaries anywhere."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from hypothesis import strategies as st

from converters.disks.image import PARENT, ZERO, Facts, Image, Packed, Run, Source, Stored
from converters.disks.inflate import inflate_zlib
from rehost.files import Stretch

KINDS = ("stored", "packed", "zero", "parent")
MODEL = Facts("model", None, {})


class Memory:
    """Bytes in memory, as a File."""

    def __init__(self, content: bytes, name: str = "memory") -> None:
        self._content = content
        self.name = name
        self.size = len(content)

    def pread(self, offset: int, length: int) -> bytes:
        """Return a slice."""
        return self._content[offset : offset + max(0, length)]

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Return None: memory is no file."""
        return None


@dataclass(frozen=True, slots=True)
class ModelImage:
    """An image whose runs were chosen by hypothesis, and what a guest must read from it."""

    all_runs: tuple[Run, ...]
    size: int
    parent: Image | None
    content: bytes
    facts: Facts = MODEL

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield every run that touches the window, whole."""
        for run in self.all_runs:
            if run.start < stop and run.stop > start:
                yield run


def _inflate(length: int, stored: bytes | memoryview) -> bytes | bytearray:
    return inflate_zlib(stored, length, most=length)


def built(parts: list[tuple[str, int, int]], parent: ModelImage | None) -> ModelImage:
    """Build an image of (kind, length, filling); the filling 0 makes stored zeros."""
    below = parent.content if parent else b""
    stored = bytearray(b"somewhere in front of it all")
    runs: list[tuple[int, int, str, int, int]] = []
    content = bytearray()
    for kind, length, filling in parts:
        start = len(content)
        plain = bytes([filling]) * length
        if kind == "zero":
            plain = bytes(length)
        if kind == "parent":
            plain = below[start : start + length].ljust(length, b"\0")
        packed = zlib.compress(plain) if kind == "packed" else plain if kind == "stored" else b""
        runs.append((start, length, kind, len(stored), len(packed)))
        stored += packed
        content += plain
    file = Memory(bytes(stored))

    def source(length: int, kind: str, at: int, size: int) -> Source:
        match kind:
            case "stored":
                return Stored(file, at)
            case "packed":
                return Packed(file, at, size + 5, partial(_inflate, length))
            case _:
                return ZERO if kind == "zero" else PARENT

    made = tuple(
        Run(start, length, source(length, kind, at, size)) for start, length, kind, at, size in runs
    )
    return ModelImage(made, len(content), parent, bytes(content))


LENGTHS = st.one_of(
    st.integers(1, 5000), st.sampled_from([512, 4096, 65536]), st.integers(1, 300_000)
)
PARTS = st.lists(
    st.tuples(st.sampled_from(KINDS), LENGTHS, st.sampled_from([0, 1, 7, 255])), max_size=12
)


@st.composite
def model_images(draw: st.DrawFn, layers: int = 3) -> ModelImage:
    """Draw a chain of images of any sizes."""
    image: ModelImage | None = None
    for _ in range(draw(st.integers(1, layers))):
        image = built(draw(PARTS), image)
    assert image is not None
    return image
