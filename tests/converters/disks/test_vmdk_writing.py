"""VMDKs of every kind: written so that QEMU, libvmdk and 7-Zip find the same disk in them."""

from __future__ import annotations

import os
import re
import struct
import threading
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

from converters.disks.copy import copy
from converters.disks.image import Image, read
from converters.disks.output import Output, Stream
from converters.disks.registry import Base, Shape, format_named
from converters.disks.writer import Level, PackedWriter, Place, Writer
from rehost.errors import UsageError
from tests.support.images import (
    GIB,
    KIB,
    MIB,
    QCOW2S,
    RAW,
    TIB,
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
from tests.support.streams import header_of, walked

KINDS = [
    "streamOptimized",
    "monolithicSparse",
    "monolithicFlat",
    "twoGbMaxExtentSparse",
    "twoGbMaxExtentFlat",
    "vmfs",
    "vmfsSparse",
]
SIZES = [512, 64 * KIB - 512, 64 * KIB, 64 * KIB + 512, 2 * MIB - 512, 2 * MIB + 512, 7 * MIB + 512]
PIECE = 4_192_256 * 512

each_kind = pytest.mark.parametrize("kind", KINDS)


def random_disk(path: Path, size: int, seed: int) -> Path:
    create(path, RAW, size)
    scribble(path, "raw", size, seed)
    with path.open("r+b") as file:
        file.seek(size - 512)
        file.write(Random(seed).randbytes(512))
    return path


def written(source: Path, kind: str, **options: str) -> Path:
    target = source.with_name(f"{kind}.vmdk")
    return ours(opened(source), target, "vmdk", subformat=kind, **options)


@each_kind
@pytest.mark.parametrize("size", SIZES)
def test_every_kind_is_written_in_every_size(tmp_path: Path, kind: str, size: int) -> None:
    plain = random_disk(tmp_path / "plain.raw", size, seed=91)
    result = written(plain, kind)
    assert_identical(plain, "raw", result, "vmdk")
    assert read(opened(result), 0, size) == plain.read_bytes()
    assert opened(result).facts.variant == kind
    assert opened(result).facts.oddities == ()
    if kind != "vmfsSparse":
        assert_sound(result, "vmdk")


@each_kind
def test_a_size_of_no_whole_sector_is_rounded_up(tmp_path: Path, kind: str) -> None:
    for size in (1, 513, 64 * KIB + 1):
        content = Random(size).randbytes(size)
        (tmp_path / "odd.raw").write_bytes(content)
        result = written(tmp_path / "odd.raw", kind)
        rounded = -(-size // 512) * 512
        assert as_raw(result, "vmdk").read_bytes() == content.ljust(rounded, b"\0")
        assert read(opened(result), 0, rounded) == content.ljust(rounded, b"\0")


def libvmdk() -> ModuleType | None:
    """Return Debian's binding to libvmdk, which a virtual environment does not see by itself."""
    if find_spec("pyvmdk"):
        return __import__("pyvmdk")
    for path in Path("/usr/lib/python3/dist-packages").glob("pyvmdk*.so"):
        spec = spec_from_file_location("pyvmdk", path)
        if spec is None or spec.loader is None:
            continue
        module = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except ImportError:
            continue
        return module
    return None


WITNESS = libvmdk()


@pytest.mark.skipif(WITNESS is None, reason="needs python3-libvmdk")
@pytest.mark.parametrize("kind", [*KINDS, "streamOptimized with a footer"])
@pytest.mark.parametrize("size", [SIZES[3], SIZES[5]])
def test_libvmdk_reads_the_same(tmp_path: Path, kind: str, size: int) -> None:
    assert WITNESS is not None
    plain = random_disk(tmp_path / "plain.raw", size, seed=92)
    handle = WITNESS.handle()
    # It looks for an extent under the name that the descriptor in it gives.
    name, _, footed = kind.partition(" ")
    options = {"subformat": name, **({"footer": "on"} if footed else {})}
    handle.open(str(ours(opened(plain), tmp_path / "disk.vmdk", "vmdk", **options)))
    handle.open_extent_data_files()
    assert handle.get_media_size() == size
    assert handle.read_buffer_at_offset(size, 0) == plain.read_bytes()
    handle.close()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "vmfs" not in kind])
