"""What each configuration makes of the items: the machine that would be deployed.

Spec: DSP0243 clause 9.8. An item is chosen when it names no configuration or the chosen one; items
of one InstanceID combine, and what a later one says overrules the earlier. Bounds (clause 8.4) are
kept beside the items they bound.

Configurations that no item of a section names all make the same of it, so one of them is judged for
all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from lxml import etree

from ovf.envelope import Envelope
from ovf.outline import NORMAL, ItemSection, WrittenItem, item_sections
from rehost.report import Location
from rehost.tracked import summary

Found = Iterator[tuple[Location, str]]
MOST_CONFIGURATIONS = 64
MOST_ITEMS = 200_000
"""Bounds on what is judged of one section, in all its configurations; no real one comes near."""
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Device:
    """The combined item of an InstanceID: ``said`` is of all its ``parts``, the later first."""

    parts: tuple[WrittenItem, ...]
    said: dict[str, str]

    @property
    def written(self) -> WrittenItem:
        """The item that places it in messages."""
        return self.parts[0]

    @property
    def kind(self) -> int | None:
        """Its ResourceType, of the last that gives one."""
        return next((part.kind for part in reversed(self.parts) if part.kind is not None), None)


@dataclass(frozen=True, slots=True)
class Effective:
    """A section in one configuration, or in several that make the same of it: the first of them.

    ``devices`` without an InstanceID are not combined, and not among those ``by_instance``.
    """

    section: ItemSection
    configurations: tuple[str, ...]
    devices: tuple[Device, ...]
    by_instance: dict[str, Device]
    bounds: tuple[WrittenItem, ...]


def configurations(envelope: Envelope) -> tuple[tuple[etree._Element, str], ...]:
    """Return the Configuration elements with their ids; the id of one without is empty."""
    return envelope.once(_configurations)


def effective(envelope: Envelope) -> tuple[tuple[Effective, ...], ...]:
    """Return every section of items, each in its configurations."""
    return envelope.once(_effective)


def in_each(envelope: Envelope, judge: Callable[[Effective], Found]) -> Found:
    """Yield what ``judge`` finds, each once; what is not in all configurations names them."""
    for alternatives in effective(envelope):
        found: dict[tuple[Location, str], list[Effective]] = {}
        for each in alternatives:
            for place in dict.fromkeys(judge(each)):
                found.setdefault(place, []).append(each)
        for (location, message), where in found.items():
            everywhere = len(where) == len(alternatives)
            yield location, message if everywhere else f"{message} in {_named(where)}"


def _named(where: list[Effective]) -> str:
    names = list(islice(chain.from_iterable(each.configurations for each in where), MOST_NAMED + 1))
    listed = ", ".join(summary(name) for name in names[:MOST_NAMED])
    more = " and others" if len(names) > MOST_NAMED else ""
    return f"configuration{'s' if len(names) > 1 else ''} {listed}{more}"


def in_each_machine(envelope: Envelope, judge: Callable[[Effective], Found]) -> Found:
    """Do the same for hardware alone."""
    return in_each(envelope, lambda each: judge(each) if each.section.hardware else iter(()))


def _configurations(envelope: Envelope) -> tuple[tuple[etree._Element, str], ...]:
    return tuple(
        (option, envelope.attribute(option, "id") or "")
        for section in envelope.sections("DeploymentOptionSection")
        for option in envelope.children(section, "Configuration")
    )


def _effective(envelope: Envelope) -> tuple[tuple[Effective, ...], ...]:
    known = {name: place for place, (_, name) in enumerate(configurations(envelope))}
    return tuple(
        tuple(_chosen(section, names) for names in _alternatives(section, known))
        for section in item_sections(envelope)
    )


def _alternatives(section: ItemSection, known: dict[str, int]) -> list[tuple[str, ...]]:
    named = frozenset[str]().union(*(item.configurations for item in section.items))
    different = [(name,) for name in sorted(named & known.keys(), key=known.__getitem__)]
    others = tuple(islice((name for name in known if name not in named), MOST_NAMED + 1))
    most = max(1, min(MOST_CONFIGURATIONS, MOST_ITEMS // max(1, len(section.items))))
    return [*([others] if others or not different else []), *different][:most]


def _chosen(section: ItemSection, names: tuple[str, ...]) -> Effective:
    chosen = [
        item
        for item in section.items
        if not item.configurations or item.configurations.intersection(names[:1])
    ]
    grouped: dict[object, list[WrittenItem]] = {}
    for number, item in enumerate(chosen):
        if item.bound == NORMAL:
            grouped.setdefault(item.instance or number, []).append(item)
    devices = tuple(_combined(parts) for parts in grouped.values())
    return Effective(
        section,
        names,
        devices,
        {instance: each for each in devices if (instance := each.written.instance)},
        tuple(item for item in chosen if item.bound != NORMAL),
    )


def _combined(parts: list[WrittenItem]) -> Device:
    said: dict[str, str] = {}
    for part in parts:
        said |= part.said
    return Device(tuple(parts), said)
