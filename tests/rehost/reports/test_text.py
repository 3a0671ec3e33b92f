"""Text: grouped by files, with the line, what is meant in it, and the numbers."""

from __future__ import annotations

from dataclasses import replace

import click
import pytest

from rehost.judgement import Region, Subject
from rehost.report import Location
from rehost.reports.text import render
from tests.rehost.reports.judgements import (
    BYTES,
    EVERYTHING,
    FAILURE,
    INSIDE,
    REGION,
    ZERO,
    judged,
    judgement,
)


def shown(*subjects: Subject) -> str:
    return click.unstyle(render(judgement(*subjects)))


def test_findings_are_grouped_by_file_with_their_line_and_carets() -> None:
    other = replace(ZERO, location=Location("a.ovf", 4), message="ovf:capacity is too")
    found = judged(ZERO, region=REGION) + judged(other, BYTES)
    assert shown(Subject("a.ovf", found)) == (
        "a.ovf\n"
        "  3:23: error: ovf:capacity is zero [DSK-002]\n"
        '      <Disk ovf:diskId="d" ovf:capacity="0"/>\n'
        "                           ^^^^^^^^^^^^^^^^\n"
        "      hint: State the capacity.\n"
        "  4: error: ovf:capacity is too [DSK-002]\n"
        "\n"
        "b c.ova\n"
        "  at 512: info: header is GNU [PKG-011]\n"
        "\n"
        "2 errors, 0 warnings, 1 remark\n"
    )


def test_what_was_accepted_and_what_failed_is_counted() -> None:
    lines = click.unstyle(render(EVERYTHING)).splitlines()
    assert lines[-1] == (
        "2 errors, 1 warning, 1 remark; 1 suppressed in descriptors; 1 suppressed by settings;"
        " 1 in the baseline; 1 of 4 sources could not be judged"
    )
    assert "gone.ova: cannot be read (No such file)" in lines
    assert sum("DSK-002" in line for line in lines) == 2


def test_what_an_importer_says_is_quoted_and_it_is_named() -> None:
    told = replace(ZERO, target="vmware-esxi", quote="Unsupported capacity")
    assert shown(Subject("a.ovf", judged(told))).splitlines()[1:3] == [
        "  3: error: ovf:capacity is zero [DSK-002, vmware-esxi]",
        "      it says: Unsupported capacity",
    ]


def test_nothing_commands_the_terminal() -> None:
    text = click.unstyle(render(EVERYTHING))
    assert text.replace("\n", "").replace("\r", "").isprintable()
    assert "\\u001b[31m" in text
    assert "\\u202eowned" in text


def test_no_name_of_a_file_pretends_to_be_a_line() -> None:
    lying = replace(ZERO, location=Location("a.ovf\n0 errors"), message="x\n1 error")
    assert shown(Subject("a.ovf", judged(lying))) == (
        "a.ovf\\u000a0 errors\n"
        "  error: x\\u000a1 error [DSK-002]\n"
        "      hint: State the capacity.\n"
        "\n"
        "1 error, 0 warnings, 0 remarks\n"
    )


@pytest.mark.parametrize(
    ("before", "meant", "after", "expected"),
    [
        ("", "x" * 10, "y" * 200, ("x" * 10 + "y" * 81 + "…", 0, 10)),
        ("a" * 200, "x" * 10, "", ("…" + "a" * 30 + "x" * 10, 31, 10)),
        ("a" * 200, "x" * 200, "y", ("…" + "a" * 30 + "x" * 60 + "…" + "…", 31, 61)),
        ("名前: ", "値", "", ("名前: 値", 6, 2)),
        ("a\tb\t", "x", "", ("a b x", 4, 1)),
        ("\x1b", "x", "", ("\\u001bx", 6, 1)),
        ("e\u0301", "x", "", ("e\u0301x", 1, 1)),
        ("ab", "", "", ("ab", 2, 1)),
    ],
)
def test_carets_stand_below_what_is_meant(
    before: str, meant: str, after: str, expected: tuple[str, int, int]
) -> None:
    region = Region(3, len(before) + 1, len(meant), before + meant + after)
    _, _, line, carets, *_ = shown(Subject("a.ovf", judged(ZERO, region=region))).splitlines()
    text, start, length = expected
    assert (line, carets) == (f"      {text}", f"      {' ' * start}{'^' * length}")


def test_of_one_source_that_fails_the_error_tells() -> None:
    assert render(judgement(Subject("gone.ova", (), FAILURE))) == ""


def test_a_member_is_told_from_its_archive() -> None:
    assert shown(Subject("b c.ova", judged(INSIDE))).startswith("b c.ova!web.ovf\n  3: warning: ")


def test_importers_that_find_the_same_share_it() -> None:
    first, second = (replace(ZERO, target=name) for name in ("vmware", "virtualbox"))
    other = replace(ZERO, target="virtualbox", location=Location("a.ovf", 2))
    assert shown(Subject("a.ovf", judged(first, second, other))) == (
        "a.ovf\n"
        "  2: error: ovf:capacity is zero [DSK-002, virtualbox]\n"
        "      hint: State the capacity.\n"
        "  3: error: ovf:capacity is zero [DSK-002, vmware, virtualbox]\n"
        "\n"
        "3 errors, 0 warnings, 0 remarks\n"
    )
