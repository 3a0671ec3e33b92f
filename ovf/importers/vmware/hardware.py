"""VMware's checks of virtual hardware: its family, its version and what each version brought."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from ovf.cim import ResourceType
from ovf.envelope import Envelope
from ovf.importers import reading
from ovf.importers.reading import Hardware
from ovf.importers.vmware.hosts import host_of
from ovf.judging.profile import Hit, Sure, Target, check
from ovf.namespaces import VMW
from ovf.outline import NORMAL, WrittenItem, items
from ovf.package import Package
from rehost.report import Severity
from rehost.tracked import summary

VMX = re.compile(r"vmx-0*([1-9][0-9]{0,2})")
OLD = 10
MOST_ALTERNATIVES = 200

NEEDED = {
    "vmxnet3": 7,
    "virtualscsi": 7,
    "pvscsi": 7,
    "lsilogicsas": 7,
    "e1000e": 8,
    "vmware.usb.xhci": 8,
    "vmware.soundcard.hdaudio": 8,
    "ahci": 10,
    "vmware.sata.ahci": 10,
    "vmware.nvme.controller": 13,
    "vmware.nvdimm.controller": 14,
    "vmware.nvdimm.device": 14,
    "vmware.vtpm": 14,
    "vmware.precisionclock": 17,
}
"""The first hardware version with a device, by its subtype."""
SETTINGS = {
    ("firmware", "efi"): 8,
    ("bootOptions.efiSecureBootEnabled", "true"): 13,
    ("flags.vbsEnabled", "true"): 14,
    ("flags.vvtdEnabled", "true"): 14,
}
"""The first hardware version with a setting."""


def version_of(hardware: Hardware) -> int | None:
    """Return the newest of VMware's versions a section names; None where it names none."""
    found = (VMX.fullmatch(family.lower()) for family in hardware.families)
    return max((int(one[1]) for one in found if one), default=None)


def _refused(package: Package, *, last: int) -> Iterator[tuple[Hardware, int | None]]:
    """Yield a section of each machine that has none with hardware up to ``last``."""
    for sections in reading.machines(package.envelope):
        versions = [(section, version_of(section)) for section in sections]
        takes = [v for s, v in versions if not s.families or (v is not None and v <= last)]
        if versions and not takes:
            yield versions[0]


@check(
    "VMW-001",
    quote="Unsupported hardware family '{family}'.",
    source="github.com/owncloud-archive/vm/issues/53, dradispro-tracker #297",
    sure=Sure.ISSUE,
)
def foreign_family(package: Package, target: Target) -> Iterator[Hit]:
    """A machine's VirtualSystemType names VMware's hardware, vmx and a number.

    vCenter and ESXi refuse other families; from an archive ESXi may say instead that a child
    element 'VirtualHardwareSection' is missing, for it passes over the section. Workstation and
    Fusion ask whether to try again with relaxed checks, ovftool does so with --lax; all of them
    then choose the hardware themselves.

    Fix: write vmx-13, or the lowest version of the hosts it is for, into vssd:VirtualSystemType.
    """
    for hardware, version in _refused(package, last=1000):
        if version is None:
            family = summary(" ".join(hardware.families))
            yield Hit(
                hardware.at, f"hardware is of another family ({family!r})", {"family": family}
            )


@check(
    "VMW-002",
    quote="No supported hardware versions among [{versions}]",
    source="github.com/RROrg/rr/issues/2724; VMware knowledge base 315655",
    sure=Sure.ISSUE,
)
def too_new(package: Package, target: Target) -> Iterator[Hit]:
    """The hardware version is one the host runs.

    A host refuses hardware newer than itself; ovftool says "Unsupported hardware family 'vmx-21'".

    Fix: write the highest version of the oldest host into vssd:VirtualSystemType.
    """
    last = host_of(target).last
    for hardware, version in _refused(package, last=last):
        if version is not None:
            versions = summary(", ".join(hardware.families))
            message = f"hardware is newer than vmx-{last} (vmx-{version})"
            yield Hit(hardware.at, message, {"versions": versions})


@check(
    "VMW-003",
    severity=Severity.WARNING,
    source="VMware knowledge base 315655",
    sure=Sure.DOCUMENTATION,
)
def needs_update(package: Package, target: Target) -> Iterator[Hit]:
    """The hardware version is one the host ran from its first day.

    A later one is taken by a host that has been updated, and refused by others of the release.

    Fix: write the version the release came with, or require the update.
    """
    host = host_of(target)
    for hardware, version in _refused(package, last=host.first):
        if version is not None and version <= host.last:
            message = f"hardware needs an update of {host.release.title} (vmx-{version})"
            yield Hit(hardware.at, message)


