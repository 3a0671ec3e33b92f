"""What is said of the work: findings (what is wrong with the input) and losses (what changed)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Self

LONGEST_LINE_NUMBER = 9
LONGEST_OFFSET = 19


class Severity(IntEnum):
    """How much a finding matters; ordered, so that a threshold is a comparison."""

    INFO = 1
    WARNING = 2
    ERROR = 3


def _is_number(text: str, longest: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= longest


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file: a line counted from 1, or a byte offset counted from 0."""

    file: str
    line: int | None = None
    offset: int | None = None

    @classmethod
    def named(cls, where: str) -> Self:
        """Return the place that an error calls ``file``, ``file:line`` or ``file at offset``."""
        file, _, line = where.rpartition(":")
        if file and _is_number(line, LONGEST_LINE_NUMBER):
            return cls(file, int(line))
        file, _, offset = where.rpartition(" at ")
        if file and _is_number(offset, LONGEST_OFFSET):
            return cls(file, offset=int(offset))
        return cls(where)

    def __str__(self) -> str:
        if self.line is not None:
            return f"{self.file}:{self.line}"
        return self.file if self.offset is None else f"{self.file} at {self.offset}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with an input, in the words of the rule that found it.

    Where it is wrong for one importer only, ``target`` names that, ``quote`` is what it says itself
    and ``source`` is where that is known from.
    """

    rule: str
    severity: Severity
    message: str
    location: Location
    hint: str = ""
    target: str = ""
    quote: str = ""
    source: str = ""


class LossKind(StrEnum):
    """What happened to a property of the source that did not simply arrive."""

    DROPPED = "dropped"
    CHANGED = "changed"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Loss:
    """A property that did not arrive as the source said it.

    ``item`` names the property in the neutral model's words ("nics[0].model") or, when the model
    has no word for it, in the source's own ("web.ovf:84 vmw:ExtraConfig svga.autodetect").
    """

    kind: LossKind
    item: str
    source: str | None
    target: str | None
    why: str


def dropped(item: str, source: str | None, why: str) -> Loss:
    """Return the loss of a property that the target does not get."""
    return Loss(LossKind.DROPPED, item, source, None, why)


def changed(item: str, source: str | None, target: str, why: str) -> Loss:
    """Return the loss of a property that arrives as something else."""
    return Loss(LossKind.CHANGED, item, source, target, why)


def assumed(item: str, target: str, why: str) -> Loss:
    """Return the loss of certainty: the source is silent and the target must say something."""
    return Loss(LossKind.ASSUMED, item, None, target, why)
