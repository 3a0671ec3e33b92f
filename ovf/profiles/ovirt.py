"""oVirt and RHV: an OVA is looked into by VDSM, and converted by virt-v2v.

Spec: vdsm, lib/vdsm/v2v.py (get_ova_info). oVirt promises to import what VMware and oVirt
write (oVirt/ovirt-site, pull request 855).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType

from ovf.cim import ResourceType
from ovf.importers import hits
from ovf.importers.reading import devices
from ovf.importers.virt_v2v import CONVERTING
from ovf.judging.profile import Hit, Profile, Sure, Target, check
from ovf.judging.rule import Needs
from ovf.outline import items
from ovf.package import Package
from rehost.report import Severity
from rehost.tracked import summary

READER = "vdsm, lib/vdsm/v2v.py"
PARSING = "Error parsing ovf information: {what}"
UNITS = re.compile(
    r"byte([ \t\n]?[*][ \t\n]?[+]?[0-9]+)?([ \t\n]?[*][ \t\n]?[0-9]+\s?\^\s?[+]?[0-9]+)?"
)
Found = Iterator[Hit]


@check(
    "OVI-001",
    source=f"{READER}; github.com/ManageIQ/manageiq/issues/18197",
    sure=Sure.CODE,
    quote=PARSING,
)
def quantities(package: Package, target: Target) -> Found:
    """There is memory and there are processors, each with a VirtualQuantity, in OVF 1.x.

    What is in another namespace VDSM does not see, so it ends here, too.

    Fix: add both items with their quantities; export as OVF 1.0.
    """
    envelope = package.envelope
    said = {item.kind for item in items(envelope) if "VirtualQuantity" in item.said}
    if envelope.dialect or envelope.version == "2":
        said = set()
    needed = {ResourceType.MEMORY: "no memory size", ResourceType.PROCESSOR: "no cpu info"}
    for kind, what in needed.items():
        if kind not in said:
            name = ResourceType(kind).name.lower()
            yield Hit(envelope.at(envelope.root), f"no {name} is stated", {"what": what})
            return


@check("OVI-002", severity=Severity.WARNING, source=READER, sure=Sure.CODE)
def memory_unit(package: Package, target: Target) -> Found:
    """Memory is in MiB.

    VDSM does not look at rasd:AllocationUnits: 4 with `byte * 2^30` becomes a machine of 4 MiB,
    which does not start.

    Fix: write the quantity in MiB, with `byte * 2^20`.
    """
    return hits.every_memory_in_mebibytes(package.envelope)


@check("OVI-003", source=READER, sure=Sure.CODE, quote=PARSING)
def disk_has_a_file(package: Package, target: Target) -> Found:
    """Every Disk has a File.

    VDSM refuses the package for an empty disk, which is to be made new.

    Fix: remove the empty Disk and its Item, and add it after the import.
    """
    for disk in package.envelope.disks:
        if not disk.file_ref or package.envelope.reference(disk.file_ref) is None:
            message = f"Disk {summary(disk.id or '')!r} has no file"
            yield Hit(disk.at, message, {"what": "disk href info"})


@check("OVI-004", source=READER, sure=Sure.CODE, quote="Failed to parse allocation units: '{unit}'")
def capacity_unit(package: Package, target: Target) -> Found:
    """The unit of a capacity is byte, times a number and a power.

    Fix: write `byte * 2^30`, or the capacity in bytes without a unit.
    """
    for disk in package.envelope.disks:
        if disk.units is not None and not UNITS.fullmatch(disk.units):
            unit = summary(disk.units)
            yield Hit(disk.at, f"capacity is in a unit it cannot read ({unit!r})", {"unit": unit})


@check("OVI-005", source=READER, sure=Sure.CODE, quote=PARSING)
def adapter(package: Package, target: Target) -> Found:
    """An adapter has an ElementName and a ResourceSubType.

    Fix: add rasd:ElementName and rasd:ResourceSubType, as E1000 or VmxNet3.
    """
    needed = {"ElementName": "network element name", "ResourceSubType": "network model"}
    for item in devices(package.envelope, ResourceType.ETHERNET):
        missing = next((name for name in needed if name not in item.said), None)
        if missing:
            yield Hit(item.at, f"{item.label} has no {missing}", {"what": needed[missing]})


@check("OVI-006", source="oVirt/ovirt-engine, pull request 374", sure=Sure.ISSUE, needs=Needs.FILES)
def pax_headers(package: Package, target: Target) -> Found:
    """No member of an archive has a PAX header.

    oVirt could not import its own OVAs when a newer Python had written them that way.

    Fix: pack it again with `rehost ovf pack`, or `tar --format=ustar`.
    """
    return hits.pax_headers(package)


PROFILE = Profile(
    name="ovirt",
    title="oVirt and Red Hat Virtualization",
    aliases=("rhv", "olvm"),
    checks=(
        quantities,
        memory_unit,
        disk_has_a_file,
        capacity_unit,
        adapter,
        pax_headers,
        *CONVERTING,
    ),
    enforces=MappingProxyType(
        dict.fromkeys(("DSK-002", "MAN-004", "REF-004", "PKG-021"), Severity.ERROR)
    ),
    source=f"{Sure.CODE.value}: {READER}",
)
