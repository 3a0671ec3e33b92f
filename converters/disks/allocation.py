"""Checking a table of blocks, whichever format it is from: each lies somewhere, or nowhere.

The table is taken in parts, as large ones do not fit into memory; a second pass finds the blocks
that lie where something else does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from converters.disks.checking import BEHIND, TWICE, Findings, Ground, Kind
from converters.disks.image import SECTOR
from converters.disks.tables import Positions
from rehost.files import File
from rehost.report import Severity

Mask = npt.NDArray[np.bool_]


class Part(NamedTuple):
    """The blocks of the disk from ``first`` on: each one's place in the file, negative if none.

    ``sizes`` says how much each takes there where that differs, as of compressed ones.
    """

    first: int
    places: Positions
    sizes: Positions | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What the blocks of a table have in common.

    A block of the disk has ``block`` bytes. In the file it takes ``step``, from its place on, of
    which the first ``ahead`` are not the disk's. Block 17's entry is ``entry_at(17)``, and reads
    ``empty`` if the block is nowhere.
    """

    file: File
    size: int
    block: int
    step: int
    ahead: int
    what: str
    entry_at: Callable[[int], int]
    empty: bytes


class BlockCheck:
    """Checks the blocks of one table; ``ground`` knows what else lies in the file."""

    def __init__(self, layout: Layout, ground: Ground, findings: Findings) -> None:
        self._layout = layout
        self._ground = ground
        self._findings = findings
        self._before = -1
        usage = findings.usage
        usage.unit, usage.total = layout.block, -(-layout.size // layout.block)
        usage.allocated = usage.fragmented = 0

    def run(self, parts: Callable[[], Iterable[Part]]) -> None:
        """Check all parts: that blocks lie inside the file, and not upon anything."""
        for part in parts():
            self._take(part)
        overlaps = self._ground.overlaps
        for start, stop in overlaps:
            said = f"{stop - start} bytes are used twice"
            self._findings.add(Kind.OVERLAP, said, start)
        if overlaps:
            starts, stops = np.array(overlaps, dtype=np.int64).T
            for part in parts():
                self._lose_shared(part, starts, stops)

    def unreachable(self, stop: int, least: int) -> None:
        """Tell of the stretches before ``stop``, of ``least`` bytes or more, that nothing uses."""
        begins, ends = self._ground.gaps(stop, least)
        self._findings.usage.leaked_bytes += int((ends - begins).sum())
        self._findings.usage.end = self._ground.end
        self._findings.add_all(
            Kind.UNREACHABLE,
            begins,
            lambda index: f"{ends[index] - begins[index]} bytes are used by nothing",
            severity=Severity.WARNING,
        )

    def lose(self, first: int, marked: Mask, why: str) -> None:
        """Say that some blocks from ``first`` on are lost, and leave them out of the table."""
        numbers = first + np.flatnonzero(marked)
        layout, size = self._layout, self._layout.size
        for group in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
            for number in group.tolist():
                self._findings.mend(layout.entry_at(number), layout.empty)
            if len(group):
                start = int(group[0]) * layout.block
                self._findings.lose(start, min(len(group) * layout.block, size - start), why)

    def _take(self, part: Part) -> None:
        layout, usage = self._layout, self._findings.usage
        numbers = np.flatnonzero(part.places >= 0)
        places = part.places[numbers]
        needed = np.minimum(layout.block, layout.size - (part.first + numbers) * layout.block)
        steps = np.full(len(numbers), layout.step, dtype=np.int64)
        if part.sizes is not None:
            needed = steps = part.sizes[numbers]
        behind = (places + layout.ahead + needed > layout.file.size) | (places > 1 << 60)
        if behind.any():
            lost = numbers[behind] + part.first
            self._findings.add_all(
                Kind.DAMAGE,
                places[behind],
                lambda index: (
                    f"a {layout.what} lies behind the end of the file (block {lost[index]})"
                ),
            )
            marked = np.zeros(len(part.places), dtype=np.bool_)
            marked[numbers[behind]] = True
            self.lose(part.first, marked, BEHIND)
        if not len(places):
            return
        before = np.concatenate(([self._before], places[:-1]))
        usage.allocated = (usage.allocated or 0) + len(places)
        after = before + np.concatenate(([layout.step], steps[:-1]))
        if part.sizes is not None:
            after = -(-after // SECTOR) * SECTOR
        scattered = (before >= 0) & (places != after)
        usage.fragmented = (usage.fragmented or 0) + int(scattered.sum())
        self._before = int(places[-1])
        inside = places[~behind]
        self._ground.take(inside, inside + steps[~behind])

    def _lose_shared(self, part: Part, starts: Positions, stops: Positions) -> None:
        stored = (part.places >= 0) & (part.places < self._layout.file.size)
        after = np.searchsorted(stops, part.places, side="right")
        following = np.append(starts, np.iinfo(np.int64).max)[after]
        steps = self._layout.step if part.sizes is None else part.sizes
        self.lose(part.first, stored & (following < part.places + steps), TWICE)
