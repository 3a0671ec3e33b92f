"""The environment document: what a guest is told of itself and of the machines beside it.

Spec: DSP0243 clause 11.1 and DSP8027. OVF 2.x has the namespace of 1.x. Whose the document is, its
``ovfenv:id`` says; properties are a plain list of keys and values, those of the guest's immediate
collection among them.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from ovf.envelope import CONTENT, Envelope
from ovf.package import Package
from rehost.report import Location
from rehost.tracked import local_name

NAMESPACE = "http://schemas.dmtf.org/ovf/environment/1"


@dataclass(frozen=True, slots=True)
class Part:
    """The document itself, or one Entity of it: whose it is, and its properties by their keys."""

    element: etree._Element
    id: str
    at: Location
    keys: tuple[tuple[str, Location], ...]


def parts(package: Package) -> tuple[Part, ...]:
    """Return the document itself, and then its entities."""
    document = package.written
    entities = document.children(document.root, "Entity")
    return tuple(_part(document, element) for element in (document.root, *entities))


def guest(package: Package) -> etree._Element | None:
    """Return the virtual system a document is for, in its package: that of its id, or the only."""
    if package.described is None:
        return None
    envelope = package.described.envelope
    identifier = parts(package)[0].id
    named = [each for each in envelope.systems if envelope.attribute(each, "id") == identifier]
    found = named or (list(envelope.systems) if len(envelope.systems) == 1 else [])
    return found[0] if found else None


def siblings(envelope: Envelope, system: etree._Element) -> dict[str, etree._Element]:
    """Return the systems and collections beside one in its collection, by their ids."""
    parent = system.getparent()
    if parent is None or local_name(str(parent.tag)) != "VirtualSystemCollection":
        return {}
    beside = (each for each in envelope.children(parent, *CONTENT) if each is not system)
    return {envelope.attribute(each, "id") or "": each for each in beside}


def seen_by(envelope: Envelope, content: etree._Element) -> dict[str, None]:
    """Return the keys that a system or collection sees: its own, and its immediate collection's."""
    parent = content.getparent()
    if parent is None or local_name(str(parent.tag)) != "VirtualSystemCollection":
        return own_keys(envelope, content)
    return own_keys(envelope, parent) | own_keys(envelope, content)


def own_keys(envelope: Envelope, content: etree._Element) -> dict[str, None]:
    """Return the keys of the properties of a system or collection itself."""
    sections = envelope.children(content, "ProductSection")
    return dict.fromkeys(key for section in sections for key, _ in envelope.properties_in(section))


def _part(document: Envelope, element: etree._Element) -> Part:
    keys = tuple(
        (document.attribute(entry, "key") or "", document.at(entry))
        for section in document.children(element, "PropertySection")
        for entry in document.children(section, "Property")
    )
    return Part(element, document.attribute(element, "id") or "", document.at(element), keys)
