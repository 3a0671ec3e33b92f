"""Writing disk images: what a format must answer so that the engine can fill it.

The engine hands over ascending, non-overlapping blocks, aligned to the writer's ``unit`` except at
the disk's end, and never a block of zeros; then it calls ``finish`` once. A format lays out its
file and keeps its tables; it moves no data itself.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Place(NamedTuple):
    """Where ``length`` bytes of the guest's disk go in the file."""

    offset: int
    length: int


class Writer(Protocol):
    """A new image, being filled."""

    @property
    def unit(self) -> int:
        """The granularity of its tables, in bytes: a multiple of 512."""

    def place(self, start: int, length: int) -> Sequence[Place]:
        """Allocate room for a stretch of the guest's disk and return it, in order."""

    def finish(self) -> None:
        """Write what remains: tables, headers, the file's final length."""


def write_whole(fd: int, content: bytes, offset: int) -> None:
    """Write all of ``content``: a kernel may take less, and say why only when asked again."""
    rest = memoryview(content)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written
