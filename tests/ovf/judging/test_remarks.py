"""Comments in a descriptor accept findings: which, where, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovf.judging.judge import Judge
from ovf.judging.remarks import MOST_REMARKS, remarks
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
