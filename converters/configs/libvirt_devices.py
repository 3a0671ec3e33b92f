"""The devices of a domain XML, for its reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from converters.configs.libvirt_words import (
    ATTACHMENTS,
    BOOT_DEVICES,
    BUSES,
    DISK_DRIVERS,
    IDE_MODELS,
    NICS,
    PREFIXES,
    SCSI_MODELS,
    SERIALS,
    SOUNDS,
    USB_MODELS,
    Meaning,
    device_number,
)
from converters.configs.sas import REGISTERED
from rehost.machine import (
    Address,
    AttachmentKind,
    BootDevice,
    Bus,
    Controller,
    ControllerModel,
    Disk,
    Display,
    MediaKind,
    Nic,
    Removable,
    Serial,
    SerialKind,
    Sound,
    Tpm,
)
from rehost.report import Loss, changed
from rehost.tracked import Tracked

KIB = 1024
BUS_BY_PREFIX = {
    "hd": Bus.IDE,
    "sd": Bus.SCSI,
    "vd": Bus.VIRTIO,
    "xvd": Bus.XEN,
    "fd": Bus.FLOPPY,
    "nvme": Bus.NVME,
}
"""What the Target section says of a disk without a bus: its name tells."""

UNITS_BY_NAME = {Bus.IDE: 4, Bus.SATA: 6, Bus.SCSI: 7, Bus.FLOPPY: 2}
"""How many drives libvirt counts on one controller when it makes an address of a name."""

MODELS: dict[Bus, dict[str, ControllerModel]] = {
    Bus.IDE: IDE_MODELS,
    Bus.SCSI: SCSI_MODELS,
    Bus.USB: USB_MODELS,
}
COMPANION = "ich9-uhci"
OWN_INPUTS = {("tablet", "usb"), ("mouse", "ps2"), ("keyboard", "ps2"), ("mouse", "xen")}
SOURCE_NAMES = {"direct": "dev", "internal": "name"}
RUNTIME_NAMES = ("vnet", "macvtap")
"""What libvirt calls the host's end of an adapter while the machine runs."""

WIRING = ("alias", "address")
"""Where QEMU put a device, which it decides anew."""


@dataclass(slots=True)
class Devices:
    """The devices of a domain; ``orders`` is what each says of its place in the boot order."""

    controllers: tuple[Controller, ...] = ()
    disks: list[Disk] = field(default_factory=list)
    removables: list[Removable] = field(default_factory=list)
    nics: tuple[Nic, ...] = ()
    displays: tuple[Display, ...] = ()
    serials: tuple[Serial, ...] = ()
    sounds: tuple[Sound, ...] = ()
    tpm: Tpm | None = None
    boot_order: tuple[BootDevice, ...] = ()
    orders: list[tuple[int, BootDevice, int]] = field(default_factory=list)


def read_devices(root: Tracked, folder: Path, losses: list[Loss]) -> Devices:
    """Read everything below ``devices``; files below ``folder`` get names relative to it."""
    found = Devices()
    found.controllers = _controllers(root)
    for node in root.children("devices/disk"):
        _drive(node, found, folder, losses)
    found.nics = tuple(_nic(node, found, n) for n, node in enumerate(_all(root, "interface")))
    found.displays = tuple(_display(node) for node in _all(root, "video"))
    found.serials = tuple(_serial(node) for node in _all(root, "serial"))
    found.sounds = tuple(_sound(node) for node in _all(root, "sound"))
    found.tpm = _tpm(root)
    found.boot_order = _boot_order(root, found, losses)
    _ignore_the_usual(root)
    return found


def _all(root: Tracked, name: str) -> list[Tracked]:
    nodes = root.children(f"devices/{name}")
    for node in nodes:
        node.ignore(*WIRING)
    return nodes


def meaning(node: Tracked, path: str, words: Mapping[str, Meaning]) -> Meaning | None:
    """Return what the attribute at ``path`` means; an unknown word is left to the remainder."""
    steps, _, attribute = path.rpartition("@")
    child = node.child(steps.rstrip("/")) if steps else node
    word = child.element.get(attribute) if child is not None else None
    if word is None or word not in words:
        return None
    node.ignore(path)
    return words[str(word)]


def _has(node: Tracked, name: str) -> bool | None:
    """Return true where an empty element stands; without it nothing is said."""
    found = node.child(name) is not None
    node.ignore(name)
    return found or None


