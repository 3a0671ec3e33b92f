"""Reading a cloop: a table of where the blocks begin, behind the script."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np

from converters.disks.blocks import (
    Block,
    Blocks,
    check_length,
    check_stored,
    most_stored,
)
from converters.disks.formats.cloop import SCRIPT, SCRIPT_SIZE
from converters.disks.gate import Gate
from converters.disks.image import SECTOR, Facts, Run
from converters.disks.inflate import inflate_zlib
from converters.disks.tables import AT_ONCE, Positions, read_table
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import File

VERSION = b"2.0 Format\n"
TABLE_AT = SCRIPT_SIZE + 8


class CloopImage:
    """A disk of blocks of one size; the last is filled up with zeros."""

    parent = None

    def __init__(self, file: File) -> None:
        self._file = file
        self._block, count = _head(file)
        self.size = self._block * count
        self._offsets = self._table(count)
        self._blocks = Blocks(file)
        self._unpack = partial(_inflate, self._block)
        self.facts = Facts("cloop", "v2.0", {"blockSize": self._block, "blocks": count})

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the blocks between two offsets."""
        first, last = start // self._block, -(-min(stop, self.size) // self._block)
        for part in range(first, last, AT_ONCE):
            places = self._offsets[part : min(part + AT_ONCE, last) + 1].tolist()
            for number, (offset, end) in enumerate(pairwise(places), part):
                begin = number * self._block
                block = Block(begin, self._block, offset, end - offset, self._unpack)
                yield from self._blocks.runs(block, start, stop)

    def _table(self, count: int) -> Positions:
        """Read where the blocks begin, and where the last one ends."""
        entries = read_table(self._file, TABLE_AT, count + 1, ">u8", "cloop offset table")
        bounded = np.minimum(entries, np.uint64(1 << 62))
        offsets: Positions = bounded.astype(np.int64)
        lengths = np.diff(offsets)
        odd = np.flatnonzero((lengths <= 0) | (lengths > most_stored(self._block)))
        if len(odd):
            raise DamagedInputError(
                f"the cloop offset table has a block of an impossible size "
                f"({lengths[odd[0]]} bytes for {self._block})",
                where=f"{self._file.name} at {TABLE_AT + 8 * int(odd[0])}",
            )
        begin = TABLE_AT + 8 * (count + 1)
        if count and offsets[0] < begin:
            raise DamagedInputError(
                f"the cloop blocks begin inside their table (at {offsets[0]}, "
                f"which ends at {begin})",
                where=self._file.name,
            )
        if count:
            last = int(lengths[-1])
            check_stored(int(offsets[-1]) - last, last, self._block, self._file)
        return offsets


def _inflate(length: int, stored: bytes | memoryview) -> bytes | bytearray:
    return inflate_zlib(stored, length, most=length)


def _head(file: File) -> tuple[int, int]:
    """Return the size of the blocks and their number."""
    raw = file.pread(0, TABLE_AT)
    if not raw.startswith(SCRIPT):
        raise DamagedInputError(f"no cloop header (found {raw[:12]!r})", where=file.name)
    if not raw.startswith(SCRIPT + VERSION):
        version = raw[len(SCRIPT) :].split(b"\n", 1)[0].decode("ascii", "replace")
        raise UnsupportedInputError(
            f"the cloop image has an unknown version ({version[:20]!r})",
            where=file.name,
            hint="Unpack it where it was made: extract_compressed_fs.",
        )
    if len(raw) < TABLE_AT:
        raise DamagedInputError(
            f"the cloop header is cut short ({len(raw)} bytes, should be {TABLE_AT})",
            where=file.name,
        )
    block = int.from_bytes(raw[SCRIPT_SIZE : SCRIPT_SIZE + 4], "big")
    if not block or block % SECTOR:
        raise DamagedInputError(
            f"the cloop block size is impossible ({block} bytes)", where=file.name
        )
    check_length(block, file.name)
    return block, int.from_bytes(raw[SCRIPT_SIZE + 4 :], "big")


def open_cloop(file: File, gate: Gate) -> CloopImage:
    """Open a cloop."""
    del gate
    return CloopImage(file)
