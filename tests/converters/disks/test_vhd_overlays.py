"""VHDs that store only differences, and those as XenServer and Azure want them."""

from __future__ import annotations

import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from converters.disks.formats.vhd.parent import link
from converters.disks.formats.vhd.writer import create as create_vhd
from converters.disks.image import Parent, chain, read
from converters.disks.output import Output
from converters.disks.registry import Base, Shape
from rehost.errors import UsageError
from tests.support.images import (
    KIB,
    LONGEST,
    MIB,
    RAW,
    Variant,
    as_raw,
    assert_identical,
    create,
    opened,
    ours,
    run,
    scribble,
    virtual_size,
)
from tests.support.overlays import changed, overlay
from tests.support.vhdxs import as_libvhdi_reads

SIZE = 9 * MIB + 3 * 512
VHD = Variant("dynamic", "vpc", "force_size=on")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = create(tmp_path / "bäse 東.vhd", VHD, SIZE)
    scribble(path, "vpc", SIZE, seed=1)
    return path


def as_7zip_reads(path: Path) -> bytes:
    argv = ["7zz", "x", "-so", "-tvhd", str(path)]
    return subprocess.run(argv, capture_output=True, check=True, timeout=LONGEST).stdout


# Differences


@pytest.mark.parametrize("block", ["2097152", "524288"])
def test_a_chain_reads_as_what_was_written_for_all_witnesses(
    tmp_path: Path, base: Path, block: str
) -> None:
    content = changed(as_raw(base, "vpc").read_bytes(), seed=2)
    first = overlay(content, base, tmp_path / "first.vhd", "vhd", block_size=block)
    again = changed(content, seed=3, changes=3)
    second = overlay(again, first, tmp_path / "second.vhd", "vhd", block_size=block)
    for path, expected, below in ((first, content, [base]), (second, again, [first, base])):
        image = opened(path)
        assert read(image, 0, SIZE) == expected
        assert (image.facts.variant, image.facts.oddities) == ("differencing", ())
        assert as_7zip_reads(path) == expected
        # libvhdi 20210425 finds zeros in parts of such a chain if its blocks are small.
        assert block == "524288" or as_libvhdi_reads(path, *below) == expected
    assert len({each.facts.details["identifier"] for each in chain(opened(second))}) == 3


def test_only_sectors_that_differ_are_stored(tmp_path: Path, base: Path) -> None:
    content = bytearray(as_raw(base, "vpc").read_bytes())
    content[5 * MIB : 5 * MIB + 8 * KIB] = b"\xee" * 8 * KIB
    path = overlay(bytes(content), base, tmp_path / "a.vhd", "vhd")
    own = [each for each in opened(path).runs(0, SIZE) if type(each.source) is not Parent]
    assert [(each.start, each.length) for each in own] == [(5 * MIB, 8 * KIB)]
    assert path.stat().st_blocks * 512 <= 64 * KIB


def test_zeros_over_data_of_the_base_are_stored(tmp_path: Path, base: Path) -> None:
    path = overlay(bytes(SIZE), base, tmp_path / "a.vhd", "vhd")
    assert read(opened(path), 0, SIZE) == as_7zip_reads(path) == bytes(SIZE)


def test_a_disk_may_be_larger_or_smaller_than_its_base(tmp_path: Path, base: Path) -> None:
    below = as_raw(base, "vpc").read_bytes()
    for size in (SIZE + 3 * MIB, 4 * MIB + 512):
        content = changed(below[:size], seed=4, size=size)
        path = overlay(content, base, tmp_path / f"{size}.vhd", "vhd")
        assert read(opened(path), 0, size) == content


def test_the_base_is_named_in_each_way(tmp_path: Path, base: Path) -> None:
    path = overlay(bytes(SIZE), base, tmp_path / "a.vhd", "vhd")
    details = opened(path).facts.details
    assert details["parentName"] == "bäse 東.vhd"
    assert details["parentIdentifier"] == opened(base).facts.details["identifier"]
    assert details["parentTimestamp"] == opened(base).facts.details["timestamp"]
    said = run("vhdiinfo", path).stdout
    assert "Disk type\t\t: Differential" in said
    assert "Parent filename\t\t: bäse 東.vhd" in said
    raw = path.read_bytes()
    assert ".\\bäse 東.vhd".encode("utf-16-le") in raw
    assert b"file://./b%C3%A4se%20%E6%9D%B1.vhd" in raw


def test_names_of_bases_elsewhere_are_kept(base: Path) -> None:
    image = opened(base)
    names = {
        "disks/base.vhd": {b"W2ru": ".\\disks\\base.vhd", b"MacX": "file://./disks/base.vhd"},
        "../base.vhd": {b"W2ru": "..\\base.vhd", b"MacX": "file://../base.vhd"},
        "/srv/base.vhd": {b"W2ku": "\\srv\\base.vhd", b"MacX": "file:///srv/base.vhd"},
    }
    for name, expected in names.items():
        found = link(Base(name, "vhd", image))
        assert found.name == "base.vhd"
        coding = {b"MacX": "ascii"}
        assert {
            platform: text.decode(coding.get(platform, "utf-16-le"))
            for platform, text in found.locators.items()
        } == expected


