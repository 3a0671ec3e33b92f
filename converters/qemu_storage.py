"""The disks, media and controllers of a machine as arguments of QEMU.

Each drive hangs where the machine says, on the chip the machine names, because that decides which
driver the guest needs and what it calls the disk. Limits are those of QEMU 7.2's devices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from converters.configs.sas import world_wide_name
from rehost.errors import UnsupportedInputError
from rehost.machine import (
    Address,
    BootDevice,
    Bus,
    ControllerModel,
    Disk,
    Machine,
    MediaKind,
)

DRIVERS = {
    "raw": "raw",
    "qcow2": "qcow2",
    "vmdk": "vmdk",
    "vdi": "vdi",
    "vhd": "vpc",
    "vhdx": "vhdx",
    "qed": "qed",
    "parallels": "parallels",
}
USUAL_ORDER = (BootDevice.DISK, BootDevice.CDROM, BootDevice.FLOPPY)
BUILT_IN = {"q35": Bus.SATA, "pc": Bus.IDE}
MEDIUM_REQUIRED = {Bus.NVME, Bus.USB, Bus.VIRTIO}


class Chip(NamedTuple):
    """A controller: QEMU's name for it, how many units it takes, and settings of its own."""

    name: str
    units: int
    settings: str = ""


CHIPS: dict[Bus, dict[ControllerModel | None, Chip]] = {
    Bus.IDE: {
        None: Chip("piix3-ide", 4),
        ControllerModel.PIIX3: Chip("piix3-ide", 4),
    },
    Bus.SATA: {
        None: Chip("ich9-ahci", 6),
        ControllerModel.AHCI: Chip("ich9-ahci", 6),
    },
    Bus.SCSI: {
        None: Chip("virtio-scsi-pci", 256),
        ControllerModel.LSILOGIC: Chip("lsi53c895a", 7),
        ControllerModel.LSISAS1068: Chip("mptsas1068", 8),
        ControllerModel.PVSCSI: Chip("pvscsi", 64),
        ControllerModel.VIRTIO_SCSI: Chip("virtio-scsi-pci", 256),
    },
    Bus.NVME: {
        None: Chip("nvme", 256),
        ControllerModel.NVME: Chip("nvme", 256),
    },
    Bus.USB: {
        None: Chip("qemu-xhci", 15, ",p2=15,p3=15"),
        ControllerModel.UHCI: Chip("piix3-usb-uhci", 2),
        ControllerModel.EHCI: Chip("usb-ehci", 6),
        ControllerModel.XHCI: Chip("qemu-xhci", 15, ",p2=15,p3=15"),
    },
    Bus.VIRTIO: {None: Chip("virtio-blk-pci", 256)},
    Bus.FLOPPY: {None: Chip("isa-fdc", 2)},
}


@dataclass(frozen=True, slots=True)
class Drive:
    """Where the bytes of a disk or medium lie.

    With ``offset`` and ``size`` the image is that window of the file, as a member of an .ova is.
    ``format`` names a disk format as ``rehost formats`` lists it.
    """

    path: str
    format: str = "raw"
    offset: int | None = None
    size: int | None = None


class Device(NamedTuple):
    """One of a machine's bootable devices: its class, and its number within the class."""

    kind: BootDevice
    number: int


class Placed(NamedTuple):
    """A drive at its place; ``source`` are the options of its ``-drive``, None an empty drive."""

    device: Device
    address: Address
    serial: str | None
    source: str | None
    wwn: str | None = None


def escaped(value: str) -> str:
    """Return a value as QEMU's option syntax wants it: commas doubled."""
    return value.replace(",", ",,")


def boot_indices(machine: Machine) -> dict[Device, int]:
    """Return the place in the boot order of each device that has one."""
    kinds = [BootDevice(each.kind) for each in machine.removables]
    counts = {
        BootDevice.DISK: len(machine.disks),
        BootDevice.CDROM: kinds.count(BootDevice.CDROM),
        BootDevice.FLOPPY: kinds.count(BootDevice.FLOPPY),
        BootDevice.NETWORK: len(machine.nics),
    }
    order = dict.fromkeys(machine.boot_order or USUAL_ORDER)
    devices = [Device(kind, number) for kind in order for number in range(counts[kind])]
    return {device: place for place, device in enumerate(devices)}


