"""Differencing VHDs: sector by sector, through the gate, and only above their own parent."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.disks.gate import ClosedGate
from converters.disks.image import chain, read
from converters.disks.registry import open_image
from rehost.errors import InteropError
from rehost.files import LocalFile
from tests.support.images import LONGEST, MIB, assert_identical, opened, ours
from tests.support.models import Memory
from tests.support.vhds import (
    CHILD,
    DIFFERENCING,
    FIXED,
    NAMES_AT,
    PARENT,
    Block,
    Growing,
    footer,
)

BLOCK = 2 * MIB
SIZE = 6 * BLOCK
OUTSIDE = "names a file outside its own folder ({!r})"
MISSING = "names a file that does not exist ({!r})"


def windows(name: str) -> bytes:
    return name.encode("utf-16-le", "surrogatepass")


def parent_file(folder: Path, name: str = "base.vhd", **changes: UUID | int) -> bytes:
    """Write a dynamic disk whose blocks lie out of order, and return its content."""
    pick = Random(1)
    blocks = [Block(number, range(4096), pick.randbytes(BLOCK)) for number in (3, 0, 4)]
    said = {"identifier": PARENT, "timestamp": 0, **changes}
    disk = Growing(SIZE, blocks, BLOCK, **said)  # type: ignore[arg-type]
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(disk.packed())
    plain = {each.number: each.content for each in blocks}
    return b"".join(plain.get(number, bytes(BLOCK)) for number in range(SIZE // BLOCK))


def child_of(name: str, **changes: object) -> Growing:
    """Return a differencing disk above ``name``, with every other stretch of sectors its own."""
    pick = Random(2)
    own = [sector for sector in range(4096) if sector // 7 % 2]
    blocks = [Block(number, own, pick.randbytes(BLOCK)) for number in (5, 0, 2)]
    disk = Growing(
        *(SIZE, blocks, BLOCK, DIFFERENCING),
        locators={b"W2ku": windows(f"C:\\disks\\{name}"), b"W2ru": windows(f".\\{name}")},
        parent=PARENT,
    )
    return replace(disk, **changes)  # type: ignore[arg-type]


def written(folder: Path, disk: Growing, name: str = "child.vhd") -> Path:
    path = folder / name
    path.write_bytes(disk.packed())
    return path


def laid_over(base: bytes, disk: Growing) -> bytes:
    """Return what a guest reads, sector by sector."""
    content = bytearray(base)
    for block in disk.blocks:
        for sector in block.stored:
            at = block.number * BLOCK + sector * 512
            content[at : at + 512] = block.content[sector * 512 : sector * 512 + 512]
    return bytes(content)


def refusal(path: Path) -> InteropError:
    with pytest.raises(InteropError) as caught:
        opened(path)
    return caught.value


def test_each_sector_comes_from_the_disk_that_stores_it(tmp_path: Path) -> None:
    base, disk = parent_file(tmp_path), child_of("base.vhd")
    path = written(tmp_path, disk)
    image, expected, pick = opened(path), laid_over(base, disk), Random(3)
    assert read(image, 0, SIZE) == expected
    for _ in range(60):
        offset, length = pick.randrange(SIZE), pick.randrange(1, 3 * MIB)
        assert read(image, offset, length) == expected[offset : offset + length]
    seen = subprocess.run(
        ["7zz", "x", "-so", "-tvhd", path], capture_output=True, check=True, timeout=LONGEST
    )
    assert seen.stdout == expected


def test_a_chain_of_three_becomes_one_disk(tmp_path: Path) -> None:
    base, middle = parent_file(tmp_path), child_of("base.vhd")
    written(tmp_path, middle, "middle.avhd")
    top = replace(child_of("middle.avhd"), parent=CHILD, identifier=UUID(int=7))
    top = replace(top, blocks=[Block(1, [0, 9], (b"top" * 2000).ljust(BLOCK, b"\0"))])
    image = opened(written(tmp_path, top, "top.avhd"))
    kinds = [each.facts.variant for each in chain(image)]
    assert kinds == ["differencing", "differencing", "dynamic"]
    plain = tmp_path / "expected.raw"
    plain.write_bytes(laid_over(laid_over(base, middle), top))
    result = ours(image, tmp_path / "flat.vhd", "vhd")
    assert_identical(plain, "raw", result, "vpc")


def test_a_fixed_disk_may_lie_below_and_be_shorter(tmp_path: Path) -> None:
    content = Random(4).randbytes(BLOCK + 512)
    end = footer(FIXED, len(content), identifier=PARENT)
    (tmp_path / "base.vhd").write_bytes(content + end)
    disk = child_of("base.vhd")
    base = content.ljust(SIZE, b"\0")
    assert read(opened(written(tmp_path, disk)), 0, SIZE) == laid_over(base, disk)


def test_the_parent_is_found_by_each_of_its_names(tmp_path: Path) -> None:
    parent_file(tmp_path, "gäste 東京.vhd")
    name = "gäste 東京.vhd"
    found = child_of(name)
    ways = [
        replace(found, locators={b"W2ru": windows(f".\\{name}")}),
        replace(found, locators={b"W2ru": windows(name)}),
        replace(found, locators={b"W2ru": name.encode("utf-16-be")}),
        replace(found, locators={b"W2ku": windows(f"D:\\old place\\{name}")}),
        replace(found, locators={b"W2ku": windows(f"\\\\server\\share\\{name}")}),
        replace(found, locators={b"W2ru": windows(f"..\\..\\moved\\{name}")}),
        replace(found, locators={b"W2ru": windows(f".\\gone\\{name}")}),
        replace(found, locators={}, parent_name=name),
        replace(found, locators={b"MacX": b"file://x"}, parent_name=f"C:\\was here\\{name}"),
        replace(found, locators={b"W2ru": windows("gone.vhd")}, parent_name=f"/var/{name}"),
    ]
    for disk in ways:
        below = opened(written(tmp_path, disk)).parent
        assert below is not None
        assert below.facts.details["identifier"] == str(PARENT)


def test_a_parent_in_a_folder_below_is_found(tmp_path: Path) -> None:
    parent_file(tmp_path, "disks/base.vhd")
    assert opened(written(tmp_path, child_of("disks\\base.vhd"))).parent is not None


REFUSED = [
    ("/etc/passwd", OUTSIDE, 6),
    ("..\\..\\etc\\passwd", OUTSIDE, 6),
    ("C:\\Windows\\base.vhd", OUTSIDE, 6),
    ("\\\\server\\share\\base.vhd", OUTSIDE, 6),
    ("\\\\.\\PhysicalDrive0", OUTSIDE, 6),
    ("nbd://127.0.0.1/disk", OUTSIDE, 6),
    ('json:{"driver":"file"}', OUTSIDE, 6),
    ("base.vhd", MISSING, 3),
    ("\ud800.vhd", MISSING, 3),
]


@pytest.mark.parametrize(("name", "said", "code"), REFUSED)
@pytest.mark.parametrize("field", ["locator", "name"])
def test_a_parent_anywhere_else_is_refused(
    tmp_path: Path, name: str, said: str, *, code: int, field: str
) -> None:
    disk = child_of("", locators={}, parent_name="")
    if field == "locator":
        path = written(tmp_path, replace(disk, locators={b"W2ru": windows(name)}))
        assert str(refusal(path)) == f"{path}: {said.format(name)}"
        assert refusal(path).exit_code == code
        return
    last = name.replace("/", "\\").split("\\")[-1]
    path = written(tmp_path, replace(disk, parent_name=name))
    said = OUTSIDE if ":" in last else MISSING
    assert str(refusal(path)) == f"{path}: {said.format(last)}"


def test_a_link_and_a_closed_gate_are_refused(tmp_path: Path) -> None:
    parent_file(tmp_path, "real.vhd")
    (tmp_path / "base.vhd").symlink_to("real.vhd")
    path = written(tmp_path, child_of("base.vhd"))
    assert str(refusal(path)) == f"{path}: names a symbolic link ('.\\\\base.vhd')"
    (tmp_path / "real.vhd").replace(tmp_path / "base.vhd")
    assert opened(path).parent is not None
    with pytest.raises(InteropError) as caught:
        open_image(LocalFile(path), ClosedGate())
    assert str(caught.value) == (
        f"{path}: names another file ('.\\\\base.vhd'), which is not allowed here"
    )


def test_a_disk_that_names_none_below_is_refused(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, child_of("", locators={})))
    assert str(error) == (
        f"{tmp_path / 'child.vhd'}: stores only differences, but does not name the disk below it"
    )
    assert error.exit_code == 3


def test_another_disk_under_the_parents_name_is_refused(tmp_path: Path) -> None:
    parent_file(tmp_path, identifier=UUID(int=5))
    error = refusal(written(tmp_path, child_of("base.vhd")))
    assert str(error) == (
        f"{tmp_path / 'child.vhd'}: the disk below it is not the one it was made from "
        f"('.\\\\base.vhd' is {UUID(int=5)}, should be {PARENT})"
    )
    assert error.hint == "Put the disk it was made from beside it, under the same name."
    assert error.exit_code == 3


def test_a_parent_that_is_no_vhd_is_never_guessed(tmp_path: Path) -> None:
    (tmp_path / "base.vhd").write_bytes(b"QFI\xfb" + bytes(MIB))
    error = refusal(written(tmp_path, child_of("base.vhd")))
    assert str(error) == (
        f"{tmp_path / 'base.vhd'}: has no VHD footer at its end (the file has {MIB + 4} bytes)"
    )


def test_a_parent_changed_since_is_said(tmp_path: Path) -> None:
    parent_file(tmp_path, timestamp=99)
    disk = child_of("base.vhd", parent_timestamp=98, parent_name="base.vhd")
    facts = opened(written(tmp_path, disk)).facts
    assert facts.oddities == (
        "the disk below it was changed or copied since (its timestamp is 99, should be 98)",
    )
    assert facts.details["parentName"] == "base.vhd"
    assert facts.details["parentIdentifier"] == str(PARENT)
    assert facts.details["parentTimestamp"] == 98


def test_a_disk_above_itself_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, child_of("child.vhd", parent=CHILD))
    assert str(refusal(path)) == f"{path}: the chain of images below it leads to {path} again"


def locator_error(tmp_path: Path, at: int, value: int) -> InteropError:
    whole = bytearray(child_of("base.vhd").packed())
    whole[at : at + 8] = value.to_bytes(8, "big")
    body = bytes(whole[512:1536])
    empty = body[:36] + bytes(4) + body[40:]
    whole[548:552] = (~sum(empty) & 0xFFFF_FFFF).to_bytes(4, "big")
    path = tmp_path / "child.vhd"
    path.write_bytes(whole)
    return refusal(path)


def test_a_locator_too_long_or_behind_the_end_is_damage(tmp_path: Path) -> None:
    error = locator_error(tmp_path, 512 + 576 + 4, (1 << 32) + 70_000)
    assert str(error) == (
        f"{tmp_path / 'child.vhd'} at {NAMES_AT}: a VHD parent locator is too long "
        "(70000 bytes, at most 65534)"
    )
    size = len(child_of("base.vhd").packed())
    error = locator_error(tmp_path, 512 + 576 + 16, 1 << 50)
    assert str(error) == (
        f"{tmp_path / 'child.vhd'} at {1 << 50}: a VHD parent locator lies behind the end of the "
        f"file (34 bytes are needed, the file ends at {size})"
    )


@settings(max_examples=200, deadline=5000, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.binary(max_size=80), text=st.text(max_size=40))
def test_any_name_gives_a_named_error(name: bytes, text: str) -> None:
    disk = Growing(
        *(4096, (), 4096, DIFFERENCING), locators={b"W2ru": name, b"W2ku": name}, parent_name=text
    )
    with pytest.raises(InteropError) as caught:
        open_image(Memory(disk.packed(), "fuzzed"), ClosedGate(), format="vhd")
    assert str(caught.value).startswith("fuzzed: ")
