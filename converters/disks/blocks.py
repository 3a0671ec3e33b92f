"""Compressed blocks of any size that a file's author chose, in bounded memory.

What cloop and DMG share. A small block is a packed run. A large one becomes several, each of which
returns its part of the block's plain bytes; the last 64 MiB of plain blocks are kept, whichever
thread asks for their parts, so a block is unpacked once and not once per part.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import numpy.typing as npt

from converters.disks.image import Packed, Run, Unpack
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

PART = 2 << 20
LARGEST_BLOCK = 64 << 20

Lengths = TypeVar("Lengths", int, npt.NDArray[Any])


class Block(NamedTuple):
    """``length`` bytes of the disk, which ``unpack`` makes from ``stored`` ones at ``offset``."""

    start: int
    length: int
    offset: int
    stored: int
    unpack: Unpack


def check_length(length: int, where: str) -> None:
    """Refuse a block that is larger than memory should be."""
    if length > LARGEST_BLOCK:
        raise UnsupportedInputError(
            f"a compressed block is too large ({length} bytes, at most {LARGEST_BLOCK} are "
            "unpacked at once)",
            where=where,
            hint="Convert it where it was made, with smaller blocks.",
        )


def check_stored(offset: int, stored: int, length: int, file: File) -> None:
    """Refuse a block that lies behind the file's end, or packed is far larger than plain."""
    where = f"{file.name} at {offset}"
    if offset + stored > file.size:
        raise DamagedInputError(
            f"a compressed block lies behind the end of the file (which is at {file.size})",
            where=where,
            hint="The file is cut short; copy it again.",
        )
    if stored > most_stored(length):
        raise DamagedInputError(
            f"a compressed block is larger than it can be ({stored} bytes for {length})",
            where=where,
        )


def most_stored(length: Lengths) -> Lengths:
    """Return how large blocks can be that cannot be compressed, in any compression used."""
    most: Lengths = length + length // 32 + 4096
    return most


class Blocks:
    """The compressed blocks of a file."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._lock = Lock()
        self._held: dict[int, bytes | bytearray] = {}

    def runs(self, block: Block, start: int, stop: int) -> Iterator[Run]:
        """Yield the packed runs of a block that touch a window."""
        if block.length <= PART:
            source = Packed(self._file, block.offset, block.stored, block.unpack)
            yield Run(block.start, block.length, source)
            return
        first = max(0, start - block.start) // PART * PART
        for at in range(first, min(block.length, stop - block.start), PART):
            length = min(PART, block.length - at)
            # So that nobody fetches the whole block for each part, none is said to be stored here.
            place = block.offset + block.stored * at // block.length
            source = Packed(self._file, place, 0, partial(self._part, block, at, length))
            yield Run(block.start + at, length, source)

    def _part(
        self, block: Block, at: int, length: int, stored: bytes | memoryview
    ) -> bytes | bytearray:
        del stored
        with self._lock:
            if block.start not in self._held:
                self._make_room(block.length)
                self._held[block.start] = self._unpacked(block)
            return self._held[block.start][at : at + length]

    def _make_room(self, length: int) -> None:
        """Drop the blocks that were unpacked first, until one more may be held."""
        while self._held and sum(map(len, self._held.values())) + length > LARGEST_BLOCK:
            del self._held[next(iter(self._held))]

    def _unpacked(self, block: Block) -> bytes | bytearray:
        plain = block.unpack(self._file.pread(block.offset, block.stored))
        if len(plain) != block.length:
            raise ValueError(f"it unpacks to {len(plain)} bytes, should be {block.length}")
        return plain
