"""Rules explain themselves, on the terminal and on the pages, with what they rest on."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema  # type: ignore[import-untyped]
import pytest
from click.testing import CliRunner

from ovf.cli import ovf
from ovf.judging.explain import all_judged_by, explained, group_of, importers, listed, title_of
from ovf.judging.pages import pages
from ovf.judging.profile import Check, Sure, all_checks
from ovf.judging.rule import Basis, all_rules
from rehost.console.output import width_of_terminal
from rehost.errors import UsageError
from tests.support.generated import schemas

PARENTS = """DSK-010 (error)

A Disk's ovf:parentRef is the diskId of a Disk before it.

Otherwise the disk cannot be put together.

Fix: ship the parent, or a whole disk instead of the difference.

Clause:     DSP0243 9.1
Basis:      read in the text of the standard
Versions:   OVF 1.x and 2.x
{minded}Looks at:   the package's descriptor
With --fix: not mended, for it needs a decision
"""


def parents() -> str:
    """Return how DSK-010 is explained, whoever minds it."""
    [rule] = [rule for rule in all_rules() if rule.id == "DSK-010"]
    named = ", ".join(importers(rule))
    return PARENTS.format(minded=f"Minded by:  {named}\n" if named else "")


def test_a_rule_is_explained_by_its_id_in_any_case() -> None:
    for name in ("DSK-010", "dsk-010"):
        assert CliRunner().invoke(ovf, ["explain", name]).stdout == parents()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("VBX-006", "not mended, for it needs a decision"),
        ("NET-001", "List the networks that adapters connect to, by the names they call them."),
        ("PKG-012", "Writing the package anew mends it."),
        ("OSK-003", "Writing the package as an .ova mends it."),
        ("VMW-040", "Leave out what cannot be: the attribute is a hint that nothing needs."),
    ],
)
def test_it_is_told_how_a_finding_is_mended(name: str, told: str) -> None:
    shown = CliRunner().invoke(ovf, ["explain", name]).stdout
    assert shown.splitlines()[-1] == f"With --fix: {told}"
    [document] = json.loads(CliRunner().invoke(ovf, ["explain", name, "--json"]).stdout)["rules"]
    assert document["mending"] == ([] if name == "VBX-006" else [told])


def test_a_prefix_explains_all_its_rules_each_once() -> None:
    shown = CliRunner().invoke(ovf, ["explain", "DSK-010", "DSK"]).stdout
    assert shown.startswith(parents().rstrip())
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
        rule.id for rule in all_judged_by()
    ]


def test_a_name_no_rule_has_is_wrong_usage() -> None:
    error = CliRunner().invoke(ovf, ["explain", "DSK", "DISK"]).exception
    assert isinstance(error, UsageError)
    prefixes = ", ".join(dict.fromkeys(map(group_of, all_judged_by())))
    assert (str(error), error.hint) == (
        "no rule has an id that is or begins with 'DISK'",
        f"There are {prefixes}; `rehost ovf explain` lists all.",
    )


def test_json_says_everything_of_rules_and_checks_and_fits_its_schema() -> None:
    shown = CliRunner().invoke(ovf, ["explain", "--json"])
    document = json.loads(shown.stdout)
    jsonschema.validate(document, schemas()["ovf-explain.schema.json"])
    told = {rule["id"]: rule for rule in document["rules"]}
    assert list(told) == [rule.id for rule in all_judged_by()]
    assert told["DSK-010"] == {
        "id": "DSK-010",
        "kind": "rule",
        "severity": "error",
        "needs": "descriptor",
        "importers": list(importers(next(r for r in all_rules() if r.id == "DSK-010"))),
        "requirement": "A Disk's ovf:parentRef is the diskId of a Disk before it.",
        "reason": "Otherwise the disk cannot be put together.",
        "fix": "Ship the parent, or a whole disk instead of the difference.",
        "mending": [],
        "clause": "9.1",
        "basis": "text",
        "versions": ["1", "2"],
    }


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.id)
def test_a_check_says_whose_it_is_and_how_it_is_known(check: Check) -> None:
    shown = CliRunner().invoke(ovf, ["explain", check.id]).stdout
    assert shown.startswith(f"{check.id} ({check.severity.name.lower()})\n\n{check.explanation}\n")
    lines = shown.splitlines()
    assert f"Importers:  {', '.join(importers(check))}" in lines
    assert importers(check)
    assert f"Basis:      {check.known_from}" in lines
    assert (f"It says:    {check.quote}" in lines) is bool(check.quote)


def test_a_check_says_for_which_releases_it_holds() -> None:
    some = all_checks()[0]
    for lowest, highest, said in (
        ("6.5", None, "from 6.5"),
        (None, "7.0", "to 7.0"),
        ("6.5", "7.0", "from 6.5 to 7.0"),
    ):
        limited = replace(some, lowest=lowest, highest=highest)
        assert f"\nReleases:   {said}\n" in explained(limited)
    assert "Releases:" not in explained(replace(some, lowest=None, highest=None))


@pytest.mark.parametrize("basis", [Basis.UNCONFIRMED, Basis.OWN])
def test_what_the_standard_does_not_demand_in_so_many_words_says_so(basis: Basis) -> None:
    rule = replace(all_rules()[0], basis=basis)
    assert f"\nBasis:      {basis.value}\n" in explained(rule)


def test_every_rule_is_on_the_page_of_its_group_and_in_the_index() -> None:
    texts = pages()
    for rule in all_judged_by():
        page = texts[f"{group_of(rule)}.md"]
        assert page.count(f"\n## {rule.id}\n\n{rule.explanation}\n") == 1
        link = f"| [{rule.id}]({group_of(rule)}.md#{rule.id.lower()}) |"
        assert texts["README.md"].count(link) == 1
    assert set(texts) == {"README.md", *(f"{group_of(rule)}.md" for rule in all_judged_by())}


def test_a_page_notes_what_is_in_doubt_and_nothing_else() -> None:
    texts = pages()
    for rule in all_judged_by():
        _, _, behind = texts[f"{group_of(rule)}.md"].partition(f"\n## {rule.id}\n")
        section = behind.partition("\n## ")[0]
        if isinstance(rule, Check):
            doubted, said = rule.sure is Sure.UNCONFIRMED, rule.sure.value
        else:
            doubted, said = rule.basis in {Basis.UNCONFIRMED, Basis.OWN}, rule.basis.value
        assert (f"**Note:** {said}." in section) is doubted, rule.id


def test_every_group_has_a_title() -> None:
    for prefix in map(group_of, all_rules()):
        assert not title_of(prefix).startswith("Importers")
    assert title_of("VMW").startswith("Importers: vmware, vmware-esxi")
    first, *_ = all_checks()
    prefix = group_of(first)
    assert listed([first]).startswith(f"{prefix}: {title_of(prefix)}\n  {first.id}  ")


def test_a_command_nobody_wrote_is_not_there() -> None:
    shown = CliRunner().invoke(ovf, ["exlpain"])
    assert shown.exit_code == 2
    assert "No such command 'exlpain'." in shown.output


def test_on_a_terminal_lines_are_as_wide_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    [rule] = [rule for rule in all_rules() if rule.id == "DSK-010"]
    narrow = explained(rule, 40)
    assert max(map(len, narrow.splitlines())) <= 40
    assert narrow.split() == explained(rule).split()
    assert "\nWith --fix: not mended, for it needs a\n            decision" in narrow
    assert max(map(len, listed(all_rules(), 60).splitlines())) <= 60
    for columns, width in (("40", 40), ("300", 100)):
        monkeypatch.setenv("COLUMNS", columns)
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        assert width_of_terminal() == width
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    assert width_of_terminal() is None
