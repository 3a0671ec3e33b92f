"""Reference counts of a qcow2 file that grows.

Clusters are taken in ascending order, so a block of counts is settled once the file has grown past
what it counts; it is written then, and memory holds only the few blocks that may still change.

Source: QEMU, "docs/interop/qcow2.txt", section "Host cluster management".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

BYTE = 8


class Counts:
    """The counts of a file's clusters of ``unit`` bytes, in blocks of one cluster each."""

    def __init__(self, unit: int, bits: int = 16) -> None:
        self.per_block = unit * BYTE // bits
        self.most = (1 << bits) - 1
        self._bits = bits
        self._type = np.dtype(f">u{max(bits, BYTE) // BYTE}")
        self._blocks: dict[int, npt.NDArray[Any]] = {}

    def add(self, first: int, count: int = 1) -> None:
        """Count one more use of ``count`` clusters from ``first`` on."""
        while count:
            number, index = divmod(first, self.per_block)
            if number not in self._blocks:
                self._blocks[number] = np.zeros(self.per_block, dtype=self._type)
            part = min(count, self.per_block - index)
            self._blocks[number][index : index + part] += 1
            first, count = first + part, count - part

    def full(self, cluster: int) -> bool:
        """Say whether a cluster's count cannot grow any more."""
        number, index = divmod(cluster, self.per_block)
        return number in self._blocks and int(self._blocks[number][index]) >= self.most

    def settled(self, below: int) -> Iterator[tuple[int, bytes]]:
        """Give away the blocks that count clusters before ``below`` alone: number and content."""
        for number in sorted(self._blocks):
            if (number + 1) * self.per_block > below:
                return
            yield number, self._packed(self._blocks.pop(number))

    def _packed(self, block: npt.NDArray[Any]) -> bytes:
        """Put counts of less than a byte together, the first in the lowest bits."""
        if self._bits >= BYTE:
            return block.tobytes()
        together = BYTE // self._bits
        found = block[::together].copy()
        for number in range(1, together):
            found |= block[number::together] << (number * self._bits)
        return found.tobytes()
