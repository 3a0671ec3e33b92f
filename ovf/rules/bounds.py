"""Rules of ranges: items that bound others. Clause 8.4, in each configuration."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ovf import units
from ovf.judging.effective import Effective, in_each
from ovf.judging.rule import rule
from ovf.outline import every_item, item_sections, whole
from ovf.package import Package
from rehost.errors import DamagedInputError
from rehost.report import Location
from rehost.tracked import summary

Found = Iterator[tuple[Location, str]]
BOUNDS = ("min", "normal", "max")
MARKERS = ("min", "max")
QUANTITIES = ("VirtualQuantity", "Reservation", "Limit", "Weight")
UNITS = "AllocationUnits"
DESCRIBING = frozenset(
    (UNITS, "Caption", "Description", "ElementName", "InstanceID", "ResourceType")
) | {"InstanceId", "OtherResourceType", "ResourceSubType", "VirtualQuantityUnits", "Generation"}


@rule("BND-001", clause="8.4")
def bounds_are_known(package: Package) -> Found:
    """An ovf:bound is min, normal or max.

    An item with another word belongs to no machine.

    Fix: write min, normal or max, or leave the attribute out.
    """
    for item in every_item(package.envelope):
        if item.bound not in BOUNDS:
            yield item.at, f"{item.label} has an unknown ovf:bound ({summary(item.bound)!r})"


@rule("BND-002", clause="8.4")
def bounds_match(package: Package) -> Found:
    """A bound has the ResourceType of the item it bounds.

    The InstanceID says which item that is; if the types differ, one of them is wrong.

    Fix: correct the InstanceID or the ResourceType.
    """
    yield from in_each(package.envelope, _types)


def _types(machine: Effective) -> Found:
    for bound in machine.bounds:
        device = machine.by_instance.get(bound.instance or "")
        if device and None not in {device.kind, bound.kind} and device.kind != bound.kind:
            yield bound.at, f"{bound.label} has ResourceType {bound.kind}, its item {device.kind}"


@rule("BND-003", clause="8.4")
def one_bound_a_side(package: Package) -> Found:
    """An InstanceID has at most one min and one max.

    Which of two counts is not defined.

    Fix: keep one, or give them different configurations.
    """
    for section in item_sections(package.envelope):
        seen: dict[object, int | None] = {}
        for item in section.items:
            if item.instance is None or item.bound not in MARKERS:
                continue
            key = (item.instance, item.bound, item.configurations)
            if key in seen:
                name = summary(item.instance)
                yield item.at, f"InstanceID {name} has a {item.bound} in line {seen[key]} already"
            seen.setdefault(key, item.at.line)


@rule("BND-004", clause="8.4")
def bounds_bound_something(package: Package) -> Found:
    """A min or max has an item of the same InstanceID without ovf:bound, or with normal.

    That item is what a machine gets; without it the range bounds nothing.

    Fix: add the item with the usual value.
    """
    yield from in_each(package.envelope, _alone)


def _alone(machine: Effective) -> Found:
    for bound in machine.bounds:
        if bound.bound in MARKERS and bound.instance and bound.instance not in machine.by_instance:
            name = summary(bound.instance)
            yield bound.at, f"{bound.label} is the {bound.bound} of no item with InstanceID {name}"


@rule("BND-005", clause="8.4")
def values_are_in_range(package: Package) -> Found:
    """What an item says lies within its range: min, then normal, then max.

    They are compared after their units.

    Fix: widen the range, or correct the value.
    """
    yield from in_each(package.envelope, _ranges)


def _ranges(machine: Effective) -> Found:
    for bound in machine.bounds:
        device = machine.by_instance.get(bound.instance or "")
        if device is None or bound.bound not in MARKERS:
            continue
        for name in QUANTITIES:
            value = _amount(device.said, name)
            limit = _amount({UNITS: device.said.get(UNITS, "count"), **bound.said}, name)
            if limit is None or value is None:
                continue
            if value < limit if bound.bound == "min" else value > limit:
                side = "under" if bound.bound == "min" else "over"
                said = summary(device.said[name])
                yield bound.at, f"{name} {said} is {side} the {bound.bound} of {bound.label}"


def _amount(said: dict[str, str], name: str) -> Fraction | None:
    number = whole(said.get(name))
    if number is None:
        return None
    if name == "Weight" or UNITS not in said:
        return Fraction(number)
    try:
        return number * units.parse(said[UNITS]).multiplier
    except DamagedInputError:
        return None


@rule("BND-006", clause="8.4")
def bounds_are_of_numbers(package: Package) -> Found:
    """A min or max says nothing but numbers, besides what names and describes it.

    A range of words or of devices has no meaning.

    Fix: leave the other elements to the item without a bound.
    """
    for item in every_item(package.envelope):
        if item.bound in MARKERS:
            for name in dict.fromkeys(item.names):
                if name not in DESCRIBING and name not in QUANTITIES:
                    yield item.at, f"{item.label} is a bound, but has {summary(name)}"
