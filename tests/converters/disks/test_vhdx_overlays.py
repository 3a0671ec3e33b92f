"""VHDXs that store only differences, and those with other sectors, logs and states."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from converters.disks.formats.vhdx.parent import locator_to
from converters.disks.formats.vhdx.writer import VhdxWriter
from converters.disks.image import Parent, chain, read
from converters.disks.output import Output
from converters.disks.registry import Base, Shape
from rehost.errors import UsageError
from tests.support.images import (
    GIB,
    KIB,
    MIB,
    RAW,
    Variant,
    as_raw,
    assert_identical,
    assert_sound,
    create,
    opened,
    ours,
    run,
    scribble,
)
from tests.support.overlays import changed, overlay
from tests.support.vhdxs import as_libvhdi_reads

SIZE = 9 * MIB + 3 * 4096
VHDX = Variant("dynamic", "vhdx", "block_size=1M")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = create(tmp_path / "base.vhdx", VHDX, SIZE)
    scribble(path, "vhdx", SIZE, seed=1)
    return path


# Differences


@pytest.mark.parametrize("block", ["0", "2097152"])
def test_a_chain_reads_as_what_was_written_for_the_witness(
    tmp_path: Path, base: Path, block: str
) -> None:
    content = changed(as_raw(base, "vhdx").read_bytes(), seed=2)
    first = overlay(content, base, tmp_path / "first.vhdx", "vhdx", block_size=block)
    again = changed(content, seed=3, changes=3)
    second = overlay(again, first, tmp_path / "second.vhdx", "vhdx", block_size=block)
    for path, expected, below in ((first, content, [base]), (second, again, [first, base])):
        image = opened(path)
        assert read(image, 0, SIZE) == expected
        assert (image.facts.variant, image.facts.oddities) == ("differencing", ())
        assert image.facts.details["blockSize"] == (int(block) or MIB)
        assert as_libvhdi_reads(path, *below) == expected
    layers = chain(opened(second))
    assert len({each.facts.details["dataWriteGuid"] for each in layers}) == 3
    # The guest finds its disk by this identifier, so that of a chain stays the same.
    assert len({each.facts.details["diskIdentifier"] for each in layers}) == 1


def test_blocks_are_stored_in_part_or_whole(tmp_path: Path, base: Path) -> None:
    content = bytearray(as_raw(base, "vhdx").read_bytes())
    content[2 * MIB : 3 * MIB] = Random(4).randbytes(MIB)
    content[5 * MIB + 4 * KIB : 5 * MIB + 12 * KIB] = b"\xee" * 8 * KIB
    content[-4096:] = Random(5).randbytes(4096)
    path = overlay(bytes(content), base, tmp_path / "a.vhdx", "vhdx")
    own = [each for each in opened(path).runs(0, SIZE) if type(each.source) is not Parent]
    assert own[0].start >= 2 * MIB
    assert [(each.start, each.length) for each in own[-2:]] == [
        (5 * MIB + 4 * KIB, 8 * KIB),
        (SIZE - 4096, 4096),
    ]
    assert read(opened(path), 0, SIZE) == content
    assert opened(path).facts.details["storedBlocks"] == 3


def test_a_disk_of_several_chunks_has_a_bitmap_where_it_is_needed(tmp_path: Path) -> None:
    base = ours(
        opened(create(tmp_path / "plain.raw", RAW, 9 * GIB)),
        tmp_path / "base.vhdx",
        "vhdx",
        block_size=str(256 * MIB),
    )
    content = b"x" * 512 * KIB
    path = overlay(content, base, tmp_path / "a.vhdx", "vhdx")
    image = opened(path)
    assert read(image, 0, len(content)) == content
    assert path.stat().st_blocks * 512 < 4 * MIB


def test_a_chunk_edge_is_crossed(tmp_path: Path) -> None:
    # Blocks of 1 MiB and sectors of 512 bytes: 4096 blocks share a bitmap.
    plain = create(tmp_path / "plain.raw", RAW, 4 * GIB + 8 * MIB)
    below = ours(opened(plain), tmp_path / "b.vhdx", "vhdx", block_size=str(MIB))
    path, edge = tmp_path / "a.vhdx", 4 * GIB
    with Output(path) as output:
        shape = Shape(plain.stat().st_size, {}, base=Base("b.vhdx", "vhdx", opened(below)))
        writer = VhdxWriter(output, shape)
        for start, length in ((0, 4096), (edge - 8192, 16384), (edge + MIB, MIB)):
            for place in writer.place(start, length):
                output.write(b"y" * place.length, place.offset)
        writer.finish()
    image = opened(path)
    assert read(image, edge - 12288, 24576) == bytes(4096) + b"y" * 16384 + bytes(4096)
    assert read(image, edge + MIB - 1, MIB + 2) == b"\0" + b"y" * MIB + b"\0"
    assert read(image, 0, 8192) == b"y" * 4096 + bytes(4096)


@pytest.mark.parametrize("size", [SIZE + 3 * MIB, 4 * MIB + 4096])
def test_a_disk_may_be_larger_or_smaller_than_its_base(
    tmp_path: Path, base: Path, size: int
) -> None:
    content = changed(as_raw(base, "vhdx").read_bytes()[:size], seed=6, size=size)
    assert read(opened(overlay(content, base, tmp_path / "a.vhdx", "vhdx")), 0, size) == content


def test_a_base_with_large_sectors_gives_its_own(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, SIZE)
    scribble(plain, "raw", SIZE, seed=7)
    base = ours(opened(plain), tmp_path / "base.vhdx", "vhdx", logical_sector_size="4096")
    content = changed(plain.read_bytes(), seed=8)
    path = overlay(content, base, tmp_path / "a.vhdx", "vhdx")
    assert opened(path).facts.details["logicalSectorSize"] == 4096
    assert read(opened(path), 0, SIZE) == content == as_libvhdi_reads(path, base)
    with pytest.raises(UsageError) as caught:
        overlay(content, base, tmp_path / "b.vhdx", "vhdx", logical_sector_size="512")
    assert str(caught.value) == "the base has sectors of another size (4096 bytes)"
    assert caught.value.hint == "Leave out logical_sector_size."


def test_the_same_differences_give_the_same_bytes(tmp_path: Path, base: Path) -> None:
    content = changed(as_raw(base, "vhdx").read_bytes(), seed=9)
    first = overlay(content, base, tmp_path / "first.vhdx", "vhdx").read_bytes()
    assert overlay(content, base, tmp_path / "second.vhdx", "vhdx").read_bytes() == first


def test_the_base_is_named_relatively_and_where_it_is_known_absolutely(base: Path) -> None:
    image = opened(base)
    linkage = {"parent_linkage": f"{{{image.facts.details['dataWriteGuid']}}}"}
    names = {
        "base.vhdx": {"relative_path": r".\base.vhdx"},
        "disks/base.vhdx": {"relative_path": r".\disks\base.vhdx"},
        "../base.vhdx": {"relative_path": r"..\base.vhdx"},
        "/srv/base.vhdx": {
            "relative_path": r".\base.vhdx",
            "absolute_win32_path": r"\srv\base.vhdx",
        },
    }
    for name, expected in names.items():
        assert locator_to(Base(name, "vhdx", image)) == {**linkage, **expected}


def test_what_cannot_be_is_refused(tmp_path: Path, base: Path) -> None:
    raw = as_raw(base, "vhdx").rename(tmp_path / "base.raw")
    with pytest.raises(UsageError) as caught:
        overlay(bytes(SIZE), raw, tmp_path / "a.vhdx", "vhdx")
    assert str(caught.value) == (
        "a VHDX stores differences to a VHDX only (the base 'base.raw' is raw)"
    )
    assert caught.value.hint == "Convert the base to VHDX first."
    for name, value in {"subformat": "fixed", "block_state_zero": "on"}.items():
        with pytest.raises(UsageError) as caught:
            overlay(bytes(SIZE), base, tmp_path / "a.vhdx", "vhdx", **{name: value})
        assert str(caught.value) == (
            "a VHDX that stores differences only leaves what it does not store to its base"
        )
        assert caught.value.hint == f"Leave out {name}, or the base."
    with pytest.raises(UsageError) as caught:
        locator_to(Base("x" * 40_000, "vhdx", opened(base)))
    assert str(caught.value) == "the base has too long a name for a VHDX (40000 characters)"


# Options


@pytest.mark.parametrize("size", [0, 512, 9 * MIB + 512, 700 * MIB])
@pytest.mark.parametrize(
    "options",
    [
        {"log_size": str(8 * MIB)},
        {"block_state_zero": "on"},
        {"block_state_zero": "on", "block_size": str(MIB), "log_size": str(32 * MIB)},
    ],
    ids=str,
)
def test_other_layouts_are_identical_for_the_witnesses(
    tmp_path: Path, size: int, options: dict[str, str]
) -> None:
    plain = create(tmp_path / "plain.raw", RAW, size)
    if size:
        run("qemu-io", "-f", "raw", "-c", f"write -P 1 {size // 2 // 512 * 512} 512", plain)
    result = ours(opened(plain), tmp_path / "ours.vhdx", "vhdx", **options)
    assert_sound(result, "vhdx")
    assert_identical(plain, "raw", result, "vhdx")
    assert result.stat().st_size < 200 * MIB
    if size <= 10 * MIB:
        back = ours(opened(result), tmp_path / "back.raw", "raw")
        assert back.read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("size", [4096, 9 * MIB + 512])
@pytest.mark.parametrize("kind", ["dynamic", "fixed"])
def test_sectors_of_4096_bytes_are_written_for_libvhdi(
    tmp_path: Path, size: int, kind: str
) -> None:
    plain = create(tmp_path / "plain.raw", RAW, size)
    scribble(plain, "raw", size, seed=10)
    options = {"logical_sector_size": "4096", "subformat": kind}
    result = ours(opened(plain), tmp_path / "ours.vhdx", "vhdx", **options)
    image, whole = opened(result), plain.read_bytes().ljust(-(-size // 4096) * 4096, b"\0")
    assert (image.size, image.facts.details["logicalSectorSize"]) == (len(whole), 4096)
    assert read(image, 0, len(whole)) == whole == as_libvhdi_reads(result)


def test_blocks_of_nothing_are_called_zero_in_every_part_of_the_table(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.qcow2", Variant("plain", "qcow2"), 150 * GIB)
    run("qemu-io", "-f", "qcow2", "-c", f"write -P 1 {100 * GIB} 512", plain)
    options = {"block_state_zero": "on", "block_size": str(MIB)}
    raw = ours(opened(plain), tmp_path / "ours.vhdx", "vhdx", **options).read_bytes()
    entries = [raw[at] & 7 for at in range(3 * MIB, 3 * MIB + (150 * 1024 + 37) * 8, 8)]
    bitmaps = entries[4096::4097]
    assert (len(bitmaps), set(bitmaps)) == (37, {0})
    assert (entries.count(2), entries.count(6), entries.count(0)) == (150 * 1024 - 1, 1, 37)
