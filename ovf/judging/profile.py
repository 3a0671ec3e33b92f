"""Profiles: what an importer really accepts, whatever the standard says.

A profile is a module of ``ovf.profiles`` with one constant, PROFILE: the importer's names and
releases, checks of its own, and the standard's rules it enforces with what it does when they are
broken. What an importer ignores is not held against a package. Where its own words are known a
finding quotes them, and it always says how surely they are known.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from types import MappingProxyType

from ovf.judging.rule import Needs, advice
from ovf.package import Package
from rehost.discovery import declared
from rehost.report import Finding, Location, Severity


class Sure(Enum):
    """Where it is known from what an importer does, as a label of the source."""

    DOCUMENTATION = "documented"
    ISSUE = "reported"
    CODE = "read in its code"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Release:
    """A version of an importer, as its target names end ("6.5" of vmware-esxi-6.5)."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Target:
    """An importer in one release: what somebody wants to know whether it takes a package.

    Its name may be general ("vmware-esxi"): then it is judged like the newest release.
    """

    name: str
    profile: Profile
    release: Release | None = None

    @property
    def number(self) -> int:
        """Which release it is, counted from the oldest; -1 for an importer without releases."""
        return -1 if self.release is None else self.profile.releases.index(self.release)

    @property
    def digest(self) -> str:
        """The algorithm of manifests it reads."""
        name = "" if self.release is None else self.release.name
        return self.profile.digests.get(name, "SHA256")


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where a check found something; ``said`` fills the importer's own words."""

    at: Location
    message: str
    said: Mapping[str, str] = field(default_factory=dict)


Look = Callable[[Package, Target], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing an importer does not take, or takes otherwise than it is meant.

    ERROR means that it refuses the package, WARNING that it imports something else than was
    described. ``quote`` is what it says itself, with names of ``Hit.said`` in braces; ``source``
    where that can be looked up. ``lowest`` and ``highest`` are the releases it holds for.
    """

    id: str
    severity: Severity
    look: Look
    source: str
    sure: Sure
    quote: str
    needs: Needs
    lowest: str | None
    highest: str | None

    @property
    def explanation(self) -> str:
        """What the importer does, what becomes of the machine, and how to mend it."""
        return inspect.getdoc(self.look) or ""

    @property
    def fix(self) -> str:
        """What to do, in one line."""
        return advice(self.explanation)

    @property
    def known_from(self) -> str:
        """How surely it is known, and where to look it up."""
        return f"{self.sure.value}: {self.source}"

    def holds_for(self, target: Target) -> bool:
        """Say whether a release does this; a check may have a lowest, a highest, or neither."""
        names = [release.name for release in target.profile.releases]
        after = self.lowest not in names or target.number >= names.index(self.lowest)
        before = self.highest not in names or target.number <= names.index(self.highest)
        return after and before

    def as_severe(self, severity: Severity) -> Check:
        """Return the check for an importer that takes it more lightly, or less."""
        return replace(self, severity=severity)

    def findings(self, package: Package, target: Target) -> Iterator[Finding]:
        """Yield what one importer would find wrong with a package."""
        if not self.holds_for(target):
            return
        for hit in self.look(package, target):
            quote = self.quote.format_map(hit.said) if self.quote else ""
            yield Finding(
                self.id,
                self.severity,
                hit.message,
                hit.at,
                self.fix,
                target.name,
                quote,
                self.known_from,
            )


def check(
    identifier: str,
    *,
    severity: Severity = Severity.ERROR,
    source: str,
    sure: Sure,
    quote: str = "",
    needs: Needs = Needs.DESCRIPTOR,
    lowest: str | None = None,
    highest: str | None = None,
) -> Callable[[Look], Check]:
    """Make a check of a look."""

    def declare(look: Look) -> Check:
        return Check(identifier, severity, look, source, sure, quote, needs, lowest, highest)

    return declare


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """An importer. ``enforces`` gives the standard's rules it minds, and how much.

    ``source`` says how that is known, ``sources`` how it is of the rules known in another way.
    Releases stand from the oldest to the newest; ``aliases`` are other names for the importer.
    ``digests`` gives the releases that read no SHA256 manifest the algorithm they do read.
    """

    name: str
    title: str
    checks: tuple[Check, ...]
    enforces: Mapping[str, Severity] = field(default_factory=lambda: MappingProxyType({}))
    source: str = ""
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    releases: tuple[Release, ...] = ()
    aliases: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def targets(self) -> Iterator[Target]:
        """Yield the importer under all its names, in all its releases."""
        newest = self.releases[-1] if self.releases else None
        for name in (self.name, *self.aliases):
            yield Target(name, self, newest)
            for release in self.releases:
                yield Target(f"{name}-{release.name}", self, release)


def profiles() -> tuple[Profile, ...]:
    """Return every profile, by its name."""
    found: tuple[Profile, ...] = declared("ovf.profiles", "PROFILE")
    return tuple(sorted(found, key=lambda profile: profile.name))


@cache
def all_checks() -> tuple[Check, ...]:
    """Return the checks of every profile by their ids, each once, as severe as it is declared."""
    found: dict[str, Check] = {}
    for profile in profiles():
        for one in profile.checks:
            known = found.setdefault(one.id, one)
            found[one.id] = max(known, one, key=lambda each: each.severity)
    return tuple(found[identifier] for identifier in sorted(found))
