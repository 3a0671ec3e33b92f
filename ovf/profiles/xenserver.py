"""XenServer and XCP-ng, by XenCenter and XCP-ng Center: the two share one importer.

Spec: xenadmin, XenOvfApi/Validation.cs (what it warns of and refuses) and
XenModel/Actions/OvfActions/Import.cs (what it makes of it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, islice
from types import MappingProxyType

from ovf.cim import ResourceType
from ovf.importers import hits, reading
from ovf.judging.profile import Hit, Profile, Sure, Target, check
from ovf.outline import items
from ovf.package import Package, name_of
from rehost.report import Severity
from rehost.tracked import summary

VALIDATION = "xenadmin, XenOvfApi/Validation.cs"
IMPORT = "xenadmin, XenModel/Actions/OvfActions/Import.cs"
POWER = re.compile(r"byte(s?)\s*\*\s*[0-9]+\s*\^\s*[0-9]+\s*", re.IGNORECASE)
NULL = "Object reference not set to an instance of an object."
SUFFIXES = (
    *(".vhd", ".pvp", ".vmdk", ".mf", ".cert", ".xva", ".ovf", ".wim", ".vdi", ".sdi", ".iso"),
    ".gz",
)
CAPABLE = frozenset((3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 19, 20, 21))
MOST_PAIRS = 1000
Found = Iterator[Hit]


@check("XEN-001", source=VALIDATION, sure=Sure.CODE)
def other_version(package: Package, target: Target) -> Found:
    """The descriptor is OVF 1.x.

    Its classes are made from the schema of OVF 1.0; OVF 2 and the drafts are no such document.

    Fix: export the machine as OVF 1.0.
    """
    return hits.other_version(package.envelope)


@check("XEN-002", severity=Severity.WARNING, source=IMPORT, sure=Sure.CODE)
def memory_unit(package: Package, target: Target) -> Found:
    """Memory is in MiB, or its unit is ``bytes * a^b``.

    Every other unit is taken for MiB: 4 with `GigaBytes` becomes a machine of 4 MiB. The newest
    XenCenter also reads `byte * 2^30`, as the standard writes it; older ones and XCP-ng Center
    know only `bytes`.

    Fix: write the quantity in MiB, with `byte * 2^20`.
    """
    for unit, hit in hits.memory_in_mebibytes(package.envelope):
        power = POWER.fullmatch(unit)
        if power is None:
            yield hit
        elif not power[1]:
            yield replace(hit, message=f"{hit.message} where only 'bytes' is known")


@check("XEN-011", source=IMPORT, sure=Sure.CODE, quote=NULL)
def amounts_are_complete(package: Package, target: Target) -> Found:
    """Memory and processors have a VirtualQuantity, and memory has AllocationUnits.

    It reads them without asking whether they are there, and fails.

    Fix: write the element; the unit of memory is `byte * 2^20`.
    """
    for item in items(package.envelope):
        kind = item.kind
        if kind not in {ResourceType.PROCESSOR, ResourceType.MEMORY}:
            continue
        if "VirtualQuantity" not in item.said:
            yield Hit(item.at, f"{item.label} has no VirtualQuantity")
        if kind == ResourceType.MEMORY and "AllocationUnits" not in item.said:
            yield Hit(item.at, f"{item.label} has no AllocationUnits")


@check("XEN-012", severity=Severity.WARNING, source=IMPORT, sure=Sure.CODE)
def amounts_add_up(package: Package, target: Target) -> Found:
    """A machine has one item of memory and one of processors.

    The quantities of several are added, those of alternatives too.

    Fix: choose one, and remove the others.
    """
    seen: set[tuple[object, int]] = set()
    for item in items(package.envelope):
        kind = item.kind
        if kind in {ResourceType.PROCESSOR, ResourceType.MEMORY}:
            key = (item.element.getparent(), kind)
            if key in seen:
                yield Hit(item.at, f"{item.label} is added to the one before")
            seen.add(key)


@check("XEN-003", severity=Severity.WARNING, source=VALIDATION, sure=Sure.CODE)
def ids_hold_each_other(package: Package, target: Target) -> Found:
    """No diskId is part of another, or of the words ``/disk/`` before it.

    It looks for the first Disk whose id is anywhere in the HostResource: a drive of disk 10 gets
    disk 1, if that comes first, and every drive one that is called d. Of more than 45 disks
    not every two are compared.

    Fix: number the disks with as many digits each, as disk01 and disk10.
    """
    disks = [disk for disk in package.envelope.disks if disk.id]
    for one, other in islice(combinations(disks, 2), MOST_PAIRS):
        if one.id and other.id and one.id != other.id and one.id in f"/disk/{other.id}":
            said = f"diskId {summary(other.id)!r} is taken for {summary(one.id)!r}"
            yield Hit(other.at, said)


@check("XEN-004", source=VALIDATION, sure=Sure.CODE)
def disks_are_listed(package: Package, target: Target) -> Found:
    """There is a DiskSection if a machine has a disk drive, and a NetworkSection if an adapter.

    It goes through the list without asking whether there is one, and fails.

    Fix: add the section.
    """
    envelope = package.envelope
    needed: dict[int | None, str] = {
        ResourceType.DISK: "DiskSection",
        ResourceType.ETHERNET: "NetworkSection",
    }
    for item in items(envelope):
        name = needed.get(item.kind)
        if name and not envelope.sections(name):
            yield Hit(item.at, f"{item.label} needs a {name}")
            return


@check("XEN-005", source=f"{VALIDATION}; github.com/xcp-ng/xenadmin/issues/107", sure=Sure.CODE)
def networks_are_described(package: Package, target: Target) -> Found:
    """Every Network has a Description, unless it is the only one.

    While it looks for an adapter's network it reads the Description of all others, and fails where
    there is none.

    Fix: add <Description> to each Network.
    """
    envelope = package.envelope
    if next(reading.devices(envelope, ResourceType.ETHERNET), None) is None:
        return
    listed = [
        network
        for section in envelope.sections("NetworkSection")
        for network in envelope.children(section, "Network")
    ]
    for network in listed if len(listed) > 1 else ():
        if envelope.first(network, "Description") is None:
            yield Hit(envelope.at(network), "Network has no Description")


@check("XEN-006", severity=Severity.WARNING, source=VALIDATION, sure=Sure.CODE)
def required_device(package: Package, target: Target) -> Found:
    """Every device that is required is of a type Xen has.

    It warns of others, such as floppy drives, USB and sound, and makes the machine without them.

    Fix: write ovf:required="false" on the Item, or remove it.
    """
    for item, kind in reading.required_besides(CAPABLE, package.envelope):
        if kind:
            yield Hit(item.at, f"{item.label} is left out ({kind})")


@check("XEN-007", severity=Severity.WARNING, source=VALIDATION, sure=Sure.CODE)
def suffix(package: Package, target: Target) -> Found:
    """Files end in .vhd, .vmdk, .vdi, .iso, .xva, .wim or .gz.

    It warns of others, and knows no way to read them.

    Fix: convert the disk to a VHD or a stream-optimized VMDK.
    """
    for file in package.envelope.references:
        if file.href and not name_of(file).lower().endswith(SUFFIXES):
            yield Hit(file.at, f"file is of a kind it does not know ({summary(file.href)!r})")


@check("XEN-008", source=IMPORT, sure=Sure.CODE)
def chunks(package: Package, target: Target) -> Found:
    """No file is in chunks.

    It looks for one file of the whole name.

    Fix: join the chunks and leave ovf:chunkSize out.
    """
    return hits.chunks(package.envelope)


@check("XEN-009", severity=Severity.WARNING, source=IMPORT, sure=Sure.CODE)
def deployment_options(package: Package, target: Target) -> Found:
    """No item depends on a deployment option, and none is a range.

    Items are taken as they come, whatever ovf:configuration and ovf:bound say.

    Fix: choose one option, leave its items in and remove the others.
    """
    return hits.options(package.envelope)


@check("XEN-010", severity=Severity.WARNING, source=IMPORT, sure=Sure.CODE)
def properties(package: Package, target: Target) -> Found:
    """The guest does not wait for properties.

    Nothing is asked for, and the guest gets no OVF environment.

    Fix: configure the guest by hand.
    """
    return hits.properties(package.envelope)


@check("XEN-013", severity=Severity.WARNING, source=IMPORT, sure=Sure.CODE)
def several_drives_of_cds(package: Package, target: Target) -> Found:
    """A machine has one CD or DVD drive.

    Every other one is left out, with what lies in it.

    Fix: remove the others, and insert what lies in them by hand.
    """
    seen = set()
    for item in reading.devices(package.envelope, ResourceType.CD, ResourceType.DVD):
        machine = item.element.getparent()
        if machine in seen:
            yield Hit(item.at, f"{item.label} is left out")
        seen.add(machine)


@check("XEN-014", severity=Severity.WARNING, source=IMPORT, sure=Sure.CODE)
def empty_disk(package: Package, target: Target) -> Found:
    """A disk drive has a Disk with a File.

    An empty disk, which is to be made new, is left out.

    Fix: add the disk after the import.
    """
    empty = {disk.id for disk in package.envelope.disks if not disk.file_ref}
    for item in reading.devices(package.envelope, ResourceType.DISK):
        if reading.disk_by_id(item) in empty:
            yield Hit(item.at, f"{item.label} is left out, for its disk is empty")


@check("XEN-015", severity=Severity.WARNING, source=IMPORT, sure=Sure.CODE)
def caption(package: Package, target: Target) -> Found:
    """The Caption of a disk drive has none of COM, FLOPPY and ISO in it.

    Anywhere in it and in any case, as in `Common data`: the disk is taken for another device, and
    left out without a word.

    Fix: write another Caption, or none.
    """
    for item in reading.devices(package.envelope, ResourceType.DISK):
        words = item.said.get("Caption", "").upper()
        found = next((word for word in ("COM", "FLOPPY", "ISO") if word in words), None)
        if found:
            yield Hit(item.at, f"{item.label} is left out, for its Caption has {found} in it")


@check("XEN-016", severity=Severity.WARNING, source=IMPORT, sure=Sure.CODE)
def firmware(package: Package, target: Target) -> Found:
    """The guest starts by BIOS, unless the package was written by XenCenter.

    Other tools' words for UEFI are not read: the machine starts by BIOS and finds no system.

    Fix: set the firmware after the import: `xe vm-param-set HVM-boot-params:firmware=uefi`.
    """
    envelope = package.envelope
    for entry, value in reading.firmware(envelope):
        if value == "efi":
            yield Hit(envelope.at(entry), "machine starts by BIOS, though it needs UEFI")


PROFILE = Profile(
    name="xenserver",
    title="XenServer and XCP-ng, by XenCenter and XCP-ng Center",
    aliases=("xcp-ng", "xencenter", "xcp-ng-center"),
    checks=(
        other_version,
        memory_unit,
        amounts_are_complete,
        amounts_add_up,
        several_drives_of_cds,
        empty_disk,
        caption,
        firmware,
        ids_hold_each_other,
        disks_are_listed,
        networks_are_described,
        required_device,
        suffix,
        chunks,
        deployment_options,
        properties,
    ),
    enforces=MappingProxyType(
        dict.fromkeys(("REF-004", "MAN-004", "CRT-003", "ENV-006"), Severity.ERROR)
    ),
    source=f"{Sure.CODE.value}: {VALIDATION}",
)
