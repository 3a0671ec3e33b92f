"""VirtualBox's checks of disks, files and archives, and of what is said of the guest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ovf.cim import ResourceType
from ovf.importers import hits, reading
from ovf.importers.virtualbox.source import IMPORT, READER, TAR, line_of
from ovf.judging.profile import Hit, Sure, Target, check
from ovf.judging.rule import Needs
from ovf.outline import items
from ovf.package import Package
from rehost.report import Severity
from rehost.tracked import summary

PREFIXES = ("ovf://disk/", "ovf:/disk/", "/disk/")
FORMATS = re.compile(
    r"http://www\.vmware\.com/(interfaces/)?specifications/vmdk\.html(#\w+)?"
    r"|http://go\.microsoft\.com/fwlink/\?LinkId=137171"
    r"|http://www\.ecma-international\.org/publications/standards/Ecma-119\.htm",
    re.IGNORECASE,
)
Found = Iterator[Hit]


@check(
    "VBX-005",
    quote='Disk item with instance ID "{instance}" specifies invalid host resource "{resource}",'
    " line {line}",
    source=READER,
    sure=Sure.CODE,
)
def disk_is_missing(package: Package, target: Target) -> Found:
    """A disk drive names a Disk of the DiskSection, by ovf:/disk/, ovf://disk/ or /disk/.

    A disk straight from a File, or a drive of the host, is refused.

    Fix: write ovf:/disk/ and the diskId of a Disk.
    """
    envelope = package.envelope
    for item in items(envelope):
        if item.kind != ResourceType.DISK:
            continue
        name = reading.disk_of(item, PREFIXES)
        if name is None or envelope.disk(name) is None:
            resource = summary(item.said.get("HostResource", ""))
            said = {
                "instance": summary(item.instance or ""),
                "resource": resource,
                **line_of(item.at),
            }
            yield Hit(item.at, f"{item.label} names no Disk ({resource!r})", said)


@check(
    "VBX-007",
    quote="missing or invalid attribute '{attribute}' in 'DiskSection' element, line {line}",
    source=READER,
    sure=Sure.CODE,
)
def disk_attributes(package: Package, target: Target) -> Found:
    """Every Disk has a diskId, a format and a capacity in digits, empty disks too.

    A capacity that is a property, as ${disk}, is no number to VirtualBox.

    Fix: write all three; the capacity in bytes.
    """
    for disk in package.envelope.disks:
        capacity = (disk.capacity or "").strip()
        said = {
            "diskId": bool(disk.id),
            "format": bool(disk.format),
            "capacity": capacity.isascii() and capacity.isdigit(),
        }
        missing = next((name for name, there in said.items() if not there), None)
        if missing:
            words = {"attribute": missing, **line_of(disk.at)}
            yield Hit(disk.at, f"Disk has no {missing} it can read", words)


@check(
    "VBX-008",
    quote="cannot find References/File element for ID \"{id}\" referenced by 'Disk' element,"
    " line {line}",
    source=READER,
    sure=Sure.CODE,
)
def file_is_missing(package: Package, target: Target) -> Found:
    """The fileRef of a Disk is the id of a File.

    Fix: add the File, or correct the fileRef.
    """
    for disk in package.envelope.disks:
        if disk.file_ref is not None and package.envelope.reference(disk.file_ref) is None:
            name = summary(disk.file_ref)
            yield Hit(disk.at, f"no File has the id {name!r}", {"id": name, **line_of(disk.at)})


@check("VBX-015", source=IMPORT, sure=Sure.CODE)
def disk_format(package: Package, target: Target) -> Found:
    """The format of a disk with a file is a VMDK's, VHD's or ISO image's.

    Others are not known as formats of disks.

    Fix: convert the disk with `rehost disk convert` to a stream-optimized VMDK.
    """
    for disk in package.envelope.disks:
        form = (disk.format or "").strip()
        if disk.file_ref and form and not FORMATS.fullmatch(form):
            yield Hit(disk.at, f"disk is of a format it does not know ({summary(form)!r})")


@check("VBX-016", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def empty_disk_units(package: Package, target: Target) -> Found:
    """The capacity of an empty disk is in bytes.

    VirtualBox passes over capacityAllocationUnits: an empty disk of 20 GiB becomes one of 20 bytes.

    Fix: write the capacity in bytes, without a unit.
    """
    for disk in package.envelope.disks:
        if not disk.file_ref and disk.units and disk.units.strip() != "byte":
            message = f"empty disk becomes one of {summary(disk.capacity or '')} bytes"
            yield Hit(disk.at, message)


@check("VBX-012", source=f"{READER} (chunkSize is not implemented)", sure=Sure.CODE)
def chunks(package: Package, target: Target) -> Found:
    """No file is in chunks.

    VirtualBox passes over ovf:chunkSize and looks for one file of the whole name.

    Fix: join the chunks and leave ovf:chunkSize out.
    """
    return hits.chunks(package.envelope)


@check(
    "VBX-009",
    quote="missing or invalid 'ovf:id' attribute in operating system section element, line {line}",
    source=READER,
    sure=Sure.CODE,
)
def system_id(package: Package, target: Target) -> Found:
    """An OperatingSystemSection has an ovf:id of digits.

    VMware writes negative numbers for systems CIM does not have; VirtualBox refuses them.

    Fix: write the system's number in CIM, or 1 (other).
    """
    envelope = package.envelope
    for system in envelope.systems:
        for section in envelope.children(system, "OperatingSystemSection"):
            number = (envelope.attribute(section, "id") or "").strip()
            if not (number.isascii() and number.isdigit()):
                at = envelope.at(section)
                message = f"operating system has no number ({summary(number)!r})"
                yield Hit(at, message, line_of(at))


@check("VBX-014", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def properties(package: Package, target: Target) -> Found:
    """The guest does not wait for properties.

    VirtualBox asks for none and gives none to the guest; an appliance that configures itself by
    them starts without an address or a password.

    Fix: configure the guest by hand, or by another way it knows.
    """
    return hits.properties(package.envelope)


@check(
    "VBX-019", quote="VERR_TAR_UNSUPPORTED_PAX_TYPE", source=TAR, sure=Sure.CODE, needs=Needs.FILES
)
def pax_headers(package: Package, target: Target) -> Found:
    """No member of an archive has a PAX header.

    VirtualBox reads USTAR and what GNU tar writes, and gives up at such a header. Python's tarfile
    adds one for a name that is not ASCII and for a time with fractions of a second.

    Fix: pack it again with `tar --format=ustar`.
    """
    return hits.pax_headers(package)
