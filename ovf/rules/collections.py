"""Rules of collections: how they start, what they get, how they grow. Clauses 9.3, 9.7 and 9.14."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from lxml import etree

from ovf.envelope import Envelope
from ovf.judging.rule import VERSION_2, Basis, rule
from ovf.outline import NORMAL, item_sections, whole
from ovf.package import Package
from rehost.report import Location, Severity
from rehost.tracked import local_name, summary

Found = Iterator[tuple[Location, str]]
SYSTEM, COLLECTION = "VirtualSystem", "VirtualSystemCollection"
SHORT, LONG = 1 << 16, 1 << 32
ACTIONS = {
    "startAction": ("powerOn", "none"),
    "stopAction": ("powerOff", "guestShutdown", "none"),
}
DELAYS = ("startDelay", "stopDelay")
OF_SYSTEMS = (*ACTIONS, *DELAYS, "waitingForGuest")
AMOUNTS = ("Reservation", "Limit", "Weight")
COUNTS = ("minimum", "default", "maximum")


def _members(envelope: Envelope, collection: etree._Element) -> dict[str, etree._Element]:
    found = envelope.children(collection, SYSTEM, COLLECTION)
    return {name: each for each in found if (name := envelope.attribute(each, "id"))}


def _startups(envelope: Envelope) -> Iterator[tuple[etree._Element, etree._Element | None, str]]:
    """Yield each Item of a StartupSection, the entity it names, and what messages call it."""
    for collection in envelope.every(COLLECTION):
        members = _members(envelope, collection)
        for section in envelope.children(collection, "StartupSection"):
            for item in envelope.children(section, "Item"):
                name = envelope.attribute(item, "id") or ""
                yield item, members.get(name), f"Item of {summary(name)!r}"


@rule("STA-001", clause="9.7")
def startups_are_of_members(package: Package) -> Found:
    """The ovf:id of an Item of a StartupSection is that of a direct child of the collection.

    Of others nothing is started.

    Fix: name a system or collection that stands in this collection.
    """
    envelope = package.envelope
    for item, entity, name in _startups(envelope):
        if not envelope.attribute(item, "id"):
            yield envelope.at(item), "Item of the StartupSection has no ovf:id"
        elif entity is None:
            yield envelope.at(item), f"{name} is of nothing in this collection"


@rule("STA-002", clause="9.7")
def startups_have_orders(package: Package) -> Found:
    """Every Item of a StartupSection has an ovf:order, a whole number that is not negative.

    The schema has it below 65536.

    Fix: write ovf:order="0" for what starts first.
    """
    envelope = package.envelope
    for item, _, name in _startups(envelope):
        text = envelope.attribute(item, "order")
        if text is None:
            yield envelope.at(item), f"{name} has no ovf:order"
        elif whole(text, below=SHORT) is None:
            yield (
                envelope.at(item),
                f"{name} has an ovf:order that is no number ({summary(text)!r})",
            )


@rule("STA-003", clause="9.7")
def startup_actions(package: Package) -> Found:
    """A startAction is powerOn or none, a stopAction powerOff, guestShutdown or none.

    An importer ignores other words, or refuses the package.

    Fix: use powerOn or none to start; powerOff, guestShutdown or none to stop.
    """
    envelope = package.envelope
    for item, _, name in _startups(envelope):
        for attribute, words in ACTIONS.items():
            text = envelope.attribute(item, attribute)
            if text is not None and text not in words:
                yield (
                    envelope.at(item),
                    f"{name} has an unknown ovf:{attribute} ({summary(text)!r})",
                )


@rule("STA-004", clause="9.7", basis=Basis.SCHEMA)
def startup_delays(package: Package) -> Found:
    """A startDelay or stopDelay is a number of seconds below 65536.

    Platforms that cannot read it do not wait, or refuse the package.

    Fix: write digits only.
    """
    envelope = package.envelope
    for item, _, name in _startups(envelope):
        for attribute in DELAYS:
            text = envelope.attribute(item, attribute)
            if text is not None and whole(text, below=SHORT) is None:
                what = f"{name} has an ovf:{attribute} that is no number of seconds"
                yield envelope.at(item), f"{what} ({summary(text)!r})"


@rule("STA-005", clause="9.7", severity=Severity.WARNING)
def collections_only_have_orders(package: Package) -> Found:
    """Actions and delays are said of systems, not of collections.

    A collection inside another starts by its own StartupSection.

    Fix: leave the attributes out, and say them of the systems inside.
    """
    envelope = package.envelope
    for item, entity, name in _startups(envelope):
        said = [f"ovf:{each}" for each in OF_SYSTEMS if envelope.attribute(item, each) is not None]
        if said and entity is not None and local_name(str(entity.tag)) == COLLECTION:
            yield envelope.at(item), f"{name}, a collection, has {' and '.join(said)}"


@rule("RAS-002", clause="9.3", severity=Severity.WARNING, basis=Basis.OWN)
def allocations_allocate(package: Package) -> Found:
    """An Item of a ResourceAllocationSection has a Reservation, a Limit or a Weight.

    They are what a collection gets; devices belong to its systems. The rules of items, of their
    bounds and of their configurations hold here too.

    Fix: say what is reserved, or leave the item out.
    """
    for section in item_sections(package.envelope):
        for item in section.items if not section.hardware else ():
            if item.bound == NORMAL and not any(name in item.said for name in AMOUNTS):
                yield item.at, f"{item.label} has no Reservation, no Limit and no Weight"


def _counts(envelope: Envelope) -> Iterator[tuple[etree._Element, etree._Element]]:
    for section in envelope.every("ScaleOutSection"):
        for count in envelope.children(section, "InstanceCount"):
            yield section, count


@rule("SCO-001", clause="9.14", basis=Basis.SCHEMA, versions=VERSION_2)
def scales_are_ordered(package: Package) -> Found:
    """A ScaleOutSection names a member of its collection, and how many of it there are.

    Its ovf:id is that of the member; each InstanceCount has a default between its minimum, which is
    1 unless said, and its maximum.

    Fix: correct the id, or the numbers.
    """
    envelope = package.envelope
    members: dict[object, dict[str, etree._Element]] = {}
    for section in envelope.every("ScaleOutSection"):
        name, parent = envelope.attribute(section, "id"), section.getparent()
        if parent is not None and parent not in members:
            members[parent] = _members(envelope, parent)
        if not name:
            yield envelope.at(section), "ScaleOutSection has no ovf:id"
        elif name not in members.get(parent, {}):
            yield envelope.at(section), f"ScaleOutSection is of nothing here ({summary(name)!r})"
        if envelope.first(section, "InstanceCount") is None:
            yield envelope.at(section), "ScaleOutSection has no InstanceCount"
    for _, count in _counts(envelope):
        yield from _scale(count, envelope)


def _scale(count: etree._Element, envelope: Envelope) -> Found:
    said = {name: envelope.attribute(count, name) for name in COUNTS}
    if said["default"] is None:
        yield envelope.at(count), "InstanceCount has no ovf:default"
    known = [("minimum", 1)] if said["minimum"] is None else []
    for name, text in said.items():
        number = whole(text, below=LONG)
        if text is not None and number is None:
            shown = summary(text)
            yield (
                envelope.at(count),
                f"InstanceCount has an ovf:{name} that is no number ({shown!r})",
            )
        elif number is not None:
            known.append((name, number))
    for (low, least), (high, most) in pairwise(known):
        if least > most:
            yield (
                envelope.at(count),
                f"InstanceCount has a {low} of {least}, over its {high} of {most}",
            )


@rule("SCO-002", clause="9.14", basis=Basis.SCHEMA, versions=VERSION_2)
def scales_are_distinct(package: Package) -> Found:
    """A ScaleOutSection has one InstanceCount for a configuration, and one for all others.

    Which of two holds is not defined.

    Fix: keep one, or give them different configurations.
    """
    envelope = package.envelope
    seen: dict[object, int | None] = {}
    for section, count in _counts(envelope):
        for name in (envelope.attribute(count, "configuration") or "").split() or [""]:
            at, key = envelope.at(count), (section, name)
            if key in seen:
                where = f"configuration {summary(name)!r}" if name else "all configurations"
                yield at, f"InstanceCount for {where} is given in line {seen[key]} already"
            seen.setdefault(key, at.line)
