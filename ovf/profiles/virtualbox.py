"""VirtualBox, by its own reader, which knows OVF 0.9, 1.x and 2.x and few units.

Spec: VirtualBox 7.0.14, src/VBox/Main/xml/ovfreader.cpp (the reader and its words),
src/VBox/Main/src-server/ApplianceImplImport.cpp (what is made of it). Where VirtualBox's own
vbox:Machine is in the descriptor it takes the machine from there, but reads the rest all the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from types import MappingProxyType

from ovf.cim import ResourceType
from ovf.envelope import VBOX
from ovf.importers import hits
from ovf.importers import reading as importing
from ovf.judging.profile import Hit, Profile, Release, Sure, Target, check
from ovf.judging.rule import Needs
from ovf.outline import hardware_sections, items
from ovf.package import Package
from rehost.archive import Dialect
from rehost.report import Location, Severity
from rehost.tracked import local_name, summary

READER = "VirtualBox 7.0.14, Main/xml/ovfreader.cpp"
TAR = "VirtualBox 7.0.14, Runtime/common/zip/tarvfs.cpp"
IMPORT = "VirtualBox 7.0.14, Main/src-server/ApplianceImplImport.cpp"
MEMORY_UNITS = frozenset(
    ("MegaBytes", "MB", "byte * 2^20", "GigaBytes", "GB", "byte * 2^30"),
)
KNOWN = frozenset((3, 4, 5, 6, 10, 14, 15, 17, 20, 23, 35))
STORAGE = frozenset(
    ("ahci", "vmware.sata.ahci", "virtioscsi", "virtio-scsi", "nvme", "vmware.nvme.controller")
)
PREFIXES = ("ovf://disk/", "ovf:/disk/", "/disk/")
FORMATS = re.compile(
    r"http://www\.vmware\.com/(interfaces/)?specifications/vmdk\.html(#\w+)?"
    r"|http://go\.microsoft\.com/fwlink/\?LinkId=137171"
    r"|http://www\.ecma-international\.org/publications/standards/Ecma-119\.htm",
    re.IGNORECASE,
)
MOST = {"IDE": 2, "SATA": 1, "SCSI": 1, "SAS": 1, "virtio-scsi": 1, "NVMe": 1}
KINDS = {
    "ahci": "SATA",
    "vmware.sata.ahci": "SATA",
    "virtioscsi": "virtio-scsi",
    "virtio-scsi": "virtio-scsi",
    "nvme": "NVMe",
    "vmware.nvme.controller": "NVMe",
}
Found = Iterator[Hit]


def _line(at: object) -> dict[str, str]:
    return {"line": str(at)}


@check(
    "VBX-001",
    quote='Invalid allocation unit "{unit}" specified with memory size item, line {line}',
    source=READER,
    sure=Sure.CODE,
)
def memory_unit(package: Package, target: Target) -> Found:
    """The unit of memory is written in one of six ways.

    VirtualBox compares it with byte * 2^20, MegaBytes and MB, byte * 2^30, GigaBytes and GB, letter
    by letter, and refuses everything else: `byte*2^20`, kilobytes, plain bytes, no unit at all.

    Fix: write `byte * 2^20`, with the spaces.
    """
    for item in items(package.envelope):
        unit = item.said.get("AllocationUnits", "")
        if item.kind == ResourceType.MEMORY and unit not in MEMORY_UNITS:
            said = {"unit": summary(unit), **_line(item.at.line)}
            yield Hit(item.at, f"memory is in a unit it does not know ({summary(unit)!r})", said)


@check(
    "VBX-002",
    quote="Unknown resource type {type} in hardware item, line {line}",
    source=f"{READER}; github.com/AlmaLinux/cloud-images/issues/303",
    sure=Sure.CODE,
)
def unknown_type(package: Package, target: Target) -> Found:
    """Every device that is required is of a type VirtualBox knows.

    It knows processors, memory, controllers, adapters, floppy, CD and disk drives, USB and sound. A
    DVD drive (16), a video card (24), a serial port (21) or a vendor's device stops it, unless
    its Item is ovf:required="false".

    Fix: write ovf:required="false" on the Item; write 15 for a CD or DVD drive.
    """
    for item, kind in importing.required_besides(KNOWN, package.envelope):
        said = {"type": str(min(kind, 0xFFFF)), **_line(item.at.line)}
        yield Hit(item.at, f"{item.label} is of a type it does not know ({kind})", said)


@check(
    "VBX-003",
    quote="Empty element ResourceType under {name} element, line {line}.",
    source=READER,
    sure=Sure.CODE,
)
def type_is_said(package: Package, target: Target) -> Found:
    """Every item has a ResourceType.

    Fix: add rasd:ResourceType, or remove the Item.
    """
    for item in items(package.envelope):
        if not item.kind:
            said = {"name": local_name(str(item.element.tag)), **_line(item.at.line)}
            yield Hit(item.at, f"{item.label} has no ResourceType", said)


@check(
    "VBX-004",
    quote='Disk item with instance ID "{instance}" specifies invalid parent "{parent}",'
    " line {line}",
    source=READER,
    sure=Sure.CODE,
)
def parent_is_no_controller(package: Package, target: Target) -> Found:
    """Disks and CD drives hang on a controller: IDE, SCSI, or type 20 of a known model.

    One without a Parent is refused, too.

    Fix: name the InstanceID of a controller as the Parent.
    """
    envelope = package.envelope
    controllers = {
        (item.element.getparent(), item.instance)
        for item in items(envelope)
        if item.kind in importing.CONTROLLERS
    }
    for item in items(envelope):
        if item.kind not in {ResourceType.CD, ResourceType.DISK}:
            continue
        parent = item.said.get("Parent", "")
        if (item.element.getparent(), parent) not in controllers:
            said = {
                "instance": summary(item.instance or ""),
                "parent": summary(parent),
                **_line(item.at.line),
            }
            yield Hit(item.at, f"{item.label} hangs on no controller ({summary(parent)!r})", said)


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
        name = importing.disk_of(item, PREFIXES)
        if name is None or envelope.disk(name) is None:
            resource = summary(item.said.get("HostResource", ""))
            said = {
                "instance": summary(item.instance or ""),
                "resource": resource,
                **_line(item.at.line),
            }
            yield Hit(item.at, f"{item.label} names no Disk ({resource!r})", said)


@check(
    "VBX-006",
    quote='Host resource of type "Other Storage Device (20)" is supported with SATA AHCI or'
    " Virtio-SCSI or NVMe controllers only, line {line} (subtype:{subtype})",
    source=READER,
    sure=Sure.CODE,
    lowest="7",
)
def unknown_storage(package: Package, target: Target) -> Found:
    """A controller of type 20 has one of the models AHCI, VirtioSCSI and NVMe, or VMware's words.

    Fix: write AHCI into rasd:ResourceSubType.
    """
    return _storage(package, STORAGE)


@check(
    "VBX-018",
    quote='Host resource of type "Other Storage Device (20)" is supported with SATA AHCI'
    " controllers only, line {line}",
    source="the reader of VirtualBox 4 and 5; that of 6 was not read",
    sure=Sure.UNCONFIRMED,
    highest="6",
)
def storage_that_is_no_sata(package: Package, target: Target) -> Found:
    """A controller of type 20 is AHCI.

    Before VirtualBox 7 no others are known by this type, neither NVMe nor VirtioSCSI.

    Fix: write AHCI into rasd:ResourceSubType.
    """
    return _storage(package, frozenset(("ahci", "vmware.sata.ahci")))


def _storage(package: Package, known: frozenset[str]) -> Found:
    for item in items(package.envelope):
        model = item.said.get("ResourceSubType", "")
        if item.kind == ResourceType.OTHER_STORAGE and model.lower() not in known:
            said = {"subtype": summary(model), **_line(item.at.line)}
            message = f"{item.label} is of a model it does not know ({summary(model)!r})"
            yield Hit(item.at, message, said)


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
            words = {"attribute": missing, **_line(disk.at.line)}
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
            yield Hit(disk.at, f"no File has the id {name!r}", {"id": name, **_line(disk.at.line)})


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
                yield Hit(at, message, _line(at.line))


@check(
    "VBX-010",
    quote="Element InstanceID is absent under {name} element, line {line}.",
    source=READER,
    sure=Sure.CODE,
)
def controller_is_numbered(package: Package, target: Target) -> Found:
    """Every controller of disks has an InstanceID.

    Other items may do without: VirtualBox only notes it in its log.

    Fix: add rasd:InstanceID.
    """
    for item in items(package.envelope):
        if item.kind in importing.CONTROLLERS and not item.instance:
            said = {"name": local_name(str(item.element.tag)), **_line(item.at.line)}
            yield Hit(item.at, f"{item.label} has no InstanceID", said)


@check(
    "VBX-011",
    quote="Too many {kind} controllers in OVF; import facility only supports {most}",
    source=IMPORT,
    sure=Sure.CODE,
)
def too_many_controllers(package: Package, target: Target) -> Found:
    """A machine has at most two IDE controllers, and one of each other kind.

    The two of OVF become the two channels of one. A descriptor with vbox:Machine is not counted.

    Fix: put all disks on one controller.
    """
    envelope = package.envelope
    described = {
        above
        for machine in envelope.root.iter(f"{{{VBOX}}}Machine")
        for above in machine.iterancestors()
    }
    counted: Counter[tuple[object, str]] = Counter()
    for section in hardware_sections(envelope):
        system = section.element.getparent()
        for item in section.items if system not in described else ():
            kind = _controller_kind(item.said, item.kind)
            if kind is None:
                continue
            counted[system, kind] += 1
            if counted[system, kind] == MOST[kind] + 1:
                said = {"kind": kind, "most": "two" if MOST[kind] == 2 else "one"}
                yield Hit(item.at, f"{item.label} is one {kind} controller too many", said)


def _controller_kind(said: dict[str, str], kind: int | None) -> str | None:
    model = said.get("ResourceSubType", "").lower()
    if kind == ResourceType.IDE:
        return "IDE"
    if kind == ResourceType.SCSI:
        return "SAS" if model == "lsilogicsas" else "SCSI"
    return KINDS.get(model) if kind == ResourceType.OTHER_STORAGE else None


@check("VBX-012", source=f"{READER} (chunkSize is not implemented)", sure=Sure.CODE)
def chunks(package: Package, target: Target) -> Found:
    """No file is in chunks.

    VirtualBox passes over ovf:chunkSize and looks for one file of the whole name.

    Fix: join the chunks and leave ovf:chunkSize out.
    """
    return hits.chunks(package.envelope)


@check("VBX-013", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def deployment_options(package: Package, target: Target) -> Found:
    """No item depends on a deployment option, and none is a range.

    VirtualBox passes over ovf:configuration and ovf:bound: of several processors and memories the
    last counts, and the devices of all options are made.

    Fix: choose one option, leave its items in and remove the others.
    """
    return hits.options(package.envelope)


@check("VBX-014", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def properties(package: Package, target: Target) -> Found:
    """The guest does not wait for properties.

    VirtualBox asks for none and gives none to the guest; an appliance that configures itself by
    them starts without an address or a password.

    Fix: configure the guest by hand, or by another way it knows.
    """
    return hits.properties(package.envelope)


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


@check(
    "VBX-017",
    quote="Element VirtualQuantityUnits is absent under StorageItem element, line {line}.",
    source=READER,
    sure=Sure.CODE,
)
def storage_quantity(package: Package, target: Target) -> Found:
    """A StorageItem with a VirtualQuantity says its block size and its unit.

    Fix: add VirtualResourceBlockSize and VirtualQuantityUnits, or leave VirtualQuantity out.
    """
    for item in items(package.envelope):
        quantity = item.said.get("VirtualQuantity", "0")
        needed = ("VirtualResourceBlockSize", "VirtualQuantityUnits")
        if local_name(str(item.element.tag)) != "StorageItem" or not quantity.strip("0"):
            continue
        if any(name not in item.said for name in needed):
            yield Hit(item.at, f"{item.label} has a quantity without a unit", _line(item.at.line))


@check(
    "VBX-019", quote="VERR_TAR_UNSUPPORTED_PAX_TYPE", source=TAR, sure=Sure.CODE, needs=Needs.FILES
)
def pax_headers(package: Package, target: Target) -> Found:
    """No member of an archive has a PAX header.

    VirtualBox reads USTAR and what GNU tar writes, and gives up at such a header. Python's tarfile
    adds one for a name that is not ASCII and for a time with fractions of a second.

    Fix: pack it again with `tar --format=ustar`.
    """
    for member in package.archive.members if package.archive else ():
        if member.dialect is Dialect.PAX:
            yield Hit(Location(package.where(member.name)), "header is PAX, not USTAR")


PROFILE = Profile(
    name="virtualbox",
    title="Oracle VirtualBox",
    aliases=("vbox",),
    releases=(Release("6", "VirtualBox 6"), Release("7", "VirtualBox 7")),
    checks=(
        memory_unit,
        unknown_type,
        type_is_said,
        parent_is_no_controller,
        disk_is_missing,
        unknown_storage,
        storage_that_is_no_sata,
        disk_attributes,
        file_is_missing,
        system_id,
        controller_is_numbered,
        too_many_controllers,
        chunks,
        deployment_options,
        properties,
        disk_format,
        empty_disk_units,
        storage_quantity,
        pax_headers,
    ),
    enforces=MappingProxyType(
        dict.fromkeys(("PKG-018", "MAN-004", "CRT-003", "REF-004"), Severity.ERROR)
    ),
    source=f"{Sure.CODE.value}: {IMPORT}",
)