@check(
    "VMW-004",
    severity=Severity.WARNING,
    quote="Unsupported hardware family '{family}'.",
    source="github.com/home-assistant/operating-system/issues/3163",
    sure=Sure.ISSUE,
    lowest="7.0",
)
def too_old(package: Package, target: Target) -> Iterator[Hit]:
    """The hardware version is newer than 10.

    Version 10 and older are deprecated since vSphere 7; one report has a host refuse vmx-10.
    Machines that are imported run without what newer hardware offers.

    Fix: write vmx-11 or later into vssd:VirtualSystemType.
    """
    for sections in reading.machines(package.envelope):
        for hardware in sections:
            version = version_of(hardware)
            if version is not None and version <= OLD:
                family = f"vmx-{version:02}"
                yield Hit(hardware.at, f"hardware is old ({family})", {"family": family})


@check(
    "VMW-005",
    quote="No support for the virtual hardware device type '{type}'",
    source="VMware knowledge base 315655; the words in github.com/Graylog2/graylog2-images #224",
    sure=Sure.DOCUMENTATION,
)
def device_needs_newer(package: Package, target: Target) -> Iterator[Hit]:
    """A device exists in the hardware version that is named.

    SATA came with vmx-10, NVMe with vmx-13, the TPM with vmx-14. A device before its time is
    refused; one that is not required is left out.

    Fix: name the hardware version the device needs, or use an older device.
    """
    envelope = package.envelope
    versions: dict[object, int | None] = {
        hardware.element: version_of(hardware)
        for sections in reading.machines(envelope)
        for hardware in sections
    }
    for item in reading.devices(envelope):
        version = versions.get(item.element.getparent())
        needed = _needed_for(item)
        if version is not None and needed > version and not _left_out(item, envelope):
            said = f"{item.label} needs vmx-{needed} (the hardware is vmx-{version})"
            yield Hit(item.at, said, {"type": item.said.get("ResourceType", "")})


def _needed_for(item: WrittenItem) -> int:
    return min((NEEDED.get(word, 0) for word in reading.subtypes(item)), default=0)


def needed_by(envelope: Envelope, hardware: Hardware) -> int:
    """Return the version that a section's devices and settings need; zero where none is needed."""
    settings = (needed for _, _, needed in _settings(hardware))
    return max((envelope.once(_needed_in).get(hardware.element, 0), *settings))


def _needed_in(envelope: Envelope) -> dict[etree._Element | None, int]:
    """Return the version that the devices of each section need."""
    found: dict[etree._Element | None, int] = {}
    for item in reading.devices(envelope):
        if not _left_out(item, envelope):
            section = item.element.getparent()
            found[section] = max(found.get(section, 0), _needed_for(item))
    return found


def _settings(hardware: Hardware) -> Iterator[tuple[etree._Element, str, int]]:
    """Yield settings, their keys, and the version each needs."""
    for entry in hardware.element.iterchildren(f"{{{VMW}}}Config"):
        key, value = str(entry.get(f"{{{VMW}}}key")), str(entry.get(f"{{{VMW}}}value"))
        yield entry, key, SETTINGS.get((key, value.lower()), 0)


def _left_out(item: WrittenItem, envelope: Envelope) -> bool:
    return reading.optional(item.element, envelope)


@check(
    "VMW-011",
    severity=Severity.WARNING,
    source="vSphere Virtual Machine Administration; vSphere Security, UEFI Secure Boot and vTPM",
    sure=Sure.DOCUMENTATION,
)
def setting_needs_newer(package: Package, target: Target) -> Iterator[Hit]:
    """A setting exists in the hardware version that is named.

    UEFI came with vmx-8, Secure Boot with vmx-13, virtualization-based security with vmx-14. What a
    version does not have is left out, and a guest that relies on it does not start.

    Fix: name the hardware version the setting needs.
    """
    envelope = package.envelope
    for sections in reading.machines(envelope):
        for hardware in sections:
            version = version_of(hardware)
            for entry, key, needed in _settings(hardware):
                if version is not None and needed > version:
                    said = f"{summary(key)} needs vmx-{needed} (the hardware is vmx-{version})"
                    yield Hit(envelope.at(entry), said)


KNOWN = frozenset((1, 3, 4, 5, 6, 10, 14, 15, 16, 17, 20, 21, 22, 23, 24))


@check(
    "VMW-006",
    quote="OVF hardware element 'ResourceType' with instance ID '{instance}':"
    " No support for the virtual hardware device type '{type}'",
    source="github.com/Graylog2/graylog2-images/issues/224",
    sure=Sure.ISSUE,
)
def unknown_device(package: Package, target: Target) -> Iterator[Hit]:
    """Every device is of a type VMware has.

    VirtualBox writes sound cards as type 35, which vCenter and ESXi refuse; VMware's own are of
    type 1 with a ResourceSubType. A device that is not required is left out.

    Fix: remove the device, or write ovf:required="false" on its Item.
    """
    for item, kind in unknown_devices(package.envelope):
        said = {"type": str(kind), "instance": summary(item.instance or "")}
        yield Hit(item.at, f"{item.label} is of a type it does not have ({kind})", said)


