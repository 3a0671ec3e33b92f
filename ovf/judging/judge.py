"""Judging sources: their findings, where each lies exactly, and whether it counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ovf.contents.disks import disk_documents
from ovf.foreign import ENVIRONMENT
from ovf.judging.explain import reason, requirement
from ovf.judging.pointing import Pointer
from ovf.judging.profile import Check, Target
from ovf.judging.remarks import Remark, idle, remarks
from ovf.judging.rule import Needs, Rule, all_rules
from ovf.judging.targets import NO_MACHINE, Prospect, prospect
from ovf.judging.validate import NO_OTHER_FILE, in_order, validate
from ovf.package import Package
from ovf.storage import STANDARD_INPUT
from rehost.acceptance import Baseline, Suppression
from rehost.errors import InteropError, UsageError
from rehost.judgement import Acceptance, Failure, Judged, Law, Outlook, Subject, fingerprints
from rehost.progress import SILENT, Progress
from rehost.report import Finding, Location
from rehost.selection import Selection

REMARKS = "REM-001"
"""The rule that tells of comments which accept nothing."""
MOST_ALIKE = 200
"""How many findings of one rule are listed of one source; a hostile one could break it at will."""


@dataclass(frozen=True, slots=True)
class Judge:
    """How to judge. ``remarks`` says whether a descriptor's own comments are listened to.

    ``described`` is the package that the sources, environment documents then, are of.

    ``schemas`` is a folder of the DMTF's schemas to use instead of rehost's; ``explain`` says
    whether xmlschema explains what breaks them.

    ``progress`` is told of the bytes that are read to judge ``deep``.
    """

    selection: Selection
    descriptor_only: bool = False
    deep: bool = False
    progress: Progress = SILENT
    remarks: bool = True
    suppressions: tuple[Suppression, ...] = ()
    baseline: Baseline | None = None
    targets: tuple[Target, ...] = ()
    schemas: Path | None = None
    explain: bool = False
    described: Path | None = None

    def rules(self) -> tuple[Rule, ...]:
        """Return the rules to judge by, as severe as they are to be."""
        return _chosen(self.selection)

    def laws(self) -> tuple[Law, ...]:
        """Return these rules, or the checks of the targets, as reports speak of them."""
        checks = {check.id: check for target in self.targets for check in target.profile.checks}
        minded = {NO_MACHINE}.union(*(target.profile.enforces for target in self.targets))
        return (
            *(_law(rule) for rule in self.rules() if not self.targets or rule.id in minded),
            *(_law_of(checks[name]) for name in sorted(checks) if self.selection.takes(name)),
        )

    def judge(self, source: Path) -> tuple[Subject, InteropError | None]:
        """Judge one source; where that cannot be done, return the error, too."""
        try:
            if str(source) == STANDARD_INPUT:
                return self._piped(), None
            return self.opened(source, self._opened(source)), None
        except InteropError as error:
            return failed(source, error), error

    def _piped(self) -> Subject:
        from ovf.judging.piped import piped

        package, alone = piped()
        judge = replace(self, descriptor_only=True, deep=False) if alone else self
        return judge.opened(package.path, self._described(package.path, package))

    def _opened(self, source: Path) -> Package:
        return self._described(source, Package.open(source, tolerant=True))

    def _described(self, source: Path, package: Package) -> Package:
        if self.described is not None:
            if package.written.version != ENVIRONMENT:
                raise UsageError(
                    "is no environment document",
                    where=str(source),
                    hint="--package names the package that environment documents are of.",
                )
            package.described = Package.open(self.described, tolerant=True)
        return package

    def opened(self, source: Path, package: Package) -> Subject:
        """Judge a source that is open already."""
        package.schemas, package.explains = self.schemas, self.explain
        if self.deep:
            from ovf.contents.deep import read_everything

            read_everything(package, self.progress)
        outlooks = tuple(
            prospect(package, target, descriptor_only=self.descriptor_only)
            for target in self.targets
        )
        said = tuple(remarks(package.written)) if self.remarks else ()
        found = self._findings(package, outlooks)
        found = in_order([*found, *self._idle(package, said, found)])
        judged = tuple(self._judged(package, list(_listed(found, str(source))), said))
        verdicts = tuple(Outlook(each.target.name, each.outcome) for each in outlooks)
        disks = () if self.descriptor_only else tuple(disk_documents(package))
        return Subject(str(source), judged, disks=disks, outlooks=verdicts)

    def _findings(self, package: Package, outlooks: Iterable[Prospect]) -> list[Finding]:
        if not self.targets:
            rules = (rule for rule in self.rules() if self.remarks or rule.id != REMARKS)
            return validate(package, rules, descriptor_only=self.descriptor_only)
        return [
            replace(finding, severity=self.selection.severity(finding.rule, finding.severity))
            for outlook in outlooks
            for finding in outlook.findings
            if self.selection.takes(finding.rule)
        ]

    def _idle(
        self, package: Package, said: tuple[Remark, ...], findings: list[Finding]
    ) -> Iterator[Finding]:
        """Yield for each remark that fits no finding of rules that were all asked that it does."""
        asked = {rule.id: rule for rule in self.rules() if self._asks(rule)}
        if self.targets or REMARKS not in asked:
            return
        law = asked[REMARKS]
        for remark in idle(said, findings, package.written.label):
            meant = [rule.id for rule in all_rules() if rule.id.startswith(remark.rules)]
            if meant and asked.keys() >= set(meant):
                message = f"comment ignores {remark.rules[0]}, which finds nothing there"
                yield Finding(law.id, law.severity, message, remark.at, law.fix)

    def _asks(self, rule: Rule) -> bool:
        """Say whether a rule is asked for all it can find."""
        if self.descriptor_only and rule.needs not in NO_OTHER_FILE:
            return False
        return self.deep or rule.needs is not Needs.DISKS

    def _judged(
        self, package: Package, findings: list[Finding], said: tuple[Remark, ...]
    ) -> Iterator[Judged]:
        pointer = Pointer(package)
        for finding, fingerprint in zip(findings, fingerprints(findings), strict=True):
            accepted = self._accepted(finding, fingerprint, said, package.written.label)
            yield Judged(finding, fingerprint, pointer.region(finding), accepted)

    def _accepted(
        self, finding: Finding, fingerprint: str, said: tuple[Remark, ...], descriptor: str
    ) -> Acceptance | None:
        for remark in said:
            if remark.covers(finding, descriptor):
                return remark.acceptance
        for suppression in self.suppressions:
            if suppression.covers(finding):
                return suppression.acceptance
        return self.baseline.accept(fingerprint) if self.baseline else None


def _listed(findings: Iterable[Finding], source: str) -> Iterator[Finding]:
    """Yield as many findings of each rule as anybody reads, and how many more there are."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        alike = found.setdefault((finding.rule, finding.target), [])
        alike.append(finding)
        if len(alike) <= MOST_ALIKE:
            yield finding
    for alike in found.values():
        if (more := len(alike) - MOST_ALIKE) > 0:
            message = f"is broken in {more} more places, which are not listed"
            yield replace(alike[0], message=message, location=Location(source), quote="")


@cache
def _chosen(selection: Selection) -> tuple[Rule, ...]:
    return tuple(
        replace(rule, severity=selection.severity(rule.id, rule.severity))
        for rule in all_rules()
        if selection.takes(rule.id)
    )


def _law(rule: Rule) -> Law:
    return Law(rule.id, rule.severity, requirement(rule), reason(rule), rule.fix, rule.basis.value)


def _law_of(check: Check) -> Law:
    return Law(
        check.id, check.severity, requirement(check), reason(check), check.fix, check.known_from
    )


def failed(source: Path, error: InteropError) -> Subject:
    """Return a source that could not be judged, as reports have it."""
    return Subject(str(source), (), Failure(error.where, error.what, error.hint))
