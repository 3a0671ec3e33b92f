"""Other people's programs: their output, and their own words when they fail."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rehost import programs
from rehost.errors import EnvironmentFailureError


def error_of(*argv: str, seconds: float = 20) -> str:
    with pytest.raises(EnvironmentFailureError) as caught:
        programs.run(argv, seconds=seconds)
    assert caught.value.exit_code == 5
    return str(caught.value)


def test_a_program_is_found_or_its_package_named() -> None:
    assert Path(programs.find("sh", package="dash")).name == "sh"
    with pytest.raises(EnvironmentFailureError) as caught:
        programs.find("no-such-program", package="nothing")
    assert str(caught.value) == "no-such-program is not installed"
    assert caught.value.hint == "Install it: apt-get install nothing"


def test_output_is_returned_whatever_its_bytes() -> None:
    assert programs.run(["printf", r"a\377b\n"], seconds=20) == "a\N{REPLACEMENT CHARACTER}b\n"


def test_a_failing_program_is_quoted() -> None:
    assert error_of("sh", "-c", "echo first >&2; echo last >&2; exit 3") == "sh failed (last)"
    assert error_of("sh", "-c", "exit 3") == "sh failed (exit code 3)"


def test_a_program_that_cannot_be_run_is_no_traceback(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert error_of(str(missing)) == f"{missing} cannot be run (No such file or directory)"
    missing.write_text("no program")
    assert error_of(str(missing)) == f"{missing} cannot be run (Permission denied)"


def test_a_program_that_does_not_end_is_ended() -> None:
    began = time.monotonic()
    assert error_of("sleep", "60", seconds=0.5) == "sleep did not end within 0.5 s"
    assert time.monotonic() - began < 20
