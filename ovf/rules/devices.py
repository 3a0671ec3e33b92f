"""Rules of the items of virtual hardware: clauses 8.3 and 8.4."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ovf import cim, units
from ovf.cim import ResourceType
from ovf.outline import hardware_sections, items
from ovf.package import Package
from ovf.rule import rule
from rehost.errors import DamagedInputError
from rehost.report import Location, Severity
from rehost.tracked import summary

EXACT = re.compile(r"ovf:/(disk|file)/(.+)")
LOOSE = re.compile(r"(?:ovf:)?/{0,2}(disk|file)/(.+)")
NUMBERS = ("VirtualQuantity", "Reservation", "Limit", "Weight")
DRIVES = frozenset(
    str(kind.value) for kind in (ResourceType.CD, ResourceType.DVD, ResourceType.DISK)
)
BOUNDS = frozenset(("min", "normal", "max"))
Found = Iterator[tuple[Location, str]]


@rule("ITM-001", clause="8.3")
def unique_instances(package: Package) -> Found:
    """An InstanceID is given once in a section, except for other configurations and bounds.

    Items of one InstanceID are combined into one device, so one of them would vanish.

    Fix: number the items anew, and the Parents that refer to them.
    """
    for section in hardware_sections(package.envelope):
        seen: dict[object, int | None] = {}
        for item in section:
            if item.instance is None:
                yield item.at, f"{item.label} has no InstanceID"
                continue
            key = (item.instance, item.bound, item.configurations)
            if key in seen:
                name = summary(item.instance)
                yield item.at, f"InstanceID {name} is given in line {seen[key]} already"
            seen.setdefault(key, item.at.line)


@rule("ITM-002", clause="8.3")
def types_are_said(package: Package) -> Found:
    """Every item has a ResourceType.

    Without it nobody knows what device it is.

    Fix: add rasd:ResourceType.
    """
    for item in items(package.envelope):
        kind = item.said.get("ResourceType")
        if kind is None:
            yield item.at, f"{item.label} has no ResourceType"
        elif not (kind.isascii() and kind.isdigit()):
            yield item.at, f"{item.label} has a ResourceType that is no number ({summary(kind)!r})"


@rule("ITM-003", clause="8.3", severity=Severity.WARNING)
def types_are_known(package: Package) -> Found:
    """A ResourceType is one of CIM's, of common use (35, sound) or of a vendor (from 32768).

    Importers refuse or drop what they do not know; VirtualBox stops at it.

    Fix: use a type from CIM_ResourceAllocationSettingData, or 1 with OtherResourceType.
    """
    common = {int(kind) for kind in ResourceType}
    for item in items(package.envelope):
        text = item.said.get("ResourceType", "")
        if text.isascii() and text.isdigit() and len(text) < 10:
            kind = int(text)
            if kind not in cim.RESOURCE_TYPES and kind not in common and kind < 32768:
                yield item.at, f"{item.label} is of an unknown ResourceType ({kind})"


@rule("ITM-005", clause="8.3")
def parents_exist(package: Package) -> Found:
    """An item's Parent is the InstanceID of another item of its section.

    A device whose controller does not exist is dropped by some importers and moved to another
    bus by others, so the guest may not find its disk.

    Fix: name an existing controller's InstanceID, or add the controller.
    """
    for section in hardware_sections(package.envelope):
        known = {item.instance for item in section}
        for item in section:
            parent = item.said.get("Parent")
            if parent is not None and parent not in known:
                yield item.at, f"{item.label} has Parent {summary(parent)}, no item's InstanceID"
            elif parent is not None and parent == item.instance:
                yield item.at, f"{item.label} is its own Parent"


@rule("ITM-006", clause="8.3", severity=Severity.WARNING)
def places_are_taken_once(package: Package) -> Found:
    """Every drive has a place of its own: a Parent, and an AddressOnParent nobody else has.

    Two drives in one place are sorted out differently by every importer.

    Fix: give each drive a Parent and an AddressOnParent of its own.
    """
    for section in hardware_sections(package.envelope):
        seen: dict[object, int | None] = {}
        for item in section:
            if item.said.get("ResourceType") not in DRIVES or item.bound != "normal":
                continue
            parent, place = item.said.get("Parent"), item.said.get("AddressOnParent")
            if parent is None or place is None:
                missing = "Parent" if parent is None else "AddressOnParent"
                yield item.at, f"{item.label} has no {missing}"
                continue
            key = (parent, place, item.configurations)
            if key in seen:
                yield item.at, f"{item.label} has the place of the drive in line {seen[key]}"
            seen.setdefault(key, item.at.line)


@rule("ITM-007", clause="8.3", severity=Severity.WARNING)
def resources_are_spelled(package: Package) -> Found:
    """A HostResource in the package is spelled ovf:/disk/ID or ovf:/file/ID.

    VirtualBox writes /disk/ID, others ovf://disk/ID; not every importer reads them.

    Fix: write ovf:/disk/ and the diskId.
    """
    for item in items(package.envelope):
        resource = item.said.get("HostResource", "")
        if LOOSE.fullmatch(resource) and not EXACT.fullmatch(resource):
            yield item.at, f"{item.label} spells its HostResource {summary(resource)!r}"


@rule("ITM-008", clause="8.3")
def resources_exist(package: Package) -> Found:
    """A HostResource names a Disk of the DiskSection or a File of the References.

    A drive without its disk is imported empty, or not at all.

    Fix: add the Disk, or correct the HostResource.
    """
    envelope = package.envelope
    there = {
        *(("file", file.id) for file in envelope.references),
        *(("disk", disk.id) for disk in envelope.disks),
        *(("disk", envelope.attribute(s, "diskId")) for s in envelope.root.iter("{*}SharedDisk")),
    }
    for item in items(envelope):
        resource = item.said.get("HostResource", "")
        found = LOOSE.fullmatch(resource)
        if found and (found[1], found[2]) not in there:
            yield item.at, f"{item.label} names no Disk or File ({summary(resource)!r})"


@rule("ITM-010", clause="9.2")
def connections_exist(package: Package) -> Found:
    """An adapter's Connection is the name of a Network.

    The importer asks for each Network where to connect it; others it cannot ask for.

    Fix: list the network in the NetworkSection, or correct the Connection.
    """
    networks = {network.name for network in package.envelope.networks}
    for item in items(package.envelope):
        connection = item.said.get("Connection")
        if connection is not None and connection not in networks:
            yield item.at, f"{item.label} connects to no listed Network ({summary(connection)!r})"


@rule("ITM-011", clause="8.3")
def units_are_programmatic(package: Package) -> Found:
    """AllocationUnits is a programmatic unit, as in DSP0004.

    Importers that do not know the word take the number for MiB, or refuse it.

    Fix: write byte * 2^20 for memory, hertz * 10^6 for processors.
    """
    for item in items(package.envelope):
        text = item.said.get("AllocationUnits")
        if text is None:
            continue
        try:
            legacy = units.parse(text).legacy
        except DamagedInputError:
            legacy = True
        if legacy:
            yield item.at, f"{item.label} has a unit that is not DSP0004's ({summary(text)!r})"


@rule("ITM-012", clause="8.3")
def quantities_are_numbers(package: Package) -> Found:
    """VirtualQuantity, Reservation, Limit and Weight are whole numbers.

    Fix: write digits only; the unit goes into AllocationUnits.
    """
    for item in items(package.envelope):
        for name in NUMBERS:
            text = item.said.get(name, "0")
            if not (text.isascii() and text.isdigit()) or int(text[:30]) >= 1 << 64:
                yield item.at, f"{item.label} has a {name} that is no number ({summary(text)!r})"


@rule("BND-001", clause="8.4")
def bounds_are_known(package: Package) -> Found:
    """An ovf:bound is min, normal or max.

    Fix: use one of the three words, or leave the attribute out.
    """
    for item in items(package.envelope):
        if item.bound not in BOUNDS:
            yield item.at, f"{item.label} has an unknown ovf:bound ({summary(item.bound)!r})"
