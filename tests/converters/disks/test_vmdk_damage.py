"""VMDKs with something wrong that can be mended, or that must not be believed."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from random import Random

import pytest

from converters.disks.gate import ClosedGate
from converters.disks.image import Image, read
from converters.disks.registry import open_image
from converters.disks.survey import facts_of
from rehost.errors import InteropError
from tests.support.images import (
    KIB,
    MIB,
    RAW,
    VMDKS,
    as_raw,
    converted,
    create,
    make,
    opened,
    run,
    scribble,
)
from tests.support.models import Memory
from tests.support.vmdks import descriptor, true_stream

VERSION, FLAGS, CAPACITY, REDUNDANT, DIRECTORY, UNCLEAN, COMPRESSION = (4, 8, 12, 48, 56, 72, 77)
SIZE = 70 * MIB


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a monolithic image with three grain tables, written to in random order."""
    path = create(tmp_path_factory.mktemp("sound") / "sound.vmdk", VMDKS[0], SIZE)
    scribble(path, "vmdk", SIZE, seed=81)
    return path.read_bytes()


def image_of(content: bytes) -> Image:
    return open_image(Memory(content, "a.vmdk"), ClosedGate())


def whole(content: bytes) -> bytes:
    image = image_of(content)
    return read(image, 0, image.size)


def patched(content: bytes, at: int, layout: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, at, value)
    return bytes(changed)


def number(content: bytes, at: int, layout: str = "<Q") -> int:
    return int(struct.unpack_from(layout, content, at)[0])


def oddities_of(content: bytes) -> tuple[str, ...]:
    image = image_of(content)
    read(image, 0, image.size)
    return image.facts.oddities


def error_of(content: bytes) -> InteropError:
    with pytest.raises(InteropError) as caught:
        whole(content)
    return caught.value


def test_the_second_directory_is_used_when_the_first_is_damaged(sound: bytes) -> None:
    damaged = patched(sound, DIRECTORY, "<Q", 1 << 40)
    assert whole(damaged) == whole(sound)
    assert oddities_of(damaged) == (
        "its first grain directory is damaged (the grain directory lies behind the end of the "
        f"file (12 bytes are needed, the file ends at {len(sound)}))",
    )
    assert oddities_of(sound) == ()


def test_a_damaged_second_directory_is_said(sound: bytes) -> None:
    damaged = patched(sound, REDUNDANT, "<Q", 1 << 40)
    assert whole(damaged) == whole(sound)
    assert oddities_of(damaged) == (
        "its redundant grain directory is damaged (the grain directory lies behind the end of the "
        f"file (12 bytes are needed, the file ends at {len(sound)}))",
    )
    both = patched(damaged, DIRECTORY, "<Q", 1 << 41)
    assert str(error_of(both)) == (
        f"a.vmdk at {1 << 50}: the grain directory lies behind the end of the file "
        f"(12 bytes are needed, the file ends at {len(sound)})"
    )


@pytest.mark.parametrize("value", [0, 2**32 - 1, 1 << 22])
def test_single_entries_are_taken_from_the_second_directory(sound: bytes, value: int) -> None:
    directory = number(sound, DIRECTORY) * 512
    damaged = patched(sound, directory + 4, "<I", value)
    assert whole(damaged) == whole(sound)
    assert oddities_of(damaged) == (
        "1 entries of its grain directory are damaged, redundant ones are used",
    )


def test_overlapping_entries_are_taken_from_the_second_directory(sound: bytes) -> None:
    directory = number(sound, DIRECTORY) * 512
    damaged = patched(sound, directory + 4, "<I", number(sound, directory, "<I"))
    assert whole(damaged) == whole(sound)
    assert oddities_of(damaged) == (
        "2 entries of its grain directory are damaged, redundant ones are used",
    )