def _controllers(root: Tracked) -> tuple[Controller, ...]:
    """Read the controllers that drives or USB devices hang on; PCI is laid out anew anywhere."""
    found: dict[tuple[Bus, int], Controller] = {}
    for node in root.children("devices/controller"):
        kind, model = node.element.get("type"), str(node.element.get("model") or "")
        if kind == "pci" or model.startswith(COMPANION) or model == "none":
            node.ignore("")
            continue
        bus = meaning(node, "@type", BUSES)
        if bus is None:
            continue
        node.ignore(*WIRING)
        index = node.integer("@index") or 0
        if index < 0:
            raise node.damaged(f"controller index is negative ({index})")
        chip = meaning(node, "@model", MODELS.get(bus, {}))
        chip = ControllerModel.AHCI if bus is Bus.SATA else chip
        found.setdefault((bus, index), Controller(bus, index, chip))
    return tuple(found.values())


def _drive(node: Tracked, found: Devices, folder: Path, losses: list[Loss]) -> None:
    """Read a disk element, which may be a hard disk, a CD drive or a floppy drive."""
    device = node.said("@device") or "disk"
    kind = {"cdrom": MediaKind.CDROM, "floppy": MediaKind.FLOPPY}.get(device)
    address = _address(node, losses)
    node.ignore("alias", "driver/@name", "source/@index", "backingStore", "@type", "@snapshot")
    file = _file(node, folder)
    if kind is not None:
        node.ignore("readonly", "driver/@type")
        tray = node.said("target/@tray")
        connected = None if tray is None else tray != "open"
        _order(node, found, BootDevice(kind.value), len(found.removables))
        found.removables.append(Removable(kind, address, file, connected))
        return
    driver = node.said("driver/@type") or "raw"
    if (node.element.findtext("wwn") or "").startswith(REGISTERED):
        node.ignore("wwn")
    _order(node, found, BootDevice.DISK, len(found.disks))
    disk = Disk(
        address=address,
        file=file,
        format=DISK_DRIVERS.get(driver, driver),
        serial=node.said("serial"),
        readonly=_has(node, "readonly"),
        shareable=_has(node, "shareable"),
    )
    found.disks.append(disk)


def _file(node: Tracked, folder: Path) -> str | None:
    """Return the medium: a file's name, a device's path, or what the network calls it."""
    path = node.said("source/@file") or node.said("source/@dev") or node.said("source/@dir")
    if path is not None:
        inside = Path(path)
        return str(inside.relative_to(folder)) if inside.is_relative_to(folder) else path
    pool, volume = node.said("source/@pool"), node.said("source/@volume")
    if pool is not None and volume is not None:
        return f"volume:{pool}/{volume}"
    protocol = node.said("source/@protocol")
    return f"{protocol}:{node.said('source/@name') or ''}" if protocol else None


