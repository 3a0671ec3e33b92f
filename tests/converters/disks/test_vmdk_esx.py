"""The sparse extents of ESX: read as QEMU reads them, and refused in users' words."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

import pytest

from converters.disks.image import PARENT, read
from rehost.errors import InteropError
from tests.support.images import MIB, as_raw, opened
from tests.support.vmdks import SECTOR, Absent, Grains, cowd, descriptor, expected, sesparse

COWD_SECTORS = 4096 * 3 + 77
SE_SECTORS = 8 * 4096 * 2 + 77


def some_grains(
    seed: int, count: int, size: int, *, marks: bool = False
) -> dict[int, bytes | Absent]:
    pick = Random(seed)
    chosen = {*pick.sample(range(count), min(count, 40)), 0, count - 1}
    grains: dict[int, bytes | Absent] = {number: pick.randbytes(size) for number in chosen}
    if marks:
        for number in pick.sample(sorted(chosen), 10):
            grains[number] = pick.choice((Absent.ZERO, Absent.UNMAPPED))
    return grains


def esx_disk(folder: Path, content: bytes, sectors: int, kind: str = "VMFSSPARSE") -> Path:
    (folder / "disk-000001-delta.vmdk").write_bytes(content)
    create_type = "seSparse" if kind == "SESPARSE" else "vmfsSparse"
    path = folder / "disk-000001.vmdk"
    extent = f'RW {sectors} {kind} "disk-000001-delta.vmdk"'
    path.write_text(descriptor(create_type, extent))
    return path


def error_of(path: Path) -> InteropError:
    with pytest.raises(InteropError) as caught:
        read(image := opened(path), 0, image.size)
    return caught.value


@pytest.mark.parametrize("grain", [1, 8, 128])
def test_cowd_extents_are_read_as_qemu_reads_them(tmp_path: Path, grain: int) -> None:
    grains: Grains = some_grains(1, -(-COWD_SECTORS // grain), grain * SECTOR)
    path = esx_disk(tmp_path, cowd(COWD_SECTORS, grain, grains, seed=2), COWD_SECTORS)
    image = opened(path)
    found = read(image, 0, image.size)
    assert found == expected(COWD_SECTORS, grain * SECTOR, grains)
    assert as_raw(path, "vmdk").read_bytes() == found
    assert image.facts.variant == "vmfsSparse"
    assert image.facts.details["extents"] == [
        {
            "access": "RW",
            "size": COWD_SECTORS * SECTOR,
            "kind": "VMFSSPARSE",
            "name": "disk-000001-delta.vmdk",
            "headerVersion": 1,
            "headerFlags": "0x3",
            "capacity": COWD_SECTORS * SECTOR,
            "grainSectors": grain,
            "grainTableEntries": 4096,
            "uncleanShutdown": False,
        }
    ]


def test_sesparse_extents_are_read_as_qemu_reads_them(tmp_path: Path) -> None:
    grains: Grains = some_grains(3, -(-SE_SECTORS // 8), 4096, marks=True)
    path = esx_disk(tmp_path, sesparse(SE_SECTORS, grains, seed=4), SE_SECTORS, "SESPARSE")
    image = opened(path)
    found = read(image, 0, image.size)
    assert found == expected(SE_SECTORS, 4096, grains)
    assert as_raw(path, "vmdk").read_bytes() == found


def test_any_part_of_an_esx_extent_can_be_read(tmp_path: Path) -> None:
    pick = Random(5)
    cases = (
        (COWD_SECTORS, SECTOR, "VMFSSPARSE", some_grains(6, COWD_SECTORS, SECTOR)),
        (SE_SECTORS, 4096, "SESPARSE", some_grains(7, -(-SE_SECTORS // 8), 4096, marks=True)),
    )
    for sectors, grain, kind, grains in cases:
        content = cowd(sectors, 1, grains) if grain == SECTOR else sesparse(sectors, grains)
        image = opened(esx_disk(tmp_path, content, sectors, kind))
        whole = expected(sectors, grain, grains)
        for _ in range(100):
            start, length = pick.randrange(len(whole)), pick.randrange(1, MIB)
            assert read(image, start, length) == whole[start : start + length]


def test_discarded_grains_of_a_snapshot_hide_the_disk_below(tmp_path: Path) -> None:
    (tmp_path / "base-flat.vmdk").write_bytes(b"b" * 16384)
    base = tmp_path / "base.vmdk"
    base.write_text(descriptor("vmfs", 'RW 32 VMFS "base-flat.vmdk"', cid="0000abcd"))
    grains: Grains = {0: b"n" * 4096, 1: Absent.UNMAPPED, 2: Absent.ZERO}
    (tmp_path / "snap-sesparse.vmdk").write_bytes(sesparse(32, grains))
    path = tmp_path / "snap.vmdk"
    path.write_text(
        descriptor("seSparse", 'RW 32 SESPARSE "snap-sesparse.vmdk"', parent="abcd base.vmdk")
    )
    image = opened(path)
    assert read(image, 0, 16384) == b"n" * 4096 + bytes(8192) + b"b" * 4096
    assert as_raw(path, "vmdk").read_bytes() == read(image, 0, 16384)
    assert [run.source is PARENT for run in image.runs(0, 16384)] == [False, False, True]


def cowd_with(at: int, value: int) -> bytes:
    content = bytearray(cowd(COWD_SECTORS, 1, {0: b"a" * 512, 1: b"b" * 512}))
    struct.pack_into("<I", content, at, value)
    return bytes(content)


TABLE = 5 * SECTOR
GRAINS = TABLE + 16384
SIZE = GRAINS + 1024

COWD_WRONG = [
    (4, 2, "the ESX sparse extent has an unknown version (2)", 4),
    (16, 0, "the VMDK's grain size is impossible (0 sectors)", 3),
    (16, 3, "the VMDK's grain size is impossible (3 sectors)", 3),
    (24, 2, "the grain directory is too small for the disk (2 entries, should be 4)", 3),
    (TABLE, 3, "a grain lies in the VMDK's own tables (at 1536, grains begin at 2048)", 3),
    (
        TABLE,
        SIZE,
        f"the VMDK is cut short (a grain lies at {SIZE * 512}, the file ends at {SIZE})",
        3,
    ),
]


@pytest.mark.parametrize(("at", "value", "said", "code"), COWD_WRONG)
def test_a_cowd_extent_is_refused_in_these_words(
    tmp_path: Path, at: int, value: int, said: str, code: int
) -> None:
    error = error_of(esx_disk(tmp_path, cowd_with(at, value), COWD_SECTORS))
    assert error.what == said
    assert (error.where, error.exit_code) == (str(tmp_path / "disk-000001-delta.vmdk"), code)


def test_a_grain_of_a_cowd_extent_is_not_used_twice(tmp_path: Path) -> None:
    content = bytearray(cowd(COWD_SECTORS, 1, {0: b"a" * 512, 1: b"b" * 512}))
    content[TABLE : TABLE + 4] = content[TABLE + 4 : TABLE + 8]
    error = error_of(esx_disk(tmp_path, bytes(content), COWD_SECTORS))
    (place,) = struct.unpack_from("<I", content, TABLE)
    assert error.what == f"two grains overlap (at {place * 512} and {place * 512})"


def test_a_cowd_extent_cut_short_says_how_much_is_there(tmp_path: Path) -> None:
    error = error_of(esx_disk(tmp_path, b"COWD".ljust(100, b"\0"), COWD_SECTORS))
    assert error.what == (
        "the header of the ESX sparse extent is cut short (100 bytes, should be 2048)"
    )


def sesparse_with(*changes: tuple[int, int]) -> bytes:
    content = bytearray(sesparse(SE_SECTORS, {0: b"a" * 4096, 1: b"b" * 4096}))
    for at, value in changes:
        struct.pack_into("<Q", content, at, value)
    return bytes(content)


DIRECTORY, SE_TABLE = 8 * SECTOR, 9 * SECTOR
SE_GRAINS = SE_TABLE + 64 * SECTOR
SE_SIZE = SE_GRAINS + 8192
SE_BEHIND = (SE_SIZE // 4096 + 1) * 4096
FAR = f"the VMDK is cut short (its tables or grains lie at {1 << 71}, the file ends at {SE_SIZE})"
BEHIND = (
    f"the VMDK is cut short (a grain lies at {SE_GRAINS + SE_BEHIND}, the file ends at {SE_SIZE})"
)
UNUSUAL = "the seSparse extent is of a kind that is not known (unusual "
SE_WRONG = [
    (((8, 1),), f"{UNUSUAL}version)", 4),
    (((24, 16), (32, 8)), f"{UNUSUAL}grain size, table size)", 4),
    (((40, 1), (48, 1)), f"{UNUSUAL}flags, reserved fields)", 4),
    (((16, 1 << 60),), f"the VMDK's capacity is impossible ({1 << 60} sectors)", 3),
    (((136, 0),), "the grain directory is too small for the disk (0 entries, should be 3)", 3),
    (((80, 1 << 60),), "the volatile header of the seSparse is missing", 3),
    (
        ((512, 1),),
        "no volatile header of a seSparse (found b'\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00')",
        3,
    ),
    (((536, 1),), "the seSparse extent has a journal that was not replayed", 4),
    (
        ((DIRECTORY, 2 << 60),),
        f"the grain directory has an entry of no known kind ({2 << 60:#x})",
        3,
    ),
    (((SE_TABLE, 5 << 60),), f"a grain table has an entry of no known kind ({5 << 60:#x})", 3),
    (((SE_TABLE, 9),), "a grain table has an entry of no known kind (0x9)", 3),
    (
        ((SE_TABLE, 3 << 60), (SE_TABLE + 8, 3 << 60)),
        f"two grains overlap (at {SE_GRAINS} and {SE_GRAINS})",
        3,
    ),
    (
        ((SE_TABLE, (3 << 60) + 0xFFFF_FFFF_FFFF),),
        BEHIND,
        3,
    ),
    (
        ((144, 1 << 62),),
        FAR,
        3,
    ),
    (
        ((192, 1 << 62),),
        FAR,
        3,
    ),
]


@pytest.mark.parametrize(("changes", "said", "code"), SE_WRONG)
def test_a_sesparse_extent_is_refused_in_these_words(
    tmp_path: Path, changes: tuple[tuple[int, int], ...], said: str, code: int
) -> None:
    error = error_of(esx_disk(tmp_path, sesparse_with(*changes), SE_SECTORS, "SESPARSE"))
    assert error.what == said
    assert error.exit_code == code


def test_a_sesparse_extent_that_is_none_is_refused(tmp_path: Path) -> None:
    error = error_of(esx_disk(tmp_path, bytes(512), SE_SECTORS, "SESPARSE"))
    assert error.what == "is no seSparse extent (found b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00')"
    error = error_of(esx_disk(tmp_path, bytes(12), SE_SECTORS, "SESPARSE"))
    assert error.what == "the seSparse header is cut short (12 bytes, should be 512)"


@pytest.mark.parametrize("kind", ["VMFSSPARSE", "SESPARSE"])
def test_whatever_bytes_change_there_is_a_result_or_an_error(tmp_path: Path, kind: str) -> None:
    pick = Random(8)
    sectors = 4096
    grains = some_grains(9, sectors // 8, 4096)
    sound = cowd(sectors, 8, grains) if kind == "VMFSSPARSE" else sesparse(sectors, grains)
    metadata = len(sound) - 4096 * len(grains)
    for _ in range(300):
        content = bytearray(sound)
        for _ in range(pick.randrange(1, 4)):
            at = pick.choice((pick.randrange(256), pick.randrange(metadata)))
            content[at] = pick.choice((0, 255, pick.randrange(256)))
        if pick.random() < 0.1:
            del content[pick.randrange(len(content)) :]
        path = esx_disk(tmp_path, bytes(content), sectors, kind)
        try:
            image = opened(path)
            assert len(read(image, 0, image.size)) == sectors * SECTOR
        except InteropError as error:
            assert error.exit_code in {3, 4}
