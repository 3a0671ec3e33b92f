"""Reading: whatever QEMU's tools wrote, in whatever order, our reader returns byte for byte."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from converters.disks.image import Zero, chain, read, resolved
from tests.support.images import (
    GIB,
    KIB,
    MIB,
    QCOW2S,
    RAW,
    VMDKS,
    Variant,
    as_raw,
    converted,
    create,
    make,
    opened,
    run,
    scribble,
)
from tests.support.witnesses import assert_reads_like_qemu

SECONDS = 120
ODD = 7 * MIB + 37 * 512

each_variant = pytest.mark.parametrize("variant", [*VMDKS, *QCOW2S, RAW], ids=str)


@each_variant
def test_any_request_returns_what_lies_there(tmp_path: Path, variant: Variant) -> None:
    path = make(tmp_path, variant, ODD, seed=1)
    assert_reads_like_qemu(path, variant.format)


@each_variant
def test_a_whole_disk_reads_as_qemu_reads_it(tmp_path: Path, variant: Variant) -> None:
    path = make(tmp_path, variant, 3 * MIB + 512, seed=2)
    image = opened(path)
    assert read(image, 0, image.size) == as_raw(path, variant.format).read_bytes()


@each_variant
def test_runs_touch_each_other_and_cover_exactly_the_disk(tmp_path: Path, variant: Variant) -> None:
    image = opened(make(tmp_path, variant, ODD, seed=3))
    at = 0
    for found in resolved(image, 0, image.size):
        assert found.start == at
        assert found.length > 0
        at = found.stop
    assert at == image.size


@each_variant
def test_an_empty_image_is_holes(tmp_path: Path, variant: Variant) -> None:
    plain = create(tmp_path / "source.raw", RAW, 5 * MIB)
    path = converted(plain, "raw", tmp_path / f"empty.{variant.format}", variant)
    image = opened(path)
    runs = list(resolved(image, 0, image.size))
    # QEMU itself writes the first block of every file that is a disk byte for byte.
    assert sum(each.length for each in runs if not isinstance(each.source, Zero)) <= 4 * KIB
    assert read(image, 0, image.size) == bytes(5 * MIB)


@pytest.mark.parametrize("variant", VMDKS[:4], ids=str)
def test_a_disk_of_several_extents_reads_across_their_seams(
    tmp_path: Path, variant: Variant
) -> None:
    size = 4 * GIB + 3 * MIB
    path = create(tmp_path / "split.vmdk", variant, size)
    seams = [2 * GIB, 4 * GIB]
    writes = [f"write -P {9 + n} {seam - 70 * KIB} {200 * KIB}" for n, seam in enumerate(seams)]
    writes += [f"write -P 5 {size - 512} 512", "write -P 6 0 512", f"write -P 7 {3 * GIB} 64k"]
    for write in writes:
        run("qemu-io", "-f", "vmdk", "-c", write, path)
    image, expected = opened(path), as_raw(path, "vmdk")
    assert image.size == size
    with expected.open("rb") as witness:
        for offset in (0, *(seam - 100 * KIB for seam in seams), 3 * GIB - 5, size - 300 * KIB):
            witness.seek(offset)
            assert read(image, offset, 400 * KIB) == witness.read(400 * KIB)


@pytest.mark.parametrize("bits", [9, 12, 16, 21])
@pytest.mark.parametrize("size", [ODD, 3 * MIB])
def test_compressed_clusters_read_as_qemu_reads_them(tmp_path: Path, bits: int, size: int) -> None:
    plain = create(tmp_path / "plain.raw", RAW, size)
    scribble(plain, "raw", size, seed=bits)
    noise = Random(bits).randbytes(300_000)
    with plain.open("r+b") as file:
        file.seek(MIB)
        file.write(noise)
    path = tmp_path / "packed.qcow2"
    options = f"cluster_size={1 << bits}"
    run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", options, plain, path)
    assert_reads_like_qemu(path, "qcow2")


def test_compressed_clusters_that_were_overwritten_read_as_the_new_ones(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, ODD)
    scribble(plain, "raw", ODD, seed=4)
    path = tmp_path / "packed.qcow2"
    run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", plain, path)
    scribble(path, "qcow2", ODD, seed=5)
    assert_reads_like_qemu(path, "qcow2")


@pytest.mark.parametrize("preallocation", ["metadata", "falloc", "full"])
def test_preallocated_images_read_as_zeros(tmp_path: Path, preallocation: str) -> None:
    variant = Variant("preallocated", "qcow2", f"preallocation={preallocation}")
    path = create(tmp_path / "preallocated.qcow2", variant, ODD)
    assert_reads_like_qemu(path, "qcow2")


def layered(folder: Path, sizes: list[int], formats: list[str]) -> Path:
    """Make a chain of backing files, the first at the bottom, and scribble into each."""
    below: tuple[Path, str] | None = None
    for number, (size, format_name) in enumerate(zip(sizes, formats, strict=True)):
        path = folder / f"layer{number}.{format_name}"
        backing = ["-b", below[0].name, "-F", below[1]] if below else []
        run("qemu-img", "create", "-q", "-f", format_name, *backing, path, str(size))
        scribble(path, format_name, size, seed=10 + number, writes=12)
        below = (path, format_name)
    assert below is not None
    return below[0]


@pytest.mark.parametrize(
    "sizes",
    [
        [4 * MIB, 4 * MIB, 4 * MIB],
        [2 * MIB + 512, 5 * MIB, 4 * MIB + 1536],
        [6 * MIB, 3 * MIB + 512, 5 * MIB],
        [64 * KIB, 5 * MIB, 5 * MIB],
    ],
    ids=["equal", "growing", "shrinking in the middle", "tiny base"],
)
@pytest.mark.parametrize("base", ["raw", "qcow2", "vmdk"])
def test_a_chain_reads_as_qemu_reads_it(tmp_path: Path, sizes: list[int], base: str) -> None:
    top = layered(tmp_path, sizes, [base, "qcow2", "qcow2"])
    assert_reads_like_qemu(top, "qcow2", requests=120)
    assert len(chain(opened(top))) == 3


@pytest.mark.parametrize("child_bits", [9, 12, 16])
def test_a_child_of_smaller_clusters_cuts_its_parents_compressed_ones(
    tmp_path: Path, child_bits: int
) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 3 * MIB + 512)
    scribble(plain, "raw", 3 * MIB + 512, seed=6)
    base = tmp_path / "base.qcow2"
    options = f"cluster_size={256 * KIB}"
    run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", options, plain, base)
    top = tmp_path / "top.qcow2"
    own = f"cluster_size={1 << child_bits}"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", own, "-b", base.name, "-F", "qcow2", top)
    scribble(top, "qcow2", 3 * MIB + 512, seed=8, writes=10)
    assert_reads_like_qemu(top, "qcow2", requests=120)


def test_an_image_with_internal_snapshots_reads_its_present_state(tmp_path: Path) -> None:
    path = make(tmp_path, Variant("snapped", "qcow2"), ODD, seed=9)
    run("qemu-img", "snapshot", "-c", "before", path)
    scribble(path, "qcow2", ODD, seed=11)
    told = opened(path).facts.details["snapshots"]
    assert isinstance(told, list)
    assert [each["name"] for each in told] == ["before"]
    assert_reads_like_qemu(path, "qcow2")


@each_variant
def test_a_request_at_or_behind_the_end_returns_what_there_is(
    tmp_path: Path, variant: Variant
) -> None:
    image = opened(make(tmp_path, variant, MIB, seed=12))
    last = read(image, MIB - 10, 10)
    assert read(image, MIB - 10, 1000) == last
    assert read(image, MIB, 10) == b""
    assert read(image, 100 * MIB, 10) == b""
    assert read(image, 300, 0) == b""


def test_holes_within_a_block_do_not_matter_to_a_request_behind_them(tmp_path: Path) -> None:
    variant = Variant("holes", "qcow2", f"cluster_size={256 * KIB},preallocation=metadata")
    path = create(tmp_path / "holes.qcow2", variant, 4 * MIB)
    run("qemu-io", "-c", "write -P 3 0 16k", "-c", "write -P 5 128k 16k", path)
    expected = as_raw(path, "qcow2").read_bytes()
    for offset in range(0, 256 * KIB, 10_000):
        assert read(opened(path), offset, MIB) == expected[offset : offset + MIB], offset


def test_the_witnesses_name_the_same_size(tmp_path: Path) -> None:
    vmdk = make(tmp_path, VMDKS[0], ODD, seed=13)
    assert f"({ODD} bytes)" in run("vmdkinfo", vmdk).stdout
    qcow2 = make(tmp_path, Variant("plain", "qcow2"), ODD, seed=13)
    assert f"({ODD} bytes)" in run("qcowinfo", qcow2).stdout
    assert opened(vmdk).size == opened(qcow2).size == ODD
