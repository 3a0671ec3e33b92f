"""Products and their properties as written, and what types and qualifiers allow.

Spec: DSP0243 clause 9.5, tables 6 (types, which are CIM's) and 7 (qualifiers); DSP0004, annex A for
how the qualifiers are written: ``MinLen(1),MaxLen(20)`` and ``ValueMap{"small", "large"}``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from ovf.envelope import Envelope, exposed_key
from rehost.report import Location
from rehost.tracked import local_name, summary

COLLECTION = "VirtualSystemCollection"
INTEGERS = {
    f"{sign}int{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1)
    if sign == "s"
    else (0, (1 << bits) - 1)
    for sign in "us"
    for bits in (8, 16, 32, 64)
}
TYPES = (*INTEGERS, "string", "boolean", "real32", "real64")
INTEGER = re.compile(r"[+-]?(?:0[xX][0-9A-Fa-f]{1,16}|[0-9]{1,20})")
REAL = re.compile(
    r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]{1,4})?|[+-]?(?:INF|NaN)",
    re.IGNORECASE,
)
MACRO = re.compile(r"\$\{[^{}]*\}")
QUALIFIER = re.compile(
    r"\s*(?P<name>[A-Za-z]\w*)\s*"
    r"(?:\((?P<number>[^()]*+)\)"
    r'|\{(?P<list>(?:[^"{}]++|"(?:[^"\\]++|\\.)*+")*+)\})?'
    r"\s*(?P<end>,|$)"
)
ENTRY = re.compile(r'\s*+(?:"(?P<quoted>(?:[^"\\]++|\\.)*+)"|(?P<plain>[^",\s]++))\s*+(?:,|$)')
LENGTHS = ("MinLen", "MaxLen")


@dataclass(frozen=True, slots=True)
class Default:
    """A value a property has, for one configuration or, where that is None, for all others."""

    configuration: str | None
    value: str | None
    at: Location


@dataclass(frozen=True, slots=True)
class Property:
    """A ``Property`` of a product, as written."""

    key: str
    type: str | None
    qualifiers: str | None
    configurable: bool
    password: bool
    value: str | None
    alternatives: tuple[Default, ...]
    at: Location

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"Property '{summary(self.key)}'"

    @property
    def defaults(self) -> tuple[Default, ...]:
        """All its values, that for every configuration first."""
        return (Default(None, self.value, self.at), *self.alternatives)

    @property
    def settled(self) -> Iterator[Default]:
        """The defaults that can be judged: given, no macro, and no blank that asks the user."""
        for each in self.defaults:
            value = each.value
            if value is not None and not MACRO.search(value) and (value or not self.configurable):
                yield each


@dataclass(frozen=True, slots=True)
class Product:
    """A ``ProductSection`` and the properties in it; ``owner`` is the entity it stands in."""

    element: etree._Element
    owner: etree._Element
    at: Location
    class_: str
    instance: str
    properties: tuple[Property, ...]

    def exposed(self, entry: Property) -> str:
        """Return the key a property has in the environment."""
        return exposed_key(self.class_, entry.key, self.instance)


@dataclass(slots=True)
class Qualifiers:
    """What qualifiers demand of a value, and the first thing ``wrong`` with them, in words."""

    lengths: dict[str, int] = field(default_factory=dict)
    values: frozenset[str] | None = None
    numbers: frozenset[int | None] = frozenset()
    wrong: str | None = None


def products(envelope: Envelope) -> tuple[Product, ...]:
    """Return every ProductSection of the package, in order."""
    return envelope.once(_products)


def is_of(kind: str | None, value: str) -> bool:
    """Say whether a value is in the value space of a type; of unknown types everything is."""
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        number = integer(value)
        return number is not None and low <= number <= high
    if kind == "boolean":
        return value.strip().lower() in {"true", "false"}
    if kind in {"real32", "real64"}:
        return REAL.fullmatch(value.strip()) is not None
    return True


def integer(value: str) -> int | None:
    """Return a whole number as MOF writes it, decimal or hexadecimal; None for anything else."""
    plain = value.strip()
    if not INTEGER.fullmatch(plain):
        return None
    return int(plain, 16) if "x" in plain.lower() else int(plain)


def qualifiers(entry: Property) -> Qualifiers:
    """Read a property's qualifiers, up to the first that is wrong."""
    found = Qualifiers()
    text, at = (entry.qualifiers or "").rstrip(), 0
    while at < len(text) and found.wrong is None:
        match = QUALIFIER.match(text, at)
        if match is None:
            found.wrong = f"cannot be read from {summary(text[at:])!r} on"
            break
        _qualify(match, entry.type, found)
        at = match.end()
    return found


