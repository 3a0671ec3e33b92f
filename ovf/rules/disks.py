"""Rules of the DiskSection: clause 9.1."""

from __future__ import annotations

from collections.abc import Iterator

from ovf import units
from ovf.envelope import PROPERTY_MACRO
from ovf.judging.rule import Basis, rule
from ovf.outline import whole
from ovf.package import Package
from rehost.errors import DamagedInputError
from rehost.report import Location, Severity
from rehost.tracked import summary

Found = Iterator[tuple[Location, str]]


@rule("DSK-001", clause="9.1")
def disk_ids(package: Package) -> Found:
    """Each Disk has an ovf:diskId, and no two have the same.

    Drives refer to disks by it.

    Fix: give every Disk an id of its own.
    """
    seen: set[str] = set()
    for disk in package.envelope.disks:
        if not disk.id:
            yield disk.at, "Disk has no ovf:diskId"
        elif disk.id in seen:
            yield disk.at, f"diskId {summary(disk.id)!r} is used again"
        seen.add(disk.id or "")


@rule("DSK-002", clause="9.1")
def capacities(package: Package) -> Found:
    """Each Disk has a capacity: a whole number, or a property for an empty disk.

    The importer makes the disk of that size.

    Fix: state the capacity as the guest sees it.
    """
    for disk in package.envelope.disks:
        text = (disk.capacity or "").strip()
        if not text:
            yield disk.at, f"Disk {summary(disk.id or '')!r} has no ovf:capacity"
        elif PROPERTY_MACRO.fullmatch(text):
            if disk.file_ref:
                yield disk.at, f"capacity of a disk with a file is a property ({summary(text)})"
        elif not (text.isascii() and text.isdigit()):
            yield disk.at, f"ovf:capacity is not a whole number ({summary(text)!r})"


@rule("DSK-003", clause="9.1")
def capacity_properties(package: Package) -> Found:
    """A capacity given as ``${property}`` resolves to a whole number.

    Otherwise nobody can tell how large the empty disk shall be.

    Fix: give the property a default value that is a number.
    """
    envelope = package.envelope
    for disk in envelope.disks:
        if PROPERTY_MACRO.fullmatch((disk.capacity or "").strip()):
            try:
                envelope.quantity(disk)
            except DamagedInputError as error:
                yield disk.at, error.what


@rule("DSK-004", clause="9.1")
def capacity_units(package: Package) -> Found:
    """A capacityAllocationUnits is a programmatic unit of bytes, as in DSP0004.

    Importers that do not know the word take the capacity for bytes.

    Fix: write byte, byte * 2^20 or byte * 2^30.
    """
    for disk in package.envelope.disks:
        if disk.units is None:
            continue
        try:
            units.multiplier(disk.units)
            legacy = units.parse(disk.units).legacy
        except DamagedInputError:
            legacy = True
        if legacy:
            yield (
                disk.at,
                f"capacityAllocationUnits is not DSP0004's ({summary(disk.units)!r})",
            )


@rule("DSK-005", clause="9.1")
def disk_files(package: Package) -> Found:
    """A Disk's ovf:fileRef is the id of a File.

    A disk whose file does not exist cannot be imported.

    Fix: add the File, or correct the fileRef.
    """
    for disk in package.envelope.disks:
        if disk.file_ref and package.envelope.reference(disk.file_ref) is None:
            yield disk.at, f"no File has the id {summary(disk.file_ref)!r}"


@rule("DSK-006", clause="9.1")
def files_of_one_disk(package: Package) -> Found:
    """No two Disks have the same ovf:fileRef.

    Fix: attach one Disk twice, or ship the file twice.
    """
    seen: dict[str, Location] = {}
    for disk in package.envelope.disks:
        if disk.file_ref:
            first = seen.setdefault(disk.file_ref, disk.at)
            if first is not disk.at:
                yield disk.at, f"has the file of the Disk in line {first.line}"


@rule("DSK-007", clause="9.1")
def order_of_disks(package: Package) -> Found:
    """Disks stand in the order of their Files.

    An importer that streams the archive meets the files in that order.

    Fix: sort the Disk elements like the File elements.
    """
    envelope = package.envelope
    place = {file.id: number for number, file in enumerate(envelope.references) if file.id}
    last = -1
    for disk in envelope.disks:
        number = place.pop(disk.file_ref or "", None)
        if number is not None:
            if number < last:
                yield disk.at, f"Disk {summary(disk.id or '')!r} comes after a later file's Disk"
            last = max(last, number)


@rule("DSK-008", clause="9.1")
def disk_formats(package: Package) -> Found:
    """A Disk that has a file says its format.

    Guessing the format of a disk somebody else made is how hosts are attacked.

    Fix: add ovf:format, for a VMDK the URI that ends in vmdk.html#streamOptimized.
    """
    for disk in package.envelope.disks:
        if disk.file_ref and not (disk.format or "").strip():
            yield disk.at, f"Disk {summary(disk.id or '')!r} has a file but no ovf:format"


@rule("DSK-009", clause="9.1")
def populated_sizes_fit(package: Package) -> Found:
    """An ovf:populatedSize, which is in bytes, is a number no larger than the capacity.

    Importers reserve that much, and a disk cannot hold more than it is large.

    Fix: correct ovf:populatedSize, or leave it out.
    """
    envelope = package.envelope
    for disk in envelope.disks:
        if disk.populated_size is None:
            continue
        text, populated = disk.populated_size.strip(), whole(disk.populated_size)
        if populated is None:
            yield disk.at, f"ovf:populatedSize is not a whole number ({summary(text)!r})"
            continue
        capacity = envelope.legible_capacity(disk)
        if capacity is not None and populated > capacity:
            yield disk.at, f"ovf:populatedSize is {text}, more than the capacity of {capacity}"


@rule("DSK-010", clause="9.1")
def disk_parents(package: Package) -> Found:
    """A Disk's ovf:parentRef is the diskId of a Disk before it.

    Otherwise the disk cannot be put together.

    Fix: ship the parent, or a whole disk instead of the difference.
    """
    before: set[str] = set()
    for disk in package.envelope.disks:
        if disk.parent_ref and disk.parent_ref not in before:
            yield disk.at, f"no Disk before it has the id {summary(disk.parent_ref)!r}"
        before.add(disk.id or "")


@rule("DSK-011", clause="9.1", severity=Severity.WARNING, basis=Basis.OWN)
def parents_are_not_empty(package: Package) -> Found:
    """An ovf:parentRef is left out where a disk has no parent.

    oVirt writes an empty one; other importers look for a Disk without a name.

    Fix: remove the attribute.
    """
    for disk in package.envelope.disks:
        if disk.parent_ref is not None and not disk.parent_ref.strip():
            yield disk.at, f"Disk {summary(disk.id or '')!r} has an empty ovf:parentRef"


@rule("DSK-015", clause="9.1", severity=Severity.WARNING, basis=Basis.OWN)
def capacities_are_above_zero(package: Package) -> Found:
    """A capacity is above zero.

    Importers make no disk of no size, or refuse the package.

    Fix: state the capacity as the guest sees it.
    """
    for disk in package.envelope.disks:
        text = (disk.capacity or "").strip()
        if text and not text.strip("0"):
            yield disk.at, "ovf:capacity is zero"
