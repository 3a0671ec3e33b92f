"""``rehost disk check``: what is said, what is repaired, and what is refused."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from random import Random

import numpy as np
import pytest

from converters.disks.checking import Findings, Ground, Kind, Lost, Patch
from converters.disks.image import ZERO, Packed, Run, Stored, read
from converters.disks.mending import Blanked, Mended, patiently
from rehost.errors import DamagedInputError
from rehost.report import Severity
from tests.support.damage import DAMAGES, Opened, contents
from tests.support.images import (
    KIB,
    MIB,
    Variant,
    as_raw,
    assert_identical,
    assert_sound,
    converted,
    create,
    run,
)
from tests.support.models import MODEL, Memory
from tests.support.packages import raw_disk, rehost, stream

PLAIN = Variant("plain", "qcow2")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = create(tmp_path / "a.qcow2", PLAIN, 4 * MIB)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 128k", path)
    return path


def leaking(path: Path) -> Path:
    """Count a cluster at the end that nothing uses."""
    found = Opened.of(path)
    number = len(found.raw) // found.cluster
    found.raw[found.blocks[0] + 2 * number + 1] = 1
    path.write_bytes(found.raw + bytes(found.cluster))
    return path


def overlapping(path: Path) -> Path:
    """Map the second cluster of the disk to the first one's place."""
    found = Opened.of(path)
    found.put(found.tables[0] + 8, found.get(found.tables[0]))
    path.write_bytes(found.raw)
    return path


def test_a_sound_image_is_told_how_full_it_is(image: Path) -> None:
    said = rehost("disk", "check", image)
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "stored: 2 of 64 units of 64 KiB (3.1 %), 0.0 % fragmented\n"
        "tables: 320 KiB\n"
        f"{image}: no errors were found\n"
    )


def test_leaks_are_warnings_and_end_well(image: Path) -> None:
    leaking(image)
    said = rehost("disk", "check", image)
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        f"warning: {image} at 458752: a cluster is leaked "
        "(its reference count is 1, it is used 0 times)\n"
        "stored: 2 of 64 units of 64 KiB (3.1 %), 0.0 % fragmented\n"
        "tables: 320 KiB\n"
        "leaked: 64 KiB\n"
        f"{image}: 0 errors, 1 warning (1 leak)\n"
    )


def test_errors_end_with_1_and_say_what_is_lost(image: Path) -> None:
    overlapping(image)
    said = rehost("disk", "check", image)
    assert (said.code, said.err) == (1, "")
    assert said.out.splitlines()[0] == (
        f"error: {image} at 327680: a cluster is used for two places of the disk "
        "(its reference count is 1, it is used 2 times)"
    )
    assert said.out.splitlines()[2] == (
        "lost: 131072 bytes of the disk at 0: something else is stored in the same place"
    )
    assert said.out.splitlines()[-1] == f"{image}: 1 error, 1 warning (1 leak, 1 overlap)"


def test_what_cannot_be_opened_ends_with_3(tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    path.write_bytes(b"QFI\xfb" + bytes(30))
    said = rehost("disk", "check", path)
    assert (said.code, said.out) == (3, "")
    assert said.err.splitlines()[0] == (
        f"error: {path}: the qcow2 header is cut short (34 bytes, should be 72 at least)"
    )


def test_json_tells_all(image: Path) -> None:
    overlapping(image)
    said = json.loads(rehost("disk", "check", image, "--json").out)
    problems = said.pop("problems")
    assert said == {
        "schema_version": 1,
        "path": str(image),
        "format": "qcow2",
        "deep": False,
        "sound": False,
        "errors": 1,
        "warnings": 1,
        "found": {"leak": 1, "overlap": 1},
        "usage": {
            "unit": 65536,
            "total": 64,
            "allocated": 2,
            "fragmented": 1,
            "compressed": 0,
            "leaked_bytes": 65536,
            "metadata_bytes": 327680,
            "end": 458752,
        },
        "lost": [
            {"start": 0, "length": 131072, "why": "something else is stored in the same place"}
        ],
        "forgone": [],
        "copy": None,
    }
    assert problems[0] == {
        "kind": "overlap",
        "severity": 3,
        "message": "a cluster is used for two places of the disk "
        "(its reference count is 1, it is used 2 times)",
        "file": str(image),
        "offset": 327680,
        "count": 1,
    }


def test_a_repaired_copy_has_the_same_disk_and_no_leaks(tmp_path: Path, image: Path) -> None:
    leaking(image)
    before = image.read_bytes()
    copy = tmp_path / "copy.qcow2"
    said = rehost("disk", "check", image, "--repair", copy)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1] == f"{copy}: a sound copy was written"
    assert image.read_bytes() == before
    assert_sound(copy, "qcow2")
    assert_identical(image, "qcow2", copy, "qcow2")


