"""What a second validator says of violations: where they are, and all that may be there.

lxml judges, xmlschema explains. It takes half a second to begin with, longer than all the rest of
judging a small package, so it is asked when somebody wants to know. lxml names ten elements at
most that could stand in a place; this has all that an element can hold, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any

from lxml import etree

from ovf.package import Package
from ovf.schema.judged_copy import copy_for_schema
from ovf.schema.verdict import schema_file
from ovf.schema.violation import Violation
from ovf.schema.vocabulary import spelled

MOST_EXPLAINED = 200
MOST_ERRORS = 1000
Explanations = dict[tuple[etree._Element, bool], str]
"""By the element that is wrong, and whether it is its children that are."""


def explanation(package: Package, violation: Violation) -> str:
    """Return where in the tree a violation is, and what the schema has there."""
    expected = package.once(_explanations).get((violation.subject, violation.of_children))
    place = f"at {path_of(violation.element)}"
    if not expected:
        return place
    return f"{place}, {'where the order is' if violation.of_children else 'expected'} {expected}"


def path_of(element: etree._Element) -> str:
    """Return the way to an element by names, with a number where one stands beside its like."""
    steps: list[str] = []
    here: etree._Element | None = element
    while here is not None:
        before = sum(1 for _ in here.itersiblings(here.tag, preceding=True))
        alone = not before and next(here.itersiblings(here.tag), None) is None
        steps.append(spelled(str(here.tag)) + ("" if alone else f"[{before + 1}]"))
        here = here.getparent()
    return "/" + "/".join(reversed(steps))


def _explanations(package: Package) -> Explanations:
    copy, originals = copy_for_schema(package.envelope)
    schema = _loaded(schema_file(package.envelope.namespace, package.schemas))
    found: Explanations = {}
    for _, error in zip(range(MOST_ERRORS), schema.iter_errors(copy), strict=False):
        expected, of_children = _expected(error)
        element = originals.get(error.elem)
        if element is not None and expected:
            found.setdefault((element, of_children), expected)
    return found


def _expected(error: Any) -> tuple[str, bool]:
    """Return what the schema has there, and whether that is about an element's children."""
    import xmlschema

    if isinstance(error, xmlschema.XMLSchemaChildrenValidationError):
        one_too_many = isinstance(error.particle, xmlschema.XsdElement)
        group: Any = error.validator if one_too_many else error.particle
        return ", ".join(dict.fromkeys(_names(group.iter_elements()))), True
    name = getattr(error.validator, "prefixed_name", None) or ""
    return (name if name.startswith("xs:") else ""), False


def _names(particles: Iterable[Any]) -> Iterator[str]:
    for particle in particles:
        name = getattr(particle, "name", None)
        yield spelled(name) if name else "extensions"


@cache
def _loaded(path: Path) -> Any:
    """Load a schema; what it imports is taken from beside it, never from the network."""
    import xmlschema

    def beside(address: str) -> str:
        remote = "".join(takewhile(str.isalpha, address)) in {"http", "https", "ftp"}
        return (path.parent / address.rpartition("/")[2]).as_uri() if remote else address

    return xmlschema.XMLSchema(str(path), allow="local", uri_mapper=beside)
