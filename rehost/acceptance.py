"""What settings and baselines accept: findings that are shown, and do not count.

Settings name rules, by ids or what those begin with, a reason, and perhaps the files it holds for::

    [[validate.suppress]]
    rules = ["DSK-004"]
    path = "appliances/*.ova"
    reason = "every importer we support reads this unit"

A baseline is a JSON file of the fingerprints of what was found when it was written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rehost.console.output import json_text, printable
from rehost.errors import UsageError
from rehost.files import LocalFile, read_all
from rehost.judgement import Acceptance, Judged, Kind, parted, relative, shortened
from rehost.report import Finding

SETTING = "[[validate.suppress]]"
FIELDS = {"rules", "path", "reason"}
LARGEST_BASELINE = 64 << 20


@dataclass(frozen=True, slots=True)
class Suppression:
    """A part of the settings that accepts findings of some rules, in files of some names."""

    rules: tuple[str, ...]
    path: str
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Say whether it is about a finding; its path may fit the archive or the member in it."""
        if not finding.rule.startswith(self.rules):
            return False
        file = finding.location.file
        names = relative(parted(file)[0]), shortened(file)
        return any(fnmatchcase(name, self.path) for name in names)

    @property
    def acceptance(self) -> Acceptance:
        """The acceptance of a finding it is about."""
        return Acceptance(Kind.SETTINGS, "settings", self.reason)


def suppressions(settings: object) -> tuple[Suppression, ...]:
    """Read the suppressions in a command's settings, refusing what is not understood."""
    if not isinstance(settings, list):
        raise UsageError("is no list of tables", where=SETTING)
    return tuple(_suppression(table) for table in settings)


def _suppression(table: object) -> Suppression:
    if not isinstance(table, dict):
        raise UsageError(f"is no table ({table!r})", where=SETTING)
    if unknown := sorted(set(table) - FIELDS):
        raise UsageError(f"has a key that is not known ({unknown[0]!r})", where=SETTING)
    rules, path, reason = table.get("rules"), table.get("path", "*"), table.get("reason")
    if not (isinstance(rules, list) and rules and all(isinstance(name, str) for name in rules)):
        raise UsageError(f"rules is no list of ids ({rules!r})", where=SETTING)
    if not (isinstance(reason, str) and reason.strip()):
        raise UsageError(f"has no reason ({', '.join(rules)})", where=SETTING)
    if not isinstance(path, str):
        raise UsageError(f"path is no text ({path!r})", where=SETTING)
    return Suppression(tuple(name.upper() for name in rules), path, reason.strip())


@dataclass(frozen=True, slots=True)
class Baseline:
    """The fingerprints of findings that were accepted by writing them down."""

    path: Path
    fingerprints: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> Baseline:
        """Read a baseline that ``baseline_text`` wrote."""
        content = read_all(LocalFile(path), LARGEST_BASELINE)
        try:
            document: Any = json.loads(content)
            found = frozenset(entry["fingerprint"] for entry in document["findings"])
            sound = all(isinstance(fingerprint, str) for fingerprint in found)
        except (ValueError, RecursionError, TypeError, KeyError):
            sound = False
        if not sound:
            raise UsageError(
                "is no baseline", where=str(path), hint="Write one with --write-baseline."
            )
        return cls(path, found)

    def idle(self, found: Iterable[str]) -> int:
        """Count its entries that fit none of the fingerprints that were found."""
        return len(self.fingerprints.difference(found))

    def accept(self, fingerprint: str) -> Acceptance | None:
        """Return the acceptance of a finding, if it is in the baseline."""
        if fingerprint not in self.fingerprints:
            return None
        return Acceptance(Kind.BASELINE, str(self.path), "found before")


def baseline_text(findings: Iterable[Judged]) -> str:
    """Return a baseline of findings; only the fingerprints count, the rest is for its readers."""
    entries = [
        {
            "fingerprint": judged.fingerprint,
            "rule": judged.finding.rule,
            "file": printable(shortened(judged.finding.location.file)),
            "message": printable(judged.finding.message),
        }
        for judged in findings
    ]
    return json_text({"findings": entries})
