"""Allocation tables as arrays: found, bounded, and cut into stretches without a loop per entry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rehost.errors import DamagedInputError
from rehost.files import File

ABSENT = -1
ZEROED = -2
PACKED = -3

LARGEST_TABLE = 32 << 20

Positions = npt.NDArray[np.int64]


def read_table(file: File, offset: int, count: int, dtype: str, what: str) -> npt.NDArray[Any]:
    """Read ``count`` entries of ``dtype`` at ``offset``, bounding them before anything is read."""
    length = count * np.dtype(dtype).itemsize
    where = f"{file.name} at {offset}"
    if length > LARGEST_TABLE:
        raise DamagedInputError(f"the {what} is absurdly large ({count} entries)", where=where)
    if offset + length > file.size:
        raise DamagedInputError(
            f"the {what} lies behind the end of the file ({length} bytes are needed, "
            f"the file ends at {file.size})",
            where=where,
            hint="The file is cut short; copy it again.",
        )
    return np.frombuffer(file.pread(offset, length), dtype=dtype)


def check_unshared(positions: Positions, what: str, where: str) -> None:
    """Refuse a table that names one ``what`` twice: a small file would be an endless disk."""
    named = np.sort(positions[positions > 0])
    twice = np.flatnonzero(named[1:] == named[:-1])
    if len(twice):
        raise DamagedInputError(f"a {what} is used twice (at {named[twice[0]]})", where=where)


def stretches(positions: Positions, step: int) -> Iterator[tuple[int, int, int]]:
    """Cut a table into stretches: yield (first index, count, the first entry's position).

    Entries belong together when each lies ``step`` bytes behind the one before, or when all are
    ABSENT or all ZEROED. A PACKED entry stands alone.
    """
    if not len(positions):
        return
    before, after = positions[:-1], positions[1:]
    joined = np.where(before < 0, (after == before) & (before != PACKED), after == before + step)
    starts = np.concatenate(([0], np.flatnonzero(~joined) + 1))
    counts = np.diff(starts, append=len(positions))
    yield from zip(starts.tolist(), counts.tolist(), positions[starts].tolist(), strict=True)
