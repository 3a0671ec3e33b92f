"""What rules demand and importers do, and why, in the words of their docstrings.

Of a rule of the standard and of a check of an importer alike it is told what they rest on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from textwrap import wrap
from typing import Any

from ovf.judging.profile import Check, all_checks, profiles
from ovf.judging.rule import EVERY_VERSION, Needs, Rule, all_rules
from rehost.errors import UsageError

GROUPS = {
    "ANN": "Annotations",
    "BDS": "Boot devices",
    "BND": "Bounds of resources",
    "CFG": "Deployment options",
    "CNF": "Conformance levels",
    "CNT": "Content: systems and collections",
    "CRT": "Certificates",
    "DOS": "The section of deployment options",
    "DSK": "Disks",
    "EFS": "Files for the environment",
    "ENC": "Encryption",
    "ENV": "The envelope",
    "EUL": "Licence agreements",
    "EXT": "Extensions",
    "I18": "Strings and languages",
    "INS": "Installation",
    "ITM": "Items of virtual hardware",
    "MAN": "Manifests",
    "NET": "Networks",
    "OEN": "The environment document",
    "OSS": "Operating systems",
    "PKG": "Packages",
    "PLC": "Placement",
    "PRD": "Products and their properties",
    "RAS": "Resource allocation",
    "REF": "References",
    "S2": "Sections of OVF 2 in OVF 1",
    "REM": "Remarks of a descriptor about its findings",
    "SCO": "Scale-out",
    "SEC": "Sections and where they stand",
    "SHD": "Shared disks",
    "STA": "Startup order",
    "VHS": "Virtual hardware sections",
}
"""What each prefix of an id is about."""

COLUMN = 12
"""Where what a rule rests on begins, behind its names."""
NARROWEST = 20
ANEW = "Writing the package anew mends it."
PACKED = "Writing the package as an .ova mends it."
DECISION = "not mended, for it needs a decision"


@cache
def all_judged_by() -> tuple[Rule | Check, ...]:
    """Return the rules of the standard and the checks of all importers, by their ids."""
    return tuple(sorted((*all_rules(), *all_checks()), key=lambda each: each.id))


def group_of(rule: Rule | Check) -> str:
    """Return the prefix of an id: "DSK" of DSK-004."""
    return rule.id.partition("-")[0]


def title_of(prefix: str) -> str:
    """Return what the rules of a prefix are about, or whose checks they are."""
    if prefix in GROUPS:
        return GROUPS[prefix]
    checks = (check for check in all_checks() if group_of(check) == prefix)
    names = dict.fromkeys(name for check in checks for name in importers(check))
    return f"Importers: {', '.join(names)}"


def importers(rule: Rule | Check) -> tuple[str, ...]:
    """Return the importers that mind a rule or have a check."""
    return tuple(
        profile.name
        for profile in profiles()
        if rule.id in profile.enforces or rule.id in {check.id for check in profile.checks}
    )


def chosen(names: Iterable[str]) -> tuple[Rule | Check, ...]:
    """Return the rules of these ids or prefixes, as they are asked for, each once."""
    found: dict[Rule | Check, None] = {}
    for name in names:
        matching = [rule for rule in all_judged_by() if rule.id.startswith(name.upper())]
        if not matching:
            prefixes = ", ".join(dict.fromkeys(map(group_of, all_judged_by())))
            raise UsageError(
                f"no rule has an id that is or begins with {name!r}",
                hint=f"There are {prefixes}; `rehost ovf explain` lists all.",
            )
        found |= dict.fromkeys(matching)
    return tuple(found)


def described(rule: Rule | Check) -> dict[str, Any]:
    """Return everything there is to know of a rule or a check, for programs."""
    common = {
        "id": rule.id,
        "kind": "rule" if isinstance(rule, Rule) else "check",
        "severity": rule.severity.name.lower(),
        "needs": rule.needs.value,
        "importers": list(importers(rule)),
        "requirement": requirement(rule),
        "reason": reason(rule),
        "fix": rule.fix,
        "mending": list(mending(rule)),
    }
    if isinstance(rule, Rule):
        return common | {
            "clause": rule.clause,
            "basis": rule.basis.name.lower(),
            "versions": sorted(rule.versions),
        }
    return common | {
        "quote": rule.quote,
        "known_from": rule.known_from,
        "lowest": rule.lowest,
        "highest": rule.highest,
    }


def explained(rule: Rule | Check, width: int | None = None) -> str:
    """Return a rule as paragraphs, and then what it rests on; lines as in the source, or filled."""
    told, based = rule.explanation, [f"{name + ':':{COLUMN}}{value}" for name, value in facts(rule)]
    if width is not None:
        told = "\n\n".join(_filled(each, width) for each in told.split("\n\n"))
        based = [_filled(each, width, COLUMN) for each in based]
    return f"{rule.id} ({rule.severity.name.lower()})\n\n{told}\n\n" + "\n".join(based)


def _filled(text: str, width: int, indent: int = 0) -> str:
    """Break lines between words; what is told of a name stays right of it."""
    name, said = text[:indent], " ".join(text[indent:].split())
    room = max(width - indent, NARROWEST)
    lines = wrap(said, room, break_long_words=False, break_on_hyphens=False) or [""]
    return name + f"\n{' ' * indent}".join(lines)


def listed(rules: Iterable[Rule | Check], width: int | None = None) -> str:
    """Return a line for each rule, by groups, or more where it does not fit into the width."""
    parts = []
    for prefix, members in groupby(rules, group_of):
        lines = [f"  {rule.id}  {requirement(rule)}" for rule in members]
        if width is not None:
            lines = [_filled(line, width, line.index(" ", 2) + 2) for line in lines]
        parts.append("\n".join([f"{prefix}: {title_of(prefix)}", *lines]))
    return "\n\n".join(parts)


def requirement(rule: Rule | Check) -> str:
    """Return the first sentence of an explanation, on one line."""
    return " ".join(rule.explanation.partition("\n\n")[0].split())


def reason(rule: Rule | Check) -> str:
    """Return why a requirement matters, on one line."""
    between = rule.explanation.partition("\n\n")[2].partition("Fix: ")[0]
    return " ".join(between.split())


def mending(rule: Rule | Check) -> tuple[str, ...]:
    """Return how ``validate --fix`` mends what is found; nothing where that needs a decision."""
    from ovf.mending.fix import mended_by
    from ovf.mending.rewriting import ARCHIVED, FORM

    if rule.id in FORM:
        return (ANEW,)
    if rule.id == ARCHIVED:
        return (PACKED,)
    said = (" ".join(fix.explanation.split()) for fix in mended_by(rule.id))
    return tuple(dict.fromkeys(said))


def facts(rule: Rule | Check) -> Iterator[tuple[str, str]]:
    """Yield what a rule or a check rests on and holds for, each with its name."""
    named = ", ".join(importers(rule))
    if isinstance(rule, Rule):
        yield "Clause", rule.clause if rule.clause.startswith("DSP") else f"DSP0243 {rule.clause}"
        yield "Basis", rule.basis.value
        if numbers := sorted(rule.versions & EVERY_VERSION):
            yield "Versions", "OVF " + " and ".join(f"{number}.x" for number in numbers)
        if named:
            yield "Minded by", named
    else:
        yield "Importers", named
        releases = [("from", rule.lowest), ("to", rule.highest)]
        if said := " ".join(f"{word} {release}" for word, release in releases if release):
            yield "Releases", said
        if rule.quote:
            yield "It says", rule.quote
        yield "Basis", rule.known_from
    yield "Looks at", f"the package's {rule.needs.value}"
    if rule.needs is not Needs.ENVIRONMENT:
        yield "With --fix", " ".join(mending(rule)) or DECISION