def unknown_devices(envelope: Envelope) -> Iterator[tuple[WrittenItem, int]]:
    """Yield the items of types VMware does not have that it must not pass over, and the types."""
    found = reading.required_besides(KNOWN, envelope)
    return ((item, kind) for item, kind in found if item.bound == NORMAL)


SUBTYPES: dict[int, frozenset[str]] = {
    ResourceType.IDE: frozenset[str](),
    ResourceType.SCSI: frozenset(
        ("buslogic", "lsilogic", "lsilogicsas", "virtualscsi", "pvscsi", "lsi")
    ),
    ResourceType.OTHER_STORAGE: frozenset(("ahci", "vmware.sata.ahci", "vmware.nvme.controller")),
}


@check(
    "VMW-007",
    quote="Value '{value}' of ResourceSubType element not found in [{known}].",
    source="github.com/Graylog2/graylog2-images/issues/211, packetfence #5522",
    sure=Sure.ISSUE,
)
def unknown_controller(package: Package, target: Target) -> Iterator[Hit]:
    """A controller of disks is of a model VMware has.

    vCenter refuses VirtualBox's PIIX4 and ICH6 on an IDE controller, for which it knows no
    subtypes at all, and then the disks on it, whose Parent is no controller to it.

    Fix: remove the ResourceSubType of IDE controllers; write lsilogic or VirtualSCSI for SCSI.
    """
    envelope = package.envelope
    for item in reading.devices(envelope):
        known = SUBTYPES.get(item.kind or 0)
        words = reading.subtypes(item)
        if known is not None and words and not known.intersection(words):
            value = summary(item.said["ResourceSubType"])
            said = {"value": value, "known": ", ".join(sorted(known))}
            yield Hit(item.at, f"{item.label} is of a model it does not have ({value!r})", said)


@check(
    "VMW-008",
    quote="Value '{parent}' of Parent element does not refer to a ref of type"
    " DiskControllerReference.",
    source="github.com/siderolabs/talos/issues/3515, graylog2-images #211, open-vmdk #21",
    sure=Sure.ISSUE,
)
def parent_is_no_controller(package: Package, target: Target) -> Iterator[Hit]:
    """A disk's Parent is an IDE, SCSI, SATA or NVMe controller.

    vCenter refuses a disk that hangs on anything else.

    Fix: name the InstanceID of a controller of disks as the disk's Parent.
    """
    envelope = package.envelope
    controllers = {
        (item.element.getparent(), item.instance)
        for item in reading.devices(envelope)
        if item.kind in reading.CONTROLLERS
    }
    for item in reading.devices(envelope, ResourceType.DISK):
        parent = item.said.get("Parent")
        if parent is not None and (item.element.getparent(), parent) not in controllers:
            said = {"parent": summary(parent)}
            yield Hit(item.at, f"{item.label} hangs on no controller ({summary(parent)!r})", said)


ONCE = (ResourceType.PROCESSOR, ResourceType.MEMORY)


@check(
    "VMW-009",
    source="refused by ovftool among VMware's own test descriptors",
    sure=Sure.UNCONFIRMED,
)
def quantity_is_missing(package: Package, target: Target) -> Iterator[Hit]:
    """Processors and memory have a VirtualQuantity.

    A range alone, or a reservation, does not say how much the machine gets.

    Fix: add rasd:VirtualQuantity.
    """
    envelope = package.envelope
    said = {
        (item.element.getparent(), item.instance)
        for item in reading.devices(envelope)
        if "VirtualQuantity" in item.said
    }
    for item in items(envelope):
        key = (item.element.getparent(), item.instance)
        if item.kind in ONCE and item.instance and key not in said:
            said.add(key)
            yield Hit(item.at, f"{item.label} has no VirtualQuantity")


@check(
    "VMW-010",
    quote="Multiple '{element}' elements are not allowed.",
    source="github.com/vmware/open-vmdk/pull/21",
    sure=Sure.ISSUE,
)
def several_memories(package: Package, target: Target) -> Iterator[Hit]:
    """A machine has one item of memory and one of processors.

    Items of other InstanceIDs are other devices, and vCenter refuses the second.

    Fix: give variants of one quantity the same InstanceID, and tell them apart by
    ovf:configuration or ovf:bound.
    """
    before: dict[tuple[object, int | None], list[WrittenItem]] = {}
    for item in reading.devices(package.envelope, *ONCE):
        kind = item.kind
        others = before.setdefault((item.element.getparent(), kind), [])
        if any(other.instance != item.instance and _together(other, item) for other in others):
            name = "memory" if kind == ResourceType.MEMORY else "cpu"
            yield Hit(item.at, f"{item.label} is a second item of {name}", {"element": name})
        elif len(others) < MOST_ALTERNATIVES:
            others.append(item)


def _together(one: WrittenItem, other: WrittenItem) -> bool:
    """Say whether some configuration has both items."""
    if not one.configurations or not other.configurations:
        return True
    return bool(one.configurations & other.configurations)
