"""VHDX: read as QEMU and libvhdi read it, written as they want it, in every shape."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from converters.disks.formats.vhdx.checksum import crc32c
from converters.disks.formats.vhdx.writer import VhdxWriter, usual_block
from converters.disks.image import Stored, Zero, read, resolved
from converters.disks.output import Output
from converters.disks.registry import Shape
from rehost.errors import UsageError
from tests.support.images import (
    GIB,
    KIB,
    MIB,
    RAW,
    TIB,
    Variant,
    as_raw,
    assert_identical,
    assert_sound,
    converted,
    create,
    opened,
    ours,
    run,
    scribble,
    virtual_size,
)
from tests.support.vhdxs import (
    ABSENT,
    FULL,
    OLD_UNMAPPED,
    UNDEFINED,
    UNMAPPED,
    Block,
    Layout,
    as_libvhdi_reads,
    crc,
)
from tests.support.vhdxs import (
    ZERO as ZEROED,
)

SECONDS = 180
BLOCKS = [MIB << bits for bits in range(9)]
KINDS = [
    Variant(f"{kind}-{block >> 20}", "vhdx", f"subformat={kind},block_size={block}")
    for kind in ("dynamic", "fixed")
    for block in (MIB, 8 * MIB, 256 * MIB)
]
ODD = 19 * MIB + 37 * 512
SIZES = [512, 1024, MIB - 512, MIB, MIB + 512, 8 * MIB - 512, 8 * MIB + 512, ODD]
NO_LIBVHDI = subprocess.run(  # noqa: PLW1510
    ["/usr/bin/python3", "-c", "import pyvhdi"], capture_output=True
).returncode

each_kind = pytest.mark.parametrize("kind", KINDS, ids=str)
with_libvhdi = pytest.mark.skipif(bool(NO_LIBVHDI), reason="needs python3-libvhdi")


def noise(seed: int, length: int) -> bytes:
    return Random(seed).randbytes(length)


def scribbled(folder: Path, kind: Variant, size: int, seed: int) -> Path:
    path = create(folder / "theirs.vhdx", kind, size)
    scribble(path, "vhdx", size, seed)
    return path


def built(folder: Path, layout: Layout, name: str = "built.vhdx") -> Path:
    path = folder / name
    path.write_bytes(layout.built())
    return path


def whole(path: Path) -> bytes:
    image = opened(path)
    return read(image, 0, image.size)


@pytest.mark.parametrize("length", [4, 5, 63, 64, 65, 4096, 4100, 65536, 100_000])
def test_checksums_are_those_computed_byte_by_byte(length: int) -> None:
    assert crc32c(b"123456789") == 0xE306_9283
    assert crc32c(noise(length, length)) == crc(noise(length, length))


@each_kind
def test_any_request_returns_what_qemu_reads(tmp_path: Path, kind: Variant) -> None:
    path = scribbled(tmp_path, kind, ODD, seed=1)
    expected, pick = as_raw(path, "vhdx").read_bytes(), Random(1)
    image = opened(path)
    assert read(image, 0, ODD) == expected
    for number in range(120):
        offset, length = pick.randrange(ODD), pick.randrange(1, 3 * MIB if number % 2 else KIB)
        assert read(image, offset, length) == expected[offset : offset + length]


@pytest.mark.parametrize("size", SIZES)
@each_kind
def test_every_size_is_read_and_written(tmp_path: Path, kind: Variant, size: int) -> None:
    path = scribbled(tmp_path, kind, size, seed=size)
    options = dict(pair.split("=") for pair in kind.options.split(","))
    result = ours(opened(path), tmp_path / "ours.vhdx", "vhdx", **options)
    assert_sound(result, "vhdx")
    assert_identical(path, "vhdx", result, "vhdx")
    assert opened(result).facts.variant == options["subformat"]
    assert whole(result) == as_raw(path, "vhdx").read_bytes()


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_size_is_written_no_larger_than_by_qemu(tmp_path: Path, block: int) -> None:
    plain = create(tmp_path / "plain.raw", RAW, ODD)
    scribble(plain, "raw", ODD, seed=block)
    result = ours(opened(plain), tmp_path / "ours.vhdx", "vhdx", block_size=str(block))
    theirs = Variant("theirs", "vhdx", f"block_size={block}")
    witness = converted(plain, "raw", tmp_path / "theirs.vhdx", theirs)
    assert opened(result).facts.details["blockSize"] == block
    assert_sound(result, "vhdx")
    assert_identical(plain, "raw", result, "vhdx")
    assert result.stat().st_blocks <= witness.stat().st_blocks
    assert result.stat().st_size <= witness.stat().st_size


@pytest.mark.parametrize("size", [5 * GIB + 512, 3 * TIB + 512, 64 * TIB])
def test_large_disks_are_written_and_read_back(tmp_path: Path, size: int) -> None:
    source = create(tmp_path / "large.qcow2", Variant("large", "qcow2"), size)
    places = [0, 4 * GIB - 512, 4 * GIB, size // 2 // 512 * 512, size - 512]
    writes = [word for at in places for word in ("-c", f"write -P {at % 200 + 1} {at} 512")]
    run("qemu-io", "-f", "qcow2", *writes, source)
    result = ours(opened(source), tmp_path / "ours.vhdx", "vhdx")
    assert virtual_size(result, "vhdx") == size
    reads = [word for at in places for word in ("-c", f"read -v {at} 512")]
    seen = [
        run("qemu-io", "-r", "-f", name, *reads, path).stdout.splitlines()
        for name, path in (("qcow2", source), ("vhdx", result))
    ]
    assert [line for line in seen[0] if ":" in line] == [line for line in seen[1] if ":" in line]
    assert all(read(opened(result), at, 512) == bytes([at % 200 + 1]) * 512 for at in places)
    stored = [run for run in resolved(opened(result), 0, size) if isinstance(run.source, Stored)]
    assert sum(run.length for run in stored) <= len(places) * 4 * KIB


@pytest.mark.parametrize("block", [MIB, 32 * MIB])
def test_a_fixed_disk_of_several_chunks_is_identical(tmp_path: Path, block: int) -> None:
    size = 4 * GIB + 3 * MIB
    plain = create(tmp_path / "plain.raw", RAW, size)
    scribble(plain, "raw", size, seed=9)
    options = {"subformat": "fixed", "block_size": str(block)}
    result = ours(opened(plain), tmp_path / "ours.vhdx", "vhdx", **options)
    assert_identical(plain, "raw", result, "vhdx")
    data = [run for run in resolved(opened(result), 0, size) if isinstance(run.source, Stored)]
    assert sum(run.length for run in data) < 20 * MIB


def test_a_fixed_disk_of_several_chunks_made_by_qemu_is_read(tmp_path: Path) -> None:
    theirs = Variant("theirs", "vhdx", f"subformat=fixed,block_size={MIB}")
    path = create(tmp_path / "theirs.vhdx", theirs, 4 * GIB + 3 * MIB)
    run("qemu-io", "-f", "vhdx", "-c", f"write -P 7 {4 * GIB - 512} 1024", path)
    expected = bytes(512) + b"\7" * 1024 + bytes(512)
    assert read(opened(path), 4 * GIB - 1024, 2048) == expected


def test_a_fixed_disk_of_4_tib_has_its_table_within_memory(tmp_path: Path) -> None:
    size = 4 * TIB
    shape = Shape(size, {"subformat": "fixed", "block_size": str(MIB)})
    path = tmp_path / "huge.vhdx"
    with Output(path) as output:
        VhdxWriter(output, shape).finish()
    image = opened(path)
    assert virtual_size(path, "vhdx") == size
    assert image.facts.details["storedBlocks"] == size // MIB
    assert all(isinstance(run.source, Zero) for run in resolved(image, 0, size))


def test_an_empty_disk_has_no_size(tmp_path: Path) -> None:
    empty = tmp_path / "empty.raw"
    empty.touch()
    result = ours(opened(empty), tmp_path / "ours.vhdx", "vhdx")
    assert virtual_size(result, "vhdx") == 0
    assert opened(result).size == 0
    theirs = create(tmp_path / "theirs.vhdx", Variant("", "vhdx"), 0)
    assert opened(theirs).size == 0


def test_a_size_between_sectors_is_rounded_up(tmp_path: Path) -> None:
    plain = tmp_path / "plain.raw"
    plain.write_bytes(noise(1, 1000))
    result = ours(opened(plain), tmp_path / "ours.vhdx", "vhdx")
    assert whole(result) == noise(1, 1000) + bytes(24)
    assert_sound(result, "vhdx")


def test_more_than_64_tib_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        VhdxWriter(Output(tmp_path / "huge"), Shape(64 * TIB + 1))
    assert str(caught.value) == (f"a VHDX holds 64 TiB at most (the disk has {64 * TIB + 1} bytes)")
    assert caught.value.hint == ""


@pytest.mark.parametrize("size", [MIB, GIB, GIB + 512, 101 * GIB, 33 * TIB])
def test_the_block_size_is_the_one_qemu_chooses(tmp_path: Path, size: int) -> None:
    theirs = opened(create(tmp_path / "theirs.vhdx", Variant("", "vhdx"), size))
    assert usual_block(size) == theirs.facts.details["blockSize"]


def written(folder: Path, content: bytes, name: str, **options: str) -> bytes:
    plain = folder / "plain.raw"
    plain.write_bytes(content)
    path = ours(opened(plain), folder / f"{name}.vhdx", "vhdx", **options)
    return path.read_bytes()


def test_the_same_input_gives_the_same_bytes_and_another_gives_other_identifiers(
    tmp_path: Path,
) -> None:
    content = bytes(MIB) + noise(2, 200 * KIB) + bytes(9 * MIB)
    first = written(tmp_path, content, "first")
    assert first == written(tmp_path, content, "second")
    packed = converted(tmp_path / "plain.raw", "raw", tmp_path / "p.qcow2", Variant("", "qcow2"))
    assert ours(opened(packed), tmp_path / "third.vhdx", "vhdx").read_bytes() == first
    written(tmp_path, noise(3, 200 * KIB) + content, "other")
    guids = {
        opened(tmp_path / f"{name}.vhdx").facts.details[key]
        for name in ("first", "other")
        for key in ("diskIdentifier", "fileWriteGuid", "dataWriteGuid")
    }
    assert len(guids) == 6


def test_vhdiinfo_says_what_was_written(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, ODD)
    result = ours(opened(plain), tmp_path / "ours.vhdx", "vhdx")
    said = [line.split(":") for line in run("vhdiinfo", result).stdout.splitlines()]
    found = {line[0].strip(): line[1].strip() for line in said if len(line) == 2}
    assert found == {
        "Virtual Hard Disk image information": "",
        "Format": "VHDX (version 2)",
        "Format version": "1",
        "Disk type": "Dynamic",
        "Media size": f"19 MiB ({ODD} bytes)",
        "Bytes per sector": "512 bytes",
        "Identifier": str(opened(result).facts.details["dataWriteGuid"]),
    }


@with_libvhdi
def test_libvhdi_reads_what_was_written(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, ODD)
    scribble(plain, "raw", ODD, seed=3)
    for subformat in ("dynamic", "fixed"):
        result = ours(opened(plain), tmp_path / f"{subformat}.vhdx", "vhdx", subformat=subformat)
        assert as_libvhdi_reads(result) == plain.read_bytes()


def test_blocks_stored_in_any_order_are_read_in_theirs(tmp_path: Path) -> None:
    order = list(range(12))
    Random(6).shuffle(order)
    blocks = {number: Block(FULL, 4 + at, noise(at, MIB)) for number, at in enumerate(order)}
    path = built(tmp_path, Layout(11 * MIB + 512, blocks))
    expected = b"".join(noise(at, MIB) for at in order)[: 11 * MIB + 512]
    assert as_raw(path, "vhdx").read_bytes() == expected
    image, pick = opened(path), Random(6)
    for _ in range(100):
        offset, length = pick.randrange(len(expected)), pick.randrange(1, 5 * MIB)
        assert read(image, offset, length) == expected[offset : offset + length]


def test_every_state_of_a_block_is_read_as_qemu_does(tmp_path: Path) -> None:
    stored = Block(FULL, 4, noise(4, MIB))
    states = (ABSENT, UNDEFINED, ZEROED, UNMAPPED, OLD_UNMAPPED)
    blocks = {number: Block(state, 4) for number, state in enumerate(states)}
    path = built(tmp_path, Layout(6 * MIB, {**blocks, 5: stored}))
    assert whole(path) == bytes(5 * MIB) + noise(4, MIB)
    assert as_raw(path, "vhdx").read_bytes() == whole(path)


@with_libvhdi
def test_sectors_of_4096_bytes_are_read(tmp_path: Path) -> None:
    blocks = {1: Block(FULL, 4, noise(1, MIB))}
    path = built(tmp_path, Layout(2 * MIB + 4096, blocks, sectors=(4096, 4096)))
    assert whole(path) == bytes(MIB) + noise(1, MIB) + bytes(4096)
    assert as_libvhdi_reads(path) == whole(path)
    assert opened(path).facts.details["logicalSectorSize"] == 4096


def test_the_last_block_may_end_with_the_disk(tmp_path: Path) -> None:
    path = built(tmp_path, Layout(512, {0: Block(FULL, 4, noise(1, 512))}))
    assert path.stat().st_size == 4 * MIB + 512
    assert whole(path) == noise(1, 512)


def test_facts_say_what_the_headers_say(tmp_path: Path) -> None:
    path = built(tmp_path, Layout(MIB, {0: Block(FULL, 4, noise(1, MIB))}, flags=1))
    facts = opened(path).facts
    assert (facts.format, facts.variant, facts.oddities) == ("vhdx", "fixed", ())
    assert facts.details == {
        "creator": "a test",
        "blockSize": MIB,
        "logicalSectorSize": 512,
        "physicalSectorSize": 512,
        "leaveBlocksAllocated": True,
        "storedBlocks": 1,
        "diskIdentifier": str(UUID(int=9)),
        "fileWriteGuid": str(UUID(int=7)),
        "dataWriteGuid": "d0d0d0d0-1111-2222-3333-444444444444",
        "parentLocator": None,
    }


def test_stretches_may_come_in_any_parts(tmp_path: Path) -> None:
    """The engine cuts as it likes; neither places nor identifiers may depend on it."""
    results = []
    for step in (4 * KIB, 64 * KIB, 3 * MIB):
        path = tmp_path / f"{step}.vhdx"
        with Output(path) as output:
            writer = VhdxWriter(output, Shape(6 * MIB, {"block_size": str(MIB)}))
            for start in range(0, 6 * MIB, step):
                length = min(step, 6 * MIB - start)
                places = writer.place(start, length)
                assert sum(place.length for place in places) == length
            writer.finish()
        results.append(path.read_bytes())
    assert results[0] == results[1] == results[2]
