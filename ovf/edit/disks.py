"""Hard disks and media: their files, their place in the DiskSection, their drives.

Spec: DSP0243 clauses 8.3 (HostResource) and 9.1 (DiskSection). What format a disk is in, and how
large it is to the guest, a probe tells; nothing here knows a disk format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from ovf.backing import Backing, backing_of
from ovf.cim import ResourceType
from ovf.contents.probe import NO_END, DiskFacts, installed
from ovf.edit.controllers import bus_of_first, free_place
from ovf.edit.draft import Draft
from ovf.edit.files import (
    add_member,
    file_of,
    free_id,
    local,
    replace_file,
    take_out,
    users_of,
)
from ovf.edit.items import Hardware
from ovf.envelope import VirtualDisk
from ovf.outline import WrittenItem, items
from ovf.writing.write import Member
from rehost.archive import looks_like_tar
from rehost.errors import RefusedError, UnsupportedInputError, UsageError
from rehost.files import GZIP_MAGIC, File
from rehost.tar import BLOCK

VMDK = "http://www.vmware.com/interfaces/specifications/vmdk.html"
URIS = {
    "vhd": "http://go.microsoft.com/fwlink/?LinkId=137171",
    "vhdx": "http://technet.microsoft.com/en-us/library/hh831446.aspx",
    "qcow2": "http://www.gnome.org/~markmc/qcow-image-format.html",
    "raw": "http://en.wikipedia.org/wiki/Byte",
    "iso": "http://www.ecma-international.org/publications/standards/Ecma-119.htm",
}
INFO = "The virtual disks"
DISKS = ("DiskSection", "Disk", "diskId")
MENDED = "`rehost validate PACKAGE --fix DEST` mends that"


@dataclass(frozen=True, slots=True)
class DiskWords:
    """What is asked of a new disk; None is found out or chosen.

    ``capacity`` is bytes, ``format`` a URI, ``place`` the number of a controller and a place on it,
    ``name`` and ``description`` are those of its drive.
    """

    identifier: str | None = None
    capacity: int | None = None
    format: str | None = None
    bus: str | None = None
    place: tuple[int, int] | None = None
    name: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class _Drive:
    """A drive to be made; ``backing`` is its HostResource."""

    kind: ResourceType
    bus: str
    place: tuple[int, int] | None
    backing: str | None
    name: str | None = None
    description: str | None = None


def add_disk(draft: Draft, system: str | None, member: Member | None, words: DiskWords) -> str:
    """Add a hard disk: an image, or without one an empty disk; return its id."""
    draft.system(system)
    image = member.open() if member else None
    facts = None if image is None else _facts(image, words)
    capacity = words.capacity if words.capacity is not None else facts and facts.virtual_size
    if not capacity:
        raise UsageError(
            "it is not known how large the disk is",
            where=image.name if image else "",
            hint="Say --capacity.",
        )
    if image is not None and facts is not None:
        draft.notes += _doubts(facts, image)
    uri = words.format or (facts and _uri(facts, image))
    file = None if member is None else add_member(draft, member)
    identifier = words.identifier or free_id({each.id for each in draft.envelope.disks}, "vmdisk")
    if draft.envelope.disk(identifier) is not None:
        raise UsageError(f"there is a disk of the id {identifier!r}", where=draft.envelope.label)
    populated = facts.populated if facts else None
    disk = draft.new(
        "Disk",
        diskId=identifier,
        fileRef=file,
        capacity=str(capacity),
        capacityAllocationUnits="byte",
        format=uri or f"{VMDK}#streamOptimized",
        populatedSize=None if not populated or populated > capacity else str(populated),
    )
    draft.list_in("DiskSection", INFO, disk)
    bus = words.bus or bus_of_first(draft, system)
    named = (words.name, words.description)
    drive = _Drive(ResourceType.DISK, bus, words.place, f"ovf:/disk/{identifier}", *named)
    _add_drive(draft, system, drive)
    return identifier


def add_medium(
    draft: Draft,
    system: str | None,
    member: Member | None,
    *,
    bus: str = "ide",
    place: tuple[int, int] | None = None,
    drive_name: str | None = None,
    drive_description: str | None = None,
) -> str:
    """Add a CD-ROM drive, empty or with a medium in it; return its InstanceID."""
    draft.system(system)
    backing = None if member is None else f"ovf:/file/{add_member(draft, member)}"
    named = (drive_name, drive_description)
    return _add_drive(draft, system, _Drive(ResourceType.CD, bus, place, backing, *named))


def remove_disk(draft: Draft, identifier: str) -> None:
    """Remove a disk, the drives it is in, and its file if nothing else refers to that."""
    element = draft.entry(*DISKS, identifier)
    disk = draft.envelope.disk(identifier)
    children = [each.id for each in draft.envelope.disks if each.parent_ref == identifier]
    if children:
        raise UsageError(
            f"disk {identifier!r} is what {children[0]!r} builds upon",
            where=draft.where(element),
            hint="Remove that first.",
        )
    for item in _drives(draft, identifier):
        draft.text.remove(item.element)
    file = disk.file_ref if disk else None
    draft.remove_entry(element)
    draft.settle()
    if file is not None and next(users_of(draft, file), None) is None:
        take_out(draft, *file_of(draft, file))
        draft.settle()


def remove_item(draft: Draft, system: str | None, name: str) -> None:
    """Remove a device by its InstanceID or its name, unless others hang on it."""
    hardware = Hardware.of(draft, system)
    found = hardware.chosen(name)
    for instance in {each.instance for each in found}:
        child = next((each for each in hardware.items if each.said.get("Parent") == instance), None)
        if child is not None:
            raise UsageError(
                f"{found[0].label} is what {child.label} hangs on",
                where=draft.where(child.element),
                hint="Remove that first.",
            )
    hardware.remove(found)
    draft.settle()


def replace_image(draft: Draft, name: str, path: Path) -> None:
    """Put another file in the place of one; a disk in it gets the size and format of the new."""
    facts: dict[str, DiskFacts] = {}
    _, reference = file_of(draft, name)
    uses = [
        disk for disk in draft.envelope.disks if disk.file_ref and disk.file_ref == reference.id
    ]
    for disk in uses:
        image = local(path).open()
        found = _facts(image, DiskWords())
        if found is not None and disk.id is not None:
            facts[disk.id] = found
            draft.notes += _doubts(found, image)
    replace_file(draft, name, path)
    for identifier, found in facts.items():
        element = draft.entry(*DISKS, identifier)
        draft.set(element, "format", _uri(found, local(path).open()))
        if found.virtual_size:
            draft.set(element, "capacity", str(found.virtual_size))
            draft.set(element, "capacityAllocationUnits", "byte")
        populated = found.populated or None
        draft.set(element, "populatedSize", str(populated) if populated else None)
    draft.settle()


def set_capacity(draft: Draft, identifier: str, capacity: int) -> None:
    """Say how large an empty disk is, in bytes; one with a file has the size it has."""
    element = draft.entry(*DISKS, identifier)
    disk = draft.envelope.disk(identifier)
    if disk is not None and disk.file_ref:
        raise UsageError(
            f"disk {identifier!r} is in a file, which has its own size",
            where=draft.where(element),
            hint="Change that with `rehost disk resize`.",
        )
    draft.set(element, "capacity", str(capacity))
    draft.set(element, "capacityAllocationUnits", "byte")
    draft.settle()


def _add_drive(draft: Draft, system: str | None, drive: _Drive) -> str:
    kind, backing = drive.kind, drive.backing
    parent, number = free_place(draft, system, drive.bus, drive.place)
    hardware = Hardware.of(draft, system)
    title = "Hard disk" if kind is ResourceType.DISK else "CD-ROM"
    return hardware.add(
        kind,
        {
            "AddressOnParent": str(number),
            "AutomaticAllocation": None
            if kind is ResourceType.DISK
            else str(bool(backing)).lower(),
            "Description": drive.description,
            "ElementName": drive.name or f"{title} {len(hardware.distinct(kind)) + 1}",
            "HostResource": backing,
            "Parent": parent,
        },
    )


def _drives(draft: Draft, identifier: str) -> Iterator[WrittenItem]:
    for item in items(draft.envelope):
        if backing_of(item.said.get("HostResource")) == Backing("disk", identifier):
            yield item


class _Closed:
    """Lets an image name no other file: a disk of a package is one file."""

    def open(self, name: str, *, by: str) -> File:
        raise RefusedError(
            f"needs another file ({name!r})",
            where=by,
            hint="Make it one file first: `rehost disk convert`.",
        )


def _facts(image: File, words: DiskWords) -> DiskFacts | None:
    probe = installed()
    if probe is None or (words.capacity is not None and words.format is not None):
        return None
    if looks_like_tar(image.pread(0, BLOCK)) or image.pread(0, 2) == GZIP_MAGIC:
        raise UsageError(
            "is an archive, not a disk",
            where=image.name,
            hint="Unpack it first, or say what it is to be by --capacity and --format.",
        )
    return probe.look(image, _Closed())


def _doubts(facts: DiskFacts, image: File) -> Iterator[str]:
    """Yield what importers will have against an image; its file is put in as it is all the same."""
    for flaw in facts.flaws:
        yield f"{flaw.where}: {flaw.what}"
    if facts.stream and facts.stream.due is not None:
        yield f"{image.name}: {NO_END}; {MENDED}"
    if facts.stream and facts.stream.behind:
        yield f"{image.name}: {facts.stream.trailing}; {MENDED}"


def listed_disks(draft: Draft) -> list[tuple[etree._Element, VirtualDisk]]:
    """Return the disks of the DiskSection, each as element and as what it says."""
    elements = (
        disk
        for section in draft.envelope.sections("DiskSection")
        for disk in draft.envelope.children(section, "Disk")
    )
    return list(zip(elements, draft.envelope.disks, strict=True))


def uri_of(facts: DiskFacts) -> str | None:
    """Return what packages call the format an image is in, if they have a name for it."""
    if facts.format == "vmdk":
        return f"{VMDK}#{facts.variant}" if facts.variant else VMDK
    return URIS.get(facts.format)


def _uri(facts: DiskFacts, image: File | None) -> str:
    found = uri_of(facts)
    if found is None:
        raise UnsupportedInputError(
            f"is in a format that packages have no name for ({facts.format})",
            where=image.name if image else "",
            hint="Convert it first, `rehost disk convert DISK DISK.vmdk`, or say --format URI.",
        )
    return found
