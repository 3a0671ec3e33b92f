"""Folders of Parallels: storages, snapshots, and every way a descriptor can be wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from random import Random

import pytest

from converters.disks.image import chain, read
from converters.disks.registry import MOST_LAYERS, format_of
from rehost.errors import InteropError
from rehost.files import LocalFile
from tests.support.hdds import BASE, MIDDLE, NOTHING, TOP, Image, Storage, described, made_old
from tests.support.images import MIB, RAW, Variant, as_raw, create, opened, ours, run, scribble
from tests.support.packages import rehost
from tests.support.witnesses import assert_composed, assert_reads_like, error_of

EXPANDING = Variant("hds", "parallels")
SECTORS = 6 * MIB // 512
ONE = [Storage(0, SECTORS, [Image(TOP, "a.hds")])]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "disk.hdd"
    made.mkdir()
    return made


def written(folder: Path, text: str) -> Path:
    path = folder / "DiskDescriptor.xml"
    path.write_text(text, encoding="utf-8")
    return path


def image(folder: Path, name: str, size: int, seed: int, *, plain: bool = False) -> Path:
    variant = RAW if plain else EXPANDING
    path = create(folder / name, variant, size)
    scribble(path, variant.format, size, seed)
    return path


def assert_libphdi_reads(path: Path, expected: Path) -> None:
    """Let libphdi read the whole disk; it knows old images only, and no split disks."""
    for part in path.parent.iterdir():
        if part.read_bytes()[:16] == b"WithouFreSpacExt":
            made_old(part)
    handle = import_module("pyphdi").handle()
    handle.open(str(path))
    handle.open_extent_data_files()
    assert handle.get_media_size() == expected.stat().st_size
    found = b""
    while len(found) < handle.get_media_size():
        found += handle.read_buffer(MIB)
    handle.close()
    assert found == expected.read_bytes()


def refused(path: Path) -> InteropError:
    with pytest.raises(InteropError) as caught:
        opened(path)
    return caught.value


@pytest.mark.parametrize("plain", [False, True], ids=["expanding", "plain"])
def test_a_disk_of_one_image_is_read(folder: Path, plain: bool) -> None:
    part = image(folder, "a.hds", SECTORS * 512, seed=1, plain=plain)
    kind = "Plain" if plain else "Compressed"
    path = written(folder, described(SECTORS, [Storage(0, SECTORS, [Image(TOP, "a.hds", kind)])]))
    assert format_of(LocalFile(path)).name == "parallels"
    expected = as_raw(part, "raw" if plain else "parallels")
    assert_reads_like(path, "parallels", expected)
    assert_libphdi_reads(path, expected)


def test_a_split_disk_is_its_storages_in_order(folder: Path, tmp_path: Path) -> None:
    storages, expected, start = [], b"", 0
    for number, size in enumerate((2 * MIB, 3 * MIB, MIB)):
        part = image(folder, f"{number}.hds", size, seed=number)
        if number == 1:
            made_old(part)
        expected += as_raw(part, "parallels").read_bytes()
        end = start + size // 512
        storages.append(Storage(start, end, [Image(TOP, part.name)]))
        start = end
    (tmp_path / "whole.raw").write_bytes(expected)
    path = written(folder, described(start, storages[::-1]))
    assert_reads_like(path, "parallels", tmp_path / "whole.raw")
    assert opened(path).facts.variant == "split"


def layered(folder: Path, size: int, names: Sequence[str], seed: int) -> bytes:
    """Make images that lie on each other, the lowest first, and return what the disk holds."""
    pick, content = Random(seed), bytearray(size)
    for name in names:
        path = create(folder / name, EXPANDING, size)
        for number in pick.sample(range(size // MIB), 2):
            filling = pick.randrange(1, 256)
            run("qemu-io", "-f", "parallels", "-c", f"write -P {filling} {number}M 1M", path)
            content[number * MIB : (number + 1) * MIB] = bytes([filling]) * MIB
    return bytes(content)


SHOTS = ((TOP, MIDDLE), (BASE, NOTHING), (MIDDLE.lower(), BASE))


def test_a_split_disk_with_snapshots_shows_the_topmost(folder: Path, tmp_path: Path) -> None:
    first = layered(folder, 4 * MIB, ["0.base", "0.middle", "0.top"], seed=4)
    second = layered(folder, 5 * MIB, ["1.base", "1.middle", "1.top"], seed=5)
    (tmp_path / "whole.raw").write_bytes(first + second)
    storages = [
        Storage(
            start,
            end,
            [
                Image(BASE, f"{number}.base"),
                Image(MIDDLE, f"{number}.middle"),
                Image(TOP, f"{number}.top"),
            ],
        )
        for number, start, end in ((0, 0, 8192), (1, 8192, 18432))
    ]
    path = written(folder, described(18432, storages, SHOTS))
    assert_reads_like(path, "parallels", tmp_path / "whole.raw")
    assert len(chain(opened(path))) == 3
    made = ours(opened(path), tmp_path / "out.raw", "raw")
    assert made.read_bytes() == first + second
    facts = opened(path).facts
    assert facts.details == {
        "name": "disk",
        "identifier": TOP,
        "files": ["0.top", "1.top"],
        "snapshots": [TOP, BASE, MIDDLE.lower()],
    }


def test_snapshots_of_one_storage_read_as_libphdi_reads_them(folder: Path, tmp_path: Path) -> None:
    content = layered(folder, 6 * MIB, ["base", "middle", "top"], seed=6)
    (tmp_path / "whole.raw").write_bytes(content)
    images = [Image(BASE, "base"), Image(MIDDLE.lower(), "middle"), Image(TOP, "top")]
    path = written(folder, described(SECTORS, [Storage(0, SECTORS, images)], SHOTS))
    assert_reads_like(path, "parallels", tmp_path / "whole.raw")
    assert_libphdi_reads(path, tmp_path / "whole.raw")
    assert_reads_like(path, "parallels", tmp_path / "whole.raw")


def test_the_top_may_be_named(folder: Path) -> None:
    content = layered(folder, 6 * MIB, ["base", "middle", "top"], seed=7)
    lower = layered(folder, 6 * MIB, ["base", "middle"], seed=7)
    images = [Image(BASE, "base"), Image(MIDDLE, "middle"), Image(TOP, "top")]
    storages = [Storage(0, SECTORS, images)]
    path = written(folder, described(SECTORS, storages, SHOTS, top=MIDDLE))
    assert read(opened(path), 0, 6 * MIB) == lower
    assert content != lower


def test_a_disk_without_snapshots_has_one_image(folder: Path) -> None:
    part = image(folder, "a.hds", SECTORS * 512, seed=1)
    storages = [Storage(0, SECTORS, [Image(BASE, "a.hds")])]
    path = written(folder, described(SECTORS, storages, ()))
    assert_reads_like(path, "parallels", as_raw(part, "parallels"))


def test_what_an_image_has_beyond_its_storage_is_not_read(folder: Path, tmp_path: Path) -> None:
    parts = [image(folder, f"{number}.hds", 3 * MIB, seed=number) for number in (1, 2)]
    first, second = (as_raw(part, "parallels").read_bytes() for part in parts)
    (tmp_path / "whole.raw").write_bytes(first[: MIB + 512] + second)
    seam = MIB // 512 + 1
    storages = [
        Storage(0, seam, [Image(TOP, "1.hds")]),
        Storage(seam, seam + 6144, [Image(TOP, "2.hds")]),
    ]
    path = written(folder, described(seam + 6144, storages))
    assert_reads_like(path, "parallels", tmp_path / "whole.raw")


def test_oddities_of_images_are_said(folder: Path) -> None:
    part = image(folder, "a.hds", SECTORS * 512, seed=1)
    content = bytearray(part.read_bytes())
    content[44:48] = b"Ynot"
    part.write_bytes(content)
    path = written(folder, described(SECTORS, [ONE[0]._replace(block=63)]))
    assert opened(path).facts.oddities == (
        "a.hds: the image was not closed: what was written last may be missing",
        "a.hds: has blocks of 2048 sectors, the descriptor says 63",
    )


OUTSIDE = ["/etc/passwd", "../a.hds", "C:\\a.hds", "nbd://host/a", "sub/../../a.hds"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["Plain", "Compressed"])
def test_an_image_outside_the_folder_is_refused(folder: Path, name: str, kind: str) -> None:
    create(folder.parent / "a.hds", EXPANDING, MIB)
    path = written(folder, described(SECTORS, [Storage(0, SECTORS, [Image(TOP, name, kind)])]))
    error = refused(path)
    assert str(error) == f"{path}: names a file outside its own folder ({name!r})"
    assert error.exit_code == 6


def test_a_link_out_of_the_folder_is_refused(folder: Path) -> None:
    (folder / "a.hds").symlink_to("/etc/passwd")
    path = written(folder, described(SECTORS, ONE))
    assert str(refused(path)) == f"{path}: names a symbolic link ('a.hds')"


def test_images_that_are_none_or_too_small_are_damage(folder: Path) -> None:
    path = written(folder, described(SECTORS, ONE))
    part = folder / "a.hds"
    part.write_bytes(b"\0" * 4096)
    assert str(refused(path)) == f"{part}: no Parallels header (found {bytes(16)!r})"
    create(part, EXPANDING, MIB)
    error = refused(path)
    assert str(error) == (
        f"{part}: an image of the Parallels disk is too small ({MIB} bytes, should be {6 * MIB})"
    )
    assert error.hint == "The file is cut short, or belongs to another disk."


def test_a_plain_image_on_another_is_damage(folder: Path) -> None:
    create(folder / "base", EXPANDING, 6 * MIB)
    images = [Image(BASE, "base"), Image(TOP, "top", "Plain")]
    shots = [(TOP, BASE), (BASE, NOTHING)]
    path = written(folder, described(SECTORS, [Storage(0, SECTORS, images)], shots))
    assert str(refused(path)) == (
        f"{path}: a plain image lies on another in the Parallels disk ('top')"
    )


SOUND = described(SECTORS, ONE)
LOOP = [(TOP, BASE), (BASE, MIDDLE), (MIDDLE, BASE)]
LONG = [(TOP, "{0}"), *((f"{{{n}}}", f"{{{n + 1}}}") for n in range(MOST_LAYERS))]
ALL = [Image(guid, "a.hds") for guid in (TOP, BASE, MIDDLE)]


def edited(before: str, after: str) -> str:
    assert before in SOUND
    return SOUND.replace(before, after)


WRONG = [
    (
        edited('"1.0"', '"2.0"'),
        4,
        "is no Parallels descriptor of version 1.0 (found 'Parallels_disk_image', version '2.0')",
    ),
    (
        "<a><Parallels_disk_image/></a>",
        4,
        "is no Parallels descriptor of version 1.0 (found 'a', version 'none')",
    ),
    (
        edited("Disk_Parameters", "Parameters"),
        3,
        "the Parallels descriptor lacks Parallels_disk_image/Disk_Parameters",
    ),
    (
        edited("StorageData", "Data"),
        3,
        "the Parallels descriptor lacks Parallels_disk_image/StorageData",
    ),
    (
        edited(f">{SECTORS}</Disk_size", "></Disk_size"),
        3,
        "the Parallels descriptor says nothing in Disk_Parameters/Disk_size",
    ),
    (
        edited(f">{SECTORS}</Disk_size", ">-5</Disk_size"),
        3,
        "the Parallels descriptor has no number in Disk_Parameters/Disk_size (found '-5')",
    ),
    (
        edited(f">{SECTORS}</Disk_size", ">1e9</Disk_size"),
        3,
        "the Parallels descriptor has no number in Disk_Parameters/Disk_size (found '1e9')",
    ),
    (
        edited("<Padding>0", "<Padding>1"),
        4,
        "the Parallels disk uses padding, which is not described (1)",
    ),
    (
        edited("<Engine>{00", "<Engine>{01"),
        4,
        "the Parallels disk is encrypted (engine {01000000-0000-0000-0000-000000000000})",
    ),
    (
        edited("Compressed", "Squeezed"),
        4,
        "the Parallels disk has an image of a kind that is not read ('Squeezed')",
    ),
    (
        edited("<Start>0", "<Start>1"),
        3,
        f"a storage of the Parallels disk does not follow the one before it (1 to {SECTORS}, "
        "should begin at 0)",
    ),
    (
        edited(f"<End>{SECTORS}", "<End>0"),
        3,
        "a storage of the Parallels disk does not follow the one before it (0 to 0, "
        "should begin at 0)",
    ),
    (
        edited(f"<Disk_size>{SECTORS}", "<Disk_size>99"),
        3,
        f"the storages of the Parallels disk do not make it up ({SECTORS} sectors, should be 99)",
    ),
    (described(1 << 60, ONE), 3, f"the Parallels disk's size is impossible ({1 << 60} sectors)"),
    (described(SECTORS, []), 3, "the Parallels descriptor names no storage"),
    (
        described(SECTORS, ONE, [(TOP, BASE)]),
        3,
        f"the Parallels descriptor does not say what lies below {BASE}",
    ),
    (
        described(SECTORS, ONE, [(TOP, BASE), (BASE, NOTHING)]),
        3,
        f"a storage of the Parallels disk has no image {BASE}",
    ),
    (
        described(SECTORS, ONE, [(TOP, NOTHING), (TOP, NOTHING)]),
        3,
        f"the Parallels descriptor has two snapshots {TOP}",
    ),
    (
        described(SECTORS, [Storage(0, SECTORS, [*ALL, ALL[0]])]),
        3,
        f"a storage of the Parallels disk has two images {TOP}",
    ),
    (
        described(SECTORS, [Storage(0, SECTORS, ALL)], LOOP),
        3,
        f"the chain of Parallels snapshots leads to {BASE} again",
    ),
    (
        described(SECTORS, ONE, LONG),
        3,
        f"the chain of Parallels snapshots is longer than {MOST_LAYERS}",
    ),
    (
        "<Parallels_disk_image>" + "<a/>" * 20_000,
        6,
        "the XML has too many elements (more than 20000)",
    ),
    (
        "<Parallels_disk_image>",
        3,
        "the XML is not well-formed (no element found: line 1, column 22)",
    ),
    (
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Parallels_disk_image>&x;',
        6,
        "the XML declares an entity ('x'), which is not allowed",
    ),
]


@pytest.mark.parametrize(("text", "code", "words"), WRONG)
def test_a_descriptor_is_refused_in_these_words(text: str, code: int, words: str) -> None:
    error = error_of(text.encode(), "DiskDescriptor.xml", "parallels")
    assert str(error) == f"DiskDescriptor.xml: {words}"
    assert error.exit_code == code


def test_a_descriptor_of_absurd_size_is_refused() -> None:
    large = SOUND.encode() + b" " * MIB
    assert str(error_of(large, "a.xml", "parallels")) == (
        f"a.xml: is too large (at most {MIB} bytes are read)"
    )


def test_mutations_are_read_or_refused() -> None:
    content = SOUND.encode()
    assert_composed(content, "parallels", seed=1, tables=range(len(content)))


def test_a_folder_stands_for_the_disk_it_is(folder: Path, tmp_path: Path) -> None:
    size = 6 * MIB
    part = image(folder, "a.hds", size, seed=41)
    written(folder, described(SECTORS, ONE))
    expected = as_raw(part, "parallels")
    out = tmp_path / "out.raw"
    assert rehost("disk", "convert", folder, out).err == ""
    assert out.read_bytes() == expected.read_bytes()
    [machine] = json.loads(rehost("inspect", folder, "--json").out)["machines"]
    assert machine["machine"]["disks"][0]["size"] == size
