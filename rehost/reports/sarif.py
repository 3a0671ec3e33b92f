"""SARIF, which code scanning and editors read.

Spec: "Static Analysis Results Interchange Format (SARIF) Version 2.1.0 Plus Errata 01", OASIS,
August 2023. Code scanning of GitHub asks for a file of the repository and a line in it. So what
lies in an archive is placed at the archive's first line, where its alert can be shown; a related
location names the member as a nested artifact (clause 3.24.2), with its own lines and bytes. Its
path begins with no slash, which is asked for only where a byte offset could not say the same.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rehost.console.output import printable
from rehost.form import Form
from rehost.judgement import Acceptance, Judged, Judgement, Kind, Law, Region, State, relative
from rehost.report import Severity

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
PROBLEMS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "recommendation"}
LONGEST_SNIPPET = 500


def render(judgement: Judgement) -> str:
    """Return one run; what was accepted is in it, with its suppression."""
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(judgement)]}
    return json.dumps(log, indent=2) + "\n"


class _Artifacts:
    """The files that are spoken of, each once; members of archives know their archive."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = []
        self._known: dict[tuple[str, str], int] = {}

    def location(self, file: str, member: str = "") -> dict[str, Any]:
        """Return a file, or a member of it, as locations name it."""
        key = (file, member)
        if key not in self._known:
            entry: dict[str, Any] = {"location": {"uri": _uri(file)}}
            if member:
                inner = quote(os.fsencode(member.lstrip("/")))
                parent = self.location(file)["index"]
                entry = {"location": {"uri": inner}, "parentIndex": parent}
            self._known[key] = len(self.listed)
            self.listed.append(entry)
        index = self._known[key]
        return {**self.listed[index]["location"], "index": index}


def _run(judgement: Judgement) -> dict[str, Any]:
    artifacts = _Artifacts()
    numbers = {law.id: number for number, law in enumerate(judgement.laws)}
    for subject in judgement.subjects:
        artifacts.location(relative(subject.source))
    compared = any(True for _ in judgement.judged(State.BASELINED))
    results = [
        _result(judged, artifacts, numbers, compared=compared)
        for subject in judgement.subjects
        for judged in subject.judged
    ]
    return {
        "tool": {
            "driver": {
                "name": "rehost",
                "semanticVersion": judgement.version,
                "rules": [_rule(law) for law in judgement.laws],
            }
        },
        "invocations": [_invocation(judgement, artifacts)],
        "columnKind": "unicodeCodePoints",
        "artifacts": artifacts.listed,
        "results": results,
    }


def _invocation(judgement: Judgement, artifacts: _Artifacts) -> dict[str, Any]:
    """Return how the run went: why sources could not be judged."""
    notifications = [
        {
            "level": "error",
            "message": _text(f"{subject.failure}. {subject.failure.hint}".strip()),
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": artifacts.location(relative(subject.source))
                    }
                }
            ],
        }
        for subject in judgement.subjects
        if subject.failure
    ]
    return {
        "executionSuccessful": not notifications,
        "toolExecutionNotifications": notifications,
    }


def _rule(law: Law) -> dict[str, Any]:
    told = [law.requirement, law.reason, f"Fix: {law.fix}", f"Basis: {law.basis}."]
    return {
        "id": law.id,
        "shortDescription": _text(law.requirement),
        "fullDescription": _text(" ".join(part for part in told[:2] if part)),
        "help": _text("\n\n".join(part for part in told if part)),
        "defaultConfiguration": {"level": LEVELS[law.severity]},
        "properties": {
            "tags": ["ovf", law.id.partition("-")[0]],
            "problem.severity": PROBLEMS[law.severity],
        },
    }


def _result(
    judged: Judged, artifacts: _Artifacts, numbers: dict[str, int], *, compared: bool
) -> dict[str, Any]:
    finding = judged.finding
    quote = f"It says: {finding.quote}" if finding.quote else ""
    said = " ".join(filter(None, (f"{judged.message}.", quote, finding.hint)))
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "level": LEVELS[finding.severity],
        "message": _text(said),
        "locations": [_shown_location(judged, artifacts)],
        "partialFingerprints": {
            "primaryLocationLineHash": f"{judged.fingerprint[:16]}:1",
            "rehost/v1": judged.fingerprint,
        },
    }
    if finding.rule in numbers:
        result["ruleIndex"] = numbers[finding.rule]
    if exact := _exact_location(judged, artifacts):
        result["relatedLocations"] = [exact]
    if judged.acceptance:
        result["suppressions"] = [_suppression(judged.acceptance)]
    if compared:
        result["baselineState"] = "unchanged" if judged.state is State.BASELINED else "new"
    if finding.target:
        result["properties"] = {
            "target": finding.target,
            "quote": printable(finding.quote),
            "knownFrom": printable(finding.source),
        }
    return result


def _shown_location(judged: Judged, artifacts: _Artifacts) -> dict[str, Any]:
    """Return the place in a file of its own, which has a line in any case."""
    region: dict[str, Any] = {"startLine": judged.own_line}
    physical: dict[str, Any] = {"artifactLocation": artifacts.location(judged.file)}
    if judged.region and not judged.member:
        region = _region(judged.region)
        physical["contextRegion"] = _context(judged.region)
    return {
        "physicalLocation": {**physical, "region": region},
        "logicalLocations": [{"fullyQualifiedName": printable(judged.place)}],
    }


def _exact_location(judged: Judged, artifacts: _Artifacts) -> dict[str, Any] | None:
    """Return the place in a member of an archive, or in bytes, where that tells more."""
    offset = judged.finding.location.offset
    if not judged.member and offset is None:
        return None
    physical: dict[str, Any] = {"artifactLocation": artifacts.location(judged.file, judged.member)}
    if judged.region:
        physical |= {"region": _region(judged.region), "contextRegion": _context(judged.region)}
    elif offset is not None:
        physical["region"] = {"byteOffset": offset, "byteLength": 0}
    elif judged.line:
        physical["region"] = {"startLine": judged.line}
    return {"id": 0, "physicalLocation": physical, "message": _text(judged.place)}


def _region(region: Region) -> dict[str, Any]:
    end = region.column + region.length
    found: dict[str, Any] = {
        "startLine": region.line,
        "startColumn": region.column,
        "endColumn": end,
        "snippet": _text(region.text[region.column - 1 : end - 1][:LONGEST_SNIPPET]),
    }
    if region.start is not None and region.size is not None:
        found |= {"byteOffset": region.start, "byteLength": region.size}
    return found


def _context(region: Region) -> dict[str, Any]:
    return {"startLine": region.line, "snippet": _text(region.text[:LONGEST_SNIPPET])}


def _suppression(acceptance: Acceptance) -> dict[str, Any]:
    kind = "inSource" if acceptance.kind is Kind.IN_SOURCE else "external"
    return {
        "kind": kind,
        "status": "accepted",
        "justification": printable(f"{acceptance.reason} ({acceptance.place})".strip()),
    }


def _text(text: str) -> dict[str, str]:
    return {"text": printable(text)}


def _uri(file: str) -> str:
    """Return a relative URI for a file below the current folder, else an absolute one."""
    if Path(file).is_absolute():
        return f"file://{quote(os.fsencode(file))}"
    return quote(os.fsencode(file))


FORM = Form("sarif", "SARIF 2.1.0", render)
