"""The documentation of all rules: ``docs/rules``, generated from their explanations."""

from __future__ import annotations

from itertools import groupby

from ovf.judging.explain import all_judged_by, facts, group_of, requirement, title_of
from ovf.judging.profile import Check, Sure
from ovf.judging.rule import Basis, Rule


def pages() -> dict[str, str]:
    """Return an index, and a page for each prefix of ids, by their file names."""
    grouped = {prefix: list(members) for prefix, members in groupby(all_judged_by(), group_of)}
    texts = {f"{prefix}.md": _page(prefix, rules) for prefix, rules in grouped.items()}
    return {"README.md": _index(grouped), **texts}


def _index(grouped: dict[str, list[Rule | Check]]) -> str:
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


def _page(prefix: str, rules: list[Rule | Check]) -> str:
    parts = [f"# {prefix}: {title_of(prefix)}", "[All rules](README.md)"]
    for rule in rules:
        parts += [f"## {rule.id}", rule.explanation]
        if doubt := _doubt(rule):
            parts.append(f"**Note:** {doubt}.")
        listed = [("Severity", rule.severity.name.lower()), *facts(rule)]
        parts.append("\n".join(f"- {name}: {value}" for name, value in listed))
    return "\n\n".join(parts) + "\n"


def _doubt(rule: Rule | Check) -> str:
    """Return why a rule is less than a demand of the standard or a known deed of an importer."""
    if isinstance(rule, Rule):
        return rule.basis.value if rule.basis in {Basis.UNCONFIRMED, Basis.OWN} else ""
    return rule.sure.value if rule.sure is Sure.UNCONFIRMED else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