@pytest.mark.parametrize("kind", ["behind the end", "in the tables", "twice"])
def test_single_tables_are_taken_from_their_second_copies(sound: bytes, kind: str) -> None:
    directory = number(sound, DIRECTORY) * 512
    table = number(sound, directory + 4, "<I") * 512
    used = [at for at in range(table, table + 2048, 4) if number(sound, at, "<I")]
    value = {
        "behind the end": 2**32 - 1,
        "in the tables": 3,
        "twice": number(sound, used[0], "<I"),
    }[kind]
    damaged = patched(sound, used[1], "<I", value)
    assert whole(damaged) == whole(sound)
    assert oddities_of(damaged) == ("1 of its grain tables are damaged, redundant ones are used",)


def test_info_says_that_tables_were_replaced(sound: bytes) -> None:
    directory = number(sound, DIRECTORY) * 512
    table = number(sound, directory + 4, "<I") * 512
    told = facts_of(image_of(patched(sound, table, "<I", 3)))
    assert told["oddities"] == ["1 of its grain tables are damaged, redundant ones are used"]


def test_a_whole_table_can_be_marked_as_zeros(tmp_path: Path) -> None:
    base = tmp_path / "base.vmdk"
    run("qemu-img", "create", "-q", "-f", "vmdk", base, "70M")
    run("qemu-io", "-f", "vmdk", "-c", "write -P 7 0 70M", base)
    content = base.read_bytes()
    directory = number(content, DIRECTORY) * 512
    zeroed = patched(patched(content, FLAGS, "<I", 5), directory + 4, "<I", 1)
    assert whole(zeroed) == b"\7" * 32 * MIB + bytes(32 * MIB) + b"\7" * 6 * MIB


def test_a_grain_in_the_tables_is_damage_where_no_copy_is(sound: bytes) -> None:
    alone = patched(sound, FLAGS, "<I", 1)
    table = number(sound, number(sound, DIRECTORY) * 512, "<I") * 512
    overhead = number(sound, 64) * 512
    error = error_of(patched(alone, table, "<I", 3))
    assert str(error) == (
        f"a.vmdk: a grain lies in the VMDK's own tables (at 1536, grains begin at {overhead})"
    )


def test_grains_that_overlap_are_damage_where_no_copy_is(sound: bytes) -> None:
    alone = patched(sound, FLAGS, "<I", 1)
    table = number(sound, number(sound, DIRECTORY) * 512, "<I") * 512
    used = [at for at in range(table, table + 2048, 4) if number(sound, at, "<I")]
    place = number(sound, used[0], "<I")
    error = error_of(patched(alone, used[1], "<I", place + 1))
    assert str(error) == (f"a.vmdk: two grains overlap (at {place * 512} and {(place + 1) * 512})")


def test_tables_that_name_more_than_the_file_holds_are_damage(tmp_path: Path) -> None:
    # Two tables far apart are read in different batches, so that each alone looks right.
    size = 100 << 30
    path = create(tmp_path / "big.vmdk", VMDKS[0], size)
    run("qemu-io", "-f", "vmdk", "-c", "write -P 7 0 32M", path)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, FLAGS, 1)
    directory = number(bytes(content), DIRECTORY) * 512
    first = number(bytes(content), directory, "<I") * 512
    for far in range(600, 3200, 600):
        other = number(bytes(content), directory + far * 4, "<I") * 512
        content[other : other + 2048] = content[first : first + 2048]
    image = image_of(bytes(content))
    with pytest.raises(InteropError) as caught:
        list(image.runs(0, image.size))
    assert str(caught.value) == "a.vmdk: the grain tables name more grains than the file can hold"


def test_what_is_strange_about_a_header_is_said(sound: bytes) -> None:
    assert oddities_of(patched(sound, UNCLEAN, "B", 1)) == (
        "it was not closed cleanly by what wrote to it last",
    )
    assert oddities_of(patched(sound, FLAGS, "<I", 7)) == (
        "it has zeroed grains, which version 1 does not know",
    )
    assert oddities_of(patched(sound, FLAGS, "<I", 0x103)) == (
        "it has unknown flags, which may be ignored (0x100)",
    )


