"""Checking VMDK: images of qemu-img's and ours, one structure of each damaged."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

import pytest

from converters.disks.checking import Checked, Lost
from converters.disks.gate import FolderGate
from converters.disks.health import check_image
from converters.disks.registry import format_named
from rehost.errors import InteropError
from rehost.files import LocalFile
from tests.support.images import (
    KIB,
    MIB,
    VMDKS,
    Variant,
    as_raw,
    assert_identical,
    create,
    make,
    opened,
    ours,
    run,
)
from tests.support.packages import raw_disk, rehost

GRAIN = 64 * KIB
Raw = bytes | bytearray
SPARSE = Variant("monolithicSparse", "vmdk", "subformat=monolithicSparse")


def checked(path: Path, *, deep: bool = False) -> Checked:
    gate = FolderGate(path.parent)
    return check_image(LocalFile(path), gate, format_named("vmdk"), deep=deep)


def told(path: Path) -> list[str]:
    return [
        f"{problem.severity.name}: {str(problem).removeprefix(f'{path}')}"
        for problem in checked(path).problems
    ]


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    path = create(tmp_path / "a.vmdk", SPARSE, 64 * MIB)
    run("qemu-io", "-f", "vmdk", "-c", "write -P 9 1M 64k", "-c", "write -P 7 0 128k", path)
    return path


def tables(raw: Raw) -> tuple[int, int]:
    """Return where the first grain table and its redundant copy lie."""
    redundant, directory = struct.unpack_from("<QQ", raw, 48)
    first, second = (struct.unpack_from("<I", raw, at * 512)[0] for at in (directory, redundant))
    return first * 512, second * 512


def both(raw: bytearray, number: int, sector: int) -> None:
    """Change an entry in the first table and in its copy."""
    for at in tables(raw):
        struct.pack_into("<I", raw, at + 4 * number, sector)


def entry(raw: Raw, number: int) -> int:
    return int(struct.unpack_from("<I", raw, tables(raw)[0] + 4 * number)[0])


@pytest.mark.parametrize("variant", VMDKS, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_sound_image_is_sound(tmp_path: Path, variant: Variant, seed: int) -> None:
    path = make(tmp_path, variant, 24 * MIB + 512, seed)
    found = checked(path, deep=True)
    # QEMU pads its streams behind their end, which a consumer that digests them stumbles over.
    padded = variant.name == "streamOptimized"
    assert (len(found.problems), found.errors, found.lost) == (int(padded), 0, ())


def test_grains_are_counted(sparse: Path) -> None:
    usage = checked(sparse).usage
    assert (usage.unit, usage.total, usage.allocated, usage.fragmented) == (GRAIN, 1024, 3, 1)


def test_a_grain_behind_the_end_is_lost(sparse: Path) -> None:
    raw = bytearray(sparse.read_bytes())
    both(raw, 0, 1 << 30)
    sparse.write_bytes(raw)
    assert told(sparse)[0] == (
        f"ERROR:  at {1 << 39}: a grain lies behind the end of the file (block 0)"
    )
    assert checked(sparse).lost == (Lost(0, GRAIN, "it lies behind the end of the file"),)
    copy = tmp_copy(sparse)
    assert rehost("disk", "check", sparse, "--repair", copy).code == 6
    assert rehost("disk", "check", sparse, "--repair", copy, "--accept-loss").code == 0
    expected = bytearray(64 * MIB)
    expected[GRAIN : 2 * GRAIN] = b"\x07" * GRAIN
    expected[MIB : MIB + GRAIN] = b"\x09" * GRAIN
    assert as_raw(copy, "vmdk").read_bytes() == expected


def tmp_copy(path: Path) -> Path:
    return path.with_name("copy.vmdk")


def test_a_grain_in_the_tables_is_lost(sparse: Path) -> None:
    raw = bytearray(sparse.read_bytes())
    both(raw, 0, 21)
    sparse.write_bytes(raw)
    assert told(sparse)[0] == f"ERROR:  at {21 * 512}: 65536 bytes are used twice"
    why = "something else is stored in the same place"
    assert checked(sparse).lost == (Lost(0, GRAIN, why), Lost(MIB, GRAIN, why))


def test_one_grain_for_two_places_loses_both(sparse: Path) -> None:
    raw = bytearray(sparse.read_bytes())
    both(raw, 0, entry(raw, 1))
    sparse.write_bytes(raw)
    at = entry(raw, 1) * 512
    assert told(sparse)[0] == f"ERROR:  at {at}: 65536 bytes are used twice"
    assert checked(sparse).lost == (
        Lost(0, 2 * GRAIN, "something else is stored in the same place"),
    )


def test_a_grain_that_nothing_names_is_unreachable(sparse: Path) -> None:
    raw = bytearray(sparse.read_bytes())
    at = entry(raw, 0) * 512
    both(raw, 0, 0)
    sparse.write_bytes(raw)
    assert told(sparse) == [f"WARNING:  at {at}: 65536 bytes are used by nothing"]
    copy = tmp_copy(sparse)
    assert rehost("disk", "check", sparse, "--repair", copy).code == 0
    assert_identical(sparse, "vmdk", copy, "vmdk")
    assert checked(copy).problems == ()


def test_a_redundant_table_that_differs_is_told_of(sparse: Path) -> None:
    raw = bytearray(sparse.read_bytes())
    _, second = tables(raw)
    struct.pack_into("<I", raw, second + 40, 999)
    sparse.write_bytes(raw)
    assert told(sparse) == [
        f"ERROR:  at {second}: a grain table and its redundant copy are not the same (table 0)"
    ]
    assert checked(sparse).lost == ()


def test_a_damaged_table_is_replaced_by_its_copy(tmp_path: Path, sparse: Path) -> None:
    expected = as_raw(sparse, "vmdk")
    raw = bytearray(sparse.read_bytes())
    first, second = tables(raw)
    struct.pack_into("<I", raw, first, 1 << 30)
    sparse.write_bytes(raw)
    assert told(sparse) == [
        f"ERROR:  at {second}: a grain table and its redundant copy are not the same (table 0)"
    ]
    copy = tmp_path / "copy.vmdk"
    assert rehost("disk", "check", sparse, "--repair", copy).code == 0
    assert_identical(expected, "raw", copy, "vmdk")


def test_an_image_that_was_not_closed_is_told_of(sparse: Path) -> None:
    raw = bytearray(sparse.read_bytes())
    raw[72] = 1
    sparse.write_bytes(raw)
    assert told(sparse) == ["WARNING: : it was not closed cleanly by what wrote to it last"]


def test_a_descriptor_that_contradicts_the_header_is_told_of(sparse: Path) -> None:
    raw = sparse.read_bytes().replace(b"RW 131072 SPARSE", b"RW 131070 SPARSE")
    sparse.write_bytes(raw)
    assert told(sparse) == [
        f"ERROR:  at 0: the descriptor says {131070 * 512} bytes, the header {64 * MIB}"
    ]


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    return ours(opened(raw_disk(tmp_path / "disk.raw")), tmp_path / "a.vmdk", "vmdk")


def grains(raw: Raw) -> list[int]:
    """Return where the grains of a stream lie, in their order."""
    found, at = [], struct.unpack_from("<Q", raw, 64)[0] * 512
    while at + 512 <= len(raw):
        _, size, kind = struct.unpack_from("<QII", raw, at)
        if not size:
            if kind == 0:
                break
            at += 512 + struct.unpack_from("<Q", raw, at)[0] * 512
            continue
        found.append(at)
        at += -(-(12 + size) // 512) * 512
    return found


def test_a_marker_that_names_another_place_loses_its_grain(packed: Path) -> None:
    raw = bytearray(packed.read_bytes())
    at = grains(raw)[0]
    sector = struct.unpack_from("<Q", raw, at)[0]
    struct.pack_into("<Q", raw, at, sector + 128)
    packed.write_bytes(raw)
    assert told(packed)[0] == (
        f"ERROR:  at {at}: the marker of a grain names another place "
        f"(sector {sector + 128}, should be {sector})"
    )
    assert checked(packed).lost == (Lost(sector * 512, GRAIN, "its marker names another place"),)
    copy = tmp_copy(packed)
    assert rehost("disk", "check", packed, "--repair", copy, "--accept-loss").code == 0
    assert checked(copy, deep=True).problems == ()


def test_bytes_behind_the_end_of_a_stream_are_told_of(packed: Path) -> None:
    packed.write_bytes(packed.read_bytes() + b"x" * 100)
    assert told(packed) == ["WARNING: : 100 bytes lie behind the end-of-stream marker"]


def test_a_stream_without_its_end_is_told_of(packed: Path) -> None:
    packed.write_bytes(packed.read_bytes()[:-512])
    assert told(packed) == ["WARNING: : the stream has no end-of-stream marker"]
    copy = tmp_copy(packed)
    assert rehost("disk", "check", packed, "--repair", copy).code == 0
    assert_identical(packed.with_name("disk.raw"), "raw", copy, "vmdk")
    assert told(copy) == []


def test_a_stream_whose_last_grain_is_cut_short_is_damage(packed: Path) -> None:
    content = packed.read_bytes()
    last = grains(content)[-1]
    sector, size = struct.unpack_from("<QI", content, last)
    for length in (last + 5, last + 100, last + 12 + size - 1):
        packed.write_bytes(content[:length])
        assert told(packed) == [
            "WARNING: : the stream has no end-of-stream marker",
            f"ERROR:  at {last}: a grain lies behind the end of the file (block {sector // 128})",
        ]
    packed.write_bytes(content[: last + 12 + size])
    assert told(packed) == ["WARNING: : the stream has no end-of-stream marker"]


def test_a_deep_check_finds_a_grain_that_does_not_inflate(packed: Path) -> None:
    raw = bytearray(packed.read_bytes())
    at = grains(raw)[1]
    raw[at + 60] ^= 0xFF
    packed.write_bytes(raw)
    assert checked(packed).problems == ()
    found = checked(packed, deep=True)
    assert [problem.kind for problem in found.problems] == ["checksum"]
    assert found.lost[0].length == GRAIN


def test_a_split_disk_says_which_file_is_wrong(tmp_path: Path) -> None:
    variant = Variant("split", "vmdk", "subformat=twoGbMaxExtentSparse")
    path = create(tmp_path / "a.vmdk", variant, 3 << 30)
    run("qemu-io", "-f", "vmdk", "-c", "write -P 9 2147483648 64k", path)
    second = tmp_path / "a-s002.vmdk"
    raw = bytearray(second.read_bytes())
    both(raw, 0, 1 << 30)
    second.write_bytes(raw)
    found = checked(path)
    assert str(found.problems[0]) == (
        f"{second} at {1 << 39}: a grain lies behind the end of the file (block 0)"
    )
    assert found.lost == (Lost(2 << 30, GRAIN, "it lies behind the end of the file"),)
    copy = tmp_copy(path)
    assert rehost("disk", "check", path, "--repair", copy, "--accept-loss").code == 0


@pytest.mark.parametrize("variant", [SPARSE, VMDKS[-1]], ids=str)
def test_any_bytes_are_an_error_or_a_verdict(tmp_path: Path, variant: Variant) -> None:
    path = make(tmp_path, variant, 8 * MIB, 3)
    sound, pick = path.read_bytes(), Random(11)
    places = [0, 0, 512, *(at for at in tables(sound) if at < len(sound)), len(sound) - 1536]
    for _ in range(60):
        changed = bytearray(sound)
        for _ in range(pick.randrange(1, 6)):
            at = pick.choice(places) + pick.randrange(200)
            changed[at % len(changed)] = pick.randrange(256)
        path.write_bytes(changed)
        try:
            found = checked(path)
        except InteropError:
            continue
        assert sum(problem.count for problem in found.problems) <= sum(found.found.values())


@pytest.mark.parametrize("overhead", [1 << 20, (1 << 64) - 1])
def test_an_end_of_the_tables_behind_the_end_of_the_file_is_told_of(
    sparse: Path, overhead: int
) -> None:
    raw = bytearray(sparse.read_bytes())
    struct.pack_into("<Q", raw, 64, overhead)
    sparse.write_bytes(raw)
    said = f"its tables are said to end behind the end of the file (at {overhead * 512})"
    assert f"WARNING: : {said}" in told(sparse)
