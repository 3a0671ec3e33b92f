"""File systems made in plain files, by their own tools, without root; always the same bytes."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rehost.errors import EnvironmentFailureError
from rehost.programs import find
from tests.support.appliance.tree import Tree

MIB = 1 << 20
FAT_SERIAL = "52455053"
FIXED_TIME = {"E2FSPROGS_FAKE_TIME": "1", "SOURCE_DATE_EPOCH": "1", "MTOOLS_SKIP_CHECK": "1"}
PLAIN_FEATURES = "^metadata_csum_seed,^orphan_file"
"""Features younger than the GRUB of Debian 12, which then cannot read the file system."""
STAMPS = ("uid", "gid", "atime", "ctime", "mtime", "crtime")


def make_ext4(path: Path, size: int, label: str, uuid: str, tree: Tree) -> None:
    """Write an ext4 file system of ``size`` bytes holding ``tree`` into a new file."""
    mke2fs = find("mke2fs", package="e2fsprogs")
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        tree.write(Path(scratch))
        argv = [
            *(mke2fs, "-q", "-F", "-t", "ext4", "-b", "4096", "-O", PLAIN_FEATURES),
            *("-L", label, "-U", uuid, "-E", f"hash_seed={uuid},root_owner=0:0"),
            *("-m", "0", "-N", "1024", "-J", "size=4", "-d", scratch),
            *(str(path), f"{size >> 10}k"),
        ]
        _run(argv, FIXED_TIME)
    _settle_inodes(path, ["/", *(f"/{name}" for name in tree.entries)])


def _settle_inodes(path: Path, names: list[str]) -> None:
    """Give every file to root and to one moment: mke2fs copies owner and change time as found."""
    debugfs = find("debugfs", package="e2fsprogs")
    orders = [
        f'set_inode_field "{name}" {field} {0 if field.endswith("id") else "@1"}'
        for name in names
        for field in STAMPS
    ]
    with tempfile.NamedTemporaryFile("w", dir=path.parent) as script:
        script.write("\n".join(orders) + "\n")
        script.flush()
        _run([debugfs, "-w", "-f", script.name, str(path)], FIXED_TIME)


def make_fat(path: Path, size: int, label: str, files: Mapping[str, bytes]) -> None:
    """Write a FAT file system of ``size`` bytes holding ``files`` into a new file."""
    with path.open("wb") as file:
        file.truncate(size)
    mkfs = find("mkfs.vfat", package="dosfstools")
    _run([mkfs, "--invariant", "-F", "16", "-i", FAT_SERIAL, "-n", label, str(path)], FIXED_TIME)
    folders: dict[str, None] = {}
    for name, content in files.items():
        for parent in [str(place) for place in reversed(Path(name).parents) if place.name]:
            if parent not in folders:
                _run([find("mmd", package="mtools"), "-i", str(path), f"::{parent}"], FIXED_TIME)
            folders[parent] = None
        with tempfile.NamedTemporaryFile(dir=path.parent) as source:
            source.write(content)
            source.flush()
            os.utime(source.name, (1, 1))
            mcopy = find("mcopy", package="mtools")
            _run([mcopy, "-m", "-i", str(path), source.name, f"::{name}"], FIXED_TIME)


def _run(argv: list[str], environment: Mapping[str, str]) -> None:
    """Run one tool with a clock that stands still."""
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=120, env=os.environ | environment
    )
    if done.returncode:
        raise EnvironmentFailureError(f"{argv[0]} failed ({done.stderr.strip()})")
