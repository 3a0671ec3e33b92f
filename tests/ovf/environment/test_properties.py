"""Value spaces, qualifiers and families of guests: what the words of a descriptor allow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovf.environment.properties import (
    INTEGERS,
    TYPES,
    Property,
    integer,
    is_of,
    qualifiers,
    violated,
)
from ovf.machines.guests import family, is_64_bit
from rehost.report import Location


def entry(kind: str, said: str) -> Property:
    return Property("k", kind, said, False, False, None, (), Location("web.ovf", 1))


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_reach_to_the_ends_of_their_types(kind: str) -> None:
    low, high = INTEGERS[kind]
    assert is_of(kind, str(low))
    assert is_of(kind, str(high))
    assert not is_of(kind, str(low - 1))
    assert not is_of(kind, str(high + 1))


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("boolean", ("true", "FALSE", "True"), ("yes", "1", "")),
        ("real32", ("1", "-1.5", "1e9", ".5", "5.", "INF", "nan"), ("one", "1,5", "", "0x1")),
        ("uint8", ("0x1f", "+3"), ("300", "1.0", " ", "٣")),
        ("string", ("", "anything"), ()),
        ("ip", ("not judged",), ()),
    ],
)
def test_values_are_of_their_types(kind: str, good: tuple[str, ...], bad: tuple[str, ...]) -> None:
    assert [value for value in good if not is_of(kind, value)] == []
    assert [value for value in bad if is_of(kind, value)] == []


def test_qualifiers_are_read_with_quotes_and_commas_inside() -> None:
    found = qualifiers(entry("string", r'MinLen(1), ValueMap{"a, b", "}", "q\"\\"} ,MaxLen(9)'))
    assert found.wrong is None
    assert found.lengths == {"MinLen": 1, "MaxLen": 9}
    assert found.values == frozenset(("a, b", "}", 'q"\\'))


def test_a_map_of_integers_is_compared_as_numbers() -> None:
    port = entry("uint16", "ValueMap{80, 0x1BB}")
    assert violated(port, qualifiers(port), "443") is None
    assert violated(port, qualifiers(port), "444") == "is not in the ValueMap"


@given(st.sampled_from(TYPES), st.text(alphabet='MinLeaxVup(){}"\\,1 ', max_size=60))
def test_any_qualifiers_are_read_or_wrong(kind: str, text: str) -> None:
    found = qualifiers(entry(kind, text))
    assert (
        violated(entry(kind, text), found, "x") is None or found.lengths or found.values is not None
    )


@pytest.mark.parametrize("text", ["a,", "ValueMap{", 'ValueMap{"', '\\"', "MinLen("])
def test_long_qualifiers_take_no_time(text: str) -> None:
    started = time.process_time()
    assert qualifiers(entry("string", "ValueMap{" + text * 100_000)).wrong is not None
    assert time.process_time() - started < 2


@given(st.text(max_size=30))
def test_only_digits_are_integers(text: str) -> None:
    number = integer(text)
    assert number is None or text.strip().isascii()


@pytest.mark.parametrize(
    ("word", "name", "wide"),
    [
        ("windows9_64Guest", "Windows", True),
        ("winNetStandardGuest", "Windows", False),
        ("darwin17_64Guest", "macOS", True),
        ("Windows Server 2012 R2", "Windows", False),
        ("Red Hat Enterprise Linux (64 bit)", "Linux", True),
        ("RedHat_64", "Linux", True),
        ("other4xLinux64Guest", "Linux", True),
        ("vmkernel7Guest", "ESXi", False),
        ("FreeBSD_64", "BSD", True),
        ("otherGuest64", "", True),
        ("", "", False),
    ],
)
def test_families_are_told_in_every_vocabulary(word: str, name: str, wide: bool) -> None:
    assert (family(word), is_64_bit(word)) == (name, wide)
