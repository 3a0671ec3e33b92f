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
AT_ONCE = 1 << 16
"""Entries that are cut at once: a stretch takes far more memory than an entry."""

Positions = npt.NDArray[np.int64]
Stretch = tuple[int, int, int]


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


def stretches(positions: Positions, step: int) -> Iterator[Stretch]:
    """Cut a table into stretches: yield (first index, count, the first entry's position).

    Entries belong together when each lies ``step`` bytes behind the one before, or when all are
    ABSENT or all ZEROED. A PACKED entry stands alone.
    """
    held: Stretch | None = None
    for base in range(0, len(positions), AT_ONCE):
        found = _cut(positions[base : base + AT_ONCE], base, step)
        if held is not None:
            index, count, position = held
            if _continues(position, count, found[0][2], step):
                found[0] = (index, count + found[0][1], position)
            else:
                yield held
        held = found.pop()
        yield from found
    if held is not None:
        yield held


def _cut(positions: Positions, base: int, step: int) -> list[Stretch]:
    """Return the stretches of a part of a table, whose first entry has the index ``base``."""
    before, after = positions[:-1], positions[1:]
    joined = np.where(before < 0, (after == before) & (before != PACKED), after == before + step)
    starts = np.concatenate(([0], np.flatnonzero(~joined) + 1))
    counts = np.diff(starts, append=len(positions))
    firsts = positions[starts]
    return list(zip((starts + base).tolist(), counts.tolist(), firsts.tolist(), strict=True))


def _continues(position: int, count: int, following: int, step: int) -> bool:
    if position < 0:
        return following == position != PACKED
    return following == position + count * step
