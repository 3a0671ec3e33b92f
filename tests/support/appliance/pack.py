"""The appliance as an OVA, whole, the way one producer or the other packs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from rehost.machine import Firmware
from tests.support.appliance import virtualbox, vmdk, vmware
from tests.support.appliance.disk import Recipe, build_data_disk, build_disk
from tests.support.appliance.hardware import Controller, Hardware, PackedDisk
from tests.support.appliance.ova import Content, manifest_text, write_tar
from tests.support.appliance.store import CACHE, built

Style = Literal["vmware", "virtualbox"]


def build_ova(
    style: Style,
    firmware: Firmware | Recipe,
    *,
    disks: Literal[1, 2] = 1,
    nics: Literal[0, 1, 2] = 1,
    controller: Controller = "lsilogic",
    cache: Path = CACHE,
) -> Path:
    """Return an OVA of the appliance, building it where the cache has none.

    ``controller`` is what VMware's disks hang on; VirtualBox's hang on AHCI.
    """
    recipe = firmware if isinstance(firmware, Recipe) else Recipe(firmware)
    raw = [build_disk(recipe, cache), *([build_data_disk(cache)] if disks == 2 else [])]
    name = f"appliance-{style}-{recipe.firmware}"
    machine = Hardware(name, recipe.firmware, controller, (), nics)
    pack = _pack_as_vmware if style == "vmware" else _pack_as_virtualbox
    inputs = (str(nics), controller, *(str(disk) for disk in raw))
    return built(cache, f"{name}.ova", lambda path: pack(path, machine, raw), *inputs)


def _pack_as_vmware(path: Path, machine: Hardware, raw: list[Path]) -> None:
    disks = []
    for number, disk in enumerate(raw, 1):
        target = path.with_name(f"{machine.name}-disk{number}.vmdk")
        populated = vmdk.write_vmware_stream(disk, target)
        disks.append(_packed(disk, target, populated=populated))
    machine = replace(machine, disks=tuple(disks))
    files = _files(path, machine, vmware.descriptor(machine))
    manifest = manifest_text(files, algorithm="SHA256").encode()
    write_tar(path, [files[0], (f"{machine.name}.mf", manifest), *files[1:]])


def _pack_as_virtualbox(path: Path, machine: Hardware, raw: list[Path]) -> None:
    """Pack in VirtualBox's order: the manifest last, for it digests while it writes."""
    disks = []
    for number, disk in enumerate(raw, 1):
        target = path.with_name(f"{machine.name}-disk{number:03}.vmdk")
        uuid = vmdk.write_virtualbox_stream(disk, target)
        disks.append(_packed(disk, target, uuid=str(uuid)))
    machine = replace(machine, disks=tuple(disks))
    files = _files(path, machine, virtualbox.descriptor(machine))
    manifest = manifest_text(files, algorithm="SHA1", spelling="virtualbox").encode()
    write_tar(path, [*files, (f"{machine.name}.mf", manifest)])


def _packed(raw: Path, target: Path, *, populated: int = 0, uuid: str = "") -> PackedDisk:
    return PackedDisk(
        target.name, target.stat().st_size, raw.stat().st_size, populated=populated, uuid=uuid
    )


def _files(path: Path, machine: Hardware, descriptor: str) -> list[tuple[str, Content]]:
    """Return the package's files but for the manifest, the descriptor first."""
    disks = [(disk.file, path.with_name(disk.file)) for disk in machine.disks]
    return [(f"{machine.name}.ovf", descriptor.encode()), *disks]
