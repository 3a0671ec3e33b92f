"""Text for people: grouped by files, each finding with its line and what is meant in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace

import click

from rehost.console.output import one_line
from rehost.counting import counted
from rehost.form import Form
from rehost.judgement import Judged, Judgement, Kind, Mending, Region, State, Subject
from rehost.report import Finding, Severity

COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
LEFT = {Mending.DONE: "not mended", Mending.PLANNED: "would not be mended"}
NOTHING = "nothing to mend without a guess"
INDENT = " " * 6
WIDTH = 92
"""How much of a source line is shown; of a longer one, what surrounds the finding."""
BEFORE = 30
"""How much of a longer line is shown before the finding."""
CUT = "…"
WIDE = {"W", "F"}


def render(judgement: Judgement) -> str:
    """Return the findings that count, why sources could not be judged, and the numbers.

    Of one source that could not be judged it says nothing, for the command's error will.
    """
    several = len(judgement.subjects) > 1
    if not several and any(subject.failure for subject in judgement.subjects):
        return ""
    hinted: set[str] = set()
    parts: list[str] = []
    for subject in judgement.subjects:
        parts += _mended(subject)
        parts += ["\n".join(lines) + "\n" for lines in _groups(subject, hinted)]
        if subject.failure and several:
            parts.append(f"{one_line(str(subject.failure))}\n")
        if subject.outlooks:
            whose = f"{one_line(subject.source)}: " if several else ""
            lines = (f"{whose}{each.target} {each.outcome}" for each in subject.outlooks)
            parts.append("\n".join(lines) + "\n")
    return "\n".join([*parts, _summary(judgement)]) + "\n"


def _mended(subject: Subject) -> Iterator[str]:
    """Yield what was mended, and the rules of what follows, which was not."""
    if not subject.mending:
        return
    lines = (f"  {one_line(str(repair))}" for repair in subject.repairs)
    done = subject.mending if subject.repairs else NOTHING
    yield "\n".join((click.style(done, bold=True), *lines)) + "\n"
    active = (judged for judged in subject.judged if judged.state is State.ACTIVE)
    left = sorted({judged.finding.rule for judged in active})
    if left:
        yield click.style(f"{LEFT[subject.mending]}: {', '.join(left)}", bold=True)


def _groups(subject: Subject, hinted: set[str]) -> Iterator[list[str]]:
    """Yield the lines of each file; a rule's hint is said once, several importers share a line."""
    files: dict[str, dict[Finding, list[Judged]]] = {}
    for judged in subject.judged:
        if judged.state is State.ACTIVE:
            finding = judged.finding
            alike = replace(finding, target="", source="")
            files.setdefault(finding.location.file, {}).setdefault(alike, []).append(judged)
    for file, found in files.items():
        lines = [click.style(one_line(file), bold=True)]
        for alike in sorted(found, key=lambda finding: finding.location.line or 0):
            lines += _finding(found[alike], with_hint=alike.hint not in hinted)
            hinted.add(alike.hint)
        yield lines


def _finding(alike: list[Judged], *, with_hint: bool) -> Iterator[str]:
    """Yield the lines of a finding, which several importers may have."""
    judged, finding = alike[0], alike[0].finding
    severity = click.style(finding.severity.name.lower(), fg=COLOURS[finding.severity], bold=True)
    place = judged.place.removeprefix(finding.location.file).lstrip(": ")
    targets = dict.fromkeys(each.finding.target for each in alike if each.finding.target)
    rule = click.style(f"[{', '.join((finding.rule, *targets))}]", dim=True)
    start = f"  {place}: " if place else "  "
    yield f"{start}{severity}: {one_line(finding.message)} {rule}"
    if judged.region is not None:
        yield from (INDENT + line for line in _shown(judged.region, COLOURS[finding.severity]))
    if finding.quote:
        yield f"{INDENT}it says: {one_line(finding.quote)}"
    if finding.hint and with_hint:
        yield f"{INDENT}hint: {one_line(finding.hint)}"
    if with_hint:
        sources = dict.fromkeys(each.finding.source for each in alike if each.finding.source)
        yield from (f"{INDENT}{one_line(source)}" for source in sources)


def _shown(region: Region, colour: str) -> Iterator[str]:
    """Yield the source line, cut where it is long, and carets below what is meant."""
    first = region.column - 1
    before = region.text[:first].lstrip()
    meant = region.text[first : first + region.length]
    after = region.text[first + region.length :].rstrip()
    if len(before) + len(meant) + len(after) > WIDTH:
        before = before if len(before) <= BEFORE else CUT + before[-BEFORE:]
        meant = _cut(meant, WIDTH - len(before))
        after = _cut(after, WIDTH - len(before) - len(meant))
    before, meant, after = (one_line(part.replace("\t", " ")) for part in (before, meant, after))
    yield before + meant + after
    yield " " * _columns(before) + click.style("^" * max(1, _columns(meant)), fg=colour)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(0, length - 1)] + CUT


def _columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(
        2 if unicodedata.east_asian_width(each) in WIDE else not unicodedata.combining(each)
        for each in text
    )


def _summary(judgement: Judgement) -> str:
    said = [counted(judged.finding.severity for judged in judgement.judged())]
    accepted = [
        judged.acceptance
        for state in (State.SUPPRESSED, State.BASELINED)
        for judged in judgement.judged(state)
        if judged.acceptance
    ]
    for kind, where in (
        (Kind.IN_SOURCE, "suppressed in descriptors"),
        (Kind.SETTINGS, "suppressed by settings"),
        (Kind.BASELINE, "in the baseline"),
    ):
        said += _number(sum(each.kind is kind for each in accepted), where)
    failed = sum(subject.failure is not None for subject in judgement.subjects)
    sources = len(judgement.subjects)
    if sources > 1:
        said += _number(failed, f"of {sources} sources could not be judged")
    return "; ".join(said)


def _number(count: int, what: str) -> Iterable[str]:
    return [f"{count} {what}"] if count else []


FORM = Form("text", "text for people", render, styled=True)
