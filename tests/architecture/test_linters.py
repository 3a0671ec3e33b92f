"""The linters' opinion of the whole tree is a test like any other."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.source import EVERYTHING, ROOT

SECONDS = 600
LINTERS = {
    "ruff check": ["ruff", "check", "--quiet", *EVERYTHING],
    "ruff format": ["ruff", "format", "--check", "--quiet", *EVERYTHING],
    "mypy": ["mypy"],
}


@pytest.mark.parametrize("name", LINTERS)
def test_a_linter_has_nothing_to_say(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *LINTERS[name]],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
