"""VMDKs that store only differences: found by their hint, and held to the identifier it had."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from converters.disks.image import chain, read
from rehost.errors import InteropError
from tests.support.images import MIB, VMDKS, Variant, as_raw, create, opened, run, scribble
from tests.support.vmdks import descriptor

SIZE = 5 * MIB + 512


def delta(path: Path, base: Path, options: str = "") -> Path:
    words = ["-o", options] if options else []
    linked = ["-b", base.name, "-F", "vmdk"]
    run("qemu-img", "create", "-q", "-f", "vmdk", *linked, *words, path)
    return path


def error_of(path: Path) -> InteropError:
    with pytest.raises(InteropError) as caught:
        opened(path)
    return caught.value


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Return a base with content and a delta of it."""
    monkeypatch.chdir(tmp_path)
    base = create(tmp_path / "base.vmdk", VMDKS[0], SIZE)
    scribble(base, "vmdk", SIZE, seed=71)
    top = delta(tmp_path / "top.vmdk", base)
    scribble(top, "vmdk", SIZE, seed=72)
    return base, top


@pytest.mark.parametrize("variant", VMDKS[:4], ids=str)
def test_a_chain_of_four_layers_is_read_as_qemu_reads_it(
    tmp_path: Path, variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = create(tmp_path / "0.vmdk", variant, SIZE)
    scribble(path, "vmdk", SIZE, seed=73)
    kinds = ("monolithicSparse", "twoGbMaxExtentSparse", "monolithicSparse,zeroed_grain=on")
    for number, kind in enumerate(kinds, 1):
        path = delta(tmp_path / f"{number}.vmdk", path, f"subformat={kind}")
        scribble(path, "vmdk", SIZE, seed=73 + number)
    image = opened(path)
    assert len(chain(image)) == 4
    assert read(image, 0, SIZE) == as_raw(path, "vmdk").read_bytes()


def test_a_parent_that_was_changed_is_refused(pair: tuple[Path, Path]) -> None:
    base, top = pair
    cid = str(opened(base).facts.details["CID"])
    content = base.read_bytes()
    base.write_bytes(content.replace(f"CID={cid}".encode(), b"CID=0badcafe", 1))
    error = error_of(top)
    assert str(error) == (
        f"{top}: the disk below it has changed since it was made ('base.vmdk' has CID 0badcafe, "
        f"should be {cid:>08})"
    )
    assert error.hint == (
        "Put back the disk it was made from; what is read from another is worthless."
    )
    assert error.exit_code == 3


def rewritten(path: Path, hint: str) -> None:
    """Change the hint of a descriptor that lies in a sparse extent; what follows moves."""
    content = path.read_bytes()
    text = content[512 : 512 * 21].rstrip(b"\0")
    changed = re.sub(rb'parentFileNameHint="[^"]*"', f'parentFileNameHint="{hint}"'.encode(), text)
    path.write_bytes(content[:512] + changed.ljust(512 * 20, b"\0") + content[512 * 21 :])


@pytest.mark.parametrize(
    "hint", ["/vmfs/volumes/one/web/base.vmdk", r"C:\\Machines\\web\\base.vmdk", "../web/base.vmdk"]
)
def test_a_parent_is_looked_for_beside_the_disk_when_its_folder_is_gone(
    pair: tuple[Path, Path], hint: str
) -> None:
    _, top = pair
    expected = as_raw(top, "vmdk").read_bytes()
    rewritten(top, hint)
    assert read(opened(top), 0, SIZE) == expected


def test_a_parent_that_is_nowhere_is_named(pair: tuple[Path, Path]) -> None:
    _, top = pair
    rewritten(top, "/vmfs/volumes/one/gone.vmdk")
    error = error_of(top)
    assert str(error) == (
        f"{top}: names a file outside its own folder ('/vmfs/volumes/one/gone.vmdk')"
    )
    rewritten(top, "gone.vmdk")
    assert str(error_of(top)) == f"{top}: names a file that does not exist ('gone.vmdk')"


def test_a_parent_of_another_format_is_refused(pair: tuple[Path, Path]) -> None:
    base, top = pair
    base.write_bytes(b"QFI\xfb" + bytes(4096))
    assert str(error_of(top)) == f"{base}: is no VMDK (it begins b'QFI\\xfb')"


def test_a_disk_below_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "loop.vmdk"
    path.write_text(descriptor("custom", "RW 8 ZERO", parent="12345678 loop.vmdk"))
    assert str(error_of(path)) == f"{path}: the chain of images below it leads to {path} again"


def test_a_hint_without_a_parent_is_said(tmp_path: Path) -> None:
    path = tmp_path / "alone.vmdk"
    path.write_text(descriptor("custom", "RW 8 ZERO", parent="ffffffff base.vmdk"))
    image = opened(path)
    assert image.parent is None
    assert image.facts.oddities == ("it names a disk below it, but has none ('base.vmdk')",)


def test_identifiers_are_numbers_however_they_are_written(tmp_path: Path) -> None:
    base = tmp_path / "base.vmdk"
    base.write_text(descriptor("custom", "RW 8 ZERO", cid="ABC"))
    path = tmp_path / "top.vmdk"
    path.write_text(descriptor("custom", "RW 8 ZERO", parent="00000aBc base.vmdk"))
    assert len(chain(opened(path))) == 2
    base.write_text(descriptor("custom", "RW 8 ZERO", cid=""))
    assert "('base.vmdk' has CID none, should be 00000abc)" in str(error_of(path))
