"""Rules of what an item is: its number, its type, its children. Clauses 8.1 to 8.3."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from ovf import cim
from ovf.cim import ResourceType
from ovf.envelope import Envelope
from ovf.extensions import is_unknown
from ovf.judging.rule import Basis, rule
from ovf.namespaces import CIM
from ovf.outline import (
    CLASSES_OF_ITEMS,
    NORMAL,
    every_item,
    hardware_sections,
    item_sections,
    items,
)
from ovf.package import Package
from rehost.report import Location, Severity
from rehost.tracked import label, local_name, summary

Found = Iterator[tuple[Location, str]]
OF_DRAFTS = frozenset(("BusNumber", "Caption", "InstanceId"))
OPTIONAL = frozenset(("false", "0"))
ALTERNATIVES = re.compile(r"[^\s,;]+(?: [^\s,;]+)*")
KNOWN_TYPES = frozenset(cim.RESOURCE_TYPES) | frozenset(map(int, ResourceType))
VENDORS_TYPES = range(32768, 65536)
PORTS = frozenset((10,))
STORES = frozenset((*range(14, 21), 31, 32))
"""Floppies, CDs, DVDs, disks, tapes and extents, and what CIM's storage profiles add."""
KINDS = {"EthernetPortItem": PORTS, "StorageItem": STORES}
CLASSES = {
    "Item": "ResourceAllocationSettingData",
    "EthernetPortItem": "EthernetPortAllocationSettingData",
    "StorageItem": "StorageAllocationSettingData",
}
SPACES = tuple(CIM + name for name in CLASSES.values())
"""What the namespaces of properties begin with; other classes of CIM are extensions."""


@rule("ITM-001", clause="8.3, 9.8")
def unique_instances(package: Package) -> Found:
    """Every item has an InstanceID, which no other item of its section and configurations has.

    Items of one InstanceID are combined into one device, so one of them would vanish. Items of
    different configurations may share one, and so may the bounds of an item.

    Fix: number the items anew, and the Parents that refer to them.
    """
    for section in item_sections(package.envelope):
        seen: dict[object, int | None] = {}
        for item in section.items:
            if item.instance is None:
                yield item.at, f"{item.label} has no InstanceID"
            elif item.bound == NORMAL:
                key = (item.instance, item.configurations)
                if key in seen:
                    name = summary(item.instance)
                    yield item.at, f"InstanceID {name} is given in line {seen[key]} already"
                seen.setdefault(key, item.at.line)


@rule("ITM-002", clause="8.3, 9.8")
def types_are_said(package: Package) -> Found:
    """Every item has a ResourceType, which is a number.

    Without it nobody knows what device it is.

    Fix: add rasd:ResourceType.
    """
    for item in every_item(package.envelope):
        kind = item.said.get("ResourceType")
        if kind is None:
            yield item.at, f"{item.label} has no ResourceType"
        elif item.kind is None:
            yield item.at, f"{item.label} has a ResourceType that is no number ({summary(kind)!r})"


@rule("ITM-003", clause="8.3", severity=Severity.WARNING, basis=Basis.SCHEMA)
def types_are_known(package: Package) -> Found:
    """A ResourceType is one of CIM's, of common use (34, TPM; 35, sound) or of a vendor.

    CIM reserves 34 to 32767 for itself; vendors have 32768 to 65535. Importers refuse or drop what
    they do not know; VirtualBox stops at it.

    Fix: use a type from CIM_ResourceAllocationSettingData, or 1 with OtherResourceType.
    """
    for item in every_item(package.envelope):
        if not (item.kind is None or item.kind in KNOWN_TYPES or item.kind in VENDORS_TYPES):
            yield item.at, f"{item.label} is of an unknown ResourceType ({item.kind})"


@rule("ITM-004", clause="8.3", severity=Severity.INFO, basis=Basis.UNCONFIRMED)
def others_are_named(package: Package) -> Found:
    """An item of ResourceType 1, other, says by OtherResourceType what it is.

    CIM asks for it, but VMware says it by ResourceSubType alone; a reader that does not know that
    word has nothing to show.

    Fix: add rasd:OtherResourceType with a word for the device.
    """
    for item in every_item(package.envelope):
        if item.kind == ResourceType.OTHER and "OtherResourceType" not in item.said:
            yield item.at, f"{item.label} is of ResourceType 1 but has no OtherResourceType"


@rule("ITM-014", clause="8.1", severity=Severity.WARNING)
def subtypes_are_separated(package: Package) -> Found:
    """Several ResourceSubTypes of an item are separated by one space.

    A list with commas is one unknown word to a reader that goes by the standard.

    Fix: write a single space between the words.
    """
    for item in every_item(package.envelope):
        words = item.said.get("ResourceSubType")
        if words is not None and not ALTERNATIVES.fullmatch(words):
            yield item.at, f"{item.label} lists its ResourceSubTypes otherwise ({summary(words)!r})"


@rule("ITM-015", clause="8.2", severity=Severity.WARNING)
def children_are_known(package: Package) -> Found:
    """A child of an item that is not CIM's has ovf:required="false".

    The standard allows it to be required, but a consumer that does not know it then has to fail the
    whole item. What is in CIM's
    namespaces but not in CIM, EXT-001 tells; in the dialects of drafts, this rule does.

    Fix: add ovf:required="false", or leave the child out.
    """
    envelope = package.envelope
    for item in items(envelope):
        for child in item.element.iterchildren(etree.Element):
            required = (envelope.attribute(child, "required") or "true").strip().lower()
            if required not in OPTIONAL and _is_vendors(child, envelope):
                yield envelope.at(child), f"{item.label} requires {summary(label(child))}"


def _is_vendors(child: etree._Element, envelope: Envelope) -> bool:
    """Say whether a child of an item is not one that every reader has to know."""
    tag = etree.QName(child)
    if not (tag.namespace or "").startswith(CIM):
        return True
    drafted = envelope.dialect is not None and tag.localname not in OF_DRAFTS
    return drafted and is_unknown(child, envelope.version)


@rule("ITM-017", clause="8.3", basis=Basis.SCHEMA, versions=frozenset(("2",)))
def items_are_of_their_class(package: Package) -> Found:
    """An EthernetPortItem describes an Ethernet port, a StorageItem storage, each in its own terms.

    Their children are those of CIM_EthernetPortAllocationSettingData and
    CIM_StorageAllocationSettingData, their ResourceTypes 10, and 14 to 20, 31 or 32. Items come
    first, then EthernetPortItems, then StorageItems.

    Fix: use the namespaces and the order of the schema of OVF 2, or plain Items.
    """
    for section in hardware_sections(package.envelope):
        last = 0
        for item in section.items:
            name = local_name(str(item.element.tag))
            theirs = {
                found
                for child in item.element.iterchildren(etree.Element)
                if (found := etree.QName(child).namespace or "").startswith(SPACES)
            } - {CIM + CLASSES[name], f"{CIM}{CLASSES[name]}.xsd"}
            if theirs:
                wrong = summary(min(theirs).removeprefix(CIM))
                yield item.at, f"{item.label} has children of CIM_{wrong}"
            if item.kind is not None and item.kind not in KINDS.get(name, {item.kind}):
                yield item.at, f"{item.label} has {cim.resource_name(item.kind)}"
            if CLASSES_OF_ITEMS.index(name) < last:
                yield item.at, f"{item.label} comes after a {CLASSES_OF_ITEMS[last]}"
            last = max(last, CLASSES_OF_ITEMS.index(name))