def _qualify(match: re.Match[str], kind: str | None, found: Qualifiers) -> None:
    name, number, listed = match["name"], match["number"], match["list"]
    if name in LENGTHS and number is not None:
        if not (number.strip().isascii() and number.strip().isdigit() and len(number) < 20):
            found.wrong = f"{name} has no number ({summary(number)!r})"
        elif kind != "string":
            found.wrong = f"{name} is for strings only"
        else:
            found.lengths[name] = int(number.strip())
    elif name == "ValueMap" and listed is not None:
        if kind != "string" and kind not in INTEGERS:
            found.wrong = "ValueMap is for strings and integers only"
        elif (values := _entries(listed)) is None:
            found.wrong = f"ValueMap cannot be read ({summary(listed)!r})"
        else:
            found.values = values
            found.numbers = frozenset(integer(each) for each in values)
    else:
        found.wrong = f"{summary(match[0].strip(' ,'))} is none of MinLen, MaxLen and ValueMap"


def _entries(listed: str) -> frozenset[str] | None:
    """Return the values in a map; None where something stands between its commas that is none."""
    found, at, text = set(), 0, listed.rstrip()
    while at < len(text):
        match = ENTRY.match(text, at)
        if match is None:
            return None
        quoted = match["quoted"]
        found.add(match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        at = match.end()
    return frozenset(found)


def violated(entry: Property, allowed: Qualifiers, value: str) -> str | None:
    """Return the demand a value does not meet, in words; None if it meets all."""
    if "MinLen" in allowed.lengths and len(value) < allowed.lengths["MinLen"]:
        return f"is shorter than MinLen({allowed.lengths['MinLen']})"
    if "MaxLen" in allowed.lengths and len(value) > allowed.lengths["MaxLen"]:
        return f"is longer than MaxLen({allowed.lengths['MaxLen']})"
    if allowed.values is None:
        return None
    if entry.type in INTEGERS:
        return None if integer(value) in allowed.numbers else "is not in the ValueMap"
    return None if value in allowed.values else "is not in the ValueMap"


def _products(envelope: Envelope) -> tuple[Product, ...]:
    found = []
    for section in envelope.every("ProductSection"):
        owner = section.getparent()
        if owner is not None:
            found.append(
                Product(
                    section,
                    owner,
                    envelope.at(section),
                    envelope.attribute(section, "class") or "",
                    envelope.attribute(section, "instance") or "",
                    tuple(
                        _property(each, envelope) for each in envelope.children(section, "Property")
                    ),
                )
            )
    return tuple(found)


def _property(element: etree._Element, envelope: Envelope) -> Property:
    said = envelope.attribute
    return Property(
        key=said(element, "key") or "",
        type=said(element, "type"),
        qualifiers=said(element, "qualifiers"),
        configurable=envelope.flag(element, "userConfigurable"),
        password=envelope.flag(element, "password"),
        value=said(element, "value"),
        alternatives=tuple(
            Default(said(each, "configuration"), said(each, "value"), envelope.at(each))
            for each in envelope.children(element, "Value")
        ),
        at=envelope.at(element),
    )


def is_collection(element: etree._Element | None) -> bool:
    """Say whether an entity is a collection, whose properties its children see."""
    return element is not None and local_name(str(element.tag)) == COLLECTION
