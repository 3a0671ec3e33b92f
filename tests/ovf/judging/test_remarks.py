"""Comments in a descriptor accept findings: which, where, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovf.judging.judge import Judge
from ovf.judging.remarks import MOST_REMARKS, remarks
from ovf.judging.targets import target_named
from ovf.package import Package
from rehost.errors import RefusedError
from rehost.judgement import Acceptance, Kind, State
from rehost.selection import Selection
from tests.ovf.builders import SCSI, descriptor, said

DISK = '<Disk ovf:diskId="{}" ovf:capacity="x"/>'
JUDGE = Judge(Selection(frozenset(["DSK"])), descriptor_only=True)


def write(folder: Path, disks: str, above: str = "") -> Path:
    path = folder / "web.ovf"
    text = descriptor(SCSI, disks=disks)
    path.write_text(text.replace("?>\n", f"?>\n{above}\n", 1))
    return path


def accepted(path: Path) -> list[tuple[int | None, str]]:
    """Return line and reason of what is accepted."""
    subject, error = JUDGE.judge(path)
    assert error is None
    return [
        (judged.line, judged.acceptance.reason) for judged in subject.judged if judged.acceptance
    ]


@pytest.mark.parametrize(
    ("disks", "found"),
    [
        ("\n<!-- rehost: ignore DSK-002 why -->\n{a}\n{b}", [(7, "why")]),
        ("\n{a} <!-- rehost: ignore DSK-002 why -->\n{b}", [(6, "why")]),
        ("\n{a}\n{b} <!-- rehost: ignore DSK -->", [(7, "")]),
        ("\n<!-- rehost: ignore DSK-001, DSK-002: a\nb -->\n\n{a}\n{b}", [(9, "a b")]),
        ("\n<!-- rehost: ignore DSK-001 why -->\n{a}\n{b}", []),
        ("\n<!-- rehost: ignore dsk-002 why -->\n{a}\n{b}", []),
        ("\n<!-- rehost: ignore DSK-002why -->\n{a}\n{b}", []),
        ("\n<!-- rehost ignore DSK-002 why -->\n{a}\n{b}", []),
        ("\n{a}\n{b}\n<!-- rehost: ignore DSK-002 nothing follows -->", []),
    ],
)
def test_a_comment_is_about_the_element_before_it_on_its_line_or_behind_it(
    tmp_path: Path, disks: str, found: list[tuple[int, str]]
) -> None:
    text = disks.format(a=DISK.format("a"), b=DISK.format("b"))
    assert accepted(write(tmp_path, text)) == found


def test_a_comment_is_about_all_in_the_element(tmp_path: Path) -> None:
    path = write(tmp_path, f"\n{DISK.format('a')}\n{DISK.format('b')}")
    text = path.read_text()
    path.write_text(text.replace("<DiskSection>", "<!-- rehost: ignore DSK w -->\n<DiskSection>"))
    assert accepted(path) == [(7, "w"), (8, "w")]


def test_a_comment_above_the_root_is_about_the_whole_package(tmp_path: Path) -> None:
    remark = "<!-- rehost: ignore DSK, REF the whole -->"
    path = write(tmp_path, f"\n{DISK.format('a')}", remark)
    text = path.read_text().replace(
        "<References>", '<References><File ovf:id="f" ovf:href="gone"/>'
    )
    path.write_text(text)
    subject, _ = Judge(Selection(frozenset(["DSK-002", "REF-004"]))).judge(path)
    assert [judged.state for judged in subject.judged] == [State.SUPPRESSED] * 2
    assert {judged.acceptance for judged in subject.judged} == {
        Acceptance(Kind.IN_SOURCE, f"{path}:2", "the whole")
    }


def test_nobody_need_listen(tmp_path: Path) -> None:
    path = write(tmp_path, f"\n<!-- rehost: ignore DSK-002 why -->\n{DISK.format('a')}")
    subject, _ = Judge(Selection(frozenset(["DSK"])), remarks=False).judge(path)
    assert [judged.state for judged in subject.judged] == [State.ACTIVE]


def test_too_many_are_refused(tmp_path: Path) -> None:
    lines = "<!-- rehost: ignore DSK-002 why -->\n" * MOST_REMARKS
    assert len(list(remarks(Package.open(write(tmp_path, f"{lines}<x/>")).written))) == 200
    lines += "<!-- rehost: ignore DSK-002 why -->\n"
    with pytest.raises(RefusedError) as caught:
        list(remarks(Package.open(write(tmp_path, f"{lines}<x/>")).written))
    assert said(caught.value, tmp_path) == (
        "web.ovf:205: has too many comments that ignore rules (at most 200 are read)",
        "Put one before the root element, or ignore rules by settings.",
        6,
    )


def idle(
    path: Path,
    *rules: str,
    descriptor_only: bool = True,
    deep: bool = False,
    remarks: bool = True,
) -> list[tuple[int | None, str]]:
    """Return line and message of what is said of comments; by default all rules are asked."""
    selection = Selection(frozenset(rules))
    judge = Judge(selection, descriptor_only=descriptor_only, deep=deep, remarks=remarks)
    subject, error = judge.judge(path)
    assert error is None
    return [
        (judged.line, judged.finding.message)
        for judged in subject.judged
        if judged.finding.rule == "REM-001"
    ]


def test_a_comment_that_fits_no_finding_is_told_for_each_of_its_rules(tmp_path: Path) -> None:
    path = write(tmp_path, f"\n<!-- rehost: ignore DSK-002, DSK-001, NET -->\n{DISK.format('a')}")
    assert idle(path) == [
        (6, "comment ignores DSK-001, which finds nothing there"),
        (6, "comment ignores NET, which finds nothing there"),
    ]
    assert idle(path, remarks=False) == []


def test_the_first_of_two_comments_accepts_and_the_second_is_no_less_used(tmp_path: Path) -> None:
    remark = "<!-- rehost: ignore DSK-002 -->"
    assert idle(write(tmp_path, f"\n{remark}\n{DISK.format('a')}", remark)) == []


@pytest.mark.parametrize(
    ("rules", "how"),
    [
        (("REM", "DSK-001"), {}),
        (("DSK",), {}),
        (("REM", "DSK"), {"descriptor_only": False}),
    ],
    ids=["not all of its rules are asked", "nobody asks", "disks are not read whole"],
)
def test_what_was_not_asked_for_everything_is_not_said_to_find_nothing(
    tmp_path: Path, rules: tuple[str, ...], how: dict[str, bool]
) -> None:
    path = write(tmp_path, f"\n<!-- rehost: ignore DSK-001, DSK -->\n{DISK.format('a')}")
    path.write_text(path.read_text().replace('"x"', '"1"'))
    told = [message for _, message in idle(path, *rules, **how)]
    assert "comment ignores DSK, which finds nothing there" not in told
    every = idle(path, "REM", "DSK", descriptor_only=False, deep=True)
    assert (6, "comment ignores DSK, which finds nothing there") in every


def test_an_importer_is_not_asked_about_the_comments_for_others(tmp_path: Path) -> None:
    path = write(tmp_path, f"\n<!-- rehost: ignore DSK-002, VBX-016 -->\n{DISK.format('a')}")
    judge = Judge(Selection(), descriptor_only=True, targets=(target_named("virtualbox"),))
    subject, _ = judge.judge(path)
    assert [each for each in subject.judged if each.finding.rule == "REM-001"] == []
    assert idle(path) == []
