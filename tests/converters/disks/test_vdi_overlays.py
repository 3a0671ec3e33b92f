"""VDIs that store only the differences to another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.disks.image import chain, read
from rehost.errors import UsageError
from tests.support.images import MIB, TIB, Variant, as_raw, create, opened, scribble
from tests.support.overlays import changed, overlay

SIZE = 9 * MIB + 3 * 512
VDI = Variant("dynamic", "vdi")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = create(tmp_path / "base.vdi", VDI, SIZE)
    scribble(path, "vdi", SIZE, seed=1)
    return path


@pytest.mark.parametrize("size", [SIZE, SIZE + 3 * MIB, 4 * MIB + 512])
def test_a_chain_reads_as_what_was_written(tmp_path: Path, base: Path, size: int) -> None:
    content = changed(as_raw(base, "vdi").read_bytes()[:size], seed=2, size=size, changes=3)
    first = opened(overlay(content, base, tmp_path / "first.vdi", "vdi"))
    assert read(first, 0, size) == content
    assert (first.facts.variant, first.facts.oddities) == ("differencing", ())
    assert 0 < int(str(first.facts.details["blocksAllocated"])) < 7
    again = changed(content, seed=3, changes=1)
    second = opened(overlay(again, tmp_path / "first.vdi", tmp_path / "second.vdi", "vdi"))
    assert [each.facts.variant for each in chain(second)] == [
        *("differencing", "differencing", "dynamic"),
    ]
    assert read(second, 0, size) == again
    known = {each.facts.details["identifier"] for each in chain(second)}
    assert len(known) == 3


def test_nothing_different_is_a_disk_without_blocks(tmp_path: Path, base: Path) -> None:
    content = as_raw(base, "vdi").read_bytes()
    image = opened(overlay(content, base, tmp_path / "same.vdi", "vdi"))
    assert image.facts.details["blocksAllocated"] == 0
    assert read(image, 0, SIZE) == content


def test_the_same_differences_give_the_same_bytes(tmp_path: Path, base: Path) -> None:
    content = changed(as_raw(base, "vdi").read_bytes(), seed=4)
    first = overlay(content, base, tmp_path / "first.vdi", "vdi").read_bytes()
    assert overlay(content, base, tmp_path / "second.vdi", "vdi").read_bytes() == first


def test_a_base_in_another_format_and_a_fixed_disk_are_refused(tmp_path: Path, base: Path) -> None:
    raw = as_raw(base, "vdi").rename(tmp_path / "base.raw")
    with pytest.raises(UsageError) as caught:
        overlay(bytes(SIZE), raw, tmp_path / "a.vdi", "vdi")
    assert str(caught.value) == (
        "a VDI stores differences to a VDI only (the base 'base.raw' is raw)"
    )
    assert caught.value.hint == "Convert the base to VDI first."
    with pytest.raises(UsageError) as caught:
        overlay(bytes(SIZE), base, tmp_path / "a.vdi", "vdi", subformat="fixed")
    assert str(caught.value) == "a fixed VDI cannot store differences only"
    assert caught.value.hint == "Leave out subformat, or the base."


def test_a_base_without_an_identifier_is_refused(tmp_path: Path, base: Path) -> None:
    content = bytearray(base.read_bytes())
    content[392:408] = bytes(16)
    base.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        overlay(bytes(SIZE), base, tmp_path / "a.vdi", "vdi")
    assert str(caught.value) == "the base 'base.vdi' has no identifier to find it by"


def test_a_disk_above_a_large_one_costs_what_differs(tmp_path: Path) -> None:
    base = create(tmp_path / "base.vdi", VDI, TIB)
    content = b"x" * MIB
    path = overlay(content, base, tmp_path / "above.vdi", "vdi")
    assert read(opened(path), 0, MIB + 512) == content
