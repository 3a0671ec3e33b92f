"""Folders: what declares itself is found, in the order of the names."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehost.discovery import declared, declared_by, names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    place = tmp_path / "found_by_tests"
    (place / "beta").mkdir(parents=True)
    (place / "__init__.py").touch()
    (place / "gamma.py").write_text("THING = 3\n")
    (place / "alpha.py").write_text("THING = 1\n")
    (place / "beta" / "__init__.py").write_text("THING = 2\n")
    (place / "notes.txt").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return place.name


def test_every_module_and_package_is_asked_by_name(folder: str) -> None:
    assert declared(folder, "THING") == (1, 2, 3)


def test_a_module_that_declares_nothing_is_a_bug(folder: str) -> None:
    with pytest.raises(AttributeError, match="OTHER"):
        declared(folder, "OTHER")


def test_names_are_known_and_one_is_asked_without_importing_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "named_by_tests"
    place.mkdir()
    (place / "__init__.py").touch()
    (place / "alpha.py").write_text("THING = 1\n")
    (place / "broken.py").write_text("this is no Python")
    monkeypatch.syspath_prepend(tmp_path)
    assert names(place.name) == ("alpha", "broken")
    assert declared_by(place.name, "alpha", "THING") == 1
