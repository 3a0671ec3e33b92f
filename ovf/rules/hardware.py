"""Rules of the VirtualHardwareSection itself: clauses 8.1 and 11.2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from lxml import etree

from ovf.envelope import Envelope
from ovf.judging.rule import Basis, rule
from ovf.outline import HARDWARE, every_item, hardware_sections
from ovf.package import Package
from ovf.schema.vocabulary import meant
from ovf.uris import LOOSE_URI
from rehost.report import Location, Severity
from rehost.tracked import local_name, summary

Found = Iterator[tuple[Location, str]]
SPACED = re.compile(r"[^\s,;]+(?: [^\s,;]+)*")
NEEDED = ("ElementName", "InstanceID")


@rule("VHS-001", clause="8.1")
def hardware_is_described(package: Package) -> Found:
    """Each VirtualSystem has a VirtualHardwareSection.

    Without it there is no machine to make.

    Fix: describe the machine's hardware.
    """
    envelope = package.envelope
    for system in envelope.systems:
        if envelope.first(system, HARDWARE) is None:
            yield envelope.at(system), "VirtualSystem has no VirtualHardwareSection"


@rule("VHS-002", clause="8.1")
def hardware_of_systems_only(package: Package) -> Found:
    """A VirtualHardwareSection stands in a VirtualSystem, nowhere else.

    The schema lets it pass elsewhere, but no importer reads it there.

    Fix: move it into the VirtualSystem.
    """
    envelope = package.envelope
    for section in envelope.every(HARDWARE):
        parent = section.getparent()
        if parent is not None and local_name(str(parent.tag)) != "VirtualSystem":
            where = local_name(str(parent.tag))
            yield envelope.at(section), f"VirtualHardwareSection stands in {where}"


@rule("VHS-003", clause="8.1", severity=Severity.WARNING, basis=Basis.UNCONFIRMED)
def sections_have_ids(package: Package) -> Found:
    """Of several VirtualHardwareSections of a system, each has an ovf:id of its own.

    They are alternatives; what chooses one names it by its id. OVF 1.0 has no ids for them, so in
    OVF 1.x only those that are given are compared.

    Fix: give each section another ovf:id.
    """
    envelope = package.envelope
    for system in envelope.systems:
        alternatives = list(envelope.children(system, HARDWARE))
        seen: dict[str, int | None] = {}
        for section in alternatives if len(alternatives) > 1 else []:
            name, at = envelope.attribute(section, "id"), envelope.at(section)
            if name and name in seen:
                yield at, f"ovf:id {summary(name)!r} is that of the section in line {seen[name]}"
            elif not name and envelope.version == "2":
                yield at, "is one of several hardware sections, but has no ovf:id"
            seen.setdefault(name or "", at.line)


def _transports(envelope: Envelope) -> Iterator[tuple[Location, str]]:
    for section in hardware_sections(envelope):
        text = envelope.attribute(section.element, "transport")
        if text:
            yield section.at, text


@rule("VHS-004", clause="8.1")
def transports_are_separated(package: Package) -> Found:
    """Several transports are separated by a single space.

    The documentation inside some schemas speaks of commas, the standard of a space; an importer
    that looks for the word ``iso`` between spaces finds none.

    Fix: write ovf:transport="iso com.vmware.guestInfo".
    """
    for at, text in _transports(package.envelope):
        if not SPACED.fullmatch(text):
            yield at, f"ovf:transport is no list with single spaces ({summary(text)!r})"


@rule("VHS-005", clause="11.2", severity=Severity.WARNING)
def transports_are_known(package: Package) -> Found:
    """A transport is iso, or named by a URI.

    Only iso is known to everybody. VMware's com.vmware.guestInfo is no URI and no other platform
    offers it, so the guest gets no properties there.

    Fix: add iso, and read ovf-env.xml from the CD in the guest.
    """
    for at, text in _transports(package.envelope):
        words = re.split(r"[\s,;]+", text.strip())
        if "iso" in words:
            continue
        for word in words:
            if word and not LOOSE_URI.fullmatch(word):
                yield at, f"ovf:transport is neither iso nor a URI ({summary(word)!r})"


@rule("VHS-006", clause="8.1", severity=Severity.WARNING)
def system_types_are_separated(package: Package) -> Found:
    """Several identifiers in VirtualSystemType are separated by a single space.

    A list with commas is one unknown type to an importer that goes by the standard.

    Fix: write a single space between the identifiers.
    """
    for system, at in _systems(package.envelope):
        text = (system.findtext("{*}VirtualSystemType") or "").strip()
        if text and not SPACED.fullmatch(text):
            yield at, f"VirtualSystemType is no list with single spaces ({summary(text)!r})"


@rule("VHS-007", clause="8.1", basis=Basis.SCHEMA)
def system_is_named(package: Package) -> Found:
    """A System has an ElementName and an InstanceID.

    The schema demands both, and importers that validate refuse a System without. Of InstanceId, as
    descriptors of the time before OVF 1.0 spell it, EXT-001 tells. Descriptors in a draft's dialect
    are not asked for them.

    Fix: add vssd:ElementName and vssd:InstanceID with the value 0.
    """
    for system, at in _systems(package.envelope) if package.envelope.dialect is None else ():
        tags = [str(child.tag) for child in system.iterchildren(etree.Element)]
        names = {local_name(meant(tag, package.envelope.version) or tag) for tag in tags}
        missing = [name for name in NEEDED if name not in names]
        if missing:
            yield at, f"System has no {' and no '.join(missing)}"


@rule("VHS-008", clause="8.1", basis=Basis.SCHEMA)
def children_are_in_order(package: Package) -> Found:
    """The children of an item have the order of CIM's schema, which is alphabetical.

    ElementName is one that must be there. Readers made from the schema stop at the first child out
    of order. Descriptors in a draft's dialect are not asked for it.

    Fix: sort the children by name, and add rasd:ElementName.
    """
    for item in every_item(package.envelope) if package.envelope.dialect is None else ():
        for before, name in pairwise(item.names):
            if before > name:
                yield item.at, f"{item.label} has {summary(name)} after {summary(before)}"
                break
        if item.names and "ElementName" not in item.names:
            yield item.at, f"{item.label} has no ElementName"


def _systems(envelope: Envelope) -> Iterator[tuple[etree._Element, Location]]:
    for section in hardware_sections(envelope):
        system = envelope.first(section.element, "System")
        if system is not None:
            yield system, envelope.at(system)
