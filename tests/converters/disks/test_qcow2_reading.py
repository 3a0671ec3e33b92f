"""What qcow2 can hold beside clusters: subclusters, snapshots, data files, chains, as QEMU does."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from random import Random

import pytest

from converters.disks.gate import FolderGate
from converters.disks.image import Image, Stored, chain, read
from converters.disks.registry import Access, open_image
from rehost.errors import InteropError, UsageError
from rehost.files import LocalFile
from tests.support.images import (
    KIB,
    MIB,
    RAW,
    Variant,
    as_raw,
    create,
    opened,
    ours,
    run,
    scribble,
)

SIZE = 6 * MIB + 5 * 512
EXTENDED = [
    Variant(f"extended-{size}", "qcow2", f"extended_l2=on,cluster_size={size}")
    for size in (16 * KIB, 64 * KIB, 128 * KIB, 2 * MIB)
]


def snapshot_of(path: Path, wanted: str) -> Image:
    return open_image(LocalFile(path), FolderGate(path.parent), access=Access(snapshot=wanted))


def assert_read(path: Path, *, image: Image | None = None, expected: Path | None = None) -> None:
    """Read an image at random places and whole, and compare it with what qemu-img reads."""
    image = image or opened(path)
    content = (expected or as_raw(path, "qcow2")).read_bytes()
    assert image.size == len(content)
    pick = Random(20)
    for _ in range(100):
        start, length = pick.randrange(len(content)), pick.randrange(1, 700 * KIB)
        assert read(image, start, length) == content[start : start + length]
    copied = ours(image, path.with_suffix(".copied"), "raw")
    assert copied.read_bytes() == content


def refusal(path: Path) -> InteropError:
    with pytest.raises(InteropError) as caught:
        image = opened(path)
        read(image, 0, image.size)
    return caught.value


@pytest.mark.parametrize("variant", EXTENDED, ids=str)
def test_subclusters_are_read_as_qemu_does(tmp_path: Path, variant: Variant) -> None:
    path = create(tmp_path / "extended.qcow2", variant, SIZE)
    scribble(path, "qcow2", SIZE, seed=1)
    assert opened(path).facts.details["extendedL2"] is True
    assert_read(path)


@pytest.mark.parametrize("variant", EXTENDED[:3], ids=str)
def test_subclusters_over_a_backing_are_read(tmp_path: Path, variant: Variant) -> None:
    base = create(tmp_path / "base.raw", RAW, SIZE)
    scribble(base, "raw", SIZE, seed=2)
    path = tmp_path / "top.qcow2"
    backing = ("-b", "base.raw", "-F", "raw")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", variant.options, *backing, path)
    scribble(path, "qcow2", SIZE, seed=3)
    assert_read(path)


def test_compressed_clusters_beside_subclusters_are_read(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, SIZE)
    scribble(plain, "raw", SIZE, seed=4)
    path = tmp_path / "packed.qcow2"
    formats = ("-f", "raw", "-O", "qcow2", "-o", "extended_l2=on")
    run("qemu-img", "convert", "-c", *formats, plain, path)
    assert_read(path)
    scribble(path, "qcow2", SIZE, seed=5, writes=12)
    assert_read(path)


def entry_of(path: Path) -> int:
    """Return where the first L2 entry lies."""
    content = path.read_bytes()
    table = struct.unpack_from(">Q", content, struct.unpack_from(">Q", content, 40)[0])[0]
    return int(table & 0x00FF_FFFF_FFFF_FE00)


@pytest.mark.parametrize(
    ("entry", "bitmap", "said"),
    [
        (None, 1 << 32 | 1, "a qcow2 subcluster is marked both stored and zero"),
        (0, 1, "a qcow2 subcluster is marked stored, but its cluster is not"),
    ],
)
def test_subclusters_that_contradict_themselves_are_damage(
    tmp_path: Path, entry: int | None, bitmap: int, said: str
) -> None:
    path = create(tmp_path / "extended.qcow2", EXTENDED[1], MIB)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", path)
    content, at = bytearray(path.read_bytes()), entry_of(path)
    if entry is not None:
        struct.pack_into(">Q", content, at, entry)
    struct.pack_into(">Q", content, at + 8, bitmap)
    path.write_bytes(content)
    error = refusal(path)
    assert str(error) == f"{path}, from byte 0 of the disk on: {said}"
    assert error.exit_code == 3


SNAPSHOT_KINDS = [
    Variant("v3", "qcow2"),
    Variant("v2", "qcow2", "compat=0.10"),
    Variant("small", "qcow2", "cluster_size=512"),
    EXTENDED[0],
]


@pytest.mark.parametrize("variant", SNAPSHOT_KINDS, ids=str)
def test_every_snapshot_is_read_as_qemu_reads_it(tmp_path: Path, variant: Variant) -> None:
    path = create(tmp_path / "disk.qcow2", variant, SIZE)
    for number in range(4):
        scribble(path, "qcow2", SIZE, seed=10 + number, writes=15)
        run("qemu-img", "snapshot", "-c", f"after {number}", path)
    scribble(path, "qcow2", SIZE, seed=14, writes=15)
    assert_read(path)
    for number in range(4):
        name = f"after {number}"
        expected = tmp_path / f"{number}.raw"
        run("qemu-img", "convert", "-f", "qcow2", "-l", f"snapshot.name={name}", path, expected)
        for wanted in (name, str(number + 1)):
            assert_read(path, image=snapshot_of(path, wanted), expected=expected)


def test_snapshots_of_disks_of_other_sizes_have_their_own(tmp_path: Path) -> None:
    path = create(tmp_path / "disk.qcow2", Variant("v3", "qcow2"), 2 * MIB)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 1 0 2M", path)
    run("qemu-img", "snapshot", "-c", "small", path)
    run("qemu-img", "resize", "-f", "qcow2", path, "5M")
    run("qemu-io", "-f", "qcow2", "-c", "write -P 2 1M 4M", path)
    image = snapshot_of(path, "small")
    assert read(image, 0, 5 * MIB) == b"\1" * (2 * MIB)
    assert read(opened(path), 0, 5 * MIB) == b"\1" * MIB + b"\2" * (4 * MIB)
    assert image.facts.details["openedSnapshot"] == opened(path).facts.details["snapshots"][0]  # type: ignore[index]


def test_snapshots_are_listed_as_qemu_lists_them(tmp_path: Path) -> None:
    path = create(tmp_path / "disk.qcow2", Variant("v3", "qcow2"), 2 * MIB)
    assert opened(path).facts.details["snapshots"] == []
    for name in ("one", "zwei", "trois \N{SNOWMAN}"):
        run("qemu-img", "snapshot", "-c", name, path)
    listed = json.loads(run("qemu-img", "info", "--output=json", path).stdout)["snapshots"]
    told = opened(path).facts.details["snapshots"]
    assert isinstance(told, list)
    assert [(each["id"], each["name"], each["vmStateSize"]) for each in told] == [
        (each["id"], each["name"], each["vm-state-size"]) for each in listed
    ]
    assert {each["diskSize"] for each in told} == {2 * MIB}
    assert all(each["date"].endswith("Z") and len(each["date"]) == 20 for each in told)


def test_a_snapshot_that_is_not_there_is_answered_by_those_that_are(tmp_path: Path) -> None:
    path = create(tmp_path / "disk.qcow2", Variant("v3", "qcow2"), MIB)
    for hint in ("It has none.", "It has: one (ID 1).", "It has: one (ID 1), two (ID 2)."):
        with pytest.raises(UsageError) as caught:
            snapshot_of(path, "three")
        assert str(caught.value) == f"{path}: has no snapshot 'three'"
        assert caught.value.hint == hint
        run("qemu-img", "snapshot", "-c", "two" if "ID" in hint else "one", path)


def test_formats_without_snapshots_or_passphrases_say_so(tmp_path: Path) -> None:
    path = create(tmp_path / "disk.raw", RAW, MIB)
    with pytest.raises(UsageError) as caught:
        snapshot_of(path, "one")
    assert str(caught.value) == (
        f"{path}: is a Raw disk image, which holds no snapshots (asked for 'one')"
    )
    assert caught.value.hint == "Leave --snapshot away."
    with pytest.raises(UsageError) as caught:
        open_image(LocalFile(path), FolderGate(tmp_path), access=Access(None, "x"))
    assert str(caught.value) == f"{path}: is a Raw disk image, which takes no passphrase"
    assert caught.value.hint == "Leave --passphrase-file away."


def test_snapshot_tables_are_bounded(tmp_path: Path) -> None:
    path = create(tmp_path / "disk.qcow2", Variant("v3", "qcow2"), MIB)
    run("qemu-img", "snapshot", "-c", "one", path)
    content = path.read_bytes()
    at = struct.unpack_from(">Q", content, 64)[0]
    for place, layout, value, where, said in (
        (60, ">I", 65537, at, "the qcow2 image has too many snapshots (65537, at most 65536)"),
        (64, ">Q", at + 8, at + 8, "the qcow2 snapshot table lies at an odd place"),
        (64, ">Q", 1 << 62, 1 << 62, "the qcow2 snapshot table lies behind the end of the file"),
        (
            *(at + 36, ">I", 1025, at),
            "a qcow2 snapshot has too much extra data (1025 bytes, at most 1024)",
        ),
        (at + 48, ">Q", 1 << 61, at, f"a qcow2 snapshot's size is impossible ({1 << 61} bytes)"),
    ):
        changed = bytearray(content)
        struct.pack_into(layout, changed, place, value)
        path.write_bytes(changed)
        assert str(refusal(path)) == f"{path} at {where}: {said}"
    changed = bytearray(content)
    struct.pack_into(">I", changed, at + 8, 0)
    path.write_bytes(changed)
    assert read(opened(path), 0, 5) == bytes(5)
    with pytest.raises(InteropError) as caught:
        snapshot_of(path, "one")
    assert str(caught.value) == (
        f"{path}: the qcow2 L1 table is too small for the disk (0 entries, should be 1)"
    )


def split(folder: Path, options: str = "", size: int = SIZE) -> Path:
    """Make an image whose data lies in another file."""
    path = folder / "split.qcow2"
    every = f"data_file={folder / 'data.raw'}{options}"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", every, path, str(size))
    scribble(path, "qcow2", size, seed=30)
    named(path, "data.raw", str(folder / "data.raw"))
    return path


def named(path: Path, name: str, was: str = "data.raw") -> None:
    """Give the data file another name in the header, which may not be longer."""
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack(">I", 0x44415441))
    room = 8 + -(-len(was) // 8) * 8
    rest = content[at + room : 64 * KIB]
    new = struct.pack(">II", 0x44415441, len(name)) + name.encode()
    new = new.ljust(-(-len(new) // 8) * 8, b"\0")
    content[at : 64 * KIB] = (new + rest).ljust(64 * KIB - at, b"\0")[: 64 * KIB - at]
    path.write_bytes(content)


@pytest.mark.parametrize("options", ["", ",data_file_raw=on", ",extended_l2=on"])
def test_data_in_another_file_is_read(tmp_path: Path, options: str) -> None:
    path = split(tmp_path, options)
    image = opened(path)
    assert image.facts.details["dataFile"] == "data.raw"
    assert image.facts.details["dataFileRaw"] is ("raw" in options)
    # QEMU looks for it from where it runs, not from where the image lies.
    expected = tmp_path / "expected.raw"
    named_both = f"file.filename={path},data-file.filename={tmp_path / 'data.raw'}"
    every = f"driver=qcow2,{named_both},file.driver=file,data-file.driver=file"
    run("qemu-img", "convert", "-O", "raw", "--image-opts", every, expected)
    assert_read(path, expected=expected)
    stored = [each.source for each in image.runs(0, SIZE) if isinstance(each.source, Stored)]
    assert {source.file.name for source in stored} == {str(tmp_path / "data.raw")}


def test_a_data_file_goes_through_the_gate(tmp_path: Path) -> None:
    path = split(tmp_path)
    for name, said in (
        ("/etc/passwd", "names a file outside its own folder ('/etc/passwd')"),
        ("../data", "names a file outside its own folder ('../data')"),
        ("nbd://h/x", "names a file outside its own folder ('nbd://h/x')"),
        ('json:{"a":1}', "names a file outside its own folder ('json:{\"a\":1}')"),
        ("none.raw", "names a file that does not exist ('none.raw')"),
    ):
        changed = tmp_path / "changed.qcow2"
        changed.write_bytes(path.read_bytes())
        named(changed, name)
        assert str(refusal(changed)) == f"{changed}: {said}"


def test_clusters_of_a_data_file_lie_at_their_own_place_and_are_never_compressed(
    tmp_path: Path,
) -> None:
    path = split(tmp_path)
    content, at = path.read_bytes(), entry_of(path)
    for entry, said in (
        (
            1 << 63 | 64 * KIB,
            f"{tmp_path / 'data.raw'} at {64 * KIB}: a qcow2 cluster does not lie at its own "
            "place in the data file",
        ),
        (
            1 << 62 | 64 * KIB,
            f"{path}, from byte 0 of the disk on: a qcow2 cluster is compressed, which none in a "
            "data file can be",
        ),
    ):
        changed = bytearray(content)
        struct.pack_into(">Q", changed, at, entry)
        path.write_bytes(changed)
        assert str(refusal(path)) == said


def test_four_layers_of_mixed_formats_are_read(tmp_path: Path) -> None:
    base = create(tmp_path / "0.raw", RAW, SIZE)
    scribble(base, "raw", SIZE, seed=40)
    vmdk = tmp_path / "1.vmdk"
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", base, vmdk)
    below, kind = "1.vmdk", "vmdk"
    for number, options in enumerate(("compat=0.10", "extended_l2=on", "cluster_size=512"), 2):
        path = tmp_path / f"{number}.qcow2"
        backing = ("-b", below, "-F", kind)
        size = str(SIZE + number * MIB)
        run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, *backing, path, size)
        scribble(path, "qcow2", SIZE, seed=40 + number, writes=15)
        below, kind = path.name, "qcow2"
    assert len(chain(opened(path))) == 4
    assert_read(path)


def test_images_grown_and_shrunk_are_read(tmp_path: Path) -> None:
    path = create(tmp_path / "disk.qcow2", Variant("v3", "qcow2", "cluster_size=4096"), SIZE)
    scribble(path, "qcow2", SIZE, seed=50)
    run("qemu-img", "resize", "-f", "qcow2", path, str(40 * MIB + 512))
    scribble(path, "qcow2", 40 * MIB + 512, seed=51)
    assert_read(path)
    run("qemu-img", "resize", "-f", "qcow2", "--shrink", path, str(MIB + 1536))
    assert_read(path)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 32, 64])
def test_reference_counts_of_every_width_are_told(tmp_path: Path, bits: int) -> None:
    path = create(tmp_path / "a.qcow2", Variant("a", "qcow2", f"refcount_bits={bits}"), MIB)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", path)
    image = opened(path)
    assert image.facts.details["refcountBits"] == bits
    assert read(image, 0, 3) == b"\7\7\7"


@pytest.mark.parametrize("allocation", ["metadata", "falloc", "full"])
@pytest.mark.parametrize("extended", ["on", "off"])
def test_preallocated_images_are_read_and_their_holes_cost_nothing(
    tmp_path: Path, allocation: str, extended: str
) -> None:
    options = f"preallocation={allocation},extended_l2={extended}"
    path = create(tmp_path / "a.qcow2", Variant("a", "qcow2", options), SIZE)
    scribble(path, "qcow2", SIZE, seed=60, writes=6)
    assert_read(path)
    if allocation == "metadata":
        stored = [each for each in opened(path).runs(0, SIZE) if isinstance(each.source, Stored)]
        assert sum(each.length for each in stored) < SIZE
