"""GitLab's code quality report, a subset of Code Climate's.

Spec: "Code Quality report format", GitLab's documentation. A path is one of the repository, and no
two entries may have the same fingerprint.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from rehost.console.output import printable
from rehost.form import Form
from rehost.judgement import Judgement, relative
from rehost.report import Severity

SEVERITIES = {Severity.ERROR: "major", Severity.WARNING: "minor", Severity.INFO: "info"}


def render(judgement: Judgement) -> str:
    """Return one entry for each finding that counts, and for each source not judged."""
    entries = [
        {
            "description": printable(str(subject.failure)),
            "check_name": "rehost",
            "fingerprint": _fingerprint(subject.source, subject.failure.what),
            "severity": "blocker",
            "location": _location(relative(subject.source), 1),
        }
        for subject in judgement.subjects
        if subject.failure
    ]
    entries += [
        {
            "description": printable(judged.message),
            "check_name": judged.finding.rule,
            "fingerprint": judged.fingerprint,
            "severity": SEVERITIES[judged.finding.severity],
            "location": _location(judged.file, judged.own_line),
        }
        for judged in judgement.judged()
    ]
    return json.dumps(entries, indent=2) + "\n"


def _fingerprint(source: str, what: str) -> str:
    return sha256(f"{relative(source)}\0{what}".encode(errors="replace")).hexdigest()


def _location(path: str, line: int) -> dict[str, Any]:
    return {"path": printable(path), "lines": {"begin": line}}


FORM = Form("gitlab", "code quality report of GitLab", render)
