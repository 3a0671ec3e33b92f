"""VMDK: what its headers and descriptors say, and every way they can be wrong, in users' words."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import pytest

from converters.disks.formats.vmdk.descriptor import Descriptor
from converters.disks.gate import ClosedGate
from converters.disks.image import Image, read
from converters.disks.registry import open_image
from rehost.errors import InteropError
from tests.support.images import (
    KIB,
    MIB,
    RAW,
    VMDKS,
    Variant,
    as_raw,
    converted,
    create,
    make,
    opened,
    run,
)
from tests.support.models import Memory

VERSION, FLAGS, CAPACITY, GRAIN, ENTRIES, DIRECTORY, NEWLINES, COMPRESSION = (
    *(4, 8, 12, 20, 44, 56, 73, 77),
)
TEXT = """# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="monolithicFlat"
RW 2048 ZERO
"""


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    """Return a small monolithic image with one grain of data."""
    path = create(tmp_path / "sound.vmdk", VMDKS[0], 4 * MIB)
    run("qemu-io", "-f", "vmdk", "-c", "write -P 7 0 64k", path)
    return path.read_bytes()


@pytest.fixture
def stream(tmp_path: Path) -> bytes:
    """Return a small stream-optimized image as VMware writes it: its directory in a footer."""
    plain = make(tmp_path, RAW, MIB, seed=41)
    path = converted(plain, "raw", tmp_path / "stream.vmdk", VMDKS[4])
    content = bytearray(path.read_bytes())
    content += bytes(-len(content) % 512)
    footer = bytes(content[:512])
    struct.pack_into("<Q", content, DIRECTORY, 2**64 - 1)
    marker = struct.pack("<QII", 1, 0, 3).ljust(512, b"\0")
    return bytes(content) + marker + footer + bytes(512)


def patched(content: bytes, at: int, layout: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, at, value)
    return bytes(changed)


def image_of(content: bytes) -> Image:
    return open_image(Memory(content, "a.vmdk"), ClosedGate())


def error_of(content: bytes) -> InteropError:
    with pytest.raises(InteropError) as caught:
        image = image_of(content)
        read(image, 0, image.size)
    return caught.value


def described(changed: str, into: str) -> bytes:
    assert changed in TEXT
    return TEXT.replace(changed, into).encode()


class Wrong(NamedTuple):
    """A field with a value that is refused, and what is said then."""

    at: int
    layout: str
    value: int
    said: str
    code: int = 3


HEADERS = [
    Wrong(VERSION, "<I", 0, "the sparse VMDK has an unknown version (0)", 4),
    Wrong(VERSION, "<I", 4, "the sparse VMDK has an unknown version (4)", 4),
    Wrong(GRAIN, "<Q", 0, "the VMDK's grain size is impossible (0 sectors)"),
    Wrong(GRAIN, "<Q", 100, "the VMDK's grain size is impossible (100 sectors)"),
    Wrong(GRAIN, "<Q", 8192, "the VMDK's grain size is impossible (8192 sectors)"),
    Wrong(ENTRIES, "<I", 0, "the VMDK's grain tables have an impossible size (0)"),
    Wrong(ENTRIES, "<I", 2**31, f"the VMDK's grain tables have an impossible size ({2**31})"),
    Wrong(CAPACITY, "<Q", 2**60, f"the VMDK's capacity is impossible ({2**60} sectors)"),
    Wrong(FLAGS, "<I", 1 << 16, "the VMDK's compression is not known (algorithm 0)", 4),
]


@pytest.mark.parametrize("wrong", HEADERS, ids=lambda wrong: f"{wrong.at}={wrong.value:#x}")
def test_a_header_is_refused_in_these_words(sound: bytes, wrong: Wrong) -> None:
    error = error_of(patched(sound, wrong.at, wrong.layout, wrong.value))
    assert str(error) == f"a.vmdk: {wrong.said}"
    assert (error.hint, error.exit_code) == ("", wrong.code)


def test_a_transfer_as_text_is_seen(sound: bytes) -> None:
    changed = bytearray(sound)
    changed[NEWLINES : NEWLINES + 4] = b"\n \n\n"
    error = error_of(bytes(changed))
    assert (
        str(error) == "a.vmdk: the VMDK was transferred as text (its newlines became b'\\n \\n\\n')"
    )
    assert error.hint == "Copy it again in binary mode."


def test_a_header_cut_short_says_how_much_is_there(sound: bytes) -> None:
    error = error_of(sound[:300])
    assert str(error) == "a.vmdk: the VMDK header is cut short (300 bytes, should be 512)"


def test_a_directory_or_a_table_behind_the_end_is_damage(sound: bytes) -> None:
    sound = patched(sound, FLAGS, "<I", 1)
    for value in (1 << 40, 2**64 - 2):
        error = error_of(patched(sound, DIRECTORY, "<Q", value))
        assert str(error) == (
            f"a.vmdk at {value * 512}: the grain directory lies behind the end of the file "
            f"(4 bytes are needed, the file ends at {len(sound)})"
        )
    directory = struct.unpack_from("<Q", sound, DIRECTORY)[0] * 512
    error = error_of(patched(sound, directory, "<I", 2**32 - 1))
    assert str(error) == (
        f"a.vmdk at {(2**32 - 1) * 512}: the grain table lies behind the end of the file "
        f"(256 bytes are needed, the file ends at {len(sound)})"
    )
    table = struct.unpack_from("<I", sound, directory)[0] * 512
    error = error_of(patched(sound, table, "<I", 2**32 - 1))
    assert str(error) == (
        f"a.vmdk: the VMDK is cut short (a grain lies at {(2**32 - 1) * 512}, "
        f"the file ends at {len(sound)})"
    )
    assert error.hint == "Copy the file again."


def test_an_absurd_directory_is_refused_before_it_is_read(sound: bytes) -> None:
    error = error_of(patched(patched(sound, FLAGS, "<I", 1), CAPACITY, "<Q", 2**50))
    at = struct.unpack_from("<Q", sound, DIRECTORY)[0] * 512
    assert str(error) == (
        f"a.vmdk at {at}: the grain directory is absurdly large ({2**50 // 65536} entries)"
    )


def test_one_grain_table_for_two_places_is_damage(tmp_path: Path) -> None:
    path = create(tmp_path / "sound.vmdk", VMDKS[0], 1 << 30)
    content = patched(path.read_bytes(), FLAGS, "<I", 1)
    directory = struct.unpack_from("<Q", content, DIRECTORY)[0] * 512
    table = struct.unpack_from("<I", content, directory)[0]
    for other in (table, table + 1):
        error = error_of(patched(content, directory + 20, "<I", other))
        assert str(error) == (
            f"a.vmdk: two grain tables overlap (at {table * 512} and {other * 512})"
        )


def test_a_stream_is_read_by_its_footer(tmp_path: Path, stream: bytes) -> None:
    expected = (tmp_path / "raw.raw").read_bytes()
    for padding in (0, 512, 100, 64 * KIB):
        assert read(image_of(stream + bytes(padding)), 0, MIB) == expected


def test_the_witness_reads_the_stream_with_a_footer_alike(tmp_path: Path, stream: bytes) -> None:
    path = tmp_path / "footed.vmdk"
    path.write_bytes(stream)
    assert as_raw(path, "vmdk").read_bytes() == read(opened(path), 0, MIB)


def test_a_stream_without_its_footer_is_damage(stream: bytes) -> None:
    cut = stream[:-1536]
    error = error_of(cut)
    assert str(error) == (
        f"a.vmdk: the stream-optimized VMDK has no footer (the file ends at {len(cut)}, "
        "the disk has 2048 sectors)"
    )
    assert error.hint == "The file is cut short; copy it again."
    assert error.exit_code == 3


def test_a_footer_that_points_to_itself_is_damage(stream: bytes) -> None:
    alone = patched(stream, len(stream) - 1024 + FLAGS, "<I", 0x30001)
    error = error_of(patched(alone, len(stream) - 1024 + DIRECTORY, "<Q", 2**64 - 1))
    assert str(error) == (
        f"a.vmdk at {(2**64 - 1) * 512}: the grain directory lies behind the end of the file "
        f"(4 bytes are needed, the file ends at {len(stream)})"
    )


def test_zeroed_grains_read_as_zeros(tmp_path: Path) -> None:
    path = tmp_path / "zeroed.vmdk"
    option = "subformat=monolithicSparse,zeroed_grain=on"
    run("qemu-img", "create", "-q", "-f", "vmdk", "-o", option, path, "4M")
    for write in ("write -P 7 0 1M", "write -z 128k 256k"):
        run("qemu-io", "-f", "vmdk", "-c", write, path)
    assert read(opened(path), 0, 4 * MIB) == as_raw(path, "vmdk").read_bytes()


def test_a_flat_extent_cut_short_is_damage(tmp_path: Path) -> None:
    path = create(tmp_path / "disk.vmdk", VMDKS[1], MIB)
    flat = tmp_path / "disk-flat.vmdk"
    flat.write_bytes(flat.read_bytes()[:-1])
    with pytest.raises(InteropError) as caught:
        opened(path)
    assert str(caught.value) == (
        f"{flat}: the flat extent is cut short ({MIB - 1} bytes, should be {MIB})"
    )
    assert (caught.value.hint, caught.value.exit_code) == ("Copy the file again.", 3)


def test_holes_of_a_flat_extent_are_not_read(tmp_path: Path) -> None:
    path = create(tmp_path / "disk.vmdk", VMDKS[1], 1 << 40)
    run("qemu-io", "-f", "vmdk", "-c", f"write -P 9 {1 << 39} 4k", path)
    image = opened(path)
    assert len(list(image.runs(0, image.size))) <= 5
    assert read(image, (1 << 39) - 1, 3) == b"\0\t\t"


def test_a_split_disk_with_an_extent_of_another_size_is_damage(tmp_path: Path) -> None:
    path = create(tmp_path / "disk.vmdk", VMDKS[2], MIB)
    path.write_text(path.read_text().replace("RW 2048 ", "RW 4096 "))
    with pytest.raises(InteropError) as caught:
        opened(path)
    assert str(caught.value) == (
        f"{path}: the descriptor and the extent 'disk-s001.vmdk' disagree on its size "
        f"({2 * MIB} and {MIB} bytes)"
    )


def test_an_extent_of_a_split_disk_is_not_the_disk(tmp_path: Path) -> None:
    create(tmp_path / "disk.vmdk", VMDKS[2], MIB)
    path = tmp_path / "disk-s001.vmdk"
    with pytest.raises(InteropError) as caught:
        opened(path)
    assert str(caught.value) == f"{path}: is one extent of a VMDK, not the disk"
    assert caught.value.hint == "Name the small descriptor file that lists the extents."


DESCRIPTORS = [
    ("RW 2048 ZERO", "RW 2048 FLAT", "a.vmdk: a FLAT extent names no file", "", 3),
    (
        "RW 2048 ZERO",
        'RW 2048 CLOUD "x.vmdk"',
        "a.vmdk: the VMDK has an extent of a kind that is not read (CLOUD)",
        "",
        4,
    ),
    (
        "RW 2048 ZERO",
        f"RW {10**17} ZERO",
        f"a.vmdk: the VMDK's capacity is impossible ({10**17} sectors)",
        "",
        3,
    ),
    ("RW 2048 ZERO", "", "a.vmdk: the VMDK descriptor names no usable extents (found 0)", "", 3),
    (
        "version=1",
        "what is this",
        "a.vmdk:2: is no line of a VMDK descriptor ('what is this')",
        "",
        3,
    ),
    (
        "monolithicFlat",
        "hyperSparse",
        "a.vmdk: is a VMDK of a type that is not read (hyperSparse)",
        "Clone it to a self-contained disk where it was made.",
        4,
    ),
    (
        'createType="monolithicFlat"',
        "",
        "a.vmdk: is a VMDK of a type that is not read (none given)",
        "Clone it to a self-contained disk where it was made.",
        4,
    ),
    (
        "parentCID=ffffffff",
        "parentCID=01234567",
        "a.vmdk: stores only differences, but does not name the disk below it",
        "",
        3,
    ),
    (
        "version=1",
        'encoding="idna"',
        "a.vmdk: the VMDK descriptor has an encoding that is not known ('idna')",
        "",
        4,
    ),
    (
        "version=1",
        'encoding="cp99999"',
        "a.vmdk: the VMDK descriptor has an encoding that is not known ('cp99999')",
        "",
        4,
    ),
]


@pytest.mark.parametrize(("changed", "into", "said", "hint", "code"), DESCRIPTORS)
def test_a_descriptor_is_refused_in_these_words(
    changed: str, into: str, said: str, *, hint: str, code: int
) -> None:
    error = error_of(described(changed, into))
    assert (str(error), error.hint, error.exit_code) == (said, hint, code)


@pytest.mark.parametrize("magic", [b"COWD", b"\xbe\xba\xfe\xca\0\0\0\0"])
def test_an_extent_of_esx_is_not_the_disk(magic: bytes) -> None:
    error = error_of(magic.ljust(2048, b"\0"))
    assert str(error) == "a.vmdk: is one extent of a VMDK, not the disk"
    assert error.hint == "Name the small descriptor file that lists the extents."
    assert error.exit_code == 3


def test_what_is_no_vmdk_says_how_it_begins() -> None:
    with pytest.raises(InteropError) as caught:
        open_image(Memory(b"\x7fELF" + bytes(2 * MIB), "a.out"), ClosedGate(), format="vmdk")
    assert str(caught.value) == "a.out: is no VMDK (it begins b'\\x7fELF')"


def test_a_descriptor_is_read_with_every_line_end_and_padding() -> None:
    for text in (TEXT, TEXT.replace("\n", "\r\n"), TEXT.replace("\n", "\r"), f"\n\n{TEXT}"):
        image = image_of(text.encode() + bytes(1000))
        assert (image.size, read(image, 0, 3)) == (MIB, bytes(3))
    assert image_of(b"\xef\xbb\xbf" + TEXT.encode()).size == MIB


@pytest.mark.parametrize(
    ("encoding", "raw", "name"),
    [
        ("UTF-8", "gäste.vmdk".encode(), "gäste.vmdk"),
        ("windows-1252", b"g\xe4ste\x85.vmdk", "gäste….vmdk"),
        ("Shift_JIS", "東京.vmdk".encode("shift_jis"), "東京.vmdk"),
        ("windows-936", "北京.vmdk".encode("gbk"), "北京.vmdk"),
        ("UTF-8", b"g\xe4ste\x85.vmdk", "g\xe4ste\x85.vmdk"),
    ],
)
def test_names_are_decoded_as_the_descriptor_declares(encoding: str, raw: bytes, name: str) -> None:
    text = f'# Disk DescriptorFile\nencoding="{encoding}"\nRW 1 FLAT "'.encode() + raw + b'" 0\n'
    assert Descriptor.parse(text, "a.vmdk").extents[0].name == name


def test_entries_keep_their_values_and_extents_their_offsets() -> None:
    text = '# Disk DescriptorFile\nddb.a = "x = y"\n b=  c d \nempty=\nRW 9 FLAT "a b.vmdk" 128\n'
    found = Descriptor.parse(text.encode(), "a.vmdk")
    assert found.entries == {"ddb.a": "x = y", "b": "c d", "empty": ""}
    (extent,) = found.extents
    assert (extent.access, extent.sectors, extent.kind) == ("RW", 9, "FLAT")
    assert (extent.name, extent.offset) == ("a b.vmdk", 128)


@pytest.mark.parametrize("variant", VMDKS, ids=str)
def test_facts_say_what_the_headers_say(tmp_path: Path, variant: Variant) -> None:
    facts = opened(make(tmp_path, variant, MIB, seed=42)).facts
    assert (facts.format, facts.variant) == ("vmdk", variant.name)
    assert facts.details["parentCID"] == "ffffffff"


def test_a_flat_extent_begins_at_its_offset(tmp_path: Path) -> None:
    (tmp_path / "x.raw").write_bytes(b"a" * 1024 + b"b" * 512 + b"c" * 512)
    path = tmp_path / "disk.vmdk"
    text = TEXT.replace("RW 2048 ZERO", 'RW 1 FLAT "x.raw" 2\nRW 1 ZERO\nRW 2 VMFS "x.raw" 1')
    path.write_text(text)
    assert read(opened(path), 0, 2048) == b"b" * 512 + bytes(512) + b"a" * 512 + b"b" * 512
