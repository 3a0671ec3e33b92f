"""The gate: what an image may name, and in which words the rest is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from converters.disks.gate import ClosedGate, FolderGate
from converters.disks.image import chain, read
from converters.disks.registry import MOST_LAYERS, open_image
from rehost.errors import DamagedInputError, InteropError, RefusedError
from rehost.files import LocalFile
from tests.support.images import MIB, RAW, create, opened, run

DESCRIPTOR = """# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="{kind}"
RW 2048 {extent}
"""
HINT = "A package may only use files beside it; do not trust this one."
OUTSIDE = [
    "/etc/passwd",
    "../x",
    "sub/../../x",
    "..",
    "C:\\disks\\x.vmdk",
    "\\\\server\\share\\x",
    "\\..\\x",
    "nbd://127.0.0.1/disk",
    'json:{"driver":"file"}',
    "ssh:host",
    "",
]


def described(folder: Path, name: str, kind: str = "FLAT") -> Path:
    path = folder / "disk.vmdk"
    text = DESCRIPTOR.format(kind="monolithicFlat", extent=f'{kind} "{name}" 0')
    path.write_text(text, encoding="utf-8")
    return path


def embedding(folder: Path, name: str) -> Path:
    """Return a sparse VMDK whose embedded descriptor names another file."""
    path = folder / "embedded.vmdk"
    run("qemu-img", "create", "-q", "-f", "vmdk", path, "1M")
    content = bytearray(path.read_bytes())
    text = DESCRIPTOR.format(kind="monolithicFlat", extent=f'FLAT "{name}" 0').encode()
    content[512 : 512 + 20 * 512] = text.ljust(20 * 512, b"\0")
    path.write_bytes(content)
    return path


def backed(folder: Path, name: str, format_name: str = "raw", *, file: str = "top.qcow2") -> Path:
    """Return a qcow2 whose backing file is called whatever we like."""
    path = folder / file
    run("qemu-img", "create", "-q", "-f", "qcow2", path, "1M")
    run("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", format_name, "-b", name, path)
    return path


def refusal(path: Path) -> InteropError:
    with pytest.raises(InteropError) as caught:
        opened(path)
    return caught.value


@pytest.mark.parametrize("name", [name for name in OUTSIDE if '"' not in name])
@pytest.mark.parametrize("kind", ["FLAT", "SPARSE"])
def test_an_extent_outside_the_folder_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    path = described(tmp_path, name, kind)
    error = refusal(path)
    assert str(error) == f"{path}: names a file outside its own folder ({name!r})"
    assert (error.hint, error.exit_code) == (HINT, 6)


@pytest.mark.parametrize("name", [name for name in OUTSIDE if '"' not in name])
def test_an_embedded_descriptor_gets_no_further(tmp_path: Path, name: str) -> None:
    path = embedding(tmp_path, name)
    error = refusal(path)
    assert str(error) == f"{path}: names a file outside its own folder ({name!r})"
    assert (error.hint, error.exit_code) == (HINT, 6)


@pytest.mark.parametrize("name", [name for name in OUTSIDE if name])
def test_a_backing_file_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    path = backed(tmp_path, name)
    error = refusal(path)
    assert str(error) == f"{path}: names a file outside its own folder ({name!r})"
    assert (error.hint, error.exit_code) == (HINT, 6)


def test_a_symbolic_link_is_refused_at_every_step(tmp_path: Path) -> None:
    (tmp_path / "link.raw").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    for name in ("link.raw", "folder/passwd"):
        path = described(tmp_path, name)
        error = refusal(path)
        assert str(error) == f"{path}: names a symbolic link ({name!r})"
        assert error.hint == "Replace the link by the file it stands for, if you trust it."
        assert error.exit_code == 6


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name in ("folder", "fifo", ".", "folder/."):
        path = described(tmp_path, name)
        error = refusal(path)
        assert str(error) == f"{path}: names something that is not a file ({name!r})"
        assert (error.hint, error.exit_code) == ("", 6)


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    for name in ("none.raw", "none/x.raw", "disk.vmdk/x", "\udce4.raw", "\ud800"):
        gate = FolderGate(tmp_path)
        (tmp_path / "disk.vmdk").touch()
        with pytest.raises(DamagedInputError) as caught:
            gate.open(name, by="disk.vmdk")
        assert str(caught.value) == f"disk.vmdk: names a file that does not exist ({name!r})"


def test_a_name_too_long_for_any_file_is_damage(tmp_path: Path) -> None:
    path = described(tmp_path, "x" * 5000)
    error = refusal(path)
    assert str(error) == f"{path}: names a file by too long a name (5000 characters)"
    assert error.exit_code == 3


def test_a_null_in_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError):
        FolderGate(tmp_path).open("a\0b", by="disk.vmdk")


def test_a_closed_gate_lets_nothing_through(tmp_path: Path) -> None:
    create(tmp_path / "flat.raw", RAW, MIB)
    path = described(tmp_path, "flat.raw")
    with pytest.raises(RefusedError) as caught:
        open_image(LocalFile(path), ClosedGate())
    said = f"{path}: names another file ('flat.raw'), which is not allowed here"
    assert str(caught.value) == said


def test_files_in_the_folder_and_below_it_are_opened(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("flat.raw", "./flat.raw", "sub/flat.raw", "sub\\flat.raw"):
        file = tmp_path / name.replace("\\", "/")
        file.write_bytes(b"\7" * MIB)
        assert read(opened(described(tmp_path, name)), 5, 5) == b"\7" * 5


def test_a_name_is_looked_up_from_the_file_that_says_it(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "plain.raw").write_bytes(b"\5" * MIB)
    backed(tmp_path / "base", "plain.raw", file="middle.qcow2")
    top = backed(tmp_path, "base/middle.qcow2", "qcow2")
    run("qemu-io", "-f", "qcow2", "-c", f"read -P 5 0 {MIB}", top)
    assert read(opened(top), 0, MIB) == b"\5" * MIB


def test_a_backing_file_without_a_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "top.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", path, "1M")
    run("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "raw", "-b", "base.raw", path)
    content = bytearray(path.read_bytes())
    at = content.index(b"\xe2\x79\x2a\xca")
    content[at : at + 4] = b"\1\2\3\4"
    path.write_bytes(content)
    error = refusal(path)
    assert str(error) == (f"{path}: does not say which format its backing file has ('base.raw')")
    assert error.hint == (
        "A format is never guessed here; set it: qemu-img rebase -u -F FORMAT -b FILE."
    )
    assert error.exit_code == 6


def test_a_backing_file_of_an_unknown_format_is_a_named_error(tmp_path: Path) -> None:
    create(tmp_path / "base.raw", RAW, MIB)
    path = backed(tmp_path, "base.raw", "raw")
    content = bytearray(path.read_bytes())
    at = content.index(b"\xe2\x79\x2a\xca")
    content[at + 8 : at + 11] = b"xyz"
    path.write_bytes(content)
    error = refusal(path)
    assert str(error) == f"{path}: the image below it has a format that is not read ('xyz')"
    assert error.exit_code == 4


def test_an_image_below_itself_is_refused(tmp_path: Path) -> None:
    path = backed(tmp_path, "top.qcow2", "qcow2")
    error = refusal(path)
    assert str(error) == f"{path}: the chain of images below it leads to {path} again"
    assert error.exit_code == 3


def test_a_ring_of_images_is_refused(tmp_path: Path) -> None:
    first = backed(tmp_path, "b.qcow2", "qcow2", file="a.qcow2")
    backed(tmp_path, "./c.qcow2", "qcow2", file="b.qcow2")
    last = backed(tmp_path, ".//a.qcow2", "qcow2", file="c.qcow2")
    error = refusal(first)
    assert str(error) == f"{last}: the chain of images below it leads to {first} again"


def test_a_chain_may_be_deep_but_not_endless(tmp_path: Path) -> None:
    (tmp_path / "0.qcow2").write_bytes(b"\3" * MIB)
    for number in range(1, MOST_LAYERS + 2):
        kind = "qcow2" if number > 1 else "raw"
        backed(tmp_path, f"{number - 1}.qcow2", kind, file=f"{number}.qcow2")
    deepest = opened(tmp_path / f"{MOST_LAYERS}.qcow2")
    assert len(chain(deepest)) == MOST_LAYERS + 1
    assert read(deepest, MIB - 5, 9) == b"\3" * 5
    error = refusal(tmp_path / f"{MOST_LAYERS + 1}.qcow2")
    assert str(error) == (
        f"{tmp_path / '1.qcow2'}: the chain of images below the first is longer than {MOST_LAYERS}"
    )


def test_a_name_may_lead_upwards_inside_the_folder_that_is_allowed(tmp_path: Path) -> None:
    below = tmp_path / "package" / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"no")
    (tmp_path / "package" / "base").write_bytes(b"yes")
    gate, by = FolderGate(tmp_path / "package"), str(below / "disk")
    for name in ("../../base", r"..\..\base"):
        assert gate.open(name, by=by).pread(0, 9) == b"yes"
    for name in ("../../../secret", "../../../package/base", "../../a/../base", "x/../../../base"):
        with pytest.raises(InteropError) as caught:
            gate.open(name, by=by)
        assert caught.value.exit_code == 6
        assert str(caught.value).startswith(f"{by}: names a file outside its own folder (")
    with pytest.raises(InteropError) as caught:
        gate.open("../base", by=str(tmp_path / "package" / "disk"))
    assert str(caught.value) == (
        f"{tmp_path / 'package' / 'disk'}: names a file outside its own folder ('../base')"
    )
