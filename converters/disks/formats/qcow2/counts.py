"""Reference counts of a qcow2 file that grows.

Clusters are taken in ascending order, so a block of counts is settled once the file has grown past
what it counts; it is written then, and memory holds only the few blocks that may still change.

Source: QEMU, "docs/interop/qcow2.txt", section "Host cluster management".
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

ORDER = 4
SIZE = 2

Block = npt.NDArray[np.uint16]


class Counts:
    """The counts of a file's clusters of ``unit`` bytes, in blocks of one cluster each."""

    def __init__(self, unit: int) -> None:
        self.per_block = unit // SIZE
        self._blocks: dict[int, Block] = {}

    def add(self, first: int, count: int = 1) -> None:
        """Count one more use of ``count`` clusters from ``first`` on."""
        while count:
            number, index = divmod(first, self.per_block)
            if number not in self._blocks:
                self._blocks[number] = np.zeros(self.per_block, dtype=">u2")
            part = min(count, self.per_block - index)
            self._blocks[number][index : index + part] += 1
            first, count = first + part, count - part

    def settled(self, below: int) -> Iterator[tuple[int, bytes]]:
        """Give away the blocks that count clusters before ``below`` alone: number and content."""
        for number in sorted(self._blocks):
            if (number + 1) * self.per_block > below:
                return
            yield number, self._blocks.pop(number).tobytes()
