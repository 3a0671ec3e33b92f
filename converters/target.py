"""What a place a machine can go declares of itself; the modules of ``targets/`` each hold one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast

from converters.disks.options import Option, check
from rehost.discovery import declared
from rehost.errors import UsageError
from rehost.machine import AttachmentKind, Bus, ControllerModel, Machine, NicModel, SoundModel
from rehost.report import Loss

Fit = Callable[[Machine], tuple[Machine, list[Loss]]]
"""Bend a planned machine to what a target can express, and say what that changed."""


def as_it_is(machine: Machine) -> tuple[Machine, list[Loss]]:
    """Change nothing: the fit of a target with no limits beyond its abilities."""
    return machine, []


@dataclass(frozen=True, slots=True)
class Document:
    """A small file a target writes beside the disks."""

    name: str
    content: str
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Abilities:
    """The hardware a target can give a machine; the planner replaces what is not in it.

    ``units`` says how many drives a controller takes where that is not what the planner thinks:
    by its model or, for every model of a bus, by the bus. ``own_chips`` are those that share a name
    with other makers' but not their driver: each with the formats whose machines have the same one.
    """

    buses: frozenset[Bus]
    controllers: frozenset[ControllerModel]
    nics: frozenset[NicModel]
    sounds: frozenset[SoundModel]
    attachments: frozenset[AttachmentKind] = frozenset(AttachmentKind)
    units: Mapping[Bus | ControllerModel, int] = field(default_factory=dict, hash=False)
    own_chips: Mapping[ControllerModel, frozenset[str]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Target:
    """A place a machine can go.

    ``disk_formats`` are those it takes, the best first. ``carries`` names the properties its
    documents express, as ``rehost.machine.properties`` spells them with ``[]`` for any index
    ("nics[].model"); all others are reported as dropped. ``documents`` writes a planned machine,
    whose disks' ``file`` are names in ``folder``. ``fit`` has the planner's last word, for the
    limits of one target alone. ``network`` is where adapters go whose network the user gave no
    equal of; none keeps its name. ``options`` are the settings that ``fit`` and ``documents`` take
    by keyword.
    """

    name: str
    title: str
    disk_formats: tuple[str, ...]
    abilities: Abilities
    carries: frozenset[str]
    documents: Callable[[Machine, Path], list[Document]]
    fit: Fit = as_it_is
    network: str | None = None
    options: tuple[Option, ...] = ()

    def configured(self, chosen: Mapping[str, str]) -> Target:
        """Return this target with its options set as the user chose them."""
        check(self.name, self.options, chosen)
        if not chosen:
            return self
        write = cast("Callable[..., list[Document]]", self.documents)
        fit = cast("Callable[..., tuple[Machine, list[Loss]]]", self.fit)
        return replace(self, documents=partial(write, **chosen), fit=partial(fit, **chosen))


def targets() -> tuple[Target, ...]:
    """Return every target known."""
    return declared("converters.targets", "TARGET")


def target_named(name: str) -> Target:
    """Return the target called ``name``."""
    for target in targets():
        if target.name == name:
            return target
    known = ", ".join(target.name for target in targets())
    raise UsageError(f"no target is called {name!r}", hint=f"Known targets: {known}.")
