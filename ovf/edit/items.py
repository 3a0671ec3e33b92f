"""Items of virtual hardware: found, changed, made and removed.

Spec: DSP0243 clauses 8.1 to 8.4 and 9.8; the children of an item are in the order of the CIM
schema, which is that of the alphabet. In OVF 2.x drives are StorageItems and network adapters
EthernetPortItems, whose children are in namespaces of their own.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property

from lxml import etree

from ovf.cim import ResourceType
from ovf.edit.draft import Draft
from ovf.namespaces import EPASD, RASD, SASD
from ovf.outline import WrittenItem, children_of, is_property, items_of, whole
from ovf.text.fragment import fit
from rehost.errors import DamagedInputError, UsageError
from rehost.tracked import local_name, summary

NORMAL = "normal"
TAGS = ("Item", "EthernetPortItem", "StorageItem")
"""In the order OVF 2.x wants them to stand in a section."""
SETTINGS = {
    "Item": RASD,
    "EthernetPortItem": EPASD,
    "StorageItem": SASD,
}
STORAGE = frozenset((ResourceType.FLOPPY, ResourceType.CD, ResourceType.DVD, ResourceType.DISK))
BEHIND = ("VirtualHardwareSection", "Info", "System", *TAGS)


class Hardware:
    """A virtual system's hardware section, the first of several, and the items in it."""

    def __init__(self, draft: Draft, section: etree._Element) -> None:
        self.draft = draft
        self.section = section

    @classmethod
    def of(cls, draft: Draft, system: str | None) -> Hardware:
        """Find it by the id of its virtual system."""
        element = draft.system(system)
        sections = list(draft.envelope.children(element, "VirtualHardwareSection"))
        if not sections:
            raise DamagedInputError(
                f"VirtualSystem '{draft.identifier(element)}' has no VirtualHardwareSection",
                where=draft.where(element),
            )
        if draft.section is not None:
            return cls(draft, _chosen(draft, sections, draft.section))
        note = (
            f"{draft.where(sections[0])}: of {len(sections)} hardware sections only the first is"
            " changed; --hardware-section names another"
        )
        if len(sections) > 1 and note not in draft.notes:
            draft.notes.append(note)
        return cls(draft, sections[0])

    @cached_property
    def items(self) -> tuple[WrittenItem, ...]:
        """The items before any change, ranges and all configurations included."""
        return items_of(self.section, self.draft.envelope)

    def of_kind(self, *kinds: int) -> list[WrittenItem]:
        """Return the items of these resource types that are no bounds of a range."""
        wanted = {str(int(kind)) for kind in kinds}
        return [
            each
            for each in self.items
            if each.said.get("ResourceType") in wanted and each.bound == NORMAL
        ]

    def distinct(self, *kinds: int) -> list[WrittenItem]:
        """Return one item for each device of these types, whatever configurations it has."""
        found: dict[str | None, WrittenItem] = {}
        for each in self.of_kind(*kinds):
            found.setdefault(each.instance, each)
        return list(found.values())

    def chosen(self, name: str, *kinds: int) -> list[WrittenItem]:
        """Return the elements of one device, by its InstanceID or its name."""
        among = self.of_kind(*kinds) if kinds else list(self.items)
        exact = [each for each in among if each.instance == name]
        named = exact or [each for each in among if each.said.get("ElementName") == name]
        if len({each.instance for each in named}) == 1:
            return named
        known = ", ".join(
            f"{each.instance} '{each.said.get('ElementName', '')}'"
            for each in (self.distinct(*kinds) if kinds else self.items)
        )
        raise UsageError(
            f"{'several items are' if named else 'no item is'} called {name!r}",
            where=self.draft.where(self.section),
            hint=f"There are {known}." if known else "",
        )

    def free_instance(self) -> str:
        """Return the InstanceID after the highest there is."""
        return str(max((whole(each.instance) or 0 for each in self.items), default=0) + 1)

    def say(self, item: WrittenItem, name: str, text: str | None) -> None:
        """Set or remove a child of an item, keeping the order of the CIM schema."""
        found = children_of(item.element, name, self.draft.envelope)
        if text is None:
            for child in found:
                self.draft.text.remove(child)
        elif found:
            self.draft.write(found[-1], text)
        else:
            self._insert(item, name, text)

    def add(
        self,
        kind: ResourceType,
        said: Mapping[str, str | None],
        *,
        configuration: str | None = None,
    ) -> str:
        """Add a device behind those like it; return its InstanceID, which is a free one."""
        tag = self._tag(kind)
        instance = self.free_instance()
        words = {**said, "InstanceID": instance, "ResourceType": str(int(kind))}
        made = self.draft.new(tag, configuration=configuration)
        space = self._space(tag)
        for name, text in sorted(words.items()):
            if text is not None:
                etree.SubElement(made, f"{{{space}}}{name}").text = fit(text)
        alike = self.of_kind(kind)
        if alike:
            self.draft.text.after(alike[-1].element, made)
        else:
            self.draft.put(self.section, made, BEHIND)
        self.draft.settle()
        return instance

    def copy(self, item: WrittenItem, configuration: str) -> etree._Element:
        """Put a copy of an item behind it that holds in one configuration only."""
        twin = copy.deepcopy(item.element)
        twin.tail = None
        twin.set(self.draft.name("configuration"), configuration)
        self.draft.text.after(item.element, twin)
        return twin

    def remove(self, items: list[WrittenItem]) -> None:
        """Remove items."""
        for each in items:
            self.draft.text.remove(each.element)

    def _tag(self, kind: ResourceType) -> str:
        if self.draft.envelope.version == "1":
            return "Item"
        if kind is ResourceType.ETHERNET:
            return "EthernetPortItem"
        return "StorageItem" if kind in STORAGE else "Item"

    def _space(self, tag: str) -> str:
        """Return the namespace of an item's children, as its neighbours have it."""
        for item in self.items:
            if local_name(str(item.element.tag)) == tag:
                for child in item.element.iterchildren(etree.Element):
                    if is_property(str(child.tag), self.draft.envelope):
                        return etree.QName(child).namespace or ""
        return SETTINGS[tag]

    def _insert(self, item: WrittenItem, name: str, text: str) -> None:
        tag = local_name(str(item.element.tag))
        made = etree.Element(f"{{{self._space(tag)}}}{name}")
        made.text = fit(text)
        earlier = [
            child
            for child in self.draft.text.children(item.element)
            if is_property(str(child.tag), self.draft.envelope)
            and local_name(str(child.tag)) < name
        ]
        if earlier:
            self.draft.text.after(earlier[-1], made)
        else:
            self.draft.text.prepend(item.element, made)


def _chosen(draft: Draft, sections: list[etree._Element], wanted: str) -> etree._Element:
    """Return the section of that place, id or family; several of one family are none."""
    names = [_names(draft, place, section) for place, section in enumerate(sections, 1)]
    for kind in range(3):
        found = [
            section for section, known in zip(sections, names, strict=True) if wanted in known[kind]
        ]
        if len(found) == 1:
            return found[0]
    known = "; ".join(", ".join(part for parts in each for part in parts) for each in names)
    raise UsageError(
        f"no one hardware section is {wanted!r}",
        where=draft.where(sections[0]),
        hint=f"There are {summary(known)}.",
    )


def _names(
    draft: Draft, place: int, section: etree._Element
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return what a section is called by: its id, its place, and its families."""
    identifier = draft.envelope.attribute(section, "id")
    family = section.findtext("{*}System/{*}VirtualSystemType") or ""
    families = tuple(family.replace(",", " ").split())
    return (identifier,) if identifier else (), (str(place),), families
