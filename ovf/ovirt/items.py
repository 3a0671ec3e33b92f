"""Items of oVirt's dialect as those of OVF 1.x.

A drive's ``Parent`` is the snapshot it builds on and ``Address`` a place on the host's bus; what
disks hang on is said by the disks' ``disk-interface``. So controllers are made for them.
Processors come as sockets, cores and threads, the models of adapters as numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from ovf.cim import ResourceType
from ovf.namespaces import VMW
from ovf.outline import whole
from ovf.ovirt.terms import is_of_standard, ovf, own, put, rasd, remove, take, text_of

NOBODY = "00000000-0000-0000-0000-000000000000"
NIC_MODELS = ("virtio", "rtl8139", "e1000", "virtio", "spapr-vlan", "SriovEthernetCard", "e1000e")
"""By their numbers; 0 was a choice between rtl8139 and virtio, of which oVirt takes the latter."""
SOUND_MODELS = {"ich6": "hda", "ich9": "hda", "ac97": "ac97", "es1370": "ensoniq1370"}
MONITORS = frozenset(("20", "32768"))
SCSI_SELF = 7


@dataclass(frozen=True, slots=True)
class Interface:
    """What the disks of an interface hang on, and how many a controller of it takes."""

    kind: ResourceType
    model: str
    places: tuple[int, ...]


SCSI_PLACES = tuple(place for place in range(256) if place != SCSI_SELF)
INTERFACES = {
    "IDE": Interface(ResourceType.IDE, "PIIX4", (0, 1)),
    "SATA": Interface(ResourceType.OTHER_STORAGE, "AHCI", tuple(range(6))),
    "VirtIO_SCSI": Interface(ResourceType.SCSI, "virtio-scsi", SCSI_PLACES),
    "VirtIO": Interface(ResourceType.OTHER_STORAGE, "virtio-blk", tuple(range(256))),
}


Disks = dict[str, etree._Element]
"""Disks by what a drive may call them: the path of the file, or their id as a resource."""


def translate_items(hardware: etree._Element, disks: Disks) -> None:
    """Turn the items of a hardware section into the standard's; ``disks`` are renamed already."""
    drives = []
    for item in hardware.findall(ovf("Item")):
        _name(item)
        kind = text_of(item, rasd("ResourceType"))
        if kind == "3":
            _processors(item)
        elif kind == "10":
            _adapter(item)
        elif kind in MONITORS:
            _monitor(item)
        elif kind == "17" and (disk := _drive(item, disks)) is not None:
            drives.append((item, disk))
        elif kind == "0" and text_of(item, own("Type")) == "sound":
            _sound(item)
        _move_address(item)
    _attach(hardware, drives)


def _name(item: etree._Element) -> None:
    """Spell its number as the standard does, and give it a name."""
    for child in item.findall(own("InstanceId")):
        child.tag = rasd("InstanceID")
    name = text_of(item, rasd("Caption")) or text_of(item, own("Device"))
    if name and not text_of(item, rasd("ElementName")):
        _write(item, "ElementName", name)


def _write(item: etree._Element, name: str, text: str) -> None:
    child = item.find(rasd(name))
    if child is None:
        child = put(item, rasd(name), at=_end_of_standard(item))
    child.text = text


def _end_of_standard(item: etree._Element) -> int:
    """Return the place before the first of oVirt's own children."""
    children = list(item)
    own_ones = (number for number, child in enumerate(children) if not is_of_standard(child))
    return next(own_ones, len(children))


def _processors(item: etree._Element) -> None:
    """Say how many there are, and how many of them share a socket; threads stay in oVirt's word."""
    sockets = whole(text_of(item, own("num_of_sockets"))) or 1
    cores = whole(text_of(item, own("cpu_per_socket"))) or 1
    together = cores * (whole(text_of(item, own("threads_per_cpu"))) or 1)
    for name in ("num_of_sockets", "cpu_per_socket"):
        take(item, own(name))
    if text_of(item, own("threads_per_cpu")) == "1":
        take(item, own("threads_per_cpu"))
    if not text_of(item, rasd("VirtualQuantity")):
        _write(item, "VirtualQuantity", str(sockets * together))
    put(item, f"{{{VMW}}}CoresPerSocket", str(together)).set(ovf("required"), "false")