def test_an_image_marked_corrupt_is_repaired(tmp_path: Path, image: Path) -> None:
    expected = as_raw(image, "qcow2")
    found = Opened.of(image)
    found.put(72, 3)
    image.write_bytes(found.raw)
    copy = tmp_path / "copy.qcow2"
    assert rehost("disk", "check", image, "--repair", copy).code == 0
    assert_sound(copy, "qcow2")
    assert_identical(expected, "raw", copy, "qcow2")


@pytest.mark.parametrize("options", ["cluster_size=4096", "cluster_size=2097152"])
def test_a_copy_has_the_settings_of_the_original(tmp_path: Path, options: str) -> None:
    source = converted(
        raw_disk(tmp_path / "disk.raw"), "raw", tmp_path / "a.qcow2", Variant("x", "qcow2", options)
    )
    copy = tmp_path / "copy.qcow2"
    assert rehost("disk", "check", source, "--repair", copy).code == 0
    said = json.loads(run("qemu-img", "info", "--output=json", copy).stdout)
    assert said["cluster-size"] == int(options.partition("=")[2])


def test_a_compressed_image_stays_compressed(tmp_path: Path) -> None:
    plain = tmp_path / "disk.raw"
    plain.write_bytes(b"text" * MIB)
    source = tmp_path / "a.qcow2"
    run("qemu-img", "convert", "-c", "-O", "qcow2", plain, source)
    copy = tmp_path / "copy.qcow2"
    assert rehost("disk", "check", source, "--repair", copy).code == 0
    assert_identical(source, "qcow2", copy, "qcow2")
    assert copy.stat().st_size < MIB


def test_what_would_be_lost_is_refused(tmp_path: Path, image: Path) -> None:
    overlapping(image)
    copy = tmp_path / "copy.qcow2"
    said = rehost("disk", "check", image, "--repair", copy)
    assert (said.code, said.out) == (6, "")
    assert said.err == (
        f"error: {image}: is not repaired, for parts of the disk cannot be known "
        "(131072 bytes at 0: something else is stored in the same place)\n"
        "hint: Pass --accept-loss to get a copy all the same, with zeros for what is lost.\n"
    )
    assert not copy.exists()


def test_accepted_losses_become_zeros(tmp_path: Path, image: Path) -> None:
    run("qemu-io", "-f", "qcow2", "-c", "write -P 9 1M 64k", image)
    overlapping(image)
    copy = tmp_path / "copy.qcow2"
    said = rehost("disk", "check", image, "--repair", copy, "--accept-loss")
    assert said.code == 0
    assert_sound(copy, "qcow2")
    expected = bytearray(4 * MIB)
    expected[MIB : MIB + 64 * KIB] = b"\x09" * 64 * KIB
    assert as_raw(copy, "qcow2").read_bytes() == expected


def test_snapshots_are_not_dropped_silently(tmp_path: Path, image: Path) -> None:
    run("qemu-img", "snapshot", "-c", "first", image)
    said = rehost("disk", "check", image, "--repair", tmp_path / "copy.qcow2")
    assert said.code == 6
    assert said.err.splitlines()[0] == (
        f"error: {image}: is not repaired, for the copy would lack 1 internal snapshot"
    )
    assert rehost("disk", "check", image, "--repair", tmp_path / "c", "--accept-loss").code == 0


