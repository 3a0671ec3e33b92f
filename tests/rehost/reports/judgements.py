"""Judgements to report: one with everything a form must cope with."""

from __future__ import annotations

from rehost.judgement import (
    Acceptance,
    Failure,
    Judged,
    Judgement,
    Kind,
    Law,
    Region,
    Subject,
    fingerprints,
)
from rehost.report import Finding, Location, Severity

HOSTILE = "</script><img src=x onerror=alert(1)> & \"'\x1b[31m,:%\r\n::error::\u202eowned"
LINE = '\t<Disk ovf:diskId="d" ovf:capacity="0"/>'
REGION = Region(3, 23, 16, LINE, 130, 16)

ZERO = Finding(
    "DSK-002", Severity.ERROR, "ovf:capacity is zero", Location("a.ovf", 3), "State the capacity."
)
INSIDE = Finding(
    "DSK-002",
    Severity.WARNING,
    "ovf:capacity is zero",
    Location("b c.ova!web.ovf", 3),
    "State the capacity.",
)
BYTES = Finding("PKG-011", Severity.INFO, "header is GNU", Location("b c.ova", None, 512))
STRANGE = Finding(
    "ODD-001",
    Severity.ERROR,
    HOSTILE,
    Location(f"{HOSTILE}.ovf", 3),
    HOSTILE,
    "vmware",
    HOSTILE,
    HOSTILE,
)
LAWS = (
    Law("DSK-001", Severity.ERROR, "Each has an id.", "", "Give it one.", "custom"),
    Law("DSK-002", Severity.ERROR, "Each has a capacity.", "Why.", "State it.", "the standard"),
)


def judged(
    *findings: Finding, region: Region | None = None, acceptance: Acceptance | None = None
) -> tuple[Judged, ...]:
    """Return findings judged alike."""
    return tuple(
        Judged(finding, fingerprint, region, acceptance)
        for finding, fingerprint in zip(findings, fingerprints(findings), strict=True)
    )


def judgement(
    *subjects: Subject, threshold: Severity | None = Severity.ERROR, laws: tuple[Law, ...] = LAWS
) -> Judgement:
    """Return a judgement of some subjects."""
    return Judgement("1.2.3", subjects, laws, threshold)


IN_SOURCE = Acceptance(Kind.IN_SOURCE, "a.ovf:2", "known & wanted")
SETTINGS = Acceptance(Kind.SETTINGS, "settings", "we know")
BASELINE = Acceptance(Kind.BASELINE, "base.json", "found before")
FAILURE = Failure("gone.ova", "cannot be read (No such file)", "Look again.")

EVERYTHING = judgement(
    Subject(
        "a.ovf",
        (
            *judged(ZERO, region=REGION),
            *judged(ZERO, region=REGION, acceptance=IN_SOURCE),
            *judged(ZERO, acceptance=SETTINGS),
            *judged(ZERO, acceptance=BASELINE),
        ),
    ),
    Subject("b c.ova", (*judged(INSIDE, region=REGION), *judged(BYTES))),
    Subject(f"{HOSTILE}.ovf", judged(STRANGE, region=Region(3, 1, len(HOSTILE), HOSTILE))),
    Subject("gone.ova", (), FAILURE),
)
