"""What a rule is: one requirement of the standard, found by its module, explained by its docstring.

A rule is a generator of (place, message). Its docstring says the requirement in one sentence, then
why it matters, then, after ``Fix:``, what to do; the last part is the hint of its findings. A
module of ``ovf.rules`` holds nothing but rules, and none of them imports another.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache

from ovf.foreign import ENVIRONMENT, FOREIGN
from ovf.package import Package
from rehost.discovery import instances
from rehost.report import Finding, Location, Severity

Demand = Callable[[Package], Iterator[tuple[Location, str]]]


class Needs(Enum):
    """How much of a package a rule looks at: its descriptor, its other files, or into its disks.

    Or it looks at no package, but at the environment document of a guest.
    """

    DESCRIPTOR = "descriptor"
    FILES = "files"
    DISKS = "disks"
    ENVIRONMENT = "environment document"


class Basis(Enum):
    """What a requirement rests on, as its explanation says it.

    A rule is an error where the standard says shall or its schema refuses; what is unconfirmed or
    of no standard is one only where converting cannot go on, or would make something else.

    ``TEXT`` was read in the standard, ``SCHEMA`` in its schemas, ``CODE`` where a program quotes
    it; the wording of what is ``UNCONFIRMED`` could not be read; ``OWN`` is no requirement of the
    standard but custom, safety or experience with importers.
    """

    TEXT = "read in the text of the standard"
    SCHEMA = "read in the schemas of the standard"
    CODE = "quoted from the standard by others"
    UNCONFIRMED = "the wording of the standard could not be confirmed"
    OWN = "custom or safety, not the standard"


EVERY_VERSION = frozenset(("1", "2"))
ENVIRONMENTS = frozenset((ENVIRONMENT,))
"""For rules that judge an environment document instead of a descriptor."""
VERSION_1, VERSION_2 = frozenset("1"), frozenset("2")
EVERY_DIALECT = EVERY_VERSION | {FOREIGN}
"""For rules that also judge a descriptor in no version of the standard, as ``Package.written``."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One requirement. ``clause`` is where DSP0243 has it; some rest on custom or safety alone.

    ``versions`` are the major versions it holds for, as the envelope's namespace gives them.
    """

    id: str
    clause: str
    severity: Severity
    check: Demand
    needs: Needs
    basis: Basis
    versions: frozenset[str]

    @property
    def explanation(self) -> str:
        """The requirement, why it matters, and how to meet it."""
        return inspect.getdoc(self.check) or ""

    @property
    def fix(self) -> str:
        """What to do, in one line."""
        return advice(self.explanation)

    def findings(self, package: Package) -> Iterator[Finding]:
        """Yield what the rule finds wrong with a package, if it holds for its version."""
        if package.written.version not in self.versions:
            return
        for location, message in self.check(package):
            yield Finding(self.id, self.severity, message, location, self.fix)


def advice(explanation: str) -> str:
    """Return what an explanation says after ``Fix:``, in one line."""
    _, found, text = explanation.partition("Fix: ")
    line = " ".join(text.split()) if found else ""
    return line[:1].upper() + line[1:]


def rule(
    identifier: str,
    *,
    clause: str,
    severity: Severity = Severity.ERROR,
    needs: Needs = Needs.DESCRIPTOR,
    basis: Basis = Basis.TEXT,
    versions: frozenset[str] = EVERY_VERSION,
) -> Callable[[Demand], Rule]:
    """Make a rule of a check."""

    def declare(check: Demand) -> Rule:
        return Rule(identifier, clause, severity, check, needs, basis, versions)

    return declare


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return the rules of every module in ``ovf.rules``, by their ids."""
    return tuple(sorted(instances("ovf.rules", Rule), key=lambda rule: rule.id))
