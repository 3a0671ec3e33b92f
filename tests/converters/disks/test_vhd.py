"""VHD: read as QEMU reads it, and refused in these words."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.disks.gate import ClosedGate
from converters.disks.image import Image, Zero, read, resolved
from converters.disks.registry import format_of, open_image
from rehost.errors import DamagedInputError, InteropError
from rehost.files import LocalFile
from tests.support.images import (
    GIB,
    KIB,
    MIB,
    Variant,
    as_raw,
    create,
    opened,
    virtual_size,
)
from tests.support.models import Memory
from tests.support.vhds import (
    BLOCK,
    DATA_AT,
    FIXED,
    ODD,
    SIZES,
    TABLE_AT,
    VARIANTS,
    Block,
    Growing,
    checksummed,
    footer,
    scribbled,
)

SECONDS = 240

each_variant = pytest.mark.parametrize("variant", VARIANTS, ids=str)


def image_of(content: bytes, name: str = "a.vhd") -> Image:
    return open_image(Memory(content, name), ClosedGate(), format="vhd")


def error_of(content: bytes) -> InteropError:
    with pytest.raises(InteropError) as caught:
        image = image_of(content)
        read(image, 0, image.size)
    return caught.value


# Reading


@each_variant
def test_any_request_returns_what_lies_there(tmp_path: Path, variant: Variant) -> None:
    path = scribbled(tmp_path / "a.vhd", variant, ODD, seed=1)
    expected, image, pick = as_raw(path, "vpc").read_bytes(), opened(path), Random(7)
    assert image.size == len(expected)
    for _ in range(80):
        offset, length = pick.randrange(image.size), pick.randrange(1, 3 * MIB)
        assert read(image, offset, length) == expected[offset : offset + length]


@each_variant
@pytest.mark.parametrize("size", SIZES)
def test_disks_of_every_size_read_as_qemu_reads_them(
    tmp_path: Path, variant: Variant, size: int
) -> None:
    path = scribbled(tmp_path / "a.vhd", variant, size, seed=2)
    image = opened(path)
    assert read(image, 0, image.size) == as_raw(path, "vpc").read_bytes()


@each_variant
def test_runs_touch_each_other_and_cover_exactly_the_disk(tmp_path: Path, variant: Variant) -> None:
    image = opened(scribbled(tmp_path / "a.vhd", variant, ODD, seed=3))
    at = 0
    for found in resolved(image, 0, image.size):
        assert (found.start, found.length > 0) == (at, True)
        at = found.stop
    assert at == image.size


def test_an_empty_terabyte_is_one_hole(tmp_path: Path) -> None:
    image = opened(create(tmp_path / "a.vhd", VARIANTS[1], 1024 * GIB))
    (only,) = resolved(image, 0, image.size)
    assert (only.length, type(only.source)) == (1024 * GIB, Zero)


@pytest.mark.parametrize("block", [512, 4096, 512 * KIB, BLOCK, 16 * MIB])
def test_blocks_of_other_sizes_and_in_any_order_are_read(block: int) -> None:
    pick = Random(block)
    contents = {number: pick.randbytes(block) for number in (2, 0, 3)}
    blocks = [Block(number, range(block // 512), each) for number, each in contents.items()]
    disk = Growing(4 * block - 512 if block > 512 else 4 * block, blocks, block).packed()
    expected = b"".join(contents.get(number, bytes(block)) for number in range(4))
    image = image_of(disk)
    assert read(image, 0, image.size) == expected[: image.size]


def test_sectors_that_are_not_stored_read_zeros(tmp_path: Path) -> None:
    content = Random(4).randbytes(BLOCK)
    stored = [*range(8, 24), 100, 101, 4095]
    image = image_of(Growing(2 * BLOCK, [Block(1, stored, content)], BLOCK).packed())
    expected = bytearray(BLOCK)
    for sector in stored:
        expected[sector * 512 : sector * 512 + 512] = content[sector * 512 : sector * 512 + 512]
    assert read(image, BLOCK, BLOCK) == expected
    kinds = [type(each.source) is Zero for each in image.runs(0, image.size)]
    assert kinds == [True, True, False, True, False, True, False]


CREATORS = [
    *((name, True) for name in (b"vpc ", b"vs  ", b"qemu")),
    *((name, False) for name in (b"win ", b"qem2", b"d2v ", b"tap\0", b"CTXS", b"vbox", b"wa\0\0")),
    *((name, False) for name in (b"d2v\0", b"????")),
]


@pytest.mark.parametrize(("creator", "by_geometry"), CREATORS)
def test_the_creator_decides_whether_the_geometry_is_the_size(
    tmp_path: Path, creator: bytes, *, by_geometry: bool
) -> None:
    content = Random(5).randbytes(MIB)
    end = footer(FIXED, MIB, application=creator, geometry=(20, 4, 17))
    path = tmp_path / "a.vhd"
    path.write_bytes(content + end)
    image, cut = opened(path), 20 * 4 * 17 * 512
    assert image.size == (cut if by_geometry else MIB)
    said = (f"the guest sees {cut} bytes, though the current size is {MIB}",)
    assert image.facts.oddities == (said if by_geometry else ())
    # QEMU cuts disks of creators it does not know, too.
    if creator not in {b"vbox", b"wa\0\0", b"d2v\0", b"????"}:
        assert virtual_size(path, "vpc") == image.size


@pytest.mark.parametrize("largest", [(65535, 16, 255), (0, 0, 0)])
def test_the_largest_geometry_and_none_say_nothing(largest: tuple[int, int, int]) -> None:
    end = footer(FIXED, MIB, application=b"vpc ", geometry=largest)
    assert image_of(bytes(MIB) + end).size == MIB


def test_a_size_of_no_whole_sector_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.vhd"
    path.write_bytes(bytes(MIB) + footer(FIXED, MIB - 100))
    assert opened(path).size == MIB - 512 == virtual_size(path, "vpc")


def test_a_footer_of_511_bytes_is_read_and_said() -> None:
    content = Random(6).randbytes(MIB)
    image = image_of(content + footer(FIXED, MIB)[:511])
    assert read(image, 0, MIB) == content
    assert image.facts.oddities == (
        "the footer has 511 bytes, as versions of Virtual PC before 2004 wrote it",
    )
    assert format_of(Memory(content + footer(FIXED, MIB)[:511], "a.img")).name == "vhd"


@pytest.mark.parametrize("other", ["qcow2", "vmdk", "vdi", "vhdx"])
def test_a_guest_cannot_turn_its_disk_into_a_vhd(tmp_path: Path, other: str) -> None:
    path = create(tmp_path / "guest.img", Variant(other, other), 4 * MIB)
    with path.open("ab") as file:
        file.write(footer(FIXED, MIB))
    assert format_of(LocalFile(path)).name == other


def growing() -> bytes:
    """Return a small dynamic disk with two blocks, stored out of order."""
    pick = Random(8)
    blocks = [Block(number, range(8), pick.randbytes(4096)) for number in (5, 1)]
    return Growing(8 * 4096, blocks).packed()


def test_the_copy_of_a_damaged_or_missing_footer_is_used_and_said() -> None:
    whole = growing()
    expected = read(image_of(whole), 0, 8 * 4096)
    said = "the footer is damaged or missing; its copy at the beginning was used"
    damaged = whole[:-500] + b"\1" + whole[-499:]
    for content in (damaged, whole[:-512], whole[:-300], whole + bytes(512)):
        image = image_of(content)
        assert read(image, 0, image.size) == expected
        assert image.facts.oddities == (said,)


def test_a_copy_that_differs_is_said() -> None:
    whole = growing()
    image = image_of(bytes(512) + whole[512:])
    assert image.facts.oddities == ("the footer's copy at the beginning is not the same",)


def test_a_suspended_machine_is_said() -> None:
    image = image_of(bytes(MIB) + footer(FIXED, MIB, saved=1))
    assert image.facts.oddities == (
        "a machine was suspended with this disk, which may not be in a clean state",
    )
    assert image.facts.details["savedState"] is True


def test_facts_say_what_the_headers_say() -> None:
    facts = image_of(Growing(8 * 4096, batmap=True, timestamp=77).packed()).facts
    assert (facts.format, facts.variant, facts.oddities) == ("vhd", "dynamic", ())
    assert facts.details == {
        "creatorApplication": "win",
        "creatorVersion": "6.1",
        "creatorHost": "Wi2k",
        "identifier": "00000000-0000-0000-0000-000000c0ffee",
        "timestamp": 77,
        "originalSize": 8 * 4096,
        "currentSize": 8 * 4096,
        "geometry": [0, 0, 0],
        "temporary": False,
        "savedState": False,
        "blockSize": 4096,
        "batmap": True,
    }


# Refusing


class Wrong(NamedTuple):
    """A field with a value that is refused, and what is said then."""

    at: int
    layout: str
    value: int
    said: str
    code: int = 3


FOOTERS = [
    Wrong(12, ">I", 0x20001, "the VHD has an unknown version (2.1)", 4),
    Wrong(60, ">I", 0, "the VHD is of a type that is not read (0)", 4),
    Wrong(60, ">I", 6, "the VHD is of a type that is not read (6)", 4),
    Wrong(48, ">Q", 1 << 61, f"the VHD disk's size is impossible ({1 << 61} bytes)"),
]


@pytest.mark.parametrize("wrong", FOOTERS, ids=lambda wrong: f"{wrong.at}={wrong.value:#x}")
def test_a_footer_is_refused_in_these_words(wrong: Wrong) -> None:
    end = bytearray(footer(FIXED, MIB))
    struct.pack_into(wrong.layout, end, wrong.at, wrong.value)
    error = error_of(bytes(MIB) + checksummed(bytes(end), 64))
    assert (str(error), error.exit_code) == (f"a.vhd at {MIB}: {wrong.said}", wrong.code)


def test_a_checksum_that_is_wrong_is_damage() -> None:
    end = bytearray(footer(FIXED, MIB))
    end[100] = 1
    error = error_of(bytes(MIB) + end)
    real = struct.unpack_from(">I", end, 64)[0]
    assert str(error) == (
        f"a.vhd at {MIB}: the VHD footer's checksum is wrong (is {real:#x}, "
        f"should be {real - 1:#x})"
    )
    assert error.hint == "The file was changed or is cut short; copy it again."
    assert error.exit_code == 3


def test_a_file_without_a_footer_is_damage_and_never_raw(tmp_path: Path) -> None:
    for content in (b"", bytes(100), bytes(MIB)):
        error = error_of(content)
        assert (
            str(error) == f"a.vhd: has no VHD footer at its end (the file has {len(content)} bytes)"
        )
        assert error.hint == (
            "The file is cut short, or something was appended to it; copy it again."
        )
    path = tmp_path / "a.vhd"
    path.write_bytes(bytes(MIB))
    with pytest.raises(DamagedInputError) as caught:
        opened(path)
    assert str(caught.value) == (
        f"{path}: is no Microsoft VHD, though its name says so (it begins b'\\x00\\x00\\x00\\x00')"
    )


def test_a_fixed_disk_cut_short_is_damage() -> None:
    error = error_of(bytes(MIB - 512) + footer(FIXED, MIB))
    assert str(error) == f"a.vhd: the fixed VHD is cut short ({MIB - 512} bytes, should be {MIB})"
    assert error.hint == "Copy the file again."
    fixed_in_front = error_of(footer(FIXED, MIB) + bytes(MIB))
    assert str(fixed_in_front) == (
        f"a.vhd: has no VHD footer at its end (the file has {MIB + 512} bytes)"
    )


def with_header(at: int, layout: str, value: int) -> bytes:
    """Change a field of the dynamic disk header, whose checksum is then right again."""
    whole = bytearray(growing())
    struct.pack_into(layout, whole, 512 + at, value)
    whole[512:1536] = checksummed(bytes(whole[512:1536]), 36)
    return bytes(whole)


HEADERS = [
    Wrong(
        24, ">I", 0x30000, " at 512: the VHD dynamic disk header has an unknown version (3.0)", 4
    ),
    Wrong(32, ">I", 0, " at 512: the VHD block size is impossible (0 bytes)"),
    Wrong(32, ">I", 256, " at 512: the VHD block size is impossible (256 bytes)"),
    Wrong(32, ">I", 5000, " at 512: the VHD block size is impossible (5000 bytes)"),
    Wrong(
        *(28, ">I", 7),
        ": the VHD block allocation table is too small for the disk (7 entries, should be 8)",
    ),
    Wrong(
        *(16, ">Q", 2**64 - 1),
        f" at {2**64 - 1}: the VHD block allocation table lies behind the end of the file "
        f"(32 bytes are needed, the file ends at {len(growing())})",
    ),
]


@pytest.mark.parametrize("wrong", HEADERS, ids=lambda wrong: f"{wrong.at}={wrong.value:#x}")
def test_a_dynamic_header_is_refused_in_these_words(wrong: Wrong) -> None:
    error = error_of(with_header(wrong.at, wrong.layout, wrong.value))
    assert (str(error), error.exit_code) == (f"a.vhd{wrong.said}", wrong.code)


def test_a_dynamic_header_that_is_damaged_or_elsewhere_is_refused() -> None:
    whole = growing()
    error = error_of(whole[:512] + b"cxsparsE" + whole[520:])
    assert str(error) == "a.vhd at 512: no VHD dynamic disk header (found b'cxsparsE')"
    error = error_of(whole[:600] + b"\1" + whole[601:])
    real = struct.unpack_from(">I", whole, 512 + 36)[0]
    assert str(error) == (
        f"a.vhd at 512: the VHD dynamic disk header's checksum is wrong (is {real:#x}, "
        f"should be {real - 1:#x})"
    )
    assert error.hint == "The file was changed or is cut short; copy it again."
    for at in (len(whole) - 100, 2**64 - 1):
        end = bytearray(whole[-512:])
        struct.pack_into(">Q", end, 16, at)
        error = error_of(whole[:-512] + checksummed(bytes(end), 64))
        there = max(0, len(whole) - at)
        assert str(error) == (
            f"a.vhd at {at}: the VHD dynamic disk header is cut short "
            f"({there} bytes, should be 1024)"
        )


def with_entry(number: int, sector: int) -> bytes:
    whole = bytearray(growing())
    struct.pack_into(">I", whole, TABLE_AT + number * 4, sector)
    return bytes(whole)


def test_blocks_behind_the_end_twice_or_overlapping_are_damage() -> None:
    size, first = len(growing()), DATA_AT // 512
    error = error_of(with_entry(0, 0x7FFF_FFFF))
    assert str(error) == (
        f"a.vhd: the VHD is cut short (a block lies at {0x7FFF_FFFF * 512}, "
        f"the file ends at {size})"
    )
    assert error.hint == "Copy the file again."
    error = error_of(with_entry(0, first))
    assert str(error) == f"a.vhd: a VHD block is used twice (at {DATA_AT})"
    error = error_of(with_entry(0, first - 1))
    assert str(error) == f"a.vhd: two VHD blocks overlap (at {DATA_AT - 512} and {DATA_AT})"
    error = error_of(with_entry(0, size // 512 - 2))
    assert str(error) == f"a.vhd: two VHD blocks overlap (at {size - 5120} and {size - 1024})"
    last = Growing(8 * 4096, [Block(0, range(8), b"x")]).packed()
    error = error_of(last[:512] + last[512:-1536])
    assert str(error) == (
        f"a.vhd at {DATA_AT + 512}: the image is cut short "
        "(4096 bytes of the disk should lie here, 3072 do)"
    )


def test_an_absurd_table_is_refused_before_it_is_read() -> None:
    whole = bytearray(with_header(28, ">I", 2**32 - 1))
    for at in (0, len(whole) - 512):
        end = bytearray(whole[at : at + 512])
        struct.pack_into(">Q", end, 48, 1 << 43)
        whole[at : at + 512] = checksummed(bytes(end), 64)
    error = error_of(bytes(whole))
    assert str(error) == (
        f"a.vhd at {TABLE_AT}: the VHD block allocation table is absurdly large "
        f"({(1 << 43) // 4096} entries)"
    )


@each_variant
def test_a_file_cut_short_is_an_error_or_reads_rightly(tmp_path: Path, variant: Variant) -> None:
    path = scribbled(tmp_path / "a.vhd", variant, 3 * MIB, seed=31)
    whole, expected, pick = path.read_bytes(), as_raw(path, "vpc").read_bytes(), Random(31)
    ends = {0, 1, 511, 512, 513, 1535, 1536, len(whole) - 1, len(whole) - 512}
    ends |= {pick.randrange(len(whole)) for _ in range(25)}
    for end in sorted(ends):
        path.write_bytes(whole[:end])
        try:
            image = open_image(LocalFile(path), ClosedGate(), format="vhd")
            assert read(image, 0, image.size) == expected, end
        except InteropError as error:
            assert error.exit_code == 3, (end, error)


VALUES = st.one_of(
    st.integers(0, 255).map(lambda value: bytes([value])),
    st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7]),
    st.integers(0, 1 << 32).map(lambda value: struct.pack(">Q", value)[4:]),
)
CHANGES = st.lists(
    st.tuples(st.one_of(st.integers(0, 1600), st.integers(DATA_AT, DATA_AT + 10_000)), VALUES),
    min_size=1,
    max_size=6,
)


@settings(max_examples=300, deadline=5000, suppress_health_check=[HealthCheck.too_slow])
@given(changes=CHANGES, repaired=st.booleans())
def test_changed_bytes_give_a_result_or_a_named_error(
    changes: list[tuple[int, bytes]], *, repaired: bool
) -> None:
    whole = bytearray(growing())
    for at, value in changes:
        whole[at : at + len(value)] = value
    if repaired:
        whole[512:1536] = checksummed(bytes(whole[512:1536]), 36)
        whole[-512:] = checksummed(bytes(whole[:512]), 64)
    try:
        image = image_of(bytes(whole), "fuzzed")
        assert len(read(image, 0, 8 * 4096)) == min(image.size, 8 * 4096)
    except InteropError as error:
        assert str(error).startswith("fuzzed")
