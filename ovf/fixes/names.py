"""Fixes of names and ids: an importer reads fewer letters, or looks for them anywhere.

Ids are the descriptor's own affair, and files are named by nothing but it, so that all that names
them is told; a disk that others build on keeps its file's name, for they name it themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

from lxml import etree

from ovf.backing import backing_of
from ovf.contents.disks import contents
from ovf.edit.disks import listed_disks
from ovf.edit.draft import Draft
from ovf.edit.files import listed
from ovf.edit.renaming import distinct, rename_disks, rename_file, rename_file_ids
from ovf.envelope import Reference
from ovf.judging.profile import Target
from ovf.mending import rephrase
from ovf.mending.fix import Done, Places, fix_for
from ovf.outline import items
from ovf.package import Package, is_remote, name_of
from ovf.profiles.proxmox import FILE_ID, HREF, RESOURCE
from rehost.errors import InteropError
from rehost.tracked import summary

ODD = re.compile(r"[^a-zA-Z0-9.+=_-]+")
ODD_ID = re.compile(r"[^a-zA-Z0-9._~-]+")
SUFFIXES = {"vmdk": ".vmdk", "vhd": ".vhd", "vdi": ".vdi", "iso": ".iso"}
FEWEST_DIGITS = 2


@fix_for("XEN-003")
def disks_numbered(draft: Draft, _: Target, places: Places) -> Done:
    """Number the disks with as many digits each."""
    found = [(element, disk) for element, disk in listed_disks(draft) if disk.id]
    if not places:
        return
    digits = max(FEWEST_DIGITS, len(str(len(found))))
    names = {disk.id: f"disk{number:0{digits}}" for number, (_, disk) in enumerate(found, 1)}
    rename_disks(draft, {old: new for old, new in names.items() if old})
    for element, disk in found:
        if names[disk.id] != disk.id:
            yield element, f"Disk '{summary(disk.id or '')}' is '{names[disk.id]}' now"


@fix_for("PVE-004")
def plain_ids_of_disks(draft: Draft, _: Target, places: Places) -> Done:
    """Give disks ids of plain letters where a drive that is passed over names them."""
    resources = {
        named.id
        for item in items(draft.envelope)
        if item.at in places and (named := backing_of(item.said.get("HostResource")))
        if not RESOURCE.fullmatch(item.said["HostResource"])
    }
    found = {disk.id: element for element, disk in listed_disks(draft) if disk.id in resources}
    names = {old: ODD_ID.sub("-", old).strip("-") or "disk" for old in found if old}
    names = distinct(names, (disk.id or "" for disk in draft.envelope.disks))
    rename_disks(draft, names)
    for old, new in names.items():
        yield found[old], f"Disk '{summary(old)}' is '{new}' now"


@fix_for("PVE-005")
def plain_ids_of_files(draft: Draft, _: Target, places: Places) -> Done:
    """Give the Files of disks ids of plain letters."""
    used = {disk.file_ref for disk in draft.envelope.disks} if places else set()
    found = {
        reference.id: element
        for element, reference in listed(draft)
        if reference.id in used and not FILE_ID.fullmatch(reference.id or "")
    }
    names = {old: ODD_ID.sub("-", old).strip("-") or "file" for old in found if old}
    names = distinct(names, (reference.id or "" for reference in draft.envelope.references))
    rename_file_ids(draft, names)
    for old, new in names.items():
        yield found[old], f"File '{summary(old)}' is '{new}' now"


def _renamed(draft: Draft, places: Places, right: Callable[[Package, Reference], str]) -> Done:
    """Rename the files that were found, as ``right`` says."""
    result = draft.result()
    found: dict[str, tuple[etree._Element, Reference]] = {}
    names: dict[str, str] = {}
    for element, reference in _movable(draft, result, places):
        old, new = name_of(reference), right(result, reference)
        if quote(new) != reference.href:
            found[old], names[old] = (element, reference), new
    used = (*map(name_of, draft.envelope.references), *result.names())
    for old, new in distinct(names, used).items():
        element, reference = found[old]
        rename_file(draft, result, element, reference, new)
        yield element, f"{summary(reference.href or '')} is {quote(new)} now"


def _movable(
    draft: Draft, result: Package, places: Places
) -> Iterator[tuple[etree._Element, Reference]]:
    """Yield the files of disks that were found, are in one piece and no other disk's base."""
    bases = any(disk.parent_ref for disk in draft.envelope.disks)
    for element, reference in listed(draft):
        if reference.at not in places or bases or is_remote(reference) or reference.chunk_size:
            continue
        try:
            result.stored_names(reference)
        except InteropError:
            continue
        yield element, reference


@fix_for("PVE-007")
def plain_names_of_files(draft: Draft, _: Target, places: Places) -> Done:
    """Name the files of disks by letters that are allowed, and put them beside the descriptor."""

    def plain(_: Package, reference: Reference) -> str:
        name = name_of(reference).rpartition("/")[2]
        found = name if HREF.fullmatch(name) else ODD.sub("-", name).strip("-")
        return f"disk{found}" if not found or found.startswith(".") else found

    yield from _renamed(draft, places, plain)


def _named_by_format(package: Package, reference: Reference) -> str:
    """Return a file's name with the ending of the format that it is in."""
    name = name_of(reference)
    facts = next(
        (each.facts for each in package.once(contents) if each.reference.id == reference.id), None
    )
    ending = SUFFIXES.get(facts.format, "") if facts else ""
    if facts and reference.compressed:
        ending += ".gz"
    return name if name.lower().endswith(ending) else name + ending


@fix_for("XEN-007")
def endings_of_files(draft: Draft, _: Target, places: Places) -> Done:
    """Let the name of a disk's file end as its format does."""
    yield from _renamed(draft, places, _named_by_format)


@fix_for("XOA-007")
def streams_in_one_piece(draft: Draft, target: Target, places: Places) -> Done:
    """Join chunks, and let the name of a stream's file end in .vmdk."""
    chunked = {each.at for each in draft.envelope.references if each.chunk_size}
    yield from rephrase.plain_files(draft, target, places & chunked)
    yield from _renamed(draft, places - chunked, _named_by_format)
