"""The appliance's disks: a partition table, a boot loader and a file system that boots."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rehost.errors import EnvironmentFailureError
from rehost.machine import Firmware
from rehost.programs import find
from tests.support.appliance import bootloader
from tests.support.appliance.filesystems import MIB, make_ext4, make_fat
from tests.support.appliance.guest_system import ROOT_LABEL, Parts, parts, root_tree
from tests.support.appliance.modules import STORAGE
from tests.support.appliance.store import CACHE, built
from tests.support.appliance.tree import Tree

DISK_SIZE = 256 * MIB
DATA_SIZE = 64 * MIB
FIRST_PARTITION = MIB
ESP_SIZE = 16 * MIB
BACKUP_TABLE = MIB
DATA_TEXT = "rehost-data-disk"
ROOT_UUID = "52455053-7465-4a01-8000-000000000001"
DATA_UUID = "52455053-7465-4a01-8000-000000000002"
MBR_TABLE = """\
label: dos
label-id: 0x52455053
start={root}, size={size}, type=83, bootable
"""
GPT_TABLE = """\
label: gpt
label-id: 52455053-0000-4000-8000-000000000000
start={esp}, size={esp_size}, type=U, uuid=52455053-0000-4000-8000-000000000001, name=esp
start={root}, size={size}, type=L, uuid=52455053-0000-4000-8000-000000000002, name=root
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What may differ between appliances.

    ``root`` is how the kernel is told where its root is: a label is found on any bus, a device name
    such as ``/dev/sda1`` only where the disk gets that name. ``drivers`` are those in the
    initramfs: a guest made for one bus alone has one driver and does not boot elsewhere.
    """

    firmware: Firmware
    root: str = f"LABEL={ROOT_LABEL}"
    drivers: tuple[str, ...] = STORAGE


def build_disk(firmware: Firmware | Recipe, cache: Path = CACHE) -> Path:
    """Return a raw disk that boots under ``firmware``, building it where the cache has none."""
    recipe = firmware if isinstance(firmware, Recipe) else Recipe(firmware)
    made_of = parts(cache)
    name = f"appliance-{recipe.firmware}.img"
    inputs = (made_of.identity, recipe.root, *recipe.drivers)
    return built(cache, name, lambda path: _make_disk(path, recipe, made_of), *inputs)


def build_data_disk(cache: Path = CACHE) -> Path:
    """Return a raw disk without partitions: a file system labelled ``data`` with one known file."""

    def make(path: Path) -> None:
        tree = Tree()
        tree.file("known.txt", f"{DATA_TEXT}\n")
        make_ext4(path, DATA_SIZE, "data", DATA_UUID, tree)
        _punch_holes(path)

    return built(cache, "data.img", make)


def _make_disk(path: Path, recipe: Recipe, made_of: Parts) -> None:
    with path.open("wb") as disk:
        disk.truncate(DISK_SIZE)
    grub = bootloader.image(recipe.firmware, path.parent)
    tree = root_tree(made_of, root=recipe.root, drivers=recipe.drivers)
    match recipe.firmware:
        case Firmware.BIOS:
            start, size = FIRST_PARTITION, DISK_SIZE - FIRST_PARTITION
            _partition(path, MBR_TABLE, root=start, size=size)
            bootloader.embed(path, grub, FIRST_PARTITION)
        case Firmware.UEFI:
            start = FIRST_PARTITION + ESP_SIZE
            size = DISK_SIZE - start - BACKUP_TABLE
            _partition(
                path, GPT_TABLE, esp=FIRST_PARTITION, esp_size=ESP_SIZE, root=start, size=size
            )
            esp = path.with_name("esp.img")
            make_fat(esp, ESP_SIZE, "ESP", {"EFI/BOOT/BOOTX64.EFI": grub})
            _place(esp, path, FIRST_PARTITION)
    root = path.with_name("root.img")
    make_ext4(root, size, ROOT_LABEL, ROOT_UUID, tree)
    _place(root, path, start)
    _punch_holes(path)


def _partition(disk: Path, table: str, **places: int) -> None:
    """Write a partition table; ``places`` are bytes, which sfdisk wants as sectors."""
    script = table.format(**{name: value // bootloader.SECTOR for name, value in places.items()})
    argv = [find("sfdisk", package="fdisk"), "--quiet", "--no-reread", str(disk)]
    done = subprocess.run(
        argv, input=script, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise EnvironmentFailureError(f"sfdisk failed ({done.stderr.strip()})")


def _place(part: Path, disk: Path, offset: int) -> None:
    """Copy a partition's contents to its place, leaving holes where there is nothing."""
    with part.open("rb") as source, disk.open("r+b") as target:
        while block := source.read(MIB):
            if any(block):
                target.seek(offset)
                target.write(block)
            offset += len(block)


def _punch_holes(path: Path) -> None:
    """Give back to the host what is all zeros."""
    argv = [find("fallocate", package="util-linux"), "--dig-holes", str(path)]
    subprocess.run(argv, capture_output=True, check=False, timeout=60, env=os.environ)
