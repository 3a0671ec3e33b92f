"""VDI: read and written as QEMU and 7-Zip understand it, and refused in these words."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.disks.formats.vdi.writer import VdiWriter
from converters.disks.gate import ClosedGate
from converters.disks.image import Image, Zero, read, resolved
from converters.disks.output import Output
from converters.disks.registry import Shape, format_of, open_image
from rehost.errors import DamagedInputError, InteropError, UsageError
from rehost.files import LocalFile
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
    create,
    opened,
    ours,
    run,
    scribble,
    virtual_size,
)
from tests.support.models import Memory

SECONDS = 240
ODD = 7 * MIB + 37 * 512
VARIANTS = (Variant("dynamic", "vdi"), Variant("fixed", "vdi", "static=on"))
SIZES = (512, 4096, MIB - 512, MIB, MIB + 512, ODD)
SIGNATURE, VERSION, KIND, MAP_AT, DATA_AT, DISK_SIZE, BLOCK_SIZE, EXTRA, BLOCKS = (
    *(64, 68, 76, 340, 344, 368, 376, 380, 384),
)
LARGE = 16 * TIB - MIB

each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=str)
each_kind = pytest.mark.parametrize("kind", ["dynamic", "fixed"])


def scribbled(path: Path, variant: Variant, size: int, seed: int) -> Path:
    create(path, variant, size)
    scribble(path, "vdi", size, seed)
    return path


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    """Return a small disk whose second block is stored before its first."""
    path = create(tmp_path / "sound.vdi", VARIANTS[0], 4 * MIB)
    for command in ("write -P 2 1M 1M", "write -P 1 0 1M"):
        run("qemu-io", "-f", "vdi", "-c", command, path)
    return path.read_bytes()


def patched(content: bytes, at: int, layout: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, at, value)
    return bytes(changed)


def field(content: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", content, at)[0])


def image_of(content: bytes, name: str = "a.vdi") -> Image:
    return open_image(Memory(content, name), ClosedGate(), format="vdi")


def error_of(content: bytes) -> InteropError:
    with pytest.raises(InteropError) as caught:
        image = image_of(content)
        read(image, 0, image.size)
    return caught.value


# Reading


@each_variant
def test_any_request_returns_what_lies_there(tmp_path: Path, variant: Variant) -> None:
    path = scribbled(tmp_path / "a.vdi", variant, ODD, seed=1)
    expected, image, pick = as_raw(path, "vdi").read_bytes(), opened(path), Random(7)
    assert image.size == ODD
    for _ in range(80):
        offset, length = pick.randrange(ODD), pick.randrange(1, 3 * MIB)
        assert read(image, offset, length) == expected[offset : offset + length]


@each_variant
@pytest.mark.parametrize("size", SIZES)
def test_disks_of_every_size_read_as_qemu_reads_them(
    tmp_path: Path, variant: Variant, size: int
) -> None:
    path = scribbled(tmp_path / "a.vdi", variant, size, seed=2)
    assert read(opened(path), 0, size) == as_raw(path, "vdi").read_bytes()


@each_variant
def test_runs_touch_each_other_and_cover_exactly_the_disk(tmp_path: Path, variant: Variant) -> None:
    image = opened(scribbled(tmp_path / "a.vdi", variant, ODD, seed=3))
    at = 0
    for found in resolved(image, 0, image.size):
        assert (found.start, found.length > 0) == (at, True)
        at = found.stop
    assert at == image.size


def test_an_empty_terabyte_is_one_hole(tmp_path: Path) -> None:
    image = opened(create(tmp_path / "a.vdi", VARIANTS[0], TIB))
    (only,) = resolved(image, 0, image.size)
    assert (only.length, type(only.source)) == (TIB, Zero)


def test_blocks_stored_out_of_order_are_read(sound: bytes) -> None:
    image = image_of(sound)
    assert read(image, MIB - 2, 4) == b"\1\1\2\2"
    assert read(image, 0, 4 * MIB) == b"\1" * MIB + b"\2" * MIB + bytes(2 * MIB)


def test_a_discarded_block_reads_zeros(tmp_path: Path, sound: bytes) -> None:
    content = patched(sound, field(sound, MAP_AT) + 4, "<I", 0xFFFF_FFFE)
    assert read(image_of(content), 0, 4 * MIB) == b"\1" * MIB + bytes(3 * MIB)
    path = tmp_path / "discarded.vdi"
    path.write_bytes(content)
    assert as_raw(path, "vdi").read_bytes() == read(opened(path), 0, 4 * MIB)


def test_what_lies_between_blocks_is_skipped() -> None:
    head = bytearray(1024)
    head[SIGNATURE : SIGNATURE + 4] = b"\x7f\x10\xda\xbe"
    values = {VERSION: 0x10001, KIND: 1, MAP_AT: 512, DATA_AT: 1024, BLOCK_SIZE: 512}
    for at, value in {**values, EXTRA: 64, BLOCKS: 4, DISK_SIZE: 2048}.items():
        struct.pack_into("<I", head, at, value)
    struct.pack_into("<4I", head, 512, 0, 1, 0xFFFF_FFFF, 2)
    data = b"".join(b"extra".ljust(64, b"!") + bytes([number]) * 512 for number in (1, 2, 3))
    expected = b"\1" * 512 + b"\2" * 512 + bytes(512) + b"\3" * 512
    assert read(image_of(bytes(head) + data), 0, 2048) == expected


def test_a_size_of_no_whole_sector_is_rounded_up_and_said(tmp_path: Path, sound: bytes) -> None:
    content = patched(sound, DISK_SIZE, "<Q", 4 * MIB - 700)
    image = image_of(content)
    assert image.size == 4 * MIB - 512
    assert image.facts.oddities == (
        f"the disk has no whole number of sectors ({4 * MIB - 700} bytes)",
    )
    path = tmp_path / "odd.vdi"
    path.write_bytes(content)
    assert virtual_size(path, "vdi") == image.size


def test_facts_say_what_the_header_says(sound: bytes) -> None:
    facts = image_of(sound).facts
    assert (facts.format, facts.variant, facts.oddities) == ("vdi", "dynamic", ())
    identifiers = {facts.details.pop("identifier"), facts.details.pop("modification")}
    assert len(identifiers) == 2
    assert facts.details == {
        "version": "1.1",
        "text": "<<< QEMU VM Virtual Disk Image >>>",
        "description": "",
        "blockSize": MIB,
        "blocksAllocated": 2,
    }


# Writing


@each_variant
@each_kind
def test_what_is_written_is_identical_and_sound(
    tmp_path: Path, variant: Variant, kind: str
) -> None:
    path = scribbled(tmp_path / "a.vdi", variant, ODD, seed=10)
    result = ours(opened(path), tmp_path / "ours.vdi", "vdi", subformat=kind)
    assert_sound(result, "vdi")
    assert_identical(path, "vdi", result, "vdi")
    run("7zz", "x", "-tvdi", f"-o{tmp_path / 'out'}", result)
    (unpacked,) = (tmp_path / "out").iterdir()
    assert unpacked.read_bytes() == as_raw(path, "vdi").read_bytes()
    again = opened(result)
    assert (again.facts.variant, again.facts.oddities) == (kind, ())
    assert again.facts.details["text"] == "<<< VirtualBox Disk Image, written by rehost >>>"


@each_kind
@pytest.mark.parametrize("size", [0, *SIZES])
def test_sizes_around_a_block_are_written(tmp_path: Path, kind: str, size: int) -> None:
    plain = create(tmp_path / "plain.raw", RAW, size)
    if size:
        run("qemu-io", "-f", "raw", "-c", f"write -P 1 {size - 512} 512", plain)
    result = ours(opened(plain), tmp_path / "ours.vdi", "vdi", subformat=kind)
    assert_sound(result, "vdi")
    assert_identical(plain, "raw", result, "vdi")
    back = ours(opened(result), tmp_path / "back.raw", "raw")
    assert back.read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("size", [1, 511, 513, 4097, MIB + 100])
def test_sizes_of_no_whole_sector_are_rounded_up(tmp_path: Path, size: int) -> None:
    plain = tmp_path / "odd.raw"
    content = Random(size).randbytes(size)
    plain.write_bytes(content)
    result = ours(opened(plain), tmp_path / "ours.vdi", "vdi")
    assert as_raw(result, "vdi").read_bytes() == content.ljust(-(-size // 512) * 512, b"\0")


@each_kind
def test_disks_beyond_two_terabytes_are_written(tmp_path: Path, kind: str) -> None:
    size = 5 * TIB + 512
    plain = create(tmp_path / "large.raw", RAW, size)
    places = [0, GIB - 512, 2 * TIB - 4 * KIB, 4 * TIB + 12345 * 512, size - 1024]
    for number, place in enumerate(places, 1):
        run("qemu-io", "-f", "raw", "-c", f"write -P {number} {place} 1024", plain)
    result = ours(opened(plain), tmp_path / "ours.vdi", "vdi", subformat=kind)
    assert_sound(result, "vdi")
    assert virtual_size(result, "vdi") == size
    for number, place in enumerate(places, 1):
        run("qemu-io", "-f", "vdi", "-c", f"read -P {number} {place} 1024", result)
        assert read(opened(result), place, 1024) == bytes([number]) * 1024


def test_a_map_of_many_parts_is_written(tmp_path: Path) -> None:
    plain = create(tmp_path / "large.qcow2", Variant("large", "qcow2"), LARGE)
    places = [0, TIB, 5 * TIB, LARGE - 512]
    for number, place in enumerate(places, 1):
        run("qemu-io", "-f", "qcow2", "-c", f"write -P {number} {place} 512", plain)
    result = ours(opened(plain), tmp_path / "ours.vdi", "vdi")
    assert virtual_size(result, "vdi") == LARGE
    assert result.stat().st_size < 80 * MIB
    assert_sound(result, "vdi")
    for number, place in enumerate(places, 1):
        run("qemu-io", "-f", "vdi", "-c", f"read -P {number} {place} 512", result)
        assert read(opened(result), place, 512) == bytes([number]) * 512


def test_a_disk_too_large_is_refused(tmp_path: Path) -> None:
    size = 512 * TIB + 1
    with pytest.raises(UsageError) as caught, Output(tmp_path / "more.vdi") as output:
        VdiWriter(output, Shape(size))
    assert str(caught.value) == f"a VDI holds at most 512 TiB (the disk has {size} bytes)"
    assert caught.value.hint == "Choose a format without this limit, such as qcow2."


@each_kind
def test_the_same_content_gives_the_same_bytes_whatever_it_came_in(
    tmp_path: Path, kind: str
) -> None:
    path = scribbled(tmp_path / "a.vdi", VARIANTS[0], ODD, seed=11)
    plain, other = opened(as_raw(path, "vdi"), format_name="raw"), tmp_path / "b.raw"
    first = ours(opened(path), tmp_path / "1.vdi", "vdi", subformat=kind)
    second = ours(plain, tmp_path / "2.vdi", "vdi", subformat=kind)
    assert first.read_bytes() == second.read_bytes()
    other.write_bytes(b"x" + read(plain, 1, ODD))
    third = opened(ours(opened(other), tmp_path / "3.vdi", "vdi", subformat=kind))
    for name in ("identifier", "modification"):
        assert opened(first).facts.details[name] != third.facts.details[name]


def test_a_file_written_stays_sparse(tmp_path: Path) -> None:
    plain = create(tmp_path / "plain.raw", RAW, 64 * MIB)
    for at in range(0, 64 * MIB, 8 * MIB):
        run("qemu-io", "-f", "raw", "-c", f"write -P 1 {at} 4k", plain)
    result = ours(opened(plain), tmp_path / "ours.vdi", "vdi")
    assert result.stat().st_blocks * 512 <= 128 * KIB
    stored = [each for each in opened(result).runs(0, 64 * MIB) if type(each.source) is not Zero]
    assert sum(each.length for each in stored) <= 64 * KIB


# Refusing


class Wrong(NamedTuple):
    """A field with a value that is refused, and what is said then."""

    at: int
    layout: str
    value: int
    said: str
    code: int = 3


HEADERS = [
    Wrong(VERSION, "<I", 0x20001, "the VDI has an unknown version (2.1)", 4),
    Wrong(VERSION, "<I", 2, "the VDI has an unknown version (0.2)", 4),
    Wrong(KIND, "<I", 0, "the VDI is of a type that is not read (0)", 4),
    Wrong(KIND, "<I", 5, "the VDI is of a type that is not read (5)", 4),
    Wrong(DISK_SIZE, "<Q", 2**63, f"the VDI disk's size is impossible ({2**63} bytes)"),
    Wrong(BLOCK_SIZE, "<I", 0, "the VDI block size is impossible (0 bytes)"),
    Wrong(BLOCK_SIZE, "<I", 256, "the VDI block size is impossible (256 bytes)"),
    Wrong(BLOCK_SIZE, "<I", 1000, "the VDI block size is impossible (1000 bytes)"),
    Wrong(DATA_AT, "<I", 0, "the VDI data lies inside the header (at 0)"),
    Wrong(
        *(BLOCKS, "<I", 3),
        "the VDI block map is too small for the disk (3 blocks, should be 4)",
    ),
]


@pytest.mark.parametrize("wrong", HEADERS, ids=lambda wrong: f"{wrong.at}={wrong.value:#x}")
def test_a_header_is_refused_in_these_words(sound: bytes, wrong: Wrong) -> None:
    error = error_of(patched(sound, wrong.at, wrong.layout, wrong.value))
    assert (str(error), error.exit_code) == (f"a.vdi: {wrong.said}", wrong.code)


def test_what_is_no_vdi_or_cut_short_is_damage(tmp_path: Path, sound: bytes) -> None:
    error = error_of(bytes(512))
    assert str(error) == "a.vdi at 64: no VDI header (found b'\\x00\\x00\\x00\\x00')"
    error = error_of(sound[:455])
    assert str(error) == "a.vdi: the VDI header is cut short (455 bytes, should be 456 at least)"
    error = error_of(sound[:100])
    assert str(error) == "a.vdi: the VDI header is cut short (100 bytes, should be 420 at least)"
    assert format_of(Memory(sound[:200], "a.img")).name == "vdi"
    path = tmp_path / "a.vdi"
    path.write_bytes(bytes(MIB))
    with pytest.raises(DamagedInputError) as caught:
        opened(path)
    assert str(caught.value) == (
        f"{path}: is no VirtualBox VDI, though its name says so (it begins b'\\x00\\x00\\x00\\x00')"
    )


def test_a_map_behind_the_end_or_absurdly_large_is_damage(sound: bytes) -> None:
    error = error_of(patched(sound, MAP_AT, "<I", 2**32 - 512))
    assert str(error) == (
        f"a.vdi at {2**32 - 512}: the VDI block map lies behind the end of the file "
        f"(16 bytes are needed, the file ends at {len(sound)})"
    )
    content = patched(patched(sound, DISK_SIZE, "<Q", 1 << 50), BLOCKS, "<I", 1 << 30)
    error = error_of(content)
    assert str(error) == (
        f"a.vdi at {field(sound, MAP_AT)}: the VDI block map is absurdly large ({1 << 30} entries)"
    )


def test_a_block_behind_the_end_or_used_twice_is_damage(sound: bytes) -> None:
    at, data = field(sound, MAP_AT), field(sound, DATA_AT)
    error = error_of(patched(sound, at, "<I", 0xFFFF_FFFD))
    assert str(error) == (
        f"a.vdi: the VDI is cut short (a block lies at {data + 0xFFFF_FFFD * MIB}, "
        f"the file ends at {len(sound)})"
    )
    assert error.hint == "Copy the file again."
    error = error_of(patched(sound, at, "<I", 0))
    assert str(error) == f"a.vdi: a VDI block is used twice (at {data})"
    error = error_of(sound[:-100])
    assert str(error) == (
        f"a.vdi at {data + MIB}: the image is cut short "
        f"({MIB} bytes of the disk should lie here, {MIB - 100} do)"
    )


@each_variant
def test_a_file_cut_short_is_an_error_or_reads_rightly(tmp_path: Path, variant: Variant) -> None:
    path = scribbled(tmp_path / "a.vdi", variant, 3 * MIB, seed=31)
    whole, expected, pick = path.read_bytes(), as_raw(path, "vdi").read_bytes(), Random(31)
    ends = {0, 1, 455, 456, 511, 512, 513, len(whole) - 1, len(whole) - 512}
    ends |= {pick.randrange(len(whole)) for _ in range(25)}
    for end in sorted(ends):
        path.write_bytes(whole[:end])
        try:
            image = open_image(LocalFile(path), ClosedGate(), format="vdi")
            assert read(image, 0, image.size) == expected, end
        except InteropError as error:
            assert error.exit_code == 3, (end, error)


VALUES = st.one_of(
    st.integers(0, 255).map(lambda value: bytes([value])),
    st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f", b"\xfe" + b"\xff" * 3]),
    st.integers(0, 1 << 32).map(lambda value: struct.pack("<Q", value)[:4]),
)
CHANGES = st.lists(
    st.tuples(st.one_of(st.integers(64, 84), st.integers(340, 540)), VALUES),
    min_size=1,
    max_size=6,
)


@settings(
    max_examples=300,
    deadline=5000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(changes=CHANGES)
def test_changed_bytes_give_a_result_or_a_named_error(
    sound: bytes, changes: list[tuple[int, bytes]]
) -> None:
    whole = bytearray(sound)
    for at, value in changes:
        whole[at : at + len(value)] = value
    try:
        image = image_of(bytes(whole), "fuzzed")
        assert len(read(image, 0, 4 * MIB)) == min(image.size, 4 * MIB)
    except InteropError as error:
        assert str(error).startswith("fuzzed")
