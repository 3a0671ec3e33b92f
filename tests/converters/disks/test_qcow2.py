"""qcow2: what its headers say, and every way they can be wrong, in the words users see."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random
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
REPAIR = "Repair a copy of it: rehost disk check --repair."
UNNAMED = "A file is never guessed here; set it: qemu-img amend -o data_file=FILE."
LENGTH = "the qcow2 header's length is impossible ({} bytes)"
COMPRESSED = "the qcow2 header contradicts itself on how clusters are compressed (type {})"
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
    Wrong(ENCRYPTION, ">I", 3, "the qcow2 image is encrypted in an unknown way (method 3)", 4),
    Wrong(
        *(ENCRYPTION, ">I", 2),
        "the qcow2 image is encrypted, but does not say where its LUKS header is",
    ),
    Wrong(INCOMPATIBLE, ">Q", 2, "the qcow2 image is marked corrupt", 3, REPAIR),
    Wrong(
        *(INCOMPATIBLE, ">Q", 4),
        *("keeps its data in another file, but does not say in which", 6, UNNAMED),
    ),
    Wrong(INCOMPATIBLE, ">Q", 8, COMPRESSED.format("0, incompatible features 0x8")),
    Wrong(104, ">B", 1, COMPRESSED.format("1, incompatible features 0x0")),
    Wrong(INCOMPATIBLE, ">Q", 0x60, USES.format("2 unknown features", 0x60), 4, CONVERT),
    Wrong(100, ">I", 96, LENGTH.format(96)),
    Wrong(100, ">I", 106, LENGTH.format(106)),
    Wrong(100, ">I", 65544, LENGTH.format(65544)),
    Wrong(96, ">I", 7, "the qcow2 reference counts' width is impossible (2^7 bits)"),
    Wrong(INCOMPATIBLE, ">Q", 32, USES.format("an unknown feature", 32), 4, CONVERT),
    Wrong(INCOMPATIBLE, ">Q", 1 << 63, USES.format("an unknown feature", 1 << 63), 4, CONVERT),
]


@pytest.mark.parametrize("wrong", HEADERS, ids=lambda wrong: f"{wrong.at}={wrong.value:#x}")
def test_a_header_is_refused_in_these_words(sound: bytes, wrong: Wrong) -> None:
    error = error_of(patched(sound, wrong.at, wrong.layout, wrong.value))
    assert str(error) == f"a.qcow2: {wrong.said}"
    assert (error.hint, error.exit_code) == (wrong.hint, wrong.code)


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
    assert (facts.format, facts.variant, facts.oddities) == ("qcow2", "v3", ())
    assert facts.details == {
        "version": 3,
        "clusterSize": CLUSTER,
        "refcountBits": 16,
        "compression": "zlib",
        "extendedL2": False,
        "lazyRefcounts": False,
        "features": [],
        "headerExtensions": ["feature names"],
        "backingFile": None,
        "backingFormat": None,
        "dataFile": None,
        "dataFileRaw": False,
        "encryption": None,
        "snapshots": [],
        "bitmaps": [],
    }
    old = create(tmp_path / "old.qcow2", Variant("old", "qcow2", "compat=0.10"), MIB)
    assert opened(old).facts.variant == "v2"


def test_an_image_left_open_by_a_crash_is_read(sound: bytes) -> None:
    assert read(image_of(patched(sound, INCOMPATIBLE, ">Q", 1)), 0, 3) == b"\7\7\7"


def extended_with(content: bytes, kind: int, data: bytes) -> bytes:
    """Put an extension in the place of the feature names, which lie first."""
    at = content.index(struct.pack(">I", 0x6803F857))
    head = struct.pack(">II", kind, len(data))
    return content[:at] + (head + data).ljust(400, b"\0") + content[at + 400 :]


def test_an_unknown_feature_has_the_name_that_the_image_gives_it(sound: bytes) -> None:
    table = b"".join(
        struct.pack(">BB46s", kind, bit, name)
        for kind, bit, name in [(0, 40, b"warp drive"), (1, 40, b"not this"), (0, 41, b"x" * 46)]
    )
    content = extended_with(sound, 0x6803F857, table)
    error = error_of(patched(content, INCOMPATIBLE, ">Q", 1 << 40))
    assert str(error) == "a.qcow2: " + USES.format("'warp drive'", 1 << 40)
    error = error_of(patched(content, INCOMPATIBLE, ">Q", 1 << 41 | 1 << 50))
    said = f"{'x' * 46!r} and an unknown feature"
    assert str(error) == "a.qcow2: " + USES.format(said, 1 << 41 | 1 << 50)


def test_unknown_features_that_may_be_ignored_are_listed(sound: bytes) -> None:
    content = extended_with(sound, 0x6803F857, struct.pack(">BB46s", 1, 9, b"glitter"))
    content = patched(patched(content, 80, ">Q", 1 << 9 | 1), 88, ">Q", 1 << 20)
    facts = image_of(content).facts
    assert facts.details["features"] == ["lazy refcounts", "glitter", "autoclear feature 20"]
    assert facts.details["lazyRefcounts"] is True


def test_extensions_are_bounded(sound: bytes) -> None:
    at = sound.index(struct.pack(">I", 0x6803F857))
    error = error_of(patched(sound, at + 4, ">I", CLUSTER))
    assert str(error) == (
        f"a.qcow2 at {at + 8}: a qcow2 header extension does not fit ({CLUSTER} bytes, room is "
        f"for {CLUSTER - at - 8})"
    )
    twice = extended_with(sound, 0x12345678, b"") + b""
    twice = twice[: at + 8] + struct.pack(">II", 0x12345678, 0) + twice[at + 16 :]
    assert str(error_of(twice)) == (
        f"a.qcow2 at {at + 16}: a qcow2 header extension is there twice (0x12345678)"
    )
    assert image_of(extended_with(sound, 0x12345678, b"abc")).facts.details["headerExtensions"] == [
        "0x12345678"
    ]


def test_small_clusters_cannot_have_extended_entries(tmp_path: Path) -> None:
    path = create(tmp_path / "small.qcow2", Variant("small", "qcow2", "cluster_size=8192"), MIB)
    error = error_of(patched(path.read_bytes(), INCOMPATIBLE, ">Q", 16))
    assert str(error) == (
        "a.qcow2: the qcow2 clusters are too small for extended L2 entries (2^13 bytes)"
    )


def test_a_backing_name_outside_of_the_first_cluster_is_damage(sound: bytes) -> None:
    named = patched(patched(sound, 8, ">Q", CLUSTER - 4), 16, ">I", 10)
    assert str(error_of(named)) == (
        f"a.qcow2: the qcow2 backing file's name lies outside of the first cluster "
        f"(at {CLUSTER - 4})"
    )


def test_an_l1_table_at_an_odd_place_is_damage(sound: bytes) -> None:
    place = l1_at(sound) + 512
    error = error_of(patched(sound, L1_AT, ">Q", place))
    assert str(error) == f"a.qcow2 at {place}: the qcow2 L1 table lies at an odd place"


def test_oddities_are_told(sound: bytes) -> None:
    content = patched(sound, INCOMPATIBLE, ">Q", 1)
    entry = struct.unpack_from(">Q", content, l1_at(content))[0]
    content = patched(content, l1_at(content), ">Q", entry | 1 << 60)
    content = patched(content, 88, ">Q", 3)
    assert image_of(content).facts.oddities == (
        "It was not closed: its reference counts may be wrong.",
        "Reserved bits are set in 1 entries of its L1 table.",
        "It claims to have bitmaps, but there are none.",
        "It claims to have a raw data file, but there is none.",
    )


def test_a_zero_cluster_is_not_defined_in_version_2(tmp_path: Path) -> None:
    path = create(tmp_path / "old.qcow2", Variant("old", "qcow2", "compat=0.10"), MIB)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 64k", path)
    content = path.read_bytes()
    at = l2_at(content)
    error = error_of(patched(content, at + 8, ">Q", 1))
    assert str(error) == (
        "a.qcow2, from byte 65536 of the disk on: a qcow2 cluster of version 2 is marked zero, "
        "which is not defined"
    )
    assert error.hint == "Look at it with: qemu-img check."


@pytest.mark.parametrize("options", ["", "compat=0.10", "extended_l2=on", "cluster_size=512"])
def test_any_changed_byte_gives_an_error_or_a_disk(tmp_path: Path, options: str) -> None:
    path = create(tmp_path / "a.qcow2", Variant("any", "qcow2", options), MIB)
    if options != "compat=0.10":
        run("qemu-img", "bitmap", "--add", path, "b")
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 100k", "-c", "write -z 200k 64k", path)
    run("qemu-img", "snapshot", "-c", "first", path)
    content, pick = path.read_bytes(), Random(5)
    held = [at for at in range(0, len(content), 8) if content[at : at + 8].strip(b"\0\7")]
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(pick.randrange(1, 4)):
            changed[min(pick.choice(held) + pick.randrange(8), len(changed) - 1)] = pick.choice(
                (0, 1, 2, 128, 255)
            )
        try:
            image = image_of(bytes(changed[: pick.choice((len(content), len(content) // 2))]))
            assert isinstance(image.facts.details, dict)
            for at in (0, 90 * KIB, image.size - 1000):
                read(image, max(0, at), 300 * KIB)
        except InteropError:
            continue
