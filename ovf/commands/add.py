"""``rehost ovf add``: disks, files, drives, adapters, networks, properties, configurations."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from ovf.edit.result import edit, section_option, source_argument, system_option, with_output
from rehost.console.examples import examples
from rehost.console.parameters import PAIR, PATH, SIZE, with_options

BUSES = ("ide", "scsi", "sata", "nvme")
bus_option = click.option("--bus", type=click.Choice(BUSES), help="What it hangs on.")


class Place(click.ParamType[tuple[int, int]]):
    """A place on a controller, CONTROLLER:UNIT."""

    name = "place"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Split it at the colon."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([0-9]{1,3}):([0-9]{1,3})", str(value))
        if found is None:
            self.fail(f"{value!r} is no CONTROLLER:UNIT, such as 0:1", param, ctx)
        return int(found[1]), int(found[2])


place_option = click.option(
    "--at", "place", type=Place(), metavar="C:U", help="Its place there: CONTROLLER:UNIT."
)
image_argument = click.argument("file", type=PATH, required=False)
drive_options = (
    click.option("--name", help="What FILE is called in the package."),
    click.option("--drive-name", metavar="TEXT", help="What its drive is called."),
    click.option("--drive-description", metavar="TEXT", help="What it is for."),
)


@click.group()
def add() -> None:
    """Add something to a package."""


@add.command(
    "disk",
    short_help="Add an image as a hard disk, or an empty one.",
    epilog=examples(
        "ovf add disk in.ova data.vmdk -o out.ova --bus sata",
        "ovf add disk in.ova --capacity 20G -o out.ova",
    ),
)
@source_argument
@image_argument
@with_output
@system_option
@section_option
@bus_option
@place_option
@click.option("--capacity", type=SIZE, help="How large it is to the guest; found out of FILE.")
@click.option("--format", "uri", metavar="URI", help="Its format; found out of FILE.")
@click.option("--id", "identifier", metavar="ID", help="Its diskId.")
@with_options(drive_options)
@click.pass_context
def disk(ctx: click.Context, /, source: Path, file: Path | None, **asked: Any) -> None:
    """Add the image FILE as a hard disk, or an empty one of --capacity."""
    from ovf.edit.disks import DiskWords, add_disk
    from ovf.edit.files import local

    names = ("identifier", "capacity", "uri", "bus", "place", "drive_name", "drive_description")
    words = DiskWords(*(asked[name] for name in names))
    image = None if file is None else local(file, asked["name"])
    edit(ctx, source, asked, lambda draft: add_disk(draft, asked["system"], image, words))


@add.command("cdrom", short_help="Add a CD-ROM drive.")
@source_argument
@image_argument
@with_output
@system_option
@section_option
@click.option(
    "--bus", type=click.Choice(BUSES), default="ide", show_default=True, help="What it hangs on."
)
@place_option
@with_options(drive_options)
@click.pass_context
def cdrom(ctx: click.Context, /, source: Path, file: Path | None, **asked: Any) -> None:
    """Add a CD-ROM drive, with the image FILE in it or empty."""
    from ovf.edit.disks import add_medium
    from ovf.edit.files import local

    drive = {name: asked[name] for name in ("bus", "place", "drive_name", "drive_description")}
    medium = None if file is None else local(file, asked["name"])
    edit(ctx, source, asked, lambda draft: add_medium(draft, asked["system"], medium, **drive))


@add.command("file")
@source_argument
@click.argument("file", type=PATH)
@with_output
@click.option("--id", "identifier", metavar="ID", help="Its id.")
@click.option("--name", help="What it is called in the package.")
@click.pass_context
def file_(ctx: click.Context, /, source: Path, file: Path, **asked: Any) -> None:
    """Add FILE to the files of the package."""
    from ovf.edit.files import add_file

    words = {"name": asked["name"], "identifier": asked["identifier"]}
    edit(ctx, source, asked, lambda draft: add_file(draft, file, **words))


@add.command(
    "nic",
    short_help="Add a network adapter like the last one.",
    epilog=examples("ovf add nic in.ova -o out.ova --network lan --type VmxNet3"),
)
@source_argument
@with_output
@system_option
@section_option
@click.option("--network", metavar="NAME", help="What it connects to.")
@click.option("--type", "model", metavar="TYPE", help="Its model, such as E1000.")
@click.option("--mac", metavar="MAC", help="Its address.")
@click.option("--configuration", metavar="ID", help="The only configuration that has it.")
@click.pass_context
def nic(ctx: click.Context, /, source: Path, **asked: Any) -> None:
    """Add a network adapter; what is not said is as of the last one."""
    from ovf.edit.networks import add_nic

    words = {name: asked[name] for name in ("network", "model", "mac", "configuration")}
    edit(ctx, source, asked, lambda draft: add_nic(draft, asked["system"], **words))


@add.command("network")
@source_argument
@click.argument("name")
@with_output
@click.option("--description", metavar="TEXT", help="What it is for.")
@click.pass_context
def network(ctx: click.Context, /, source: Path, name: str, **asked: Any) -> None:
    """Add the logical network NAME."""
    from ovf.edit.networks import add_network

    edit(ctx, source, asked, lambda draft: add_network(draft, name, asked["description"]))


@add.command("controller")
@source_argument
@click.argument("bus", type=click.Choice(BUSES))
@with_output
@system_option
@section_option
@click.option("--type", "model", metavar="TYPE", help="Its model, such as VirtualSCSI.")
@click.pass_context
def controller(ctx: click.Context, /, source: Path, bus: str, **asked: Any) -> None:
    """Add a controller of BUS."""
    from ovf.edit.controllers import add_controller

    model = asked["model"]
    edit(ctx, source, asked, lambda draft: add_controller(draft, asked["system"], bus, model))


@add.command("serial")
@source_argument
@with_output
@system_option
@section_option
@click.option("--name", default="Serial port", show_default=True, help="What it is called.")
@click.option("--connection", metavar="TEXT", help="Where it leads.")
@click.pass_context
def serial(ctx: click.Context, /, source: Path, **asked: Any) -> None:
    """Add a serial port."""
    from ovf.edit.ports import add_serial_port

    words = {name: asked[name] for name in ("name", "connection")}
    edit(ctx, source, asked, lambda draft: add_serial_port(draft, asked["system"], **words))


@add.command(
    "property",
    short_help="Add a property, or change one.",
    epilog=examples(
        "ovf add property in.ova port -o out.ova --type uint16 --value 80 --user-configurable",
    ),
)
@source_argument
@click.argument("key")
@with_output
@system_option
@click.option("--value", help="Its value.")
@click.option("--type", help="Its type, string unless this says uint8, boolean, real32 ...")
@click.option("--label", help="What it is called for people.")
@click.option("--description", help="What it is for.")
@click.option("--qualifiers", help="What is allowed: MinLen(1),MaxLen(8), ValueMap{...}.")
@click.option("--user-configurable/--fixed", default=None, help="Whether it is asked for.")
@click.option("--password/--no-password", default=None, help="Whether it is never shown.")
@click.option(
    "--for", "values", metavar="ID=VALUE", type=PAIR, multiple=True, help="In one configuration."
)
@click.option("--product-class", metavar="CLASS", help="The product section, by its class.")
@click.pass_context
def property_(ctx: click.Context, /, source: Path, key: str, **asked: Any) -> None:
    """Add the property KEY, or change what is said of it."""
    from ovf.edit.products import PropertyWords, set_property

    names = ("value", "type", "label", "description", "qualifiers", "user_configurable", "password")
    words = PropertyWords(**{name: asked[name] for name in names}, values=dict(asked["values"]))
    of_class = asked["product_class"]
    edit(
        ctx,
        source,
        asked,
        lambda draft: set_property(
            draft, asked["system"], key, words, product_class=of_class, create=True
        ),
    )


@add.command("configuration")
@source_argument
@click.argument("identifier", metavar="ID")
@with_output
@click.option("--label", metavar="TEXT", help="What it is called; ID unless this says it.")
@click.option("--description", metavar="TEXT", help="What it is for.")
@click.option("--default", is_flag=True, help="Choose it where nobody chooses.")
@click.pass_context
def configuration(ctx: click.Context, /, source: Path, identifier: str, **asked: Any) -> None:
    """Add the deployment configuration ID."""
    from ovf.edit.options import add_configuration

    label = asked["label"] or identifier
    said = asked["description"] or label
    edit(
        ctx,
        source,
        asked,
        lambda draft: add_configuration(draft, identifier, label, said, default=asked["default"]),
    )


COMMAND = add
