"""Programmatic units, exact to the byte."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovf import units
from rehost.errors import DamagedInputError, InteropError

WRITTEN = "Units are written like 'byte * 2^20' (DSP0004, programmatic units)."

PROPER = {
    "byte": 1,
    "byte * 2^10": 2**10,
    "byte * 2^20": 2**20,
    "byte*2^30": 2**30,
    "2^20 * byte": 2**20,
    "byte * 1024 * 1024": 2**20,
    "kilobyte": 1000,
    "megabyte * 2": 2_000_000,
    "kibibyte": 1024,
    "tebibyte": 2**40,
    "bit * 8": 1,
    "byte * 2^20 / 2^10": 1024,
    "byte * 10^6": 1_000_000,
    "byte * 1.5 * 2^11": 3072,
    "byte * 0.5 * 2^11": 1024,
    "byte * 4.": 4,
    "byte^2 / byte": 1,
    "kilobyte / second * second": 1000,
    "byte * percent * 100": 1,
}


@pytest.mark.parametrize("text", PROPER)
def test_units_of_the_grammar_are_exact(text: str) -> None:
    assert units.multiplier(text) == PROPER[text]
    assert not units.parse(text).legacy


LEGACY = {
    "MegaBytes": 2**20,
    "MB": 2**20,
    "GigaBytes": 2**30,
    "GB": 2**30,
    "KiloBytes": 2**10,
    "bytes": 1,
    "byte * 2 ^ 20": 2**20,
    "bytes * 2^20": 2**20,
    "Byte * 2^30": 2**30,
}


@pytest.mark.parametrize("text", LEGACY)
def test_legacy_words_mean_what_their_writers_meant(text: str) -> None:
    assert units.multiplier(text) == LEGACY[text]
    assert units.parse(text).legacy


@pytest.mark.parametrize("text", LEGACY)
def test_only_space_around_the_caret_is_called_spaced(text: str) -> None:
    assert units.parse(text).spaced is (text == "byte * 2 ^ 20")


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("bit / second * 10^9", "byte/second"),
        ("byte * byte", "byte*byte"),
        ("1 / second^2", "1/second/second"),
        ("count", "count"),
        ("kilowatt", "watt"),
        ("2^20", "count"),
    ],
)
def test_units_of_several_bases_are_told_apart(text: str, base: str) -> None:
    assert units.parse(text).base == base
    assert not units.parse(text).legacy


def test_a_prefixed_frequency_is_of_the_grammar_in_lower_case_only() -> None:
    assert not units.parse("megahertz").legacy
    assert units.parse("MegaHertz").legacy


def test_frequencies_are_hertz() -> None:
    assert units.multiplier("hertz * 10^6", base="hertz") == 10**6
    assert units.multiplier("megahertz", base="hertz") == 10**6
    assert units.multiplier("MHz", base="hertz") == 10**6


WRONG = {
    "": ("x:1: is not a unit ('')", WRITTEN),
    "sectors": ("x:1: is not a unit ('sectors')", WRITTEN),
    "byte * 0": ("x:1: is not a unit ('byte * 0')", WRITTEN),
    "byte *": ("x:1: is not a unit ('byte *')", WRITTEN),
    "byte 2^20": ("x:1: is not a unit ('byte 2^20')", WRITTEN),
    "byte^4": ("x:1: is not a unit ('byte^4')", WRITTEN),
    "byte * byte": ("x:1: is no unit of byte ('byte * byte')", ""),
    "byte / second": ("x:1: is no unit of byte ('byte / second')", ""),
    "-byte": ("x:1: is no whole number of bytes ('-byte')", ""),
    "byte * 2^1000": ("x:1: is not a unit ('byte * 2^1000')", WRITTEN),
    "byte * 99^128": ("x:1: is not a unit ('byte * 99^128')", WRITTEN),
    "byte * 2^128 * 2^128 * 2": ("x:1: is not a unit ('byte * 2^128 * 2^128 * 2')", WRITTEN),
    f"{' ' * 5000}none": ("x:1: is not a unit ('none')", WRITTEN),
    "1 / byte": ("x:1: is no unit of byte ('1 / byte')", ""),
    "hertz": ("x:1: is no unit of byte ('hertz')", ""),
    "1024": ("x:1: is no unit of byte ('1024')", ""),
    "bit": ("x:1: is no whole number of bytes ('bit')", ""),
    "byte * 2^-1": ("x:1: is no whole number of bytes ('byte * 2^-1')", ""),
    "byte" * 100: ("x:1: unit is too long (400 characters)", ""),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_unit_is_an_error(text: str) -> None:
    with pytest.raises(DamagedInputError) as caught:
        units.multiplier(text, where="x:1")
    assert (str(caught.value), caught.value.hint) == WRONG[text]


@given(st.text(alphabet="bytehrzkilomega0123456789*/^+- ", max_size=120))
def test_anything_like_a_unit_is_one_or_an_error(text: str) -> None:
    with suppress(InteropError):
        assert units.multiplier(text) >= 1


@given(st.integers(0, 90), st.sampled_from(["", " "]))
def test_powers_of_two_are_exact_however_large(power: int, space: str) -> None:
    assert units.multiplier(f"byte{space}*{space}2^{power}") == 2**power
