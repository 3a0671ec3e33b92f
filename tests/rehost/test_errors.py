"""The exceptions: one tree, an exit code a leaf, and how they read."""

from __future__ import annotations

import pytest

from rehost import errors
from rehost.errors import DamagedInputError, InteropError

CODES = {
    errors.UsageError: 2,
    errors.DamagedInputError: 3,
    errors.UnsupportedInputError: 4,
    errors.EnvironmentFailureError: 5,
    errors.RefusedError: 6,
    errors.TransferError: 7,
}


def test_every_leaf_has_an_exit_code_of_its_own() -> None:
    assert {kind: kind.exit_code for kind in InteropError.__subclasses__()} == CODES


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_an_error_says_where_then_what(kind: type[InteropError]) -> None:
    assert str(kind("is broken (found 3)", where="a.vhd at 5")) == "a.vhd at 5: is broken (found 3)"
    assert str(kind("is broken (found 3)")) == "is broken (found 3)"


def test_an_error_keeps_its_parts() -> None:
    error = DamagedInputError("is broken", where="a.vhd", hint="Copy it again.")
    assert (error.what, error.where, error.hint) == ("is broken", "a.vhd", "Copy it again.")
    assert error.args == ("is broken",)
