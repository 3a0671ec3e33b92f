"""Rules are picked, and called more or less severe, by ids and what those begin with."""

from __future__ import annotations

import pytest

from rehost.errors import UsageError
from rehost.report import Severity
from rehost.selection import Selection, selection

KNOWN = ("DSK-001", "DSK-002", "DOS-001", "MAN-001")
PAIRS = [("DSK", "info"), ("DSK-001", "warning")]


@pytest.mark.parametrize(
    ("select", "ignore", "taken"),
    [
        ([], [], KNOWN),
        (["DSK"], [], ("DSK-001", "DSK-002")),
        (["dsk-001,MAN"], [], ("DSK-001", "MAN-001")),
        (["D"], ["DSK"], ("DOS-001",)),
        (["DSK-001"], ["DSK"], ("DSK-001",)),
        (["DSK"], ["DSK"], ()),
        ([], ["DSK-001", "MAN, DOS"], ("DSK-002",)),
    ],
)
def test_the_longest_name_that_fits_decides(
    select: list[str], ignore: list[str], taken: tuple[str, ...]
) -> None:
    chosen = selection(select, ignore, [], KNOWN)
    assert tuple(filter(chosen.takes, KNOWN)) == taken


def test_severities_follow_the_longest_name_whatever_the_order() -> None:
    for pairs in (PAIRS, PAIRS[::-1]):
        chosen = selection([], [], pairs, KNOWN)
        assert chosen.severity("DSK-001", Severity.ERROR) is Severity.WARNING
        assert chosen.severity("DSK-002", Severity.ERROR) is Severity.INFO
        assert chosen.severity("MAN-001", Severity.ERROR) is Severity.ERROR


@pytest.mark.parametrize(
    ("select", "severities", "said", "hint"),
    [
        (
            ["DISK"],
            [],
            "no rule has an id that is or begins with 'DISK'",
            "`rehost ovf explain` lists all.",
        ),
        (
            [],
            [("DSK", "fatal")],
            "DSK: is no severity ('fatal')",
            "There are error, warning, info.",
        ),
    ],
)
def test_what_no_rule_fits_is_wrong_usage(
    select: list[str], severities: list[tuple[str, str]], said: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        selection(select, [], severities, KNOWN)
    assert (str(caught.value), caught.value.hint) == (said, hint)


def test_nothing_said_takes_everything_as_it_is() -> None:
    assert Selection().takes("ANY-001")
    assert Selection().severity("ANY-001", Severity.INFO) is Severity.INFO


def test_rules_of_other_runs_are_ignored_but_not_selected() -> None:
    found = selection(["DSK"], ["VBX"], [("VBX-001", "info")], KNOWN, ["VBX-001"])
    assert (found.ignore, found.severities) == (frozenset(["VBX"]), (("VBX-001", Severity.INFO),))
    with pytest.raises(UsageError) as caught:
        selection(["VBX"], [], [], KNOWN, ["VBX-001"])
    assert str(caught.value) == "no rule has an id that is or begins with 'VBX'"
