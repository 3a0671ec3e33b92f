"""Programmatic units: what ``byte * 2^20`` multiplies by.

Spec: DSP0004 "Common Information Model (CIM) Infrastructure", Annex "Programmatic Units". A unit
is elements joined by ``*`` and ``/``; an element is a number, a power such as ``2^20``, or a base
unit with an optional decimal or binary prefix. Version 2.5, which OVF 1.x cites, lets white space
stand around the caret; the grammar of version 3 does not, and is the one followed here.

Words and spellings older than the annex, such as ``MegaBytes``, are read too, in their established
meaning, and marked as legacy; so is ``byte * 2 ^ 20``, which is marked as spaced besides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from rehost.errors import DamagedInputError

LONGEST = 100
LARGEST_EXPONENT = 128
LARGEST_POWER = 3
LARGEST = 1 << 256
"""Of a multiplier, or one over it; what is beyond counts nothing there is."""

DECIMAL = ("kilo", "mega", "giga", "tera", "peta", "exa", "zetta", "yotta")
BINARY = ("kibi", "mebi", "gibi", "tebi", "pebi", "exbi", "zebi", "yobi")
SMALL = ("milli", "micro", "nano", "pico", "femto", "atto", "zepto", "yocto")
PREFIXES = {
    "deca": Fraction(10),
    "deka": Fraction(10),
    "hecto": Fraction(100),
    "deci": Fraction(1, 10),
    "centi": Fraction(1, 100),
    **{name: Fraction(1000**power) for power, name in enumerate(DECIMAL, 1)},
    **{name: Fraction(1024**power) for power, name in enumerate(BINARY, 1)},
    **{name: Fraction(1, 1000**power) for power, name in enumerate(SMALL, 1)},
}
PHYSICAL = ("ampere", "gram", "joule", "kelvin", "liter", "meter", "newton", "volt", "watt")
"""Of the annex's units that no machine is measured in, those that power and cooling may be."""
BASES = {
    "byte": ("byte", Fraction(1)),
    "bit": ("byte", Fraction(1, 8)),
    "hertz": ("hertz", Fraction(1)),
    "count": ("count", Fraction(1)),
    "percent": ("count", Fraction(1, 100)),
    "permille": ("count", Fraction(1, 1000)),
    "second": ("second", Fraction(1)),
    "minute": ("second", Fraction(60)),
    "hour": ("second", Fraction(3600)),
    "day": ("second", Fraction(86400)),
    **{name: (name, Fraction(1)) for name in PHYSICAL},
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

CARET = re.compile(r"\s*\^\s*")
OPERATOR = re.compile(r"\s*([*/])\s*")
POWER = re.compile(r"([+-]?[1-9][0-9]*)\^([+-]?[0-9]+)")
NUMBER = re.compile(r"[0-9]+\.?[0-9]*")
NAMED = re.compile(r"([a-z]+)(?:\^([+-]?[1-9][0-9]*))?")


@dataclass(frozen=True, slots=True)
class Unit:
    """What a quantity is multiplied by, and of what: ``byte``, or ``byte/second``.

    ``legacy`` is any spelling not DSP0004's; ``spaced`` if spaces around a caret alone make it so.
    """

    multiplier: Fraction
    base: str
    legacy: bool = False
    spaced: bool = False


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
    if (unit := _expression(plain)) is not None:
        return unit
    if plain.lower() in LEGACY:
        base, factor = LEGACY[plain.lower()]
        return Unit(Fraction(factor), base, legacy=True)
    closed = CARET.sub("^", plain)
    if (unit := _expression(closed)) is not None:
        return replace(unit, legacy=True, spaced=True)
    if (unit := _expression(_modern(closed))) is not None:
        return replace(unit, legacy=True)
    raise DamagedInputError(
        f"is not a unit ({plain!r})",
        where=where,
        hint="Units are written like 'byte * 2^20' (DSP0004, programmatic units).",
    )


def _modern(text: str) -> str:
    """Lower the case and drop the plural, as older writers need."""
    return re.sub(r"\bbytes\b", "byte", text.lower())


def _expression(text: str) -> Unit | None:
    unsigned = text.removeprefix("-")
    product = Fraction(1 if unsigned == text else -1)
    powers: dict[str, int] = {}
    sign = 1
    for position, part in enumerate(OPERATOR.split(unsigned.lstrip(" "))):
        if position % 2:
            sign = 1 if part == "*" else -1
            continue
        element = _element(part)
        if element is None:
            return None
        factor, base, power = element
        product *= factor**sign
        if base not in {"", "count"}:
            powers[base] = powers.get(base, 0) + sign * power
    if not 1 <= LARGEST * abs(product) <= LARGEST * LARGEST:
        return None
    return Unit(product, _named_together(powers))


def _named_together(powers: dict[str, int]) -> str:
    """Return ``byte/second`` for one byte and minus one second; ``count`` for numbers alone."""
    above = [base for base, power in powers.items() for _ in range(power)]
    below = [f"/{base}" for base, power in powers.items() for _ in range(-power)]
    if above == below == []:
        return "count"
    return "*".join(above or ["1"]) + "".join(below)


def _element(text: str) -> tuple[Fraction, str, int] | None:
    """Return the factor of one element, and the base it names, if it names one, with its power."""
    if NUMBER.fullmatch(text):
        number = Fraction(text)
        return (number, "", 0) if number else None
    if found := POWER.fullmatch(text):
        base, exponent = int(found[1]), int(found[2])
        return (Fraction(base) ** exponent, "", 0) if abs(exponent) <= LARGEST_EXPONENT else None
    if (found := NAMED.fullmatch(text)) and (named := _named(found[1])):
        power = int(found[2] or "1")
        factor, base_unit = named
        return (factor**power, base_unit, power) if abs(power) <= LARGEST_POWER else None
    return None


def _named(word: str) -> tuple[Fraction, str] | None:
    for name, (base, worth) in BASES.items():
        prefix = word.removesuffix(name)
        if word == name:
            return worth, base
        if prefix != word and prefix in PREFIXES:
            return PREFIXES[prefix] * worth, base
    return None


def written(unit: Unit) -> str | None:
    """Return a unit of bytes or hertz as DSP0004 spells it; None where it is no round one."""
    step, power = (2, 10) if unit.base == "byte" else (10, 3)
    factor = unit.multiplier
    if unit.base not in {"byte", "hertz"} or factor.denominator != 1:
        return None
    for exponent in range(0, LARGEST_EXPONENT, power):
        if factor == step**exponent:
            return f"{unit.base} * {step}^{exponent}" if exponent else unit.base
    return None
