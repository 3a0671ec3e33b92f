"""One place where a descriptor is not what its schema says, in words people can use.

libxml2 says what is wrong in sentences of its own; its names, expected children and types are taken
from them, the rest from the element itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from lxml import etree

from ovf.namespaces import CIM
from ovf.schema.vocabulary import PREFIXES, spelled
from rehost.tracked import line_of, local_name, summary

EXPECTED_IS = "Expected is "
EXPECTED = re.compile(r"Expected is (?:one of )?\( (.*) \)")
ATTRIBUTE = re.compile(r"\battribute '([^']+)'")
NO_VALUE = "is not a valid value of the "
TYPE = re.compile(r"is not a valid value of the (?:[\w ]+ )?type(?: '(?:xs:)?(\w+)')?")
OF_FACET = "[facet '"
FACET = re.compile(r"\[facet '(\w+)'\].*'([^']*)'\)?\.?$")
SETTINGS = frozenset(prefix for uri, prefix in PREFIXES.items() if uri.startswith(CIM))
MANDATORY = ("ElementName", "InstanceID")
"""What every CIM setting has; other properties are optional. All stand in order of names."""
MOST_NAMES = 6
STAND_INS = frozenset(("Section", "Content"))
TYPES = {
    "boolean": "true or false",
    "unsignedByte": "a whole number from 0 to 255",
    "unsignedShort": "a whole number from 0 to 65535",
    "unsignedInt": "a whole number from 0 to 4294967295",
    "unsignedLong": "a whole number from 0 to 18446744073709551615",
    "int": "a whole number of 32 bits",
    "long": "a whole number of 64 bits",
    "anyURI": "a URI",
    "ID": "a name that is used once",
}


class Kind(Enum):
    """What is wrong: with an element's place, its children, its attributes, its text.

    ``LACKING`` is an element where another one, which is missing, should have come first.
    """

    MISPLACED = "misplaced"
    LACKING = "lacking"
    INCOMPLETE = "incomplete"
    UNNAMED = "unnamed"
    VALUE = "value"
    STRAY = "stray"
    ABSTRACT = "abstract"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Violation:
    """An element that breaks its schema; ``attribute`` is which of its attributes does, if one.

    ``expected`` are the elements that could stand there.
    """

    kind: Kind
    element: etree._Element
    message: str
    attribute: str = ""
    expected: tuple[str, ...] = ()

    @property
    def of_children(self) -> bool:
        """Say whether it is the order or number of an element's children that is wrong."""
        return self.kind in {Kind.MISPLACED, Kind.LACKING, Kind.INCOMPLETE}

    @property
    def subject(self) -> etree._Element:
        """The element that is wrong: the one around a child that is misplaced."""
        parent = self.element.getparent()
        return parent if self.kind is Kind.MISPLACED and parent is not None else self.element

    @property
    def line(self) -> int:
        """The line of the element, 0 where it has none."""
        return line_of(self.element) or 0

    def of(self, element: etree._Element) -> Violation:
        """Return the same of another element, the one in the document."""
        return replace(self, element=element)


def violation(said: str, element: etree._Element) -> Violation:
    """Return what libxml2 said of an element."""
    for words, told in SAYINGS:
        if words in said:
            return told(said, element)
    name, attribute = spelled(str(element.tag)), _attribute_of(said)
    return Violation(Kind.OTHER, element, f"{name} breaks the schema ({_plain(said)})", attribute)


def beyond(root: etree._Element) -> Violation:
    """Return what is said of a document that is invalid only where too many stand in a row."""
    message = f"{spelled(str(root.tag))} breaks its schema behind the first 1000 of like elements"
    return Violation(Kind.OTHER, root, message)


def too_large(root: etree._Element) -> Violation:
    """Return what is said of a document with too many elements to be judged."""
    message = f"{spelled(str(root.tag))} holds too many elements to be judged by its schema"
    return Violation(Kind.OTHER, root, message)


def _misplaced(said: str, element: etree._Element) -> Violation:
    parent, expected = element.getparent(), _expected(said)
    name = spelled(str(element.tag))
    where = "" if parent is None else f" in {spelled(str(parent.tag))}"
    wanted = f"expected {_any_of(expected)}" if expected else "expected nothing more"
    message = f"{name} may not stand here{where} ({wanted})"
    if parent is not None and _is_setting(element, expected):
        lacking = _lacking(parent, expected)
        if lacking:
            message = f"{spelled(str(parent.tag))} lacks {lacking}"
            return Violation(Kind.LACKING, element, message, expected=expected)
        before = next(element.itersiblings(etree.Element, preceding=True), None)
        if before is not None and before.tag != element.tag:
            message = (
                f"{name} stands behind {spelled(str(before.tag))}{where}, not in order of names"
            )
    return Violation(Kind.MISPLACED, element, message, expected=expected)


