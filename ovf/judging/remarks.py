"""What a descriptor says about its own findings, in comments.

``<!-- rehost: ignore DSK-004, ITM why -->`` accepts the findings of these rules, ids or what they
begin with, in one element and all in it: the one that ends before the comment on the same line, or
else the next one behind the comment. Before the root element it accepts them in the whole package.
What stands behind the rules is the reason. A remark that accepts nothing is told by REM-001: what
cannot accept anything by the rule itself, what fits no finding by who judges, who alone knows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from lxml import etree

from ovf.envelope import Envelope
from rehost.errors import RefusedError
from rehost.judgement import Acceptance, Kind
from rehost.report import Finding, Location
from rehost.tracked import line_of, summary

MOST_REMARKS = 200
MEANT = re.compile(r"\s*rehost\s*:")
NAME = r"[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*"
REMARK = re.compile(rf"\s*rehost:\s*ignore\s+({NAME}(?:\s*,\s*{NAME})*)(?:[\s:]+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Remark:
    """Which rules are ignored and why; from the first to the last line, or in everything."""

    rules: tuple[str, ...]
    reason: str
    at: Location
    lines: tuple[int, int] | None

    def covers(self, finding: Finding, file: str) -> bool:
        """Say whether it is about a finding, ``file`` being the descriptor's name in places."""
        if not finding.rule.startswith(self.rules):
            return False
        if self.lines is None:
            return True
        line = finding.location.line
        inside = line is not None and self.lines[0] <= line <= self.lines[1]
        return inside and finding.location.file == file

    @property
    def acceptance(self) -> Acceptance:
        """The acceptance of a finding it is about."""
        return Acceptance(Kind.IN_SOURCE, str(self.at), self.reason)


def remarks(envelope: Envelope) -> Iterator[Remark]:
    """Yield what the comments of a descriptor say."""
    said = ((comment, found) for comment in comments(envelope) if (found := _said(comment)))
    for number, (comment, found) in enumerate(said):
        at = envelope.at(comment)
        if number == MOST_REMARKS:
            raise RefusedError(
                f"has too many comments that ignore rules (at most {MOST_REMARKS} are read)",
                where=str(at),
                hint="Put one before the root element, or ignore rules by settings.",
            )
        yield from _remark(comment, Remark(_names(found), summary(found[2] or ""), at, None))


def comments(envelope: Envelope) -> Iterator[etree._Element]:
    """Yield the comments before the root element and in it that are meant for rehost."""
    above = envelope.root.itersiblings(etree.Comment, preceding=True)
    inside = envelope.root.iter(etree.Comment)
    return (each for each in chain(above, inside) if MEANT.match(each.text or ""))


def misspelled(comment: etree._Element, known: Collection[str]) -> Iterator[str]:
    """Yield why a comment that is meant for rehost accepts nothing, whatever is found."""
    found = _said(comment)
    if found is None:
        yield f"comment names no rules to ignore ('{summary((comment.text or '').strip())}')"
        return
    for name in _names(found):
        if not any(each.startswith(name) for each in known):
            yield f"comment ignores a rule that does not exist ('{name}')"
    if comment.getparent() is not None and _element_of(comment) is None:
        yield "comment that ignores rules is about no element"


def idle(said: Sequence[Remark], findings: Sequence[Finding], file: str) -> Iterator[Remark]:
    """Yield remarks that fit no finding, once for each of their rules that does not."""
    for remark in said:
        for name in remark.rules:
            alone = replace(remark, rules=(name,))
            if not any(alone.covers(finding, file) for finding in findings):
                yield alone


def _names(found: re.Match[str]) -> tuple[str, ...]:
    return tuple(name.strip() for name in found[1].split(","))


def _said(comment: etree._Element) -> re.Match[str] | None:
    return REMARK.fullmatch((comment.text or "").rstrip())


def _remark(comment: etree._Element, remark: Remark) -> Iterator[Remark]:
    """Yield what a comment says with the lines it is about, if there are any."""
    if comment.getparent() is None:
        yield remark
    elif (element := _element_of(comment)) is not None:
        yield replace(remark, lines=_lines(element))


def _element_of(comment: etree._Element) -> etree._Element | None:
    """Return the element a comment is about: beside it on its line, or behind it."""
    before = comment.getprevious()
    if before is not None and isinstance(before.tag, str) and "\n" not in (before.tail or ""):
        return before
    return next(comment.itersiblings(etree.Element), None)


def _lines(element: etree._Element) -> tuple[int, int]:
    """Return the first and the last line on which something in an element begins."""
    last = element
    while len(last):
        last = last[-1]
    return line_of(element) or 0, line_of(last) or 0
