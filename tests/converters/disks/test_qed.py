"""QED: read as QEMU reads it, and refused in words where it is broken."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from converters.disks.image import chain, read
from tests.support.images import KIB, MIB, RAW, Variant, create, make, opened, run, scribble
from tests.support.witnesses import assert_composed, assert_reads_like_qemu, error_of

QED = Variant("plain", "qed")
VARIANTS = (
    QED,
    Variant("fine", "qed", "cluster_size=4k,table_size=2"),
    Variant("coarse", "qed", "cluster_size=1M,table_size=16"),
)
CLUSTER = 64 * KIB
ODD = 7 * MIB + 37 * 512
CLUSTER_AT, TABLE_AT, HEADER_AT, FEATURES, L1_AT, SIZE_AT = 4, 8, 12, 16, 40, 48


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    path = create(tmp_path / "sound.qed", Variant("small", "qed", "table_size=2"), 4 * MIB)
    run("qemu-io", "-f", "qed", "-c", "write -P 7 0 128k", path)
    return path.read_bytes()


def patched(content: bytes, at: int, layout: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, at, value)
    return bytes(changed)


def at_of(content: bytes, pointer: int) -> int:
    return int(struct.unpack_from("<Q", content, pointer)[0])


def said(content: bytes) -> str:
    return str(error_of(content, "a.qed", "qed"))


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_any_request_returns_what_lies_there(tmp_path: Path, variant: Variant, seed: int) -> None:
    assert_reads_like_qemu(make(tmp_path, variant, ODD, seed), "qed")


def test_the_largest_clusters_are_read(tmp_path: Path) -> None:
    path, cluster = tmp_path / "a.qed", 64 * MIB  # qemu-img cannot make these
    header = struct.pack("<4sIII5Q", b"QED\0", cluster, 1, 1, 0, 0, 0, cluster, 200 * MIB)
    with path.open("wb") as file:
        file.write(header.ljust(64, b"\0"))
        for at, content in ((cluster, 2 * cluster), (2 * cluster + 16, 3 * cluster)):
            file.seek(at)
            file.write(content.to_bytes(8, "little"))
        file.seek(3 * cluster + 2 * MIB)
        file.write(b"\3" * 3 * KIB)
        file.truncate(4 * cluster)
    image = opened(path)
    assert read(image, 130 * MIB - 1, 3 * KIB + 2) == b"\0" + b"\3" * 3 * KIB + b"\0"
    assert [run.length // MIB for run in image.runs(0, image.size)] == [128, 64, 8]


@pytest.mark.parametrize("named", ["raw", "qcow2"])
def test_an_overlay_leaves_the_rest_to_its_base(tmp_path: Path, named: str) -> None:
    base = create(tmp_path / f"base.{named}", Variant("base", named), ODD - MIB)
    scribble(base, named, ODD - MIB, seed=8)
    path = tmp_path / "top.qed"
    options = ["-b", base.name, "-F", named]
    run("qemu-img", "create", "-q", "-f", "qed", *options, path, str(ODD))
    scribble(path, "qed", ODD, seed=9)
    assert_reads_like_qemu(path, "qed")
    assert [each.facts.format for each in chain(opened(path))] == ["qed", named]


def test_a_base_that_is_raw_by_the_flag_may_have_any_name(tmp_path: Path) -> None:
    base = create(tmp_path / "base", RAW, MIB)
    base.write_bytes(b"QFI\xfb" + base.read_bytes()[4:])
    path = tmp_path / "top.qed"
    run("qemu-img", "create", "-q", "-f", "qed", "-b", "base", "-F", "raw", path, "1M")
    assert read(opened(path), 0, 5) == b"QFI\xfb\0"


def test_zeroed_clusters_hide_the_base(tmp_path: Path) -> None:
    base = create(tmp_path / "base.raw", RAW, MIB)
    base.write_bytes(b"\5" * MIB)
    path = tmp_path / "top.qed"
    run("qemu-img", "create", "-q", "-f", "qed", "-b", "base.raw", "-F", "raw", path)
    run("qemu-io", "-f", "qed", "-c", "write -z 64k 64k", path)
    assert read(opened(path), CLUSTER - 1, CLUSTER + 2) == b"\5" + bytes(CLUSTER) + b"\5"


def test_facts_say_what_the_header_says(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "a.qed"
    path.write_bytes(patched(sound, FEATURES, "<Q", 2))
    facts = opened(path).facts
    assert (facts.format, facts.variant) == ("qed", None)
    assert facts.details == {
        "clusterSize": CLUSTER,
        "tableClusters": 2,
        "backingFile": None,
        "features": 2,
    }
    assert facts.oddities == (
        "the image was not closed: its tables should be checked (qemu-img check)",
    )


def test_a_header_is_refused_in_these_words(sound: bytes) -> None:
    assert said(sound[:63]) == "a.qed: the QED header is cut short (63 bytes, should be 64)"
    assert said(b"QED\1" + sound[4:]) == "a.qed: no QED header (found b'QED\\x01')"
    for size in (0, 2048, 65535, 128 * MIB):
        assert said(patched(sound, CLUSTER_AT, "<I", size)) == (
            f"a.qed: the QED cluster size is impossible ({size} bytes)"
        )
    for size in (0, 3, 32):
        assert said(patched(sound, TABLE_AT, "<I", size)) == (
            f"a.qed: the size of the QED tables is impossible ({size} clusters)"
        )
    for size in (513, 1 << 60):
        assert said(patched(sound, SIZE_AT, "<Q", size)) == (
            f"a.qed: the QED disk's size is impossible ({size} bytes)"
        )
    assert said(patched(sound, HEADER_AT, "<I", 0)) == (
        "a.qed: the QED L1 table lies at an odd place (at 65536, behind a header of 0 clusters)"
    )
    error = error_of(patched(sound, FEATURES, "<Q", 0x18), "a.qed", "qed")
    assert str(error) == "a.qed: the QED image uses an unknown feature (0x18)"
    assert error.hint == "Convert it where it was made: qemu-img convert -O qcow2."
    assert error.exit_code == 4


def test_tables_at_odd_places_or_behind_the_end_are_damage(sound: bytes) -> None:
    l1 = at_of(sound, L1_AT)
    assert said(patched(sound, L1_AT, "<Q", 1 << 63)) == (
        f"a.qed at {1 << 63}: the QED L1 table lies behind the end of the file "
        f"(8 bytes are needed, the file ends at {len(sound)})"
    )
    for place in (1, 2, 65537, 1 << 63, (1 << 64) - CLUSTER):
        assert said(patched(sound, l1, "<Q", place)) == (
            f"a.qed at {place}: a QED L2 table lies at an odd place"
        )
    assert said(patched(sound, l1, "<Q", 1 << 61)) == (
        f"a.qed at {1 << 61}: the QED L2 table lies behind the end of the file "
        f"(512 bytes are needed, the file ends at {len(sound)})"
    )


def test_one_l2_table_for_two_places_is_damage(sound: bytes) -> None:
    l1 = at_of(sound, L1_AT)
    wide = patched(sound, SIZE_AT, "<Q", 1 << 32)
    twice = patched(wide, l1 + 8, "<Q", at_of(sound, l1))
    assert said(twice) == f"a.qed: a QED L2 table is used twice (at {at_of(sound, l1)})"


def test_one_cluster_for_two_places_is_damage(sound: bytes) -> None:
    at = at_of(sound, at_of(sound, L1_AT))
    first = int(struct.unpack_from("<Q", sound, at)[0])
    twice = patched(sound, at + 80, "<Q", first)
    assert said(twice) == f"a.qed: a QED cluster is used twice (at {first})"


def test_clusters_at_odd_places_or_behind_the_end_are_damage(sound: bytes) -> None:
    l2 = at_of(sound, at_of(sound, L1_AT))
    for place in (2, 65535, (1 << 64) - CLUSTER):
        assert said(patched(sound, l2, "<Q", place)) == (
            f"a.qed at {place}: a QED cluster lies at an odd place"
        )
    assert said(patched(sound, l2, "<Q", 1 << 61)) == (
        f"a.qed at {1 << 61}: a QED cluster lies behind the end of the file "
        f"(which is at {len(sound)})"
    )
    data = at_of(sound, l2)
    assert said(sound[: data + CLUSTER + 100]) == (
        f"a.qed at {l2}: the QED L2 table lies behind the end of the file "
        f"(512 bytes are needed, the file ends at {data + CLUSTER + 100})"
    )
    last = patched(sound, l2, "<Q", len(sound) - CLUSTER)
    assert said(last[:-100]) == (
        f"a.qed at {len(sound) - CLUSTER}: the image is cut short "
        f"({CLUSTER} bytes of the disk should lie here, {CLUSTER - 100} do)"
    )


def test_mutations_are_read_or_refused(sound: bytes) -> None:
    assert_composed(sound, "qed", seed=1, tables=range(64))
    l2 = at_of(sound, at_of(sound, L1_AT))
    assert_composed(sound, "qed", seed=2, tables=range(l2, l2 + 64))
