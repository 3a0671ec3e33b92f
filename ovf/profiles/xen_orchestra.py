"""Xen Orchestra, which reads an .ova in the browser by the names of elements alone.

Spec: xen-orchestra, packages/xo-vmdk-to-vhd/src/ova-read.js. Namespaces are stripped, several
elements of a name become a list, and what is not there stops it with JavaScript's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from types import MappingProxyType

from ovf import units
from ovf.cim import ResourceType
from ovf.envelope import Envelope
from ovf.importers import hits, reading
from ovf.judging.profile import Hit, Profile, Sure, Target, check
from ovf.outline import items
from ovf.package import Package
from rehost.errors import DamagedInputError
from rehost.report import Location, Severity
from rehost.tracked import summary

READER = "xen-orchestra, packages/xo-vmdk-to-vhd/src/ova-read.js"
POWER = re.compile(r"\^([0-9]{1,3})$")
LETTERS = {"k": 10, "m": 20, "g": 30, "t": 40}
UNDEFINED = "Cannot read properties of undefined (reading '{name}')"
Found = Iterator[Hit]


@check("XOA-001", source=READER, sure=Sure.CODE, quote=UNDEFINED)
def sections_are_there(package: Package, target: Target) -> Found:
    """The Envelope has References, a DiskSection and one VirtualSystem of its own.

    A collection, a draft whose sections are all called Section, or a machine without disks stops
    the import.

    Fix: export a single machine with its disks as OVF 1.0.
    """
    envelope = package.envelope
    at = envelope.at(envelope.root)
    needed = {
        "DiskSection": "Disk",
        "References": "File",
        "VirtualSystem": "VirtualHardwareSection",
    }
    for name, inside in needed.items():
        if envelope.first(envelope.root, name) is None or envelope.dialect:
            yield Hit(at, f"there is no {name} directly in the Envelope", {"name": inside})
            return


@check("XOA-002", source=READER, sure=Sure.CODE, quote=UNDEFINED)
def one_hardware(package: Package, target: Target) -> Found:
    """A machine has one VirtualHardwareSection, with a System in it.

    Of several it reads none; from System it takes the machine's name, VirtualSystemIdentifier.

    Fix: choose one section and remove the others; its System has a vssd:VirtualSystemIdentifier.
    """
    envelope = package.envelope
    for system in envelope.children(envelope.root, "VirtualSystem"):
        sections = list(envelope.children(system, "VirtualHardwareSection"))
        inside = envelope.first(sections[0], "System") if len(sections) == 1 else None
        if inside is None:
            said = {"name": "VirtualSystemIdentifier" if sections else "System"}
            message = f"machine has {len(sections)} hardware sections"
            if len(sections) == 1:
                message = "hardware section has no System"
            yield Hit(envelope.at(system), message, said)


def _read_as(unit: str) -> int | None:
    """Return the factor it takes a unit for: a power of two, or by the first letter."""
    if found := POWER.search(unit):
        return 1 << int(found[1])
    power = LETTERS.get(unit[:1].lower())
    return None if power is None else 1 << power


def _misread(unit: str) -> str | None:
    """Return what becomes of one of a unit that it misreads."""
    taken = _read_as(unit)
    if taken is None:
        return "no number"
    try:
        meant = units.parse(unit).multiplier
    except DamagedInputError:
        return None
    return None if meant == Fraction(taken) else f"{taken} bytes"


def _units(envelope: Envelope) -> Iterator[tuple[Location, str, str]]:
    for item in reading.devices(envelope, ResourceType.MEMORY):
        if unit := item.said.get("AllocationUnits"):
            yield item.at, item.label, unit
    for disk in envelope.disks:
        if disk.units:
            yield disk.at, f"capacity of Disk {summary(disk.id or '')!r}", disk.units


@check("XOA-003", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def unit_is_misread(package: Package, target: Target) -> Found:
    """Units of memory and capacity are powers of two, or words like MegaBytes.

    Xen Orchestra takes every ``^n`` for 2^n, so `byte * 10^9` is 512 bytes, and of other units the
    first letter, so `byte` is no number at all.

    Fix: write `byte * 2^20`; leave capacityAllocationUnits out for bytes.
    """
    for at, what, unit in _units(package.envelope):
        become = _misread(unit)
        if become:
            yield Hit(at, f"{what}: {summary(unit)!r} is read as {become}")


@check("XOA-004", source=READER, sure=Sure.CODE, quote=UNDEFINED)
def memory_has_a_unit(package: Package, target: Target) -> Found:
    """Memory has AllocationUnits.

    Fix: write `byte * 2^20`.
    """
    for item in items(package.envelope):
        if item.kind == ResourceType.MEMORY and "AllocationUnits" not in item.said:
            yield Hit(item.at, f"{item.label} has no AllocationUnits", {"name": "match"})


@check("XOA-005", source=READER, sure=Sure.CODE, quote=UNDEFINED)
def disk_has_a_resource(package: Package, target: Target) -> Found:
    """A disk drive has a HostResource.

    Fix: write ovf:/disk/ and the diskId, or remove the drive.
    """
    for item in items(package.envelope):
        if item.kind == ResourceType.DISK and "HostResource" not in item.said:
            yield Hit(item.at, f"{item.label} has no HostResource", {"name": "match"})


@check(
    "XOA-006",
    severity=Severity.WARNING,
    source=READER,
    sure=Sure.CODE,
    quote="No disk found: '{disk}'.",
)
def disk_is_found(package: Package, target: Target) -> Found:
    """A disk drive's HostResource is ovf:/disk/ or /disk/ and the id of a Disk.

    The machine is made without another disk.

    Fix: write ovf:/disk/ and the diskId.
    """
    envelope = package.envelope
    for item in items(envelope):
        resource = item.said.get("HostResource")
        if item.kind != ResourceType.DISK or resource is None:
            continue
        name = reading.disk_by_id(item)
        if name is None or envelope.disk(name) is None:
            said = {"disk": "null" if name is None else summary(f"{resource},{name}")}
            yield Hit(item.at, f"{item.label} is left out ({summary(resource)!r})", said)


@check("XOA-007", source=READER, sure=Sure.CODE)
def file_is_a_vmdk(package: Package, target: Target) -> Found:
    """The file of every disk is named .vmdk or .vmdk.gz.

    It reads the tables of no other disk, and has nothing to write then; chunks end otherwise, too.

    Fix: convert the disk to a stream-optimized VMDK, in one file named .vmdk.
    """
    envelope = package.envelope
    used = {disk.file_ref for disk in envelope.disks if disk.file_ref}
    for file in envelope.references:
        name = (file.href or "").lower()
        if file.id in used and (file.chunk_size or not name.endswith((".vmdk", ".vmdk.gz"))):
            yield Hit(file.at, f"file of a disk is not read ({summary(file.href or '')!r})")


@check("XOA-008", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def deployment_options(package: Package, target: Target) -> Found:
    """No item depends on a deployment option, and none is a range.

    The last quantity of processors and of memory counts; all adapters are made.

    Fix: choose one option, leave its items in and remove the others.
    """
    return hits.options(package.envelope)


@check("XOA-009", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def adapter_is_enabled(package: Package, target: Target) -> Found:
    """An adapter has AutomaticAllocation.

    Without it the adapter is not made; with false it is.

    Fix: write <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>.
    """
    for item in reading.devices(package.envelope, ResourceType.ETHERNET):
        if "AutomaticAllocation" not in item.said:
            yield Hit(item.at, f"{item.label} is left out")


PROFILE = Profile(
    name="xen-orchestra",
    title="Xen Orchestra",
    aliases=("xo", "xoa"),
    checks=(
        sections_are_there,
        one_hardware,
        unit_is_misread,
        memory_has_a_unit,
        disk_has_a_resource,
        disk_is_found,
        file_is_a_vmdk,
        deployment_options,
        adapter_is_enabled,
    ),
    enforces=MappingProxyType({"REF-004": Severity.ERROR, "PKG-021": Severity.ERROR}),
    source=f"{Sure.CODE.value}: {READER}",
)
