"""VHD: written so that QEMU, libvhdi and 7-Zip find the same disk in it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from converters.disks.formats.vhd.footer import geometry
from converters.disks.image import Zero, read
from rehost.errors import UsageError
from tests.support.images import (
    GIB,
    KIB,
    MIB,
    RAW,
    Variant,
    as_raw,
    assert_identical,
    create,
    opened,
    ours,
    run,
    virtual_size,
)
from tests.support.vhds import BLOCK, ODD, SIZES, VARIANTS, scribbled

SECONDS = 240
LIMIT = 2040 * GIB

each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=str)
each_kind = pytest.mark.parametrize("kind", ["dynamic", "fixed"])


def media_size(path: Path) -> int:
    """Return the size of the disk as libvhdi sees it."""
    said = run("vhdiinfo", path).stdout
    return int(said.split("Media size")[1].split("(")[1].split(" bytes")[0])


@each_variant
@each_kind
def test_what_is_written_is_identical_for_the_witnesses(
    tmp_path: Path, variant: Variant, kind: str
) -> None:
    path = scribbled(tmp_path / "a.vhd", variant, ODD, seed=10)
    image = opened(path)
    result = ours(image, tmp_path / "ours.vhd", "vhd", subformat=kind)
    assert_identical(path, "vpc", result, "vpc")
    assert media_size(result) == image.size
    run("7zz", "x", "-tvhd", f"-o{tmp_path / 'out'}", result)
    (unpacked,) = (tmp_path / "out").iterdir()
    assert unpacked.read_bytes() == as_raw(path, "vpc").read_bytes()
    again = opened(result)
    assert (again.facts.variant, again.facts.oddities) == (kind, ())


@each_kind
@pytest.mark.parametrize("size", [*SIZES, 4 * BLOCK + 512])
def test_sizes_around_a_block_are_written(tmp_path: Path, kind: str, size: int) -> None:
    plain = create(tmp_path / "plain.raw", RAW, size)
    run("qemu-io", "-f", "raw", "-c", f"write -P 1 {size - 512} 512", plain)
    result = ours(opened(plain), tmp_path / "ours.vhd", "vhd", subformat=kind)
    assert_identical(plain, "raw", result, "vpc")
    assert media_size(result) == size
    back = ours(opened(result), tmp_path / "back.raw", "raw")
    assert back.read_bytes() == plain.read_bytes()


def test_a_disk_of_no_bytes_is_written(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 0)
    result = ours(opened(plain), tmp_path / "ours.vhd", "vhd")
    assert_identical(plain, "raw", result, "vpc")
    # QEMU takes the fixed one, which is nothing but a footer, for a dynamic one without a header.
    assert opened(ours(opened(plain), tmp_path / "fixed.vhd", "vhd", subformat="fixed")).size == 0


@pytest.mark.parametrize("size", [1, 511, 513, 4097, BLOCK + 100])
def test_sizes_of_no_whole_sector_are_rounded_up(tmp_path: Path, size: int) -> None:
    plain = tmp_path / "odd.raw"
    content = Random(size).randbytes(size)
    plain.write_bytes(content)
    result = ours(opened(plain), tmp_path / "ours.vhd", "vhd")
    assert as_raw(result, "vpc").read_bytes() == content.ljust(-(-size // 512) * 512, b"\0")


@each_kind
def test_the_largest_disk_is_written_and_a_larger_one_refused(tmp_path: Path, kind: str) -> None:
    plain = create(tmp_path / "large.raw", RAW, LIMIT)
    places = [0, GIB - 512, 1024 * GIB + 4096, LIMIT - 1024]
    for number, place in enumerate(places, 1):
        run("qemu-io", "-f", "raw", "-c", f"write -P {number} {place} 1024", plain)
    result = ours(opened(plain), tmp_path / "ours.vhd", "vhd", subformat=kind)
    assert virtual_size(result, "vpc") == LIMIT
    assert result.stat().st_blocks * 512 < 6 * MIB
    for number, place in enumerate(places, 1):
        run("qemu-io", "-f", "vpc", "-c", f"read -P {number} {place} 1024", result)
    with plain.open("r+b") as file:
        file.truncate(LIMIT + 1)
    with pytest.raises(UsageError) as caught:
        ours(opened(plain), tmp_path / "more.vhd", "vhd", subformat=kind)
    assert str(caught.value) == f"a VHD holds at most 2040 GiB (the disk has {LIMIT + 1} bytes)"
    assert caught.value.hint == "Choose a format without this limit, such as qcow2."


@each_kind
def test_the_same_content_gives_the_same_bytes_whatever_it_came_in(
    tmp_path: Path, kind: str
) -> None:
    path = scribbled(tmp_path / "a.vhd", VARIANTS[1], ODD, seed=11)
    plain, other = opened(as_raw(path, "vpc"), format_name="raw"), tmp_path / "b.raw"
    first = ours(opened(path), tmp_path / "1.vhd", "vhd", subformat=kind)
    second = ours(plain, tmp_path / "2.vhd", "vhd", subformat=kind)
    assert first.read_bytes() == second.read_bytes()
    other.write_bytes(b"x" + read(plain, 1, plain.size))
    third = opened(ours(opened(other), tmp_path / "3.vhd", "vhd", subformat=kind))
    known, unlike = (each.facts.details["identifier"] for each in (opened(first), third))
    assert known != unlike


def test_a_file_written_stays_sparse(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 64 * MIB)
    for at in range(0, 64 * MIB, 8 * MIB):
        run("qemu-io", "-f", "raw", "-c", f"write -P 1 {at} 4k", plain)
    result = ours(opened(plain), tmp_path / "ours.vhd", "vhd")
    assert result.stat().st_blocks * 512 <= 256 * KIB
    stored = [each for each in opened(result).runs(0, 64 * MIB) if type(each.source) is not Zero]
    assert sum(each.length for each in stored) <= 128 * KIB


def test_the_geometry_is_that_of_the_specification() -> None:
    assert geometry(0) == (0, 4, 17)
    assert geometry(MIB) == (30, 4, 17)
    assert geometry(100 * MIB) == (1003, 12, 17)
    assert geometry(200 * MIB) == (825, 16, 31)
    assert geometry(520 * MIB) == (1056, 16, 63)
    assert geometry(127 * GIB) == (65278, 16, 255)
    assert geometry(LIMIT) == (65535, 16, 255)
