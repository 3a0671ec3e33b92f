"""What a rule demands and why, in the words of its docstring: for a terminal and for the pages.

``docs/rules`` holds one page for each group of rules, that is for each prefix of their ids, and an
index. They are generated from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from ovf.profile import Check
from ovf.rule import Basis, Rule, all_rules
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
    "SCO": "Scale-out",
    "SEC": "Sections and where they stand",
    "SHD": "Shared disks",
    "STA": "Startup order",
    "VHS": "Virtual hardware sections",
}
"""What each prefix of an id is about."""


def group_of(rule: Rule) -> str:
    """Return the prefix of a rule's id: "DSK" of DSK-004."""
    return rule.id.partition("-")[0]


def chosen(names: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules of these ids or prefixes, as they are asked for, each once."""
    found: dict[Rule, None] = {}
    for name in names:
        matching = [rule for rule in all_rules() if rule.id.startswith(name.upper())]
        if not matching:
            prefixes = ", ".join(dict.fromkeys(map(group_of, all_rules())))
            raise UsageError(
                f"no rule has an id that is or begins with {name!r}",
                hint=f"There are {prefixes}; `rehost ovf explain` lists all.",
            )
        found |= dict.fromkeys(matching)
    return tuple(found)


def described(rule: Rule) -> dict[str, Any]:
    """Return everything there is to know of a rule, for programs."""
    return {
        "id": rule.id,
        "severity": rule.severity.name.lower(),
        "clause": rule.clause,
        "basis": rule.basis.name.lower(),
        "versions": sorted(rule.versions),
        "needs": rule.needs.value,
        "requirement": requirement(rule),
        "reason": reason(rule),
        "fix": rule.fix,
    }


def explained(rule: Rule) -> str:
    """Return a rule as paragraphs, and then what it rests on."""
    return f"{rule.id} ({rule.severity.name.lower()})\n\n{rule.explanation}\n\n" + "\n".join(
        f"{name + ':':10}{value}" for name, value in _facts(rule)
    )


def listed(rules: Iterable[Rule]) -> str:
    """Return a line for each rule, by groups."""
    parts = []
    for prefix, members in groupby(rules, group_of):
        lines = [f"  {rule.id}  {requirement(rule)}" for rule in members]
        parts.append("\n".join([f"{prefix}: {GROUPS[prefix]}", *lines]))
    return "\n\n".join(parts)


def pages() -> dict[str, str]:
    """Return the documentation of all rules: an index, and a page for each group."""
    grouped = {prefix: list(members) for prefix, members in groupby(all_rules(), group_of)}
    texts = {f"{prefix}.md": _page(prefix, rules) for prefix, rules in grouped.items()}
    return {"README.md": _index(grouped), **texts}


def requirement(rule: Rule | Check) -> str:
    """Return the first sentence of an explanation, on one line."""
    return " ".join(rule.explanation.partition("\n\n")[0].split())


def reason(rule: Rule | Check) -> str:
    """Return why a requirement matters, on one line."""
    between = rule.explanation.partition("\n\n")[2].partition("Fix: ")[0]
    return " ".join(between.split())


def _facts(rule: Rule) -> Iterator[tuple[str, str]]:
    yield "Clause", rule.clause if rule.clause.startswith("DSP") else f"DSP0243 {rule.clause}"
    yield "Basis", rule.basis.value
    yield "Versions", "OVF " + " and ".join(f"{version}.x" for version in sorted(rule.versions))
    yield "Looks at", f"the package's {rule.needs.value}"


def _index(grouped: dict[str, list[Rule]]) -> str:
    rows = [
        f"| [{rule.id}]({prefix}.md#{rule.id.lower()}) | {rule.severity.name.lower()} |"
        f" {_cell(requirement(rule))} |"
        for prefix, rules in grouped.items()
        for rule in rules
    ]
    return "\n".join(
        [
            "# The rules of `rehost validate`",
            "",
            "Generated from the rules themselves; `rehost ovf explain ID` prints the same.",
            "",
            "| rule | severity | requirement |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _page(prefix: str, rules: list[Rule]) -> str:
    parts = [f"# {prefix}: {GROUPS[prefix]}", "[All rules](README.md)"]
    for rule in rules:
        parts += [f"## {rule.id}", rule.explanation]
        if rule.basis in {Basis.UNCONFIRMED, Basis.OWN}:
            parts.append(f"**Note:** {rule.basis.value}.")
        facts = [("Severity", rule.severity.name.lower()), *_facts(rule)]
        parts.append("\n".join(f"- {name}: {value}" for name, value in facts))
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
