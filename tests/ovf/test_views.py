"""What many rules ask of a package is made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovf.judging.validate import validate
from ovf.manifest import parse_manifest
from ovf.outline import hardware_sections
from ovf.package import Package
from ovf.views import Views
from tests.ovf.builders import pack, signed_off, with_disk


class Counted(Views):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0


def made(counted: Counted) -> int:
    counted.calls += 1
    if counted.calls == 1:
        raise ValueError("not yet")
    return counted.calls


def test_a_view_is_made_once_and_a_failure_is_not_kept() -> None:
    counted = Counted()
    with pytest.raises(ValueError, match="not yet"):
        counted.once(made)
    assert [counted.once(made), counted.once(made)] == [2, 2]


def test_two_packages_do_not_share_views() -> None:
    one, other = Counted(), Counted()
    one.calls, other.calls = 1, 5
    assert (one.once(made), other.once(made)) == (2, 6)


def test_the_hardware_is_read_once_for_all_rules(tmp_path: Path) -> None:
    (tmp_path / "web.ovf").write_text(with_disk())
    envelope = Package.open(tmp_path / "web.ovf").envelope
    assert hardware_sections(envelope) is hardware_sections(envelope)


def test_all_rules_together_read_a_manifest_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = signed_off({"web.ovf": with_disk().encode(), "disk.vmdk": bytes(512)})
    read = []

    def counting(content: bytes, where: str, *, tolerant: bool) -> object:
        read.append(where)
        return parse_manifest(content, where, tolerant=tolerant)

    monkeypatch.setattr("ovf.manifest.parse_manifest", counting)
    validate(Package.open(pack(tmp_path / "x.ova", members)))
    assert read == [f"{tmp_path}/x.ova!web.mf"]
