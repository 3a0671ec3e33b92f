"""Files that are digested while somebody else reads them."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ovf.contents.passing import AHEAD, BLOCK, KEPT, Passing, PassingStorage
from ovf.storage import Folder, plain_name
from rehost.errors import RefusedError, TransferError

SIZE = 40 * BLOCK + 12345


class Counted:
    """A file that remembers what was read of it."""

    name = "counted"

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)
        self.read: list[tuple[int, int]] = []

    def pread(self, offset: int, length: int) -> bytes:
        self.read.append((offset, length))
        return self.content[offset : offset + length]

    def stretches(self, offset: int, length: int) -> None:
        return None


class Watched:
    def __init__(self) -> None:
        self.done = 0

    def start(self, phase: str, total: int) -> None:
        raise AssertionError("a file begins no phase")

    def advance(self, done: int) -> None:
        self.done += done

    def close(self) -> None:
        raise AssertionError("a file ends no phase")


@pytest.fixture(scope="module")
def content() -> bytes:
    return random.Random(7).randbytes(SIZE)


def passing(file: Counted, pool: ThreadPoolExecutor, watched: Watched | None = None) -> Passing:
    return Passing(file, frozenset(("SHA1", "SHA256")), pool, watched or Watched())


def digests(content: bytes) -> dict[str, str]:
    return {
        "SHA1": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        "SHA256": hashlib.sha256(content).hexdigest(),
    }


@pytest.mark.parametrize("seed", range(5))
def test_any_reads_return_what_is_there_and_the_digests_are_the_files(
    seed: int, content: bytes
) -> None:
    pick = random.Random(seed)
    places = [(pick.randrange(SIZE + BLOCK), pick.randrange(3 * BLOCK)) for _ in range(60)]
    file, watched = Counted(content), Watched()
    with ThreadPoolExecutor(1) as hashing, ThreadPoolExecutor(4) as readers:
        found = passing(file, hashing, watched)
        for (offset, length), read in zip(
            places, readers.map(lambda place: found.pread(*place), places), strict=True
        ):
            assert read == content[offset : offset + length]
        assert found.finish() == digests(content)
    assert watched.done == SIZE


def test_who_reads_in_about_the_files_order_reads_each_byte_once(content: bytes) -> None:
    starts = list(range(0, SIZE, 100_000))
    for at in range(0, len(starts) - 4, 4):
        starts[at : at + 4] = reversed(starts[at : at + 4])
    file = Counted(content)
    with ThreadPoolExecutor(1) as hashing:
        found = passing(file, hashing)
        for start in starts:
            assert found.pread(start, 100_000) == content[start : start + 100_000]
        assert found.finish() == digests(content)
    assert file.read == [(at, BLOCK) for at in range(0, SIZE, BLOCK)]


def test_what_lies_far_ahead_or_was_let_go_is_read_by_itself(content: bytes) -> None:
    file = Counted(content)
    with ThreadPoolExecutor(1) as hashing:
        found = passing(file, hashing)
        far = (AHEAD + 1) * BLOCK
        assert found.pread(far, 10) == content[far : far + 10]
        assert file.read == [(far, 10)]
        for start in range(0, (KEPT + 2) * BLOCK, BLOCK):
            found.pread(start, 1)
        file.read.clear()
        assert found.pread(5, 7) == content[5:12]
        assert file.read == [(5, 7)]
        assert found.finish() == digests(content)


def test_an_empty_file_has_digests() -> None:
    with ThreadPoolExecutor(1) as hashing:
        found = passing(Counted(b""), hashing)
        assert found.pread(0, 10) == b""
        assert found.finish() == digests(b"")


def test_a_read_that_fails_fails_for_whoever_reads() -> None:
    class Broken(Counted):
        def pread(self, offset: int, length: int) -> bytes:
            raise TransferError("cannot be read (Input/output error)", where=f"x at {offset}")

    with ThreadPoolExecutor(1) as hashing:
        found = passing(Broken(b"x"), hashing)
        for read in (lambda: found.pread(0, 1), found.finish):
            with pytest.raises(TransferError) as caught:
                read()
            assert str(caught.value) == "x at 0: cannot be read (Input/output error)"


def test_a_file_is_one_under_all_spellings_until_it_is_finished(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12")
    with ThreadPoolExecutor(1) as hashing:
        storage = PassingStorage(Folder(tmp_path), {"a/b": frozenset(("SHA1",))}, hashing)
        first = storage.find("a/b", "x")
        assert isinstance(first, Passing)
        assert storage.find("./a//b", "x") is first
        assert first.finish() == {"SHA1": hashlib.sha1(b"12", usedforsecurity=False).hexdigest()}
        assert storage.find("a/b", "x") is not first
        assert storage.find("a/c", "x") is None
        with pytest.raises(RefusedError):
            storage.find("../b", "x")


@pytest.mark.parametrize("name", ["a/b", "./a/b", "a//b", "a/./b", "a\\b"])
def test_a_name_has_one_plain_spelling(name: str) -> None:
    assert plain_name(name) == "a/b"
