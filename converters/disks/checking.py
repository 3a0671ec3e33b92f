"""What is found wrong with an image, counted without end and told up to a bound.

A format's checker goes through the whole of a file's structures and collects in ``Findings``: what
is wrong, which stretches of the guest's disk cannot be known because of it, and which bytes of the
tables would have to read otherwise for the rest to be readable (``mend``). ``done`` makes that a
``Checked``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from converters.disks.tables import Positions
from converters.disks.writer import Level
from rehost.errors import DamagedInputError, InteropError, UnsupportedInputError
from rehost.report import Severity

MOST_TOLD = 1000
MOST_LOST = 100_000
MOST_PLACES = 2 << 20
BEHIND = "it lies behind the end of the file"
TWICE = "something else is stored in the same place"


class Kind(StrEnum):
    """What sort of thing is wrong."""

    LEAK = "leak"
    OVERLAP = "overlap"
    REFCOUNT = "refcount"
    FLAG = "flag"
    CHECKSUM = "checksum"
    COPY = "copy"
    UNREACHABLE = "unreachable"
    DAMAGE = "damage"
    UNCLOSED = "unclosed"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; ``count`` is how often it counts, ``offset`` where it lies."""

    kind: Kind
    severity: Severity
    message: str
    file: str
    offset: int | None = None
    count: int = 1

    def __str__(self) -> str:
        place = self.file if self.offset is None else f"{self.file} at {self.offset}"
        return f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Lost:
    """A stretch of the guest's disk whose content cannot be known, and why."""

    start: int
    length: int
    why: str


@dataclass(slots=True)
class Usage:
    """How an image uses its file, counted in ``unit`` bytes: clusters, grains or blocks.

    ``fragmented`` counts allocated units that do not follow the one before them. ``end`` is where
    the last byte in use ends. ``None`` is what nobody counted.
    """

    unit: int | None = None
    total: int | None = None
    allocated: int | None = None
    fragmented: int | None = None
    compressed: int | None = None
    leaked_bytes: int = 0
    metadata_bytes: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes that a file would have to hold for the rest of it to be readable."""

    file: str
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """All that was found. ``problems`` are the first of them, ``found`` counts all by kind.

    ``options`` and ``level`` are how the image would be made again, ``forgone`` is what would then
    be left out.
    """

    problems: tuple[Problem, ...]
    found: dict[str, int]
    errors: int
    warnings: int
    usage: Usage
    lost: tuple[Lost, ...] = ()
    patches: tuple[Patch, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    level: Level | None = None
    forgone: tuple[str, ...] = ()


class Findings:
    """Collects what is wrong with one image; ``name`` is the file that is meant by default."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.usage = Usage()
        self.options: dict[str, str] = {}
        self.level: Level | None = None
        self._problems: list[Problem] = []
        self._found: Counter[str] = Counter()
        self._by_severity: Counter[Severity] = Counter()
        self._lost: list[Lost] = []
        self._patches: list[Patch] = []
        self._forgone: list[str] = []
        self._start = 0

    def part(self, name: str, start: int) -> Findings:
        """Return what collects into this one for the part of the disk from ``start`` on.

        The file ``name`` is meant by default, and stretches of the disk count from ``start``.
        """
        part = copy(self)
        part.name, part._start = name, self._start + start
        return part

    def add(
        self,
        kind: Kind,
        message: str,
        at: int | None = None,
        *,
        severity: Severity = Severity.ERROR,
        file: str | None = None,
        count: int = 1,
    ) -> None:
        """Add one problem, which counts ``count`` times."""
        if len(self._problems) < MOST_TOLD:
            where = self.name if file is None else file
            self._problems.append(Problem(kind, severity, message, where, at, count))
        self._count(kind, severity, count)

    def add_all(
        self,
        kind: Kind,
        places: npt.NDArray[np.integer],
        told: Callable[[int], str],
        *,
        severity: Severity = Severity.ERROR,
        file: str | None = None,
        times: int = 1,
    ) -> None:
        """Add a problem for each place; ``told`` says what is wrong there, by its index."""
        room = max(0, MOST_TOLD - len(self._problems))
        for index, at in enumerate(places[:room].tolist()):
            self.add(kind, told(index), at, severity=severity, file=file, count=times)
        self._count(kind, severity, times * max(0, len(places) - room))

    def take(self, error: InteropError) -> None:
        """Add what a reader refused as damage."""
        self.add(Kind.DAMAGE, error.what, file=error.where or None)

    def lose(self, start: int, length: int, why: str) -> None:
        """Say that a stretch of the guest's disk cannot be known; stretches that touch are one."""
        start += self._start
        last = self._lost[-1] if self._lost else None
        if last is not None and last.why == why and last.start + last.length == start:
            self._lost[-1] = Lost(last.start, last.length + length, why)
            return
        if len(self._lost) >= MOST_LOST:
            raise DamagedInputError(
                f"too many stretches of the disk are lost (more than {MOST_LOST})", where=self.name
            )
        self._lost.append(Lost(start, length, why))

    def mend(self, offset: int, content: bytes, *, file: str | None = None) -> None:
        """Say what would have to lie at a place of the file."""
        self._patches.append(Patch(self.name if file is None else file, offset, content))

    def forgo(self, what: str) -> None:
        """Say what an image has besides the disk, and a copy of it would not."""
        self._forgone.append(what)

    def count(self, *kinds: Kind) -> int:
        """Return how many problems of these kinds were found."""
        return sum(self._found[kind] for kind in kinds)

    def done(self) -> Checked:
        """Return all that was found, the stretches that are lost in order."""
        return Checked(
            problems=tuple(self._problems),
            found={kind.value: self._found[kind] for kind in Kind if self._found[kind]},
            errors=self._by_severity[Severity.ERROR],
            warnings=self._by_severity[Severity.WARNING],
            usage=self.usage,
            lost=tuple(sorted(self._lost, key=lambda each: (each.start, each.length))),
            patches=tuple(self._patches),
            options=self.options,
            level=self.level,
            forgone=tuple(self._forgone),
        )

    def _count(self, kind: Kind, severity: Severity, count: int) -> None:
        self._found[kind] += count
        self._by_severity[severity] += count


