"""What a property's value should be, in words for whoever gave another.

Spec: DSP0243 clause 9.5, tables 6 (types) and 7 (qualifiers).
"""

from __future__ import annotations

from ovf.environment.properties import INTEGERS, Property, is_of, qualifiers, violated
from rehost.report import Location

EXAMPLES = {"boolean": "true or false", "real32": "a number such as 1.5"}


def check_value(value: str, kind: str, said: str = "") -> str | None:
    """Say why a value is none of a type with these qualifiers, or return None where it is one.

    A blank value asks whoever deploys, and is always allowed.
    """
    if value == "":
        return None
    if not is_of(kind, value):
        if kind in INTEGERS:
            low, high = INTEGERS[kind]
            return f"It is a {kind}: a whole number from {low} to {high}."
        return f"It is a {kind}: {EXAMPLES.get(kind, EXAMPLES['real32'])}."
    entry = _property(kind, said, value)
    allowed = qualifiers(entry)
    wrong = violated(entry, allowed, value)
    if wrong is not None and allowed.values is not None and value not in allowed.values:
        return f"It is one of {', '.join(map(repr, sorted(allowed.values)))}."
    return None if wrong is None else f"The value {wrong}."


def check_qualifiers(said: str, kind: str) -> str | None:
    """Say what is wrong with the qualifiers of a type, or return None where nothing is."""
    return qualifiers(_property(kind, said)).wrong


def _property(kind: str, said: str, value: str | None = None) -> Property:
    return Property("", kind, said, False, False, value, (), Location(""))
