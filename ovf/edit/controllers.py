"""Controllers, and the free places on them.

Spec: DSP0243 clause 8.3 (Address, Parent, AddressOnParent). Which numbers a bus has is the vendors'
custom: an IDE item has two places, a SCSI adapter sixteen without its own (7).
"""

from __future__ import annotations

from dataclasses import dataclass

from ovf.cim import ResourceType
from ovf.edit.draft import Draft
from ovf.edit.items import Hardware
from ovf.outline import WrittenItem, whole
from rehost.errors import UsageError


@dataclass(frozen=True, slots=True)
class Bus:
    """A kind of controller: its item, its usual model, how many there may be, its places."""

    kind: ResourceType
    title: str
    model: str | None
    most: int
    places: tuple[int, ...]


BUSES = {
    "ide": Bus(ResourceType.IDE, "IDE Controller", None, 2, (0, 1)),
    "scsi": Bus(
        ResourceType.SCSI,
        "SCSI Controller",
        "lsilogic",
        4,
        tuple(place for place in range(16) if place != 7),
    ),
    "sata": Bus(ResourceType.OTHER_STORAGE, "SATA Controller", "AHCI", 4, tuple(range(30))),
    "nvme": Bus(
        ResourceType.OTHER_STORAGE, "NVMe Controller", "vmware.nvme.controller", 4, tuple(range(15))
    ),
}


def add_controller(draft: Draft, system: str | None, bus: str, model: str | None = None) -> str:
    """Add a controller of a bus; return its InstanceID."""
    wanted = BUSES[bus]
    hardware = Hardware.of(draft, system)
    known = _controllers(hardware, bus)
    if len(known) == wanted.most:
        raise UsageError(
            f"there are {len(known)} {bus} controllers already, as many as there may be",
            where=draft.where(hardware.section),
        )
    used = {each.said.get("Address") for each in known}
    number = next(str(each) for each in range(wanted.most + 1) if str(each) not in used)
    last = known[-1].said.get("ResourceSubType") if known else wanted.model
    return hardware.add(
        wanted.kind,
        {
            "Address": number,
            "Description": wanted.title,
            "ElementName": f"{wanted.title} {number}",
            "ResourceSubType": model or last,
        },
    )


def set_controller_type(draft: Draft, system: str | None, kind: ResourceType, model: str) -> None:
    """Give all controllers of a kind another model."""
    hardware = Hardware.of(draft, system)
    found = hardware.of_kind(kind)
    if not found:
        raise UsageError("has no such controller", where=draft.where(hardware.section))
    for each in found:
        hardware.say(each, "ResourceSubType", model)
    draft.settle()


def free_place(
    draft: Draft, system: str | None, bus: str, wanted: tuple[int, int] | None = None
) -> tuple[str, int]:
    """Return a controller's InstanceID and a place on it, adding a controller where it takes one.

    ``wanted`` is the controller's number and the place, as ``0:1`` has them.
    """
    if wanted is not None:
        return _wanted_place(draft, system, bus, *wanted)
    hardware = Hardware.of(draft, system)
    for controller in _controllers(hardware, bus):
        taken = _taken(hardware, controller)
        for place in BUSES[bus].places:
            if place not in taken and controller.instance is not None:
                return controller.instance, place
    return add_controller(draft, system, bus), BUSES[bus].places[0]


def _wanted_place(
    draft: Draft, system: str | None, bus: str, number: int, place: int
) -> tuple[str, int]:
    where = f"{bus}{number}:{place}"
    if place not in BUSES[bus].places or not 0 <= number < BUSES[bus].most:
        raise UsageError(f"there is no such place on {bus} ({number}:{place})")
    while True:
        hardware = Hardware.of(draft, system)
        known = _controllers(hardware, bus)
        numbers = _numbers(known)
        if number in numbers:
            break
        add_controller(draft, system, bus)
    controller = known[numbers.index(number)]
    if place in _taken(hardware, controller):
        raise UsageError(
            f"another drive is at {where}",
            where=draft.where(controller.element),
            hint="Name another place.",
        )
    return controller.instance or "", place


def bus_of_first(draft: Draft, system: str | None) -> str:
    """Return the bus that has the most hard disks already, or else SCSI."""
    hardware = Hardware.of(draft, system)
    disks = hardware.distinct(ResourceType.DISK)
    counted = {
        bus: sum(
            each.said.get("Parent") in {item.instance for item in _controllers(hardware, bus)}
            for each in disks
        )
        for bus in BUSES
    }
    best = max(BUSES, key=lambda bus: counted[bus])
    return best if counted[best] else "scsi"


def _controllers(hardware: Hardware, bus: str) -> list[WrittenItem]:
    found = hardware.distinct(BUSES[bus].kind)
    if BUSES[bus].kind is ResourceType.OTHER_STORAGE:
        nvme = bus == "nvme"
        found = [each for each in found if ("nvme" in _model(each)) == nvme]
    return sorted(found, key=_number)


def _model(item: WrittenItem) -> str:
    return item.said.get("ResourceSubType", "").lower()


def _numbers(known: list[WrittenItem]) -> list[int]:
    """Return the numbers of a bus's controllers: their Addresses if all have their own, or order.

    Machines are read by the same numbers.
    """
    said = [whole(each.said.get("Address")) for each in known]
    numbers = [each for each in said if each is not None]
    return numbers if len(set(numbers)) == len(known) else list(range(len(known)))


def _number(item: WrittenItem) -> int:
    return whole(item.said.get("Address")) or 0


def _taken(hardware: Hardware, controller: WrittenItem) -> set[int]:
    places = (
        whole(each.said.get("AddressOnParent"))
        for each in hardware.items
        if each.said.get("Parent") == controller.instance
    )
    return {place for place in places if place is not None}
