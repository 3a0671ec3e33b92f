"""Proxmox VE: ``qm importovf``, and OVAs in an import storage.

Spec: pve-storage, src/PVE/GuestImport/OVF.pm (2024-11), which asks an OVF 1.x descriptor a few
questions by XPath and passes over what it cannot use with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType

from ovf.cim import ResourceType
from ovf.importers import hits, reading
from ovf.judging.profile import Hit, Profile, Sure, Target, check
from ovf.outline import WrittenItem, items
from ovf.package import Package
from rehost.report import Severity
from rehost.tracked import summary

READER = "pve-storage, src/PVE/GuestImport/OVF.pm"
RESOURCE = re.compile(r"(?:ovf:)?/[\w.~-]+/([\w.~-]+)", re.ASCII)
FILE_ID = re.compile(r"[\w.~/-]+", re.ASCII)
HREF = re.compile(r"[a-zA-Z0-9.+=_-]+")
NAME = re.compile(r"[^a-zA-Z0-9.-]")
NICS = frozenset(("e1000", "e1000e", "vmxnet3"))
SKIPPED = "invalid host resource {resource}, skipping"
Found = Iterator[Hit]


@check("PVE-001", source=READER, sure=Sure.CODE)
def other_version(package: Package, target: Target) -> Found:
    """The descriptor is OVF 1.x.

    Proxmox looks for everything in that namespace, and finds neither memory nor disks in OVF 2 or
    in a draft.

    Fix: export the machine as OVF 1.0.
    """
    return hits.other_version(package.envelope)


@check(
    "PVE-002",
    source=READER,
    sure=Sure.CODE,
    quote="warning: unable to parse the VM name in this OVF manifest, generating a default value",
)
def collection(package: Package, target: Target) -> Found:
    """The package is one machine.

    Proxmox looks for a VirtualSystem directly in the Envelope, and finds none in a collection.

    Fix: export each machine by itself.
    """
    return hits.collection(package.envelope)


@check(
    "PVE-003",
    severity=Severity.WARNING,
    source=f"{READER} (the quantity as it is)",
    sure=Sure.CODE,
)
def memory_unit(package: Package, target: Target) -> Found:
    """Memory is in MiB.

    Proxmox does not look at rasd:AllocationUnits: 4 with `byte * 2^30` becomes a machine of 4 MiB,
    which does not start.

    Fix: write the quantity in MiB, with `byte * 2^20`.
    """
    return hits.every_memory_in_mebibytes(package.envelope)


def _disk_id(item: WrittenItem) -> str | None:
    found = RESOURCE.fullmatch(item.said.get("HostResource", ""))
    return found[1] if found else None


@check("PVE-004", severity=Severity.WARNING, source=READER, sure=Sure.CODE, quote=SKIPPED)
def host_resource(package: Package, target: Target) -> Found:
    """The HostResource of a disk is /disk/ and an id of letters, digits and ``-._~``.

    The machine is made without a disk that is named otherwise. Older releases want ovf:/disk/.

    Fix: write ovf:/disk/ and a plain diskId.
    """
    for item, name in reading.disk_drives(package.envelope, _disk_id):
        if name is None:
            resource = summary(item.said.get("HostResource", ""))
            yield Hit(item.at, f"{item.label} is left out ({resource!r})", {"resource": resource})


@check("PVE-005", severity=Severity.WARNING, source=READER, sure=Sure.CODE, quote=SKIPPED)
def file_of_disk(package: Package, target: Target) -> Found:
    """Every disk has a file, whose id is of letters, digits and ``-._~/``.

    The machine is made without an empty disk, and without one whose file has another id.

    Fix: add the disk after the import, or write a plain id.
    """
    envelope = package.envelope
    for item, name in reading.disk_drives(envelope, _disk_id):
        disk = None if name is None else envelope.disk(name)
        plain = disk is not None and FILE_ID.fullmatch(disk.file_ref or "")
        if name is not None and not plain:
            said = {"resource": summary(item.said.get("HostResource", ""))}
            yield Hit(item.at, f"{item.label} is left out, for it has no file", said)


@check(
    "PVE-006",
    severity=Severity.WARNING,
    source=READER,
    sure=Sure.CODE,
    quote="invalid or missing controller: , skipping",
)
def parent(package: Package, target: Target) -> Found:
    """Every disk has a Parent, whose InstanceID is that of an item.

    The machine is made without a disk that hangs on nothing.

    Fix: name the controller's InstanceID as the Parent.
    """
    numbered = {(item.element.getparent(), item.instance) for item in items(package.envelope)}
    for item in items(package.envelope):
        name = item.said.get("Parent")
        if item.kind == ResourceType.DISK and (
            name is None or (item.element.getparent(), name) not in numbered
        ):
            yield Hit(item.at, f"{item.label} is left out, for it hangs on no controller")


@check("PVE-007", source=READER, sure=Sure.CODE, quote="referenced path '{path}' is invalid")
def href(package: Package, target: Target) -> Found:
    """The name of a disk's file is of letters, digits and ``-.+=_``, without folders.

    Proxmox refuses the import at a space, a per cent sign or a slash.

    Fix: rename the file, and put it beside the descriptor.
    """
    envelope = package.envelope
    used = {disk.file_ref for disk in envelope.disks}
    for file in envelope.references:
        name = file.href or ""
        if file.id in used and (not HREF.fullmatch(name) or name in {".", ".."}):
            said = {"path": summary(name)}
            yield Hit(file.at, f"name of the file is not allowed ({summary(name)!r})", said)


@check("PVE-008", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def several_quantities(package: Package, target: Target) -> Found:
    """A machine has one item of memory and one of processors, deployment options or not.

    Proxmox joins the digits of all there are: 1024 and 4096 become 10244096 MiB.

    Fix: choose one option, leave its items in and remove the others.
    """
    seen: set[int | None] = set()
    for item in items(package.envelope):
        kind = item.kind
        if kind in {ResourceType.MEMORY, ResourceType.PROCESSOR} and "VirtualQuantity" in item.said:
            if kind in seen:
                yield Hit(item.at, f"{item.label} is joined to the quantity before it")
            seen.add(kind)


@check("PVE-009", severity=Severity.INFO, source=READER, sure=Sure.CODE)
def name(package: Package, target: Target) -> Found:
    """A machine's name is of letters, digits, dots and hyphens.

    Proxmox leaves all else out of it.

    Fix: name it as a host is named.
    """
    envelope = package.envelope
    for system in envelope.systems:
        element = envelope.first(system, "Name")
        text = (element.text or "").strip() if element is not None else ""
        if element is not None and NAME.search(text):
            become = summary(NAME.sub("", text))
            yield Hit(envelope.at(element), f"name becomes {become!r}")


@check("PVE-010", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def adapter(package: Package, target: Target) -> Found:
    """An adapter is an E1000, E1000E or VMXNET3.

    All others become an e1000, for which an old guest may lack the driver; no network is kept.

    Fix: write E1000, E1000E or VmxNet3 into rasd:ResourceSubType, or choose it after the import.
    """
    for item in reading.devices(package.envelope, ResourceType.ETHERNET):
        model = item.said.get("ResourceSubType", "")
        if model.lower() not in NICS:
            yield Hit(item.at, f"{item.label} becomes an e1000 ({summary(model)!r})")


@check("PVE-011", source=READER, sure=Sure.CODE)
def packed_file(package: Package, target: Target) -> Found:
    """No file of a disk is compressed or in chunks.

    Proxmox hands the file as it is to qemu-img, which knows neither.

    Fix: unpack or join the file, and leave ovf:compression and ovf:chunkSize out.
    """
    envelope = package.envelope
    used = {disk.file_ref for disk in envelope.disks}
    for file in envelope.references:
        if file.id in used and (file.compressed or file.chunk_size):
            how = "compressed" if file.compressed else "in chunks"
            yield Hit(file.at, f"file is {how}")


@check("PVE-012", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def properties(package: Package, target: Target) -> Found:
    """The guest does not wait for properties.

    Proxmox does not read them, and the guest gets no OVF environment.

    Fix: configure the guest by cloud-init, or by hand.
    """
    return hits.properties(package.envelope)


PROFILE = Profile(
    name="proxmox",
    title="Proxmox VE",
    aliases=("pve", "proxmox-ve"),
    checks=(
        other_version,
        collection,
        memory_unit,
        host_resource,
        file_of_disk,
        parent,
        href,
        several_quantities,
        name,
        adapter,
        packed_file,
        properties,
    ),
    enforces=MappingProxyType(
        dict.fromkeys(("DSK-005", "REF-002", "REF-004", "PKG-021"), Severity.ERROR)
    ),
    source=f"{Sure.CODE.value}: {READER}",
)
