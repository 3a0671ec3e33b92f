"""KubeVirt, by Forklift (Migration Toolkit for Virtualization): an OVA provider, then virt-v2v.

Spec: forklift, cmd/ova-provider-server/ova-provider-server.go and
pkg/controller/plan/adapter/ova/builder.go; its documentation promises OVAs of VMware vSphere only.
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
from ovf.namespaces import VBOX, VMW
from ovf.package import Package
from rehost.report import Severity
from rehost.tracked import summary

SERVER = "forklift, cmd/ova-provider-server/ova-provider-server.go"
BUILDER = "forklift, pkg/controller/plan/adapter/ova/builder.go"
OTHERS = {
    "http://schemas.citrix.com/ovf/envelope/1": "Xen",
    "http://www.citrix.com/xenclient/ovf/1": "Xen",
    VBOX: "VirtualBox",
    "http://www.ovirt.org/ovf": "oVirt",
}
NUMBER = re.compile(r"[+-]?[0-9]+")
Found = Iterator[Hit]


@check(
    "FKL-001",
    severity=Severity.WARNING,
    source=f"{SERVER} (guessOvaSource); forklift-documentation, ova-prerequisites",
    sure=Sure.CODE,
)
def producer(package: Package, target: Target) -> Found:
    """The package was written by VMware vSphere, by the namespaces its Envelope declares.

    Forklift warns of all others: their import may work, but is not supported.

    Fix: import the machine into vSphere and export it again, or try.
    """
    envelope = package.envelope
    declared = {str(uri) for uri in envelope.root.nsmap.values()}
    other = next((OTHERS[uri] for uri in OTHERS if uri in declared), None)
    if other or not any(VMW in uri for uri in declared):
        yield Hit(envelope.at(envelope.root), f"producer is {other or 'unknown'}, not VMware")


@check("FKL-002", severity=Severity.WARNING, source=SERVER, sure=Sure.CODE)
def processors_are_described(package: Package, target: Target) -> Found:
    """The processors' Description has the words "Number of Virtual CPUs".

    Forklift looks for them, not for the ResourceType, and makes a machine without a number of
    processors where it does not find them.

    Fix: write <rasd:Description>Number of Virtual CPUs</rasd:Description>.
    """
    for item in devices(package.envelope, ResourceType.PROCESSOR):
        if "Number of Virtual CPUs" not in item.said.get("Description", ""):
            yield Hit(item.at, f"{item.label} is not taken for the processors")


@check("FKL-003", source=SERVER, sure=Sure.CODE)
def memory_is_described(package: Package, target: Target) -> Found:
    """The memory's Description has the words "Memory Size".

    Forklift looks for them, not for the ResourceType; a machine without memory cannot be made.

    Fix: write <rasd:Description>Memory Size</rasd:Description>.
    """
    for item in devices(package.envelope, ResourceType.MEMORY):
        if "Memory Size" not in item.said.get("Description", ""):
            yield Hit(item.at, f"{item.label} is not taken for the memory")


def _trouble(unit: str) -> str | None:
    """Return what it says of a unit it cannot read."""
    if unit.lower() == "megabytes":
        return None
    first, *factors = unit.split("*")
    if first.strip() not in {"", "byte"}:
        return "only 'byte' is supported"
    for factor in map(str.strip, factors):
        if NUMBER.fullmatch(factor):
            continue
        parts = factor.split("^")
        if len(parts) != 2:
            return f"item is invalid: {factor}"
        for name, part in zip(("base", "pow"), parts, strict=True):
            if not NUMBER.fullmatch(part):
                return f"{name} component is invalid: {factor}"
    return None


@check("FKL-004", source=BUILDER, sure=Sure.CODE, quote="units '{unit}' are invalid, {why}")
def units(package: Package, target: Target) -> Found:
    """Units of memory and capacity are ``byte`` times numbers and powers, or MegaBytes.

    A space around ^ is one too many. Without any unit the number is bytes.

    Fix: write `byte * 2^20`.
    """
    envelope = package.envelope
    found = [
        (item.at, item.label, item.said["AllocationUnits"])
        for item in devices(envelope, ResourceType.MEMORY)
        if "AllocationUnits" in item.said
    ]
    found += [(disk.at, "capacity", disk.units) for disk in envelope.disks if disk.units]
    for at, what, unit in found:
        why = _trouble(unit)
        if why:
            said = {"unit": summary(unit), "why": summary(why)}
            yield Hit(at, f"{what} is in a unit it cannot read ({summary(unit)!r})", said)


@check("FKL-005", severity=Severity.WARNING, source=BUILDER, sure=Sure.CODE)
def memory_without_unit(package: Package, target: Target) -> Found:
    """Memory has AllocationUnits.

    Without them Forklift takes the number for bytes, so 1024 is a machine of one KiB.

    Fix: write `byte * 2^20`.
    """
    for item in devices(package.envelope, ResourceType.MEMORY):
        if "AllocationUnits" not in item.said:
            yield Hit(item.at, f"{item.label} is taken for bytes")


@check("FKL-006", source=SERVER, sure=Sure.CODE)
def files_in_order(package: Package, target: Target) -> Found:
    """The first Disk lies in the first File, the second in the second.

    Forklift does not look at fileRef: it counts. An ISO image or an .nvram before the disks makes
    it read the wrong file; more Disks than Files end the provider.

    Fix: list the Files of disks first, in the order of the Disks; give empty disks up.
    """
    envelope = package.envelope
    for number, disk in enumerate(envelope.disks):
        file = envelope.references[number] if number < len(envelope.references) else None
        if file is None or file.id != disk.file_ref:
            there = "no file" if file is None else f"File {summary(file.id or '')!r}"
            yield Hit(disk.at, f"Disk {summary(disk.id or '')!r} is taken to be in {there}")


@check("FKL-007", source=SERVER, sure=Sure.CODE)
def no_collection(package: Package, target: Target) -> Found:
    """The package is one machine.

    The provider lists the VirtualSystems of the Envelope, and none of a collection.

    Fix: export each machine by itself.
    """
    return hits.collection(package.envelope)


PROFILE = Profile(
    name="forklift",
    title="KubeVirt by Forklift (MTV)",
    aliases=("kubevirt", "mtv"),
    checks=(
        producer,
        processors_are_described,
        memory_is_described,
        units,
        memory_without_unit,
        files_in_order,
        no_collection,
        *CONVERTING,
    ),
    enforces=MappingProxyType(dict.fromkeys(("MAN-004", "REF-004", "PKG-021"), Severity.ERROR)),
    source=f"{Sure.CODE.value}: {SERVER}, and virt-v2v, input/input_ova.ml",
)
