"""Rules explain themselves, on the terminal and on the pages, with what they rest on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from ovf.cli import ovf
from ovf.explain import GROUPS, explained, group_of, pages
from ovf.rule import Basis, all_rules
from rehost.errors import UsageError

PARENTS = """DSK-010 (error)

A Disk's ovf:parentRef is the diskId of a Disk before it.

Otherwise the disk cannot be put together.

Fix: ship the parent, or a whole disk instead of the difference.

Clause:   DSP0243 9.1
Basis:    read in the text of the standard
Versions: OVF 1.x and 2.x
Looks at: the package's descriptor
"""


def test_a_rule_is_explained_by_its_id_in_any_case() -> None:
    for name in ("DSK-010", "dsk-010"):
        assert CliRunner().invoke(ovf, ["explain", name]).stdout == PARENTS


def test_a_prefix_explains_all_its_rules_each_once() -> None:
    shown = CliRunner().invoke(ovf, ["explain", "DSK-010", "DSK"]).stdout
    assert shown.startswith(PARENTS.rstrip())
    titles = [line for line in shown.splitlines() if line.startswith("DSK-")]
    assert sorted(titles) == [
        f"{rule.id} ({rule.severity.name.lower()})"
        for rule in all_rules()
        if group_of(rule) == "DSK"
    ]


def test_without_a_name_all_rules_are_listed_by_groups() -> None:
    lines = CliRunner().invoke(ovf, ["explain"]).stdout.splitlines()
    assert "DSK: Disks" in lines
    assert "  DSK-010  A Disk's ovf:parentRef is the diskId of a Disk before it." in lines
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [
        rule.id for rule in all_rules()
    ]


def test_a_name_no_rule_has_is_wrong_usage() -> None:
    error = CliRunner().invoke(ovf, ["explain", "DSK", "DISK"]).exception
    assert isinstance(error, UsageError)
    prefixes = ", ".join(dict.fromkeys(map(group_of, all_rules())))
    assert (str(error), error.hint) == (
        "no rule has an id that is or begins with 'DISK'",
        f"There are {prefixes}; `rehost ovf explain` lists all.",
    )


def test_json_says_everything_of_a_rule() -> None:
    shown = CliRunner().invoke(ovf, ["explain", "DSK-010", "--json"])
    assert json.loads(shown.stdout) == {
        "schema_version": 1,
        "rules": [
            {
                "id": "DSK-010",
                "severity": "error",
                "clause": "9.1",
                "basis": "text",
                "versions": ["1", "2"],
                "needs": "descriptor",
                "requirement": "A Disk's ovf:parentRef is the diskId of a Disk before it.",
                "reason": "Otherwise the disk cannot be put together.",
                "fix": "Ship the parent, or a whole disk instead of the difference.",
            }
        ],
    }


@pytest.mark.parametrize("basis", [Basis.UNCONFIRMED, Basis.OWN])
def test_what_the_standard_does_not_demand_in_so_many_words_says_so(basis: Basis) -> None:
    rule = replace(all_rules()[0], basis=basis)
    assert f"\nBasis:    {basis.value}\n" in explained(rule)


def test_every_rule_is_on_the_page_of_its_group_and_in_the_index() -> None:
    texts = pages()
    for rule in all_rules():
        page = texts[f"{group_of(rule)}.md"]
        assert page.count(f"\n## {rule.id}\n\n{rule.explanation}\n") == 1
        noted = f"**Note:** {rule.basis.value}." in page
        assert noted or rule.basis not in {Basis.UNCONFIRMED, Basis.OWN}
        link = f"| [{rule.id}]({group_of(rule)}.md#{rule.id.lower()}) |"
        assert texts["README.md"].count(link) == 1
    assert set(texts) == {"README.md", *(f"{group_of(rule)}.md" for rule in all_rules())}


def test_every_group_has_a_title() -> None:
    assert {group_of(rule) for rule in all_rules()} <= GROUPS.keys()


def test_a_command_nobody_wrote_is_not_there() -> None:
    shown = CliRunner().invoke(ovf, ["exlpain"])
    assert shown.exit_code == 2
    assert "No such command 'exlpain'." in shown.output
