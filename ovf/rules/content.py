"""Rules of the envelope's content: clause 7.2."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf.envelope import CONTENT, Envelope
from ovf.judging.rule import VERSION_1, VERSION_2, Basis, rule
from ovf.package import Package
from rehost.report import Location, Severity
from rehost.tracked import line_of, local_name, summary

Found = Iterator[tuple[Location, str]]


def _contents(envelope: Envelope) -> Iterator[etree._Element]:
    """Yield every virtual system and every collection."""
    for name in CONTENT:
        yield from envelope.every(name)


@rule("CNT-001", clause="7.2")
def content_ids(package: Package) -> Found:
    """Every VirtualSystem and VirtualSystemCollection has an ovf:id.

    It is the machine's name where nothing else names it, and how sections refer to it.

    Fix: add ovf:id.
    """
    for content in _contents(package.envelope):
        if not package.envelope.attribute(content, "id"):
            yield package.envelope.at(content), f"{local_name(str(content.tag))} has no ovf:id"


@rule("CNT-002", clause="7.2")
def unique_ids_of_siblings(package: Package) -> Found:
    """No two systems or collections of one collection have the same ovf:id.

    Sections refer to them by it, so that one would be taken for the other.

    Fix: give each an id of its own.
    """
    for siblings in _siblings(package.envelope):
        yield from _repeated(package.envelope, siblings)


@rule(
    "CNT-004",
    clause="7.2",
    severity=Severity.WARNING,
    basis=Basis.UNCONFIRMED,
    versions=VERSION_2,
)
def unique_ids_of_version_2(package: Package) -> Found:
    """In OVF 2 no two systems or collections of a package have the same ovf:id.

    Scale-out and placement refer to them from anywhere in the package.

    Fix: give each an id of its own.
    """
    yield from _repeated_afar(package.envelope)


@rule("CNT-005", clause="7.2", severity=Severity.WARNING, basis=Basis.OWN, versions=VERSION_1)
def unique_ids(package: Package) -> Found:
    """No two systems or collections of a package have the same ovf:id, however deep.

    OVF 1 allows it, but tools that deploy packages name machines after it.

    Fix: give each an id of its own.
    """
    yield from _repeated_afar(package.envelope)


def _siblings(envelope: Envelope) -> Iterator[list[etree._Element]]:
    """Yield the contents of every collection."""
    for collection in envelope.every("VirtualSystemCollection"):
        yield list(envelope.children(collection, *CONTENT))


def _repeated(envelope: Envelope, contents: list[etree._Element]) -> Found:
    seen: set[str] = set()
    for content in contents:
        identifier = envelope.attribute(content, "id") or ""
        if identifier and identifier in seen:
            yield envelope.at(content), f"ovf:id {summary(identifier)!r} is used again"
        seen.add(identifier)


def _repeated_afar(envelope: Envelope) -> Found:
    """Yield the ids that are used again, but those that CNT-002 tells of."""
    near = {place for siblings in _siblings(envelope) for place in _repeated(envelope, siblings)}
    for place in _repeated(envelope, sorted(_contents(envelope), key=_line)):
        if place not in near:
            yield place


def _line(content: etree._Element) -> int:
    """Return the line a content begins on, to have those of both kinds in their order."""
    return line_of(content) or 0


@rule("CNT-003", clause="7.2")
def info_is_there(package: Package) -> Found:
    """Every section, VirtualSystem and VirtualSystemCollection begins with an Info element.

    The schema demands it, and importers that validate refuse the descriptor. A content also has at
    most one Name.

    Fix: add <Info> as the first child.
    """
    envelope = package.envelope
    for element in envelope.root.iter(etree.Element):
        namespace, _, name = str(element.tag)[1:].rpartition("}")
        if namespace == envelope.namespace and (name in CONTENT or name.endswith("Section")):
            first = next(element.iterchildren(etree.Element), None)
            if first is None or local_name(str(first.tag)) != "Info":
                yield envelope.at(element), f"{name} does not begin with Info"
    for content in _contents(envelope):
        for extra in list(envelope.children(content, "Name"))[1:]:
            yield envelope.at(extra), "is a second Name"


@rule("ENV-006", clause="7.2")
def one_content(package: Package) -> Found:
    """An envelope has exactly one VirtualSystem or VirtualSystemCollection.

    Several machines go into a collection; importers read the first content only.

    Fix: describe one VirtualSystem, or put several into one VirtualSystemCollection.
    """
    envelope = package.envelope
    contents = list(envelope.children(envelope.root, *CONTENT))
    if not contents:
        yield envelope.at(envelope.root), "there is no VirtualSystem"
    for extra in contents[1:]:
        yield envelope.at(extra), f"{local_name(str(extra.tag))} beside another content"
