"""Differencing VDIs: the disk below is found by its identifier, among the files beside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from converters.disks.gate import MOST_NEIGHBOURS, ChainGate, ClosedGate, FolderGate, names_beside
from converters.disks.image import chain, read
from converters.disks.locate import located
from converters.disks.registry import open_image
from rehost.errors import InteropError
from rehost.files import LocalFile
from tests.support.images import MIB, RAW, assert_identical, create, opened, ours, run
from tests.support.models import Memory
from tests.support.vdis import (
    BASE,
    BASE_CHANGE,
    CHILD,
    CHILD_CHANGE,
    DIFFERENCING,
    NOBODY,
    UNDO,
    Vdi,
)

BLOCK = 4096
SIZE = 40 * BLOCK + 512


def filled(seed: int, *numbers: int, block: int = BLOCK) -> dict[int, bytes]:
    pick = Random(seed)
    return {number: pick.randbytes(block) for number in numbers}


BELOW = Vdi(SIZE, filled(1, 7, 0, 3, 1, 39))
ABOVE = Vdi(
    *(SIZE, filled(2, 5, 1, 40), (3, 20)),
    kind=DIFFERENCING,
    identifier=CHILD,
    modification=CHILD_CHANGE,
    parent=BASE,
    parent_modification=BASE_CHANGE,
)


def put(folder: Path, name: str, disk: Vdi) -> Path:
    path = folder / name
    path.write_bytes(disk.packed())
    return path


def refusal(path: Path) -> InteropError:
    with pytest.raises(InteropError) as caught:
        opened(path)
    return caught.value


@pytest.mark.parametrize("kind", [DIFFERENCING, UNDO])
def test_each_block_comes_from_the_disk_that_stores_it(tmp_path: Path, kind: int) -> None:
    put(tmp_path, "below.vdi", BELOW)
    image, pick = opened(put(tmp_path, "above.vdi", replace(ABOVE, kind=kind))), Random(3)
    expected = ABOVE.over(BELOW.over(b""))
    assert read(image, 0, SIZE) == expected
    assert expected[3 * BLOCK : 4 * BLOCK] == bytes(BLOCK)
    for _ in range(60):
        offset, length = pick.randrange(SIZE), pick.randrange(1, SIZE)
        assert read(image, offset, length) == expected[offset : offset + length]
    assert image.facts.variant == {DIFFERENCING: "differencing", UNDO: "undo"}[kind]
    assert image.facts.details["parentIdentifier"] == str(BASE)
    assert image.facts.details["parentModification"] == str(BASE_CHANGE)
    assert image.facts.oddities == ()


def test_a_chain_of_three_with_wide_and_narrow_blocks_becomes_one_disk(tmp_path: Path) -> None:
    top = replace(
        *(ABOVE,),
        blocks=filled(4, 2, 0, block=16384),
        discarded=(1,),
        block=16384,
        identifier=UUID(int=31),
        parent=CHILD,
        parent_modification=CHILD_CHANGE,
    )
    put(tmp_path, "a.vdi", BELOW)
    put(tmp_path, "b.vdi", ABOVE)
    image = opened(put(tmp_path, "c.vdi", top))
    assert [each.facts.variant for each in chain(image)] == [
        *("differencing", "differencing", "dynamic"),
    ]
    plain = create(tmp_path / "expected.raw", RAW, SIZE)
    plain.write_bytes(top.over(ABOVE.over(BELOW.over(b""))))
    assert_identical(plain, "raw", ours(image, tmp_path / "flat.qcow2", "qcow2"), "qcow2")


def test_a_smaller_disk_below_reads_zeros_behind_its_end(tmp_path: Path) -> None:
    below = replace(BELOW, size=4 * BLOCK, blocks=filled(6, 0, 3))
    put(tmp_path, "below.vdi", below)
    assert read(opened(put(tmp_path, "above.vdi", ABOVE)), 0, SIZE) == ABOVE.over(below.over(b""))


def test_the_disk_below_is_found_under_any_name_among_anything(tmp_path: Path) -> None:
    for number, content in enumerate([b"", b"x", b"\x7f\x10\xda\xbe" * 40, BELOW.packed()[:300]]):
        (tmp_path / f"{number}.vdi").write_bytes(content)
    (tmp_path / "folder.vdi").mkdir()
    (tmp_path / "link.vdi").symlink_to("zz no suffix")
    put(tmp_path, "other.vdi", replace(BELOW, identifier=UUID(int=99)))
    put(tmp_path, "zz no suffix", BELOW)
    image = opened(put(tmp_path, "above.vdi", ABOVE))
    assert read(image, 0, SIZE) == ABOVE.over(BELOW.over(b""))


def test_one_changed_since_is_taken_and_said(tmp_path: Path) -> None:
    put(tmp_path, "below.vdi", replace(BELOW, modification=UUID(int=77)))
    image = opened(put(tmp_path, "above.vdi", ABOVE))
    assert image.facts.oddities == (
        f"the disk below it was changed since (its modification is {UUID(int=77)}, "
        f"should be {BASE_CHANGE})",
    )
    put(tmp_path, "the right one.vdi", BELOW)
    assert opened(tmp_path / "above.vdi").facts.oddities == ()


def test_two_that_could_be_meant_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "a.vdi", BELOW)
    put(tmp_path, "b.vdi", BELOW)
    path = put(tmp_path, "above.vdi", ABOVE)
    error = refusal(path)
    assert str(error) == (
        f"{path}: has more than one disk beside it that could be below it ('a.vdi' and 'b.vdi')"
    )
    assert error.hint == "Move away the one that it was not made from."
    assert error.exit_code == 6


def test_one_that_is_missing_is_named_by_its_identifier(tmp_path: Path) -> None:
    path = put(tmp_path, "above.vdi", ABOVE)
    error = refusal(path)
    assert str(error) == (
        f"{path}: stores only differences to another VDI ({BASE}), which is not beside it"
    )
    assert error.hint == "Put the disk it was made from into the same folder, under any name."
    assert error.exit_code == 3
    with pytest.raises(InteropError) as caught:
        open_image(Memory(ABOVE.packed(), "a.vdi"), ClosedGate())
    assert str(caught.value) == (
        f"a.vdi: stores only differences to another VDI ({BASE}), which is not beside it"
    )


def test_one_that_names_none_is_damaged(tmp_path: Path) -> None:
    path = put(tmp_path, "above.vdi", replace(ABOVE, parent=NOBODY))
    assert str(refusal(path)) == (
        f"{path}: stores only differences, but does not name the disk below it"
    )


def test_a_disk_above_itself_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, "above.vdi", replace(ABOVE, parent=CHILD, parent_modification=NOBODY))
    assert str(refusal(path)) == f"{path}: the chain of images below it leads to {path} again"


def test_a_folder_with_too_many_files_is_not_looked_through(tmp_path: Path) -> None:
    for number in range(MOST_NEIGHBOURS):
        (tmp_path / str(number)).touch()
    assert len(FolderGate(tmp_path).beside(str(tmp_path / "0"))) == MOST_NEIGHBOURS
    path = put(tmp_path, "above.vdi", ABOVE)
    error = refusal(path)
    assert str(error) == (
        f"{path}: lies among too many files to look for its parent (more than {MOST_NEIGHBOURS})"
    )
    assert error.hint == "Put it and the disks below it into a folder of their own."
    assert error.exit_code == 6


def test_a_folder_that_cannot_be_listed_is_said(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(InteropError) as caught:
        names_beside(FolderGate(gone), by=str(gone / "a.vdi"))
    assert str(caught.value) == (
        f"{gone / 'a.vdi'}: lies in a folder that cannot be listed (No such file or directory)"
    )
    assert caught.value.exit_code == 5


def test_a_gate_is_asked_for_names_where_it_knows_them(tmp_path: Path) -> None:
    (tmp_path / "b").touch()
    (tmp_path / "a").touch()
    by = str(tmp_path / "a")
    assert names_beside(FolderGate(tmp_path), by=by) == ["a", "b"]
    assert names_beside(ChainGate(FolderGate(tmp_path), ()), by=by) == ["a", "b"]
    assert names_beside(ClosedGate(), by=by) == []


def test_the_snapshots_of_virtualbox_lie_in_a_folder_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "Snapshots").mkdir()
    put(tmp_path, "machine.vdi", BELOW)
    path = put(tmp_path / "Snapshots", "{above}.vdi", ABOVE)
    image = open_image(LocalFile(path), FolderGate(tmp_path), format="vdi")
    assert read(image, 0, SIZE) == ABOVE.over(BELOW.over(b""))
    with pytest.raises(InteropError) as caught:
        opened(path)
    assert str(caught.value) == (
        f"{path}: stores only differences to another VDI ({BASE}), which is not beside it"
    )


def test_a_chain_in_an_archive_is_found_there(tmp_path: Path) -> None:
    outside, archive = tmp_path / "out", tmp_path / "chain.tar"
    (outside / "disks").mkdir(parents=True)
    put(outside / "disks", "above.vdi", ABOVE)
    put(outside / "disks", "below.vdi", BELOW)
    put(outside, "other.vdi", BELOW)
    run("tar", "--format=ustar", "-C", outside, "-cf", archive, "disks", "other.vdi")
    place = located(f"{archive}!disks/above.vdi")
    assert names_beside(place.gate, by=place.file.name) == ["above.vdi", "below.vdi"]
    image = open_image(place.file, place.gate)
    assert read(image, 0, SIZE) == ABOVE.over(BELOW.over(b""))


# Version 0.1


def test_an_old_disk_is_read(tmp_path: Path) -> None:
    path = tmp_path / "old.vdi"
    path.write_bytes(BELOW.packed_old())
    image = opened(path)
    assert read(image, 0, SIZE) == BELOW.over(b"")
    assert image.facts.details == {
        "version": "0.1",
        "text": "<<< InnoTek VirtualBox Disk Image >>>",
        "description": "old",
        "blockSize": BLOCK,
        "blocksAllocated": 5,
        "identifier": str(BASE),
        "modification": str(BASE_CHANGE),
    }


def test_an_old_disk_does_not_know_how_the_one_below_was(tmp_path: Path) -> None:
    put(tmp_path, "below.vdi", BELOW)
    path = tmp_path / "old.vdi"
    path.write_bytes(ABOVE.packed_old())
    image = opened(path)
    assert read(image, 0, SIZE) == ABOVE.over(BELOW.over(b""))
    assert image.facts.oddities == ()
    path.write_bytes(ABOVE.packed_old()[:419])
    with pytest.raises(InteropError) as caught:
        open_image(LocalFile(path), ClosedGate(), format="vdi")
    assert str(caught.value) == (
        f"{path}: the VDI header is cut short (419 bytes, should be 420 at least)"
    )


def test_prefixes_of_blocks_are_skipped_and_said(tmp_path: Path) -> None:
    image = opened(put(tmp_path, "a.vdi", replace(BELOW, extra=512)))
    assert read(image, 0, SIZE) == BELOW.over(b"")
    assert image.facts.details["blockPrefix"] == 512
    with pytest.raises(InteropError) as caught:
        opened(put(tmp_path, "a.vdi", replace(BELOW, extra=BLOCK + 1)))
    assert str(caught.value) == (
        f"{tmp_path / 'a.vdi'}: the VDI blocks have an impossible prefix (4097 bytes, "
        "a block has 4096)"
    )


def test_any_bytes_changed_above_a_parent_give_a_result_or_a_named_error(tmp_path: Path) -> None:
    put(tmp_path, "below.vdi", replace(BELOW, size=8 * MIB, block=MIB, blocks=filled(5, 6, 1)))
    path, sound, pick = tmp_path / "above.vdi", ABOVE.packed(), Random(8)
    for _ in range(400):
        changed = bytearray(sound)
        for _ in range(pick.randrange(1, 5)):
            changed[pick.randrange(64, 700)] = pick.choice((0, 1, 255, pick.randrange(256)))
        path.write_bytes(changed)
        try:
            image = open_image(LocalFile(path), FolderGate(tmp_path), format="vdi")
            assert len(read(image, 0, 2 * MIB)) == min(image.size, 2 * MIB)
        except InteropError as error:
            assert str(error).startswith(str(tmp_path))
