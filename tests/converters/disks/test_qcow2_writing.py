"""Every option of a new qcow2 image, at sizes around a cluster, as qemu-img checks and reads it."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from random import Random

import pytest

from converters.disks.copy import write_image
from converters.disks.formats.qcow2 import FORMAT
from converters.disks.formats.qcow2.counts import Counts
from converters.disks.image import Image, Stored, Zero, read
from converters.disks.output import Output
from converters.disks.registry import Base, Shape
from converters.disks.writer import Level, PackedWriter
from rehost.errors import UsageError
from tests.support.images import (
    KIB,
    MIB,
    RAW,
    TIB,
    assert_identical,
    assert_sound,
    create,
    opened,
    ours,
    run,
    scribble,
)

CLUSTER = 64 * KIB
SIZE = 5 * MIB + 3 * 512
KINDS: list[dict[str, str]] = [
    {"compat": "0.10"},
    {"compat": "0.10", "cluster_size": "512"},
    *({"refcount_bits": bits} for bits in ("1", "2", "4", "8", "32", "64")),
    {"refcount_bits": "1", "cluster_size": "512"},
    {"refcount_bits": "64", "cluster_size": "512"},
    {"extended_l2": "on"},
    {"extended_l2": "on", "cluster_size": "16384"},
    {"extended_l2": "on", "cluster_size": "2097152"},
    {"lazy_refcounts": "on"},
    *({"preallocation": each} for each in ("metadata", "falloc", "full")),
    {"preallocation": "metadata", "extended_l2": "on"},
    {"preallocation": "metadata", "cluster_size": "512", "compat": "0.10"},
    {"preallocation": "full", "refcount_bits": "1"},
]
PACKED = [kind for kind in KINDS if "preallocation" not in kind]


def told(kind: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in kind.items())


each_kind = pytest.mark.parametrize("kind", KINDS, ids=told)
each_packed = pytest.mark.parametrize("kind", PACKED, ids=told)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = create(tmp_path / "plain.raw", RAW, SIZE)
    scribble(path, "raw", SIZE, seed=80)
    return path


def assert_good(path: Path, expected: Path, size: int = SIZE) -> None:
    assert_sound(path, "qcow2")
    assert_identical(expected, "raw", path, "qcow2")
    assert read(opened(path), 0, size) == expected.read_bytes()


@each_kind
def test_every_option_is_written_as_qemu_reads_it(
    tmp_path: Path, plain: Path, kind: dict[str, str]
) -> None:
    path = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", **kind)
    assert_good(path, plain)
    listed = json.loads(run("qemu-img", "info", "--output=json", path).stdout)
    data = listed["format-specific"]["data"]
    assert data["compat"] == kind.get("compat", "1.1")
    assert listed["cluster-size"] == int(kind.get("cluster_size", CLUSTER))
    if "compat" not in kind:
        assert data["refcount-bits"] == int(kind.get("refcount_bits", "16"))
        assert data["extended-l2"] is (kind.get("extended_l2") == "on")
        assert data["lazy-refcounts"] is (kind.get("lazy_refcounts") == "on")


@each_packed
def test_every_option_is_written_compressed(
    tmp_path: Path, plain: Path, kind: dict[str, str]
) -> None:
    path = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", Level.FAST, **kind)
    assert_good(path, plain)


@each_kind
def test_what_is_written_can_be_written_to(
    tmp_path: Path, plain: Path, kind: dict[str, str]
) -> None:
    path = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", **kind)
    pick, commands = Random(81), []
    for _ in range(15):
        length = min(pick.choice((512, 20 * KIB, 200 * KIB)), SIZE)
        start = pick.randrange((SIZE - length) // 512 + 1) * 512
        what = pick.choice(("write -z", f"write -P {pick.randrange(1, 256)}"))
        commands += ["-c", f"{what} {start} {length}"]
    for changed, name in ((plain, "raw"), (path, "qcow2")):
        run("qemu-io", "-f", name, *commands, changed)
    assert_sound(path, "qcow2")
    assert_identical(plain, "raw", path, "qcow2")


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2], KINDS[10], KINDS[14]], ids=told)
@pytest.mark.parametrize("shift", [-CLUSTER, -CLUSTER + 512, -512, 0, 512])
def test_sizes_around_a_cluster_are_written(
    tmp_path: Path, kind: dict[str, str], shift: int
) -> None:
    size = CLUSTER + shift
    path = tmp_path / "plain.raw"
    path.write_bytes(Random(size).randbytes(size))
    assert_good(ours(opened(path), tmp_path / "ours.qcow2", "qcow2", **kind), path, size)


@pytest.mark.parametrize("size", [1, 511, CLUSTER - 1, CLUSTER + 1])
def test_a_size_of_no_whole_sector_is_rounded_up(tmp_path: Path, size: int) -> None:
    path = tmp_path / "plain.raw"
    path.write_bytes(Random(size).randbytes(size))
    result = ours(opened(path), tmp_path / "ours.qcow2", "qcow2", extended_l2="on")
    path.write_bytes(path.read_bytes().ljust(-(-size // 512) * 512, b"\0"))
    assert_good(result, path, -(-size // 512) * 512)


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[10]], ids=told)
def test_a_disk_beyond_two_terabytes_is_written(tmp_path: Path, kind: dict[str, str]) -> None:
    size = 5 * TIB + 512
    plain = create(tmp_path / "large.raw", RAW, size)
    places = [0, 2 * TIB - 4 * KIB, 4 * TIB + 12345 * 512, size - 1024]
    for number, place in enumerate(places, 1):
        run("qemu-io", "-f", "raw", "-c", f"write -P {number} {place} 1024", plain)
    result = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", **kind)
    assert_sound(result, "qcow2")
    for number, place in enumerate(places, 1):
        run("qemu-io", "-f", "qcow2", "-c", f"read -P {number} {place} 1024", result)


def test_every_cluster_has_its_place_if_asked(tmp_path: Path) -> None:
    size = 3 * MIB
    plain = create(tmp_path / "plain.raw", RAW, size)
    run("qemu-io", "-f", "raw", "-c", "write -P 9 1M 64k", plain)
    blocks = {}
    for kind in ("off", "metadata", "falloc", "full"):
        path = ours(opened(plain), tmp_path / f"{kind}.qcow2", "qcow2", preallocation=kind)
        assert_sound(path, "qcow2")
        blocks[kind] = path.stat().st_blocks * 512
        places = json.loads(run("qemu-img", "map", "--output=json", path).stdout)
        assert all("offset" in each for each in places) is (kind != "off")
    assert blocks["off"] <= blocks["metadata"] < MIB
    assert blocks["falloc"] >= size <= blocks["full"]


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"data_file_raw": "on"},
        {"extended_l2": "on"},
        {"extended_l2": "on", "data_file_raw": "on"},
        {"preallocation": "full"},
        {"preallocation": "falloc"},
    ],
    ids=told,
)
def test_data_is_written_to_another_file(tmp_path: Path, plain: Path, kind: dict[str, str]) -> None:
    (tmp_path / "new").mkdir()
    path = tmp_path / "new" / "ours.qcow2"
    ours(opened(plain), path, "qcow2", data_file="data.raw", **kind)
    data = path.with_name("data.raw")
    files = f"file.filename={path},data-file.filename={data}"
    every = f"driver=qcow2,{files},file.driver=file,data-file.driver=file"
    said = run("qemu-img", "check", "--image-opts", every).stdout
    assert said.startswith("No errors were found on the image.")
    run("qemu-img", "convert", "-O", "raw", "--image-opts", every, tmp_path / "back.raw")
    assert (tmp_path / "back.raw").read_bytes() == plain.read_bytes()
    assert read(opened(path), 0, SIZE) == plain.read_bytes()
    assert data.stat().st_size == SIZE
    if "data_file_raw" in kind:
        assert data.read_bytes() == plain.read_bytes()
    assert opened(path).facts.details["dataFile"] == "data.raw"


CONTRADICTIONS = [
    (
        {"compat": "0.10", name: value},
        f"qcow2 with compat=0.10 cannot have {name}={value}",
        "Leave compat=0.10 away.",
    )
    for name, value in (
        ("compression_type", "zstd"),
        ("refcount_bits", "8"),
        ("extended_l2", "on"),
        ("lazy_refcounts", "on"),
        ("data_file", "x"),
    )
] + [
    (
        {"extended_l2": "on", "cluster_size": "8192"},
        "qcow2 with extended_l2=on needs clusters of 16384 bytes at least (cluster_size=8192)",
        "",
    ),
    ({"data_file_raw": "on"}, "qcow2 with data_file_raw=on needs a data_file", ""),
    (
        {"data_file": "../x"},
        "qcow2's data_file is a name in the image's own folder (not '../x')",
        "",
    ),
    (
        {"data_file": "x" * 600, "cluster_size": "512"},
        "names too long for the first cluster of a qcow2 image (they and the header need 720 "
        "bytes, 512 are there)",
        "Choose shorter names or a larger cluster_size.",
    ),
]


@pytest.mark.parametrize(("kind", "said", "hint"), CONTRADICTIONS, ids=lambda each: str(each)[:60])
def test_options_that_exclude_each_other_are_refused(
    tmp_path: Path, plain: Path, kind: dict[str, str], said: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", **kind)
    assert (str(caught.value), caught.value.hint) == (said, hint)


def test_what_cannot_be_compressed_or_based_is_refused(tmp_path: Path, plain: Path) -> None:
    base = Base("plain.raw", "raw", opened(plain))
    data = {"data_file": "x"}
    for options, level, below, said in (
        (data, Level.FAST, None, "qcow2 with a data_file is never compressed"),
        (
            *({"preallocation": "full"}, Level.FAST, None),
            "qcow2 that is compressed has no preallocation",
        ),
        (
            *({**data, "data_file_raw": "on"}, None, base),
            "qcow2 with data_file_raw=on has no backing file",
        ),
        (
            *({"preallocation": "full"}, None, base),
            "qcow2 with a backing file has no preallocation, which would hide it",
        ),
    ):
        shape = Shape(SIZE, options, level, base=below)
        with pytest.raises(UsageError) as caught:
            write_image(opened(plain), tmp_path / "ours.qcow2", FORMAT, shape)
        assert str(caught.value) == said


def test_reference_counts_are_limited_as_in_qemu(tmp_path: Path) -> None:
    counts = Counts(512, bits=2)
    found = []
    for _ in range(3):
        counts.add(3)
        found.append(counts.full(3))
    assert found == [False, False, True]
    assert not counts.full(4)
    assert not counts.full(1 << 40)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_clusters_are_shared_only_as_far_as_counts_go(tmp_path: Path, bits: int) -> None:
    (tmp_path / "plain.raw").write_bytes(b"text" * (MIB // 4))
    options = {"refcount_bits": str(bits)}
    path = ours(
        opened(tmp_path / "plain.raw"), tmp_path / "o.qcow2", "qcow2", Level.FAST, **options
    )
    assert_sound(path, "qcow2")
    assert_identical(tmp_path / "plain.raw", "raw", path, "qcow2")


def differences(image: Image, base: Image, unit: int) -> list[tuple[int, bytes]]:
    """Return what an engine hands over: the units that differ, those of zeros too."""
    found = []
    for start in range(0, image.size, unit):
        block = read(image, start, unit)
        if block != read(base, start, unit).ljust(len(block), b"\0"):
            found.append((start, block))
    return found


def overlay(image: Image, base: Base, path: Path, level: Level | None, options: str) -> Path:
    """Write the differences of an image to its base."""
    chosen = dict(each.split("=") for each in options.split(",") if each)
    shape = Shape(image.size, chosen, level, base=base)
    with Output(path) as output:
        assert FORMAT.create is not None
        writer = FORMAT.create(output, shape)
        for start, block in differences(image, base.image, writer.unit):
            if isinstance(writer, PackedWriter):
                packed = writer.pack(start, memoryview(block))
                output.write(memoryview(packed), writer.append(start, memoryview(packed)))
                continue
            if not any(block) and writer.zero(start, len(block)):  # type: ignore[attr-defined]
                continue
            for place in writer.place(start, len(block)):
                at = place.length - len(block)
                assert at == 0
                output.write(block, place.offset)
        writer.finish()
    return path


@pytest.mark.parametrize("level", [None, Level.FAST])
@pytest.mark.parametrize(
    "options",
    [
        "",
        "compat=0.10",
        "extended_l2=on,cluster_size=16384",
        "cluster_size=512",
        "refcount_bits=1",
        "compression_type=zstd",
    ],
)
def test_differences_to_a_base_are_written(
    tmp_path: Path, plain: Path, level: Level | None, options: str
) -> None:
    changed = tmp_path / "changed.raw"
    changed.write_bytes(plain.read_bytes() + b"\7" * 1024 + bytes(1024))
    size = SIZE + 2048
    scribble(changed, "raw", size, seed=82, writes=25)
    run("qemu-io", "-f", "raw", "-c", "write -P 1 0 300k", plain)
    run("qemu-io", "-f", "raw", "-c", "write -z 100k 150k", changed)
    base = Base("plain.raw", "raw", opened(plain))
    path = overlay(opened(changed), base, tmp_path / "top.qcow2", level, options)
    assert_good(path, changed, size)
    listed = json.loads(run("qemu-img", "info", "--output=json", path).stdout)
    assert listed["backing-filename"] == "plain.raw"
    assert listed["backing-filename-format"] == "raw"
    if "compat" not in options:
        zeros = [each for each in opened(path).runs(0, size) if isinstance(each.source, Zero)]
        assert sum(each.length for each in zeros) >= 64 * KIB


@pytest.mark.parametrize("level", [None, Level.FAST])
@pytest.mark.parametrize("options", [{}, {"compat": "0.10"}, {"extended_l2": "on"}], ids=told)
def test_the_engine_writes_differences(
    tmp_path: Path, plain: Path, level: Level | None, options: dict[str, str]
) -> None:
    changed = tmp_path / "changed.raw"
    changed.write_bytes(plain.read_bytes())
    run("qemu-io", "-f", "raw", "-c", "write -P 1 0 300k", plain)
    scribble(changed, "raw", SIZE, seed=83, writes=12)
    path = tmp_path / "top.qcow2"
    base = Base("plain.raw", "raw", opened(plain))
    write_image(opened(changed), path, FORMAT, Shape(SIZE, options, level, base=base))
    assert_good(path, changed)


def test_a_base_in_another_format_and_with_a_long_name_is_named(tmp_path: Path) -> None:
    name = "x" * 200 + ".vmdk"
    create(tmp_path / "plain.raw", RAW, MIB)
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", tmp_path / "plain.raw", tmp_path / name)
    base = Base(name, "vmdk", opened(tmp_path / name))
    path = overlay(opened(tmp_path / "plain.raw"), base, tmp_path / "top.qcow2", None, "")
    assert_sound(path, "qcow2")
    image = opened(path)
    assert image.parent is not None
    assert image.parent.facts.format == "vmdk"
    assert struct.unpack_from(">I", path.read_bytes(), 16) == (len(name),)


@pytest.mark.parametrize("kind", [{}, {"extended_l2": "on"}, {"refcount_bits": "4"}], ids=told)
def test_the_same_input_gives_the_same_bytes(
    tmp_path: Path, plain: Path, kind: dict[str, str]
) -> None:
    first, second = (
        ours(opened(plain), tmp_path / name, "qcow2", **kind) for name in ("a.qcow2", "b.qcow2")
    )
    assert first.read_bytes() == second.read_bytes()


def test_subclusters_take_less_room(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 64 * MIB)
    commands = [w for at in range(16) for w in ("-c", f"write -P 5 {at * 4 * MIB} 4k")]
    run("qemu-io", "-f", "raw", *commands, plain)
    options = {"extended_l2": "on", "cluster_size": "131072"}
    path = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", **options)
    assert_sound(path, "qcow2")
    stored = [each for each in opened(path).runs(0, 64 * MIB) if isinstance(each.source, Stored)]
    assert sum(each.length for each in stored) == 16 * 4 * KIB


READ_BY_LIBQCOW: tuple[dict[str, str], ...] = ({}, {"compat": "0.10"}, {"cluster_size": "4096"})
LIBQCOW = """
import pyqcow, sys
file = pyqcow.file()
file.open(sys.argv[1])
sys.stdout.buffer.write(file.read_buffer_at_offset(file.get_media_size(), 0))
"""


@pytest.mark.parametrize(
    ("level", "kind"),
    [
        *((lv, kind) for lv in (None, Level.DEFAULT) for kind in READ_BY_LIBQCOW),
        (None, {"preallocation": "full"}),
    ],
)
def test_libqcow_reads_what_is_written(
    tmp_path: Path, plain: Path, level: Level | None, kind: dict[str, str]
) -> None:
    path = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", level, **kind)
    argv = ["/usr/bin/python3", "-c", LIBQCOW, str(path)]
    said = subprocess.run(argv, capture_output=True, check=True, timeout=60).stdout
    assert said == plain.read_bytes()


def test_7zip_and_qcowinfo_read_what_is_written(tmp_path: Path, plain: Path) -> None:
    for kind in ({}, {"compat": "0.10"}, {"cluster_size": "4096"}):
        path = ours(opened(plain), tmp_path / "ours.qcow2", "qcow2", **kind)
        unpacked = run("7zz", "x", "-y", "-tqcow", f"-o{tmp_path / 'out'}", path)
        assert "Everything is Ok" in unpacked.stdout
        content = next((tmp_path / "out").iterdir()).read_bytes()
        assert content == plain.read_bytes()
        version = 2 if "compat" in kind else 3
        said = run("qcowinfo", path).stdout
        assert f"Format version\t\t: {version}" in said
        assert f"({SIZE} bytes)" in said
