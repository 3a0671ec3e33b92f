"""Backing files whose format nobody says: the name must say it, and the content agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.disks.image import chain
from rehost.errors import InteropError
from tests.support.images import MIB, RAW, Variant, create, opened, run

HINT = "A format is never guessed here. Convert it where it was made: qemu-img convert -O qcow2."


def overlay(folder: Path, name: str, made_as: str = "raw") -> Path:
    path = folder / "top.qcow"
    run("qemu-img", "create", "-q", "-f", "qcow", "-b", name, "-F", made_as, path, "1M")
    return path


def refused(path: Path) -> InteropError:
    with pytest.raises(InteropError) as caught:
        opened(path)
    return caught.value


@pytest.mark.parametrize("named", ["raw", "qcow", "qcow2", "vdi", "vmdk"])
def test_a_name_that_says_the_format_of_its_content_is_followed(tmp_path: Path, named: str) -> None:
    create(tmp_path / f"base.{named}", Variant("base", named), MIB)
    layers = chain(opened(overlay(tmp_path, f"base.{named}", named)))
    assert [layer.facts.format for layer in layers] == ["qcow", named]


def test_a_name_that_says_nothing_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "base", RAW, MIB)
    path = overlay(tmp_path, "base")
    error = refused(path)
    assert str(error) == (
        f"{path}: does not say which format its backing file has, nor does that file's name "
        "('base')"
    )
    assert (error.hint, error.exit_code) == (HINT, 6)


def test_content_that_contradicts_the_name_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "base.img", Variant("base", "qcow2"), MIB)
    path = overlay(tmp_path, "base.img", "qcow2")
    error = refused(path)
    assert str(error) == (
        f"{path}: has a backing file whose name and content disagree on its format "
        "('base.img' is in qcow2, its name says raw)"
    )
    assert (error.hint, error.exit_code) == (HINT, 6)


def test_a_raw_disk_named_after_another_format_is_refused(tmp_path: Path) -> None:
    base = create(tmp_path / "base.qcow2", RAW, MIB)
    error = refused(overlay(tmp_path, base.name))
    assert str(error) == (
        f"{base}: is no QEMU qcow2, though its name says so (it begins b'\\x00\\x00\\x00\\x00')"
    )


@pytest.mark.parametrize("name", ["/etc/passwd.raw", "../x.raw", "json:{}.raw", "nbd://h/x.raw"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    create(tmp_path / "base.raw", RAW, MIB)
    path = overlay(tmp_path, "base.raw")
    content = bytearray(path.read_bytes())
    at = content.index(b"base.raw")
    content[at : at + len(name)] = name.encode()
    content[16:20] = len(name).to_bytes(4, "big")
    path.write_bytes(content)
    assert str(refused(path)) == f"{path}: names a file outside its own folder ({name!r})"


def test_an_image_below_itself_is_refused(tmp_path: Path) -> None:
    create(tmp_path / "base.qcow", Variant("base", "qcow"), MIB)
    path = overlay(tmp_path, "base.qcow", "qcow")
    path.rename(tmp_path / "base.qcow")
    below = tmp_path / "base.qcow"
    assert str(refused(below)) == f"{below}: the chain of images below it leads to {below} again"
