"""Writing streamOptimized: as the format says, to the byte, and as other tools read it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, assume, given, settings

from converters.disks.formats.vmdk import tables as grain_tables
from converters.disks.formats.vmdk.describing import embedded, geometry
from converters.disks.image import read
from converters.disks.output import Output
from converters.disks.registry import Shape
from converters.disks.writer import Level
from rehost.errors import UsageError
from tests.support.images import (
    GIB,
    KIB,
    MIB,
    QCOW2S,
    RAW,
    TIB,
    VMDKS,
    Variant,
    as_raw,
    assert_identical,
    assert_sound,
    create,
    make,
    opened,
    ours,
    run,
    scribble,
    virtual_size,
)
from tests.support.models import ModelImage, model_images
from tests.support.streams import header_of, tables, walked

SECONDS = 180
ODD = 7 * MIB + 37 * 512
LEVELS = [Level.FAST, Level.DEFAULT, Level.BEST]
SIZES = [512, 64 * KIB - 512, 64 * KIB, 64 * KIB + 512, 32 * MIB - 512, 32 * MIB + 512]

GROWING = {"subformat": "monolithicSparse"}

each_level = pytest.mark.parametrize("level", LEVELS)
each_variant = pytest.mark.parametrize("variant", [*VMDKS, QCOW2S[0], QCOW2S[8], RAW], ids=str)


def random_disk(path: Path, size: int, seed: int) -> Path:
    """Make a raw disk with noise, text, holes, and something in its first and last sector."""
    create(path, RAW, size)
    if size:
        scribble(path, "raw", size, seed)
        pick = Random(seed)
        with path.open("r+b") as file:
            for at in (0, size // 3, size - 512):
                file.seek(at // 512 * 512)
                file.write(pick.randbytes(512))
    return path


@each_level
@each_variant
def test_other_tools_see_the_same_disk(tmp_path: Path, variant: Variant, level: Level) -> None:
    path = make(tmp_path, variant, ODD, seed=51)
    result = ours(opened(path), tmp_path / "ours.vmdk", "vmdk", level)
    assert_sound(result, "vmdk")
    assert_identical(path, variant.format, result, "vmdk")
    assert as_raw(result, "vmdk").read_bytes() == read(opened(result), 0, ODD)


@each_level
@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_written(tmp_path: Path, size: int, level: Level) -> None:
    plain = random_disk(tmp_path / "plain.raw", size, seed=52)
    result = ours(opened(plain), tmp_path / "ours.vmdk", "vmdk", level)
    assert virtual_size(result, "vmdk") == size
    assert as_raw(result, "vmdk").read_bytes() == plain.read_bytes()
    assert ours(opened(result), tmp_path / "back.raw", "raw").read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("size", [1, 511, 513, 64 * KIB + 1])
def test_a_size_of_no_whole_sector_is_rounded_up(tmp_path: Path, size: int) -> None:
    content = Random(size).randbytes(size)
    (tmp_path / "odd.raw").write_bytes(content)
    result = ours(opened(tmp_path / "odd.raw"), tmp_path / "ours.vmdk", "vmdk")
    rounded = -(-size // 512) * 512
    assert as_raw(result, "vmdk").read_bytes() == content.ljust(rounded, b"\0")


@each_level
@pytest.mark.parametrize("size", [*SIZES, ODD])
def test_a_walk_along_the_markers_finds_the_whole_disk(
    tmp_path: Path, size: int, level: Level
) -> None:
    plain = random_disk(tmp_path / "plain.raw", size, seed=53)
    content = ours(opened(plain), tmp_path / "ours.vmdk", "vmdk", level).read_bytes()
    walk = walked(content)
    assert walk.end == len(content)
    assert {len(grain) for grain in walk.grains.values()} <= {64 * KIB}
    assert tables(content, walk.header) == walk.places
    found = bytearray(-(-size // (64 * KIB)) * 64 * KIB)
    for sector, grain in walk.grains.items():
        assert any(grain)
        found[sector * 512 : sector * 512 + len(grain)] = grain
    assert found == plain.read_bytes().ljust(len(found), b"\0")


def test_the_header_is_what_vmware_writes(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 8 * GIB)
    result = ours(opened(plain), tmp_path / "ours.vmdk", "vmdk")
    assert walked(result.read_bytes()).header == {
        "magic": 0x564D444B,
        "version": 3,
        "flags": 0x30001,
        "capacity": 16 * MIB,
        "grain": 128,
        "descriptor": 1,
        "descriptor_size": 20,
        "entries": 512,
        "redundant": 0,
        "directory": 21,
        "overhead": 1047,
        "unclean": 0,
        "compression": 1,
    }
    assert result.stat().st_size == 1048 * 512


DESCRIPTOR = """# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=0c0d0e0f
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RW 16777216 SPARSE "disk.vmdk"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "1044"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.longContentID = "000102030405060708090a0b0c0d0e0f"
ddb.toolsInstallType = "4"
ddb.toolsVersion = "2147483647"
ddb.virtualHWVersion = "4"
"""


def described(folder: Path, shape: Shape, digest: bytes, name: str = "disk.vmdk") -> bytes:
    with Output(folder / "out", name) as output:
        return embedded("streamOptimized", shape, digest, output)


def test_the_descriptor_is_what_vmware_writes(tmp_path: Path) -> None:
    text = described(tmp_path, Shape(8 * GIB), bytes(range(32)))
    assert len(text) == 20 * 512
    assert text.rstrip(b"\0").decode() == DESCRIPTOR


def test_the_options_appear_in_the_descriptor(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, MIB)
    options = {"adapter_type": "ide", "hwversion": "19"}
    result = ours(opened(plain), tmp_path / "ours.vmdk", "vmdk", **options)
    details = opened(result).facts.details
    assert details["ddb.adapterType"] == "ide"
    assert details["ddb.virtualHWVersion"] == "19"
    assert (details["ddb.geometry.heads"], details["ddb.geometry.sectors"]) == ("16", "63")


@pytest.mark.parametrize(
    ("size", "adapter", "expected"),
    [
        (0, "lsilogic", (0, 64, 32)),
        (GIB - 512, "lsilogic", (1023, 64, 32)),
        (GIB, "lsilogic", (512, 128, 32)),
        (2 * GIB - 512, "buslogic", (1023, 128, 32)),
        (2 * GIB, "buslogic", (261, 255, 63)),
        (62 * TIB, "lsilogic", (65535, 255, 63)),
        (GIB, "ide", (2080, 16, 63)),
        (TIB, "ide", (16383, 16, 63)),
    ],
)
def test_the_geometry_goes_by_controller_and_size(
    size: int, adapter: str, expected: tuple[int, int, int]
) -> None:
    assert geometry(size, adapter) == expected


@pytest.mark.parametrize("reserved", ["ffffffff", "fffffffe"])
def test_a_content_identifier_that_means_something_else_is_not_used(
    tmp_path: Path, reserved: str
) -> None:
    text = described(tmp_path, Shape(MIB), bytes.fromhex("11" * 12 + reserved)).decode()
    assert "CID=00000000\n" in text
    assert f'ddb.longContentID = "{"11" * 12}00000000"\n' in text


def identity(path: Path) -> str:
    found = re.search(r"^CID=([0-9a-f]{8})$", walked(path.read_bytes()).descriptor, re.MULTILINE)
    assert found
    return found[1]


def test_the_same_input_gives_the_same_bytes_and_names_its_own_file(tmp_path: Path) -> None:
    plain = random_disk(tmp_path / "plain.raw", ODD, seed=54)
    contents = []
    for name in ("first", "second", 'a"b'):
        (tmp_path / "again").mkdir(exist_ok=True)
        path = ours(opened(plain), tmp_path / f"{name}.vmdk", "vmdk")
        again = ours(opened(plain), tmp_path / "again" / f"{name}.vmdk", "vmdk")
        assert again.read_bytes() == path.read_bytes()
        said = path.name if '"' not in name else "disk.vmdk"
        assert f'SPARSE "{said}"\n'.encode() in path.read_bytes()
        contents.append(path.read_bytes()[21 * 512 :])
    assert contents[0] == contents[1] == contents[2]


def test_libvmdk_finds_the_disk_in_its_own_file(tmp_path: Path) -> None:
    plain = random_disk(tmp_path / "plain.raw", ODD, seed=54)
    run("vmdkinfo", ours(opened(plain), tmp_path / "web server.vmdk", "vmdk"))


def test_the_content_identifier_goes_by_the_content_alone(tmp_path: Path) -> None:
    plain = random_disk(tmp_path / "plain.raw", ODD, seed=55)
    levels = [ours(opened(plain), tmp_path / f"{level}.vmdk", "vmdk", level) for level in LEVELS]
    (same,) = {identity(path) for path in levels}
    longer = create(tmp_path / "longer.raw", RAW, ODD + 512)
    with longer.open("r+b") as file:
        file.write(plain.read_bytes())
    assert identity(ours(opened(longer), tmp_path / "longer.vmdk", "vmdk")) != same
    with plain.open("r+b") as file:
        file.write(b"other")
    assert identity(ours(opened(plain), tmp_path / "other.vmdk", "vmdk")) != same


def test_vmdkinfo_knows_the_disk(tmp_path: Path) -> None:
    plain = random_disk(tmp_path / "plain.raw", ODD, seed=56)
    result = ours(opened(plain), tmp_path / "ours.vmdk", "vmdk")
    said = run("vmdkinfo", result).stdout
    facts = dict(re.findall(r"^\s*([\w ]+):\t+(.*)$", said, re.MULTILINE))
    assert facts["Disk type"] == "Stream optimized"
    assert f"({ODD} bytes)" in facts["Media size"]
    assert facts["Content identifier"] == f"0x{identity(result)}"
    assert facts["Parent content identifier"] == "0xffffffff"
    assert facts["Number of extents"] == "1"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(image=model_images())
def test_any_chain_is_found_again_by_both_readers(image: ModelImage) -> None:
    assume(image.size)
    with TemporaryDirectory() as folder:
        result = ours(image, Path(folder) / "ours.vmdk", "vmdk", Level.FAST)
        rounded = -(-image.size // 512) * 512
        assert read(opened(result), 0, rounded) == image.content.ljust(rounded, b"\0")
        content = result.read_bytes()
    walk = walked(content)
    found = bytearray(rounded + 64 * KIB)
    for sector, grain in walk.grains.items():
        found[sector * 512 : sector * 512 + len(grain)] = grain
    assert walk.end == len(content)
    assert bytes(found[: image.size]) == image.content


def test_a_better_level_makes_a_smaller_file_than_the_one_before(tmp_path: Path) -> None:
    text = b"".join(path.read_bytes() for path in sorted(Path(ast.__file__).parent.glob("*.py")))
    (tmp_path / "text.raw").write_bytes(text[: 2 * MIB])
    image = opened(tmp_path / "text.raw")
    sizes = [
        ours(image, tmp_path / f"{level}.vmdk", "vmdk", level).stat().st_size for level in LEVELS
    ]
    assert sizes == sorted(set(sizes), reverse=True)
    silent = ours(image, tmp_path / "silent.vmdk", "vmdk")
    assert silent.read_bytes()[21 * 512 :] == (tmp_path / "default.vmdk").read_bytes()[21 * 512 :]


def test_a_stream_that_is_not_to_be_compressed_is_refused(tmp_path: Path) -> None:
    image = opened(create(tmp_path / "plain.raw", RAW, MIB))
    with pytest.raises(UsageError) as caught:
        ours(image, tmp_path / "ours.vmdk", "vmdk", Level.NONE)
    assert str(caught.value) == "a streamOptimized VMDK is always compressed"
    assert caught.value.hint == "Pass another level, or -o subformat=monolithicSparse."


@each_level
def test_a_growing_disk_that_is_to_be_compressed_is_refused(tmp_path: Path, level: Level) -> None:
    image = opened(create(tmp_path / "plain.raw", RAW, MIB))
    with pytest.raises(UsageError) as caught:
        ours(image, tmp_path / "ours.vmdk", "vmdk", level, **GROWING)
    assert str(caught.value) == "a monolithicSparse VMDK is never compressed"
    assert caught.value.hint == "Pass no level, or -o subformat=streamOptimized."


@each_variant
def test_other_tools_see_the_same_growing_disk(tmp_path: Path, variant: Variant) -> None:
    path = make(tmp_path, variant, ODD, seed=59)
    result = ours(opened(path), tmp_path / "ours.vmdk", "vmdk", **GROWING)
    assert_sound(result, "vmdk")
    assert_identical(path, variant.format, result, "vmdk")
    assert opened(result).facts.variant == "monolithicSparse"
    assert "Disk type:\t\t\tMonolithic sparse" in run("vmdkinfo", result).stdout


@pytest.mark.parametrize("size", [*SIZES, 64 * MIB + 512])
def test_every_size_of_a_growing_disk_is_written_and_can_be_written_to(
    tmp_path: Path, size: int
) -> None:
    plain = random_disk(tmp_path / "plain.raw", size, seed=60)
    result = ours(opened(plain), tmp_path / "ours.vmdk", "vmdk", Level.NONE, **GROWING)
    assert_identical(plain, "raw", result, "vmdk")
    pick = Random(61)
    places = [pick.randrange(size // 512) * 512 for _ in range(40)]
    writes = [word for at in places for word in ("-c", f"write -P {at % 255 + 1} {at} 512")]
    for path, format_name in ((plain, "raw"), (result, "vmdk")):
        run("qemu-io", "-f", format_name, *writes, path)
    assert_sound(result, "vmdk")
    assert_identical(plain, "raw", result, "vmdk")
    assert read(opened(result), 0, size) == plain.read_bytes()


def test_both_directories_of_a_growing_disk_say_the_same(tmp_path: Path) -> None:
    plain = random_disk(tmp_path / "plain.raw", 70 * MIB, seed=62)
    content = ours(opened(plain), tmp_path / "o.vmdk", "vmdk", **GROWING).read_bytes()
    header = header_of(content)
    redundant = header | {"directory": header["redundant"]}
    assert tables(content, header) == tables(content, redundant)
    assert (header["version"], header["flags"], header["compression"]) == (1, 3, 0)
    assert header["overhead"] % 128 == 0
    for sector, place in tables(content, header).items():
        grain = content[place * 512 : (place + 128) * 512]
        assert grain == plain.read_bytes()[sector * 512 : (sector + 128) * 512]


def test_a_disk_of_no_bytes_is_refused(tmp_path: Path) -> None:
    image = opened(create(tmp_path / "plain.raw", RAW, 0))
    with pytest.raises(UsageError) as caught:
        ours(image, tmp_path / "ours.vmdk", "vmdk")
    assert str(caught.value) == "a VMDK cannot be empty (the disk has 0 bytes)"


def test_a_disk_larger_than_vmware_allows_is_refused(tmp_path: Path) -> None:
    size = 62 * TIB + 512
    image = opened(create(tmp_path / "plain.qcow2", QCOW2S[-1], size), format_name="qcow2")
    with pytest.raises(UsageError) as caught:
        ours(image, tmp_path / "ours.vmdk", "vmdk")
    assert str(caught.value) == f"a VMDK holds 62 TiB at most (the disk has {size} bytes)"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("options", [{}, GROWING], ids=["stream", "sparse"])
def test_a_file_that_would_grow_too_large_for_its_tables_is_refused(
    tmp_path: Path, options: dict[str, str]
) -> None:
    plain = tmp_path / "plain.raw"
    plain.write_bytes(Random(57).randbytes(MIB))
    with patch.object(grain_tables, "FARTHEST", 200), pytest.raises(UsageError) as caught:
        ours(opened(plain), tmp_path / "ours.vmdk", "vmdk", **options)
    assert str(caught.value) == "a sparse VMDK cannot grow beyond 2 TiB"
    assert caught.value.hint == "Write another format, such as qcow2."


MEASURED = """
import sys
from pathlib import Path
from converters.disks.writer import Level
from tests.support.images import opened, ours
ours(opened(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3], Level.FAST)
status = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""


@pytest.mark.parametrize("target", ["vmdk", "qcow2"])
def test_memory_stays_small_for_a_large_disk(tmp_path: Path, target: str) -> None:
    size, piece = 100 * GIB, MIB
    path = create(tmp_path / "large.raw", RAW, size)
    pick = Random(58)
    places = [pick.randrange(size // piece) * piece for _ in range(300)]
    with path.open("r+b") as file:
        for at in places:
            file.seek(at)
            file.write(pick.randbytes(piece // 2) + bytes([at % 251 + 1]) * (piece // 2))
    result = tmp_path / f"ours.{target}"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path), str(result), target],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    assert int(done.stdout) * KIB < 200 * MIB
    image, plain = opened(result), opened(path)
    for at in places[::20]:
        assert read(image, at, piece) == read(plain, at, piece)
