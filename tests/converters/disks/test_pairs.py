"""Every kind of image that is read, converted into every format that is written, as a user does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from converters.disks.cli import disk
from converters.disks.registry import formats
from tests.support.cloops import cloop
from tests.support.dmgs import ZLIB, chunk, dmg
from tests.support.images import MIB, RAW, Variant, converted, create, run, scribble
from tests.support.xvas import chunks_of, tar_of

SIZE = 4 * MIB
BY_QEMU = {
    "raw": ("raw", ""),
    "qcow2": ("qcow2", ""),
    "qcow2-small": ("qcow2", "cluster_size=512,compat=0.10"),
    "qcow2-extended": ("qcow2", "extended_l2=on"),
    "vmdk-sparse": ("vmdk", ""),
    "vmdk-stream": ("vmdk", "subformat=streamOptimized"),
    "vmdk-split": ("vmdk", "subformat=twoGbMaxExtentSparse"),
    "vmdk-flat": ("vmdk", "subformat=monolithicFlat"),
    "vhd": ("vpc", "force_size=on"),
    "vhd-fixed": ("vpc", "force_size=on,subformat=fixed"),
    "vhdx": ("vhdx", ""),
    "vdi": ("vdi", ""),
    "qed": ("qed", ""),
    "qcow": ("qcow", ""),
    "parallels": ("parallels", ""),
}
BUILT: dict[str, Callable[[bytes], bytes]] = {
    "cloop": lambda content: cloop(content, 65536),
    "dmg": lambda content: dmg([[chunk(ZLIB, content)]]),
    "xva": lambda content: tar_of(chunks_of("Ref:7", content)),
}
WRITTEN = [known.name for known in formats() if known.create]
SUFFIXES = {"vpc": "vhd", "raw": "img"}
QEMU = {"vhd": "vpc"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = create(tmp_path_factory.mktemp("plain") / "plain.raw", RAW, SIZE)
    scribble(path, "raw", SIZE, seed=77)
    return path


@pytest.fixture(scope="module", params=[*BY_QEMU, *BUILT])
def source(
    request: pytest.FixtureRequest, plain: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    name = str(request.param)
    folder = tmp_path_factory.mktemp(name)
    if name in BUILT:
        path = folder / f"source.{name}"
        path.write_bytes(BUILT[name](plain.read_bytes()))
        return path
    known, options = BY_QEMU[name]
    path = folder / f"source.{SUFFIXES.get(known, known)}"
    return converted(plain, "raw", path, Variant(name, known, options))


@pytest.mark.parametrize("into", WRITTEN)
def test_any_image_becomes_any_other(tmp_path: Path, source: Path, plain: Path, into: str) -> None:
    target = tmp_path / f"target.{into}"
    said = CliRunner().invoke(disk, ["convert", str(source), str(target)], catch_exceptions=False)
    assert (said.exit_code, said.output) == (0, "")
    said = CliRunner().invoke(disk, ["compare", str(plain), str(target)], catch_exceptions=False)
    assert (said.exit_code, said.output) == (0, "identical\n")
    if into != "xva":
        compared = run(
            "qemu-img", "compare", "-f", "raw", "-F", QEMU.get(into, into), plain, target
        )
        assert compared.stdout == "Images are identical.\n"
