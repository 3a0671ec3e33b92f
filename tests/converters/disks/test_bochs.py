"""Bochs growing disks: read as QEMU reads them, and refused in words where they are broken."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from converters.disks.registry import format_of
from rehost.files import LocalFile
from tests.support.images import KIB, MIB, RAW, assert_identical, create, opened, run, scribble
from tests.support.redologs import header, redolog
from tests.support.witnesses import (
    assert_composed,
    assert_reads_like,
    assert_reads_like_qemu,
    error_of,
)

EXTENT = 16 * KIB
SIZE = 3 * MIB + 5 * 512
ENTRIES_AT, BITMAP_AT, EXTENT_AT, SIZE_AT, CATALOG_AT = 72, 76, 80, 88, 512


def content(folder: Path, size: int, seed: int) -> Path:
    path = create(folder / "plain.raw", RAW, size)
    scribble(path, "raw", size, seed)
    return path


@pytest.fixture
def sound() -> bytes:
    return redolog(bytes(EXTENT) + b"\7" * 2 * EXTENT + bytes(EXTENT), EXTENT, seed=1)


def patched(content: bytes, at: int, layout: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, at, value)
    return bytes(changed)


def said(content: bytes) -> str:
    return str(error_of(content, "a.bochs", "bochs"))


def test_a_disk_made_by_bximage_is_read(tmp_path: Path) -> None:
    plain = content(tmp_path, 2 * MIB, seed=3)
    path = tmp_path / "a.bochs"
    run("bximage", "-q", "-func=convert", "-imgmode=growing", plain, path)
    assert format_of(LocalFile(path)).name == "bochs"
    assert_identical(plain, "raw", path, "bochs")
    assert_reads_like(path, "bochs", plain)


@pytest.mark.parametrize("extent", [512, EXTENT, MIB, 8 * MIB])
@pytest.mark.parametrize("version", [0x0001_0000, 0x0002_0000])
def test_extents_in_any_order_are_read(tmp_path: Path, extent: int, version: int) -> None:
    plain = content(tmp_path, SIZE, seed=extent)
    path = tmp_path / "a.bochs"
    path.write_bytes(redolog(plain.read_bytes(), extent, seed=4, version=version))
    assert_identical(plain, "raw", path, "bochs")
    assert_reads_like_qemu(path, "bochs")


def test_a_last_extent_may_end_with_its_last_written_sector(tmp_path: Path) -> None:
    plain = b"\1" * 512 + bytes(EXTENT - 512)
    path = tmp_path / "a.bochs"
    path.write_bytes(redolog(plain, EXTENT, seed=1)[: 512 + 4 + 512 + 512])
    assert_reads_like_qemu(path, "bochs")


def test_facts_say_what_the_header_says(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.bochs"
    path.write_bytes(patched(sound, SIZE_AT, "<Q", 4 * EXTENT - 7))
    facts = opened(path).facts
    assert (facts.format, facts.variant) == ("bochs", "growing")
    assert facts.details == {"version": "v2", "extentSize": EXTENT}
    assert facts.oddities == (f"the disk has no whole number of sectors ({4 * EXTENT - 7} bytes)",)


@pytest.mark.parametrize("subtype", ["Undoable", "Volatile", "vvfat"])
def test_changes_to_another_disk_are_refused(subtype: str) -> None:
    changes = header(MIB, EXTENT, 64, subtype=subtype.encode()) + b"\xff" * 256
    error = error_of(changes, "a.bochs", "bochs")
    assert str(error) == (
        f"a.bochs: stores only changes to another disk ({subtype!r}), which it does not name"
    )
    assert error.hint == "Merge them where it was made: bximage -func=commit."
    assert error.exit_code == 4


def test_a_header_is_refused_in_these_words(sound: bytes) -> None:
    assert said(sound[:95]) == (
        "a.bochs: the Bochs header is cut short (95 bytes, should be 96 at least)"
    )
    assert said(b"Botch" + sound[5:]) == "a.bochs: no Bochs header (found b'Botch')"
    assert said(header(MIB, EXTENT, 64, version=0x30000)) == (
        "a.bochs: the Bochs image is of a kind that is not read ('Redolog', version 0x30000)"
    )
    assert said(header(MIB, EXTENT, 64, kind=b"Sparse")) == (
        "a.bochs: the Bochs image is of a kind that is not read ('Sparse', version 0x20000)"
    )
    for extent in (0, 256, 3 * 512, 16 * MIB, (1 << 32) - 1):
        assert said(patched(sound, EXTENT_AT, "<I", extent)) == (
            f"a.bochs: the Bochs extent size is impossible ({extent} bytes)"
        )
    assert said(patched(sound, SIZE_AT, "<Q", 1 << 63)) == (
        f"a.bochs: the Bochs disk's size is impossible ({1 << 63} bytes)"
    )
    assert said(patched(sound, BITMAP_AT, "<I", 3)) == (
        "a.bochs: the Bochs bitmaps are too small for the extents (3 bytes for 32 sectors)"
    )
    assert said(patched(sound, BITMAP_AT, "<I", (1 << 32) - 1)) == (
        "a.bochs: the Bochs bitmaps' size is impossible (4294967295 bytes)"
    )
    assert said(patched(sound, SIZE_AT, "<Q", 1 << 30)) == (
        "a.bochs: the Bochs catalog is too small for the disk (4 extents, should be 65536)"
    )


def test_a_catalog_of_absurd_size_or_behind_the_end_is_damage(sound: bytes) -> None:
    huge = patched(patched(sound, SIZE_AT, "<Q", 1 << 43), ENTRIES_AT, "<I", (1 << 32) - 1)
    assert said(huge) == (
        f"a.bochs at 512: the Bochs catalog is absurdly large ({1 << 29} entries)"
    )
    assert said(sound[:520]) == (
        "a.bochs at 512: the Bochs catalog lies behind the end of the file "
        "(16 bytes are needed, the file ends at 520)"
    )


def test_extents_behind_the_end_or_used_twice_are_damage(sound: bytes) -> None:
    far = 512 + 16 + 99 * (512 + EXTENT)
    assert said(patched(sound, CATALOG_AT, "<I", 99)) == (
        f"a.bochs at {far}: the Bochs bitmap lies behind the end of the file "
        f"(4 bytes are needed, the file ends at {len(sound)})"
    )
    assert said(patched(sound, CATALOG_AT, "<I", 0)) == (
        f"a.bochs: a Bochs extent is used twice (at {512 + 16})"
    )
    last = len(sound) - EXTENT
    assert said(sound[:-1]) == (
        f"a.bochs at {last}: the image is cut short "
        f"({EXTENT} bytes of the disk should lie here, {EXTENT - 1} do)"
    )


def test_mutations_are_read_or_refused(sound: bytes) -> None:
    assert_composed(sound, "bochs", seed=1, tables=range(64, 96))
    assert_composed(sound, "bochs", seed=2, tables=range(512, 600))
