"""What a judgement says of places."""

from __future__ import annotations

from pathlib import Path

import pytest

from rehost.judgement import parted, shortened


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("a/x.ova!web.ovf", ("a/x.ova", "web.ovf")),
        ("a/x.ova!we!b.ovf", ("a/x.ova", "we!b.ovf")),
        ("a/web.ovf", ("a/web.ovf", "")),
        ("b!c/web.ovf", ("b!c/web.ovf", "")),
        ("b!c/x!y.ova!we!b.ovf", ("b!c/x!y.ova", "we!b.ovf")),
    ],
)
def test_a_mark_in_the_name_of_a_file_makes_no_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, expected: tuple[str, str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b!c").mkdir()
    for name in ("web.ovf", "x!y.ova"):
        (tmp_path / "b!c" / name).touch()
    assert parted(place) == expected
    assert shortened(f"{tmp_path}/{place}") == place
