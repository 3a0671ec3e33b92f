"""What is taken for a machine, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.sources import open_source
from rehost.errors import DamagedInputError, InteropError, RefusedError, UnsupportedInputError
from tests.support.packages import raw_disk


def refused(path: Path) -> InteropError:
    with pytest.raises(InteropError) as caught:
        open_source(path)
    return caught.value


def test_a_disk_in_a_format_that_is_not_read_is_never_raw(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(b"OOOM" + bytes(4096))
    error = refused(path)
    assert isinstance(error, UnsupportedInputError)
    assert str(error) == f"{path}: is in a format that is not read (COW of User-mode Linux)"
    assert error.hint == "Convert it to raw or qcow2 where it was made."


@pytest.mark.parametrize("content", [b"", b"just some text\n", bytes(4096)])
def test_a_file_that_looks_like_nothing_is_no_disk(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    error = refused(path)
    assert isinstance(error, DamagedInputError)
    assert str(error) == f"{path}: is no package, configuration or disk image that is known"
    assert error.hint == "If it is a raw disk, rename it to end in .raw."


def test_a_raw_disk_is_known_by_its_name_or_its_boot_sector(tmp_path: Path) -> None:
    named = raw_disk(tmp_path / "disk.raw")
    assert [disk.format for disk in open_source(named).subjects[0].machine.disks] == ["raw"]
    signed = tmp_path / "sda"
    signed.write_bytes(bytes(510) + b"\x55\xaa" + bytes(512))
    assert [disk.format for disk in open_source(signed).subjects[0].machine.disks] == ["raw"]


def test_a_file_of_the_kernel_is_refused() -> None:
    error = refused(Path("/proc/self/mounts"))
    assert isinstance(error, RefusedError)
    assert str(error) == "/proc/self/mounts: has no size (Invalid argument)"
