"""Saying the same otherwise, for importers that read one way of saying it only.

Each function changes a draft where a check found something and yields what it did, as fixes do.
None loses anything: memory stays as large, disks stay in their drives, files keep their bytes.

Spec: DSP0243 clauses 7.1 (chunks, compression), 7.3 (``ovf:required``), 8.3 (items), 9.1 (disks).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from urllib.parse import quote

from lxml import etree

from ovf.cim import ResourceType
from ovf.contents.disks import contents
from ovf.edit.disks import listed_disks, uri_of
from ovf.edit.draft import Draft
from ovf.edit.files import listed
from ovf.edit.items import Hardware
from ovf.edit.renaming import withdraw
from ovf.importers import reading
from ovf.judging.profile import Target
from ovf.mending.fix import Done, Places
from ovf.outline import WrittenItem, children_of, hardware_sections, items, whole
from ovf.package import is_remote, name_of
from ovf.versions.restate import restate
from ovf.writing.write import held_open
from rehost.errors import InteropError
from rehost.tracked import summary

MEBIBYTES = "byte * 2^20"
QUANTITIES = ("VirtualQuantity", "Reservation", "Limit")
PACKED = ".gz"
HOLDING = frozenset((17, 18, 19, 31, 32))
"""The resource types that hold data: disks, tapes, storage extents and volumes."""


def memory_in_mebibytes(draft: Draft, _: Target, places: Places) -> Done:
    """State memory in MiB, with `byte * 2^20`, where that is a whole number."""
    for item in items(draft.envelope):
        factor = reading.megabytes(item)
        if item.at not in places or item.kind != ResourceType.MEMORY or factor is None:
            continue
        stated = {name: item.said[name] for name in QUANTITIES if name in item.said}
        turned = {name: _times(text, factor) for name, text in stated.items()}
        already = item.said.get("AllocationUnits") == MEBIBYTES
        if already or None in turned.values() or _could_be_bytes(item):
            continue
        for name, right in turned.items():
            draft.write(children_of(item.element, name, draft.envelope)[-1], str(right))
        said(draft, item, "AllocationUnits", MEBIBYTES)
        before = f"{stated.get('VirtualQuantity', '')} {item.said.get('AllocationUnits', '')}"
        after = f"{turned.get('VirtualQuantity', '')} {MEBIBYTES}"
        yield item.element, f"{item.label}: {summary(before.strip())} -> {after.strip()}"


def _could_be_bytes(item: WrittenItem) -> bool:
    """Say whether a quantity without a unit is enough for a machine even if it is bytes."""
    return "AllocationUnits" not in item.said and any(
        (whole(item.said.get(name)) or 0) >= reading.MIB for name in QUANTITIES
    )


def _times(text: str, factor: Fraction) -> int | None:
    number = whole(text)
    product = None if number is None else number * factor
    return int(product) if product is not None and product.denominator == 1 else None


def capacities_in_bytes(draft: Draft, _: Target, places: Places) -> Done:
    """State capacities in bytes, without a unit."""
    for element, disk in listed_disks(draft):
        if disk.at not in places or not disk.units:
            continue
        size = draft.envelope.legible_capacity(disk)
        if size is not None and whole(disk.capacity) is not None:
            draft.set(element, "capacity", str(size))
            draft.set(element, "capacityAllocationUnits", None)
            before = summary(f"{disk.capacity} {disk.units}")
            yield element, f"Disk '{summary(disk.id or '')}' capacity: {before} -> {size} bytes"


def drives_of_disks(draft: Draft, _: Target, places: Places) -> Done:
    """Name the Disk that is in a file where a drive names that file."""
    in_file: dict[str, list[str]] = {}
    for disk in draft.envelope.disks:
        if disk.id and disk.file_ref:
            in_file.setdefault(disk.file_ref, []).append(disk.id)
    for item in items(draft.envelope):
        said = item.said.get("HostResource", "")
        found = in_file.get(said.removeprefix("ovf:/file/"), [])
        if item.at in places and len(found) == 1 and said.startswith("ovf:/"):
            child = children_of(item.element, "HostResource", draft.envelope)[-1]
            draft.write(child, f"ovf:/disk/{found[0]}")
            yield child, f"{item.label} HostResource: {summary(said)} -> ovf:/disk/{found[0]}"


def as_first_version(draft: Draft, _: Target, __: Places) -> Done:
    """Restate OVF 2.x as 1.x; whatever 1.x has no word for is said to be lost."""
    if draft.envelope.version != "2":
        return
    losses = restate(draft, "1")
    root = draft.envelope.root
    yield root, "descriptor: OVF 2.x -> 1.x"
    for loss in losses:
        yield root, f"{loss.item} is {loss.kind.value} ({loss.why})"


def formats_of_the_files(draft: Draft, _: Target, places: Places) -> Done:
    """Write the URI of what a disk's file is in, in its usual spelling."""
    looked = draft.result().once(contents)
    known = {each.disk.id: uri_of(each.facts) for each in looked if each.facts}
    for element, disk in listed_disks(draft):
        right, before = known.get(disk.id), (disk.format or "").strip()
        if disk.at in places and right is not None and right != before:
            draft.set(element, "format", right)
            yield element, f"Disk '{summary(disk.id or '')}' format: {summary(before)} -> {right}"


def described_as(draft: Draft, places: Places, kind: int, text: str) -> Done:
    """Give the items of a kind a Description by which they are known."""
    for item in items(draft.envelope):
        if item.at in places and item.kind == kind:
            yield said(draft, item, "Description", text), f"{item.label} Description: {text}"


def plain_files(draft: Draft, _: Target, places: Places) -> Done:
    """Store files whole and unpacked, without compression and chunks of the package's own."""
    result = draft.result()
    for element, reference in listed(draft):
        packed = reference.compressed or reference.chunk_size
        if reference.at not in places or is_remote(reference) or not packed:
            continue
        try:
            stored = result.stored_names(reference)
            file = result.file_for(reference)
            size = file.size
        except InteropError:
            continue
        name = name_of(reference)
        plain = name.removesuffix(PACKED)
        if reference.compressed and plain and result.find(plain) is None:
            name = plain
            draft.set(element, "href", quote(name))
        withdraw(draft, set(stored) - {name})
        draft.added[name] = held_open(name, file)
        for attribute in ("compression", "chunkSize"):
            draft.set(element, attribute, None)
        draft.set(element, "size", str(size))
        how = "unpacked" if reference.compressed else f"in one piece, not in {len(stored)}"
        yield element, f"{summary(name)} is stored {how} ({size} bytes)"


def devices_passed_over(draft: Draft, found: Iterable[tuple[WrittenItem, int]]) -> Done:
    """Let an importer do without devices it does not have, but for those that hold data."""
    for item, kind in found:
        if kind not in HOLDING:
            yield from required_no_more(draft, item.element, item.label)


def required_no_more(draft: Draft, element: etree._Element, name: str) -> Done:
    """Let an importer do without an element, which messages call ``name``."""
    draft.set(element, "required", "false")
    yield element, f"{summary(name)} is not required any more, so that it is passed over"


def said(draft: Draft, item: WrittenItem, name: str, text: str) -> etree._Element:
    """Give an item a child, in its place, or another text to the one it has; return the item."""
    sections = (each.element for each in hardware_sections(draft.envelope))
    section = next(each for each in sections if each is item.element.getparent())
    Hardware(draft, section).say(item, name, text)
    return item.element
