"""Files: windows, chunks and gzip streams are the bytes they stand for; names lead nowhere else."""

from __future__ import annotations

import gc
import gzip
import os
import subprocess
import threading
import tracemalloc
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rehost import files
from rehost.errors import DamagedInputError, InteropError, RefusedError
from rehost.files import File, Inflated, Joined, LocalFile, Window, read_all
from tests.support.models import Memory

SECONDS = 120
MIB = 1 << 20
SLICES = st.lists(st.tuples(st.integers(0, 70_000), st.integers(0, 70_000)), max_size=12)


def same_everywhere(file: File, content: bytes, slices: list[tuple[int, int]]) -> None:
    for offset, length in [*slices, (0, len(content) + 1), (len(content), 5), (1 << 70, 5)]:
        assert file.pread(offset, length) == content[offset : offset + length]
    assert file.size == len(content)


@given(content=st.binary(max_size=60_000), lead=st.integers(0, 900), slices=SLICES)
def test_a_window_is_its_bytes(content: bytes, lead: int, slices: list[tuple[int, int]]) -> None:
    inner = Memory(b"<" * lead + content + b">" * 50)
    same_everywhere(Window(inner, lead, len(content), "member"), content, slices)


@given(parts=st.lists(st.binary(max_size=9_000), max_size=8), slices=SLICES)
def test_chunks_are_their_bytes_in_order(parts: list[bytes], slices: list[tuple[int, int]]) -> None:
    same_everywhere(Joined([Memory(part) for part in parts], "disk"), b"".join(parts), slices)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    pieces=st.lists(
        st.tuples(st.binary(min_size=1, max_size=30), st.integers(1, 3000)), max_size=4
    ),
    slices=SLICES,
    step=st.sampled_from([64, 1000, MIB]),
    most=st.sampled_from([2, 5, 256]),
)
def test_a_gzip_stream_is_its_bytes_whatever_its_members_and_checkpoints(
    pieces: list[tuple[bytes, int]], slices: list[tuple[int, int]], step: int, most: int
) -> None:
    plain = [part * count for part, count in pieces]
    packed = b"".join(gzip.compress(part) for part in plain) or gzip.compress(b"")
    with (
        patch.object(files, "INFLATE_STEP", step),
        patch.object(files, "FIRST_SPACING", step * 2),
        patch.object(files, "MOST_CHECKPOINTS", most),
    ):
        same_everywhere(Inflated(Memory(packed), "a.gz"), b"".join(plain), slices)


def test_a_stream_made_by_gzip_is_read_at_random_by_many_threads(tmp_path: Path) -> None:
    content = Random(1).randbytes(3 * MIB) + bytes(5 * MIB) + Random(2).randbytes(MIB)
    (tmp_path / "a").write_bytes(content)
    subprocess.run(["gzip", tmp_path / "a"], check=True, timeout=60)
    with (tmp_path / "a.gz").open("ab") as tail:
        tail.write(bytes(512))
    file = Inflated(LocalFile(tmp_path / "a.gz"), "a")
    pick = Random(3)
    places = [(pick.randrange(len(content)), pick.randrange(300_000)) for _ in range(60)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda place: file.pread(*place), places))
    assert found == [content[at : at + length] for at, length in places]
    assert file.size == len(content)


def test_a_gzip_bomb_costs_little_memory() -> None:
    packed = gzip.compress(bytes(300 * MIB))
    tracemalloc.start()
    file = Inflated(Memory(packed), "bomb.gz")
    assert file.size == 300 * MIB
    assert file.pread(299 * MIB, 10) == bytes(10)
    assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    with pytest.raises(RefusedError) as caught:
        read_all(file, MIB)
    tracemalloc.stop()
    assert str(caught.value) == f"bomb.gz: is too large (at most {MIB} bytes are read)"
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("cut", [10, 500, 4000])
def test_a_gzip_stream_cut_short_is_damage(cut: int) -> None:
    packed = gzip.compress(Random(4).randbytes(5000))[:cut]
    with pytest.raises(DamagedInputError) as caught:
        _ = Inflated(Memory(packed), "a.gz").size
    assert str(caught.value) == f"a.gz at {cut}: gzip stream ends early"
    assert caught.value.hint == "The file is cut short; copy it again."


def test_a_gzip_stream_that_was_changed_is_damage() -> None:
    packed = bytearray(gzip.compress(b"x" * 5000))
    packed[-5] ^= 1
    with pytest.raises(DamagedInputError) as caught:
        Inflated(Memory(bytes(packed)), "a.gz").pread(0, 10_000)
    said = "a.gz at 0: gzip stream is damaged (Error -3 while decompressing data: "
    assert str(caught.value) == f"{said}incorrect data check)"


