"""Files and disks under other names and ids, and whatever names them by those.

Spec: DSP0243 clauses 7.1 (File), 8.3 (HostResource) and 9.1 (Disk).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from urllib.parse import quote

from lxml import etree

from ovf.backing import backing_of
from ovf.edit.draft import Draft
from ovf.envelope import Reference
from ovf.outline import every_item
from ovf.package import Package, name_of
from ovf.writing.write import Member

DISK, FILE = "disk", "file"


def rename_file(
    draft: Draft, before: Package, element: etree._Element, reference: Reference, name: str
) -> None:
    """Give a file in one piece another name; ``before`` is the package as it is until now."""
    old = name_of(reference)
    if old != name:
        draft.added[name] = Member(name, partial(before.member, old))
        withdraw(draft, (old,))
    draft.set(element, "href", quote(name))


def withdraw(draft: Draft, names: Iterable[str]) -> None:
    """Leave files out of the package, whether they were in it or came with this draft."""
    for name in names:
        if draft.added.pop(name, None) is None:
            draft.removed.add(name)


def rename_disks(draft: Draft, names: Mapping[str, str]) -> None:
    """Give disks other ids, and tell the drives and disks that name them by the old ones."""
    _attributes(draft, ("diskId", "parentRef"), names)
    _resources(draft, DISK, names)


def rename_file_ids(draft: Draft, names: Mapping[str, str]) -> None:
    """Give Files other ids, and tell all that names them by the old ones."""
    for section in draft.envelope.sections("References"):
        for element in draft.envelope.children(section, "File"):
            _attribute(draft, element, "id", names)
    _attributes(draft, ("fileRef",), names)
    _resources(draft, FILE, names)


def _attributes(draft: Draft, attributes: tuple[str, ...], names: Mapping[str, str]) -> None:
    for element in draft.envelope.root.iter(f"{{{draft.envelope.namespace}}}*"):
        for attribute in attributes:
            _attribute(draft, element, attribute, names)


def _attribute(
    draft: Draft, element: etree._Element, attribute: str, names: Mapping[str, str]
) -> None:
    new = names.get(draft.envelope.attribute(element, attribute) or "")
    if new is not None:
        draft.set(element, attribute, new)


def _resources(draft: Draft, kind: str, names: Mapping[str, str]) -> None:
    for item in every_item(draft.envelope):
        for child in item.element.iterchildren("{*}HostResource"):
            before, found = (child.text or "").strip(), backing_of(child.text)
            if found is not None and found.kind == kind and found.id in names:
                draft.write(child, before.removesuffix(found.id) + names[found.id])


def distinct(wanted: Mapping[str, str], used: Iterable[str]) -> dict[str, str]:
    """Number new names that are taken: ``web``, ``web-2`` and so on; in the order of ``wanted``."""
    taken = set(used) - set(wanted)
    found: dict[str, str] = {}
    for old, new in wanted.items():
        stem, dot, suffix = new.rpartition(".") if "." in new[1:] else (new, "", "")
        number, free = 1, new
        while free in taken:
            number += 1
            free = f"{stem}-{number}{dot}{suffix}"
        taken.add(free)
        found[old] = free
    return found
