"""virt-v2v with ``-i ova``, which asks an OVF 1.x descriptor a few questions by XPath.

oVirt and Forklift convert with it, so that its checks are theirs, too.

Spec: virt-v2v, input/OVF.ml, input/OVA.ml and input/input_ova.ml (2025), and its manual
virt-v2v-input-vmware(1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ovf.cim import ResourceType
from ovf.importers import hits, reading
from ovf.judging.profile import Hit, Sure, Target, check
from ovf.judging.rule import Needs
from ovf.manifest import read_manifest
from ovf.outline import items
from ovf.package import Package
from rehost.errors import DamagedInputError
from rehost.report import Severity
from rehost.tracked import local_name, summary

READER = "virt-v2v, input/OVF.ml"
ARCHIVE = "virt-v2v, input/OVA.ml"
DIGITS = re.compile(r"[0-9]+")
Found = Iterator[Hit]


@check(
    "V2V-001",
    source=f"{READER}; github.com/libguestfs/virt-v2v/issues/18",
    sure=Sure.CODE,
    quote="source has no hard disks!",
)
def other_version(package: Package, target: Target) -> Found:
    """The descriptor is OVF 1.x.

    virt-v2v looks for everything in that namespace. In OVF 2 or a draft it finds no name, no memory
    and no disk, and stops for there is nothing to convert.

    Fix: export the machine as OVF 1.0.
    """
    return hits.other_version(package.envelope)


@check("V2V-002", source=READER, sure=Sure.CODE, quote="source has no hard disks!")
def collection(package: Package, target: Target) -> Found:
    """The package is one machine.

    virt-v2v looks for a VirtualSystem directly in the Envelope, and finds none in a collection.

    Fix: export each machine by itself.
    """
    return hits.collection(package.envelope)


@check(
    "V2V-003",
    severity=Severity.WARNING,
    source=f"{READER} (the quantity times 1024 * 1024)",
    sure=Sure.CODE,
)
def memory_unit(package: Package, target: Target) -> Found:
    """Memory is in MiB.

    virt-v2v does not look at rasd:AllocationUnits: 4 with `byte * 2^30` becomes a machine of 4 MiB,
    which does not start.

    Fix: write the quantity in MiB, with `byte * 2^20`.
    """
    return hits.every_memory_in_mebibytes(package.envelope)


@check(
    "V2V-004",
    source=READER,
    sure=Sure.CODE,
    quote="could not parse disk rasd:HostResource from OVF document",
)
def host_resource(package: Package, target: Target) -> Found:
    """The HostResource of a disk begins with ovf:/disk/ or /disk/.

    virt-v2v stops at ovf:/file/, at ovf://disk/, at a drive of the host and at a disk without any.

    Fix: write ovf:/disk/ and the diskId.
    """
    return hits.unreadable_drives(package.envelope)


@check("V2V-005", source=READER, sure=Sure.CODE, quote="error parsing disk fileRef")
def empty_disk(package: Package, target: Target) -> Found:
    """Every disk of the machine has a file.

    virt-v2v stops at an empty disk, which is to be made new, as at a disk the DiskSection lacks.

    Fix: remove the empty disk's Item, and add the disk after the conversion.
    """
    return hits.drives_without_file(package.envelope)


@check("V2V-006", source=READER, sure=Sure.CODE, quote="no href in ovf:File (id={id})")
def file_is_missing(package: Package, target: Target) -> Found:
    """The fileRef of a Disk is the id of a File with an href.

    Fix: add the File, or correct the fileRef.
    """
    envelope = package.envelope
    for disk in envelope.disks:
        file = envelope.reference(disk.file_ref) if disk.file_ref else None
        if disk.file_ref and (file is None or not file.href):
            name = summary(disk.file_ref)
            yield Hit(disk.at, f"no File with an href has the id {name!r}", {"id": name})


@check(
    "V2V-007", source=READER, sure=Sure.CODE, quote="unsupported compression in OVF: {compression}"
)
def compression(package: Package, target: Target) -> Found:
    """ovf:compression is gzip or identity.

    Fix: pack the file with gzip, or leave it as it is.
    """
    for file in package.envelope.references:
        if file.compressed and file.compression != "gzip":
            said = summary(file.compression)
            yield Hit(file.at, f"file is compressed by {said!r}", {"compression": said})


@check(
    "V2V-008",
    source=READER,
    sure=Sure.CODE,
    quote='unknown Config:firmware value {value} (expected "bios" or "efi")',
)
def firmware(package: Package, target: Target) -> Found:
    """VMware's setting firmware is bios or efi, in lower case.

    Fix: write efi or bios.
    """
    envelope = package.envelope
    for entry, value in reading.firmware(envelope):
        if value not in {"efi", "bios"}:
            said = {"value": summary(value)}
            yield Hit(envelope.at(entry), f"firmware is unknown ({summary(value)!r})", said)


@check(
    "V2V-009",
    severity=Severity.INFO,
    source=ARCHIVE,
    sure=Sure.CODE,
    needs=Needs.FILES,
    quote="unable to parse line from manifest file: {line}",
)
def unread_digest(package: Package, target: Target) -> Found:
    """Digests are SHA1 or SHA256, spelled exactly.

    virt-v2v passes over other lines with a warning: damage to their files is not noticed.

    Fix: write the manifest with SHA256.
    """
    try:
        manifest = read_manifest(package)
    except DamagedInputError:
        return
    for entry in manifest.entries if manifest else ():
        if entry.algorithm not in {"SHA1", "SHA256"}:
            line = f"{entry.algorithm}({summary(entry.name)})"
            yield Hit(entry.at, f"digest is not looked at ({entry.algorithm})", {"line": line})


@check(
    "V2V-010",
    severity=Severity.WARNING,
    source=READER,
    sure=Sure.CODE,
    quote="ova disk has no parent controller, please report this as a bug supplying the *.ovf file"
    " extracted from the ova",
)
def parent(package: Package, target: Target) -> Found:
    """A disk's Parent is the InstanceID, spelled so and in digits, of an IDE, SCSI or SATA chip.

    Otherwise virt-v2v does not know its bus. It does not look for the older spelling InstanceId.

    Fix: number the controller by rasd:InstanceID, and name that number as Parent.
    """
    kinds: dict[tuple[object, str], int | None] = {}
    for item in items(package.envelope):
        spelled = {local_name(str(child.tag)) for child in item.element}
        if item.instance and DIGITS.fullmatch(item.instance) and "InstanceID" in spelled:
            key = (item.element.getparent(), item.instance)
            kinds.setdefault(key, item.kind)
    for item in reading.devices(package.envelope, ResourceType.DISK):
        name = item.said.get("Parent")
        kind = kinds.get((item.element.getparent(), name or ""))
        if name is not None and kind not in reading.CONTROLLERS:
            yield Hit(item.at, f"bus of {item.label} is not known (Parent {summary(name)!r})")


@check("V2V-011", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def deployment_options(package: Package, target: Target) -> Found:
    """No item depends on a deployment option, and none is a range.

    virt-v2v takes the first processors and the first memory there are, and the disks and adapters
    of all options.

    Fix: choose one option, leave its items in and remove the others.
    """
    return hits.options(package.envelope)


@check("V2V-012", source="virt-v2v, input/input_ova.ml (find_file_or_snapshot)", sure=Sure.CODE)
def chunks(package: Package, target: Target) -> Found:
    """No file is in chunks.

    virt-v2v takes files that end in a number for snapshots, and the last chunk for the disk.

    Fix: join the chunks and leave ovf:chunkSize out.
    """
    return hits.chunks(package.envelope)


@check("V2V-013", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def properties(package: Package, target: Target) -> Found:
    """The guest does not wait for properties.

    virt-v2v does not read them, and no OVF environment reaches the converted guest.

    Fix: configure the guest after the conversion.
    """
    return hits.properties(package.envelope)


CONVERTING = (
    other_version,
    collection,
    host_resource,
    empty_disk,
    file_is_missing,
    compression,
    firmware,
    unread_digest,
    parent,
    deployment_options,
    chunks,
    properties,
)
"""What stops or changes a conversion, whoever starts virt-v2v; only memory is left out."""