def test_seven_zip_reads_the_same(tmp_path: Path, kind: str) -> None:
    plain = random_disk(tmp_path / "plain.raw", 3 * MIB, seed=93)
    # Of streams it only opens those with a footer; those of QEMU it does not.
    result = written(plain, kind, **({"footer": "on"} if kind == "streamOptimized" else {}))
    run("7zz", "x", "-y", "-tvmdk", f"-o{tmp_path / 'out'}", result)
    (found,) = (tmp_path / "out").iterdir()
    assert found.read_bytes() == plain.read_bytes()


@each_kind
def test_vmdkinfo_knows_the_disk(tmp_path: Path, kind: str) -> None:
    plain = random_disk(tmp_path / "plain.raw", MIB, seed=94)
    said = run("vmdkinfo", written(plain, kind)).stdout
    facts = dict(re.findall(r"^\s*([\w ]+):\t+(.*)$", said, re.MULTILINE))
    assert f"({MIB} bytes)" in facts["Media size"]
    assert facts["Parent content identifier"] == "0xffffffff"
    assert facts["Number of extents"] == "1"


@pytest.mark.parametrize("kind", ["twoGbMaxExtentSparse", "twoGbMaxExtentFlat"])
def test_a_disk_is_split_where_vmware_splits_it(tmp_path: Path, kind: str) -> None:
    size = 2 * PIECE + MIB
    plain = create(tmp_path / "plain.raw", RAW, size)
    pick = Random(95)
    with plain.open("r+b") as file:
        for at in (0, PIECE - 4096, PIECE, 2 * PIECE - 1, size - 5000):
            file.seek(at)
            file.write(pick.randbytes(5000))
    result = written(plain, kind)
    assert_identical(plain, "raw", result, "vmdk")
    letter = "f" if kind.endswith("Flat") else "s"
    extents = opened(result).facts.details["extents"]
    assert isinstance(extents, list)
    assert [(each["name"], each["size"]) for each in extents] == [
        (f"{kind}-{letter}001.vmdk", PIECE),
        (f"{kind}-{letter}002.vmdk", PIECE),
        (f"{kind}-{letter}003.vmdk", MIB),
    ]
    image = opened(result)
    for at in (0, PIECE - 5000, 2 * PIECE - 5000, size - 5000):
        assert read(image, at, 10000) == read(opened(plain), at, 10000)


def test_the_files_of_a_flat_disk_have_the_names_esxi_gives_them(tmp_path: Path) -> None:
    plain = random_disk(tmp_path / "plain.raw", MIB, seed=96)
    result = ours(opened(plain), tmp_path / "web.vmdk", "vmdk", subformat="vmfs")
    assert (tmp_path / "web-flat.vmdk").read_bytes() == plain.read_bytes()
    text = result.read_text()
    assert text.startswith('# Disk DescriptorFile\nversion=1\nencoding="UTF-8"\nCID=')
    assert (
        'parentCID=ffffffff\ncreateType="vmfs"\n\n# Extent description\n'
        'RW 2048 VMFS "web-flat.vmdk"\n\n# The Disk Data Base\n#DDB\n' in text
    )


@each_kind
def test_the_same_input_gives_the_same_bytes(tmp_path: Path, kind: str) -> None:
    plain = random_disk(tmp_path / "plain.raw", 3 * MIB, seed=97)
    found = []
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        ours(opened(plain), tmp_path / folder / "disk.vmdk", "vmdk", subformat=kind)
        files = sorted((tmp_path / folder).iterdir())
        found.append([(path.name, path.read_bytes()) for path in files])
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "streamOptimized"])
def test_other_content_has_another_identifier(tmp_path: Path, kind: str) -> None:
    seen = set()
    for seed in (98, 99):
        plain = tmp_path / "plain.raw"
        plain.write_bytes(Random(seed).randbytes(MIB))
        seen.add(opened(written(plain, kind)).facts.details["CID"])
    assert len(seen) == 2


