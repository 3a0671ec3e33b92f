"""Chains of four layers in mixed formats and of different sizes, as QEMU reads them or as written.

QEMU makes the layers where it can; differences in VHD, VHDX and VDI are ours, over each other.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from converters.disks.compare import first_difference
from converters.disks.image import chain, read
from tests.support.images import (
    KIB,
    MIB,
    RAW,
    as_raw,
    assert_identical,
    assert_sound,
    create,
    opened,
    ours,
    run,
    scribble,
    virtual_size,
)
from tests.support.matrix_read import wrong_reads
from tests.support.overlays import changed, overlay

SECONDS = 120
SIZE = 3 * MIB + 512
GROWN = 5 * MIB + 64 * KIB
SHRUNK = MIB + 7 * 512
Layer = tuple[str, int, str]
CHAINS: dict[str, list[Layer]] = {
    "qcow2-qcow2-vmdk-vmdk": [
        ("vmdk", SIZE, "subformat=monolithicFlat"),
        ("vmdk", SIZE, ""),
        ("qcow2", GROWN, "cluster_size=512"),
        ("qcow2", SHRUNK, "extended_l2=on"),
    ],
    "qcow2-qed-qcow2-vmdk": [
        ("vmdk", SIZE, "subformat=twoGbMaxExtentSparse"),
        ("qcow2", SHRUNK, "cluster_size=4096"),
        ("qed", GROWN, "cluster_size=4096,table_size=2"),
        ("qcow2", GROWN + 512, "compat=0.10,cluster_size=2M"),
    ],
    "qed-qcow-qcow2-raw": [
        ("raw", GROWN, ""),
        ("qcow2", SIZE, "refcount_bits=1"),
        ("qcow", SIZE, ""),
        ("qed", SIZE, ""),
    ],
    "vmdk-delta-delta-base": [
        ("vmdk", SIZE, "subformat=monolithicFlat"),
        *[("vmdk", SIZE, "")] * 3,
    ],
    "qcow2-over-vdi": [("vdi", SIZE, ""), *[("qcow2", GROWN, "")] * 3],
    "qcow2-over-vhdx": [("vhdx", SIZE, ""), *[("qcow2", size, "") for size in (SHRUNK, GROWN)]],
    "qcow2-over-vpc": [("vpc", SIZE, "force_size=on"), ("qcow2", GROWN, ""), ("qed", GROWN, "")],
    "qcow2-over-parallels": [("parallels", 3 * MIB, ""), *[("qcow2", GROWN, "")] * 3],
}
SUFFIXES = {"vpc": "vhd"}


def layered(folder: Path, layers: list[Layer], *, seed: int) -> Path:
    """Let QEMU make a chain, the lowest layer first, and write to each of its layers."""
    below: list[str | Path] = []
    path = folder
    for number, (known, size, options) in enumerate(layers):
        path = folder / f"layer{number}.{SUFFIXES.get(known, known)}"
        said = ["-o", options] if options else []
        # A delta of VMware's has its base's size.
        given = [] if known == "vmdk" and below else [str(size)]
        run("qemu-img", "create", "-q", "-f", known, *said, *below, path, *given)
        scribble(path, known, virtual_size(path, known), seed + number, writes=15)
        below = ["-b", path.name, "-F", known]
    return path


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_read_as_qemu_reads_it(tmp_path: Path, name: str) -> None:
    known = CHAINS[name][-1][0]
    for seed in (100, 200):
        folder = tmp_path / str(seed)
        folder.mkdir()
        top = layered(folder, CHAINS[name], seed=seed)
        content = as_raw(top, known).read_bytes()
        image = opened(top)
        assert len(chain(image)) == len(CHAINS[name])
        assert list(wrong_reads(image, content, 256 * KIB, seed)) == []
        flat = ours(image, folder / "flat.qcow2", "qcow2")
        assert_identical(top, known, flat, "qcow2")


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("options", [{"cluster_size": "4096"}, {"extended_l2": "on"}], ids=str)
def test_differences_of_ours_lie_on_any_chain(
    tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    below = layered(tmp_path, CHAINS[name], seed=400)
    content = changed(as_raw(below, CHAINS[name][-1][0]).read_bytes(), 5, size=GROWN + 1024)
    top = overlay(content, below, tmp_path / "top.qcow2", "qcow2", **options)
    assert as_raw(top, "qcow2").read_bytes() == content
    assert_sound(top, "qcow2")
    assert list(wrong_reads(opened(top), content, 64 * KIB, 6)) == []


@pytest.mark.parametrize("known", ["raw", "qcow2", "vhd", "vhdx", "vdi", "vmdk"])
def test_qemu_reads_differences_to_a_base_in_any_format(tmp_path: Path, known: str) -> None:
    content = changed(bytes(SIZE), 11)
    plain = tmp_path / "plain.raw"
    plain.write_bytes(content)
    base = ours(opened(plain), tmp_path / f"base.{known}", known)
    content = changed(content, 12, size=GROWN)
    top = overlay(content, base, tmp_path / "top.qcow2", "qcow2")
    assert as_raw(top, "qcow2").read_bytes() == content
    assert list(wrong_reads(opened(top), content, 64 * KIB, 13)) == []


@pytest.mark.parametrize("known", ["vhd", "vhdx", "vdi", "vmdk", "qcow2"])
def test_four_layers_of_one_format_are_written_and_read(tmp_path: Path, known: str) -> None:
    content = changed(bytes(SIZE), 1)
    plain = tmp_path / "plain.raw"
    plain.write_bytes(content)
    options = {"vmdk": {"subformat": "monolithicSparse"}}.get(known, {})
    path = ours(opened(plain), tmp_path / f"layer0.{known}", known, None, **options)
    for number in range(1, 4):
        content = changed(content, number + 1)
        path = overlay(content, path, tmp_path / f"layer{number}.{known}", known)
        image = opened(path)
        assert len(chain(image)) == number + 1
        assert list(wrong_reads(image, content, 64 * KIB, number)) == []
        if known in {"vmdk", "qcow2"}:
            assert as_raw(path, known).read_bytes() == content
    image = opened(path)
    assert [layer.facts.format for layer in chain(image)] == [known] * 4


@pytest.mark.parametrize("options", ["", "cluster_size=512", "extended_l2=on", "refcount_bits=1"])
def test_an_overlay_that_was_grown_and_shrunk_is_read(tmp_path: Path, options: str) -> None:
    pick = Random(8)
    base = create(tmp_path / "base.raw", RAW, SIZE)
    scribble(base, "raw", SIZE, seed=1)
    top = tmp_path / "top.qcow2"
    said = ["-o", options] if options else []
    run("qemu-img", "create", "-q", "-f", "qcow2", *said, "-b", "base.raw", "-F", "raw", top)
    for number in range(6):
        size = pick.randrange(1, 2 * GROWN // 512) * 512
        run("qemu-img", "resize", "-q", "--shrink", "-f", "qcow2", top, str(size))
        scribble(top, "qcow2", size, seed=number, writes=6)
        content = as_raw(top, "qcow2").read_bytes()
        assert list(wrong_reads(opened(top), content, 64 * KIB, number)) == []
        assert first_difference(opened(top), opened(top)) is None
        assert read(opened(top), size, 512) == b""
