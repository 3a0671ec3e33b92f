"""``rehost ovf remove``: disks, files, devices, networks, properties, configurations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ovf.edit.result import edit, section_option, source_argument, system_option, with_output
from rehost.discovery import later


@dataclass(frozen=True, slots=True)
class _Kind:
    """What can be removed, and what removes it: a function of a draft and a name.

    ``short`` stands for the help in lists; ``of_system`` says that the function is told the
    virtual system first, ``of_hardware`` that it changes its hardware.
    """

    name: str
    metavar: str
    help: str
    module: str
    function: str
    short: str | None = None
    of_system: bool = False
    of_hardware: bool = False


KINDS = (
    _Kind(
        *("disk", "ID", "Remove the disk ID, the drives it is in, and its file."),
        *("ovf.edit.disks", "remove_disk", "Remove a disk, and its file."),
    ),
    _Kind(
        *("file", "NAME", "Remove a file that nothing refers to, by its id or its NAME."),
        *("ovf.edit.files", "remove_file", "Remove a file that nothing refers to."),
    ),
    _Kind(
        *("item", "NAME", "Remove a device, by its InstanceID or its NAME."),
        *("ovf.edit.disks", "remove_item", "Remove a device."),
        of_system=True,
        of_hardware=True,
    ),
    _Kind(
        *("nic", "NAME", "Remove a network adapter, by its InstanceID or its NAME."),
        *("ovf.edit.networks", "remove_nic", "Remove a network adapter."),
        of_system=True,
        of_hardware=True,
    ),
    _Kind(
        *("network", "NAME", "Remove the network NAME, to which nothing may be connected."),
        *("ovf.edit.networks", "remove_network", "Remove a network nothing connects to."),
    ),
    _Kind(
        *("property", "KEY", "Remove the property KEY."),
        *("ovf.edit.products", "remove_property"),
        of_system=True,
    ),
    _Kind(
        *("system", "ID", "Remove the machine ID from its collection, and what only it uses."),
        *("ovf.edit.systems", "remove_system", "Remove a machine from a collection."),
    ),
    _Kind(
        *("configuration", "ID", "Remove the configuration ID, and what holds in no other."),
        *("ovf.edit.options", "remove_configuration", "Remove a configuration."),
    ),
)


def _command(kind: _Kind) -> click.Command:
    change = later(kind.module, kind.function)

    def removed(ctx: click.Context, /, source: Path, name: str, **asked: Any) -> None:
        system = (asked["system"],) if kind.of_system else ()
        edit(ctx, source, asked, lambda draft: change(draft, *system, name))

    options = click.pass_context(removed)
    if kind.of_system:
        options = system_option(options)
    if kind.of_hardware:
        options = section_option(options)
    options = click.argument("name", metavar=kind.metavar)(with_output(options))
    return click.command(kind.name, help=kind.help, short_help=kind.short)(source_argument(options))


COMMAND = click.Group(
    "remove", [_command(kind) for kind in KINDS], help="Remove something from a package."
)
