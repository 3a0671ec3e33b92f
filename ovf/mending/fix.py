"""What a fix is: the mending of what a rule found, where that needs no guess.

A module of ``ovf.fixes`` holds nothing but fixes, and none of them imports another. A fix is a
generator: it changes a draft and yields where and how, in words. It changes nothing that its rules
do not find, so that a second time it has nothing to do.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from lxml import etree

from ovf.edit.draft import Draft
from ovf.judging.profile import Target
from rehost.discovery import instances
from rehost.judgement import Repair
from rehost.report import Location

FIXES = "ovf.fixes"

COVERED = {
    "VBX-010": "ITM-001",
    "VMW-022": "CNT-003",
    "VMW-035": "REF-006",
    "VMW-040": "DSK-009",
    "V2V-007": "REF-008",
}
"""Checks of importers that find what a rule of the standard finds, too, whose fix is theirs."""

Done = Iterator[tuple[etree._Element, str]]
"""Where something was changed, and how; the element is one of the draft before its changes."""


Places = frozenset[Location]
"""Where an importer's check found something, in the draft as it is."""


@dataclass(frozen=True, slots=True)
class Fix:
    """How what one rule of the standard, or one check of an importer, finds is mended.

    ``check`` says that it is an importer's: then it is told the release that is meant, and where
    that finds something.
    """

    rule: str
    mend: Callable[[Draft, Target | None], Done]
    explanation: str
    check: bool = False

    def changes(self, draft: Draft, target: Target | None) -> Iterator[Repair]:
        """Mend all there is, and yield what was done; places are those before it."""
        done = [
            Repair(self.rule, draft.where(element), what, "" if target is None else target.name)
            for element, what in self.mend(draft, target)
        ]
        draft.settle()
        yield from done


def fix(rule: str) -> Callable[[Callable[[Draft], Done]], Fix]:
    """Make a fix of what mends a rule's findings, whoever is to import the package."""

    def declare(mend: Callable[[Draft], Done]) -> Fix:
        return Fix(rule, lambda draft, _: mend(draft), inspect.getdoc(mend) or "")

    return declare


def fix_for(check: str) -> Callable[[Callable[[Draft, Target, Places], Done]], Fix]:
    """Make a fix of what mends an importer's findings; it is told the release, and where."""

    def declare(mend: Callable[[Draft, Target, Places], Done]) -> Fix:
        def mend_for(draft: Draft, target: Target | None) -> Done:
            return iter(()) if target is None else mend(draft, target, _hit(check, draft, target))

        return Fix(check, mend_for, inspect.getdoc(mend) or "", check=True)

    return declare


def _hit(identifier: str, draft: Draft, target: Target) -> Places:
    checks = (check for check in target.profile.checks if check.id == identifier)
    return frozenset(
        finding.location for check in checks for finding in check.findings(draft.result(), target)
    )


def mended_by(identifier: str) -> tuple[Fix, ...]:
    """Return the fixes of what a rule or a check finds; none where that needs a decision."""
    name = COVERED.get(identifier, identifier)
    return tuple(fix for fix in all_fixes() if fix.rule == name)


@cache
def all_fixes() -> tuple[Fix, ...]:
    """Return the fixes of every module in ``ovf.fixes``, in the order they are declared in."""
    return instances(FIXES, Fix)
