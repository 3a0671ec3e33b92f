"""Virtual systems of a collection: taken out of it, with what nobody else uses.

Spec: DSP0243 clauses 7.2 (VirtualSystemCollection) and 9.7 (StartupSection).
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf.edit.disks import remove_disk
from ovf.edit.draft import Draft
from ovf.edit.files import file_of, take_out, users_of
from ovf.outline import every_item
from rehost.errors import UsageError
from rehost.tracked import local_name

DISK, FILE = "/disk/", "/file/"


def remove_system(draft: Draft, identifier: str) -> None:
    """Remove a virtual system from its collection, with its disks and media if nobody shares them.

    Its place in the order of starting goes, too; networks stay.
    """
    element = draft.system(identifier)
    parent = element.getparent()
    if parent is None or local_name(str(parent.tag)) != "VirtualSystemCollection":
        raise UsageError(
            f"is the only machine, and no package is without one ({identifier!r})",
            where=draft.where(element),
        )
    if sum(1 for _ in draft.envelope.children(parent, "VirtualSystem")) == 1:
        raise UsageError(
            f"is the last machine of its collection ({identifier!r})", where=draft.where(element)
        )
    disks, files = set(_named(draft, element, DISK)), set(_named(draft, element, FILE))
    for section in draft.envelope.children(parent, "StartupSection"):
        for item in draft.envelope.children(section, "Item"):
            if draft.envelope.attribute(item, "id") == identifier:
                draft.text.remove(item)
    draft.text.remove(element)
    draft.settle()
    left = draft.envelope.root
    unused = disks - set(_named(draft, left, DISK))
    for disk in reversed(draft.envelope.disks):
        if disk.id in unused and disk.id is not None:
            remove_disk(draft, disk.id)
    for file in sorted(files - set(_named(draft, left, FILE))):
        if draft.envelope.reference(file) is not None and not any(users_of(draft, file)):
            take_out(draft, *file_of(draft, file))
            draft.settle()


def _named(draft: Draft, within: etree._Element, kind: str) -> Iterator[str]:
    """Yield the ids that the HostResources within an element give."""
    for item in every_item(draft.envelope):
        resource = item.said.get("HostResource", "")
        inside = any(each is within for each in item.element.iterancestors())
        if kind in resource and inside:
            yield resource.partition(kind)[2]
