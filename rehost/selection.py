"""Which rules a run judges by, and how much each of them matters to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rehost.errors import UsageError
from rehost.report import Severity

LEVELS = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.INFO}


@dataclass(frozen=True, slots=True)
class Selection:
    """Rules by their ids or what those begin with; the longest that fits a rule decides.

    Without ``select`` all rules are taken. What is both selected and ignored at the same length is
    ignored.
    """

    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
    severities: tuple[tuple[str, Severity], ...] = ()

    def takes(self, rule: str) -> bool:
        """Say whether a rule is one to judge by."""
        selected = _longest(rule, self.select) if self.select else 0
        return selected > _longest(rule, self.ignore)

    def severity(self, rule: str, own: Severity) -> Severity:
        """Return how much a rule's findings matter."""
        fitting = [(len(name), level) for name, level in self.severities if rule.startswith(name)]
        return max(fitting, key=lambda each: each[0])[1] if fitting else own


def _longest(rule: str, names: Iterable[str]) -> int:
    """Return the length of the longest name a rule's id begins with, or -1."""
    return max((len(name) for name in names if rule.startswith(name)), default=-1)


def selection(
    select: Iterable[str],
    ignore: Iterable[str],
    severities: Iterable[tuple[str, str]],
    known: Iterable[str],
    others: Iterable[str] = (),
) -> Selection:
    """Return a selection from lists of names with commas, refusing names no rule fits.

    ``known`` are the rules of this run. Rules of ``others`` may be ignored and called more or less
    severe all the same, for settings hold for every run.
    """
    known = tuple(known)
    every = (*known, *others)
    levels = []
    for names, word in severities:
        if word not in LEVELS:
            raise UsageError(
                f"is no severity ({word!r})",
                where=names,
                hint=f"There are {', '.join(LEVELS)}.",
            )
        levels += [(name, LEVELS[word]) for name in _names([names], every)]
    return Selection(
        frozenset(_names(select, known)), frozenset(_names(ignore, every)), tuple(levels)
    )


def _names(lists: Iterable[str], known: tuple[str, ...]) -> list[str]:
    found = [name.upper() for names in lists for name in re.split(r"[,\s]+", names) if name]
    for name in found:
        refuse_unknown_rule(name, known)
    return found


def refuse_unknown_rule(name: str, known: Iterable[str], where: str = "") -> None:
    """Refuse an id, or what ids begin with, that fits no rule."""
    if not any(rule.startswith(name) for rule in known):
        raise UsageError(
            f"no rule has an id that is or begins with {name!r}",
            where=where,
            hint="`rehost ovf explain` lists all.",
        )
