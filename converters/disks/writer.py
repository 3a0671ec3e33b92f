"""Writing disk images: what a format must answer so that the engine can fill it.

There are two kinds. A ``Writer`` says where a stretch of the guest's disk goes as it is; a
``PackedWriter`` makes each unit of it into something else first, on any thread, and says where that
goes. Neither moves data itself: the format lays out its file and keeps its tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from converters.disks.output import Output


class Level(StrEnum):
    """How hard to compress; what that means in numbers is each compression's to say."""

    FAST = "fast"
    DEFAULT = "default"
    BEST = "best"
    NONE = "none"


class Place(NamedTuple):
    """Where ``length`` bytes of the guest's disk go: in ``output`` or the image's first file."""

    offset: int
    length: int
    output: Output | None = None


class Writer(Protocol):
    """A new image, being filled with bytes as they are.

    The engine hands over ascending, non-overlapping stretches, aligned to ``unit`` except at the
    disk's end, and never a unit of zeros; then it calls ``finish`` once.
    """

    @property
    def unit(self) -> int:
        """The granularity of its tables, in bytes: a multiple of 512."""

    def place(self, start: int, length: int) -> Sequence[Place]:
        """Allocate room for a stretch of the guest's disk and return it, in order."""

    def finish(self) -> None:
        """Write what remains: tables, headers, the file's final length."""


@runtime_checkable
class ZeroMarker(Protocol):
    """A writer that can say of a stretch over its base that it reads as zeros."""

    def zero(self, start: int, length: int) -> bool:
        """Mark a stretch, or return False: then it is placed and written as any other."""


@runtime_checkable
class PackedWriter(Protocol):
    """A new image, being filled with units that are packed one by one.

    The engine calls ``pack`` on any thread and in any order, then ``append`` in ascending order;
    never for a unit of zeros, and ``finish`` once.
    """

    @property
    def unit(self) -> int:
        """How many bytes of the guest's disk are packed together: a multiple of 512."""

    def pack(self, start: int, block: memoryview) -> bytes | bytearray | memoryview:
        """Return what is to be stored for the unit at ``start``; the disk's last may be short.

        It must depend on nothing else, and change nothing.
        """

    def append(self, start: int, packed: memoryview) -> int:
        """Allocate room for a packed unit and return its offset in the file."""

    def finish(self) -> None:
        """Write what remains: tables, headers, the file's final length."""
