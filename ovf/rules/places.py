"""Rules of where a device sits: parents and addresses. Clause 8.3, in each configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ovf.cim import ResourceType
from ovf.judging.effective import Device, Effective, in_each_machine
from ovf.judging.rule import Basis, rule
from ovf.outline import whole
from ovf.package import Package
from rehost.report import Location, Severity
from rehost.tracked import summary

Found = Iterator[tuple[Location, str]]
DRIVES = frozenset((ResourceType.CD, ResourceType.DVD, ResourceType.DISK))
MEDIA = DRIVES | {ResourceType.FLOPPY}
CONTROLLERS = frozenset((1, *range(5, 10), 20, 23, 25))
"""IDE, SCSI, FC, iSCSI, IB, USB and IEEE 1394, and the others that stand for SATA and NVMe."""
SERIAL_ATA = frozenset(("ahci", "vmware.sata.ahci"))
WIDE = frozenset(("virtualscsi", "pvscsi", "virtio-scsi", "virtioscsi"))
MAC = re.compile(r"(?i:[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|[0-9a-f]{12})")


@rule("ITM-005", clause="8.3")
def parents_exist(package: Package) -> Found:
    """An item's Parent is the InstanceID of another item of its section, a drive's of a controller.

    A device whose controller does not exist is dropped by some importers and moved to another bus
    by others, so the guest may not find its disk. Each configuration needs the controller.

    Fix: name an existing controller's InstanceID, or add the controller.
    """
    yield from in_each_machine(package.envelope, _parents)


def _parents(machine: Effective) -> Found:
    circular = _circular(machine)
    for device in machine.devices:
        parent = device.said.get("Parent")
        if parent is None:
            continue
        written, name = device.written, summary(parent)
        above = machine.by_instance.get(parent)
        if above is None:
            yield written.at, f"{written.label} has Parent {name}, no item's InstanceID"
        elif written.instance in circular:
            yield written.at, f"{written.label} is among its own Parents"
        elif device.kind in MEDIA and above.kind not in CONTROLLERS:
            yield written.at, f"{written.label} has Parent {name}, which is no controller"


def _circular(machine: Effective) -> set[str]:
    """Return the InstanceIDs from which following the Parents leads back to them."""
    found, done = set[str](), set[str]()
    for start in machine.by_instance:
        path: dict[str, int] = {}
        at: str | None = start
        while at is not None and at in machine.by_instance and at not in done and at not in path:
            path[at] = len(path)
            at = machine.by_instance[at].said.get("Parent")
        if at in path:
            found.update(name for name, place in path.items() if place >= path[at])
        done.update(path)
    return found


@rule("ITM-006", clause="8.3", severity=Severity.WARNING, basis=Basis.OWN)
def places_are_taken_once(package: Package) -> Found:
    """Every disk and CD drive has a place of its own: a Parent, and an AddressOnParent on it.

    Two drives in one place are sorted out differently by every importer. An IDE controller has
    places 0 and 1, a SCSI controller 0 to 15 without its own, 7, and a SATA controller 0 to 29.

    Fix: give each drive a Parent and an AddressOnParent of its own.
    """
    yield from in_each_machine(package.envelope, _places)


def _places(machine: Effective) -> Found:
    seen: dict[object, int | None] = {}
    for device in machine.devices:
        if device.kind not in DRIVES:
            continue
        written = device.written
        parent, place = device.said.get("Parent"), device.said.get("AddressOnParent")
        if parent is None or place is None:
            missing = "Parent" if parent is None else "AddressOnParent"
            yield written.at, f"{written.label} has no {missing}"
            continue
        if not _has_place(machine.by_instance.get(parent), place):
            where = summary(place)
            yield written.at, f"{written.label} has a place its controller has not ({where!r})"
        if (parent, place) in seen:
            yield (
                written.at,
                f"{written.label} has the place of the drive in line {seen[parent, place]}",
            )
        seen.setdefault((parent, place), written.at.line)


def _has_place(controller: Device | None, place: str) -> bool:
    """Say whether a controller has a place; of unknown controllers any number is believed."""
    number = whole(place)
    if number is None:
        return False
    words = set((controller.said.get("ResourceSubType", "") if controller else "").lower().split())
    match controller and controller.kind:
        case ResourceType.IDE:
            return number < 2
        case ResourceType.SCSI:
            return number != 7 and number < (64 if words & WIDE else 16)
        case ResourceType.OTHER_STORAGE if words & SERIAL_ATA:
            return number < 30
        case _:
            return True


@rule("ITM-019", clause="8.3", severity=Severity.WARNING, basis=Basis.OWN)
def hardware_addresses(package: Package) -> Found:
    """An Ethernet adapter's Address is a MAC address, of one adapter only and no group's.

    Platforms that cannot use the address choose one, and the guest may not know its network by it.

    Fix: write six pairs of hexadecimal digits, the first pair even, or leave Address out.
    """
    yield from in_each_machine(package.envelope, _macs)


def _macs(machine: Effective) -> Found:
    seen: dict[str, int | None] = {}
    for device in machine.devices:
        address = device.said.get("Address")
        if device.kind != ResourceType.ETHERNET or address is None:
            continue
        written, shown = device.written, repr(summary(address))
        digits = re.sub(r"[:-]", "", address).lower()
        if not MAC.fullmatch(address):
            yield written.at, f"{written.label} has an Address that is no MAC ({shown})"
        elif int(digits[:2], 16) & 1:
            yield written.at, f"{written.label} has a group's MAC address ({shown})"
        elif digits in seen:
            yield (
                written.at,
                f"{written.label} has the MAC address of line {seen[digits]} ({shown})",
            )
        seen.setdefault(digits, written.at.line)