class Ground:
    """The parts of a file that are in use, to find two upon each other; all in sorted arrays."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._starts: Positions = np.zeros(0, dtype=np.int64)
        self._stops: Positions = np.zeros(0, dtype=np.int64)
        self._waiting: list[tuple[int, int]] = []
        self._overlaps: list[tuple[int, int]] = []

    def note(self, start: int, stop: int) -> None:
        """Take one stretch."""
        self._waiting.append((start, stop))
        if len(self._waiting) >= MOST_PLACES // 8:
            self._settle()

    def take(self, starts: Positions, stops: Positions) -> None:
        """Take stretches in any order, none of them empty."""
        self._merge(starts, stops)

    @property
    def overlaps(self) -> list[tuple[int, int]]:
        """The stretches that were taken more than once, in order, joined where they touch."""
        self._settle()
        joined: list[tuple[int, int]] = []
        for start, stop in sorted(self._overlaps):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
            else:
                joined.append((start, stop))
        return joined

    def gaps(self, stop: int, least: int = 1) -> tuple[Positions, Positions]:
        """Return the stretches before ``stop``, of ``least`` bytes or more, that nothing uses."""
        self._settle()
        begins = np.concatenate(([0], self._stops))
        ends = np.minimum(np.concatenate((self._starts, [stop])), stop)
        free = ends - begins >= least
        return begins[free], ends[free]

    @property
    def end(self) -> int:
        """The offset of the first byte behind everything in use."""
        self._settle()
        return int(self._stops[-1]) if len(self._stops) else 0

    def _settle(self) -> None:
        if self._waiting:
            more = np.array(self._waiting, dtype=np.int64)
            self._waiting = []
            self._merge(more[:, 0], more[:, 1])

    def _merge(self, starts: Positions, stops: Positions) -> None:
        """Sort stretches into the arrays, join what touches and note what overlaps."""
        starts = np.concatenate((self._starts, starts))
        stops = np.concatenate((self._stops, stops))
        if not len(starts):
            return
        order = np.argsort(starts, kind="stable")
        starts, stops = starts[order], stops[order]
        reached = np.maximum.accumulate(stops)
        before = np.concatenate(([np.int64(-1)], reached[:-1]))
        over = np.flatnonzero(starts < before)
        if len(self._overlaps) + len(over) > MOST_LOST:
            raise DamagedInputError(
                f"too many parts of it are used twice (more than {MOST_LOST})", where=self._name
            )
        ends = np.minimum(stops[over], before[over])
        self._overlaps += zip(starts[over].tolist(), ends.tolist(), strict=True)
        heads = np.flatnonzero(starts > before)
        self._starts = starts[heads]
        self._stops = reached[np.concatenate((heads[1:] - 1, [len(starts) - 1]))]
        if len(self._starts) > MOST_PLACES:
            raise UnsupportedInputError(
                f"is too scattered to be checked (more than {MOST_PLACES} pieces)",
                where=self._name,
            )
