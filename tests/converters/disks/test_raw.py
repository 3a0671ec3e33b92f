"""Raw disks: sparse files, members of a tar, chunks, and block devices."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from converters.disks.formats.raw.reader import RawImage
from converters.disks.gate import ClosedGate
from converters.disks.image import Stored, Zero, read, resolved
from converters.disks.registry import format_for, format_named, format_of, open_image
from rehost.errors import DamagedInputError, UsageError
from rehost.files import Joined, LocalFile, Window
from tests.support.images import GIB, KIB, MIB, TIB, opened, ours, run
from tests.support.loops import loop_device


def holed(path: Path, size: int, places: dict[int, bytes]) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for at, content in places.items():
            file.seek(at)
            file.write(content)
    return path


def stored(image: RawImage, start: int, stop: int) -> list[tuple[int, int]]:
    runs = resolved(image, start, stop)
    return [(run.start, run.stop) for run in runs if isinstance(run.source, Stored)]


def test_holes_are_zeros_and_data_is_stored(tmp_path: Path) -> None:
    path = holed(tmp_path / "a.raw", TIB, {MIB: b"x" * 4096, 5 * GIB: b"y" * 4096})
    image = RawImage(LocalFile(path))
    assert stored(image, 0, TIB) == [(MIB, MIB + 4096), (5 * GIB, 5 * GIB + 4096)]
    assert stored(image, MIB + 100, MIB + 200) == [(MIB + 100, MIB + 200)]
    assert stored(image, MIB + 4096, 5 * GIB) == []


@pytest.mark.parametrize("lead", [0, 512, 1536, 4096, 10_000])
def test_a_member_of_a_tar_is_read_where_it_lies_holes_and_all(tmp_path: Path, lead: int) -> None:
    places = {8 * KIB: b"a" * 5000, 40 * MIB - 777: b"b" * 777}
    plain = holed(tmp_path / "disk.raw", 40 * MIB, places).read_bytes()
    file = holed(
        tmp_path / "outer",
        41 * MIB,
        {lead + at: content for at, content in places.items()} | {41 * MIB - 5: b"after"},
    )
    image = RawImage(Window(LocalFile(file), lead, 40 * MIB, "disk.raw"))
    pick = Random(lead)
    for _ in range(50):
        at, length = pick.randrange(40 * MIB), pick.randrange(MIB)
        assert read(image, at, length) == plain[at : at + length]
    assert ours(image, tmp_path / "out.raw", "raw").read_bytes() == plain
    assert any(isinstance(run.source, Zero) for run in resolved(image, 0, image.size))


def test_a_member_of_a_real_tar_is_read(tmp_path: Path) -> None:
    content = Random(1).randbytes(3 * MIB + 100)
    (tmp_path / "disk.raw").write_bytes(content)
    run("tar", "-C", tmp_path, "-cf", tmp_path / "a.tar", "disk.raw")
    with tarfile.open(tmp_path / "a.tar") as archive:
        member = archive.getmember("disk.raw")
    window = Window(LocalFile(tmp_path / "a.tar"), member.offset_data, member.size, "disk.raw")
    image = open_image(window, ClosedGate())
    assert ours(image, tmp_path / "out.raw", "raw").read_bytes() == content


def test_a_member_that_ends_behind_its_archive_is_damage_not_zeros(tmp_path: Path) -> None:
    path = holed(tmp_path / "cut.ova", 10 * MIB, {0: b"x" * 4096})
    image = RawImage(Window(LocalFile(path), 512, 20 * MIB, "disk.raw"))
    with pytest.raises(DamagedInputError) as caught:
        ours(image, tmp_path / "out.raw", "raw")
    assert str(caught.value) == (
        f"disk.raw at {8 * MIB}: the image is cut short "
        f"({2 * MIB} bytes of the disk should lie here, {2 * MIB - 512} do)"
    )


def test_a_file_that_shrank_since_it_was_opened_is_damage(tmp_path: Path) -> None:
    path = holed(tmp_path / "a.raw", 4 * MIB, {})
    image = RawImage(LocalFile(path))
    os.truncate(path, MIB)
    with pytest.raises(DamagedInputError):
        read(image, 0, 4 * MIB)


def test_chunks_are_one_disk(tmp_path: Path) -> None:
    content = Random(2).randbytes(MIB + 300)
    names = []
    for number, begin in enumerate(range(0, len(content), 300_007)):
        (tmp_path / f"c{number}").write_bytes(content[begin : begin + 300_007])
        names.append(tmp_path / f"c{number}")
    image = RawImage(Joined([LocalFile(name) for name in names], "disk"))
    assert ours(image, tmp_path / "out.raw", "raw").read_bytes() == content
    assert read(image, 300_000, 20) == content[300_000:300_020]


@pytest.fixture
def device(tmp_path: Path) -> Iterator[tuple[Path, bytes]]:
    """Attach a file to a loop device."""
    content = Random(3).randbytes(MIB) + bytes(2 * MIB) + b"end of it".rjust(512, b"\0")
    (tmp_path / "backing").write_bytes(content)
    with loop_device(tmp_path / "backing", "--read-only") as path:
        yield path, content


@pytest.mark.root
def test_a_block_device_is_a_disk(tmp_path: Path, device: tuple[Path, bytes]) -> None:
    path, content = device
    image = opened(path)
    assert image.size == len(content)
    assert read(image, len(content) - 9, 100) == b"end of it"
    result = ours(image, tmp_path / "out.raw", "raw")
    assert result.read_bytes() == content
    assert result.stat().st_blocks * 512 < len(content) - MIB


def test_facts_of_a_raw_disk_are_its_format(tmp_path: Path) -> None:
    facts = opened(holed(tmp_path / "a.raw", 512, {})).facts
    assert (facts.format, facts.variant, facts.details) == ("raw", None, {})


def test_a_format_is_found_by_name_content_and_suffix(tmp_path: Path) -> None:
    assert format_named("qcow2").title == "QEMU qcow2"
    assert format_for(Path("A.QCOW2")).name == "qcow2"
    assert format_of(LocalFile(holed(tmp_path / "a.img", 512, {}))).name == "raw"


def test_an_unknown_format_is_refused_with_those_known() -> None:
    with pytest.raises(UsageError) as caught:
        format_named("floppy")
    assert str(caught.value) == "no disk format is called 'floppy'"
    assert caught.value.hint.startswith("Known formats: ")
    assert caught.value.hint.endswith(", raw.")


def test_a_suffix_of_no_format_is_refused_with_those_known() -> None:
    with pytest.raises(UsageError) as caught:
        format_for(Path("disk.tar"))
    assert str(caught.value) == "disk.tar: the suffix does not say which format to write (.tar)"
    assert caught.value.hint.startswith("Pass --to FORMAT, or use one of ")
    with pytest.raises(UsageError) as caught:
        format_for(Path("disk"))
    assert str(caught.value) == "disk: the suffix does not say which format to write (none)"


def test_a_file_named_after_a_format_is_never_taken_for_raw(tmp_path: Path) -> None:
    path = holed(tmp_path / "a.qcow2", 4096, {0: b"MZ"})
    with pytest.raises(DamagedInputError) as caught:
        opened(path)
    assert str(caught.value) == (
        f"{path}: is no QEMU qcow2, though its name says so (it begins b'MZ\\x00\\x00')"
    )
    assert caught.value.hint == (
        "If it is a raw disk, such as a flat extent, rename it to end in .raw."
    )
