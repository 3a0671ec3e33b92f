"""Fixes of the DiskSection: clause 9.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from lxml import etree

from ovf import units
from ovf.contents.disks import contents
from ovf.contents.format_uris import declared_format
from ovf.contents.probe import DiskFacts, StreamFacts
from ovf.edit.disks import listed_disks, uri_of
from ovf.edit.draft import Draft
from ovf.edit.files import listed
from ovf.envelope import PROPERTY_MACRO, VirtualDisk
from ovf.mending.fix import Done, fix
from ovf.outline import whole
from ovf.package import name_of
from ovf.uris import URI
from ovf.writing.write import held_open
from rehost.errors import DamagedInputError
from rehost.files import File, Held, Joined, Window
from rehost.tracked import summary

SECTOR = 512


def _called(disk: VirtualDisk) -> str:
    return f"Disk '{summary(disk.id or '')}'"


@fix("DSK-004")
def units_in_full(draft: Draft) -> Done:
    """Write a unit of an older spelling as DSP0004 has it."""
    for element, disk in listed_disks(draft):
        try:
            unit = units.parse(disk.units or "byte")
        except DamagedInputError:
            continue
        right = units.written(unit) if unit.legacy and unit.base == "byte" else None
        if right is not None:
            draft.set(element, "capacityAllocationUnits", right)
            said = summary(disk.units or "")
            yield element, f"{_called(disk)} capacityAllocationUnits: {said} -> {right}"


@fix("DSK-009")
def populated_sizes_left_out(draft: Draft) -> Done:
    """Leave out what cannot be: the attribute is a hint that nothing needs."""
    for element, disk in listed_disks(draft):
        text = (disk.populated_size or "").strip()
        if disk.populated_size is None:
            continue
        capacity = draft.envelope.legible_capacity(disk)
        number = whole(text)
        if number is None or (capacity is not None and number > capacity):
            draft.set(element, "populatedSize", None)
            yield element, f"{_called(disk)} states no populatedSize now (was {summary(text)})"


@fix("DSK-011")
def empty_parents_left_out(draft: Draft) -> Done:
    """Remove the attribute that names nothing."""
    for element, disk in listed_disks(draft):
        if disk.parent_ref is not None and not disk.parent_ref.strip():
            draft.set(element, "parentRef", None)
            yield element, f"{_called(disk)} has no empty parentRef any more"


def _capacities_from_the_disks(draft: Draft) -> Done:
    """State the size that the disk itself has, which the guest has always seen."""
    for element, disk, facts in _looked_into(draft):
        macro = PROPERTY_MACRO.fullmatch((disk.capacity or "").strip())
        said = draft.envelope.legible_capacity(disk)
        size = facts.virtual_size
        if size is not None and said != size and not macro:
            draft.set(element, "capacity", str(size))
            draft.set(element, "capacityAllocationUnits", None)
            shown = said or summary(disk.capacity or "none")
            yield element, f"{_called(disk)} capacity: {shown} -> {size} bytes, as its file says"


capacities_corrected = fix("DSK-013")(_capacities_from_the_disks)
capacities_in_digits = fix("DSK-002")(_capacities_from_the_disks)


@fix("DSK-008")
def formats_stated(draft: Draft) -> Done:
    """Write the URI of what the file is in where none is stated."""
    yield from _formats(draft, lambda said: not said)


@fix("PKG-006")
def formats_as_uris(draft: Draft) -> Done:
    """Write the URI of what the file is in for a word that is none."""
    yield from _formats(draft, lambda said: bool(said) and not URI.fullmatch(said))


def _formats(draft: Draft, wrong: Callable[[str], bool]) -> Done:
    for element, disk, facts in _looked_into(draft):
        said, right = (disk.format or "").strip(), uri_of(facts)
        if wrong(said) and right is not None:
            draft.set(element, "format", right)
            yield element, f"{_called(disk)} format: {summary(said) or 'none'} -> {right}"


@fix("DSK-012")
def formats_from_the_disks(draft: Draft) -> Done:
    """Write the URI of what the file is in."""
    for element, disk, facts in _looked_into(draft):
        declared = declared_format(disk.format or "")
        if declared is None or declared.covers(facts.format, facts.variant):
            continue
        right = uri_of(facts)
        if right is not None:
            draft.set(element, "format", right)
            yield element, f"{_called(disk)} format: {summary(disk.format or '')} -> {right}"


@fix("DSK-014")
def cut_behind_the_end(draft: Draft) -> Done:
    """End the file at its end-of-stream marker; what follows is no part of the disk."""
    for each in _streams(draft):
        if each.stream.behind and (end := each.stream.end):
            cut = Window(each.file, 0, end, each.file.name)
            yield _replaced(draft, each, cut, "to its end-of-stream marker")


@fix("DSK-024")
def end_with_a_marker(draft: Draft) -> Done:
    """Put the sector of zeros behind the last grain that is the end-of-stream marker."""
    for each in _streams(draft):
        if each.stream.due is not None and not each.facts.flaws:
            left = each.stream.due + SECTOR - each.file.size
            marked = Joined((each.file, Held(bytes(left), each.file.name)), each.file.name)
            yield _replaced(draft, each, marked, "with an end-of-stream marker")


class _Stream(NamedTuple):
    """A File that is a stream, as it is, neither in chunks nor packed once more."""

    element: etree._Element
    name: str
    file: File
    facts: DiskFacts
    stream: StreamFacts


def _streams(draft: Draft) -> Iterator[_Stream]:
    if draft.package is None:
        return
    result = draft.result()
    found = {each.reference.id: each.facts for each in result.once(contents) if each.facts}
    for element, reference in listed(draft):
        facts = found.get(reference.id)
        packed = reference.chunk_size or reference.compressed
        if facts and facts.stream and not packed:
            file = result.stored_file(reference)
            yield _Stream(element, name_of(reference), file, facts, facts.stream)


def _replaced(draft: Draft, each: _Stream, file: File, how: str) -> tuple[etree._Element, str]:
    """Put a file in the place of a stream's, and say so."""
    draft.added[each.name] = held_open(each.name, file)
    draft.set(each.element, "size", str(file.size))
    return each.element, f"{summary(each.name)}: {each.file.size} -> {file.size} bytes, {how}"


def _looked_into(draft: Draft) -> Iterator[tuple[etree._Element, VirtualDisk, DiskFacts]]:
    """Yield the disks whose files were looked into, by their ids."""
    looked = draft.result().once(contents) if draft.package else ()
    found = {each.disk.id: each.facts for each in looked if each.disk.id}
    for element, disk in listed_disks(draft):
        facts = found.get(disk.id or "")
        if facts is not None:
            yield element, disk, facts
