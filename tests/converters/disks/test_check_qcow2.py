"""Checking qcow2: qemu-img counts the same corruptions and leaks, whatever was damaged."""

from __future__ import annotations

import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from converters.disks.checking import Checked, Kind
from converters.disks.gate import ClosedGate
from converters.disks.health import check_image
from converters.disks.registry import format_named
from rehost.errors import InteropError
from rehost.files import LocalFile
from rehost.report import Severity
from tests.support.damage import DAMAGES, Opened, contents, verdict
from tests.support.images import KIB, MIB, Variant, create, run

_COUNTS = re.compile(r"reference count is (\d+), it is used (\d+) times")


def checked(path: Path) -> Checked:
    return check_image(LocalFile(path), ClosedGate(), format_named("qcow2"))


def counted(path: Path) -> dict[str, int | None]:
    """Count as qemu-img does, which sees nothing in an overlap that was counted."""
    found = checked(path)
    beyond = 0
    for problem in found.problems:
        counts = _COUNTS.search(problem.message)
        settled = counts is not None and int(counts[1]) >= int(counts[2])
        beyond += settled and problem.kind is Kind.OVERLAP
        beyond += problem.kind is Kind.UNCLOSED and problem.severity is Severity.ERROR
    usage = found.usage
    return {
        "corruptions": found.errors - beyond,
        "leaks": found.found.get("leak", 0),
        "total": usage.total,
        "allocated": usage.allocated,
        "fragmented": usage.fragmented,
        "compressed": usage.compressed,
        "end": usage.end,
    }


def told(path: Path) -> list[str]:
    return [
        f"{problem.severity.name}: {str(problem).removeprefix(f'{path}')}"
        for problem in checked(path).problems
    ]


@pytest.mark.parametrize("seed", range(8))
def test_a_sound_image_of_any_kind_is_sound(tmp_path: Path, seed: int) -> None:
    path = contents(tmp_path / "a.qcow2", Random(seed))
    assert checked(path).found == {}
    assert counted(path) == verdict(path)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_qemu_img_counts_the_same(tmp_path: Path, damage: object, seed: int) -> None:
    pick = Random(seed)
    path = contents(tmp_path / "a.qcow2", pick)
    assert callable(damage)
    image = Opened.of(path)
    damage(pick, image)
    path.write_bytes(image.raw)
    expected = verdict(path)
    try:
        found = counted(path)
    except InteropError:
        assert expected is None
        return
    assert expected is None or found == expected


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = create(tmp_path / "a.qcow2", Variant("plain", "qcow2"), 4 * MIB)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 128k", path)
    return path


def test_a_leak_is_a_warning(plain: Path) -> None:
    image = Opened.of(plain)
    last = len(image.raw) // image.cluster
    struct.pack_into(">H", image.raw, image.blocks[0] + 2 * last, 1)
    plain.write_bytes(image.raw + bytes(image.cluster))
    assert told(plain) == [
        f"WARNING:  at {last * 65536}: a cluster is leaked "
        "(its reference count is 1, it is used 0 times)"
    ]
    found = checked(plain)
    assert (found.errors, found.warnings, found.usage.leaked_bytes) == (0, 1, 64 * KIB)
    assert found.lost == ()


def test_a_count_that_is_too_small_loses_nothing(plain: Path) -> None:
    image = Opened.of(plain)
    data = image.get(image.tables[0]) & 0x00FF_FFFF_FFFF_FE00
    struct.pack_into(">H", image.raw, image.blocks[0] + 2 * (data >> 16), 0)
    plain.write_bytes(image.raw)
    assert told(plain) == [
        f"ERROR:  at {data}: an L2 entry is wrong about its cluster being its own "
        "(entry 0, reference count 0)",
        f"ERROR:  at {data}: a reference count is too small "
        "(its reference count is 0, it is used 1 times)",
    ]
    assert checked(plain).lost == ()


def test_two_places_in_one_cluster_lose_both(plain: Path) -> None:
    image = Opened.of(plain)
    at = image.tables[0]
    image.put(at + 8, image.get(at))
    plain.write_bytes(image.raw)
    data = image.get(at) & 0x00FF_FFFF_FFFF_FE00
    assert told(plain) == [
        f"ERROR:  at {data}: a cluster is used for two places of the disk "
        "(its reference count is 1, it is used 2 times)",
        f"WARNING:  at {data + 65536}: a cluster is leaked "
        "(its reference count is 1, it is used 0 times)",
    ]
    [lost] = checked(plain).lost
    assert (lost.start, lost.length) == (0, 128 * KIB)
    assert lost.why == "something else is stored in the same place"


