"""The items as they are written, for rules: nothing resolved, nothing refused.

Spec: DSP0243 clauses 8.1 to 8.4 (virtual hardware) and 9.3 (allocations of a collection).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from ovf.envelope import Envelope
from ovf.namespaces import CIM
from rehost.report import Location
from rehost.tracked import local_name, summary

CLASSES_OF_ITEMS = ("Item", "EthernetPortItem", "StorageItem")
"""What items are called, in the order the schema of OVF 2.x has them."""
ITEMS = frozenset(CLASSES_OF_ITEMS)
HARDWARE = "VirtualHardwareSection"
ALLOCATION = "ResourceAllocationSection"
NORMAL = "normal"
MOST_DIGITS = 20
LARGEST = 10**MOST_DIGITS
MOST_KINDS = 10**9
LATER = tuple(f"{{{CIM}{kind}AllocationSettingData" for kind in ("Storage", "EthernetPort"))
"""What properties begin with that only items of OVF 2.x have."""
PROPERTIES = (f"{{{CIM}ResourceAllocationSettingData", *LATER)
"""What properties begin with; those of CIM's other classes are extensions of an item."""


@dataclass(frozen=True, slots=True)
class WrittenItem:
    """An item's children by their names; of several alike the last, as when items combine.

    What extensions say counts only in an item that has nothing else.
    ``names`` are those of all its properties, in their order, but for those of OVF 2.x that extend
    an item of 1.x; ``kind`` is the ResourceType, None where it gives no number.
    """

    element: etree._Element
    at: Location
    said: dict[str, str]
    configurations: frozenset[str]
    bound: str
    names: tuple[str, ...]
    kind: int | None

    @property
    def instance(self) -> str | None:
        """Its InstanceID."""
        return self.said.get("InstanceID")

    @property
    def label(self) -> str:
        """What messages call it."""
        name = self.said.get("ElementName") or self.said.get("Caption") or self.instance or "?"
        return f"{local_name(str(self.element.tag))} '{summary(name)}'"


@dataclass(frozen=True, slots=True)
class ItemSection:
    """A VirtualHardwareSection of a system, or a ResourceAllocationSection of a collection."""

    element: etree._Element
    at: Location
    items: tuple[WrittenItem, ...]

    @property
    def hardware(self) -> bool:
        """Whether it describes a machine, not what a collection of them gets."""
        return local_name(str(self.element.tag)) == HARDWARE


def item_sections(envelope: Envelope) -> tuple[ItemSection, ...]:
    """Return every section of items, those of hardware first."""
    return envelope.once(_item_sections)


def hardware_sections(envelope: Envelope) -> tuple[ItemSection, ...]:
    """Return the hardware sections of every virtual system."""
    return envelope.once(_hardware_sections)


def every_item(envelope: Envelope) -> Iterator[WrittenItem]:
    """Yield the items of hardware, then those of allocations."""
    for section in item_sections(envelope):
        yield from section.items


def items(envelope: Envelope) -> Iterator[WrittenItem]:
    """Yield the items of hardware alone."""
    for section in hardware_sections(envelope):
        yield from section.items


def items_of(section: etree._Element, envelope: Envelope) -> tuple[WrittenItem, ...]:
    """Return the items of one section."""
    return tuple(
        _written(child, envelope)
        for child in section.iterchildren(etree.Element)
        if local_name(str(child.tag)) in ITEMS
    )


def _hardware_sections(envelope: Envelope) -> tuple[ItemSection, ...]:
    return tuple(section for section in item_sections(envelope) if section.hardware)


def _item_sections(envelope: Envelope) -> tuple[ItemSection, ...]:
    collections = envelope.every("VirtualSystemCollection")
    owned = (*((each, HARDWARE) for each in envelope.systems),)
    owned += (*((each, ALLOCATION) for each in collections),)
    return tuple(
        ItemSection(
            section,
            envelope.at(section),
            items_of(section, envelope),
        )
        for owner, name in owned
        for section in envelope.children(owner, name)
    )


def _written(element: etree._Element, envelope: Envelope) -> WrittenItem:
    children = _saying(element, envelope)
    said = {local_name(str(child.tag)): (child.text or "").strip() for child in children}
    if "InstanceId" in said:
        said.setdefault("InstanceID", said["InstanceId"])
    properties = (child for child in children if is_property(str(child.tag), envelope))
    return WrittenItem(
        element,
        envelope.at(element),
        {name: text for name, text in said.items() if text},
        frozenset((envelope.attribute(element, "configuration") or "").split()),
        envelope.attribute(element, "bound") or NORMAL,
        tuple(local_name(str(child.tag)) for child in properties),
        whole(said.get("ResourceType"), below=MOST_KINDS),
    )


def children_of(item: etree._Element, name: str, envelope: Envelope) -> list[etree._Element]:
    """Return the children from the last of which ``said`` has what an item says by that name."""
    return [each for each in _saying(item, envelope) if local_name(str(each.tag)) == name]


def _saying(item: etree._Element, envelope: Envelope) -> list[etree._Element]:
    """Return the children that say what an item is: no extensions, unless it has nothing else."""
    children = list(item.iterchildren(etree.Element))
    own = f"{{{envelope.namespace}}}"
    properties = [is_property(str(child.tag), envelope) for child in children]
    if not any(properties):
        return children
    return [
        child
        for child, of_class in zip(children, properties, strict=True)
        if of_class or not str(child.tag).startswith("{") or str(child.tag).startswith(own)
    ]


def is_property(tag: str, envelope: Envelope) -> bool:
    """Say whether a child of an item is a property of its class, and no extension."""
    extension = envelope.version == "1" and tag.startswith(LATER)
    return tag.startswith(PROPERTIES) and not extension


def whole(text: str | None, *, below: int = LARGEST) -> int | None:
    """Return the whole number a text is; None for words, signs and numbers beyond any use."""
    plain = (text or "").strip()
    if not (plain.isascii() and plain.isdigit()) or len(plain) > MOST_DIGITS:
        return None
    return number if (number := int(plain)) < below else None