@given(content=st.binary(max_size=400))
def test_any_bytes_as_a_gzip_stream_end_in_a_result_or_a_named_error(content: bytes) -> None:
    with pytest.raises(DamagedInputError):
        Inflated(Memory(b"\x1f\x8b\x08" + content), "a.gz").pread(0, 1 << 20)


def test_a_member_that_ends_in_a_step_of_its_own_is_not_the_last() -> None:
    """Python counts what is left behind a stream twice when the step before was cut by its size."""
    plain = bytes(files.INFLATE_STEP + 1), b"the second member"
    file = Inflated(Memory(b"".join(map(gzip.compress, plain))), "a.gz")
    assert file.pread(0, 2 * files.INFLATE_STEP) == b"".join(plain)


def test_stretches_say_where_bytes_really_lie(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    first, second = LocalFile(tmp_path / "a"), LocalFile(tmp_path / "b")
    joined = Joined([Window(first, 10, 50, "w"), second], "disk")
    assert joined.stretches(40, 30) == [(first.fileno(), 50, 10), (second.fileno(), 0, 20)]
    assert Joined([first, Memory(b"x")], "disk").stretches(99, 2) is None
    assert Inflated(first, "x").stretches(0, 1) is None


def test_a_local_file_gives_what_the_kernel_gives_in_pieces(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    real = os.pread
    with patch("os.pread", lambda fd, length, at: real(fd, min(length, 3), at)):
        assert LocalFile(tmp_path / "a").pread(1, 8) == b"12345678"
        assert LocalFile(tmp_path / "a").pread(5, 800) == b"56789"


def test_an_offset_no_file_has_reads_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    for offset in (10, 11, 2**63 - 1, 2**63, 2**70):
        assert LocalFile(tmp_path / "a").pread(offset, 10) == b""


REFUSED: list[tuple[str, Callable[[Path], object], str, int]] = [
    ("none", lambda path: None, "no such file", 3),
    ("folder", Path.mkdir, "is neither a file nor a block device", 6),
    ("fifo", os.mkfifo, "is neither a file nor a block device", 6),
    ("x" * 300, lambda path: None, "cannot be opened (File name too long)", 5),
    (
        "loop",
        lambda path: path.symlink_to(path),
        "cannot be opened (Too many levels of symbolic links)",
        5,
    ),
]


@pytest.mark.parametrize(
    ("name", "make", "said", "code"), REFUSED, ids=lambda value: str(value)[:9]
)
def test_what_cannot_be_opened_is_refused_in_these_words(
    tmp_path: Path, name: str, make: Callable[[Path], object], said: str, code: int
) -> None:
    path = tmp_path / name
    make(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InteropError) as caught:
            LocalFile(path)
        assert str(caught.value) == f"{path}: {said}"
        assert caught.value.exit_code == code
        gc.collect()


def test_refusing_a_file_closes_its_descriptor_once(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a").write_bytes(b"mine")
    with pytest.raises(RefusedError) as caught:
        LocalFile(tmp_path / "folder")
    mine = os.open(tmp_path / "a", os.O_RDONLY)
    del caught
    gc.collect()
    assert os.pread(mine, 10, 0) == b"mine"
    os.close(mine)


def test_a_character_device_is_refused_without_reading_it() -> None:
    with pytest.raises(RefusedError):
        LocalFile(Path("/dev/zero"))


def test_a_link_is_followed_only_if_that_is_wished(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert LocalFile(tmp_path / "link").size == 1
    with pytest.raises(RefusedError) as caught:
        LocalFile(tmp_path / "link", follow=False)
    assert str(caught.value) == f"{tmp_path / 'link'}: is a symbolic link"


def test_closing_twice_is_harmless_and_dropping_closes(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    file = LocalFile(tmp_path / "a")
    file.close()
    file.close()
    dropped = LocalFile(tmp_path / "a")
    del dropped
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_small_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert read_all(LocalFile(tmp_path / "a"), 100) == b"x" * 100
    with pytest.raises(RefusedError):
        read_all(LocalFile(tmp_path / "a"), 99)


def test_many_threads_read_one_file(tmp_path: Path) -> None:
    content = Random(9).randbytes(MIB)
    (tmp_path / "a").write_bytes(content)
    file, wrong = LocalFile(tmp_path / "a"), []

    def check(seed: int) -> None:
        pick = Random(seed)
        for _ in range(200):
            at, length = pick.randrange(MIB), pick.randrange(5000)
            if file.pread(at, length) != content[at : at + length]:
                wrong.append((at, length))

    threads = [threading.Thread(target=check, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_window_has_no_stretch_behind_its_end(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(b"mine" + b"another's")
    window = Window(LocalFile(path), 0, 4, "member")
    assert window.stretches(0, 4) is not None
    assert window.stretches(0, 5) is None