def test_the_same_differences_give_the_same_bytes(tmp_path: Path, base: Path) -> None:
    content = changed(as_raw(base, "vpc").read_bytes(), seed=5)
    first = overlay(content, base, tmp_path / "first.vhd", "vhd").read_bytes()
    assert overlay(content, base, tmp_path / "second.vhd", "vhd").read_bytes() == first


def test_what_cannot_be_is_refused(tmp_path: Path, base: Path) -> None:
    raw = as_raw(base, "vpc").rename(tmp_path / "base.raw")
    with pytest.raises(UsageError) as caught:
        overlay(bytes(SIZE), raw, tmp_path / "a.vhd", "vhd")
    assert str(caught.value) == (
        "a VHD stores differences to a VHD only (the base 'base.raw' is raw)"
    )
    assert caught.value.hint == "Convert the base to VHD first."
    with pytest.raises(UsageError) as caught:
        overlay(bytes(SIZE), base, tmp_path / "a.vhd", "vhd", subformat="fixed")
    assert str(caught.value) == "a fixed VHD cannot store differences only"
    assert caught.value.hint == "Leave out subformat, or the base."
    with pytest.raises(UsageError) as caught:
        link(Base("x" * 256, "vhd", opened(base)))
    assert str(caught.value) == (
        "the base has too long a name for a VHD (256 characters, at most 255)"
    )


# Blocks and batmaps


@pytest.mark.parametrize("size", [SIZE, 512, 2 * MIB, 2 * MIB + 512])
@pytest.mark.parametrize("options", [{"batmap": "on"}, {"block_size": "524288"}], ids=str)
def test_other_layouts_are_identical_for_the_witnesses(
    tmp_path: Path, size: int, options: dict[str, str]
) -> None:
    plain = create(tmp_path / "plain.raw", RAW, size)
    scribble(plain, "raw", size, seed=6)
    result = ours(opened(plain), tmp_path / "ours.vhd", "vhd", **options)
    assert_identical(plain, "raw", result, "vpc")
    assert as_7zip_reads(result) == plain.read_bytes() == as_libvhdi_reads(result)
    assert opened(result).facts.details["blockSize"] == int(options.get("block_size", 2 * MIB))
    assert opened(result).facts.details["batmap"] is ("batmap" in options)


def test_a_batmap_lies_where_xenserver_looks_for_it(tmp_path: Path, base: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 40 * MIB)
    for number in (0, 3, 17):
        run("qemu-io", "-f", "raw", "-c", f"write -P 1 {number * 2 * MIB} 512", plain)
    raw = ours(opened(plain), tmp_path / "ours.vhd", "vhd", batmap="on").read_bytes()
    assert (raw[28:32], struct.unpack_from(">I", raw, 32)[0]) == (b"tap\0", 0x10003)
    at = 1536 + 512
    cookie, offset, sectors, version, checksum = struct.unpack_from(">8sQIII", raw, at)
    assert (cookie, offset, sectors, version) == (b"tdbatmap", at + 512, 1, 0x10002)
    batmap = raw[at + 512 : at + 1024]
    assert checksum == ~sum(batmap) & 0xFFFF_FFFF
    assert batmap == b"\x90\x00\x40".ljust(512, b"\0")
    child = overlay(bytes(SIZE), base, tmp_path / "a.vhd", "vhd", batmap="on")
    assert child.read_bytes()[at + 512 : at + 1024] == bytes(512)
    assert read(opened(child), 0, SIZE) == as_7zip_reads(child) == bytes(SIZE)


# Azure


@pytest.mark.parametrize("size", [0, 512, MIB, MIB + 512, 5 * MIB])
def test_azure_gets_a_fixed_disk_of_whole_mib(tmp_path: Path, size: int) -> None:
    plain = tmp_path / "plain.raw"
    plain.write_bytes(Random(7).randbytes(size))
    result = ours(opened(plain), tmp_path / "ours.vhd", "vhd", azure="on", force_size="on")
    whole = -(-size // MIB) * MIB
    raw = result.read_bytes()
    assert len(raw) == whole + 512
    assert raw[:whole] == plain.read_bytes().ljust(whole, b"\0")
    assert (raw[whole : whole + 8], raw[whole + 60 : whole + 64]) == (b"conectix", b"\0\0\0\2")
    assert struct.unpack_from(">Q", raw, whole + 48)[0] == whole
    if whole:
        assert virtual_size(result, "vpc") == whole


def test_options_that_exclude_each_other_are_refused(tmp_path: Path) -> None:
    shape = Shape(MIB, {"azure": "on", "subformat": "dynamic"})
    cases = {
        "Azure takes fixed VHDs only": (shape, "Leave out subformat."),
        "a fixed VHD has no batmap": (
            replace(shape, options={"batmap": "on", "subformat": "fixed"}),
            "Leave out batmap, or subformat.",
        ),
    }
    for said, (asked, hint) in cases.items():
        with pytest.raises(UsageError) as caught, Output(tmp_path / "a.vhd") as output:
            create_vhd(output, asked)
        assert (str(caught.value), caught.value.hint) == (said, hint)