def _address(node: Tracked, losses: list[Loss]) -> Address | None:
    """Return where a drive hangs: as its address says, else as libvirt makes it of its name."""
    name = (node.said("target/@dev") or "").removeprefix("ioemu:")
    prefix = next((each for each in BUS_BY_PREFIX if name.startswith(each)), "")
    words = target.element.get("bus") if (target := node.child("target")) is not None else None
    bus = meaning(node, "target/@bus", BUSES) if words else BUS_BY_PREFIX.get(prefix)
    if bus is None:
        return None
    place = node.child("address")
    if place is not None and place.said("@type") == "drive":
        return _said_address(place, bus, losses)
    node.ignore("address")
    if place is not None and bus is Bus.USB and place.said("@type") == "usb":
        port = (place.said("@port") or "").split(".", maxsplit=1)[0]
        if port.isascii() and port.isdigit() and 0 < len(port) < 4:
            return Address(bus, place.integer("@bus") or 0, max(int(port) - 1, 0))
    number = device_number(name, prefix or PREFIXES[bus])
    if number is None:
        return None
    units = UNITS_BY_NAME.get(bus)
    return Address(bus, number // units, number % units) if units else Address(bus, 0, number)


def _said_address(place: Tracked, bus: Bus, losses: list[Loss]) -> Address:
    controller, channel, target, unit = (
        place.integer(f"@{name}") or 0 for name in ("controller", "bus", "target", "unit")
    )
    if min(controller, channel, target, unit) < 0:
        raise place.damaged("a drive's address has a negative number")
    if bus is Bus.IDE:
        return Address(bus, controller, channel * 2 + unit)
    if (target and unit) or channel:
        said = f"bus {channel}, target {target}, unit {unit}"
        kept = str(target or unit)
        why = "a drive's place is one number here"
        losses.append(changed(f"{place.at} address", said, kept, why))
    return Address(bus, controller, target or unit)


def _order(node: Tracked, found: Devices, kind: BootDevice, number: int) -> None:
    order = node.integer("boot/@order")
    if order is not None:
        found.orders.append((order, kind, number))


def _boot_order(root: Tracked, found: Devices, losses: list[Loss]) -> tuple[BootDevice, ...]:
    """Return the order of classes, from the devices' own places or from the OS booting section."""
    by_class = [node.said("@dev") for node in root.children("os/boot")]
    if not found.orders:
        return tuple(dict.fromkeys(BOOT_DEVICES[dev] for dev in by_class if dev in BOOT_DEVICES))
    ordered = sorted(found.orders, key=lambda each: each[0])
    classes = tuple(dict.fromkeys(kind for _, kind, _ in ordered))
    plain = sorted(ordered, key=lambda each: (classes.index(each[1]), each[2]))
    if plain != ordered:
        said = ", ".join(f"{kind} {number}" for _, kind, number in ordered)
        after = ", ".join(f"{kind} {number}" for _, kind, number in plain)
        why = "devices of one class boot together, in the order they stand"
        losses.append(changed("boot_order", said, after, why))
    return classes


def _nic(node: Tracked, found: Devices, number: int) -> Nic:
    mac = node.said("mac/@address")
    state = node.said("link/@state")
    target = node.element.find("{*}target")
    if target is not None and str(target.get("dev") or "").startswith(RUNTIME_NAMES):
        node.ignore("target/@dev")
    _order(node, found, BootDevice.NETWORK, number)
    kind = str(node.element.get("type") or "")
    attachment = meaning(node, "@type", ATTACHMENTS)
    if attachment is AttachmentKind.DIRECT and _plain_direct(node):
        node.ignore("source/@mode")
    network = None
    if attachment is not None and attachment is not AttachmentKind.NAT:
        network = node.said(f"source/@{SOURCE_NAMES.get(kind, kind)}")
    return Nic(
        model=meaning(node, "model/@type", NICS),
        mac=mac.lower() if mac else None,
        network=network,
        attachment=attachment,
        connected=None if state is None else state == "up",
    )


def _plain_direct(node: Tracked) -> bool:
    source = node.child("source")
    return source is not None and source.element.get("mode") == "bridge"


def _display(node: Tracked) -> Display:
    node.ignore("model/@primary")
    memory = node.integer("model/@vram")
    return Display(
        model=node.said("model/@type"),
        memory=None if memory is None else memory * KIB,
        heads=node.integer("model/@heads"),
    )


def _serial(node: Tracked) -> Serial:
    node.ignore("target", "@tty")
    kind = meaning(node, "@type", SERIALS)
    match kind:
        case SerialKind.PTY:
            node.ignore("source")
            return Serial(kind)
        case SerialKind.TCP:
            host, service = node.said("source/@host") or "", node.said("source/@service") or ""
            node.ignore("source/@mode")
            return Serial(kind, f"{host}:{service}")
        case SerialKind.UNIX:
            node.ignore("source/@mode")
    return Serial(kind, node.said("source/@path"))


def _sound(node: Tracked) -> Sound:
    return Sound(meaning(node, "@model", SOUNDS))


def _tpm(root: Tracked) -> Tpm | None:
    node = next(iter(_all(root, "tpm")), None)
    if node is None:
        return None
    node.ignore("@model", "backend/@type")
    return Tpm(node.said("backend/@version"))


def _ignore_the_usual(root: Tracked) -> None:
    """Count as looked at what is there for the person at the screen, or for QEMU alone."""
    if not root.children("devices/*"):
        root.ignore("devices")
    for node in root.children("devices/console"):
        target = node.element.find("{*}target")
        if target is None or target.get("type") in {None, "serial"}:
            node.ignore("")
    for node in root.children("devices/input"):
        if (node.element.get("type"), node.element.get("bus")) in OWN_INPUTS:
            node.ignore("")
    for node in root.children("devices/graphics"):
        if node.element.get("type") == "vnc":
            node.ignore("")
    root.ignore("devices/memballoon")
