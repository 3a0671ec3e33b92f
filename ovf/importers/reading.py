"""What importers look at in a descriptor: its machines, their hardware, what may be left out.

Spec: DSP0243 clauses 8.1 (sections and families of virtual hardware), 7.3 (``ovf:required``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from lxml import etree

from ovf import units
from ovf.cim import ResourceType
from ovf.envelope import Envelope
from ovf.namespaces import VMW
from ovf.outline import NORMAL, WrittenItem, items
from rehost.errors import DamagedInputError
from rehost.report import Location

MIB = 1 << 20
CONTROLLERS = (ResourceType.IDE, ResourceType.SCSI, ResourceType.OTHER_STORAGE)


@dataclass(frozen=True, slots=True)
class Hardware:
    """A hardware section. ``families`` are the alternatives of its VirtualSystemType."""

    element: etree._Element
    at: Location
    families: tuple[str, ...]


def machines(envelope: Envelope) -> tuple[tuple[Hardware, ...], ...]:
    """Return the hardware sections of each virtual system."""
    return envelope.once(_machines)


def _machines(envelope: Envelope) -> tuple[tuple[Hardware, ...], ...]:
    return tuple(
        tuple(
            _hardware(section, envelope)
            for section in envelope.children(system, "VirtualHardwareSection")
        )
        for system in envelope.systems
    )


def _hardware(section: etree._Element, envelope: Envelope) -> Hardware:
    kind = next(section.iter("{*}VirtualSystemType"), None)
    text = "" if kind is None else kind.text or ""
    families = tuple(text.replace(",", " ").split())
    return Hardware(section, envelope.at(section if kind is None else kind), families)


def devices(envelope: Envelope, *kinds: int) -> Iterator[WrittenItem]:
    """Yield the items of these resource types, or all, that are no bounds of others."""
    for item in items(envelope):
        if item.bound == NORMAL and (not kinds or item.kind in kinds):
            yield item


def required_besides(
    known: frozenset[int], envelope: Envelope
) -> Iterator[tuple[WrittenItem, int]]:
    """Yield the items that must not be passed over and are of no type in ``known``, with it."""
    for item in items(envelope):
        kind = item.kind
        if kind is not None and kind not in known and not optional(item.element, envelope):
            yield item, kind


def subtypes(item: WrittenItem) -> list[str]:
    """Return the alternatives of an item's ResourceSubType, in lower case."""
    return item.said.get("ResourceSubType", "").lower().replace(",", " ").split()


def optional(element: etree._Element, envelope: Envelope) -> bool:
    """Say whether an importer may do without an element."""
    return envelope.attribute(element, "required") in {"false", "0"}


def megabytes(item: WrittenItem) -> Fraction | None:
    """Return how many MiB one unit of an item is; None where its unit cannot be read."""
    try:
        unit = units.parse(item.said.get("AllocationUnits") or "byte * 2^20")
    except DamagedInputError:
        return None
    return unit.multiplier / MIB if unit.base == "byte" else None


def disk_by_id(item: WrittenItem) -> str | None:
    """Return the diskId an item names as most importers want it."""
    return disk_of(item, ("ovf:/disk/", "/disk/"))


def disk_of(item: WrittenItem, prefixes: tuple[str, ...]) -> str | None:
    """Return the diskId an item names by one of these beginnings of its HostResource."""
    resource = item.said.get("HostResource", "")
    found = next((prefix for prefix in prefixes if resource.startswith(prefix)), None)
    return None if found is None else resource[len(found) :]


def disk_drives(
    envelope: Envelope, id_of: Callable[[WrittenItem], str | None] = disk_by_id
) -> Iterator[tuple[WrittenItem, str | None]]:
    """Yield the items that are disks, each with the diskId that ``id_of`` reads from it."""
    for item in items(envelope):
        if item.kind == ResourceType.DISK:
            yield item, id_of(item)


def firmware(envelope: Envelope) -> Iterator[tuple[etree._Element, str]]:
    """Yield VMware's settings of the firmware, each with its value: "efi", "bios" or a mistake."""
    for entry in envelope.root.iter(f"{{{VMW}}}Config"):
        if entry.get(f"{{{VMW}}}key") == "firmware":
            yield entry, str(entry.get(f"{{{VMW}}}value"))
