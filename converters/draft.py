"""A machine on its way to a target: what it is by now, and what was lost so far."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from converters.target import Abilities, Target
from rehost.machine import Address, Machine, properties
from rehost.report import Loss, assumed, changed, dropped

INDEX = re.compile(r"\[\d+\]")
UNKNOWN_TO_TARGET = "has no word for it"


class Hardware(StrEnum):
    """Which devices the planner gives a machine."""

    KEEP = "keep"
    VIRTIO = "virtio"
    SAFE = "safe"


@dataclass(slots=True)
class Draft:
    """A machine being planned. Its losses name the source's properties, with the source's indices.

    ``source`` is what the reader said and never changes.
    """

    machine: Machine
    target: Target
    hardware: Hardware
    losses: list[Loss] = field(default_factory=list)
    source: Machine = field(init=False)

    def __post_init__(self) -> None:
        self.source = self.machine

    @property
    def abilities(self) -> Abilities:
        """What the target can give."""
        return self.target.abilities

    def carries(self, path: str) -> bool:
        """Say whether the target expresses the property at ``path``, or something in it."""
        general = INDEX.sub("[]", path)
        inside = f"{general}."
        return any(name == general or name.startswith(inside) for name in self.target.carries)

    def put(self, **values: Any) -> None:
        """Replace parts of the machine; to report it is the caller's."""
        self.machine = replace(self.machine, **values)

    def assume(self, item: str, value: object, why: str) -> None:
        """Report a choice the source leaves open, where the target has to make it."""
        if self.carries(item):
            self.losses.append(assumed(item, shown(value), why))

    def change(self, item: str, before: object, after: object, why: str) -> None:
        """Report that a property arrives as another, where the target has a word for it at all."""
        if self.carries(item):
            self.losses.append(changed(item, shown(before), shown(after), why))

    def drop(self, item: str, before: object, why: str) -> None:
        """Report a property that does not arrive."""
        self.losses.append(dropped(item, shown(before), why))


def shown(value: object) -> str:
    """Return a property as a person would write it down."""
    if isinstance(value, Address):
        return f"{value.bus} {value.controller}:{value.unit}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(shown(part) for part in value)
    if isinstance(value, str | int):
        return str(value)
    return ", ".join(f"{name} {shown(part)}" for name, part in properties(value)) or "present"


def not_carried(source: Machine, draft: Draft) -> list[Loss]:
    """Return a loss for everything the source said that the target has no words for.

    What has been reported already is not said again, and a device that does not arrive is one
    loss, not one for each of its properties.
    """
    known = {loss.item for loss in draft.losses}
    why = f"{draft.target.title} {UNKNOWN_TO_TARGET}"
    losses: list[Loss] = []
    gone = ""
    for path, value in properties(source):
        if path.startswith(("origin.", f"{gone}.")):
            continue
        if path in known:
            gone = path
        elif not draft.carries(path):
            losses.append(dropped(path, shown(value), why))
            gone = path
    return losses
