"""The virtual hardware as it is written, for rules: nothing resolved, nothing refused.

Spec: DSP0243 clauses 8.1 to 8.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from ovf.envelope import Envelope
from rehost.report import Location
from rehost.tracked import local_name, summary

ITEMS = frozenset(("Item", "StorageItem", "EthernetPortItem"))


@dataclass(frozen=True, slots=True)
class WrittenItem:
    """An item's children by their names; of several alike the last, as when items combine."""

    element: etree._Element
    at: Location
    said: dict[str, str]
    configurations: frozenset[str]
    bound: str

    @property
    def instance(self) -> str | None:
        """Its InstanceID."""
        return self.said.get("InstanceID")

    @property
    def label(self) -> str:
        """What messages call it."""
        name = self.said.get("ElementName") or self.said.get("Caption") or self.instance or "?"
        return f"{local_name(str(self.element.tag))} '{summary(name)}'"


def hardware_sections(envelope: Envelope) -> tuple[tuple[WrittenItem, ...], ...]:
    """Return the items of every hardware section of every virtual system."""
    return envelope.once(_hardware_sections)


def items(envelope: Envelope) -> Iterator[WrittenItem]:
    """Yield every item of the package."""
    for section in hardware_sections(envelope):
        yield from section


def items_of(section: etree._Element, envelope: Envelope) -> tuple[WrittenItem, ...]:
    """Return the items of one hardware section."""
    return tuple(
        _written(child, envelope)
        for child in section.iterchildren(etree.Element)
        if local_name(str(child.tag)) in ITEMS
    )


def _hardware_sections(envelope: Envelope) -> tuple[tuple[WrittenItem, ...], ...]:
    return tuple(
        items_of(section, envelope)
        for system in envelope.systems
        for section in envelope.children(system, "VirtualHardwareSection")
    )


def _written(element: etree._Element, envelope: Envelope) -> WrittenItem:
    said = {
        local_name(str(child.tag)): (child.text or "").strip()
        for child in element.iterchildren(etree.Element)
    }
    if "InstanceId" in said:
        said.setdefault("InstanceID", said["InstanceId"])
    return WrittenItem(
        element,
        envelope.at(element),
        {name: text for name, text in said.items() if text},
        frozenset((envelope.attribute(element, "configuration") or "").split()),
        envelope.attribute(element, "bound") or "normal",
    )


def whole(text: str | None) -> int | None:
    """Return the whole number a text is; None for words, signs and numbers beyond any use."""
    plain = (text or "").strip()
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) <= 20 else None