def test_a_disk_that_lies_in_a_table_is_told_of(plain: Path) -> None:
    image = Opened.of(plain)
    image.put(image.tables[0] + 8, image.blocks[0] | 1 << 63)
    plain.write_bytes(image.raw)
    assert told(plain)[0] == (
        f"ERROR:  at {image.blocks[0]}: a block of reference counts is used 2 times"
    )
    assert told(plain)[1] == (
        f"ERROR:  at {image.blocks[0]}: a cluster holds a table and data of the disk "
        "(its reference count is 1, it is used 2 times)"
    )


def test_bits_that_say_how_it_was_left_are_told(plain: Path) -> None:
    image = Opened.of(plain)
    image.put(72, 3)
    plain.write_bytes(image.raw)
    assert told(plain) == [
        "ERROR: : the image is marked corrupt: QEMU found its tables damaged",
        "WARNING: : the image was not closed: its reference counts may be out of date",
    ]


def test_what_lies_behind_the_end_is_lost(plain: Path) -> None:
    image = Opened.of(plain)
    del image.raw[-65536 - 100 :]
    plain.write_bytes(image.raw)
    table = image.tables[0]
    assert told(plain)[0] == (
        f"ERROR:  at {table + 8}: a cluster lies behind the end of the file (L2 entry 1)"
    )
    [lost] = checked(plain).lost
    assert (lost.start, lost.length, lost.why) == (
        64 * KIB,
        64 * KIB,
        "it lies behind the end of the file",
    )


def test_a_killed_writer_leaves_what_qemu_img_says_it_leaves(tmp_path: Path) -> None:
    path = create(tmp_path / "a.qcow2", Variant("lazy", "qcow2", "lazy_refcounts=on"), 64 * MIB)
    writer = subprocess.Popen(
        ["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 20M", "-c", "sleep 20000", path],
        stdout=subprocess.DEVNULL,
    )
    time.sleep(1.5)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    found = checked(path)
    assert found.found["unclosed"] == 1
    assert counted(path) == verdict(path)


def test_an_image_with_a_million_clusters_is_checked_in_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["converters.disks.formats.qcow2.check"]
    monkeypatch.setattr(module, "WINDOW", 100)
    path = contents(tmp_path / "a.qcow2", Random(5))
    image = Opened.of(path)
    DAMAGES[1](Random(1), image)
    DAMAGES[5](Random(1), image)
    path.write_bytes(image.raw)
    assert counted(path) == verdict(path)


def test_a_header_that_says_the_impossible_is_refused_in_these_words(plain: Path) -> None:
    sound = bytes(Opened.of(plain).raw)
    for at, layout, value, said in (
        (4, ">I", 4, "the qcow2 image has an unknown version (4)"),
        (20, ">I", 30, "the qcow2 cluster size is impossible (2^30 bytes)"),
        (24, ">Q", 1 << 62, f"the qcow2 disk's size is impossible ({1 << 62} bytes)"),
        (36, ">I", 1 << 31, f"the qcow2 L1 table is absurdly large ({1 << 31} entries)"),
        (
            *(40, ">Q", 1 << 40),
            "the qcow2 L1 table lies behind the end of the file "
            f"(at {1 << 40}, the file ends at {len(sound)})",
        ),
        (56, ">I", 1 << 20, f"the qcow2 refcount table is absurdly large ({1 << 20} clusters)"),
        (60, ">I", 1 << 20, f"the qcow2 image has too many snapshots ({1 << 20})"),
        (96, ">I", 7, "the qcow2 reference counts have an impossible width (2^7 bits)"),
    ):
        changed = bytearray(sound)
        struct.pack_into(layout, changed, at, value)
        plain.write_bytes(changed)
        with pytest.raises(InteropError) as caught:
            checked(plain)
        assert str(caught.value) == f"{plain}: {said}"
    plain.write_bytes(sound[:50])
    with pytest.raises(InteropError) as caught:
        checked(plain)
    assert str(caught.value) == (
        f"{plain}: the qcow2 header is cut short (50 bytes, should be 72 at least)"
    )


def test_any_bytes_are_an_error_or_a_verdict(plain: Path) -> None:
    sound = Opened.of(plain)
    pick = Random(3)
    tables = [0, sound.l1, sound.refcount_table, *sound.tables, *sound.blocks]
    for _ in range(200):
        changed = bytearray(sound.raw)
        for _ in range(pick.randrange(1, 6)):
            at = pick.choice(tables) + pick.randrange(128)
            changed[at] = pick.randrange(256)
        plain.write_bytes(changed)
        try:
            found = checked(plain)
        except InteropError:
            continue
        assert sum(problem.count for problem in found.problems) <= sum(found.found.values())


def test_the_place_of_an_l1_table_without_entries_means_nothing(tmp_path: Path) -> None:
    path = create(tmp_path / "empty.qcow2", Variant("empty", "qcow2"), 0)
    content = bytearray(path.read_bytes())
    struct.pack_into(">I", content, 36, 0)
    struct.pack_into(">Q", content, 40, 1 << 63)
    path.write_bytes(content)
    assert told(path) == []
