"""What is right by a package's being written anew: its archive's form, and its manifest.

Spec: DSP0243 clauses 5.1 and 5.3.
"""

from __future__ import annotations

from collections.abc import Iterator

from ovf.judging.profile import Target
from ovf.judging.rule import all_rules
from ovf.manifest import compared, readable_manifest, unequal
from ovf.package import Package
from rehost.judgement import Repair
from rehost.progress import SILENT, Progress
from rehost.report import Finding

FORM = frozenset(
    (
        *("PKG-002", "PKG-003", "PKG-004", "PKG-011", "PKG-012", "PKG-013", "PKG-014", "PKG-015"),
        *("PKG-010", "PKG-018", "PKG-020", "PKG-021"),
        *("MAN-001", "MAN-002", "MAN-004", "MAN-005", "MAN-006", "MAN-007", "MAN-008", "MAN-009"),
        *("MAN-010", "MAN-011", "MAN-012", "MAN-013"),
        *("VMW-030", "VMW-031", "VMW-032", "V2V-009", "VBX-019"),
    )
)
"""The rules and checks that no package breaks which was just written."""
DIGESTS = "MAN-004"


ARCHIVED = "OSK-003"
"""The check that no package breaks which was just written as an archive."""


def rewritten(
    package: Package,
    targets: tuple[Target, ...] = (),
    progress: Progress = SILENT,
    *,
    packed: bool = False,
) -> Iterator[Repair]:
    """Yield what writing a package anew mends, ``packed`` in one file; its files are digested."""
    manifest = package.once(readable_manifest)
    package.keep(unequal, compared(package, manifest, progress))
    form = FORM | {ARCHIVED} if packed else FORM
    for finding in _found(package, targets, form):
        what = f"written anew ({finding.message})"
        yield Repair(finding.rule, str(finding.location), what, finding.target)


def _found(
    package: Package, targets: tuple[Target, ...], form: frozenset[str]
) -> Iterator[Finding]:
    for rule in all_rules():
        if rule.id in form:
            yield from rule.findings(package)
    for target in targets:
        for check in target.profile.checks:
            if check.id in form:
                yield from check.findings(package, target)