def test_a_copy_replaces_nothing_unless_forced(tmp_path: Path, image: Path) -> None:
    copy = tmp_path / "copy.qcow2"
    copy.write_bytes(b"precious")
    said = rehost("disk", "check", image, "--repair", copy)
    assert (said.code, said.err.splitlines()[0]) == (6, f"error: {copy}: exists already")
    assert rehost("disk", "check", image, "--repair", copy, "--force").code == 0
    assert_identical(image, "qcow2", copy, "qcow2")


def test_what_is_only_read_is_not_repaired(tmp_path: Path) -> None:
    path = tmp_path / "a.qed"
    run("qemu-img", "create", "-q", "-f", "qed", path, "1M")
    said = rehost("disk", "check", path, "--repair", tmp_path / "copy.qed")
    assert (said.code, said.err) == (
        2,
        f"error: {path}: QEMU QED is read, not written, so it cannot be repaired\n"
        "hint: Convert it to another format: rehost disk convert.\n",
    )


def test_a_differing_image_is_merged_where_its_base_is_elsewhere(tmp_path: Path) -> None:
    base = create(tmp_path / "base.qcow2", PLAIN, 4 * MIB)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 128k", base)
    top = tmp_path / "top.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base.name, "-F", "qcow2", top)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 9 64k 64k", top)
    (tmp_path / "far").mkdir()
    copy = tmp_path / "far" / "copy.qcow2"
    said = rehost("disk", "check", top, "--repair", copy)
    assert said.code == 0
    assert said.out.splitlines()[-1] == (
        f"{copy}: a sound copy was written merged with those below it"
    )
    assert_identical(top, "qcow2", copy, "qcow2")
    assert_sound(copy, "qcow2")


def test_a_deep_check_unpacks_everything(tmp_path: Path) -> None:
    source = tmp_path / "a.qcow2"
    plain = tmp_path / "disk.raw"
    plain.write_bytes(b"text" * 64 * KIB)
    run("qemu-img", "convert", "-c", "-O", "qcow2", plain, source)
    found = Opened.of(source)
    at = found.get(found.tables[0] + 8) & 0x00FF_FFFF
    found.raw[at] ^= 0xFF
    source.write_bytes(found.raw)
    assert rehost("disk", "check", source).code == 0
    said = rehost("disk", "check", source, "--deep")
    assert (said.code, said.err) == (1, "")
    assert "the disk has it at 65536" in said.out.splitlines()[0]
    assert said.out.splitlines()[1] == (
        "lost: 65536 bytes of the disk at 65536: its content is damaged"
    )
    copy = tmp_path / "copy.qcow2"
    assert rehost("disk", "check", source, "--repair", copy).code == 6
    assert rehost("disk", "check", source, "--repair", copy, "--accept-loss").code == 0
    expected = bytearray(plain.read_bytes())
    expected[64 * KIB : 128 * KIB] = bytes(64 * KIB)
    assert as_raw(copy, "qcow2").read_bytes() == expected


