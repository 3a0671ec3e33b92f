"""VirtualBox's checks of virtual hardware: units, types, controllers and what hangs on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ovf.cim import ResourceType
from ovf.importers import hits, reading
from ovf.importers.virtualbox.source import IMPORT, READER, line_of
from ovf.judging.profile import Hit, Sure, Target, check
from ovf.namespaces import VBOX
from ovf.outline import hardware_sections, items
from ovf.package import Package
from rehost.report import Severity
from rehost.tracked import local_name, summary

MEMORY_UNITS = frozenset(
    ("MegaBytes", "MB", "byte * 2^20", "GigaBytes", "GB", "byte * 2^30"),
)
KNOWN = frozenset((3, 4, 5, 6, 10, 14, 15, 17, 20, 23, 35))
STORAGE = frozenset(
    ("ahci", "vmware.sata.ahci", "virtioscsi", "virtio-scsi", "nvme", "vmware.nvme.controller")
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
            said = {"unit": summary(unit), **line_of(item.at)}
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
    for item, kind in reading.required_besides(KNOWN, package.envelope):
        said = {"type": str(min(kind, 0xFFFF)), **line_of(item.at)}
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
            said = {"name": local_name(str(item.element.tag)), **line_of(item.at)}
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
        if item.kind in reading.CONTROLLERS
    }
    for item in items(envelope):
        if item.kind not in {ResourceType.CD, ResourceType.DISK}:
            continue
        parent = item.said.get("Parent", "")
        if (item.element.getparent(), parent) not in controllers:
            said = {
                "instance": summary(item.instance or ""),
                "parent": summary(parent),
                **line_of(item.at),
            }
            yield Hit(item.at, f"{item.label} hangs on no controller ({summary(parent)!r})", said)


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
            said = {"subtype": summary(model), **line_of(item.at)}
            message = f"{item.label} is of a model it does not know ({summary(model)!r})"
            yield Hit(item.at, message, said)


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
        if item.kind in reading.CONTROLLERS and not item.instance:
            said = {"name": local_name(str(item.element.tag)), **line_of(item.at)}
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


@check("VBX-013", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def deployment_options(package: Package, target: Target) -> Found:
    """No item depends on a deployment option, and none is a range.

    VirtualBox passes over ovf:configuration and ovf:bound: of several processors and memories the
    last counts, and the devices of all options are made.

    Fix: choose one option, leave its items in and remove the others.
    """
    return hits.options(package.envelope)


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
            yield Hit(item.at, f"{item.label} has a quantity without a unit", line_of(item.at))
