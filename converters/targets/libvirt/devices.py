"""The devices element: controllers, drives, adapters, and what a person looks at."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path, PurePosixPath

from lxml import etree

from converters.configs.libvirt_words import (
    ATTACHMENTS,
    BUSES,
    DISK_DRIVERS,
    IDE_MODELS,
    NICS,
    PREFIXES,
    SCSI_MODELS,
    SERIALS,
    SOUNDS,
    UNIT_IS_TARGET,
    USB_MODELS,
    device_name,
    first_words,
)
from converters.configs.sas import world_wide_name
from converters.targets.libvirt.elements import add
from rehost.errors import RefusedError
from rehost.machine import (
    Address,
    AttachmentKind,
    BootDevice,
    Bus,
    Controller,
    ControllerModel,
    Disk,
    Display,
    Machine,
    MediaKind,
    Nic,
    Removable,
    Serial,
    SerialKind,
)

KIB = 1024
COMPANIONS = (("ich9-uhci1", "0"), ("ich9-uhci2", "2"), ("ich9-uhci3", "4"))
"""The USB 1 controllers behind an EHCI, and the first of its ports each of them serves."""

NAMED_BY_UNIT = frozenset({Bus.IDE, Bus.VIRTIO, Bus.FLOPPY})


def add_devices(root: etree._Element, machine: Machine, folder: Path) -> None:
    """Append the devices of a planned machine."""
    devices = add(root, "devices")
    orders = {item: str(number) for number, item in enumerate(_booting(machine), 1)}
    names = _names(machine)
    chips = {(one.bus, one.index): one.model for one in machine.controllers}
    for number, disk in enumerate(machine.disks):
        item = f"disks[{number}]"
        if disk.file is None:
            raise ValueError(f"{item} has no file; blank disks are made before they are described")
        element = add(devices, "disk", type="file", device="disk")
        _medium(element, disk.format or "raw", _path(folder, disk.file, item))
        _place(element, _address(disk.address, item), names, chips, orders.get(item))
        _disk_extras(element, disk)
        if name := world_wide_name(machine, disk.address):
            add(element, "wwn", name)
    for number, drive in enumerate(machine.removables):
        item = f"removables[{number}]"
        element = add(devices, "disk", type="file", device=drive.kind)
        _medium(element, "raw", _path(folder, drive.file, item) if drive.file else None)
        target = _place(element, _address(drive.address, item), names, chips, orders.get(item))
        if drive.connected is not None:
            target.set("tray", "closed" if drive.connected else "open")
        if drive.kind is MediaKind.CDROM:
            add(element, "readonly")
    for controller in machine.controllers:
        _controller(devices, controller)
    for number, nic in enumerate(machine.nics):
        _nic(devices, nic, orders.get(f"nics[{number}]"))
    for port, serial in enumerate(machine.serials):
        _serial(devices, serial, port)
    _console(devices, machine)


def _booting(machine: Machine) -> Iterator[str]:
    """Yield what the machine boots from, first to last, as losses name it."""
    for one in machine.boot_order:
        match one:
            case BootDevice.DISK:
                yield from (f"disks[{number}]" for number in range(len(machine.disks)))
            case BootDevice.CDROM:
                yield from _removables(machine, MediaKind.CDROM)
            case BootDevice.FLOPPY:
                yield from _removables(machine, MediaKind.FLOPPY)
            case BootDevice.NETWORK:
                yield from (f"nics[{number}]" for number in range(len(machine.nics)))


def _removables(machine: Machine, kind: MediaKind) -> Iterator[str]:
    for number, drive in enumerate(machine.removables):
        if drive.kind is kind:
            yield f"removables[{number}]"


def _names(machine: Machine) -> dict[Address, str]:
    """Name every drive, each name once: SCSI, SATA and USB drives are all called sd-something.

    libvirt sorts by these names and makes addresses of them where none are given.
    """
    drives: tuple[Disk | Removable, ...] = (*machine.disks, *machine.removables)
    numbers = count()
    names: dict[Address, str] = {}
    for address in [drive.address for drive in drives if drive.address]:
        number = address.unit if address.bus in NAMED_BY_UNIT else next(numbers)
        names[address] = device_name(PREFIXES[address.bus], number)
    return names


def _address(address: Address | None, item: str) -> Address:
    if address is None:
        raise ValueError(f"{item} has no address; machines are planned before they are described")
    return address


def _path(folder: Path, name: str, item: str) -> str:
    """Return the absolute path of a file in ``folder``, and of no other."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise RefusedError(
            f"{item} names a file outside the machine's own folder ({name!r})", where=str(folder)
        )
    return str(folder / name)


def _medium(element: etree._Element, name: str, path: str | None) -> None:
    add(element, "driver", name="qemu", type=first_words(DISK_DRIVERS).get(name, name))
    if path is not None:
        add(element, "source", file=path)