@pytest.mark.parametrize("seed", range(6))
def test_a_repaired_copy_is_what_qemu_img_reads_of_the_original(tmp_path: Path, seed: int) -> None:
    pick = Random(seed)
    path = contents(tmp_path / "a.qcow2", pick)
    found = Opened.of(path)
    DAMAGES[5](pick, found)
    path.write_bytes(found.raw)
    copy = tmp_path / "copy.qcow2"
    said = rehost("disk", "check", path, "--repair", copy, "--accept-loss", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["lost"] == []
    assert_sound(copy, "qcow2")
    done = run("qemu-img", "compare", path, copy, check=False)
    assert done.returncode == 0, done.stdout


def test_a_stream_is_checked_and_unpacked(tmp_path: Path) -> None:
    path = stream(raw_disk(tmp_path / "disk.raw"), tmp_path / "a.vmdk")
    assert rehost("disk", "check", path, "--deep").code == 0
    copy = tmp_path / "copy.vmdk"
    assert rehost("disk", "check", path, "--repair", copy).code == 0
    assert_identical(path, "vmdk", copy, "vmdk")


def test_ground_finds_what_lies_upon_other_things() -> None:
    ground = Ground("a")
    for start, stop in ((10, 20), (30, 40), (20, 25), (0, 10)):
        ground.note(start, stop)
    assert [each.tolist() for each in ground.gaps(50)] == [[25, 40], [30, 50]]
    assert [each.tolist() for each in ground.gaps(50, 6)] == [[40], [50]]
    assert (ground.overlaps, ground.end) == ([], 40)
    ground.take(np.array([35, 5]), np.array([45, 7]))
    assert [each.tolist() for each in ground.gaps(45)] == [[25], [30]]
    assert ground.overlaps == [(5, 7), (35, 40)]


def test_findings_count_more_than_they_keep() -> None:
    findings = Findings("a")
    for number in range(1500):
        findings.add(Kind.LEAK, "leaked", number, severity=Severity.WARNING)
    done = findings.done()
    assert (len(done.problems), done.found, done.warnings) == (1000, {"leak": 1500}, 1500)


def test_a_mended_file_reads_as_if_it_were_sound() -> None:
    file = Mended(Memory(bytes(range(20))), [Patch("a", 5, b"abc"), Patch("a", 18, b"xyz")])
    assert file.pread(0, 20) == bytes(range(5)) + b"abc" + bytes(range(8, 18)) + b"xy"
    for start in range(20):
        for length in range(21 - start):
            assert file.pread(start, length) == file.pread(0, 20)[start : start + length]


class Broken:
    """An image whose reader refuses some stretches of it."""

    size = 1 * MIB
    parent = None
    facts = MODEL

    def __init__(self, *refused: tuple[int, int]) -> None:
        self.refused = refused
        self.file = Memory(b"x" * MIB)

    def runs(self, start: int, stop: int) -> list[Run]:
        found: list[Run] = []
        for at in range(start // 4096 * 4096, min(stop, self.size), 4096):
            if any(first <= at < last for first, last in self.refused):
                return _raising(found)
            found.append(Run(at, 4096, Stored(self.file, at)))
        return found


def _raising(found: list[Run]) -> list[Run]:
    class Runs(list[Run]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            yield from found
            raise DamagedInputError("broken", where="a")

    return Runs()


def test_patience_finds_where_reading_goes_on() -> None:
    image = Broken((8192, 16384), (40960, 45056), (MIB - 4096, MIB))
    found = list(patiently(image))  # type: ignore[arg-type]
    assert [each for each in found if isinstance(each, Lost)] == [
        Lost(8192, 8192, "a: broken"),
        Lost(40960, 4096, "a: broken"),
        Lost(MIB - 4096, 4096, "a: broken"),
    ]
    assert sum(each.length for each in found) == MIB


def test_lost_stretches_read_as_zeros() -> None:
    image = Blanked(
        Broken((8192, 16384)),  # type: ignore[arg-type]
        [Lost(100, 200, "y"), Lost(8192, 8192, "x"), Lost(16384, 10, "z")],
    )
    expected = bytearray(b"x" * MIB)
    expected[100:300] = bytes(200)
    expected[8192:16394] = bytes(8202)
    assert read(image, 0, MIB) == expected
    assert read(image, 150, 20_000) == expected[150:20_150]


def test_a_packed_run_stays_whole_beside_lost_ones() -> None:
    packed = zlib.compress(b"y" * 4096)

    class One(Broken):
        def runs(self, start: int, stop: int) -> list[Run]:
            file = Memory(packed)
            return [
                Run(0, 4096, Packed(file, 0, len(packed), zlib.decompress)),
                Run(4096, MIB - 4096, ZERO),
            ]

    image = Blanked(One(), [Lost(4096, 4096, "x")])  # type: ignore[arg-type]
    assert read(image, 0, 8192) == b"y" * 4096 + bytes(4096)
