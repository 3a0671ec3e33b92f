"""Dirty bitmaps: which parts of a disk were written since some moment, as backup tools ask for it.

They belong to a disk, not to its content, and of all formats only qcow2 keeps them. They are held
as runs of set bits, for a terabyte may have one bit set or all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rehost.errors import UnsupportedInputError

MOST_EDGES = 4 << 20

Edges = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Bitmap:
    """A bit for each ``granularity`` bytes of a disk.

    ``edges`` holds, ascending, the bits at which runs of set bits begin and the bits behind them.
    An ``enabled`` bitmap is to follow what is written from now on.
    """

    name: str
    granularity: int
    enabled: bool
    edges: Edges

    def runs(self) -> Iterator[tuple[int, int]]:
        """Yield the stretches of the disk that are marked: start and length in bytes."""
        for first, stop in self.edges.reshape(-1, 2).tolist():
            yield first * self.granularity, (stop - first) * self.granularity

    def marked(self, size: int) -> int:
        """Return how many of a disk's ``size`` bytes are marked."""
        ends = np.minimum(self.edges.astype(object) * self.granularity, size).reshape(-1, 2)
        return int((ends[:, 1] - ends[:, 0]).sum())

    def bits(self, size: int) -> int:
        """Return how many bits a disk of ``size`` bytes has."""
        return -(-size // self.granularity)

    def clipped(self, size: int) -> Edges:
        """Return the edges of what is set within the first ``size`` bytes."""
        bits = self.bits(size)
        pairs = np.minimum(self.edges, bits).reshape(-1, 2)
        found: Edges = pairs[pairs[:, 0] < pairs[:, 1]].reshape(-1)
        return found


@runtime_checkable
class HasBitmaps(Protocol):
    """An image that has bitmaps and can tell which of them can be relied on."""

    def bitmaps(self) -> tuple[Bitmap, ...]:
        """Return those that can be kept."""

    def bitmap_names(self) -> tuple[str, ...]:
        """Return the names of all, those that nobody can rely on any more included."""


def bitmaps_of(image: object) -> tuple[Bitmap, ...]:
    """Return the bitmaps of an image that can be kept: none in most formats."""
    return image.bitmaps() if isinstance(image, HasBitmaps) else ()


def dropped(image: object, kept: Sequence[Bitmap]) -> list[str]:
    """Return the names of the bitmaps that are lost where only those of ``kept`` are written."""
    if not isinstance(image, HasBitmaps):
        return []
    names = {each.name for each in kept}
    return [name for name in image.bitmap_names() if name not in names]


def edges_of(
    pieces: Iterable[tuple[int, npt.NDArray[np.uint8] | bool]], bits: int, where: str
) -> Edges:
    """Find the edges in pieces of a bitmap: where each begins, and its bits or their one value.

    The pieces ascend and touch; the last of them may reach beyond the last of ``bits``.
    """
    found: list[Edges] = []
    total, before = 0, 0
    for first, piece in pieces:
        if isinstance(piece, bool):
            edges = np.array([first] if piece != before else [], dtype=np.int64)
            before = int(piece)
        else:
            shifted = np.concatenate(([before], piece[:-1]))
            edges = np.flatnonzero(piece != shifted) + first
            before = int(piece[-1])
        total += len(edges)
        if total > MOST_EDGES:
            raise UnsupportedInputError(
                f"a bitmap is too fragmented (more than {MOST_EDGES // 2} runs)", where=where
            )
        found.append(edges)
    joined = np.concatenate([*found, np.zeros(0, dtype=np.int64)])
    joined = joined[joined < bits]
    return joined if len(joined) % 2 == 0 else np.append(joined, bits)
