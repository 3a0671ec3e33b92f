"""VMware's checks of what sections say: properties, startup order, sizes of disks.

All rest on VMware's own test descriptors, among which ovftool refuses these: its words are not
known. Spec: DSP0243 clauses 9.1, 9.5 and 9.7; the types of properties that VMware adds are those of
its vSphere API, VAppPropertyInfo.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from ovf.envelope import CONTENT, Envelope, number
from ovf.judging.profile import Hit, Sure, Target, check
from ovf.package import Package
from rehost.errors import DamagedInputError
from rehost.tracked import summary

SOURCE = "refused by ovftool among VMware's own test descriptors"
TYPE = re.compile(
    r"[us]int(8|16|32|64)|string|boolean|real(32|64)"  # the standard's
    r"|(string|int|real|ip|expression|password)([:(].*)?"  # VMware's
)


@check("VMW-040", source=SOURCE, sure=Sure.UNCONFIRMED)
def populated_beyond_capacity(package: Package, target: Target) -> Iterator[Hit]:
    """A disk's ovf:populatedSize is at most its capacity.

    No disk holds more than it is large.

    Fix: correct ovf:populatedSize, which is in bytes, or leave it out.
    """
    envelope = package.envelope
    for element in envelope.every("Disk"):
        text = envelope.attribute(element, "populatedSize")
        identifier = envelope.attribute(element, "diskId") or ""
        disk = envelope.disk(identifier)
        if text is None or disk is None:
            continue
        try:
            populated = number(text, "ovf:populatedSize", envelope.at(element))
            capacity = envelope.capacity(disk)
        except DamagedInputError:
            continue
        if capacity is not None and populated > capacity:
            message = f"disk {summary(identifier)!r} holds {populated} bytes of {capacity}"
            yield Hit(envelope.at(element), message)


def _products(envelope: Envelope) -> Iterator[etree._Element]:
    yield from envelope.every("ProductSection")


@check(
    "VMW-041",
    source="vSphere Web Services API, fault OvfPropertyType",
    sure=Sure.DOCUMENTATION,
)
def property_types(package: Package, target: Target) -> Iterator[Hit]:
    """A property has a type, of the standard's or of VMware's vApp properties.

    Fix: write ovf:type="string", or the type the value has.
    """
    envelope = package.envelope
    for section in _products(envelope):
        for entry in envelope.children(section, "Property"):
            kind = envelope.attribute(entry, "type")
            key = summary(envelope.attribute(entry, "key") or "")
            if kind is None or not TYPE.fullmatch(kind.strip().lower()):
                said = "has no type" if kind is None else f"is of an unknown type ({kind!r})"
                yield Hit(envelope.at(entry), f"property {key!r} {summary(said)}")


@check(
    "VMW-042",
    source="vSphere Web Services API, fault OvfDuplicatedPropertyIdImport",
    sure=Sure.DOCUMENTATION,
)
def property_keys(package: Package, target: Target) -> Iterator[Hit]:
    """A property has a key, once in its product; a machine has each product once.

    Products are told apart by ovf:class and ovf:instance.

    Fix: give the property another key, or the ProductSection another class or instance.
    """
    envelope = package.envelope
    seen: set[tuple[object, str | None, str | None]] = set()
    for section in _products(envelope):
        names = envelope.attribute(section, "class"), envelope.attribute(section, "instance")
        product = (section.getparent(), *names)
        if product in seen:
            yield Hit(envelope.at(section), "product has the class and instance of another")
        seen.add(product)
        keys: set[str] = set()
        for entry in envelope.children(section, "Property"):
            key = envelope.attribute(entry, "key") or ""
            if not key.strip() or key in keys:
                said = f"has the key of another ({summary(key)!r})" if key.strip() else "has no key"
                yield Hit(envelope.at(entry), f"property {said}")
            keys.add(key)


@check("VMW-043", source=SOURCE, sure=Sure.UNCONFIRMED)
def startup_names(package: Package, target: Target) -> Iterator[Hit]:
    """A StartupSection orders members of its own collection.

    Fix: correct ovf:id, or remove the Item.
    """
    envelope = package.envelope
    for section in envelope.every("StartupSection"):
        holder = section.getparent()
        if holder is None:
            continue
        members = envelope.children(holder, *CONTENT)
        known = {envelope.attribute(member, "id") for member in members}
        for entry in envelope.children(section, "Item"):
            name = envelope.attribute(entry, "id")
            if name not in known:
                message = f"startup order names no member ({summary(name or '')!r})"
                yield Hit(envelope.at(entry), message)