def _incomplete(said: str, element: etree._Element) -> Violation:
    expected = _expected(said)
    lacking = _lacking(element, expected) or _any_of(expected)
    message = f"{spelled(str(element.tag))} lacks {lacking}"
    return Violation(Kind.INCOMPLETE, element, message, expected=expected)


def _is_setting(element: etree._Element, expected: tuple[str, ...]) -> bool:
    """Say whether what is or should be there are properties of a CIM class."""
    name = expected[0] if expected else spelled(str(element.tag))
    return name.partition(":")[0] in SETTINGS


def _lacking(setting: etree._Element, expected: tuple[str, ...]) -> str:
    """Return which mandatory properties a CIM setting has not; nothing for other elements."""
    prefix = expected[0].partition(":")[0] if expected else ""
    if prefix not in SETTINGS:
        return ""
    said = {local_name(str(child.tag)) for child in setting.iterchildren(etree.Element)}
    return " and ".join(f"{prefix}:{name}" for name in MANDATORY if name not in said)


def _unnamed(said: str, element: etree._Element) -> Violation:
    attribute = _attribute_of(said)
    name, bare = spelled(str(element.tag)), local_name(attribute)
    message = f"{name} has no {_attribute(attribute)}"
    if element.get(bare) is not None and attribute != bare:
        message = f"{name} has {bare} without the namespace of ovf:{bare}"
    return Violation(Kind.UNNAMED, element, message, attribute)


def _abstract(said: str, element: etree._Element) -> Violation:
    del said
    message = f"{spelled(str(element.tag))} says nothing by itself"
    return Violation(Kind.ABSTRACT, element, message)


def _stray(said: str, element: etree._Element) -> Violation:
    del said
    message = f"{spelled(str(element.tag))} has text between its elements"
    return Violation(Kind.STRAY, element, message)


def _value(said: str, element: etree._Element) -> Violation:
    attribute = _attribute_of(said)
    text = (element.get(attribute) if attribute else element.text) or ""
    subject = spelled(str(element.tag))
    if attribute:
        subject = f"{_attribute(attribute)} of {subject}"
    return Violation(Kind.VALUE, element, f"{subject} {_fault(said, text)}", attribute)


def _fault(said: str, text: str) -> str:
    """Return what is wrong with a value."""
    found = FACET.match(said, max(said.find(OF_FACET), 0))
    match found and found.groups():
        case ("maxLength", limit):
            return f"has more than {limit} characters ({len(text)})"
        case ("maxInclusive", limit):
            return f"is more than {limit} ({summary(text)!r})"
    kind = TYPE.match(said, max(said.rfind(NO_VALUE), 0))
    wanted = TYPES.get(kind[1] or "", kind[1]) if kind else None
    if wanted is None:
        wanted = "a language tag" if "lang'" in said else "one of its values"
    return f"is not {wanted} ({summary(text)!r})"


SAYINGS: tuple[tuple[str, Callable[[str, etree._Element], Violation]], ...] = (
    ("This element is not expected", _misplaced),
    ("Missing child element", _incomplete),
    ("is required but missing", _unnamed),
    ("type definition is abstract", _abstract),
    ("content type is 'element-only'", _stray),
    (NO_VALUE, _value),
    (OF_FACET, _value),
)
"""What libxml2 says, and what reads it.

It quotes values, up to 64000 characters of them, and those may say anything: so none of this is
searched for again and again, and what ends the sentence is looked for from its end.
"""


def _attribute_of(said: str) -> str:
    found = ATTRIBUTE.search(said)
    return found[1] if found else ""


def _expected(said: str) -> tuple[str, ...]:
    found = EXPECTED.match(said, max(said.rfind(EXPECTED_IS), 0))
    names = found[1].split(", ") if found else []
    plain = (spelled(name) for name in names if not name.startswith("##"))
    return tuple(name for name in dict.fromkeys(plain) if name not in STAND_INS)


def _any_of(names: tuple[str, ...]) -> str:
    if len(names) < 2:
        return "".join(names)
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[:MOST_NAMES])} or others"
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _attribute(name: str) -> str:
    known = spelled(name)
    return known if ":" in known or not name.startswith("{") else f"ovf:{known}"


def _plain(said: str) -> str:
    """Return a sentence of libxml2's without the element's name and in one line."""
    sentence = said.partition(": ")[2] if said.startswith("Element '") else said
    return summary(re.sub(r"\{[^{}]*\}", "", sentence).rstrip("."))
