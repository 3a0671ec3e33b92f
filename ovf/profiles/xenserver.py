"""XenServer and XCP-ng, by XenCenter and XCP-ng Center: the two share one importer.

Spec: xenadmin, XenOvfApi/Validation.cs (what it warns of and refuses) and
XenModel/Actions/OvfActions/Import.cs (what it makes of it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, permutations
from types import MappingProxyType

from ovf import hits, importing
from ovf.cim import ResourceType
from ovf.outline import items
from ovf.package import Package, name_of
from ovf.profile import Hit, Profile, Sure, Target, check
from rehost.report import Severity
from rehost.tracked import summary

VALIDATION = "xenadmin, XenOvfApi/Validation.cs"
IMPORT = "xenadmin, XenModel/Actions/OvfActions/Import.cs"
UNIT = re.compile(r"\s*byte\s*\*\s*[0-9]+\s*\^\s*[0-9]+\s*")
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
    """The unit of memory is ``byte * a^b``, or the quantity is in MiB.

    Every other unit is taken for MiB: 4 with `GigaBytes` becomes a machine of 4 MiB.

    Fix: write the quantity in MiB, with `byte * 2^20`.
    """
    for unit, hit in hits.memory_in_mebibytes(package.envelope):
        if not UNIT.fullmatch(unit):
            yield hit


@check("XEN-003", severity=Severity.WARNING, source=VALIDATION, sure=Sure.CODE)
def ids_hold_each_other(package: Package, target: Target) -> Found:
    """No diskId is part of another.

    It looks for the first Disk whose id is anywhere in the HostResource: a drive of disk 10 gets
    disk 1, if that comes first.

    Fix: number the disks with as many digits each, as disk01 and disk10.
    """
    disks = [disk for disk in package.envelope.disks if disk.id]
    for one, other in islice(permutations(disks, 2), MOST_PAIRS):
        if one.id and other.id and one.id != other.id and one.id in other.id:
            said = f"diskId {summary(other.id)!r} is taken for {summary(one.id)!r}"
            yield Hit(other.at, said)


@check("XEN-004", source=VALIDATION, sure=Sure.CODE)
def disks_are_listed(package: Package, target: Target) -> Found:
    """There is a DiskSection if a machine has a disk drive, and a NetworkSection if an adapter.

    It goes through the list without asking whether there is one, and fails.

    Fix: add the section.
    """
    envelope = package.envelope
    needed = {ResourceType.DISK: "DiskSection", ResourceType.ETHERNET: "NetworkSection"}
    for item in items(envelope):
        name = (
            needed.get(ResourceType(kind)) if (kind := importing.kind_of(item)) in needed else None
        )
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
    if next(importing.devices(envelope, ResourceType.ETHERNET), None) is None:
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
    envelope = package.envelope
    for item in items(envelope):
        kind = importing.kind_of(item)
        if kind and kind not in CAPABLE and not importing.optional(item.element, envelope):
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

    Fix: leave the items of one option in, and remove the others.
    """
    return hits.options(package.envelope)


@check("XEN-010", severity=Severity.WARNING, source=IMPORT, sure=Sure.CODE)
def properties(package: Package, target: Target) -> Found:
    """The guest does not wait for properties.

    Nothing is asked for, and the guest gets no OVF environment.

    Fix: configure the guest by hand.
    """
    return hits.properties(package.envelope)


PROFILE = Profile(
    name="xenserver",
    title="XenServer and XCP-ng, by XenCenter and XCP-ng Center",
    aliases=("xcp-ng", "xencenter", "xcp-ng-center"),
    checks=(
        other_version,
        memory_unit,
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
