"""JSON: everything, for programs. Its schema is ``schemas/ovf-validate.schema.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rehost.console.output import json_text
from rehost.form import Form
from rehost.judgement import Judged, Judgement, State, Subject


def render(judgement: Judgement) -> str:
    """Return sources, findings and their numbers; schema version first."""
    findings = [
        _finding(subject, judged) for subject in judgement.subjects for judged in subject.judged
    ]
    return json_text(
        {
            "version": judgement.version,
            "failed": judgement.failed,
            "sources": [_source(subject) for subject in judgement.subjects],
            "findings": findings,
        }
    )


def _source(subject: Subject) -> dict[str, Any]:
    counts = {state.value: 0 for state in State}
    for judged in subject.judged:
        counts[judged.state] += 1
    failure = subject.failure
    return {
        "source": subject.source,
        **counts,
        "disks": subject.disks,
        "failure": failure and {"where": failure.where, "what": failure.what, "hint": failure.hint},
        "mending": subject.mending and subject.mending.name.lower(),
        "repairs": [asdict(each) for each in subject.repairs],
        "targets": [{"name": each.target, "outcome": each.outcome} for each in subject.outlooks],
    }


def _finding(subject: Subject, judged: Judged) -> dict[str, Any]:
    finding, region, acceptance = judged.finding, judged.region, judged.acceptance
    return {
        "source": subject.source,
        "rule": finding.rule,
        "severity": finding.severity.name.lower(),
        "message": finding.message,
        "file": finding.location.file,
        "line": judged.line,
        "column": region.column if region else None,
        "length": region.length if region else None,
        "offset": region.start if region else finding.location.offset,
        "hint": finding.hint,
        "target": finding.target,
        "quote": finding.quote,
        "known_from": finding.source,
        "state": judged.state.value,
        "accepted_in": acceptance.place if acceptance else None,
        "reason": acceptance.reason if acceptance else None,
        "fingerprint": judged.fingerprint,
    }


FORM = Form("json", "JSON", render)
