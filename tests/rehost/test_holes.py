"""Holes of files: passed over where they are known, and never taken for what they are not."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import pytest

from rehost.files import File, Held, Inflated, Joined, LocalFile, Window
from rehost.holes import Sparing, Veil, data_from

MIB = 1 << 20
STEP = MIB
DATA = {0: 100_000, 5 * MIB + 4096: 3 * MIB, 20 * MIB - 1000: 1000}
SIZE = 20 * MIB


class Counted(LocalFile):
    """A file of this computer that counts what is read of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.read = 0

    def pread(self, offset: int, length: int) -> bytes:
        found = super().pread(offset, length)
        self.read += len(found)
        return found


class Veiled(Veil):
    """What a veil hides is still known to have holes."""

    def __init__(self, inner: File) -> None:
        self.inner = inner
        self.name, self.size = inner.name, inner.size
        self.pread = inner.pread

    def stretches(self, offset: int, length: int) -> None:
        return None


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    path, pick = tmp_path / "sparse", random.Random(4)
    with path.open("wb") as file:
        file.truncate(SIZE)
        for at, length in DATA.items():
            file.seek(at)
            file.write(pick.randbytes(length))
    if path.stat().st_blocks * 512 > SIZE // 2:
        pytest.skip("the file system keeps no holes")
    return path


def steps(file: File) -> bytes:
    sparing = Sparing(file)
    return b"".join(sparing.pread(at, STEP) for at in range(0, SIZE, STEP))


def test_what_is_read_is_what_is_there_and_holes_are_not_read(sparse: Path) -> None:
    file = Counted(sparse)
    assert steps(file) == sparse.read_bytes()
    assert sum(DATA.values()) <= file.read <= 6 * MIB


def test_in_any_order_too(sparse: Path) -> None:
    sparing, content, pick = Sparing(LocalFile(sparse)), sparse.read_bytes(), random.Random(5)
    for _ in range(200):
        at, length = pick.randrange(SIZE + MIB), pick.randrange(STEP)
        assert sparing.pread(at, length) == content[at : at + length]


def test_a_member_behind_a_header_has_its_holes(sparse: Path) -> None:
    file = Counted(sparse)
    window = Window(file, 512, SIZE - 512, "member")
    assert steps(window) == sparse.read_bytes()[512:]
    assert file.read <= 6 * MIB


@pytest.mark.parametrize("kind", ["held", "joined", "gzip"])
def test_what_lies_in_no_one_file_is_read(sparse: Path, kind: str) -> None:
    content = sparse.read_bytes()
    files: dict[str, File] = {
        "held": Held(content, "held"),
        "joined": Joined([Window(LocalFile(sparse), 0, MIB, "a"), Held(content[MIB:], "b")], "ab"),
        "gzip": Inflated(Held(gzip.compress(content, 1), "gz"), "plain"),
    }
    assert steps(files[kind]) == content


def test_a_veil_hides_places_but_no_holes(sparse: Path) -> None:
    file = LocalFile(sparse)
    assert data_from(Veiled(file), 200_000, SIZE) == data_from(file, 200_000, SIZE)
    assert data_from(file, 200_000, SIZE)[0] == 5 * MIB + 4096


def test_what_was_cut_off_meanwhile_is_no_hole(sparse: Path) -> None:
    file = LocalFile(sparse)
    os.truncate(sparse, 10 * MIB)
    assert data_from(file, 11 * MIB, SIZE) == (11 * MIB, SIZE)
    assert Sparing(file).pread(9 * MIB + MIB // 2, STEP) == bytes(MIB // 2)
