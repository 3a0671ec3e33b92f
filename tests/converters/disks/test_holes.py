"""What a file's holes are: the same however, and in whatever order, they are asked for."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from converters.disks.holes import Holes
from converters.disks.image import Run, Stored
from rehost.files import File, LocalFile
from tests.support.models import Memory

PAGE = 4096
SHIFT = 1 << 30


def sparse(path: Path) -> bytes:
    """Write a file with holes of all sizes, one at its end."""
    pick = Random(1)
    content = bytearray(400 * PAGE)
    with path.open("wb") as file:
        file.truncate(len(content))
        for page in sorted(pick.sample(range(380), 90)):
            content[page * PAGE : (page + 1) * PAGE] = pick.randbytes(PAGE)
            file.seek(page * PAGE)
            file.write(content[page * PAGE : (page + 1) * PAGE])
    return bytes(content)


def content_of(runs: list[Run], file: LocalFile) -> bytes:
    at, found = runs[0].start, b""
    for run in runs:
        assert run.start == at
        at = run.stop
        stored = isinstance(run.source, Stored)
        found += file.pread(run.source.offset, run.length) if stored else bytes(run.length)  # type: ignore[union-attr]
    return found


def test_any_order_of_questions_gives_the_content(tmp_path: Path) -> None:
    expected = sparse(tmp_path / "a")
    file, pick = LocalFile(tmp_path / "a"), Random(2)
    holes = Holes(file)
    for _ in range(500):
        at = pick.randrange(len(expected) - 1)
        length = pick.randrange(1, min(60 * PAGE, len(expected) - at) + 1)
        runs = list(holes.runs(at + SHIFT, at, length))
        assert runs[0].start == at + SHIFT
        assert content_of(runs, file) == expected[at : at + length]


def test_holes_cost_nothing_and_a_file_without_any_is_asked_once(tmp_path: Path) -> None:
    (tmp_path / "hole").touch()
    os.truncate(tmp_path / "hole", 1 << 40)
    [only] = Holes(LocalFile(tmp_path / "hole")).runs(0, 5, 1 << 39)
    assert not isinstance(only.source, Stored)
    (tmp_path / "full").write_bytes(b"x" * 100 * PAGE)
    file = LocalFile(tmp_path / "full")
    holes = Holes(file)
    holes.runs(0, PAGE, 1)
    file.close()
    assert holes.runs(7, 2 * PAGE, 3) == (Run(7, 3, Stored(file, 2 * PAGE)),)


def test_what_lies_behind_the_end_or_nowhere_is_data(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"x" * 10)
    files: list[File] = [LocalFile(tmp_path / "short"), Memory(b"x" * 10)]
    for file in files:
        holes = Holes(file)
        for _ in range(2):
            assert list(holes.runs(0, 4, 100)) == [Run(0, 100, Stored(file, 4))]


def test_many_threads_may_ask_at_once(tmp_path: Path) -> None:
    expected = sparse(tmp_path / "a")
    file = LocalFile(tmp_path / "a")
    holes = Holes(file)

    def asked(seed: int) -> bool:
        pick = Random(seed)
        places = [pick.randrange(len(expected) - PAGE) for _ in range(2000)]
        return all(
            content_of(list(holes.runs(at, at, PAGE)), file) == expected[at : at + PAGE]
            for at in places
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(asked, range(8)))
