"""Fixes of the order of files, disks and items: clauses 7.1, 8.3, 9.1 and 10."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from lxml import etree

from ovf.edit.draft import Draft
from ovf.judging.profile import Target
from ovf.mending.fix import Done, Places, fix, fix_for
from ovf.outline import CLASSES_OF_ITEMS, hardware_sections
from rehost.tracked import local_name


@fix("DSK-007")
def disks_like_their_files(draft: Draft) -> Done:
    """Sort the Disks like their Files, unless one needs another before it."""
    envelope = draft.envelope
    if any(disk.parent_ref for disk in envelope.disks):
        return
    places = {file.id: number for number, file in enumerate(envelope.references)}
    for section in envelope.sections("DiskSection"):
        yield from _sorted(
            draft, section, "Disk", lambda disk: places.get(envelope.attribute(disk, "fileRef"))
        )


@fix("REF-013")
def bundles_first(draft: Draft) -> Done:
    """Put the Files of string bundles before all others."""
    envelope = draft.envelope
    bundles = {envelope.attribute(strings, "fileRef") for strings in envelope.sections("Strings")}
    for section in envelope.sections("References"):
        yield from _sorted(
            draft, section, "File", lambda file: int(envelope.attribute(file, "id") not in bundles)
        )


@fix("ITM-017")
def items_by_class(draft: Draft) -> Done:
    """Put Items first, then EthernetPortItems, then StorageItems, each in the order they had."""
    places = {draft.name(name): number for number, name in enumerate(CLASSES_OF_ITEMS)}
    if draft.envelope.version == "1":
        return
    for section in hardware_sections(draft.envelope):
        numbers = {
            child: places.get(str(child.tag)) for child in draft.text.children(section.element)
        }
        if _reordered(draft, section.element, numbers):
            kind = local_name(str(section.element.tag))
            yield section.element, f"{kind} has its items in the order of their classes now"


@fix_for("FKL-006")
def files_like_their_disks(draft: Draft, _: Target, __: Places) -> Done:
    """Put the Files of disks first, in the order of the Disks, unless there are string bundles."""
    envelope = draft.envelope
    if any(envelope.attribute(strings, "fileRef") for strings in envelope.sections("Strings")):
        return
    numbers = {disk.file_ref: number for number, disk in enumerate(envelope.disks)}
    last = len(numbers)
    for section in envelope.sections("References"):
        yield from _sorted(
            draft,
            section,
            "File",
            lambda file: numbers.get(envelope.attribute(file, "id"), last),
        )


def _sorted(
    draft: Draft,
    section: etree._Element,
    name: str,
    place: Callable[[etree._Element], int | None],
) -> Iterator[tuple[etree._Element, str]]:
    """Sort the children of a name that have a place among themselves; all others stay put."""
    named = [child for child in draft.text.children(section) if child.tag == draft.name(name)]
    if _reordered(draft, section, {child: place(child) for child in named}):
        kind = local_name(str(section.tag))
        yield section, f"{kind} has its {name} elements in order now"


def _reordered(
    draft: Draft, section: etree._Element, places: Mapping[etree._Element, int | None]
) -> bool:
    """Say whether the children with places had to be sorted; all others stay put."""
    children = draft.text.children(section)
    known = {child: number for child, number in places.items() if number is not None}
    order = iter(sorted(known, key=lambda child: known[child]))
    right = [next(order) if child in known else child for child in children]
    if right == children:
        return False
    draft.text.reorder(section, right)
    return True
