"""Mending a package: judge it, mend what needs no guess, and say what was done.

The fixes of every rule that found something are run, again and again until nothing more is mended,
for one may uncover what another mends. Whatever is about the package's form, order of members,
headers, manifest, is right by its being written anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from ovf.edit.draft import Draft
from ovf.judging.profile import Target
from ovf.judging.rule import all_rules
from ovf.judging.validate import validate
from ovf.mending.fix import all_fixes
from ovf.package import Package
from rehost.judgement import Repair

MOST_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Mended:
    """A draft of what is to be written, what was mended in it, in that order, and what to say."""

    draft: Draft
    repairs: tuple[Repair, ...]
    notes: tuple[str, ...] = ()


def mend(package: Package, targets: tuple[Target, ...] = ()) -> Mended:
    """Mend what the standard's rules find in a package, and what importers do not take."""
    draft = Draft.of(package)
    repairs: list[Repair] = []
    for _ in range(MOST_ROUNDS):
        broken = _broken(draft.result(), targets)
        done = [
            change
            for fix in all_fixes()
            for target in (targets if fix.check else (None,))
            if (fix.rule, target) in broken
            for change in fix.changes(draft, target)
        ]
        if not done:
            break
        repairs += done
    return Mended(draft, tuple(dict.fromkeys(repairs)))


def _broken(package: Package, targets: tuple[Target, ...]) -> set[tuple[str, Target | None]]:
    """Return the rules that find something and have a fix, and the checks with their targets."""
    mended = {fix.rule for fix in all_fixes()}
    rules = [rule for rule in all_rules() if rule.id in mended]
    found: set[tuple[str, Target | None]] = {(each.rule, None) for each in validate(package, rules)}
    for target in targets:
        checks = (check for check in target.profile.checks if check.id in mended)
        found |= {
            (each.rule, target) for check in checks for each in check.findings(package, target)
        }
    return found