def _place(
    element: etree._Element,
    address: Address,
    names: dict[Address, str],
    chips: dict[tuple[Bus, int], ControllerModel | None],
    order: str | None,
) -> etree._Element:
    """Say where a drive hangs and when it is booted from; return the element of its name."""
    bus = first_words(BUSES)[address.bus]
    target = add(element, "target", dev=names[address], bus=bus)
    if order is not None:
        add(element, "boot", order=order)
    if address.bus is Bus.VIRTIO:
        return target
    if address.bus is Bus.USB:
        port = str(address.unit + 1)
        add(element, "address", type="usb", bus=str(address.controller), port=port)
        return target
    place = {"bus": "0", "target": "0", "unit": str(address.unit)}
    if address.bus is Bus.IDE:
        place |= {"bus": str(address.unit // 2), "unit": str(address.unit % 2)}
    elif chips.get((address.bus, address.controller)) in UNIT_IS_TARGET:
        place |= {"target": str(address.unit), "unit": "0"}
    add(element, "address", type="drive", controller=str(address.controller), **place)
    return target


def _disk_extras(element: etree._Element, disk: Disk) -> None:
    if disk.readonly:
        add(element, "readonly")
    if disk.shareable:
        add(element, "shareable")
    if disk.serial is not None:
        add(element, "serial", disk.serial)


def _controller(devices: etree._Element, controller: Controller) -> None:
    index = str(controller.index)
    kind = first_words(BUSES)[controller.bus]
    model = controller.model
    if controller.bus is Bus.SCSI and model is not None:
        add(devices, "controller", type=kind, index=index, model=first_words(SCSI_MODELS)[model])
    elif controller.bus is Bus.USB and model is not None:
        add(devices, "controller", type=kind, index=index, model=first_words(USB_MODELS)[model])
        if model is ControllerModel.EHCI:
            for name, port in COMPANIONS:
                each = add(devices, "controller", type=kind, index=index, model=name)
                add(each, "master", startport=port)
    elif controller.bus is Bus.IDE and model is not None:
        add(devices, "controller", type=kind, index=index, model=first_words(IDE_MODELS)[model])
    else:
        add(devices, "controller", type=kind, index=index)


def _nic(devices: etree._Element, nic: Nic, order: str | None) -> None:
    kind = first_words(ATTACHMENTS)[nic.attachment or AttachmentKind.NETWORK]
    interface = add(devices, "interface", type=kind)
    if nic.mac is not None:
        add(interface, "mac", address=nic.mac)
    network = nic.network or "default"
    match nic.attachment:
        case AttachmentKind.BRIDGE:
            add(interface, "source", bridge=network)
        case AttachmentKind.DIRECT:
            add(interface, "source", dev=network, mode="bridge")
        case AttachmentKind.NAT:
            pass
        case _:
            add(interface, "source", network=network)
    if nic.model is not None:
        add(interface, "model", type=first_words(NICS)[nic.model])
    if nic.connected is not None:
        add(interface, "link", state="up" if nic.connected else "down")
    if order is not None:
        add(interface, "boot", order=order)


def _serial(devices: etree._Element, serial: Serial, port: int) -> None:
    """Add a serial port; ``virsh console`` talks to the first."""
    kind = serial.kind or SerialKind.PTY
    for tag in ("serial", "console")[: 1 if port else 2]:
        element = add(devices, tag, type=first_words(SERIALS)[kind])
        if kind is SerialKind.TCP:
            host, _, service = (serial.target or "").rpartition(":")
            add(element, "source", mode="connect", host=host, service=service)
        elif kind is SerialKind.UNIX:
            add(element, "source", mode="connect", path=serial.target or "")
        elif serial.target is not None:
            add(element, "source", path=serial.target)
        if tag == "serial":
            add(element, "target", port=str(port))
        else:
            add(element, "target", type="serial", port=str(port))


def _console(devices: etree._Element, machine: Machine) -> None:
    """Add what a person sees and hears, the TPM, and the balloon."""
    if machine.displays:
        add(devices, "input", type="tablet", bus="usb")
        add(devices, "graphics", type="vnc", port="-1", autoport="yes", listen="127.0.0.1")
    for display in machine.displays:
        _video(devices, display)
    for sound in machine.sounds:
        if sound.model is not None:
            word = first_words(SOUNDS)[sound.model]
            newer = word == "ich6" and machine.machine_type == "q35"
            add(devices, "sound", model="ich9" if newer else word)
    if machine.tpm is not None:
        version = machine.tpm.version or "2.0"
        tpm = add(devices, "tpm", model="tpm-tis" if version == "1.2" else "tpm-crb")
        add(tpm, "backend", type="emulator", version=version)
    add(devices, "memballoon", model="virtio")


def _video(devices: etree._Element, display: Display) -> None:
    video = add(devices, "video")
    model = add(video, "model", type=display.model or "vga")
    if display.memory is not None:
        model.set("vram", str(display.memory // KIB))
    if display.heads is not None:
        model.set("heads", str(display.heads))
