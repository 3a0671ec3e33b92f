"""Comparing disks byte for byte, beside a comparison of their plain content."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from converters.disks import compare
from converters.disks.cells import Cell, fill
from converters.disks.compare import first_difference
from rehost.errors import DamagedInputError
from tests.support.images import KIB, MIB, opened, ours, run

SIZE = 7 * MIB + 512


def sparse(path: Path, pick: Random, size: int = SIZE) -> bytes:
    """Write a disk with holes, zeros that are stored, and data of all lengths."""
    with path.open("wb") as file:
        file.truncate(size)
        for _ in range(pick.randrange(8)):
            length = pick.choice((1, 512, 4 * KIB, 100 * KIB, 2 * MIB))
            file.seek(pick.randrange(size - length + 1))
            file.write(pick.choice((bytes(length), b"x" * length)))
    return path.read_bytes()


def difference(one: bytes, other: bytes) -> int | None:
    if one == other:
        return None
    both = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(both) if a != b), min(len(one), len(other)))


@pytest.mark.parametrize("seed", range(12))
def test_the_first_difference_is_where_the_contents_differ(tmp_path: Path, seed: int) -> None:
    pick = Random(seed)
    one, other = tmp_path / "one.raw", tmp_path / "other.raw"
    contents = sparse(one, pick), sparse(other, pick, SIZE - pick.choice((0, 0, 512, 3 * MIB)))
    expected = difference(*contents)
    assert first_difference(opened(one), opened(other)) == expected
    packed = ours(opened(other), tmp_path / "other.vmdk", "vmdk")
    assert first_difference(opened(packed), opened(other)) is None
    assert first_difference(opened(packed), opened(one)) == expected


@pytest.mark.parametrize("seed", range(6))
def test_one_changed_byte_is_found_wherever_it_is(tmp_path: Path, seed: int) -> None:
    pick = Random(seed)
    one, other = tmp_path / "one.raw", tmp_path / "other.raw"
    content = bytearray(sparse(one, pick))
    at = pick.randrange(len(content))
    content[at] ^= 0x80
    other.write_bytes(content)
    assert first_difference(opened(one), opened(other)) == at
    assert first_difference(opened(other), opened(one)) == at


def test_stored_zeros_and_holes_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "stored.raw").write_bytes(bytes(SIZE))
    with (tmp_path / "hole.raw").open("wb") as file:
        file.truncate(SIZE)
    stored, hole = opened(tmp_path / "stored.raw"), opened(tmp_path / "hole.raw")
    assert first_difference(stored, hole) is None
    assert first_difference(hole, stored) is None


def test_what_two_disks_share_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "base.raw"
    base.write_bytes(Random(1).randbytes(SIZE))
    tops = [tmp_path / "one.qcow2", tmp_path / "other.qcow2"]
    for number, top in enumerate(tops):
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base.name, "-F", "raw", top)
        run("qemu-io", "-c", f"write -P {number} 5M 64k", top)
    filled = []

    def note(cell: Cell, view: memoryview) -> None:
        filled.append(cell.start)
        fill(cell, view)

    monkeypatch.setattr(compare, "fill", note)
    assert first_difference(opened(tops[0]), opened(tops[1])) == 5 * MIB
    assert set(filled) == {4 * MIB}
    assert first_difference(opened(tops[0]), opened(base)) == 5 * MIB


def test_a_shared_file_that_is_cut_short_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    path.write_bytes(b"x" * SIZE)
    one, other = opened(path), opened(path)
    assert first_difference(one, other) is None
    os.truncate(path, MIB)
    with pytest.raises(DamagedInputError):
        first_difference(one, other)
