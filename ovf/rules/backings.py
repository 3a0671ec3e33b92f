"""Rules of what is behind a device: disks, files and networks. Clauses 8.3, 9.1 and 9.2."""

from __future__ import annotations

from collections.abc import Iterator

from ovf.backing import backing_of, is_of_package
from ovf.cim import ResourceType
from ovf.envelope import Envelope
from ovf.judging.effective import Effective, in_each_machine
from ovf.judging.rule import Basis, rule
from ovf.outline import items
from ovf.package import Package
from rehost.report import Location, Severity
from rehost.tracked import summary

Found = Iterator[tuple[Location, str]]
BACKINGS = frozenset(("Connection", "HostResource"))


@rule("ITM-007", clause="8.3", severity=Severity.WARNING)
def resources_are_spelled(package: Package) -> Found:
    """A HostResource in the package is spelled ovf:/disk/ID or ovf:/file/ID.

    VirtualBox writes /disk/ID, others ovf://disk/ID or ovf:disk/ID; not every importer reads them,
    and nobody anything else that begins with ovf:.

    Fix: write ovf:/disk/ and the diskId.
    """
    for item in items(package.envelope):
        resource = item.said.get("HostResource", "")
        if is_of_package(resource) and resource != str(backing_of(resource)):
            yield item.at, f"{item.label} spells its HostResource {summary(resource)!r}"


@rule("ITM-008", clause="8.3")
def resources_exist(package: Package) -> Found:
    """A HostResource names a Disk of the DiskSection or a File of the References.

    A drive without its disk is imported empty, or not at all.

    Fix: add the Disk, or correct the HostResource.
    """
    envelope = package.envelope
    there = {
        *(("file", file.id) for file in envelope.references),
        *(("disk", disk.id) for disk in envelope.disks),
        *(("disk", shared) for shared in envelope.once(_shared)),
    }
    for item in items(envelope):
        resource = item.said.get("HostResource", "")
        found = backing_of(resource)
        if found and (found.kind, found.id) not in there:
            yield item.at, f"{item.label} names no Disk or File ({summary(resource)!r})"


@rule("ITM-009", clause="8.3")
def one_backing(package: Package) -> Found:
    """A device has at most one backing: one HostResource, or Connections, not both.

    Which of several an importer takes is its own choice.

    Fix: keep one HostResource, or describe a device for each.
    """
    for item in items(package.envelope):
        resources = item.names.count("HostResource")
        if resources > 1:
            yield item.at, f"{item.label} has {resources} HostResources"
        elif resources and "Connection" in item.names:
            yield item.at, f"{item.label} has both a HostResource and a Connection"


@rule("ITM-010", clause="8.3, 9.2")
def connections_exist(package: Package) -> Found:
    """An adapter's Connection is the name of a Network.

    The importer asks for each Network where to connect it; others it cannot ask for.

    Fix: list the network in the NetworkSection, or correct the Connection.
    """
    networks = {network.name for network in package.envelope.networks}
    for item in items(package.envelope):
        connection = item.said.get("Connection")
        if connection is not None and connection not in networks:
            yield item.at, f"{item.label} connects to no listed Network ({summary(connection)!r})"


@rule("ITM-018", clause="9.1", severity=Severity.WARNING, basis=Basis.OWN)
def disks_have_one_drive(package: Package) -> Found:
    """A Disk with a file is in one drive of a machine only, unless it is a SharedDisk.

    Two drives that write to one disk destroy it; importers copy it, or refuse it. An empty disk is
    made for each of its drives.

    Fix: give each drive a Disk of its own, or make it a SharedDisk of OVF 2.
    """
    shared = package.envelope.once(_shared)
    filled = {disk.id for disk in package.envelope.disks if disk.file_ref} - shared

    def judge(machine: Effective) -> Found:
        seen: dict[str, int | None] = {}
        for device in machine.devices:
            found = backing_of(device.said.get("HostResource"))
            if found and found.kind == "disk" and found.id in filled:
                name, at = summary(found.id), device.written.at
                if found.id in seen:
                    yield at, f"Disk {name!r} is in the drive of line {seen[found.id]} already"
                seen.setdefault(found.id, at.line)

    yield from in_each_machine(package.envelope, judge)


@rule("ITM-021", clause="8.3", severity=Severity.WARNING, basis=Basis.OWN)
def adapters_are_connected(package: Package) -> Found:
    """An Ethernet adapter says by Connection which network it is on.

    Without it the platform chooses, and may leave the adapter unconnected.

    Fix: add rasd:Connection with the name of a Network.
    """
    yield from in_each_machine(package.envelope, _unconnected)


def _unconnected(machine: Effective) -> Found:
    for device in machine.devices:
        if device.kind == ResourceType.ETHERNET and not device.said.keys() & BACKINGS:
            yield device.written.at, f"{device.written.label} has no Connection"


def _shared(envelope: Envelope) -> frozenset[str]:
    ids = (envelope.attribute(disk, "diskId") for disk in envelope.root.iter("{*}SharedDisk"))
    return frozenset(identifier for identifier in ids if identifier)