def storage(
    machine: Machine,
    board: str,
    disks: Sequence[Drive | None],
    media: Sequence[Drive | None],
    *,
    discard: bool,
) -> list[str]:
    """Return the arguments for all controllers and drives."""
    drives = [
        *_hard_disks(machine, board, disks, discard=discard),
        *_removables(machine, board, media, discard=discard),
    ]
    models = {(each.bus, each.index): each.model for each in machine.controllers}
    used = [(each.address.bus, each.address.controller) for each in drives]
    chips = {
        place: _chip(machine, place[0], models.get(place))
        for place in dict.fromkeys([*models, *used])
    }
    words: list[str] = []
    for (bus, index), chip in chips.items():
        serials = [
            drive.serial
            for drive in drives
            if (drive.address.bus, drive.address.controller) == (bus, index)
        ]
        words += _controller(board, bus, index, chip, serials)
    order = boot_indices(machine)
    for drive in drives:
        chip = chips[drive.address.bus, drive.address.controller]
        _check_unit(machine, drive, chip)
        words += _drive(drive, board, order)
    return words


def _hard_disks(
    machine: Machine, board: str, disks: Sequence[Drive | None], *, discard: bool
) -> Iterator[Placed]:
    free = _free_places(machine, board)
    for number, disk in enumerate(machine.disks):
        found = disks[number] if number < len(disks) else None
        source = _source(found, discard=discard) if found else _blank(machine, disk)
        device = Device(BootDevice.DISK, number)
        address = disk.address or next(free)
        wwn = world_wide_name(machine, address)
        yield Placed(device, address, disk.serial, source, wwn)


def _removables(
    machine: Machine, board: str, media: Sequence[Drive | None], *, discard: bool
) -> Iterator[Placed]:
    cds = _free_places(machine, board, skip=sum(not disk.address for disk in machine.disks))
    floppies = (Address(Bus.FLOPPY, 0, unit) for unit in range(CHIPS[Bus.FLOPPY][None].units + 1))
    met = {MediaKind.CDROM: 0, MediaKind.FLOPPY: 0}
    for number, removable in enumerate(machine.removables):
        is_cd = removable.kind is MediaKind.CDROM
        found = media[number] if number < len(media) else None
        source = _source(found, discard=discard and not is_cd) if found else None
        if source and is_cd:
            source += ",media=cdrom,readonly=on"
        device = Device(BootDevice(removable.kind), met[removable.kind])
        met[removable.kind] += 1
        address = removable.address or next(cds if is_cd else floppies)
        yield Placed(device, address, None, source)


def _source(drive: Drive, *, discard: bool) -> str:
    """Return the options that open an image, as itself and never as what it looks like."""
    if drive.format not in DRIVERS:
        raise UnsupportedInputError(
            f"QEMU does not read {drive.format} disks",
            where=drive.path,
            hint="Convert the machine: rehost convert --to qemu.",
        )
    layers = [f"driver={DRIVERS[drive.format]}"]
    file = "file."
    if drive.offset is not None or drive.size is not None:
        layers.append("file.driver=raw")
        layers += [f"file.offset={drive.offset or 0}"]
        layers += [f"file.size={drive.size}"] if drive.size is not None else []
        file = "file.file."
    layers += [f"{file}driver=file", f"{file}filename={escaped(drive.path)}"]
    layers += ["snapshot=on"] if discard else []
    return ",".join(layers)


def _blank(machine: Machine, disk: Disk) -> str:
    """Return the options of a disk of zeros, which forgets what is written to it."""
    if disk.size is None:
        raise UnsupportedInputError("a blank disk has no size", where=machine.name)
    return f"driver=null-co,size={disk.size},read-zeroes=on,snapshot=on"


