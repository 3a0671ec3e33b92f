"""Judging a package for an importer: will it import, and as what.

An importer's verdict rests on its own checks and on those rules of the standard it enforces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from functools import cache

from ovf.judging.profile import Sure, Target, profiles
from ovf.judging.rule import Needs, all_rules
from ovf.judging.validate import in_order
from ovf.package import Package
from rehost.errors import UsageError
from rehost.report import Finding, Severity

ALIKE = 0.65
NO_MACHINE = "ENV-006"
"""The rule that tells of a package without a machine, of which no importer makes one."""


class Outcome(StrEnum):
    """What an importer does with a package, as far as it is known."""

    IMPORTS = "will import"
    CHANGES = "will import with changes"
    REFUSES = "will not import"


@dataclass(frozen=True, slots=True)
class Prospect:
    """What one target makes of a package, and why."""

    target: Target
    findings: tuple[Finding, ...]

    @property
    def outcome(self) -> Outcome:
        """The importer's verdict."""
        worst = max((finding.severity for finding in self.findings), default=Severity.INFO)
        if worst is Severity.ERROR:
            return Outcome.REFUSES
        return Outcome.CHANGES if worst is Severity.WARNING else Outcome.IMPORTS


@cache
def all_targets() -> dict[str, Target]:
    """Return every target by its name, general names among them."""
    return {target.name: target for profile in profiles() for target in profile.targets()}


def target_named(name: str) -> Target:
    """Return a target by its name.

    A release may be given without its last ".0", or more closely: "virtualbox-7.1" is 7.
    """
    known = all_targets()
    coarse = re.sub(r"(?<=[0-9])\.[0-9]+$", "", name.lower())
    for spelled in (name.lower(), f"{name.lower()}.0", coarse):
        found = next((known[each] for each in known if each.lower() == spelled), None)
        if found is not None:
            return found
    near = get_close_matches(name.lower(), known, n=3, cutoff=ALIKE)
    meant = f"Did you mean {', '.join(near)}? " if near else ""
    raise UsageError(
        f"no target has the name {name!r}", hint=f"{meant}`rehost ovf targets` lists them."
    )


def prospect(package: Package, target: Target, *, descriptor_only: bool = False) -> Prospect:
    """Return what a target makes of a package; see ``validate`` for ``descriptor_only``."""
    found = [*_own(package, target, descriptor_only), *_enforced(package, target, descriptor_only)]
    return Prospect(target, tuple(in_order(found)))


def _own(package: Package, target: Target, descriptor_only: bool) -> Iterator[Finding]:
    for check in target.profile.checks:
        if check.needs is Needs.DESCRIPTOR or not descriptor_only:
            yield from check.findings(package, target)


def _enforced(package: Package, target: Target, descriptor_only: bool) -> Iterator[Finding]:
    profile = target.profile
    for rule in all_rules():
        severity = profile.enforces.get(rule.id)
        if rule.id == NO_MACHINE and not package.envelope.systems:
            severity = Severity.ERROR
        if severity is None or (descriptor_only and rule.needs is not Needs.DESCRIPTOR):
            continue
        source = profile.sources.get(rule.id, profile.source)
        if rule.id not in profile.enforces:
            source = f"{Sure.UNCONFIRMED.value}: there is nothing to import"
        for finding in rule.findings(package):
            yield replace(finding, severity=severity, target=target.name, source=source)
