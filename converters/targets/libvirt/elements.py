"""Writing elements: the one step every part of the domain is made of."""

from __future__ import annotations

from lxml import etree


def add(parent: etree._Element, tag: str, text: str | None = None, **said: str) -> etree._Element:
    """Append an element with its text and attributes."""
    element = etree.SubElement(parent, tag, attrib=said)
    element.text = text
    return element