def _free_places(machine: Machine, board: str, *, skip: int = 0) -> Iterator[Address]:
    """Yield the places nothing hangs at, on the bus the board has built in."""
    bus = BUILT_IN[board]
    taken = {each.address for each in machine.disks}
    taken |= {each.address for each in machine.removables}
    units = range(CHIPS[bus][None].units)
    places = (Address(bus, controller, unit) for controller in count() for unit in units)
    for place in places:
        if place in taken:
            continue
        if skip:
            skip -= 1
        else:
            yield place


def _chip(machine: Machine, bus: Bus, model: ControllerModel | None) -> Chip:
    if bus not in CHIPS:
        raise UnsupportedInputError(
            f"QEMU has no {bus} bus for drives",
            where=machine.name,
            hint="Give the drives another bus, such as sata.",
        )
    if model not in CHIPS[bus]:
        raise UnsupportedInputError(
            f"QEMU has no {model} controller for {bus} drives",
            where=machine.name,
            hint="Give the machine another controller, or another bus, such as sata.",
        )
    return CHIPS[bus][model]


def _check_unit(machine: Machine, drive: Placed, chip: Chip) -> None:
    if 0 <= drive.address.unit < chip.units:
        return
    raise UnsupportedInputError(
        f"{drive.device.kind} {drive.device.number} hangs on unit {drive.address.unit}, which a"
        f" {drive.address.bus} controller does not have (QEMU's {chip.name} has {chip.units})",
        where=machine.name,
        hint="Move it to a lower unit, or give the machine another controller.",
    )


def _controller(
    board: str, bus: Bus, index: int, chip: Chip, serials: Sequence[str | None]
) -> list[str]:
    if bus is Bus.VIRTIO or (index == 0 and bus is BUILT_IN[board]):
        return []
    if bus is Bus.FLOPPY:
        # The pc board has its floppy controller built in, the q35 board none.
        return [] if board == "pc" else ["-device", f"{chip.name},id=floppy{index}"]
    name = f"{bus}{index}"
    # NVMe numbers the controller, not the namespaces that are its disks.
    serial = f",serial={escaped(next(filter(None, serials), name))}" if bus is Bus.NVME else ""
    return ["-device", f"{chip.name},id={name}{serial}{chip.settings}"]


def _drive(drive: Placed, board: str, order: Mapping[Device, int]) -> list[str]:
    if drive.source is None and drive.address.bus in MEDIUM_REQUIRED:
        return []
    name = f"{drive.device.kind}{drive.device.number}"
    words = [_frontend(drive, board), f"id={name}-device"]
    options: list[str] = []
    if drive.source is not None:
        options = ["-drive", f"if=none,id={name},{drive.source}"]
        words.append(f"drive={name}")
    if drive.serial and drive.address.bus is not Bus.NVME:
        words.append(f"serial={escaped(drive.serial)}")
    if drive.wwn:
        words.append(f"wwn=0x{drive.wwn}")
    place = order.get(drive.device)
    if place is not None and drive.address.bus is Bus.FLOPPY:
        options += ["-global", f"isa-fdc.bootindex{'AB'[drive.address.unit]}={place}"]
    elif place is not None:
        words.append(f"bootindex={place}")
    return [*options, "-device", ",".join(words)]


def _frontend(drive: Placed, board: str) -> str:
    """Return the device a drive shows the guest, and where on which bus it hangs."""
    bus, index, unit = drive.address.bus, drive.address.controller, drive.address.unit
    medium = "hd" if drive.device.kind is BootDevice.DISK else "cd"
    own = "ide" if index == 0 and bus is BUILT_IN[board] else f"{bus}{index}"
    return {
        Bus.IDE: f"ide-{medium},bus={own}.{unit // 2},unit={unit % 2}",
        Bus.SATA: f"ide-{medium},bus={own}.{unit}",
        Bus.SCSI: f"scsi-{medium},bus={own}.0,scsi-id={unit}",
        Bus.NVME: f"nvme-ns,bus={own},nsid={unit + 1}",
        Bus.USB: f"usb-storage,bus={own}.0,port={unit + 1}",
        Bus.FLOPPY: f"floppy,unit={unit}",
        Bus.VIRTIO: "virtio-blk-pci",
    }[bus]
