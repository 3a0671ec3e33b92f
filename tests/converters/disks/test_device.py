"""Raw disks written to block devices, whose old content must not show through."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from converters.disks import device as module
from converters.disks.copy import copy
from converters.disks.device import DeviceOutput, device_output
from converters.disks.registry import Shape, format_named
from rehost.errors import InteropError
from tests.support.images import KIB, MIB, opened, ours
from tests.support.loops import loop_device
from tests.support.packages import rehost

SIZE = 8 * MIB
OLD = b"\xee"

pytestmark = pytest.mark.root


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Path]:
    """Make a device that is full of something else."""
    backing = tmp_path / "backing"
    backing.write_bytes(OLD * SIZE)
    with loop_device(backing) as found:
        yield found


def sparse(path: Path, seed: int, size: int) -> bytes:
    """Write a raw disk with data, holes and stored zeros of all lengths."""
    pick = Random(seed)
    with path.open("wb") as file:
        file.truncate(size)
        for _ in range(pick.randrange(9)):
            length = pick.choice((1, 512, 4 * KIB, 70 * KIB, MIB))
            file.seek(pick.randrange(size - length + 1))
            file.write(pick.choice((bytes(length), pick.randbytes(length))))
    return path.read_bytes()


def write(source: Path, device: Path) -> None:
    image = opened(source)
    with device_output(device, "raw", image.size, force=True) as output:
        create = format_named("raw").create
        assert create is not None
        copy(image, create(output, Shape(image.size)), output)


def content(device: Path) -> bytes:
    subprocess.run(["blockdev", "--flushbufs", device], check=True)
    return device.read_bytes()


@pytest.mark.parametrize("size", [SIZE, SIZE - 512, 3 * MIB + 1536, 512])
@pytest.mark.parametrize("seed", range(5))
def test_the_device_holds_the_disk_and_nothing_older(
    tmp_path: Path, device: Path, seed: int, size: int
) -> None:
    if size == 512:
        (tmp_path / "disk.raw").write_bytes(bytes(512))
        disk = bytes(512)
    else:
        disk = sparse(tmp_path / "disk.raw", seed, size)
    write(tmp_path / "disk.raw", device)
    assert content(device) == disk + OLD * (SIZE - size)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL])
def test_zeros_are_written_where_the_device_cannot_make_them(
    tmp_path: Path, device: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.ioctl

    def refuse(descriptor: int, request: int, argument: bytes) -> object:
        if request == module.BLKZEROOUT:
            raise OSError(number, "no")
        return real(descriptor, request, argument)

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    disk = sparse(tmp_path / "disk.raw", 1, SIZE)
    write(tmp_path / "disk.raw", device)
    assert content(device) == disk


def test_the_kernel_makes_the_zeros_where_it_can(
    device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, real = [], fcntl.ioctl

    def note(descriptor: int, request: int, argument: bytes) -> object:
        if request == module.BLKZEROOUT:
            asked.append(request)
        return real(descriptor, request, argument)

    monkeypatch.setattr(fcntl, "ioctl", note)
    monkeypatch.setattr(module, "AT_ONCE", MIB)
    with DeviceOutput(device, SIZE) as output:
        output.zero(1000, 3 * MIB)
    assert len(asked) == 3
    assert content(device) == OLD * 1000 + bytes(3 * MIB) + OLD * (SIZE - 3 * MIB - 1000)


def refused(path: Path, name: str = "raw", size: int = SIZE, *, force: bool = True) -> str:
    with pytest.raises(InteropError) as caught, device_output(path, name, size, force=force):
        pass
    error = caught.value
    return f"{error}|{error.hint}|{error.exit_code}"


def test_a_device_that_may_not_be_written_is_told(tmp_path: Path, device: Path) -> None:
    assert refused(device, force=False) == (
        f"{device}: is a block device, whose content would be lost|Pass --force to overwrite it.|6"
    )
    assert refused(device, "qcow2") == (
        f"{device}: only a raw disk is written to a device (asked for qcow2)|"
        "Pass --to raw, or name a file.|2"
    )
    assert refused(device, size=SIZE + 512) == (
        f"{device}: is too small for the disk ({SIZE} bytes, {SIZE + 512} are needed)|"
        "Name a larger device.|2"
    )
    assert refused(tmp_path / "backing") == f"{tmp_path}/backing: is no block device||2"
    assert refused(tmp_path / "none") == (
        f"{tmp_path}/none: cannot be opened for writing (No such file or directory)||5"
    )
    subprocess.run(["blockdev", "--setro", device], check=True)
    try:
        assert refused(device) == f"{device}: is read-only||5"
    finally:
        subprocess.run(["blockdev", "--setrw", device], check=True)
    assert device.read_bytes() == OLD * SIZE


def test_a_device_in_use_is_refused(tmp_path: Path, device: Path) -> None:
    busy = (
        f"{device}: is in use: mounted, or part of another device|"
        "Unmount it, and all its partitions, first.|6"
    )
    descriptor = os.open(device, os.O_RDONLY | os.O_EXCL)
    try:
        assert refused(device) == busy
    finally:
        os.close(descriptor)
    subprocess.run(["mke2fs", "-q", "-F", device], check=True)
    place = tmp_path / "mounted"
    place.mkdir()
    if subprocess.run(["mount", device, place], check=False, capture_output=True).returncode:
        pytest.skip("it cannot be mounted here")
    try:
        assert refused(device) == busy
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_device_holds_one_file(device: Path) -> None:
    with pytest.raises(InteropError) as caught, DeviceOutput(device, SIZE) as output:
        output.beside("disk-flat.vmdk")
    assert str(caught.value) == (
        f"{device}: the image needs a second file (disk-flat.vmdk), which cannot lie on a device"
    )
    assert caught.value.hint == "Write a raw disk to a device."


def test_convert_writes_to_a_device_when_it_is_told_to(tmp_path: Path, device: Path) -> None:
    disk = sparse(tmp_path / "disk.raw", 3, SIZE)
    source = ours(opened(tmp_path / "disk.raw"), tmp_path / "disk.qcow2", "qcow2")
    said = rehost("disk", "convert", source, device)
    assert (said.code, said.err) == (
        6,
        f"error: {device}: is a block device, whose content would be lost\n"
        "hint: Pass --force to overwrite it.\n",
    )
    said = rehost("disk", "convert", source, device, "--force", "--resume")
    assert (said.code, said.err) == (
        2,
        f"error: {device}: is a block device, where nothing is kept to go on from\n"
        "hint: Run it again without --resume; it writes the device anew.\n",
    )
    assert content(device) == OLD * SIZE
    said = rehost("disk", "convert", source, device, "--force")
    assert (said.code, said.err) == (0, "")
    assert content(device) == disk
    assert device.is_block_device()
    assert rehost("disk", "compare", device, source).out == "identical\n"
