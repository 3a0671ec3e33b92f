"""The types of properties, and what their qualifiers allow.

Spec: DSP0243 clause 9.5, tables 6 (types) and 7 (qualifiers).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

WIDTHS = (8, 16, 32, 64)
RANGES = {
    **{f"uint{bits}": (0, (1 << bits) - 1) for bits in WIDTHS},
    **{f"sint{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in WIDTHS},
}
REALS = frozenset(("real32", "real64"))
TYPES = frozenset((*RANGES, *REALS, "string", "boolean"))
INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
REAL = re.compile(r"[+-]?[0-9]{0,40}\.?[0-9]{1,40}([eE][+-]?[0-9]{1,4})?")
QUALIFIER = re.compile(r"""(?P<name>\w+)\s*[({]\s*(?P<said>(?:"[^"]*"|[^"(){}]*)*?)\s*[)}]""")
QUOTED = re.compile(r'"([^"]*)"')


def check_value(value: str, kind: str, qualifiers: str = "") -> str | None:
    """Say what a value of this type should be, or return None where it is that."""
    if value == "":
        return None
    if kind in RANGES:
        low, high = RANGES[kind]
        if not INTEGER.fullmatch(value) or not low <= int(value) <= high:
            return f"It is a {kind}: a whole number from {low} to {high}."
    if kind == "boolean" and value.lower() not in {"true", "false"}:
        return "It is a boolean: true or false."
    if kind in REALS and not REAL.fullmatch(value):
        return f"It is a {kind}: a number such as 1.5."
    return next(_unmet(value, qualifiers), None)


def _unmet(value: str, qualifiers: str) -> Iterator[str]:
    for found in QUALIFIER.finditer(qualifiers):
        name, said = found["name"], found["said"]
        digits = said.strip('"')
        if name == "MinLen" and digits.isdigit() and len(value) < int(digits[:9]):
            yield f"It has at least {digits} characters."
        if name == "MaxLen" and digits.isdigit() and len(value) > int(digits[:9]):
            yield f"It has at most {digits} characters."
        allowed = QUOTED.findall(said)
        if name == "ValueMap" and allowed and value not in allowed:
            yield f"It is one of {', '.join(map(repr, allowed))}."
