"""Items of virtual hardware in another version of OVF.

Spec: DSP0243 1.x and 2.x, clause 8.3. OVF 2.x describes network adapters as EthernetPortItems and
storage as StorageItems, whose children are in namespaces of their own; in 1.x all are Items. What
a class of OVF 2.x has beyond the properties of an Item becomes an optional extension of it, which
clause 7.3 allows, and is a property again on the way back.
"""

from __future__ import annotations

from lxml import etree

from ovf.cim import ResourceType, device_name
from ovf.edit.items import SETTINGS, TAGS
from ovf.namespaces import RASD
from ovf.outline import WrittenItem, item_sections
from ovf.schema.vocabulary import vocabulary
from ovf.versions.restatement import Restatement
from rehost.tracked import content, label, local_name, summary

STORAGE = frozenset((14, 15, 16, 17, 18, 19, 31, 32))
"""What is storage and not a controller of it: 20 is written for SATA and NVMe controllers."""
ALLOCATION = "AllocationSettingData"
NAME = "ElementName"
FIRST = ("Info", "System")
EXTENSION = "OVF 1.x has no such property; kept as an extension that may be ignored"


def namespaces_of(restating: Restatement, version: str) -> set[str]:
    """Return the namespaces that items need in this version."""
    tags = {_tag(item, version) for item in _written(restating)}
    return {SETTINGS[tag] for tag in tags}


def restate_items(restating: Restatement, version: str) -> None:
    """Give every item the class, the children and the place it has in this version."""
    for item in _written(restating):
        _reclass(restating, item, _tag(item, version), version)
    if version == "2":
        for section in item_sections(restating.draft.envelope):
            _arrange(restating, section.element, section.items)


def _written(restating: Restatement) -> list[WrittenItem]:
    sections = item_sections(restating.draft.envelope)
    return [item for section in sections for item in section.items]


def _tag(item: WrittenItem, version: str) -> str:
    if version == "1":
        return TAGS[0]
    spaces = {etree.QName(child).namespace for child in item.element.iterchildren(etree.Element)}
    if item.kind == ResourceType.ETHERNET or SETTINGS["EthernetPortItem"] in spaces:
        return "EthernetPortItem"
    if item.kind in STORAGE or SETTINGS["StorageItem"] in spaces:
        return "StorageItem"
    return local_name(str(item.element.tag))


def _reclass(restating: Restatement, item: WrittenItem, tag: str, version: str) -> None:
    """Make an item one of a class, and put its children in order."""
    text = restating.draft.text
    if local_name(str(item.element.tag)) != tag:
        text.rename(item.element, tag)
    known = vocabulary(version).elements
    own: list[tuple[str, etree._Element]] = []
    others = []
    for child in item.element.iterchildren(etree.Element):
        name = local_name(str(child.tag))
        right = f"{{{SETTINGS[tag]}}}{name}"
        if ALLOCATION not in str(child.tag) or right not in known:
            others.append(child)
            if version == "1" and ALLOCATION in str(child.tag).replace(RASD, ""):
                _extend(restating, item, child)
            continue
        own.append((name, child))
        if str(child.tag) != right:
            text.rename(child, right)
        if version == "2" and child.get(restating.draft.name("required")) is not None:
            restating.draft.set(child, "required", None)
    own += _named(restating, item, SETTINGS[tag], {name for name, _ in own})
    order = [*(child for _, child in sorted(own, key=lambda pair: pair[0])), *others]
    if order != text.children(item.element):
        text.reorder(item.element, order)


def _extend(restating: Restatement, item: WrittenItem, child: etree._Element) -> None:
    """Make a child that an Item of OVF 1.x does not have an extension that may be ignored."""
    restating.draft.set(child, "required", "false")
    what = f"{restating.at(item.element)} {item.label} {label(child)}"
    restating.change(what, content(child), "extension", EXTENSION)


def _named(
    restating: Restatement, item: WrittenItem, space: str, known: set[str]
) -> list[tuple[str, etree._Element]]:
    """Name an item of no name, as VirtualBox writes them in OVF 2.x."""
    if NAME in known or not known:
        return []
    name = item.said.get("Caption") or device_name(item.kind)
    made = etree.Element(f"{{{space}}}{NAME}")
    made.text = name
    restating.draft.text.prepend(item.element, made)
    what = f"{restating.at(item.element)} {item.label} {NAME}"
    restating.assume(what, summary(name), "an item has to have a name")
    return [(NAME, made)]


def _arrange(
    restating: Restatement, section: etree._Element, items: tuple[WrittenItem, ...]
) -> None:
    """Put Items first, then EthernetPortItems, then StorageItems; extensions stay last."""
    ranks: dict[etree._Element, int] = {
        item.element: 1 + TAGS.index(_tag(item, "2")) for item in items
    }
    children = restating.draft.text.children(section)
    last = len(TAGS) + 1

    def rank(child: etree._Element) -> int:
        return 0 if local_name(str(child.tag)) in FIRST else ranks.get(child, last)

    order = sorted(children, key=rank)
    if order != children:
        restating.draft.text.reorder(section, order)