def _adapter(item: etree._Element) -> None:
    number = whole(text_of(item, rasd("ResourceSubType")))
    if number is not None and number < len(NIC_MODELS):
        _write(item, "ResourceSubType", NIC_MODELS[number])
    profile = item.find(rasd("OtherResourceType"))
    if profile is not None:
        profile.tag = own("VnicProfile")
    _move_address(item)
    if mac := take(item, own("MACAddress")):
        put(item, rasd("Address"), mac, at=_end_of_standard(item))


def _monitor(item: etree._Element) -> None:
    """Call a video adapter one; ``VirtualQuantity`` is its number of heads."""
    _write(item, "ResourceType", str(int(ResourceType.GRAPHICS)))
    if device := take(item, own("Device")):
        _write(item, "ResourceSubType", device)


def _sound(item: etree._Element) -> None:
    _write(item, "ResourceType", str(int(ResourceType.SOUND)))
    device = take(item, own("Device"))
    _write(item, "ResourceSubType", SOUND_MODELS.get(device, device))


def _drive(item: etree._Element, disks: Disks) -> etree._Element | None:
    """Return the disk that is in a drive, and say so in the standard's way."""
    for parent in item.findall(rasd("Parent")):
        if (parent.text or "").strip() in {"", NOBODY}:
            remove(parent)
        else:
            parent.tag = own("ParentImage")
    disk = disks.get(text_of(item, rasd("HostResource")))
    if disk is not None:
        _write(item, "HostResource", resource_of(disk))
    return disk


def resource_of(disk: etree._Element) -> str:
    """Return how a drive names a disk in the standard's way."""
    return f"ovf:/disk/{disk.get(ovf('diskId'))}"


def _move_address(item: etree._Element) -> None:
    """Leave ``Address`` to what the standard means; oVirt's are places on the host's buses."""
    for address in item.findall(rasd("Address")):
        text = (address.text or "").strip()
        if text.startswith("{"):
            address.tag = own("DeviceAddress")
        elif not text:
            remove(address)


def _attach(hardware: etree._Element, drives: list[tuple[etree._Element, etree._Element]]) -> None:
    """Give drives controllers, and places on them: first the disk that is booted from."""
    by_interface: dict[str, list[etree._Element]] = {}
    for item, disk in sorted(drives, key=lambda pair: pair[1].get(own("boot")) != "true"):
        by_interface.setdefault(str(disk.get(own("disk-interface"))), []).append(item)
        for name in ("boot", "disk-interface"):
            if disk.get(own(name)) and (name == "boot" or disk.get(own(name)) in INTERFACES):
                del disk.attrib[own(name)]
    for name, items in by_interface.items():
        interface = INTERFACES.get(name)
        if interface is None:
            continue
        places = interface.places
        for number, item in enumerate(items):
            controller, place = divmod(number, len(places))
            if place == 0:
                _controller(hardware, name, controller, items[0])
            _write(item, "Parent", f"{name} {controller}")
            _write(item, "AddressOnParent", str(places[place]))


def _controller(hardware: etree._Element, name: str, number: int, before: etree._Element) -> None:
    interface = INTERFACES[name]
    made = put(hardware, ovf("Item"), at=hardware.index(before))
    said = {
        "Address": str(number),
        "ElementName": f"{name} Controller {number}",
        "InstanceID": f"{name} {number}",
        "ResourceSubType": interface.model,
        "ResourceType": str(int(interface.kind)),
    }
    for key, text in said.items():
        put(made, rasd(key), text).sourceline = before.sourceline
    made.sourceline = before.sourceline
