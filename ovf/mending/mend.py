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
from ovf.versions.anew import restated_dialect
from rehost.judgement import Repair

MOST_ROUNDS = 5
DIALECT = "ENV-002"
"""The rule that finds what is no version of the standard."""


@dataclass(frozen=True, slots=True)
class Mended:
    """A draft of what is to be written, what was mended in it, in that order, and what to say."""

    draft: Draft
    repairs: tuple[Repair, ...]
    notes: tuple[str, ...] = ()


def mend(package: Package, targets: tuple[Target, ...] = ()) -> Mended:
    """Mend what the standard's rules find in a package, and what importers do not take.

    One in a dialect is written anew as OVF 1.x before that, and whatever is lost is said.
    """
    draft, repairs = _begun(package)
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


def _begun(package: Package) -> tuple[Draft, list[Repair]]:
    envelope = package.envelope
    if envelope.dialect is None:
        return Draft.of(package), []
    draft, losses = restated_dialect(package)
    at = str(envelope.at(envelope.root))
    said = [f"descriptor: {envelope.dialect} -> OVF 1.x"]
    said += [f"{loss.item} is {loss.kind.value} ({loss.why})" for loss in losses]
    return draft, [Repair(DIALECT, at, what) for what in said]


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