def test_flags_that_must_not_be_ignored_are_refused(sound: bytes) -> None:
    error = error_of(patched(sound, FLAGS, "<I", 0x40003))
    assert str(error) == "a.vmdk: the sparse VMDK has unknown flags (0x40000)"
    assert error.exit_code == 4


def test_a_header_that_contradicts_itself_is_damage(sound: bytes) -> None:
    error = error_of(patched(sound, COMPRESSION, "<H", 1))
    assert str(error) == (
        "a.vmdk: the VMDK header contradicts itself (compression algorithm 1, but flags 0x3)"
    )


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_the_header_is_read(sound: bytes, version: int) -> None:
    changed = patched(sound, VERSION, "<I", version)
    assert whole(changed) == whole(sound)
    assert image_of(changed).facts.details["headerVersion"] == version


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return what a guest sees of a disk with holes and an odd end."""
    size = 40 * MIB + 37 * 512
    path = create(tmp_path_factory.mktemp("disk") / "plain.raw", RAW, size)
    scribble(path, "raw", size, seed=82)
    return path.read_bytes()


@pytest.mark.parametrize("seed", [None, 83])
@pytest.mark.parametrize("markers", [True, False])
def test_streams_are_read_whatever_the_order_of_their_grains(
    tmp_path: Path, disk: bytes, seed: int | None, *, markers: bool
) -> None:
    path = tmp_path / "disk.vmdk"
    path.write_bytes(true_stream(disk, seed=seed, markers=markers))
    image = opened(path)
    assert read(image, 0, image.size) == disk
    assert image.facts.oddities == ()
    if markers:
        assert as_raw(path, "vmdk").read_bytes() == disk
    pick = Random(84)
    for _ in range(100):
        start, length = pick.randrange(len(disk)), pick.randrange(1, MIB)
        assert read(image, start, length) == disk[start : start + length]


def test_bytes_behind_the_end_of_a_stream_are_counted(tmp_path: Path, disk: bytes) -> None:
    for padding in (512, 64 * KIB):
        assert image_of(true_stream(disk) + bytes(padding)).facts.oddities == (
            f"{padding} bytes lie behind the end-of-stream marker",
        )
    plain = make(tmp_path, RAW, MIB, seed=85)
    content = converted(plain, "raw", tmp_path / "qemu.vmdk", VMDKS[4]).read_bytes()
    last = len(content.rstrip(b"\0"))
    end = -(-last // 512) * 512 + 512
    assert image_of(content).facts.oddities == (
        f"{len(content) - end} bytes lie behind the end-of-stream marker",
    )
    assert image_of(content[:end]).facts.oddities == ()
    assert image_of(content[: end - 512]).facts.oddities == (
        "the stream has no end-of-stream marker",
    )


def test_a_stream_without_grains_has_an_end_too(tmp_path: Path) -> None:
    assert oddities_of(true_stream(bytes(MIB))) == ()
    plain = create(tmp_path / "plain.raw", RAW, MIB)
    empty = converted(plain, "raw", tmp_path / "qemu.vmdk", VMDKS[4]).read_bytes()
    assert oddities_of(empty) == ("the stream has no end-of-stream marker",)
    assert oddities_of(empty + bytes(1024)) == ("512 bytes lie behind the end-of-stream marker",)


def test_a_stream_whose_footer_is_damaged_is_walked(disk: bytes) -> None:
    content = true_stream(disk, seed=86)
    at = len(content) - 1024
    for damage, said in (
        (bytes(512), "its footer is missing"),
        (
            content[at : at + 20] + bytes(8) + content[at + 28 : at + 512],
            "its footer is damaged (the VMDK's grain size is impossible (0 sectors))",
        ),
    ):
        damaged = content[:at] + damage + content[at + 512 :]
        assert whole(damaged) == disk
        assert oddities_of(damaged) == (said,)


def test_a_true_stream_cut_anywhere_is_damage(disk: bytes) -> None:
    content = true_stream(disk)
    for length in (len(content) - 512, len(content) - 1536, len(content) // 2, 70 * KIB, 1000):
        cut = content[:length]
        if length == len(content) - 512:
            assert oddities_of(cut) == ("the stream has no end-of-stream marker",)
            continue
        error = error_of(cut)
        assert (
            error.what.endswith(
                f"(the file ends at {length}, the disk has {len(disk) // 512} sectors)"
            )
            or "names no usable extents" in error.what
        )


def test_a_grain_whose_marker_says_too_much_is_damage(disk: bytes) -> None:
    content = true_stream(disk)
    error = error_of(patched(content, 128 * 512 + 8, "<I", 1 << 30))
    assert error.what.startswith("a compressed block is damaged (its marker says 1073741824 bytes,")


def test_a_grain_that_unpacks_to_too_much_is_damage() -> None:
    content = bytearray(true_stream(Random(89).randbytes(64 * KIB)))
    bomb = zlib.compress(bytes(1 << 20), 9)
    content[128 * 512 : 128 * 512 + 12 + len(bomb)] = struct.pack("<QI", 0, len(bomb)) + bomb
    error = error_of(bytes(content))
    assert error.what == (
        "a compressed block is damaged (it does not unpack to 65536 bytes or fewer)"
    )


DEVICES = [
    ("fullDevice", r'RW 63 FLAT "\\\\.\\PhysicalDrive0" 0', r" of '\\\\\\\\.\\\\PhysicalDrive0'"),
    ("partitionedDevice", 'RW 63 FLAT "disk-pt.vmdk" 0', " of 'disk-pt.vmdk'"),
    ("vmfsRaw", 'RW 63 VMFSRAW "disk-raw.vmdk"', " of 'disk-raw.vmdk'"),
    ("vmfsRDM", 'RW 63 VMFSRDM "disk-rdm.vmdk"', " of 'disk-rdm.vmdk'"),
    ("vmfsRawDeviceMap", 'RW 63 VMFSRDM "disk-rdm.vmdk"', " of 'disk-rdm.vmdk'"),
    ("vmfsPassthroughRawDeviceMap", 'RW 63 VMFSRDM "disk-rdmp.vmdk"', " of 'disk-rdmp.vmdk'"),
    ("custom", 'RW 63 FLAT "/dev/sda" 0', " of '/dev/sda'"),
    ("monolithicFlat", 'RW 63 FLAT "/DEV/disk/by-id/x" 0', " of '/DEV/disk/by-id/x'"),
    ("custom", 'RW 63 VMFSRDM "disk-rdm.vmdk"', " of 'disk-rdm.vmdk'"),
    ("FULLDEVICE", "RW 63 ZERO", ""),
]


@pytest.mark.parametrize(("kind", "extent", "of"), DEVICES)
def test_what_stands_for_a_device_is_refused_and_opens_nothing(
    kind: str, extent: str, of: str
) -> None:
    error = error_of(descriptor(kind, extent).encode())
    assert str(error) == (
        f"a.vmdk: is a VMDK that stands for a physical disk and holds none of it ({kind}{of})"
    )
    assert error.hint == "Make an image of that disk itself, where it is attached."
    assert error.exit_code == 4


@pytest.mark.parametrize(
    ("declared", "real"),
    [("windows-1252", "utf-8"), ("UTF-8", "cp1252"), ("GBK", "utf-8"), ("UTF-8", "gbk")],
)
def test_extents_are_found_though_the_encoding_is_declared_wrongly(
    tmp_path: Path, declared: str, real: str
) -> None:
    name = "北京.raw" if "gbk" in {declared.lower(), real} else "gäste.raw"
    (tmp_path / name).write_bytes(b"x" * 512)
    text = descriptor("custom", f'RW 1 FLAT "{name}" 0', f'encoding="{declared}"')
    path = tmp_path / "disk.vmdk"
    path.write_bytes(text.encode(real))
    assert read(opened(path), 0, 512) == b"x" * 512


def test_words_of_a_descriptor_are_read_in_any_case(tmp_path: Path) -> None:
    text = '# disk descriptorfile\nCREATETYPE="MonolithicFlat"\ncid=7\nrw 8 zero\n'
    path = tmp_path / "disk.vmdk"
    path.write_text(text)
    image = opened(path)
    assert (image.size, image.facts.variant) == (4096, "MonolithicFlat")


def test_facts_hold_what_the_disk_database_says(tmp_path: Path) -> None:
    extra = ('changeTrackPath="disk-ctk.vmdk"', 'ddb.uuid = "60 00"', "isNativeSnapshot=no")
    path = tmp_path / "disk.vmdk"
    path.write_text(descriptor("custom", "RDONLY 8 ZERO", 'RW 1 FLAT "x.raw" 3', *extra))
    (tmp_path / "x.raw").write_bytes(bytes(2048))
    facts = opened(path).facts
    assert facts.details == {
        "version": "1",
        "CID": "12345678",
        "parentCID": "ffffffff",
        "createType": "custom",
        "changeTrackPath": "disk-ctk.vmdk",
        "ddb.uuid": "60 00",
        "isNativeSnapshot": "no",
        "ddb.adapterType": "lsilogic",
        "extents": [
            {"access": "RDONLY", "size": 4096, "kind": "ZERO"},
            {"access": "RW", "size": 512, "kind": "FLAT", "name": "x.raw", "offset": 1536},
        ],
    }


@pytest.mark.parametrize("kind", ["sparse", "stream", "footer"])
def test_whatever_bytes_change_there_is_a_result_or_an_error(
    tmp_path: Path, disk: bytes, kind: str
) -> None:
    plain = tmp_path / "plain.raw"
    plain.write_bytes(disk[: 3 * MIB])
    sound = {
        "sparse": lambda: converted(plain, "raw", tmp_path / "a.vmdk", VMDKS[0]).read_bytes(),
        "stream": lambda: converted(plain, "raw", tmp_path / "b.vmdk", VMDKS[4]).read_bytes(),
        "footer": lambda: true_stream(disk[: 3 * MIB], seed=87),
    }[kind]()
    pick = Random(88)
    for _ in range(300):
        content = bytearray(sound)
        for _ in range(pick.randrange(1, 5)):
            near = pick.choice((80, 1024, 16 * KIB, len(content)))
            at = pick.choice((pick.randrange(near), len(content) - 1 - pick.randrange(near)))
            content[at] = pick.choice((0, 255, pick.randrange(256)))
        if pick.random() < 0.1:
            del content[pick.randrange(len(content)) :]
        try:
            image = image_of(bytes(content))
            read(image, 0, min(image.size, 8 * MIB))
            assert image.facts.format == "vmdk"
        except InteropError as error:
            assert error.exit_code in {3, 4, 6}


def test_whatever_a_descriptor_says_there_is_a_result_or_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.raw").write_bytes(bytes(4096))
    lines = ('encoding="UTF-8"', 'RW 8 FLAT "x.raw" 0', "RW 8 ZERO", 'ddb.uuid = "60 00"')
    sound = descriptor("custom", *lines).encode()
    pick = Random(90)
    path = tmp_path / "disk.vmdk"
    for _ in range(500):
        content = bytearray(sound)
        for _ in range(pick.randrange(1, 4)):
            at = pick.randrange(len(content))
            match pick.randrange(3):
                case 0:
                    content[at] = pick.randrange(256)
                case 1:
                    del content[at : at + pick.randrange(1, 20)]
                case _:
                    content[at:at] = content[pick.randrange(len(content)) :][: pick.randrange(30)]
        path.write_bytes(content)
        try:
            image = opened(path, format_name="vmdk")
            assert read(image, 0, min(image.size, MIB)) == bytes(min(image.size, MIB))
        except InteropError as error:
            assert error.exit_code in {3, 4, 6}
