"""Rules of how much a machine has: units, quantities, processors and memory. Clause 8.3."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

from ovf import units
from ovf.cim import ResourceType
from ovf.judging.effective import Effective, in_each, in_each_machine
from ovf.judging.rule import Basis, rule
from ovf.outline import WrittenItem, every_item, whole
from ovf.package import Package
from ovf.units import Unit
from rehost.errors import DamagedInputError
from rehost.report import Location, Severity
from rehost.tracked import summary

Found = Iterator[tuple[Location, str]]
LARGEST = {
    "VirtualQuantity": 1 << 64,
    "Reservation": 1 << 64,
    "Limit": 1 << 64,
    "Weight": 1 << 32,
}
ORDER = ("Reservation", "VirtualQuantity", "Limit")
DIMENSIONS: dict[int, tuple[str, ...]] = {
    ResourceType.PROCESSOR: ("hertz", "count"),
    ResourceType.MEMORY: ("byte",),
}
LEAST_MEMORY = 1 << 20
NEEDED = {ResourceType.PROCESSOR: "processor", ResourceType.MEMORY: "memory"}


def _unit(item: WrittenItem) -> Unit | None:
    try:
        return units.parse(item.said["AllocationUnits"])
    except DamagedInputError:
        return None


@rule("ITM-011", clause="8.3")
def units_are_programmatic(package: Package) -> Found:
    """AllocationUnits is a programmatic unit, as in DSP0004.

    Importers that do not know the word take the number for MiB, or refuse it.

    Fix: write byte * 2^20 for memory, hertz * 10^6 for processors.
    """
    for item in every_item(package.envelope):
        if "AllocationUnits" in item.said:
            unit = _unit(item)
            if unit is None or (unit.legacy and not unit.spaced):
                text = summary(item.said["AllocationUnits"])
                yield item.at, f"{item.label} has a unit that is not DSP0004's ({text!r})"


@rule("ITM-020", clause="8.3", severity=Severity.WARNING, basis=Basis.UNCONFIRMED)
def carets_are_close(package: Package) -> Found:
    """No space stands around the caret of AllocationUnits.

    The grammar of newer versions of DSP0004 has none there; older ones allowed it. VirtualBox
    refuses the unit, others take the number for MiB.

    Fix: write byte * 2^20, without a space around the caret.
    """
    for item in every_item(package.envelope):
        if "AllocationUnits" in item.said and (unit := _unit(item)) and unit.spaced:
            text = summary(item.said["AllocationUnits"])
            yield item.at, f"{item.label} has a unit with spaces around the caret ({text!r})"


@rule("ITM-022", clause="8.3", severity=Severity.WARNING, basis=Basis.OWN)
def units_are_of_the_resource(package: Package) -> Found:
    """The AllocationUnits of memory is a unit of bytes, that of processors one of hertz.

    A number in other units cannot be converted.

    Fix: write byte * 2^20 for memory, hertz * 10^6 for processors.
    """
    for item in every_item(package.envelope):
        fitting = DIMENSIONS.get(item.kind or 0)
        unit = _unit(item) if fitting and "AllocationUnits" in item.said else None
        if fitting and unit and unit.base not in fitting:
            text = summary(item.said["AllocationUnits"])
            yield item.at, f"{item.label} is measured in {unit.base} ({text!r})"


@rule("ITM-023", clause="8.3", severity=Severity.WARNING, basis=Basis.UNCONFIRMED)
def memory_has_a_unit(package: Package) -> Found:
    """Memory says its unit: without AllocationUnits its numbers are of bytes.

    Few mean that, and most importers take them for MiB; who goes by the standard makes a machine
    that does not start.

    Fix: write byte * 2^20 where the number is one of MiB.
    """
    yield from in_each(package.envelope, _in_bytes)


def _in_bytes(machine: Effective) -> Found:
    for device in machine.devices:
        size = whole(device.said.get("VirtualQuantity"))
        if device.kind == ResourceType.MEMORY and size and "AllocationUnits" not in device.said:
            item = device.written
            meant = "so it is" if size >= LEAST_MEMORY else "and is too little with"
            yield item.at, f"{item.label} has no AllocationUnits, {meant} {size} bytes"


@rule("ITM-012", clause="8.3", basis=Basis.SCHEMA)
def quantities_are_numbers(package: Package) -> Found:
    """VirtualQuantity, Reservation, Limit and Weight are whole numbers that are not negative.

    All have 64 bits, Weight 32. Importers stop at anything else, or take it for nothing.

    Fix: write digits only; the unit goes into AllocationUnits.
    """
    for item in every_item(package.envelope):
        for name, end in LARGEST.items():
            text = item.said.get(name, "0")
            number = whole(text)
            if number is None or number >= end:
                yield item.at, f"{item.label} has a {name} that is no number ({summary(text)!r})"


@rule("ITM-013", clause="8.3", severity=Severity.WARNING, basis=Basis.OWN)
def reservations_fit(package: Package) -> Found:
    """An item's Reservation is no more than its VirtualQuantity, and that no more than its Limit.

    Of processors only Reservation and Limit are compared, for they are in hertz.

    Fix: lower the Reservation, or raise the Limit.
    """
    yield from in_each(package.envelope, _order)


def _order(machine: Effective) -> Found:
    for device in machine.devices:
        names = [
            name
            for name in ORDER
            if device.kind != ResourceType.PROCESSOR or name != "VirtualQuantity"
        ]
        said = [(name, whole(device.said.get(name))) for name in names]
        given = [(name, number) for name, number in said if number]
        for (low, least), (high, most) in pairwise(given):
            if least > most:
                written = device.written
                yield (
                    written.at,
                    f"{written.label} has a {low} of {least}, over its {high} of {most}",
                )


@rule("ITM-016", clause="8.3", severity=Severity.WARNING, basis=Basis.OWN)
def processors_and_memory(package: Package) -> Found:
    """Every configuration has one processor item and one memory item, and some of each.

    What is not said, each importer chooses for itself; of two, most take the first.

    Fix: add an item of ResourceType 3 or 4 with a VirtualQuantity, and only one.
    """
    for kind, name in NEEDED.items():
        yield from in_each_machine(package.envelope, partial(_needed, kind=kind, name=name))


def _needed(machine: Effective, kind: int, name: str) -> Found:
    found = [device for device in machine.devices if device.kind == kind]
    if not found:
        yield machine.section.at, f"there is no {name} item"
    for extra in found[1:]:
        yield extra.written.at, f"{extra.written.label} is another {name} item"
    for device in found[:1]:
        if whole(device.said.get("VirtualQuantity", "0")) == 0:
            yield device.written.at, f"{device.written.label} has no VirtualQuantity"
