"""Settings and baselines accept findings; what makes no sense is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rehost.acceptance import Baseline, baseline_text, suppressions
from rehost.errors import InteropError, UsageError
from rehost.judgement import Acceptance, Judged, Kind, fingerprints
from rehost.report import Finding, Location, Severity

SOUND = {"rules": ["dsk-004", "MAN"], "path": "out/*.ova", "reason": "known"}


def finding(rule: str, file: str, message: str = "is wrong", line: int = 3) -> Finding:
    return Finding(rule, Severity.ERROR, message, Location(file, line))


@pytest.mark.parametrize(
    ("rule", "file", "covered"),
    [
        ("DSK-004", "out/x.ova!web.ovf", True),
        ("DSK-004", "./out/x.ova", True),
        ("MAN-001", "out/x.ova", True),
        ("DSK-001", "out/x.ova", False),
        ("DSK-004", "x.ova", False),
        ("DSK-004", "out/x.ovf", False),
    ],
)
def test_a_suppression_covers_its_rules_in_its_files(
    rule: str, file: str, *, covered: bool
) -> None:
    [found] = suppressions([SOUND])
    assert found.covers(finding(rule, file)) is covered
    assert found.acceptance == Acceptance(Kind.SETTINGS, "settings", "known")


def test_without_a_path_it_covers_all_files_and_a_member_can_be_meant() -> None:
    [everywhere, member] = suppressions(
        [{"rules": ["DSK"], "reason": "r"}, {"rules": ["DSK"], "reason": "r", "path": "*!web.ovf"}]
    )
    assert everywhere.covers(finding("DSK-001", "a/b.ovf"))
    assert member.covers(finding("DSK-001", "a.ova!web.ovf"))
    assert not member.covers(finding("DSK-001", "a.ova!db.ovf"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("DSK", "is no list of tables"),
        (["DSK"], "is no table ('DSK')"),
        ([{**SOUND, "rule": "DSK"}], "has a key that is not known ('rule')"),
        ([{**SOUND, "rules": "DSK"}], "rules is no list of ids ('DSK')"),
        ([{**SOUND, "rules": []}], "rules is no list of ids ([])"),
        ([{**SOUND, "rules": [4]}], "rules is no list of ids ([4])"),
        ([{"rules": ["DSK", "MAN"]}], "has no reason (DSK, MAN)"),
        ([{**SOUND, "reason": " "}], "has no reason (dsk-004, MAN)"),
        ([{**SOUND, "path": 4}], "path is no text (4)"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: object, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        suppressions(settings)
    assert str(caught.value) == f"[[validate.suppress]]: {said}"


def test_a_baseline_knows_what_was_written_into_it(tmp_path: Path) -> None:
    known = finding("DSK-001", "x.ova!web.ovf")
    [fingerprint] = fingerprints([known])
    path = tmp_path / "base.json"
    path.write_text(baseline_text([Judged(known, fingerprint)]))
    assert json.loads(path.read_text()) == {
        "schema_version": 1,
        "findings": [
            {
                "fingerprint": fingerprint,
                "rule": "DSK-001",
                "file": "x.ova!web.ovf",
                "message": "is wrong",
            }
        ],
    }
    baseline = Baseline.read(path)
    assert baseline.accept(fingerprint) == Acceptance(Kind.BASELINE, str(path), "found before")
    assert baseline.accept("0" * 64) is None
    assert (baseline.idle([fingerprint]), baseline.idle(["0" * 64])) == (0, 1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"findings": 5}',
        b'{"findings": [5]}',
        b'{"findings": [{}]}',
        b'{"findings": [{"fingerprint": 5}]}',
        b'{"findings": [{"fingerprint": []}]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "base.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        Baseline.read(path)
    assert str(caught.value) == f"{path}: is no baseline"
    assert caught.value.hint == "Write one with --write-baseline."


def test_a_baseline_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InteropError):
        Baseline.read(tmp_path / "base.json")


def test_fingerprints_survive_moved_lines_and_tell_equal_findings_apart() -> None:
    before = [
        finding("DSK-001", "a.ovf", "is given in line 7 already", 9),
        finding("DSK-001", "a.ovf", "is given in line 8 already", 10),
    ]
    after = [
        finding("DSK-001", "./a.ovf", "is given in line 17 already", 19),
        finding("DSK-001", str(Path.cwd() / "a.ovf"), "is given in line 18 already", 20),
    ]
    assert list(fingerprints(before)) == list(fingerprints(after))
    others = [
        finding("DSK-002", "a.ovf", "is given in line 7 already"),
        finding("DSK-001", "b.ovf", "is given in line 7 already"),
        finding("DSK-001", "a.ovf", "is given in line seven already"),
    ]
    assert len({*fingerprints(before), *fingerprints(others)}) == 5
