"""Controllers, and the places on them that drives hang in.

Spec: DSP0243 clause 8.3: ``Address`` orders controllers, ``Parent`` names one by its InstanceID,
``AddressOnParent`` is the place on it. How the numbers are used is the vendors' custom: VMware and
VirtualBox write an IDE chip as two controllers of two places each, which is one controller of four
places in the neutral machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ovf.cim import ResourceType
from ovf.machines import subtypes
from ovf.machines.items import Item, Reading, subtype
from ovf.outline import whole
from rehost.machine import Address, Bus, Controller, ControllerModel
from rehost.tracked import summary

HIGHEST_INDEX = 63
HIGHEST_UNIT = 255
HIGHEST_IDE = 3
SCSI_SELF = 7
BARE = frozenset((Bus.VIRTIO,))
"""Buses whose drives are their own controllers."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a controller's first place is, in the neutral machine."""

    bus: Bus
    controller: int
    channel: int = 0


class Controllers:
    """The controllers of one machine; hands out the places on them, each once."""

    def __init__(self, items: Iterable[Item], reading: Reading) -> None:
        self._reading = reading
        self._slots: dict[str, Slot] = {}
        self._taken: set[Address] = set()
        self.found: list[Controller] = []
        by_bus: dict[Bus, list[tuple[Item, ControllerModel | None]]] = {}
        for item in items:
            if (known := _controller(item, reading)) is not None:
                by_bus.setdefault(known[0], []).append((item, known[1]))
        for bus, listed in by_bus.items():
            self._number(bus, listed)

    def _number(self, bus: Bus, listed: list[tuple[Item, ControllerModel | None]]) -> None:
        places = _addresses([item for item, _ in listed])
        known: set[int] = set()
        for (item, model), place in sorted(
            zip(listed, places, strict=True), key=lambda entry: entry[1]
        ):
            slot = Slot(bus, place)
            if bus is Bus.IDE:
                slot = Slot(bus, place // 2, place % 2)
            if item.instance is not None:
                self._slots[item.instance] = slot
            if slot.controller not in known and bus not in BARE:
                self.found.append(Controller(bus, slot.controller, model))
            known.add(slot.controller)

    def place(self, item: Item, name: str, instances: frozenset[str]) -> Address | None:
        """Return where a drive hangs; ``name`` is what losses call its address."""
        unit = item.integer("AddressOnParent")
        if item.parent is None:
            why = "the descriptor names no Parent"
            self._reading.assume(name, "left to the target", why)
            return None
        if item.parent not in instances:
            raise item.damaged(f"names a Parent that does not exist ('{summary(item.parent)}')")
        slot = self._slots.get(item.parent)
        if slot is None:
            why = f"its Parent {summary(item.parent)} is no controller rehost knows"
            self._reading.assume(name, "left to the target", why)
            return None
        address = None if unit is None else _address(slot, unit, item)
        if address is None or address in self._taken:
            wanted, address = address, self._free(slot, item)
            why = "the descriptor gives no AddressOnParent; the next free place is taken"
            if wanted is not None:
                why = f"another drive is at {spelled(wanted)}; the next free place is taken"
            self._reading.assume(name, spelled(address), why)
        self._taken.add(address)
        return address

    def _free(self, slot: Slot, item: Item) -> Address:
        """Return the next free place of a controller, passing over the SCSI adapter's own."""
        for unit in range(slot.channel * 2, highest_unit(slot.bus) + 1):
            address = Address(slot.bus, slot.controller, unit)
            if address not in self._taken and (slot.bus, unit) != (Bus.SCSI, SCSI_SELF):
                return address
        raise item.damaged(f"finds no free place on {slot.bus}{slot.controller}")


def highest_unit(bus: Bus) -> int:
    """Return the last place a controller of this bus has."""
    return HIGHEST_IDE if bus is Bus.IDE else HIGHEST_UNIT


def spelled(address: Address) -> str:
    """Return an address as people write it: ``scsi0:1``."""
    return f"{address.bus}{address.controller}:{address.unit}"


def _address(slot: Slot, unit: int, item: Item) -> Address:
    if slot.bus is Bus.IDE:
        unit += slot.channel * 2
    if not 0 <= unit <= highest_unit(slot.bus):
        raise item.damaged(f"has an AddressOnParent that {slot.bus} does not have ({unit})")
    return Address(slot.bus, slot.controller, unit)


def _addresses(items: list[Item]) -> list[int]:
    """Return the numbers of one bus's controllers: their Addresses, or else their order."""
    said = [item.said("Address") for item in items]
    numbers = [number for text in said if (number := whole(text)) is not None]
    if len(set(numbers)) == len(items) and all(n <= HIGHEST_INDEX for n in numbers):
        return numbers
    return list(range(len(items)))


def _controller(item: Item, reading: Reading) -> tuple[Bus, ControllerModel | None] | None:
    """Return bus and chip of an item that is a controller of drives or USB."""
    match item.kind:
        case ResourceType.IDE:
            return Bus.IDE, subtype(item, subtypes.IDE_SUBTYPES, reading)
        case ResourceType.SCSI:
            return Bus.SCSI, subtype(item, subtypes.SCSI_SUBTYPES, reading)
        case ResourceType.USB:
            return Bus.USB, subtype(item, subtypes.USB_SUBTYPES, reading)
        case ResourceType.OTHER_STORAGE if item.words("ResourceSubType"):
            words = item.words("ResourceSubType")
            return next(
                (subtypes.STORAGE_SUBTYPES[w] for w in words if w in subtypes.STORAGE_SUBTYPES),
                None,
            )
        case ResourceType.OTHER_STORAGE:
            place = f"{reading.place(item.node.element)} {item.label}"
            why = "ResourceType 20 without a ResourceSubType is taken for the commonest"
            reading.assume(place, Bus.SATA, why)
            return Bus.SATA, None
    return None
