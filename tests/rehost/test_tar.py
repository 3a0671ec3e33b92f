"""Headers of archives, as GNU tar and Python read them."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from rehost.archive import Dialect, read_archive
from rehost.errors import UnsupportedInputError
from rehost.files import LocalFile
from rehost.tar import END, LARGEST_USTAR, LONGEST_NAME, header, padding

DEEP = f"{'a' * 150}/{'b' * 100}"


def archive(path: Path, name: str, size: int) -> Path:
    """Write an archive of one member of nothing but zeros, as holes."""
    with path.open("wb") as file:
        file.write(header(name, size))
        file.seek(size + padding(size), 1)
        file.write(END)
    return path


@pytest.mark.parametrize(
    ("name", "size"),
    [("web.ovf", 0), ("a" * LONGEST_NAME, 511), (DEEP, 513), ("ü.vmdk", 1 << 20)],
)
def test_a_header_is_python_s_own(name: str, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    assert header(name, size) == entry.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("size", [LARGEST_USTAR - 1, LARGEST_USTAR, 3 << 40])
def test_tar_reads_members_of_any_size(tmp_path: Path, size: int) -> None:
    path = archive(tmp_path / "x.ova", "disk.vmdk", size)
    done = subprocess.run(["tar", "tvf", path, "--utc"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        "-rw-r--r--",
        "0/0",
        str(size),
        "1970-01-01",
        "00:00",
        "disk.vmdk",
    ]
    [member] = read_archive(LocalFile(path)).members
    assert (member.size, member.dialect is Dialect.USTAR) == (size, size < LARGEST_USTAR)


def test_a_name_that_does_not_fit_is_refused() -> None:
    name = "a" * 101
    with pytest.raises(UnsupportedInputError) as caught:
        header(name, 1, where="x.ova")
    assert str(caught.value) == (
        f"x.ova: holds a name that is too long for an archive (101 bytes: {name!r})"
    )
    assert caught.value.hint == "Give the file a name of at most 100 bytes."
