"""Judging a package: every rule, its findings in the order of their places."""

from __future__ import annotations

from collections.abc import Iterable

from ovf.judging.rule import Needs, Rule, all_rules
from ovf.package import Package
from rehost.report import Finding, Location

NO_OTHER_FILE = frozenset((Needs.DESCRIPTOR, Needs.ENVIRONMENT))


def validate(
    package: Package, rules: Iterable[Rule] | None = None, *, descriptor_only: bool = False
) -> list[Finding]:
    """Return what is wrong with a package by some rules, or by all.

    With ``descriptor_only`` no other file is opened.
    """
    findings = [
        finding
        for rule in (all_rules() if rules is None else rules)
        if not descriptor_only or rule.needs in NO_OTHER_FILE
        for finding in rule.findings(package)
    ]
    return in_order(findings)


def in_order(findings: list[Finding]) -> list[Finding]:
    """Return findings in the order of their places, each once."""
    return sorted(dict.fromkeys(findings), key=lambda finding: _place(finding.location))


def _place(location: Location) -> tuple[str, int, int]:
    return location.file, location.line or 0, location.offset or 0
