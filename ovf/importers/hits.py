"""What several importers stumble over, for the checks of each of them."""

from __future__ import annotations

from collections.abc import Iterator

from ovf.cim import ResourceType
from ovf.envelope import Envelope
from ovf.importers import reading
from ovf.judging.profile import Hit
from ovf.outline import NORMAL, items, whole
from ovf.package import Package
from rehost.archive import Dialect
from rehost.report import Location
from rehost.tracked import summary


def other_version(envelope: Envelope) -> Iterator[Hit]:
    """Hit a descriptor that is not OVF 1.x."""
    written = envelope.dialect or ("OVF 2.x" if envelope.version == "2" else None)
    if written:
        yield Hit(envelope.at(envelope.root), f"descriptor is {written}")


def collection(envelope: Envelope) -> Iterator[Hit]:
    """Hit a collection of machines directly below the envelope."""
    for element in envelope.children(envelope.root, "VirtualSystemCollection"):
        yield Hit(envelope.at(element), "package is a collection of machines")


def pax_headers(package: Package) -> Iterator[Hit]:
    """Hit members of an archive that have a PAX header."""
    for member in package.archive.members if package.archive else ():
        if member.dialect is Dialect.PAX:
            yield Hit(Location(package.where(member.name)), "header is PAX, not USTAR")


def chunks(envelope: Envelope) -> Iterator[Hit]:
    """Hit files in chunks."""
    for file in envelope.references:
        if file.chunk_size:
            yield Hit(file.at, f"file is in chunks ({summary(file.chunk_size)})")


def compressed(envelope: Envelope) -> Iterator[Hit]:
    """Hit files that ovf:compression says are compressed."""
    for file in envelope.references:
        if file.compressed:
            yield Hit(file.at, f"file is compressed ({summary(file.compression)!r})")


def options(envelope: Envelope) -> Iterator[Hit]:
    """Hit items that belong to some deployment options only, or to a range."""
    for item in items(envelope):
        if item.configurations or item.bound != NORMAL:
            yield Hit(item.at, f"{item.label} is for some options only, which is not looked at")


def unreadable_drives(envelope: Envelope) -> Iterator[Hit]:
    """Hit disks whose HostResource does not begin with ovf:/disk/ or /disk/."""
    for item, name in reading.disk_drives(envelope):
        if name is None:
            resource = summary(item.said.get("HostResource", ""))
            said = {"resource": resource}
            yield Hit(item.at, f"{item.label} names no disk it can read ({resource!r})", said)


def drives_without_file(envelope: Envelope, *, listed: bool = False) -> Iterator[Hit]:
    """Hit disks that name no Disk with a fileRef, or ``listed``, none with a File."""
    for item, name in reading.disk_drives(envelope):
        disk = None if name is None else envelope.disk(name)
        file = None if disk is None else disk.file_ref
        if file and listed and envelope.reference(file) is None:
            file = None
        if name is not None and not file:
            said = {"resource": summary(item.said["HostResource"])}
            yield Hit(item.at, f"{item.label} has no file", said)


def properties(envelope: Envelope) -> Iterator[Hit]:
    """Hit properties that somebody is to fill in, or that have a value for the guest."""
    for _, entry in envelope.properties():
        if envelope.flag(entry, "userConfigurable") or envelope.value(entry):
            key = summary(envelope.attribute(entry, "key") or "")
            yield Hit(envelope.at(entry), f"property {key!r} does not reach the guest")


def memory_in_mebibytes(envelope: Envelope) -> Iterator[tuple[str, Hit]]:
    """Yield units of memory other than MiB, and a hit where every quantity is taken for MiB.

    Whole quantities only; others are no numbers to such importers either.
    """
    for item in reading.devices(envelope, ResourceType.MEMORY):
        quantity = item.said.get("VirtualQuantity", "")
        unit = item.said.get("AllocationUnits", "")
        if whole(quantity) is not None and reading.megabytes(item) != 1:
            said = summary(f"{quantity} {unit}")
            yield unit, Hit(item.at, f"memory of {said} becomes {quantity} MiB")


def every_memory_in_mebibytes(envelope: Envelope) -> Iterator[Hit]:
    """Hit memory in any unit but MiB, for importers that look at no unit."""
    return (hit for _, hit in memory_in_mebibytes(envelope))
