"""qcow, version 1: read as QEMU reads it, and refused in words where it is broken."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from converters.disks.gate import ClosedGate
from converters.disks.image import Packed, chain, read
from converters.disks.registry import format_of, open_image
from rehost.files import LocalFile
from tests.support.images import (
    KIB,
    MIB,
    RAW,
    Variant,
    assert_identical,
    create,
    make,
    opened,
    run,
    scribble,
)
from tests.support.models import Memory
from tests.support.witnesses import assert_composed, assert_reads_like_qemu, error_of

QCOW = Variant("old", "qcow")
CLUSTER = 4 * KIB
ODD = 7 * MIB + 37 * 512
SIZE_AT, CLUSTER_BITS, TABLE_BITS, METHOD, L1_AT = 24, 32, 33, 36, 40


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    path = create(tmp_path / "sound.qcow", QCOW, 4 * MIB)
    run("qemu-io", "-f", "qcow", "-c", "write -P 7 0 20k", path)
    return path.read_bytes()


def patched(content: bytes, at: int, layout: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, at, value)
    return bytes(changed)


def l1_at(content: bytes) -> int:
    return int(struct.unpack_from(">Q", content, L1_AT)[0])


def l2_at(content: bytes) -> int:
    return int(struct.unpack_from(">Q", content, l1_at(content))[0])


def said(content: bytes) -> str:
    return str(error_of(content, "a.qcow", "qcow"))


@pytest.mark.parametrize("seed", range(4))
def test_any_request_returns_what_lies_there(tmp_path: Path, seed: int) -> None:
    assert_reads_like_qemu(make(tmp_path, QCOW, ODD, seed), "qcow")


def test_deflated_clusters_are_read(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 7 * MIB)
    scribble(plain, "raw", 7 * MIB, seed=5)
    path = tmp_path / "packed.qcow"
    # It writes the whole image and then exits with 1, saying nothing.
    run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow", plain, path, check=False)
    assert_identical(plain, "raw", path, "qcow")
    assert_reads_like_qemu(path, "qcow")
    kinds = {type(found.source) for found in opened(path).runs(0, 7 * MIB)}
    assert Packed in kinds


def test_an_overlay_has_512_byte_clusters_and_leaves_the_rest_to_its_base(tmp_path: Path) -> None:
    base = create(tmp_path / "base.raw", RAW, ODD - MIB)
    scribble(base, "raw", ODD - MIB, seed=8)
    path = tmp_path / "top.qcow"
    options = ["-b", "base.raw", "-F", "raw"]
    run("qemu-img", "create", "-q", "-f", "qcow", *options, path, str(ODD))
    scribble(path, "qcow", ODD, seed=9)
    assert_reads_like_qemu(path, "qcow")
    assert len(chain(opened(path))) == 2
    assert opened(path).facts.details["clusterSize"] == 512


def test_the_format_is_told_from_qcow2_by_its_version(tmp_path: Path, sound: bytes) -> None:
    (tmp_path / "a").write_bytes(sound)
    new = create(tmp_path / "b", Variant("new", "qcow2"), MIB)
    assert [format_of(LocalFile(tmp_path / name)).name for name in ("a", new.name)] == [
        "qcow",
        "qcow2",
    ]


def test_facts_say_what_the_header_says(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.qcow"
    path.write_bytes(patched(sound, SIZE_AT, ">Q", 4 * MIB - 3))
    facts = opened(path).facts
    assert (facts.format, facts.variant) == ("qcow", "v1")
    assert facts.details == {
        "version": 1,
        "clusterSize": CLUSTER,
        "tableEntries": 512,
        "backingFile": None,
    }
    assert facts.oddities == (f"the disk has no whole number of sectors ({4 * MIB - 3} bytes)",)


def test_a_header_is_refused_in_these_words(sound: bytes) -> None:
    assert said(sound[:47]) == "a.qcow: the qcow header is cut short (47 bytes, should be 48)"
    assert said(b"QFI\0" + sound) == "a.qcow: no qcow header (found b'QFI\\x00QFI\\xfb')"
    for bits in (8, 17, 255):
        assert said(patched(sound, CLUSTER_BITS, "B", bits)) == (
            f"a.qcow: the qcow cluster size is impossible (2^{bits} bytes)"
        )
    for bits in (5, 14):
        assert said(patched(sound, TABLE_BITS, "B", bits)) == (
            f"a.qcow: the size of the qcow L2 tables is impossible (2^{bits} entries)"
        )
    assert said(patched(sound, SIZE_AT, ">Q", 1 << 63)) == (
        f"a.qcow: the qcow disk's size is impossible ({1 << 63} bytes)"
    )
    error = error_of(patched(sound, METHOD, ">I", 1), "a.qcow", "qcow")
    assert str(error) == "a.qcow: the qcow image is encrypted (method 1)"
    assert error.hint == "Decrypt it first: qemu-img convert with --object secret."
    assert error.exit_code == 4


def test_tables_of_absurd_size_or_behind_the_end_are_damage(sound: bytes) -> None:
    end = len(sound)
    assert said(patched(sound, SIZE_AT, ">Q", 1 << 60)) == (
        f"a.qcow at 48: the qcow L1 table is absurdly large ({1 << 39} entries)"
    )
    assert said(patched(sound, L1_AT, ">Q", (1 << 64) - 8)) == (
        f"a.qcow at {(1 << 64) - 8}: the qcow L1 table lies behind the end of the file "
        f"(16 bytes are needed, the file ends at {end})"
    )
    for place in (1 << 63, (1 << 64) - 512, 1 << 40):
        assert said(patched(sound, l1_at(sound), ">Q", place)) == (
            f"a.qcow at {place}: a qcow L2 table lies behind the end of the file "
            f"(which is at {end})"
        )
    assert said(patched(sound, l1_at(sound), ">Q", end - 8)) == (
        f"a.qcow at {end - 8}: the qcow L2 table lies behind the end of the file "
        f"(4096 bytes are needed, the file ends at {end})"
    )


def test_one_l2_table_for_two_places_is_damage(sound: bytes) -> None:
    at = l1_at(sound)
    twice = patched(sound, at + 8, ">Q", l2_at(sound))
    assert said(twice) == f"a.qcow: a qcow L2 table is used twice (at {l2_at(sound)})"


def test_one_cluster_for_two_places_is_damage(sound: bytes) -> None:
    at = l2_at(sound)
    first = int(struct.unpack_from(">Q", sound, at)[0])
    twice = patched(sound, at + 80, ">Q", first)
    assert said(twice) == f"a.qcow: a qcow cluster is used twice (at {first})"


def test_clusters_at_odd_places_or_behind_the_end_are_damage(sound: bytes) -> None:
    at = l2_at(sound)
    assert said(patched(sound, at, ">Q", 5)) == "a.qcow at 5: a qcow cluster lies at an odd place"
    assert said(patched(sound, at, ">Q", 1 << 62)) == (
        f"a.qcow at {1 << 62}: a qcow cluster lies behind the end of the file "
        f"(which is at {len(sound)})"
    )
    last = len(sound) - 5 * CLUSTER
    assert said(sound[:-100]) == (
        f"a.qcow at {last}: the image is cut short "
        f"({5 * CLUSTER} bytes of the disk should lie here, {5 * CLUSTER - 100} do)"
    )


def test_a_deflated_cluster_that_is_none_or_too_large_is_damage(sound: bytes) -> None:
    packed = (1 << 63) | (100 << 51) | 48
    assert said(patched(sound, l2_at(sound), ">Q", packed)) == (
        f"a.qcow at 48: a compressed block is damaged "
        f"(it does not unpack to {CLUSTER} bytes or fewer)"
    )


def test_a_backing_name_too_long_or_behind_the_end_is_damage(sound: bytes) -> None:
    named = patched(sound, 8, ">Q", 48)
    assert said(patched(named, 16, ">I", 1024)) == (
        "a.qcow: the qcow backing file's name is too long (1024 bytes, at most 1023)"
    )
    behind = patched(patched(sound, 8, ">Q", (1 << 64) - 1), 16, ">I", 9)
    assert said(behind) == (
        f"a.qcow: the qcow backing file's name lies behind the end of the file (at {(1 << 64) - 1})"
    )


def test_an_empty_disk_is_a_header_alone(sound: bytes) -> None:
    memory = Memory(patched(sound, SIZE_AT, ">Q", 0)[:48], "empty.qcow")
    assert read(open_image(memory, ClosedGate()), 0, 10) == b""


def test_mutations_are_read_or_refused(sound: bytes) -> None:
    assert_composed(sound, "qcow", seed=1)
    at = l2_at(sound)
    assert_composed(sound, "qcow", seed=2, tables=range(at, at + 64))
