"""Programmatic units: what ``byte * 2^20`` multiplies by.

Spec: DSP0004 "Common Information Model (CIM) Infrastructure", Annex "Programmatic Units". A unit
is elements joined by ``*`` and ``/``; an element is a number, a power such as ``2^20`` (without
space around the caret), or a base unit with an optional decimal or binary prefix.

Words and spellings older than the annex, such as ``MegaBytes`` and ``byte * 2 ^ 20``, are read
too, in their established meaning, and marked as legacy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from rehost.errors import DamagedInputError

LONGEST = 100
LARGEST_EXPONENT = 128

DECIMAL = ("kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta")
BINARY = ("kibi", "mebi", "gibi", "tebi", "pebi", "exbi", "zebi", "yobi")
SMALL = ("milli", "micro", "nano", "pico", "femto", "atto", "zepto", "yocto")
PREFIXES = {
    "deka": Fraction(10),
    "hecto": Fraction(100),
    "deci": Fraction(1, 10),
    "centi": Fraction(1, 100),
    **{name: Fraction(1000**power) for power, name in enumerate(DECIMAL, 1)},
    **{name: Fraction(1024**power) for power, name in enumerate(BINARY, 1)},
    **{name: Fraction(1, 1000**power) for power, name in enumerate(SMALL, 1)},
}
BASES = {
    "byte": ("byte", Fraction(1)),
    "bit": ("byte", Fraction(1, 8)),
    "hertz": ("hertz", Fraction(1)),
    "count": ("count", Fraction(1)),
    "percent": ("count", Fraction(1, 100)),
    "second": ("second", Fraction(1)),
}

LEGACY = {
    "b": ("byte", 1),
    "bytes": ("byte", 1),
    "hz": ("hertz", 1),
    **dict.fromkeys(("kb", "kib", "kilobytes"), ("byte", 1024)),
    **dict.fromkeys(("mb", "mib", "megabytes"), ("byte", 1024**2)),
    **dict.fromkeys(("gb", "gib", "gigabytes"), ("byte", 1024**3)),
    **dict.fromkeys(("tb", "tib", "terabytes"), ("byte", 1024**4)),
    **dict.fromkeys(("khz", "kilohertz"), ("hertz", 1000)),
    **dict.fromkeys(("mhz", "megahertz"), ("hertz", 1000**2)),
    **dict.fromkeys(("ghz", "gigahertz"), ("hertz", 1000**3)),
}
"""Words of writers who never meant powers of ten by mega bytes, in lower case."""

OPERATOR = re.compile(r"\s*([*/])\s*")
POWER = re.compile(r"([+-]?[1-9][0-9]*)\^([+-]?[0-9]+)")
NUMBER = re.compile(r"[1-9][0-9]*(\.[0-9]+)?")
NAMED = re.compile(r"([a-z]+?)(?:\^([+-]?[1-9][0-9]*))?")


@dataclass(frozen=True, slots=True)
class Unit:
    """What a quantity is multiplied by, and of what; ``legacy`` is any spelling not DSP0004's."""

    multiplier: Fraction
    base: str
    legacy: bool = False


def multiplier(text: str, *, base: str = "byte", where: str = "") -> int:
    """Return the whole number of ``base`` units (byte, hertz, count) that ``text`` stands for."""
    unit = parse(text, where=where)
    if unit.base != base:
        raise DamagedInputError(f"is no unit of {base} ({text!r})", where=where)
    if unit.multiplier.denominator != 1 or unit.multiplier < 1:
        raise DamagedInputError(f"is no whole number of {base}s ({text!r})", where=where)
    return int(unit.multiplier)


def parse(text: str, *, where: str = "") -> Unit:
    """Read a unit, in the annex's grammar or in a legacy spelling."""
    plain = text.strip()
    if len(plain) > LONGEST:
        raise DamagedInputError(f"unit is too long ({len(plain)} characters)", where=where)
    if plain.lower() in LEGACY:
        base, factor = LEGACY[plain.lower()]
        return Unit(Fraction(factor), base, legacy=True)
    unit = _expression(plain)
    if unit is None and (unit := _expression(_modern(plain))) is not None:
        unit = Unit(unit.multiplier, unit.base, legacy=True)
    if unit is None:
        raise DamagedInputError(
            f"is not a unit ({text!r})",
            where=where,
            hint="Units are written like 'byte * 2^20' (DSP0004, programmatic units).",
        )
    return unit


def _modern(text: str) -> str:
    """Close up carets, lower the case and drop the plural, as older writers need."""
    lower = re.sub(r"\s*\^\s*", "^", text.lower())
    return re.sub(r"\bbytes\b", "byte", lower)


def _expression(text: str) -> Unit | None:
    product, base = Fraction(1), None
    operator = "*"
    for position, part in enumerate(OPERATOR.split(text)):
        if position % 2:
            operator = part
            continue
        element = _element(part)
        if element is None:
            return None
        factor, named = element
        if named and (base or operator == "/"):
            return None
        base = named or base
        product = product * factor if operator == "*" else product / factor
    return Unit(product, base or "count")


def _element(text: str) -> tuple[Fraction, str | None] | None:
    """Return the factor of one element and the base it names, if it names one."""
    if NUMBER.fullmatch(text):
        return Fraction(text), None
    if found := POWER.fullmatch(text):
        number, exponent = int(found[1]), int(found[2])
        if abs(exponent) > LARGEST_EXPONENT:
            return None
        return Fraction(number) ** exponent, None
    if not (found := NAMED.fullmatch(text)) or found[2] not in {None, "1"}:
        return None
    return _named(found[1])


def _named(word: str) -> tuple[Fraction, str] | None:
    for name, (base, worth) in BASES.items():
        prefix = word.removesuffix(name)
        if word == name:
            return worth, base
        if prefix != word and prefix in PREFIXES:
            return PREFIXES[prefix] * worth, base
    return None
