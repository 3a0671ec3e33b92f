"""The tables of chunks of a DMG as one array, checked, in the order of the disk."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from converters.disks.image import LARGEST_DISK, SECTOR
from converters.disks.tables import check_unshared
from rehost.errors import DamagedInputError, UnsupportedInputError

Chunks = npt.NDArray[Any]

LARGEST = np.uint64(LARGEST_DISK)


class Kind(IntEnum):
    """What a chunk's sectors are made from."""

    ZEROS = 0
    PLAIN = 1
    IGNORED = 2
    ADC = 0x8000_0004
    ZLIB = 0x8000_0005
    BZIP2 = 0x8000_0006
    LZFSE = 0x8000_0007
    LZMA = 0x8000_0008


COMMENT = 0x7FFF_FFFE
LAST = 0xFFFF_FFFF
EMPTY = (Kind.ZEROS, Kind.IGNORED)
VARIANTS = {
    Kind.ADC: "UDCO",
    Kind.ZLIB: "UDZO",
    Kind.BZIP2: "UDBZ",
    Kind.LZFSE: "ULFO",
    Kind.LZMA: "ULMO",
}


class Table:
    """A table of chunks, "mish": a head, and entries for a stretch of the disk."""

    HEAD: ClassVar[struct.Struct] = struct.Struct(">4sIQQQ")
    COUNT_AT: ClassVar[int] = 200
    ENTRIES_AT: ClassVar[int] = 204
    ENTRY: ClassVar[np.dtype[Any]] = np.dtype(
        [
            ("kind", ">u4"),
            ("comment", ">u4"),
            ("start", ">u8"),
            ("length", ">u8"),
            ("offset", ">u8"),
            ("stored", ">u8"),
        ]
    )
    NATIVE: ClassVar[np.dtype[Any]] = ENTRY.newbyteorder("=")
    MAGIC: ClassVar[bytes] = b"mish"

    @classmethod
    def parse(cls, raw: bytes, data_at: int, where: str) -> Chunks:
        """Return the chunks, starts and lengths in bytes of the disk, offsets in the file."""
        if len(raw) < cls.ENTRIES_AT or not raw.startswith(cls.MAGIC):
            raise DamagedInputError(f"no table of DMG chunks (found {raw[:4]!r})", where=where)
        _, _, first, _, base = cls.HEAD.unpack_from(raw)
        (count,) = struct.unpack_from(">I", raw, cls.COUNT_AT)
        room = (len(raw) - cls.ENTRIES_AT) // cls.ENTRY.itemsize
        if count > room:
            raise DamagedInputError(
                f"a table of DMG chunks is cut short ({room} chunks, should be {count})",
                where=where,
            )
        found = np.frombuffer(raw, cls.ENTRY, count, cls.ENTRIES_AT).astype(cls.NATIVE)
        found = found[(found["kind"] != COMMENT) & (found["kind"] != LAST) & (found["length"] > 0)]
        _bounded(found, first, base, where)
        found["start"] = (found["start"] + np.uint64(first)) * np.uint64(SECTOR)
        found["length"] *= np.uint64(SECTOR)
        found["offset"] += np.uint64(base + data_at)
        found["stored"][np.isin(found["kind"], EMPTY)] = 0
        chunks: Chunks = found
        return chunks


def _bounded(found: Chunks, first: int, base: int, where: str) -> None:
    """Refuse what would overflow."""
    sectors = np.uint64(LARGEST_DISK // SECTOR)
    if (
        first > sectors
        or base > LARGEST
        or (found["start"] > sectors).any()
        or (found["length"] > sectors).any()
        or (found["offset"] > LARGEST).any()
        or (found["stored"] > LARGEST).any()
    ):
        raise DamagedInputError("a DMG chunk has an impossible place or size", where=where)


def joined(tables: Sequence[Chunks], size: int, end: int, where: str) -> Chunks:
    """Return all chunks in the disk's order: they cover it once, and their data lies apart.

    ``size`` is the disk's, ``end`` where the file's data ends at the latest.
    """
    found = np.concatenate([*tables, np.empty(0, Table.NATIVE)])
    found = found[np.argsort(found["start"], kind="stable")]
    known = np.isin(found["kind"], [int(kind) for kind in Kind])
    if not known.all():
        kind = int(found["kind"][~known][0])
        raise UnsupportedInputError(
            f"the DMG has a kind of chunk that is not read ({kind:#x})", where=where
        )
    _check_cover(found, size, where)
    _check_data(found, end, where)
    return found


def _check_cover(found: Chunks, size: int, where: str) -> None:
    starts = np.append(found["start"], np.uint64(size)).astype(np.int64)
    ends = np.concatenate(([0], (found["start"] + found["length"]).astype(np.int64)))
    wrong = np.flatnonzero(starts != ends)
    if not len(wrong):
        return
    start, before = int(starts[wrong[0]]), int(ends[wrong[0]])
    if start > before:
        problem = f"no DMG chunk says what lies on the disk from {before} to {start}"
    elif wrong[0] == len(found):
        problem = f"DMG chunks reach behind the disk's end ({before} bytes, the disk has {size})"
    else:
        problem = f"DMG chunks overlap (one ends at {before}, the next begins at {start})"
    raise DamagedInputError(problem, where=where)


def _check_data(found: Chunks, end: int, where: str) -> None:
    held = found[~np.isin(found["kind"], EMPTY)]
    behind = held["offset"] + held["stored"] > np.uint64(end)
    if behind.any():
        at, stored = (int(held[name][behind][0]) for name in ("offset", "stored"))
        raise DamagedInputError(
            f"a DMG chunk lies behind the end of the data ({stored} bytes, "
            f"the trailer begins at {end})",
            where=f"{where} at {at}",
            hint="The file is cut short; copy it again.",
        )
    short = (held["kind"] == Kind.PLAIN) & (held["stored"] < held["length"])
    if short.any():
        at, stored, length = (int(held[name][short][0]) for name in ("offset", "stored", "length"))
        raise DamagedInputError(
            f"a plain DMG chunk is too short ({stored} bytes, should be {length})",
            where=f"{where} at {at}",
        )
    check_unshared(held["offset"][held["stored"] > 0].astype(np.int64), "DMG chunk", where)
