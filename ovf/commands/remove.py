"""``rehost ovf remove``: disks, files, devices, networks, properties, configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ovf.edit.result import edit, source_argument, system_option, with_output


@click.group()
def remove() -> None:
    """Remove something from a package."""


@remove.command("disk", short_help="Remove a disk, and its file.")
@source_argument
@click.argument("identifier", metavar="ID")
@with_output
@click.pass_context
def disk(ctx: click.Context, /, source: Path, identifier: str, **asked: Any) -> None:
    """Remove the disk ID, the drives it is in, and its file."""
    from ovf.edit.disks import remove_disk

    edit(ctx, source, asked, lambda draft: remove_disk(draft, identifier))


@remove.command("file", short_help="Remove a file that nothing refers to.")
@source_argument
@click.argument("name")
@with_output
@click.pass_context
def file(ctx: click.Context, /, source: Path, name: str, **asked: Any) -> None:
    """Remove a file that nothing refers to, by its id or its NAME."""
    from ovf.edit.files import remove_file

    edit(ctx, source, asked, lambda draft: remove_file(draft, name))


@remove.command("item", short_help="Remove a device.")
@source_argument
@click.argument("name")
@with_output
@system_option
@click.pass_context
def item(ctx: click.Context, /, source: Path, name: str, **asked: Any) -> None:
    """Remove a device, by its InstanceID or its NAME."""
    from ovf.edit.disks import remove_item

    edit(ctx, source, asked, lambda draft: remove_item(draft, asked["system"], name))


@remove.command("nic", short_help="Remove a network adapter.")
@source_argument
@click.argument("name")
@with_output
@system_option
@click.pass_context
def nic(ctx: click.Context, /, source: Path, name: str, **asked: Any) -> None:
    """Remove a network adapter, by its InstanceID or its NAME."""
    from ovf.edit.networks import remove_nic

    edit(ctx, source, asked, lambda draft: remove_nic(draft, asked["system"], name))


@remove.command("network", short_help="Remove a network nothing connects to.")
@source_argument
@click.argument("name")
@with_output
@click.pass_context
def network(ctx: click.Context, /, source: Path, name: str, **asked: Any) -> None:
    """Remove the network NAME, to which nothing may be connected."""
    from ovf.edit.networks import remove_network

    edit(ctx, source, asked, lambda draft: remove_network(draft, name))


@remove.command("property")
@source_argument
@click.argument("key")
@with_output
@system_option
@click.pass_context
def property_(ctx: click.Context, /, source: Path, key: str, **asked: Any) -> None:
    """Remove the property KEY."""
    from ovf.edit.products import remove_property

    edit(ctx, source, asked, lambda draft: remove_property(draft, asked["system"], key))


@remove.command("configuration", short_help="Remove a configuration.")
@source_argument
@click.argument("identifier", metavar="ID")
@with_output
@click.pass_context
def configuration(ctx: click.Context, /, source: Path, identifier: str, **asked: Any) -> None:
    """Remove the configuration ID, and what holds in no other."""
    from ovf.edit.options import remove_configuration

    edit(ctx, source, asked, lambda draft: remove_configuration(draft, identifier))


COMMAND = remove
