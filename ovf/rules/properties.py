"""Rules of properties: clauses 9.5 and 9.8, and 11.2 for how they reach the guest."""

from __future__ import annotations

from collections.abc import Iterator

from ovf.envelope import PROPERTY_MACRO
from ovf.environment.properties import (
    TYPES,
    Product,
    Property,
    is_collection,
    is_of,
    products,
    qualifiers,
    violated,
)
from ovf.judging.rule import Basis, rule
from ovf.outline import HARDWARE
from ovf.package import Package
from rehost.report import Location, Severity
from rehost.tracked import summary

Found = Iterator[tuple[Location, str]]


def _properties(package: Package) -> Iterator[tuple[Product, Property]]:
    for product in products(package.envelope):
        for entry in product.properties:
            yield product, entry


@rule("PRD-001", clause="9.5")
def property_keys(package: Package) -> Found:
    """Each Property has an ovf:key, and no two of a ProductSection have the same.

    The guest finds the value by it.

    Fix: give every Property a key of its own.
    """
    for product in products(package.envelope):
        seen: dict[str, int | None] = {}
        for entry in product.properties:
            if not entry.key:
                yield entry.at, "Property has no ovf:key"
            elif entry.key in seen:
                yield entry.at, f"{entry.label} is given in line {seen[entry.key]} already"
            seen.setdefault(entry.key, entry.at.line)


@rule("PRD-002", clause="9.5")
def property_types(package: Package) -> Found:
    """Each Property has an ovf:type: string, boolean, real32, real64, or uint8 to sint64.

    An importer can neither ask for nor check a value of a type it does not know. The types of
    VMware, such as int, ip or string(1..20), are its own.

    Fix: use a type of the standard; qualifiers narrow it down.
    """
    for _, entry in _properties(package):
        if entry.type is None:
            yield entry.at, f"{entry.label} has no ovf:type"
        elif entry.type not in TYPES:
            yield entry.at, f"{entry.label} has an unknown ovf:type ({summary(entry.type)!r})"


@rule("PRD-003", clause="9.5")
def values_are_of_their_types(package: Package) -> Found:
    """A property's value is one of its type.

    An empty value of a property the user is asked for only forces the question, and is not judged.

    Fix: correct the value, or the type.
    """
    for _, entry in _properties(package):
        for each in entry.settled:
            value = each.value or ""
            if not is_of(entry.type, value):
                yield (
                    each.at,
                    f"{entry.label} has a value that is no {entry.type} ({summary(value)!r})",
                )


@rule("PRD-004", clause="9.5")
def qualifiers_are_known(package: Package) -> Found:
    """Qualifiers are MinLen(n), MaxLen(n) and ValueMap{...}, separated by commas.

    The lengths are for strings, the map for strings and integers. An importer that cannot read
    them accepts anything, or nothing.

    Fix: write, for example, ovf:qualifiers="MinLen(1),MaxLen(20)".
    """
    for _, entry in _properties(package):
        if entry.qualifiers and (wrong := qualifiers(entry).wrong) is not None:
            yield entry.at, f"{entry.label} has wrong ovf:qualifiers: {wrong}"


@rule("PRD-005", clause="9.5")
def values_meet_qualifiers(package: Package) -> Found:
    """A property's value is what its qualifiers allow.

    Who accepts the default gets what the guest refuses.

    Fix: correct the value, or the qualifiers.
    """
    for _, entry in _properties(package):
        if not entry.qualifiers:
            continue
        allowed = qualifiers(entry)
        for each in entry.settled:
            value = each.value or ""
            if (demand := violated(entry, allowed, value)) is not None:
                yield each.at, f"{entry.label} has a value that {demand} ({summary(value)!r})"


@rule("PRD-008", clause="9.5")
def exposed_keys_are_unique(package: Package) -> Found:
    """No two properties of an entity have the same key in the environment of the guest.

    That key is made of the section's class, the property's key and the section's instance, joined
    by dots, so different sections can make the same one. What a collection says too is no
    conflict: its children overrule it.

    Fix: change the class, the key or the instance of one.
    """
    seen: dict[object, Product] = {}
    for product, entry in _properties(package):
        key = (product.owner, product.exposed(entry))
        other = seen.setdefault(key, product)
        same = (other.class_, other.instance) == (product.class_, product.instance)
        if entry.key and other is not product and not same:
            name = summary(product.exposed(entry))
            yield entry.at, f"{entry.label} is {name!r} in the environment, as one before it"


@rule("PRD-009", clause="9.5")
def macros_have_properties(package: Package) -> Found:
    """A value ``${name}`` names a property of the collection around the entity.

    The guest would get the macro itself.

    Fix: correct the name, or add the property to the collection.
    """
    known: dict[object, set[str]] = {}
    for product, entry in _properties(package):
        known.setdefault(product.owner, set()).update((entry.key, product.exposed(entry)))
    for product, entry in _properties(package):
        parent = product.owner.getparent()
        names = known.get(parent, set()) if is_collection(parent) else set()
        for each in entry.defaults:
            found = PROPERTY_MACRO.fullmatch(each.value or "")
            if found and found[1] not in names:
                what = f"{entry.label} takes a value from {summary(found[0])!r}"
                yield each.at, f"{what}, no property of a collection around it"


@rule("PRD-010", clause="9.8")
def alternatives_are_distinct(package: Package) -> Found:
    """A Value has an ovf:value and an ovf:configuration, of which no other Value is.

    Which of two values holds in a configuration is not defined.

    Fix: add what is missing, and keep one Value for each configuration.
    """
    for _, entry in _properties(package):
        seen: set[str] = set()
        for each in entry.alternatives:
            name = each.configuration
            if each.value is None or not name:
                missing = "ovf:value" if each.value is None else "ovf:configuration"
                yield each.at, f"{entry.label} has a Value without {missing}"
            elif name in seen:
                yield each.at, f"{entry.label} has another Value for {summary(name)!r}"
            seen.add(name or "")


@rule("PRD-011", clause="9.5", severity=Severity.WARNING, basis=Basis.SCHEMA)
def passwords_are_asked_for(package: Package) -> Found:
    """A property that is a password has no value in the descriptor.

    Everybody can read it there, and all machines made from the package have the same.

    Fix: leave ovf:value out, and let the user be asked by ovf:userConfigurable="true".
    """
    for _, entry in _properties(package):
        if entry.password and any(each.value for each in entry.defaults):
            yield entry.at, f"{entry.label} is a password, but has a value"


@rule("PRD-015", clause="11.2", severity=Severity.WARNING)
def properties_have_a_way(package: Package) -> Found:
    """A system with properties that the user is asked for has an ovf:transport.

    Without one the guest never sees what the user answers.

    Fix: add ovf:transport="iso" to the VirtualHardwareSection, and a CD drive.
    """
    envelope = package.envelope
    asked: dict[object, int] = {}
    for product, entry in _properties(package):
        asked[product.owner] = asked.get(product.owner, 0) + entry.configurable
    for system in envelope.systems:
        sections = list(envelope.children(system, HARDWARE))
        parent = system.getparent()
        count = asked.get(system, 0) + (asked.get(parent, 0) if is_collection(parent) else 0)
        if count and sections and not any(envelope.attribute(s, "transport") for s in sections):
            what = "property" if count == 1 else "properties"
            yield envelope.at(sections[0]), f"has no ovf:transport for {count} {what} of the user's"
