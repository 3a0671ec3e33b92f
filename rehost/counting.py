"""Findings counted by severity, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from rehost.report import Severity

WORDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "remark"}


def counted(severities: Iterable[Severity]) -> str:
    """Return how many there are of each severity: "1 error, 0 warnings, 2 remarks"."""
    counts = Counter(severities)
    return ", ".join(
        f"{counts[severity]} {word}{'' if counts[severity] == 1 else 's'}"
        for severity, word in WORDS.items()
    )