@pytest.mark.parametrize("grain", [8 * KIB, 32 * KIB, MIB])
@pytest.mark.parametrize("kind", ["monolithicSparse", "twoGbMaxExtentSparse"])
def test_every_size_of_grain_is_read_and_can_be_written_to(
    tmp_path: Path, kind: str, grain: int
) -> None:
    size = 5 * MIB + 512
    plain = random_disk(tmp_path / "plain.raw", size, seed=100)
    result = written(plain, kind, grain_size=str(grain), zeroed_grain="on")
    for path, name in ((plain, "raw"), (result, "vmdk")):
        run("qemu-io", "-f", name, "-c", "write -P 9 1M 70k", "-c", f"write -z 0 {MIB}", path)
    assert_sound(result, "vmdk")
    assert_identical(plain, "raw", result, "vmdk")
    assert read(opened(result), 0, size) == plain.read_bytes()
    first = result if kind == "monolithicSparse" else tmp_path / f"{kind}-s001.vmdk"
    header = header_of(first.read_bytes())
    assert (header["version"], header["flags"], header["grain"]) == (2, 7, grain // 512)


def new_vmdk(output: Output, shape: Shape) -> Writer | PackedWriter:
    into = format_named("vmdk")
    assert into.create is not None
    return into.create(output, shape)


def streamed(source: Path, shape: Shape) -> bytes:
    """Return what standard output gets."""
    reader, writer = os.pipe()
    found = bytearray()

    def drain() -> None:
        with os.fdopen(reader, "rb") as pipe:
            found.extend(pipe.read())

    thread = threading.Thread(target=drain)
    thread.start()
    with Stream(writer, "-") as output:
        try:
            copy(opened(source), new_vmdk(output, shape), output)
        finally:
            os.close(writer)
            thread.join()
    return bytes(found)


@pytest.mark.parametrize("size", [*SIZES, 70 * MIB + 512])
def test_a_stream_is_what_a_file_with_a_footer_is_but_for_its_name(
    tmp_path: Path, size: int
) -> None:
    plain = random_disk(tmp_path / "plain.raw", size, seed=101)
    result = written(plain, "streamOptimized", footer="on")
    content = result.read_bytes()
    stream = streamed(plain, Shape(size))
    assert stream[64 * KIB :] == content[64 * KIB :]
    assert b'SPARSE "disk.vmdk"' in stream[: 64 * KIB]
    assert_sound(result, "vmdk")
    assert_identical(plain, "raw", result, "vmdk")
    assert read(opened(result), 0, size) == plain.read_bytes()
    assert opened(result).facts.oddities == ()


def test_a_true_stream_is_laid_out_as_the_format_says(tmp_path: Path) -> None:
    size = 70 * MIB
    plain = create(tmp_path / "plain.raw", RAW, size)
    pick = Random(102)
    with plain.open("r+b") as file:
        for at in (0, 5 * MIB, 65 * MIB):
            file.seek(at)
            file.write(pick.randbytes(64 * KIB))
    content = written(plain, "streamOptimized", footer="on").read_bytes()
    header = header_of(content)
    assert (header["directory"], header["redundant"], header["overhead"]) == (2**64 - 1, 0, 128)
    assert (header["version"], header["flags"], header["descriptor"]) == (3, 0x30001, 1)
    kinds, at = [], 128 * 512
    places: dict[str, int] = {}
    while at < len(content):
        value, length, kind = struct.unpack_from("<QII", content, at)
        if length:
            kinds.append(f"grain {value * 512 // MIB}")
            at += -(-(12 + length) // 512) * 512
            continue
        assert not any(content[at + 16 : at + 512])
        kinds.append(("end", "table", "directory", "footer")[kind])
        places[kinds[-1]] = at + 512
        at += 512 + value * 512
    assert kinds == [
        *("grain 0", "grain 5", "table", "grain 65", "table", "directory", "footer", "end"),
    ]
    assert at == len(content)
    footer = header_of(content[places["footer"] :])
    assert footer == header | {"directory": places["directory"] // 512}
    tables = struct.unpack_from("<3I", content, places["directory"])
    assert tables[1] == 0
    assert tables[2] == places["table"] // 512


def test_an_empty_stream_has_an_end(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, MIB)
    result = written(plain, "streamOptimized", footer="on")
    assert_identical(plain, "raw", result, "vmdk")
    assert opened(result).facts.oddities == ()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "streamOptimized"])
def test_what_is_no_stream_cannot_be_streamed(tmp_path: Path, kind: str) -> None:
    plain = random_disk(tmp_path / "plain.raw", MIB, seed=103)
    with pytest.raises(UsageError) as caught:
        streamed(plain, Shape(MIB, {"subformat": kind}))
    assert "streamed" in str(caught.value)


def overlay(image: Image, base: Path, target: Path, **options: str) -> Path:
    """Write only what differs, unit by unit, as the engine does."""
    below = opened(base)
    shape = Shape(image.size, options, base=Base(base.name, "vmdk", below))
    with Output(target) as output:
        writer = new_vmdk(output, shape)
        for at in range(0, image.size, writer.unit):
            content = read(image, at, writer.unit)
            if content == read(below, at, writer.unit):
                continue
            if isinstance(writer, PackedWriter):
                packed = memoryview(writer.pack(at, memoryview(content)))
                output.write(packed, writer.append(at, packed))
            else:
                (place,) = writer.place(at, len(content))
                (place.output or output).write(content, place.offset)
        writer.finish()
    return target


@pytest.mark.parametrize(
    "kind", ["", "monolithicSparse", "twoGbMaxExtentSparse", "vmfsSparse", "streamOptimized"]
)
@pytest.mark.parametrize("below", ["monolithicSparse", "vmfs"])
def test_a_delta_is_read_with_its_base(
    tmp_path: Path, kind: str, below: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    size = 3 * MIB + 512
    plain = random_disk(tmp_path / "plain.raw", size, seed=104)
    base = written(plain, below)
    scribble(plain, "raw", size, seed=105)
    options = {"subformat": kind} if kind else {}
    top = overlay(opened(plain), base, tmp_path / "top.vmdk", **options)
    assert read(opened(top), 0, size) == plain.read_bytes()
    assert as_raw(top, "vmdk").read_bytes() == plain.read_bytes()
    details = opened(top).facts.details
    assert details["createType"] == (kind or "monolithicSparse")
    assert details["parentFileNameHint"] == base.name
    assert details["parentCID"] == opened(base).facts.details["CID"]
    assert details["CID"] != details["parentCID"]


def refused(shape: Shape, folder: Path, name: str = "disk.vmdk") -> UsageError:
    with pytest.raises(UsageError) as caught, Output(folder / "disk", name) as output:
        new_vmdk(output, shape)
    return caught.value


def test_a_base_that_no_vmdk_can_have_is_refused(tmp_path: Path) -> None:
    image = opened(create(tmp_path / "base.qcow2", QCOW2S[0], MIB))
    error = refused(Shape(MIB, base=Base("base.qcow2", "qcow2", image)), tmp_path)
    assert str(error) == (
        "base.qcow2: a VMDK can only store differences to a VMDK (the base is qcow2)"
    )
    assert error.hint == "Convert the base to VMDK first, or write another format."


@pytest.mark.parametrize("kind", ["monolithicFlat", "twoGbMaxExtentFlat", "vmfs"])
def test_a_flat_disk_stores_everything(tmp_path: Path, kind: str) -> None:
    base = written(create(tmp_path / "plain.raw", RAW, MIB), "vmfs")
    shape = Shape(MIB, {"subformat": kind}, base=Base(base.name, "vmdk", opened(base)))
    error = refused(shape, tmp_path)
    assert str(error) == f"a {kind} VMDK cannot store only differences"
    assert error.hint == "Pass -o subformat=monolithicSparse."


def test_names_that_a_descriptor_cannot_hold_are_refused(tmp_path: Path) -> None:
    error = refused(Shape(MIB, {"subformat": "vmfs"}), tmp_path, 'a "disk".vmdk')
    assert str(error) == "a VMDK cannot name such a file ('a \"disk\"-flat.vmdk')"
    assert error.hint == "Choose a name without quotes."


REFUSED = [
    (
        Shape(62 * TIB + 512, {"subformat": "vmfs"}),
        f"a VMDK holds 62 TiB at most (the disk has {62 * TIB + 512} bytes)",
        "",
    ),
    (
        Shape(2 * TIB, {"subformat": "twoGbMaxExtentSparse"}),
        f"a VMDK in pieces of two gigabytes holds {512 * PIECE} bytes at most "
        f"(the disk has {2 * TIB})",
        "Pass -o subformat=monolithicSparse or monolithicFlat.",
    ),
    (
        Shape(2 * TIB, {"subformat": "vmfsSparse"}),
        f"a vmfsSparse VMDK holds {2 * TIB - 512} bytes at most (the disk has {2 * TIB})",
        "",
    ),
    (
        Shape(MIB, {"subformat": "vmfs", "zeroed_grain": "on"}),
        "a vmfs VMDK takes no option zeroed_grain",
        "It is for monolithicSparse and twoGbMaxExtentSparse.",
    ),
    (
        Shape(MIB, {"grain_size": "65536"}),
        "a streamOptimized VMDK takes no option grain_size",
        "It is for monolithicSparse and twoGbMaxExtentSparse.",
    ),
    (
        Shape(MIB, {"subformat": "monolithicSparse", "footer": "on"}),
        "a monolithicSparse VMDK takes no option footer",
        "It is for streamOptimized.",
    ),
    (
        Shape(MIB, {"subformat": "vmfs"}, Level.FAST),
        "a vmfs VMDK is never compressed",
        "Pass no level, or -o subformat=streamOptimized.",
    ),
    (Shape(0, {"subformat": "vmfs"}), "a VMDK cannot be empty (the disk has 0 bytes)", ""),
]


@pytest.mark.parametrize(("shape", "said", "hint"), REFUSED)
def test_what_is_refused_is_said_in_these_words(
    tmp_path: Path, shape: Shape, said: str, hint: str
) -> None:
    error = refused(shape, tmp_path)
    assert (str(error), error.hint) == (said, hint)


@pytest.mark.parametrize("kind", ["monolithicSparse", "monolithicFlat", "vmfs", "streamOptimized"])
def test_disks_larger_than_two_tebibytes_are_written(tmp_path: Path, kind: str) -> None:
    size = 3 * TIB + 512
    plain = create(tmp_path / "plain.raw", RAW, size)
    pick = Random(106)
    places = [0, 2 * TIB - 3000, size - 5000, *(pick.randrange(size) for _ in range(20))]
    with plain.open("r+b") as file:
        for at in places:
            file.seek(at)
            file.write(pick.randbytes(min(5000, size - at)))
    result = written(plain, kind)
    assert virtual_size(result, "vmdk") == size
    image = opened(result)
    for at in places:
        assert read(image, at - 9 if at else 0, 5020) == read(
            opened(plain), at - 9 if at else 0, 5020
        )
    run("qemu-io", "-r", "-f", "vmdk", "-c", f"read -P 0 {GIB} 1M", result)


def table_of_facts(content: bytes) -> dict[str, object]:
    """Return the rows of the table in which writers of streams differ."""
    walk = walked(content)
    said = dict(re.findall(r'^([\w.]+) ?= ?"?([^"\n]*)"?$', walk.descriptor, re.MULTILINE))
    grains = list(walk.grains)
    return {
        "header version": walk.header["version"],
        "flags": walk.header["flags"],
        "grain, entries, descriptor": (
            walk.header["grain"],
            walk.header["entries"],
            (walk.header["descriptor"], walk.header["descriptor_size"]),
        ),
        "directories, overhead": (
            walk.header["directory"],
            walk.header["redundant"],
            walk.header["overhead"],
        ),
        "order": grains == sorted(grains),
        "encoding": said["encoding"],
        "long identifier ends in CID": said["ddb.longContentID"].endswith(said["CID"]),
        "geometry": (said["ddb.geometry.heads"], said["ddb.geometry.sectors"]),
        "adapter": said["ddb.adapterType"],
        "tools": (said["ddb.toolsInstallType"], said["ddb.toolsVersion"]),
        "hardware": said["ddb.virtualHWVersion"],
        "bytes behind the end": len(content) - walk.end,
    }


def test_a_stream_agrees_with_vmwares_own_converter_row_by_row(tmp_path: Path) -> None:
    # What open-vmdk, VMware's converter, writes for a disk of 8 GiB.
    plain = create(tmp_path / "plain.raw", RAW, 8 * GIB)
    with plain.open("r+b") as file:
        for at in (7 * GIB, 0, GIB):
            file.seek(at)
            file.write(b"data" * 20000)
    assert table_of_facts(written(plain, "streamOptimized").read_bytes()) == {
        "header version": 3,
        "flags": 0x30001,
        "grain, entries, descriptor": (128, 512, (1, 20)),
        "directories, overhead": (21, 0, 1047),
        "order": True,
        "encoding": "UTF-8",
        "long identifier ends in CID": True,
        "geometry": ("255", "63"),
        "adapter": "lsilogic",
        "tools": ("4", "2147483647"),
        "hardware": "4",
        "bytes behind the end": 0,
    }


def test_places_of_a_stretch_over_pieces_are_in_order(tmp_path: Path) -> None:
    with Output(tmp_path / "disk.vmdk") as output:
        shape = Shape(2 * PIECE, {"subformat": "twoGbMaxExtentFlat"})
        writer = new_vmdk(output, shape)
        assert not isinstance(writer, PackedWriter)
        places = writer.place(PIECE - 4096, 8192)
    assert [(place.offset, place.length) for place in places] == [(PIECE - 4096, 4096), (0, 4096)]
    assert [place.output.name for place in places if isinstance(place, Place) and place.output] == [
        "disk-f001.vmdk",
        "disk-f002.vmdk",
    ]
