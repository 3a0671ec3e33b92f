"""Rules of environment documents: clause 11.1, and DSP8027, their schema."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from lxml import etree

from ovf.environment.medium import ENVIRONMENT_NAME
from ovf.environment.parts import (
    NAMESPACE,
    Part,
    guest,
    own_keys,
    parts,
    seen_by,
    siblings,
)
from ovf.judging.rule import ENVIRONMENTS, Basis, Needs, rule
from ovf.package import Package
from ovf.schema.verdict import environment_violations
from rehost.report import Location, Severity
from rehost.tracked import label, local_name, summary

SECTIONS = frozenset(("PlatformSection", "PropertySection"))
SHOWN = 5
Found = Iterator[tuple[Location, str]]


def _again(part: Part) -> Found:
    seen: set[str] = set()
    for key, at in part.keys:
        if key in seen:
            yield at, f"property {summary(key)!r} is listed again"
        seen.add(key)


@rule("OEN-001", clause="11.1", needs=Needs.ENVIRONMENT, versions=ENVIRONMENTS)
def environment_namespace(package: Package) -> Found:
    """The namespace of an Environment is http://schemas.dmtf.org/ovf/environment/1, to the letter.

    Guests look for elements of that namespace; OVF 2 has no other.

    Fix: correct the namespace.
    """
    if package.written.namespace != NAMESPACE:
        found = summary(package.written.namespace or "none")
        yield (
            package.written.at(package.written.root),
            f"namespace is not that of OVF environments ({found})",
        )


@rule("OEN-002", clause="11.1", needs=Needs.ENVIRONMENT, versions=ENVIRONMENTS)
def environment_of_a_system(package: Package) -> Found:
    """The ovfenv:id of an Environment is the ovf:id of a VirtualSystem of the package.

    Guest software tells by it which of the machines it is in. Judged where the package is named.

    Fix: write the ovf:id of the machine.
    """
    if package.described is None:
        return
    envelope = package.described.envelope
    known = [envelope.attribute(each, "id") or "" for each in envelope.systems]
    [document, *_] = parts(package)
    if document.id not in known:
        listed = ", ".join(repr(summary(each)) for each in known[:SHOWN])
        yield document.at, f"is for {summary(document.id)!r}, which is no VirtualSystem ({listed})"


@rule("OEN-003", clause="11.1", needs=Needs.ENVIRONMENT, versions=ENVIRONMENTS)
def environment_properties(package: Package) -> Found:
    """A PropertySection has every property of the machine and of its immediate collection, once.

    Guest software does not find what it was configured with; of an overridden property only the
    machine's own may be there. What is missing is judged where the package is named.

    Fix: add the Property, with the value that was chosen.
    """
    [document, *_] = parts(package)
    yield from _again(document)
    system = guest(package)
    if package.described is not None and system is not None:
        known = {key for key, _ in document.keys}
        for key in seen_by(package.described.envelope, system):
            if key not in known:
                yield document.at, f"has no property {summary(key)!r}"


@rule("OEN-004", clause="11.1", needs=Needs.ENVIRONMENT, versions=ENVIRONMENTS)
def environment_entities(package: Package) -> Found:
    """There is one Entity for each machine or collection beside the machine, as that one sees it.

    Machines find each other by it. What is missing is judged where the package is named.

    Fix: write an Entity for each sibling, with the PropertySection of its own environment.
    """
    document, *entities = parts(package)
    by_id: dict[str, Part] = {}
    for entity in entities:
        if by_id.setdefault(entity.id, entity) is not entity:
            yield entity.at, f"Entity {summary(entity.id)!r} is listed again"
        yield from _again(entity)
    system = guest(package)
    if package.described is None or system is None:
        return
    envelope = package.described.envelope
    beside = siblings(envelope, system)
    for identifier in beside:
        if identifier not in by_id:
            yield document.at, f"has no Entity of {summary(identifier)!r}"
    parent = system.getparent()
    common = {} if parent is None else own_keys(envelope, parent)
    for identifier, entity in by_id.items():
        if identifier not in beside:
            yield entity.at, f"Entity {summary(identifier)!r} is nothing beside the machine"
            continue
        own = own_keys(envelope, beside[identifier])
        for what in _differences({key for key, _ in entity.keys}, own, common):
            yield entity.at, f"Entity {summary(identifier)!r} {what}"


def _differences(known: set[str], own: dict[str, None], common: dict[str, None]) -> Iterator[str]:
    """Yield what differs between an entity's keys, ``known``, and those it should see.

    Looks at few more of the collection's properties than the entity has: there may be as many
    entities as properties.
    """
    lacked = (key for key in chain(own, common) if key not in known)
    missing = set(islice(lacked, SHOWN))
    for key in sorted(missing | {key for key in known if not (key in own or key in common)}):
        verb = "has no" if key in missing else "does not see the"
        yield f"{verb} property {summary(key)!r}"
    expected = len(common) + sum(key not in common for key in own)
    more = expected - sum(key in own or key in common for key in known) - len(missing)
    if more:
        yield f"has no {more} properties more"


@rule("OEN-005", clause="11.1", needs=Needs.ENVIRONMENT, versions=ENVIRONMENTS)
def environment_sections(package: Package) -> Found:
    """There is at most one PlatformSection, and one PropertySection for the machine or an Entity.

    Guest software reads the first and misses the others. The platform is told of once, outside the
    entities.

    Fix: put the properties of one machine into one section.
    """
    for part in parts(package):
        name = local_name(str(part.element.tag))
        seen: set[str] = set()
        for section in package.written.children(part.element, *SECTIONS):
            kind, at = local_name(str(section.tag)), package.written.at(section)
            if kind in seen:
                yield at, f"is a second {kind} of {name}"
            elif kind == "PlatformSection" and name == "Entity":
                yield at, "PlatformSection stands in an Entity"
            seen.add(kind)


@rule(
    "OEN-006",
    clause="11.1",
    severity=Severity.WARNING,
    needs=Needs.ENVIRONMENT,
    basis=Basis.SCHEMA,
    versions=ENVIRONMENTS,
)
def environment_time_zone(package: Package) -> Found:
    """The time zone of a PlatformSection is spelled Timezone.

    The text of the standard says TimeZone, its schema Timezone, and the schema goes before.

    Fix: write Timezone.
    """
    for section in package.written.children(package.written.root, "PlatformSection"):
        for element in package.written.children(section, "TimeZone"):
            yield package.written.at(element), "is spelled TimeZone, not Timezone"


@rule("OEN-007", clause="9.5, 11.1", needs=Needs.ENVIRONMENT, versions=ENVIRONMENTS)
def environment_keys(package: Package) -> Found:
    """A key in the environment is a property's: its class, its key and its instance, with dots.

    Guest software looks for properties by these names. Judged where the package is named.

    Fix: spell the key so, or leave the Property out.
    """
    system = guest(package)
    if package.described is not None and system is not None:
        known = seen_by(package.described.envelope, system)
        for key, at in parts(package)[0].keys:
            if key not in known:
                yield at, f"property {summary(key)!r} is none of the machine's"


@rule("OEN-009", clause="11.2", needs=Needs.ENVIRONMENT, versions=ENVIRONMENTS)
def environment_file_name(package: Package) -> Found:
    """On the image of the iso transport the document is called ovf-env.xml.

    Guest software looks for that name in the root directory, and most systems mind the case.

    Fix: write the image with Rock Ridge or Joliet names.
    """
    name = package.descriptor.name
    if package.on_medium and name != ENVIRONMENT_NAME:
        yield Location(str(package.path)), f"document is called {name!r}, not {ENVIRONMENT_NAME!r}"


@rule(
    "OEN-011",
    clause="11.1",
    severity=Severity.INFO,
    needs=Needs.ENVIRONMENT,
    versions=ENVIRONMENTS,
)
def environment_extensions(package: Package) -> Found:
    """What an Environment holds besides the sections of the standard is passed over.

    Guest software should ignore sections and elements that it does not know.

    Fix: rely on it only where the guest is known to read it.
    """
    for part in parts(package):
        for element in part.element.iterchildren(etree.Element):
            tag = etree.QName(element)
            ours = tag.namespace == package.written.namespace
            if not ours or tag.localname not in SECTIONS | {"Entity"}:
                yield package.written.at(element), f"{label(element)} is not of the standard"


@rule(
    "OEN-012",
    clause="11.1",
    needs=Needs.ENVIRONMENT,
    basis=Basis.SCHEMA,
    versions=ENVIRONMENTS,
)
def environment_schema(package: Package) -> Found:
    """An Environment is valid against the schema of OVF environments.

    Guest software that validates reads nothing of it otherwise.

    Fix: write the element as the message says.
    """
    if package.written.namespace == NAMESPACE:
        for violation in package.once(environment_violations):
            if local_name(str(violation.element.tag)) != "TimeZone":
                yield package.written.at(violation.element), violation.message
