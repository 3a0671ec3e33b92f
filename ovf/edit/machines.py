"""A neutral machine as the virtual system of a draft, and what of it a package has no words for.

Spec: DSP0243 clauses 8 and 9; models by the vendors' words of ``ovf.machines.subtypes``. Firmware
and guest system are said in VMware's words besides, for the standard has none that importers read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import is_dataclass

from lxml import etree

from ovf.edit.controllers import BUSES, add_controller
from ovf.edit.disks import DiskWords, add_disk, add_medium
from ovf.edit.draft import Draft
from ovf.edit.hardware import set_memory, set_processors
from ovf.edit.items import Hardware
from ovf.edit.networks import add_network, add_nic
from ovf.edit.ports import add_serial_port
from ovf.edit.renaming import distinct
from ovf.edit.sections import set_annotation, set_operating_system
from ovf.machines.controllers import spelled
from ovf.namespaces import VMW
from ovf.package import name_of
from ovf.writing.write import Member
from rehost.machine import (
    Address,
    Bus,
    Controller,
    ControllerModel,
    Firmware,
    Machine,
    MediaKind,
    NicModel,
    properties,
)
from rehost.tracked import summary

Opened = Callable[[str], Member]

CONTROLLERS = {
    ControllerModel.BUSLOGIC: "buslogic",
    ControllerModel.LSILOGIC: "lsilogic",
    ControllerModel.LSISAS1068: "lsilogicsas",
    ControllerModel.PVSCSI: "VirtualSCSI",
    ControllerModel.VIRTIO_SCSI: "virtio-scsi",
    ControllerModel.AHCI: "AHCI",
    ControllerModel.NVME: "vmware.nvme.controller",
    ControllerModel.PIIX3: "PIIX3",
    ControllerModel.PIIX4: "PIIX4",
    ControllerModel.ICH6: "ICH6",
}
NICS = {
    NicModel.PCNET: "PCNet32",
    NicModel.E1000: "E1000",
    NicModel.E1000E: "E1000e",
    NicModel.VMXNET: "VmxNet",
    NicModel.VMXNET2: "VmxNet2",
    NicModel.VMXNET3: "VmxNet3",
    NicModel.VIRTIO: "virtio",
    NicModel.RTL8139: "RTL8139",
    NicModel.NE2K: "NE2k_PCI",
}
FIRMWARE = {Firmware.BIOS: "bios", Firmware.UEFI: "efi"}
NETWORK = "VM Network"
OTHER_SYSTEM = 1
WHOLE = ("name", "description", "memory", "vcpus", "firmware", "secure_boot")
PARTS = (
    *("guest_os", "guest_os.cim", "guest_os.name", "guest_os.vmware"),
    *("origin", "origin.format", "origin.file", "origin.producer"),
)


def put_machine(draft: Draft, machine: Machine, opened: Opened, system: str | None = None) -> None:
    """Give a system of a draft, or the only one, the hardware of a machine.

    ``opened`` finds its files; one whose name another machine's has gets the system's before it.
    What cannot be said in a package becomes a note.
    """
    before = len(draft.notes)
    _put(draft, machine, lambda name: _apart(draft, opened(name), system), system)
    if system is not None:
        draft.notes[before:] = [f"{system}: {note}" for note in draft.notes[before:]]


def _apart(draft: Draft, member: Member, system: str | None) -> Member:
    used = {name_of(each) for each in draft.envelope.references}
    if system is None or member.name not in used:
        return member
    wanted = {member.name: f"{system.replace('/', '-')}-{member.name}"}
    return Member(distinct(wanted, used)[member.name], member.open)


def _put(draft: Draft, machine: Machine, opened: Opened, system: str | None) -> None:
    lost = set[str]()
    if machine.description:
        set_annotation(draft, system, machine.description)
    if machine.vcpus is not None:
        set_processors(draft, system, machine.vcpus)
    if machine.memory is not None:
        set_memory(draft, system, machine.memory)
    _guest(draft, machine, system)
    _firmware(draft, machine, system)
    _controllers(draft, machine, system)
    lost |= set(_drives(draft, machine, opened, system))
    lost |= set(_nics(draft, machine, system))
    for number in range(len(machine.serials)):
        add_serial_port(draft, system, name=f"Serial port {number + 1}")
    for path, value in properties(machine):
        if path in lost or not _is_said(path):
            draft.notes.append(f"{path} is not in the package{_shown(value)}")


def _shown(value: object) -> str:
    """Return a value in brackets; a whole device says itself by its path."""
    if isinstance(value, Address):
        return f" ({spelled(value)})"
    if isinstance(value, tuple):
        return f" ({summary(', '.join(map(str, value)))})"
    return "" if is_dataclass(value) else f" ({summary(str(value))})"


def _is_said(path: str) -> bool:
    if path in WHOLE or path in PARTS:
        return True
    if path.startswith(("controllers[", "removables[", "serials[")):
        return not path.endswith((".kind", ".target")) or path.startswith("removables[")
    name = path.partition("].")[2]
    if path.startswith("disks["):
        return name in {"", "address", "size", "file", "format"}
    return path.startswith("nics[") and name in {"", "model", "mac", "network", "connected"}


def _guest(draft: Draft, machine: Machine, system: str | None) -> None:
    guest = machine.guest_os
    if guest is None or (guest.cim is None and guest.name is None and guest.vmware is None):
        return
    number = OTHER_SYSTEM if guest.cim is None else guest.cim
    set_operating_system(draft, system, number, guest.name or f"CIM operating system {number}")
    section = draft.envelope.first(draft.system(system), "OperatingSystemSection")
    if guest.vmware and section is not None:
        draft.text.set(section, f"{{{VMW}}}osType", guest.vmware)
        draft.settle()


def _firmware(draft: Draft, machine: Machine, system: str | None) -> None:
    said = {}
    if machine.firmware is not None:
        said["firmware"] = FIRMWARE[machine.firmware]
    if machine.secure_boot is not None:
        said["bootOptions.efiSecureBootEnabled"] = str(machine.secure_boot).lower()
    section = Hardware.of(draft, system).section
    for key, value in said.items():
        made = etree.Element(f"{{{VMW}}}Config")
        made.set(draft.name("required"), "false")
        made.set(f"{{{VMW}}}key", key)
        made.set(f"{{{VMW}}}value", value)
        draft.text.append(section, made)
    draft.settle()


def _controllers(draft: Draft, machine: Machine, system: str | None) -> None:
    """Add the controllers of buses a package knows; an IDE chip is two of two places each."""
    for controller in sorted(machine.controllers, key=lambda each: each.index):
        if str(controller.bus) in BUSES:
            for _ in range(2 if controller.bus is Bus.IDE else 1):
                _add_controller(draft, controller, system)
        elif controller.bus is not Bus.FLOPPY:
            draft.notes.append(f"a controller of {controller.bus} is not in the package")


def _add_controller(draft: Draft, controller: Controller, system: str | None) -> None:
    model = CONTROLLERS.get(controller.model) if controller.model else None
    add_controller(draft, system, str(controller.bus), model)


def _drives(draft: Draft, machine: Machine, opened: Opened, system: str | None) -> Iterator[str]:
    """Add disks and media; yield the paths of what could not be said."""
    for number, disk in enumerate(machine.disks):
        bus, place = _place(disk.address)
        if disk.address is not None and bus is None:
            yield f"disks[{number}].address"
        member = None if disk.file is None else opened(disk.file)
        words = DiskWords(capacity=disk.size, bus=bus, place=place)
        add_disk(draft, system, member, words)
    for number, drive in enumerate(machine.removables):
        if drive.kind is not MediaKind.CDROM:
            yield f"removables[{number}]"
            continue
        bus, place = _place(drive.address)
        if drive.address is not None and bus is None:
            yield f"removables[{number}].address"
        member = None if drive.file is None else opened(drive.file)
        add_medium(draft, system, member, bus=bus or "ide", place=place)


def _nics(draft: Draft, machine: Machine, system: str | None) -> Iterator[str]:
    for number, nic in enumerate(machine.nics):
        model = NICS.get(nic.model) if nic.model else None
        if nic.model is not None and model is None:
            yield f"nics[{number}].model"
        network = nic.network or NETWORK
        if network not in {each.name for each in draft.envelope.networks}:
            add_network(draft, network)
        add_nic(draft, system, network, model=model, mac=nic.mac, connected=nic.connected)


def _place(address: Address | None) -> tuple[str | None, tuple[int, int] | None]:
    if address is None or str(address.bus) not in BUSES:
        return None, None
    if address.bus is Bus.IDE:
        return "ide", (address.controller * 2 + address.unit // 2, address.unit % 2)
    return str(address.bus), (address.controller, address.unit)
