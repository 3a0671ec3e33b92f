"""Fixes of the items of virtual hardware: clauses 8.1 to 8.3."""

from __future__ import annotations

from lxml import etree

from ovf import units
from ovf.backing import backing_of
from ovf.cim import device_name
from ovf.edit.draft import Draft
from ovf.edit.items import Hardware
from ovf.envelope import Envelope
from ovf.mending.fix import Done, fix
from ovf.namespaces import CIM
from ovf.outline import NORMAL, WrittenItem, children_of, every_item, is_property, item_sections
from rehost.errors import DamagedInputError
from rehost.tracked import label, local_name, summary

OPTIONAL = frozenset(("false", "0"))
BOUNDS = {
    **dict.fromkeys(("min", "minimum"), "min"),
    "normal": "normal",
    **dict.fromkeys(("max", "maximum"), "max"),
}


def _rewritten(draft: Draft, item: WrittenItem, name: str, right: str | None) -> Done:
    """Write ``right`` into a child of an item, if it is there and says something else."""
    found, said = children_of(item.element, name, draft.envelope), item.said.get(name)
    if found and said is not None and right is not None and said != right:
        draft.write(found[-1], right)
        yield found[-1], f"{item.label} {name}: {summary(said)} -> {right}"


@fix("ITM-001")
def instances_numbered(draft: Draft) -> Done:
    """Number the items that have no InstanceID, after the highest there is.

    One of a range or of some configurations only could be a part of another item, and stays.
    """
    for section in item_sections(draft.envelope):
        hardware = Hardware(draft, section.element)
        free = int(hardware.free_instance())
        for item in section.items:
            alone = item.bound == NORMAL and not item.configurations
            if item.instance is None and item.names and alone:
                hardware.say(item, "InstanceID", str(free))
                yield item.element, f"{item.label} has an InstanceID now ({free})"
                free += 1


@fix("ITM-011")
def units_in_full(draft: Draft) -> Done:
    """Write a unit of an older spelling as DSP0004 has it."""
    for item in every_item(draft.envelope):
        text = item.said.get("AllocationUnits", "")
        yield from _rewritten(draft, item, "AllocationUnits", _unit(text, spaced=False))


@fix("ITM-020")
def carets_closed(draft: Draft) -> Done:
    """Remove the spaces around carets."""
    for item in every_item(draft.envelope):
        text = item.said.get("AllocationUnits", "")
        yield from _rewritten(draft, item, "AllocationUnits", _unit(text, spaced=True))


def _unit(text: str, *, spaced: bool) -> str | None:
    """Return a unit in DSP0004's spelling, if it is in an older one."""
    try:
        unit = units.parse(text)
    except DamagedInputError:
        return None
    return units.written(unit) if unit.legacy and unit.spaced is spaced else None


@fix("ITM-014")
def subtypes_apart(draft: Draft) -> Done:
    """Write single spaces between the words."""
    for item in every_item(draft.envelope):
        words = item.said.get("ResourceSubType", "").replace(",", " ").split()
        yield from _rewritten(draft, item, "ResourceSubType", " ".join(words) or None)


@fix("ITM-007")
def resources_in_full(draft: Draft) -> Done:
    """Write ovf:/disk/ or ovf:/file/ before the id."""
    for item in every_item(draft.envelope):
        found = backing_of(item.said.get("HostResource"))
        if found is not None:
            yield from _rewritten(draft, item, "HostResource", str(found))


@fix("ITM-015")
def vendors_children_passed_over(draft: Draft) -> Done:
    """Mark what is not CIM's as not required, as the standard wants it of all of them."""
    for item in every_item(draft.envelope):
        for child in item.element.iterchildren(etree.Element):
            said = (draft.envelope.attribute(child, "required") or "true").strip().lower()
            if said not in OPTIONAL and not str(child.tag).startswith(f"{{{CIM}"):
                draft.text.set(child, draft.name("required"), "false")
                yield child, f"{item.label} does not require {summary(label(child))} any more"


@fix("BND-001")
def bounds_in_one_word(draft: Draft) -> Done:
    """Write min, normal and max where it is one of these words in full or in another case."""
    for item in every_item(draft.envelope):
        said = draft.envelope.attribute(item.element, "bound")
        right = BOUNDS.get((said or "").strip().lower())
        if said is not None and right is not None and right != said:
            draft.set(item.element, "bound", right)
            yield item.element, f"{item.label} bound: {summary(said)} -> {right}"


@fix("VHS-008")
def children_sorted(draft: Draft) -> Done:
    """Put the children of an item in order and name the item, its extensions staying last."""
    for item in every_item(draft.envelope):
        if item.names and "ElementName" not in item.names:
            name = item.said.get("Caption") or device_name(item.kind)
            space = etree.QName(_first(item, draft.envelope)).namespace
            made = etree.Element(f"{{{space}}}ElementName")
            made.text = name
            draft.text.prepend(item.element, made)
            yield item.element, f"{item.label} has an ElementName now ({summary(name)})"
        children = draft.text.children(item.element)
        right = sorted(children, key=lambda child: _place(child, draft.envelope))
        if children != right:
            draft.text.reorder(item.element, right)
            if list(item.names) != sorted(item.names):
                yield item.element, f"{item.label} has its children in order now"


def _place(child: etree._Element, envelope: Envelope) -> tuple[bool, str]:
    """Return what children of items are sorted by: properties come first, by their names."""
    tag = str(child.tag)
    return (False, local_name(tag)) if is_property(tag, envelope) else (True, "")


def _first(item: WrittenItem, envelope: Envelope) -> etree._Element:
    return next(
        child
        for child in item.element.iterchildren(etree.Element)
        if is_property(str(child.tag), envelope)
    )
