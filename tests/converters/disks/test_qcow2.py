"""qcow2: what its headers say, and every way they can be wrong, in the words users see."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import pytest

from converters.disks.gate import ClosedGate
from converters.disks.image import Image, read
from converters.disks.registry import open_image
from rehost.errors import InteropError
from tests.support.images import KIB, MIB, Variant, create, opened, run
from tests.support.models import Memory

INCOMPATIBLE, CLUSTER_BITS, SIZE, ENCRYPTION, L1_SIZE, L1_AT = 72, 20, 24, 32, 36, 40
CLUSTER = 64 * KIB


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    """Return a small image with one cluster of data."""
    path = create(tmp_path / "sound.qcow2", Variant("plain", "qcow2"), 4 * MIB)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", path)
    return path.read_bytes()


def patched(content: bytes, at: int, layout: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, at, value)
    return bytes(changed)


def image_of(content: bytes) -> Image:
    return open_image(Memory(content, "a.qcow2"), ClosedGate(), format="qcow2")


def error_of(content: bytes) -> InteropError:
    with pytest.raises(InteropError) as caught:
        image = image_of(content)
        read(image, 0, image.size)
    return caught.value


class Wrong(NamedTuple):
    """A field with a value that is refused, and what is said then."""

    at: int
    layout: str
    value: int
    said: str
    code: int = 3
    hint: str = ""


CONVERT = "Convert it once without it: qemu-img convert -O qcow2."
DECRYPT = "Decrypt it first: qemu-img convert with --object secret."
REPAIR = "Repair a copy of it: qemu-img check -r all."
DATA_FILE, EXTENDED = "an external data file", "extended L2 entries"
USES = "the qcow2 image uses {} (incompatible features {:#x})"
HEADERS = [
    Wrong(4, ">I", 1, "the qcow2 image has an unknown version (1)", 4),
    Wrong(4, ">I", 4, "the qcow2 image has an unknown version (4)", 4),
    Wrong(CLUSTER_BITS, ">I", 8, "the qcow2 cluster size is impossible (2^8 bytes)"),
    Wrong(CLUSTER_BITS, ">I", 22, "the qcow2 cluster size is impossible (2^22 bytes)"),
    Wrong(
        CLUSTER_BITS, ">I", 2**32 - 1, "the qcow2 cluster size is impossible (2^4294967295 bytes)"
    ),
    Wrong(SIZE, ">Q", 2**63, f"the qcow2 disk's size is impossible ({2**63} bytes)"),
    Wrong(
        *(SIZE, ">Q", 1 << 40),
        "the qcow2 L1 table is too small for the disk (1 entries, should be 2048)",
    ),
    Wrong(ENCRYPTION, ">I", 2, "the qcow2 image is encrypted (method 2)", 4, DECRYPT),
    Wrong(INCOMPATIBLE, ">Q", 2, "the qcow2 image is marked corrupt", 3, REPAIR),
    Wrong(INCOMPATIBLE, ">Q", 4, USES.format(DATA_FILE, 4), 4, CONVERT),
    Wrong(INCOMPATIBLE, ">Q", 16, USES.format(EXTENDED, 16), 4, CONVERT),
    Wrong(INCOMPATIBLE, ">Q", 20, USES.format(f"{DATA_FILE} and {EXTENDED}", 20), 4, CONVERT),
    Wrong(INCOMPATIBLE, ">Q", 32, USES.format("an unknown feature", 32), 4, CONVERT),
    Wrong(INCOMPATIBLE, ">Q", 1 << 63, USES.format("an unknown feature", 1 << 63), 4, CONVERT),
]


@pytest.mark.parametrize("wrong", HEADERS, ids=lambda wrong: f"{wrong.at}={wrong.value:#x}")
def test_a_header_is_refused_in_these_words(sound: bytes, wrong: Wrong) -> None:
    error = error_of(patched(sound, wrong.at, wrong.layout, wrong.value))
    assert str(error) == f"a.qcow2: {wrong.said}"
    assert (error.hint, error.exit_code) == (wrong.hint, wrong.code)


def test_a_data_file_made_by_qemu_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "split.qcow2"
    data = f"data_file={tmp_path / 'data.raw'}"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", data, path, "1M")
    with pytest.raises(InteropError) as caught:
        opened(path)
    assert str(caught.value) == (
        f"{path}: the qcow2 image uses an external data file (incompatible features 0x4)"
    )


def test_extended_l2_entries_made_by_qemu_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "extended.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "extended_l2=on", path, "1M")
    with pytest.raises(InteropError) as caught:
        opened(path)
    assert str(caught.value) == (
        f"{path}: the qcow2 image uses extended L2 entries (incompatible features 0x10)"
    )


def test_encryption_made_by_qemu_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret.qcow2"
    key = "secret,id=key,data=tests"
    options = "encrypt.format=aes,encrypt.key-secret=key"
    run("qemu-img", "create", "--object", key, "-f", "qcow2", "-o", options, path, "1M")
    with pytest.raises(InteropError) as caught:
        opened(path)
    assert str(caught.value) == f"{path}: the qcow2 image is encrypted (method 1)"


def test_an_image_compressed_with_zstd_is_refused_or_read(tmp_path: Path) -> None:
    path = tmp_path / "zstd.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "compression_type=zstd", path, "1M")
    try:
        assert read(opened(path), 0, MIB) == bytes(MIB)
    except InteropError as error:
        assert str(error) == f"{path}: the qcow2 compression is not known (type 1)"
        assert error.exit_code == 4


def test_a_header_cut_short_says_how_much_is_there(sound: bytes) -> None:
    error = error_of(sound[:71])
    assert str(error) == "a.qcow2: the qcow2 header is cut short (71 bytes, should be 72 at least)"
    assert str(error_of(sound[:100])) == "a.qcow2: the qcow2 header is cut short"
    assert str(error_of(b"QFI\0" + sound[4:])) == "a.qcow2: no qcow2 header (found b'QFI\\x00')"


def test_a_backing_name_too_long_or_behind_the_end_is_damage(sound: bytes) -> None:
    named = patched(sound, 8, ">Q", 0x200)
    assert str(error_of(patched(named, 16, ">I", 1024))) == (
        "a.qcow2: the qcow2 backing file's name is too long (1024 bytes, at most 1023)"
    )
    named = patched(patched(sound, 8, ">Q", 2**64 - 1), 16, ">I", 10)
    assert str(error_of(named)) == (
        f"a.qcow2: the qcow2 backing file's name lies behind the end of the file (at {2**64 - 1})"
    )


def l1_at(content: bytes) -> int:
    return int(struct.unpack_from(">Q", content, L1_AT)[0])


def l2_at(content: bytes) -> int:
    entry = struct.unpack_from(">Q", content, l1_at(content))[0]
    return int(entry & 0x00FF_FFFF_FFFF_FE00)


def test_an_l1_table_behind_the_end_is_damage(sound: bytes) -> None:
    error = error_of(patched(sound, L1_AT, ">Q", 1 << 62))
    assert str(error) == (
        f"a.qcow2 at {1 << 62}: the qcow2 L1 table lies behind the end of the file "
        f"(8 bytes are needed, the file ends at {len(sound)})"
    )


def test_an_l2_table_behind_the_end_or_at_an_odd_place_is_damage(sound: bytes) -> None:
    error = error_of(patched(sound, l1_at(sound), ">Q", 1 << 50))
    assert str(error) == (
        f"a.qcow2 at {1 << 50}: the qcow2 L2 table lies behind the end of the file "
        f"(512 bytes are needed, the file ends at {len(sound)})"
    )
    error = error_of(patched(sound, l1_at(sound), ">Q", l2_at(sound) + 512))
    assert str(error) == f"a.qcow2 at {l2_at(sound) + 512}: a qcow2 L2 table lies at an odd place"


def test_a_cluster_behind_the_end_or_at_an_odd_place_is_damage(sound: bytes) -> None:
    at = l2_at(sound)
    error = error_of(patched(sound, at, ">Q", 1 << 50))
    assert str(error) == (
        f"a.qcow2 at {1 << 50}: a qcow2 cluster lies behind the end of the file "
        f"(which is at {len(sound)})"
    )
    assert error.hint == "The file is cut short; copy it again."
    error = error_of(patched(sound, at, ">Q", 512))
    assert str(error) == "a.qcow2 at 512: a qcow2 cluster lies at an odd place"


def test_a_data_cluster_cut_short_is_damage(sound: bytes) -> None:
    error = error_of(sound[:-100])
    assert str(error) == (
        f"a.qcow2 at {len(sound) - CLUSTER}: the image is cut short "
        f"({CLUSTER} bytes of the disk should lie here, {CLUSTER - 100} do)"
    )
    assert error.hint == "Copy the file again; its tables point behind its end."
    assert error.exit_code == 3


def test_a_compressed_cluster_behind_the_end_is_damage(sound: bytes) -> None:
    error = error_of(patched(sound, l2_at(sound), ">Q", (1 << 62) | (1 << 40)))
    assert str(error) == (
        f"a.qcow2 at {1 << 40}: a compressed block is damaged "
        f"(it does not unpack to {CLUSTER} bytes or fewer)"
    )


def test_one_l2_table_for_two_places_is_damage(tmp_path: Path) -> None:
    path = create(tmp_path / "sound.qcow2", Variant("plain", "qcow2"), 1 << 40)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", path)
    content = bytearray(path.read_bytes())
    at = l1_at(bytes(content))
    content[at + 80 : at + 88] = content[at : at + 8]
    error = error_of(bytes(content))
    place = l2_at(bytes(content))
    assert str(error) == f"a.qcow2: a qcow2 L2 table is used twice (at {place})"
    assert error.exit_code == 3


def test_facts_say_what_the_header_says(tmp_path: Path, sound: bytes) -> None:
    facts = image_of(sound).facts
    assert (facts.format, facts.variant) == ("qcow2", "v3")
    assert facts.details == {
        "version": 3,
        "clusterSize": CLUSTER,
        "snapshots": 0,
        "backingFile": None,
        "incompatibleFeatures": 0,
    }
    old = create(tmp_path / "old.qcow2", Variant("old", "qcow2", "compat=0.10"), MIB)
    assert opened(old).facts.variant == "v2"


def test_an_image_left_open_by_a_crash_is_read(sound: bytes) -> None:
    assert read(image_of(patched(sound, INCOMPATIBLE, ">Q", 1)), 0, 3) == b"\7\7\7"
