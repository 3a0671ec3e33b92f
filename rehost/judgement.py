"""What a judging command found, whole: the document that every form of report is made of.

A ``Judgement`` says which sources were judged by which rules, and of each finding where exactly it
lies and whether it counts. Forms of reports (``rehost.reports``) turn it into text and decide
nothing.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from rehost.report import Finding, Severity

MEMBER = "!"
"""What stands between an archive and its member in the name of a place: ``x.ova!web.ovf``."""
MOVES = re.compile(r"\bline \d+|(?<=\S):\d+\b")
"""What a message says of lines, which move while the finding stays the same."""


class State(StrEnum):
    """Whether a finding counts: it does unless somebody accepted it."""

    ACTIVE = "active"
    SUPPRESSED = "suppressed"
    BASELINED = "baselined"


class Kind(StrEnum):
    """Where a finding was accepted: in the descriptor itself, in settings, or in a baseline."""

    IN_SOURCE = "source"
    SETTINGS = "settings"
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """That somebody accepts a finding, where they said so, and their reason."""

    kind: Kind
    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Region:
    """Where in a line of text a finding lies.

    Lines and columns count characters from 1; ``text`` is the whole line. ``start`` and ``size``
    are the same stretch in bytes of the file as it is stored, None where that is not known.
    """

    line: int
    column: int
    length: int
    text: str
    start: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding, its exact place, what tells it from others in any run, and whether it counts."""

    finding: Finding
    fingerprint: str
    region: Region | None = None
    acceptance: Acceptance | None = None

    @property
    def state(self) -> State:
        """Whether it counts."""
        if self.acceptance is None:
            return State.ACTIVE
        return State.BASELINED if self.acceptance.kind is Kind.BASELINE else State.SUPPRESSED

    @property
    def line(self) -> int | None:
        """The line to show, counted from 1."""
        return self.region.line if self.region else self.finding.location.line

    @property
    def place(self) -> str:
        """Where it is, as compilers write it: ``file:line:column``."""
        if self.region is None:
            return str(self.finding.location)
        return f"{self.finding.location.file}:{self.region.line}:{self.region.column}"

    @property
    def file(self) -> str:
        """The file it is in, below the current folder where that is possible."""
        return relative(parted(self.finding.location.file)[0])

    @property
    def own_line(self) -> int:
        """The line to show in that file itself, by which reviews place remarks; at least 1."""
        return 1 if self.member else self.line or 1

    @property
    def message(self) -> str:
        """What is wrong; what lies in an archive says where there, for the file does not."""
        if not self.member:
            return self.told
        place = self.place.removeprefix(parted(self.finding.location.file)[0] + MEMBER)
        return f"{place}: {self.told}"

    @property
    def told(self) -> str:
        """What is wrong, and for which importer if not for all."""
        target = self.finding.target
        return f"{target}: {self.finding.message}" if target else self.finding.message

    @property
    def member(self) -> str:
        """The member of that file, if it is an archive; otherwise nothing."""
        return parted(self.finding.location.file)[1]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a source could not be judged, in the words of the error."""

    where: str
    what: str
    hint: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an importer will do with a source: "will import", "will not import"."""

    target: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that was mended: the rule it was found by, where, and how.

    ``target`` is the importer it was mended for, if it is not the standard that asks for it.
    """

    rule: str
    where: str
    what: str
    target: str = ""

    def __str__(self) -> str:
        why = f"{self.rule}, {self.target}" if self.target else self.rule
        return f"{self.where}: {self.what} [{why}]"


class Mending(StrEnum):
    """Whether a source was mended, or it was only said what would be."""

    DONE = "mended"
    PLANNED = "would be mended"


@dataclass(frozen=True, slots=True)
class Subject:
    """One source, and what was found in it or why nothing could be.

    ``outlooks`` are the verdicts of the importers it was judged for, whatever is accepted here.
    ``disks`` is what is known of each disk in it, as JSON has it. ``repairs`` is what was mended
    to make it, or would be, as ``mending`` says; then ``judged`` is what is left.
    """

    source: str
    judged: tuple[Judged, ...]
    failure: Failure | None = None
    outlooks: tuple[Outlook, ...] = ()
    disks: tuple[Mapping[str, str | int | None], ...] = ()
    repairs: tuple[Repair, ...] = ()
    mending: Mending | None = None


@dataclass(frozen=True, slots=True)
class Law:
    """A rule as reports speak of it. ``reason`` may be empty; ``basis`` is a sentence."""

    id: str
    severity: Severity
    requirement: str
    reason: str
    fix: str
    basis: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything one run found. A finding at or above ``threshold`` fails; None: none does."""

    version: str
    subjects: tuple[Subject, ...]
    laws: tuple[Law, ...]
    threshold: Severity | None

    def judged(self, state: State = State.ACTIVE) -> Iterator[Judged]:
        """Yield the findings of all sources that are in one state."""
        for subject in self.subjects:
            yield from (judged for judged in subject.judged if judged.state is state)

    def fails(self, judged: Judged) -> bool:
        """Say whether a finding makes the run fail."""
        if self.threshold is None or judged.state is not State.ACTIVE:
            return False
        return judged.finding.severity >= self.threshold

    @property
    def failed(self) -> bool:
        """Whether anything makes the run fail."""
        return any(map(self.fails, self.judged()))


def fingerprints(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield for each finding what stays the same when lines move, and differs from all others.

    It is made of the rule, the importer, the file's name below the current folder, and the message
    without line numbers; equal ones are told apart by their order.
    """
    seen: Counter[str] = Counter()
    for finding in findings:
        said = MOVES.sub("", finding.message)
        parts = finding.rule, finding.target, shortened(finding.location.file), said
        text = "\0".join(parts)
        seen[text] += 1
        content = f"{text}\0{seen[text]}".encode(errors="surrogateescape")
        yield sha256(content).hexdigest()


def relative(file: str) -> str:
    """Return a file's name from the current folder with slashes, if it is below that."""
    path = Path(os.path.normpath(file))
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def parted(file: str) -> tuple[str, str]:
    """Part the name of a place into that of a file and that of the member of it, if it has one.

    A file may have the mark in its own name: then what is there tells where that ends.
    """
    marks = [at for at, letter in enumerate(file) if letter == MEMBER]
    if not marks or os.path.lexists(file):
        return file, ""
    end = next((at for at in marks if Path(file[:at]).is_file()), marks[0])
    return file[:end], file[end + len(MEMBER) :]


def shortened(file: str) -> str:
    """Return the name of a place from the current folder."""
    plain, member = parted(file)
    return f"{relative(plain)}{MEMBER}{member}" if member else relative(plain)
