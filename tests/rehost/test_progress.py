"""Progress: lines for people and for programs, and a bar that goes away."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from rehost.console import progress
from rehost.console.progress import MODES, Bar, Lines, progress_for
from rehost.progress import SILENT


class Clock:
    """A clock that is wound by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.splitlines()


def documents(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(capsys)]


def test_json_lines_tell_the_beginning_the_way_and_the_end(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    shown = Lines(as_json=True)
    shown.start("copy", 100)
    shown.advance(10)
    clock.now += 0.5
    shown.advance(20)
    clock.now += 0.25
    shown.advance(70)
    shown.close()
    shown.close()
    assert documents(capsys) == [
        {"phase": "copy", "done": 0, "total": 100, "elapsed": 0.0},
        {"phase": "copy", "done": 30, "total": 100, "elapsed": 0.5},
        {"phase": "copy", "done": 100, "total": 100, "elapsed": 0.75},
    ]


def test_a_new_phase_ends_the_one_before(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    shown = Lines(as_json=True)
    shown.start("read", 5)
    clock.now += 1
    shown.start("write", 0)
    shown.close()
    assert [(line["phase"], line["elapsed"]) for line in documents(capsys)] == [
        ("read", 0.0),
        ("read", 1.0),
        ("write", 0.0),
        ("write", 0.0),
    ]


def test_plain_lines_come_every_five_seconds_with_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    shown = Lines(as_json=False)
    shown.start("copy", 4_000_000_000)
    clock.now += 4.9
    shown.advance(500_000_000)
    assert lines(capsys) == []
    clock.now += 0.1
    shown.advance(500_000_000)
    assert lines(capsys) == ["copy: 25 %, 200 MB/s, 15 s left"]
    clock.now += 1
    shown.advance(3_000_000_000)
    shown.close()
    assert lines(capsys) == ["copy: 100 %, 667 MB/s, 0 s left"]


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (4096, "copy: 0 %, 0 MB/s"),
        (10_000_000_000, "copy: 1 %, 2000 MB/s, 8 min 15 s left"),
        (1_000_000_000, "copy: 0 %, 200 MB/s"),
    ],
)
def test_the_time_left_is_said_when_there_is_something_to_go_by(
    capsys: pytest.CaptureFixture[str], clock: Clock, done: int, said: str
) -> None:
    shown = Lines(as_json=False)
    shown.start("copy", 1_000_000_000_000)
    clock.now += 5
    shown.advance(done)
    assert lines(capsys) == [said]


def test_hours_are_left_of_terabytes(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    shown = Lines(as_json=False)
    shown.start("copy", 4_000_000_000_000)
    clock.now += 300
    shown.advance(40_000_000_000)
    assert lines(capsys) == ["copy: 1 %, 133 MB/s, 8 h 15 min left"]


def test_short_work_is_not_worth_a_plain_line(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    shown = Lines(as_json=False)
    shown.start("copy", 10)
    clock.now += 1
    shown.advance(10)
    shown.close()
    assert lines(capsys) == []


def test_a_phase_of_nothing_is_done(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    shown = Lines(as_json=False)
    shown.start("copy", 0)
    clock.now += 6
    shown.advance(0)
    assert lines(capsys) == ["copy: 100 %, 0 MB/s"]


def test_work_that_stands_still_has_no_time_left_to_tell(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    shown = Lines(as_json=False)
    shown.start("copy", 10)
    clock.now += 6
    shown.advance(0)
    assert lines(capsys) == ["copy: 0 %, 0 MB/s"]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_can_be_used_and_put_away_twice(
    capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    shown = progress_for(mode)
    shown.start("copy", 10)
    shown.advance(10)
    shown.start("sync", 0)
    shown.close()
    shown.close()
    assert capsys.readouterr().out == ""


def test_auto_is_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert progress_for("none") is SILENT
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert isinstance(progress_for("auto"), Bar)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert isinstance(progress_for("auto"), Lines)


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    SILENT.start("copy", 10)
    SILENT.advance(10)
    SILENT.close()
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
