"""Parallels: expanding images read as QEMU reads them, and refused in words where broken."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from converters.disks.registry import format_of
from rehost.files import LocalFile
from tests.support.hdds import made_old
from tests.support.images import KIB, MIB, Variant, as_raw, create, opened, run, scribble
from tests.support.witnesses import (
    assert_composed,
    assert_reads_like,
    assert_reads_like_qemu,
    error_of,
)

VARIANTS = (
    Variant("plain", "parallels"),
    Variant("fine", "parallels", "cluster_size=64k"),
    Variant("sectors", "parallels", "cluster_size=512"),
    Variant("odd", "parallels", "cluster_size=32256"),
)
BLOCK = 64 * KIB
ODD = 7 * MIB + 37 * 512
VERSION_AT, TRACKS_AT, ENTRIES_AT, SECTORS_AT, IN_USE_AT = 16, 28, 32, 36, 44
FLAGS_AT, EXTENSION_AT, TABLE_AT = 52, 56, 64


def made(folder: Path, variant: Variant, size: int, seed: int) -> Path:
    """Make an image with content; QEMU's driver neither zeroes nor discards."""
    path = create(folder / f"{variant.name}.hdd", variant, size)
    scribble(path, "parallels", size, seed)
    return path


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    path = create(tmp_path / "sound.hdd", Variant("fine", "parallels", "cluster_size=64k"), MIB)
    run("qemu-io", "-f", "parallels", "-c", "write -P 7 128k 128k", path)
    return path.read_bytes()


def patched(content: bytes, at: int, layout: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, at, value)
    return bytes(changed)


def entry(content: bytes, number: int) -> int:
    return int(struct.unpack_from("<I", content, TABLE_AT + 4 * number)[0])


def said(content: bytes) -> str:
    return str(error_of(content, "a.hdd", "parallels"))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_any_request_returns_what_lies_there(tmp_path: Path, variant: Variant, seed: int) -> None:
    path = made(tmp_path, variant, ODD, seed)
    assert format_of(LocalFile(path)).name == "parallels"
    assert_reads_like_qemu(path, "parallels")


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_old_images_count_in_sectors(tmp_path: Path, variant: Variant) -> None:
    path = made(tmp_path, variant, ODD, seed=3)
    expected = as_raw(path, "parallels")
    made_old(path)
    assert format_of(LocalFile(path)).name == "parallels"
    assert_reads_like(path, "parallels", expected)
    assert_reads_like_qemu(path, "parallels")


def test_facts_say_what_the_header_says(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.hdd"
    path.write_bytes(patched(sound, EXTENSION_AT, "<Q", 5))
    facts = opened(path).facts
    assert (facts.format, facts.variant) == ("parallels", "expanding")
    assert facts.details == {
        "version": 2,
        "magic": "WithouFreSpacExt",
        "blockSize": BLOCK,
        "extensionAt": 5 * 512,
    }
    assert facts.oddities == ("the format extension, which may hold dirty bitmaps, is not read",)


def test_marks_in_the_header_are_oddities(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.hdd"
    path.write_bytes(patched(sound, IN_USE_AT, "<I", 0x746F6E59))
    assert opened(path).facts.oddities == (
        "the image was not closed: what was written last may be missing",
    )
    path.write_bytes(patched(patched(sound, IN_USE_AT, "<I", 9), FLAGS_AT, "<I", 1))
    assert opened(path).facts.oddities == (
        "the mark of an open image has an unknown value (0x9)",
        "the image is marked empty; its blocks are read all the same",
    )


def test_a_header_is_refused_in_these_words(sound: bytes) -> None:
    assert said(sound[:63]) == ("a.hdd: the Parallels header is cut short (63 bytes, should be 64)")
    assert said(b"WithoutFreeSpice") == ("a.hdd: no Parallels header (found b'WithoutFreeSpice')")
    error = error_of(patched(sound, VERSION_AT, "<I", 3), "a.hdd", "parallels")
    assert str(error) == "a.hdd: the Parallels image has an unknown version (3)"
    assert error.exit_code == 4
    for tracks in (0, 1 << 22, (1 << 32) - 1):
        assert said(patched(sound, TRACKS_AT, "<I", tracks)) == (
            f"a.hdd: the Parallels block size is impossible ({tracks} sectors)"
        )
    assert said(patched(sound, SECTORS_AT, "<Q", 1 << 63)) == (
        f"a.hdd: the Parallels disk's size is impossible ({1 << 63} sectors)"
    )
    assert said(patched(sound, SECTORS_AT, "<Q", 1 << 21)) == (
        "a.hdd: the Parallels block table is too small for the disk (16 entries, should be 16384)"
    )


def test_a_table_of_absurd_size_or_behind_the_end_is_damage(sound: bytes) -> None:
    huge = patched(patched(sound, SECTORS_AT, "<Q", 1 << 34), ENTRIES_AT, "<I", 1 << 31)
    assert said(huge) == (
        f"a.hdd at 64: the Parallels block table is absurdly large ({1 << 27} entries)"
    )
    assert said(sound[:100]) == (
        "a.hdd at 64: the Parallels block table lies behind the end of the file "
        "(64 bytes are needed, the file ends at 100)"
    )


def test_blocks_that_overlap_or_lie_outside_are_damage(sound: bytes) -> None:
    second = entry(sound, 3)
    twice = patched(sound, TABLE_AT, "<I", second)
    assert said(twice) == f"a.hdd at {second * BLOCK}: Parallels blocks overlap"
    assert said(patched(sound, TABLE_AT, "<I", (1 << 32) - 1)) == (
        f"a.hdd at {((1 << 32) - 1) * BLOCK}: a Parallels block lies behind the end of the file "
        f"(which is at {len(sound)})"
    )
    old = bytearray(sound)
    old[:16] = b"WithoutFreeSpace"
    old[64:128] = bytes(64)
    assert said(patched(bytes(old), TABLE_AT + 8, "<I", 300)) == (
        f"a.hdd at {300 * 512}: the image is cut short "
        f"({BLOCK} bytes of the disk should lie here, {len(sound) - 300 * 512} do)"
    )
    small = patched(bytes(old), TRACKS_AT, "<I", 1)
    table = patched(patched(small, ENTRIES_AT, "<I", 2048), TABLE_AT, "<I", 5)
    assert said(table) == "a.hdd at 2560: a Parallels block lies inside the block table"
    near = patched(patched(bytes(old), TABLE_AT, "<I", 200), TABLE_AT + 4, "<I", 327)
    assert said(near) == f"a.hdd at {327 * 512}: Parallels blocks overlap"


def test_a_block_cut_short_is_damage(sound: bytes) -> None:
    last = entry(sound, 2) * BLOCK
    assert said(sound[: last + 2 * BLOCK - 1]) == (
        f"a.hdd at {last}: the image is cut short "
        f"({2 * BLOCK} bytes of the disk should lie here, {2 * BLOCK - 1} do)"
    )


def test_mutations_are_read_or_refused(sound: bytes) -> None:
    assert_composed(sound, "parallels", seed=1, tables=range(128))
