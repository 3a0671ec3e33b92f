"""Rules of deployment options and what refers to them: clause 9.8."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ovf.envelope import Envelope
from ovf.judging.effective import Effective, configurations, in_each
from ovf.judging.rule import Basis, rule
from ovf.outline import every_item
from ovf.package import Package
from rehost.report import Location, Severity
from rehost.tracked import summary

Found = Iterator[tuple[Location, str]]
REFERRING = ("Value", "InstanceCount")
NEEDED = ("Label", "Description")


@rule("CFG-001", clause="9.8")
def known_configurations(package: Package) -> Found:
    """An ovf:configuration names options of the DeploymentOptionSection, separated by a space.

    An item of an unknown option is in no machine at all.

    Fix: add the Configuration, or correct the name.
    """
    envelope = package.envelope
    known = {name for _, name in configurations(envelope)}
    for element in _referring(package):
        for name in _names(element, envelope):
            if name not in known:
                yield envelope.at(element), f"no Configuration has the id {summary(name)!r}"


def _referring(package: Package) -> Iterator[etree._Element]:
    """Yield the elements that may name configurations."""
    envelope = package.envelope
    yield from (item.element for item in every_item(envelope))
    for name in REFERRING:
        yield from envelope.every(name)


def _names(element: etree._Element, envelope: Envelope) -> list[str]:
    return (envelope.attribute(element, "configuration") or "").split()


@rule("CFG-002", clause="9.8")
def types_agree(package: Package) -> Found:
    """Items of one InstanceID have one ResourceType, whatever their configurations.

    They are combined into one device, which cannot be two things.

    Fix: give the other device an InstanceID of its own.
    """
    yield from in_each(package.envelope, _types)


def _types(machine: Effective) -> Found:
    for device in machine.devices:
        first = device.parts[0]
        for part in device.parts[1:]:
            if part.configurations == first.configurations:
                continue
            if None not in {part.kind, first.kind} and part.kind != first.kind:
                said = f"{part.label} has ResourceType {part.kind}"
                yield part.at, f"{said}, InstanceID {summary(part.instance or '')} has {first.kind}"


@rule("CFG-003", clause="9.8", severity=Severity.INFO, basis=Basis.OWN)
def configurations_differ(package: Package) -> Found:
    """Every Configuration but one changes something: an item, a value or a number of instances.

    What nothing refers to makes the same machines as the default, so there is nothing to choose.

    Fix: leave the Configuration out, or refer to it by ovf:configuration.
    """
    envelope = package.envelope
    named = {name for element in _referring(package) for name in _names(element, envelope)}
    same = [(option, name) for option, name in configurations(envelope) if name not in named]
    for option, name in same[1:]:
        first = summary(same[0][1])
        yield envelope.at(option), f"Configuration {summary(name)!r} is the same as {first!r}"


@rule("CFG-004", clause="9.8", severity=Severity.WARNING, basis=Basis.OWN)
def general_items_come_first(package: Package) -> Found:
    """An item for all configurations comes before the items that change it in some.

    What comes later overrules what comes earlier, so the change would be undone.

    Fix: move the item without ovf:configuration to the front.
    """
    yield from in_each(package.envelope, _undone)


def _undone(machine: Effective) -> Found:
    for device in machine.devices:
        special: dict[str, str] = {}
        for part in device.parts:
            if part.configurations:
                special |= part.said
                continue
            for name in sorted(special.keys() & part.said.keys()):
                if special[name] != part.said[name]:
                    value = summary(special[name])
                    yield part.at, f"{part.label} undoes the {summary(name)} {value!r} of an option"


@rule("DOS-002", clause="9.8")
def configuration_ids(package: Package) -> Found:
    """Each Configuration has an ovf:id, and no two have the same.

    Items, values and whoever deploys name it by its id.

    Fix: give every Configuration an id of its own.
    """
    seen: set[str] = set()
    for option, name in configurations(package.envelope):
        if not name:
            yield package.envelope.at(option), "Configuration has no ovf:id"
        elif name in seen:
            yield package.envelope.at(option), f"Configuration {summary(name)!r} is given again"
        seen.add(name)


@rule("DOS-003", clause="9.8")
def one_default(package: Package) -> Found:
    """At most one Configuration is the default.

    If none is marked, the first is.

    Fix: keep ovf:default="true" on one.
    """
    envelope = package.envelope
    marked = [
        (option, name)
        for option, name in configurations(envelope)
        if envelope.flag(option, "default")
    ]
    for option, name in marked[1:]:
        first = summary(marked[0][1])
        yield envelope.at(option), f"Configuration {summary(name)!r} is default beside {first!r}"


@rule("DOS-004", clause="9.8", basis=Basis.SCHEMA)
def configurations_are_described(package: Package) -> Found:
    """A DeploymentOptionSection has Configurations, each with a Label and a Description.

    They are what a person chooses by.

    Fix: add <Label> and <Description>.
    """
    envelope = package.envelope
    for section in envelope.sections("DeploymentOptionSection"):
        if envelope.first(section, "Configuration") is None:
            yield envelope.at(section), "DeploymentOptionSection has no Configuration"
    for option, name in configurations(envelope):
        missing = [word for word in NEEDED if envelope.first(option, word) is None]
        if missing:
            yield (
                envelope.at(option),
                (f"Configuration {summary(name)!r} has no {' and no '.join(missing)}"),
            )
