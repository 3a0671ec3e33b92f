"""What ``rehost disk convert`` and ``resize`` can be asked for, each seen by qemu-img."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from random import Random

import jsonschema  # type: ignore[import-untyped]
import pytest

from converters.disks.copy import Care, fill
from converters.disks.gate import ClosedGate
from converters.disks.output import Output
from converters.disks.registry import Shape, format_named, open_image
from converters.disks.salvage import Lost, Salvage
from rehost.errors import TransferError
from rehost.files import LocalFile, Stretch
from rehost.outputs import STAGING
from tests.support.generated import ROOT
from tests.support.images import (
    KIB,
    MIB,
    Variant,
    assert_identical,
    assert_sound,
    create,
    run,
    scribble,
    virtual_size,
)
from tests.support.loops import loop_device
from tests.support.packages import REHOST, SIZE, raw_disk, rehost, stream

LAYERED = ("qcow2", "vhd", "vhdx", "vdi", "vmdk")
QEMU = {"vhd": "vpc"}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return raw_disk(tmp_path / "disk.raw")


def changed(raw: Path, path: Path) -> Path:
    """Copy a disk with some of it overwritten, some of it zeroed."""
    content = bytearray(raw.read_bytes())
    pick = Random(17)
    for start in (0, 3 * MIB + 512, SIZE - 4096):
        content[start : start + 4096] = pick.randbytes(4096)
    content[MIB : MIB + 256 * KIB] = bytes(256 * KIB)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", LAYERED)
def test_only_what_differs_from_a_base_is_written(tmp_path: Path, raw: Path, name: str) -> None:
    base, top = tmp_path / f"base.{name}", tmp_path / f"top.{name}"
    options = ("-o", "subformat=monolithicSparse") if name == "vmdk" else ()
    assert rehost("disk", "convert", raw, base, *options).code == 0
    source = changed(raw, tmp_path / "new.raw")
    said = rehost("disk", "convert", source, top, "--base", base, *options)
    assert (said.code, said.out, said.err) == (0, "", "")
    layers = json.loads(rehost("disk", "info", top, "--json").out)["chain"]
    assert [layer["format"] for layer in layers] == [name, name]
    assert rehost("disk", "compare", source, top).out == "identical\n"
    if name in {"qcow2", "vmdk"}:
        assert_identical(source, "raw", top, name)


def test_a_raw_image_is_no_overlay(tmp_path: Path, raw: Path) -> None:
    said = rehost("disk", "convert", raw, tmp_path / "top.raw", "--base", raw)
    assert (said.code, said.err) == (
        2,
        "error: Raw disk is not written as differences to a base\n",
    )


def test_a_base_may_lie_elsewhere(tmp_path: Path, raw: Path) -> None:
    folder = tmp_path / "layers"
    folder.mkdir()
    top = tmp_path / "top.qcow2"
    base = folder / "base.raw"
    raw.rename(base)
    assert rehost("disk", "convert", base, top, "--base", base).code == 0
    said = json.loads(run("qemu-img", "info", "--output=json", top).stdout)
    assert said["backing-filename"] == "layers/base.raw"
    assert said["backing-filename-format"] == "raw"
    assert [
        part["data"] for part in json.loads(run("qemu-img", "map", "--output=json", top).stdout)
    ]
    assert_identical(base, "raw", top, "qcow2")
    assert top.stat().st_size <= 5 * 64 * KIB


def test_what_changed_since_a_manifest_is_a_delta(tmp_path: Path, raw: Path) -> None:
    manifest, top = tmp_path / "before.json", tmp_path / "top.qcow2"
    assert rehost("disk", "digest", raw, "--manifest", manifest).code == 0
    source = changed(raw, tmp_path / "new.raw")
    base = ("--base", raw, "--delta-from", manifest)
    assert rehost("disk", "convert", source, top, *base).err == ""
    assert_identical(source, "raw", top, "qcow2")
    assert_sound(top, "qcow2")
    said = rehost("disk", "convert", source, tmp_path / "b.qcow2", "--delta-from", manifest)
    assert (said.code, said.err) == (
        2,
        "error: a delta is written as differences to a base\nhint: Pass --base, too.\n",
    )


@pytest.mark.parametrize(("size", "bytes_"), [("16M", 16 * MIB), ("5243392", 5243392)])
@pytest.mark.parametrize("name", ["raw", "qcow2", "vmdk", "vhdx", "vdi"])
def test_a_disk_gets_another_size(
    tmp_path: Path, raw: Path, name: str, size: str, bytes_: int
) -> None:
    image, other = tmp_path / f"image.{name}", tmp_path / f"other.{name}"
    assert rehost("disk", "convert", raw, image).code == 0
    assert rehost("disk", "resize", image, size, other, "--shrink").err == ""
    assert virtual_size(other, name) == bytes_
    expected = tmp_path / "expected.raw"
    expected.write_bytes(raw.read_bytes()[:bytes_].ljust(bytes_, b"\0"))
    assert_identical(expected, "raw", other, name)


def test_a_disk_is_cut_off_only_if_that_is_said(tmp_path: Path, raw: Path) -> None:
    said = rehost("disk", "resize", raw, "4M", tmp_path / "small.raw")
    assert (said.code, said.err) == (
        2,
        f"error: {raw}: the disk has {SIZE} bytes, {4 * MIB} would cut it off\n"
        "hint: Shrink what is on the disk first; then pass --shrink.\n",
    )
    said = rehost("disk", "resize", raw, "4 apples", tmp_path / "small.raw")
    assert said.code == 2
    assert "'4 apples' is no size, such as 1048576, 512K or 20G" in said.err


@pytest.mark.parametrize("name", ["raw", "vmdk"])
def test_a_stream_goes_to_standard_output(tmp_path: Path, raw: Path, name: str) -> None:
    out = tmp_path / f"out.{name}"
    image = tmp_path / "image.qcow2"
    assert rehost("disk", "convert", raw, image).code == 0
    with out.open("wb") as file:
        argv = [REHOST, "-q", "disk", "convert", str(image), "-", "--to", name]
        writer = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        file.write(writer.stdout.read())
    assert writer.wait() == 0
    assert_identical(raw, "raw", out, name)


@pytest.mark.parametrize("name", ["qcow2", "vhdx", "vdi", "vhd"])
def test_what_is_no_stream_is_not_streamed(tmp_path: Path, raw: Path, name: str) -> None:
    said = rehost("disk", "convert", raw, "-", "--to", name)
    assert (said.code, said.out[:0]) == (2, "")
    assert "cannot be streamed" in said.err
    assert said.err.splitlines()[-1].startswith("hint: Name a file as DEST, or choose ")


def test_the_format_of_a_stream_must_be_said(raw: Path) -> None:
    said = rehost("disk", "convert", raw, "-")
    assert (said.code, said.err) == (
        2,
        "error: the format to write is not said\nhint: Pass --to FORMAT.\n",
    )


def test_several_disks_are_converted_at_once(tmp_path: Path) -> None:
    sources = [raw_disk(tmp_path / f"disk{number}.raw", seed=number) for number in range(5)]
    into = tmp_path / "out"
    said = rehost("disk", "convert", *sources, "--into", into, "--to", "qcow2", "--jobs", "3")
    assert (said.code, said.err) == (0, "")
    assert sorted(path.name for path in into.iterdir()) == [f"disk{n}.qcow2" for n in range(5)]
    for number, source in enumerate(sources):
        assert_identical(source, "raw", into / f"disk{number}.qcow2", "qcow2")


def test_one_failure_of_several_ends_all(tmp_path: Path) -> None:
    good = [raw_disk(tmp_path / f"disk{number}.raw", seed=number) for number in range(3)]
    bad = stream(good[0], tmp_path / "bad.vmdk")
    content = bytearray(bad.read_bytes())
    content[70_000:] = bytes(len(content) - 70_000)
    bad.write_bytes(content)
    into = tmp_path / "out"
    said = rehost("disk", "convert", bad, *good, "--into", into, "--to", "qcow2", "--jobs", "2")
    assert said.code == 3
    assert said.err.startswith(f"error: {bad}")
    assert not [path for path in into.glob("*") if path.name.startswith(".")]


def test_two_sources_of_one_name_are_refused(tmp_path: Path, raw: Path) -> None:
    (tmp_path / "other").mkdir()
    other = raw_disk(tmp_path / "other" / "disk.raw")
    said = rehost("disk", "convert", raw, other, "--into", tmp_path, "--to", "qcow2")
    assert (said.code, said.err) == (
        2,
        "error: two of the sources would get the same name\nhint: Name them one by one.\n",
    )


def test_a_snapshot_is_converted(tmp_path: Path) -> None:
    image = create(tmp_path / "image.qcow2", Variant("qcow2", "qcow2"), SIZE)
    scribble(image, "qcow2", SIZE, seed=1)
    run("qemu-img", "convert", "-O", "raw", image, tmp_path / "before.raw")
    run("qemu-img", "snapshot", "-c", "first", image)
    scribble(image, "qcow2", SIZE, seed=2)
    out = tmp_path / "out.raw"
    assert rehost("disk", "convert", image, out, "--snapshot", "first").err == ""
    assert out.read_bytes() == (tmp_path / "before.raw").read_bytes()


def test_json_says_what_was_done(tmp_path: Path, raw: Path) -> None:
    out = tmp_path / "out.qcow2"
    said = rehost("disk", "convert", raw, out, "--json")
    schema = json.loads((ROOT / "schemas" / "disk-convert.schema.json").read_text())
    jsonschema.validate(json.loads(said.out), schema)
    assert json.loads(said.out) == {
        "schema_version": 1,
        "disks": [
            {
                "source": str(raw),
                "dest": str(out),
                "format": "qcow2",
                "virtual_size": SIZE,
                "unreadable": [],
                "dropped_bitmaps": [],
            }
        ],
    }


class Failing:
    """A file on a disk with bad sectors: reading any of them fails, as the kernel would."""

    def __init__(self, inner: LocalFile, bad: list[tuple[int, int]]) -> None:
        self.name = inner.name
        self.size = inner.size
        self._inner = inner
        self._bad = bad

    def pread(self, offset: int, length: int) -> bytes:
        for start, stop in self._bad:
            if offset < stop and offset + length > start:
                reason = os.strerror(errno.EIO)
                raise TransferError(f"cannot be read ({reason})", where=f"{self.name} at {offset}")
        return self._inner.pread(offset, length)

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        del offset, length
        return None


def salvaged(path: Path, format_name: str, bad: list[tuple[int, int]], out: Path) -> list[Lost]:
    image = open_image(Failing(LocalFile(path), bad), ClosedGate(), format=format_name)
    salvage = Salvage()
    with Output(out) as output:
        shape, raw = Shape(image.size), format_named("raw")
        fill(image, output, raw, shape, care=Care(salvage=salvage))
    return salvage.lost


def test_bad_sectors_become_zeros_and_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    content = bytearray(Random(1).randbytes(SIZE))
    path.write_bytes(content)
    bad = [(512, 1024), (3 * MIB - 512, 3 * MIB + 512), (5 * MIB, 5 * MIB + 100 * KIB)]
    out = tmp_path / "out.raw"
    assert salvaged(path, "raw", bad, out) == [Lost(a, b - a) for a, b in bad]
    for start, stop in bad:
        content[start:stop] = bytes(stop - start)
    assert out.read_bytes() == content


def test_a_packed_unit_that_cannot_be_read_is_lost_whole(tmp_path: Path) -> None:
    path = tmp_path / "disk.raw"
    content = bytearray(b"".join(b"%08d" % number for number in range(SIZE // 8)))
    path.write_bytes(content)
    image = stream(path, tmp_path / "disk.vmdk")
    middle = image.stat().st_size // 2
    [lost] = salvaged(image, "vmdk", [(middle, middle + 1)], tmp_path / "out.raw")
    assert lost.length == 64 * KIB
    content[lost.start : lost.start + lost.length] = bytes(lost.length)
    assert (tmp_path / "out.raw").read_bytes() == content


def test_without_salvage_a_read_error_ends_the_copy(tmp_path: Path, raw: Path) -> None:
    raw.write_bytes(b"x" * SIZE)
    image = open_image(Failing(LocalFile(raw), [(4 * MIB, 4 * MIB + 1)]), ClosedGate())
    with Output(tmp_path / "out") as output, pytest.raises(TransferError) as caught:
        fill(image, output, format_named("raw"), Shape(image.size))
    assert str(caught.value) == f"{raw} at {4 * MIB}: cannot be read (Input/output error)"


def test_a_device_with_bad_sectors_is_salvaged(tmp_path: Path) -> None:
    """A loop device over a file that was cut fails like a broken disk."""
    path = tmp_path / "disk.raw"
    path.write_bytes(Random(1).randbytes(SIZE))
    with loop_device(path) as device:
        os.truncate(path, 6 * MIB)
        out = tmp_path / "out.raw"
        said = rehost("disk", "convert", device, out, "--format", "raw")
        assert (said.code, out.exists()) == (7, False)
        assert "cannot be read (Input/output error)" in said.err
        said = rehost(
            *("disk", "convert", device, out, "--format", "raw", "--on-read-error", "zero")
        )
        assert said.code == 1
        assert said.err == f"{device}: {2 * MIB} bytes at {6 * MIB} could not be read\n"
        assert out.read_bytes() == path.read_bytes() + bytes(2 * MIB)


def test_a_full_disk_ends_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    small = mounted(tmp_path)
    source = tmp_path / "disk.raw"
    source.write_bytes(Random(1).randbytes(24 * MIB))
    try:
        said = rehost("disk", "convert", source, small / "out.vhdx")
        left = list(small.iterdir())
    finally:
        subprocess.run(["umount", small], check=True)
    assert (said.code, said.err) == (
        5,
        f"error: {small / 'out.vhdx'}: cannot be written (No space left on device)\n"
        "hint: Free some space, or write to another disk; nothing was left behind.\n",
    )
    assert left == []


def test_a_full_disk_is_gone_on_from_when_there_is_room(tmp_path: Path) -> None:
    small = mounted(tmp_path)
    source = tmp_path / "disk.raw"
    source.write_bytes(Random(1).randbytes(24 * MIB))
    out = small / "out.vmdk"
    try:
        said = rehost("disk", "convert", source, out, "--resume")
        assert (said.code, said.err) == (
            5,
            f"error: {out}: cannot be written (No space left on device)\n"
            "hint: What is done is kept; pass --resume again to go on from there.\n",
        )
        subprocess.run(["mount", "-o", "remount,size=64m", small], check=True)
        assert rehost("disk", "convert", source, out, "--resume").code == 0
        assert_identical(source, "raw", out, "vmdk")
    finally:
        subprocess.run(["umount", small], check=True)


def mounted(tmp_path: Path) -> Path:
    """Mount a small file system."""
    if os.geteuid():
        pytest.skip("needs root: a file system to mount")
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", small], check=True)
    return small


def test_two_runs_at_one_target_do_not_meet(tmp_path: Path) -> None:
    """The first is stopped in the middle, and holds the place."""
    source = tmp_path / "disk.raw"
    source.write_bytes(Random(1).randbytes(64 * MIB))
    out = tmp_path / "out.qcow2"
    argv = [REHOST, "disk", "convert", str(source), str(out), "--compress", "best"]
    with subprocess.Popen(argv) as first:
        while not list(tmp_path.glob(f"{STAGING}*/{out.name}")):
            assert first.poll() is None
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)
        said = rehost("disk", "convert", source, out)
        first.send_signal(signal.SIGCONT)
        assert first.wait() == 0
    assert (said.code, said.err) == (
        6,
        f"error: {tmp_path}: another run is writing here\nhint: Wait until it ends.\n",
    )
    assert_identical(source, "raw", out, "qcow2")


def test_a_descriptor_cannot_pass_for_what_is_ours(tmp_path: Path, raw: Path) -> None:
    image = stream(raw, tmp_path / "disk.vmdk")
    content = image.read_bytes()
    image.write_bytes(content.replace(b"ddb.adapterType", b"virtual_size   ", 1))
    [layer] = json.loads(rehost("disk", "info", image, "--json").out)["chain"]
    assert layer["virtual_size"] == SIZE
