"""Items: the devices of a VirtualHardwareSection as the chosen configuration sees them.

Spec: DSP0243 clauses 8.3 (items), 8.4 (ranges) and 9.8 (deployment options, and how items of one
InstanceID combine). OVF 2.x splits items into Item, StorageItem and EthernetPortItem, whose
children are in namespaces of their own but have the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from lxml import etree

from ovf import cim, units
from ovf.envelope import Envelope, number
from ovf.namespaces import VMW
from ovf.package import Package
from rehost.errors import DamagedInputError
from rehost.report import Loss, assumed, dropped
from rehost.tracked import Tracked, line_of, local_name, summary

ITEMS = ("Item", "StorageItem", "EthernetPortItem")
MEANINGLESS = (
    *("Caption", "Description", "ElementName", "InstanceID", "InstanceId", "ResourceType"),
    *("@required", "@configuration", "@bound"),
)
NORMAL = "normal"
Model = TypeVar("Model")


@dataclass(slots=True)
class Reading:
    """What the readers of one machine share: the package, and the losses as they arise."""

    package: Package
    losses: list[Loss] = field(default_factory=list)

    @property
    def envelope(self) -> Envelope:
        """The descriptor."""
        return self.package.envelope

    def place(self, element: etree._Element) -> str:
        """Return how losses name an element's place: ``web.ovf:84``."""
        return f"{self.envelope.file}:{line_of(element)}"

    def drop(self, item: str, source: str | None, why: str) -> None:
        """Report something the machine does not get."""
        self.losses.append(dropped(item, source, why))

    def assume(self, item: str, target: str, why: str) -> None:
        """Report something the descriptor left open."""
        self.losses.append(assumed(item, target, why))


class Item:
    """A device: the elements of one InstanceID, the later ones overruling the earlier."""

    def __init__(self, nodes: tuple[Tracked, ...]) -> None:
        self.nodes = nodes
        self.kind = self.integer("ResourceType")
        self.instance = instance_of(nodes[-1])
        self.parent = self.said("Parent")
        for node in nodes:
            node.ignore(*MEANINGLESS)

    @property
    def node(self) -> Tracked:
        """The element that places the item in messages."""
        return self.nodes[-1]

    @property
    def where(self) -> str:
        """File and line, for errors."""
        return str(self.node.at)

    @property
    def label(self) -> str:
        """What messages call the item: its name, or else its number."""
        name = self.said("ElementName") or self.said("Caption") or self.instance or "without a name"
        return f"{self.node.name} '{summary(name)}'"

    def said(self, name: str) -> str | None:
        """Return what the last of its elements says under that name."""
        found = [node.said(name) for node in self.nodes]
        return next((value for value in reversed(found) if value is not None), None)

    def integer(self, name: str) -> int | None:
        """Return a whole number, refusing a word in its place."""
        found = [node.integer(name) for node in self.nodes]
        return next((value for value in reversed(found) if value is not None), None)

    def words(self, name: str) -> list[str]:
        """Return the alternatives listed under a name, in lower case, without commas."""
        return (self.said(name) or "").lower().replace(",", " ").split()

    def damaged(self, what: str, *, hint: str = "") -> DamagedInputError:
        """Return the error that blames this item."""
        return DamagedInputError(f"{self.label} {what}", where=self.where, hint=hint)

    def config(self, key: str) -> str | None:
        """Return the value of VMware's ``Config`` of that key, which is then looked at."""
        found = [config(node, key) for node in self.nodes]
        return next((value for value in reversed(found) if value is not None), None)

    def quantity(self, name: str, base: str) -> int | None:
        """Return a number times its AllocationUnits; None where no number is given."""
        text, unit = self.said(name), self.said("AllocationUnits")
        if text is None:
            return None
        factor = 1 if unit is None else units.multiplier(unit, base=base, where=self.where)
        return number(text, name, self.node.at) * factor


def instance_of(node: Tracked) -> str | None:
    """Return an item's number; writers of the draft's time spell it InstanceId."""
    return node.said("InstanceID") or node.said("InstanceId")


def config(node: Tracked, key: str) -> str | None:
    """Return the last value of ``vmw:Config`` or ``vmw:ExtraConfig`` with that key."""
    value = None
    for entry in (*node.children("vmw:Config"), *node.children("vmw:ExtraConfig")):
        if entry.element.get(f"{{{VMW}}}key") == key:
            entry.ignore("@required", "@key")
            value = entry.said("@value")
            entry.take(entry.element)
    return value


def subtype(item: Item, table: Mapping[str, Model], reading: Reading) -> Model | None:
    """Return the first of an item's ResourceSubTypes that ``table`` knows; report unknown ones."""
    words = item.words("ResourceSubType")
    for word in words:
        if word in table:
            return table[word]
    if words:
        place = f"{reading.place(item.node.element)} {item.label} ResourceSubType"
        why = "is a model rehost does not know; the target chooses one"
        reading.drop(place, summary(item.said("ResourceSubType") or ""), why)
    return None


def items_of(section: Tracked, reading: Reading) -> list[Item]:
    """Return the devices of a hardware section under the default configuration."""
    chosen = reading.envelope.default_configuration
    grouped: dict[str, list[Tracked]] = {}
    for count, node in enumerate(section.children("*")):
        if node.name not in ITEMS:
            continue
        attribute = reading.envelope.attribute
        bound = attribute(node.element, "bound") or NORMAL
        options = (attribute(node.element, "configuration") or "").split()
        if bound != NORMAL:
            _leave_out(node, f"is only the {bound} of a range", reading)
        elif options and chosen not in options:
            _leave_out(node, f"belongs to the deployment option {' '.join(options)}", reading)
        else:
            grouped.setdefault(instance_of(node) or f"number {count}", []).append(node)
    return [Item(tuple(nodes)) for nodes in _combined(grouped)]


def _combined(grouped: dict[str, list[Tracked]]) -> list[list[Tracked]]:
    """Combine elements of one InstanceID, unless it was given to devices of different types."""
    found = []
    for nodes in grouped.values():
        if len({node.said("ResourceType") for node in nodes}) == 1:
            found.append(nodes)
        else:
            found += [[node] for node in nodes]
    return found


def _leave_out(node: Tracked, why: str, reading: Reading) -> None:
    name = node.said("ElementName") or node.said("Caption") or instance_of(node)
    kind = cim.resource_name(node.integer("ResourceType"))
    node.take(node.element)
    what = f"{reading.place(node.element)} {node.name} '{summary(name or '')}' ({kind})"
    reading.drop(what, None, why)


def rest_of(node: Tracked, reading: Reading) -> None:
    """Report what nobody looked at, VMware's settings by their keys."""
    for entry in list(node.element.iter(f"{{{VMW}}}Config", f"{{{VMW}}}ExtraConfig")):
        if node.looked_at(entry):
            continue
        key = entry.get(f"{{{VMW}}}key")
        value = entry.get(f"{{{VMW}}}value")
        what = f"{reading.place(entry)} vmw:{local_name(str(entry.tag))} {key or ''!s}".rstrip()
        reading.drop(what, summary(str(value)) if value else None, "is VMware's own setting")
        node.take(entry)
    reading.losses += node.rest()
