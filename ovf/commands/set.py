"""``rehost ovf set``: change what a package says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ovf.edit.result import edit, section_option, source_argument, system_option, with_output
from rehost.console.examples import examples
from rehost.console.parameters import PAIR, PATH, SIZE

LIST = "; more than once, for one after the other"


@click.command(
    "set",
    short_help="Change what a package says.",
    epilog=examples(
        "ovf set in.ova -o out.ova --memory 4G --cpus 2 --nic-network lan",
        "ovf set in.ova -o out.ova --memory 8G --configuration large",
        "ovf set web.ovf --in-place --property com.example.port=8080",
    ),
)
@source_argument
@with_output
@system_option
@section_option
@click.option("--name", help="The name of the virtual system.")
@click.option("--cpus", type=int, metavar="N", help="The number of processors.")
@click.option("--memory", type=SIZE, metavar="SIZE", help="The memory: 4G, 512M.")
@click.option(
    "--configuration",
    "configurations",
    metavar="ID",
    multiple=True,
    help="Set processors and memory in this configuration only; more than once, for several.",
)
@click.option("--default-configuration", metavar="ID", help="The configuration to choose first.")
@click.option("--nics", type=int, metavar="N", help="The number of network adapters.")
@click.option("--nic-type", metavar="TYPE", multiple=True, help=f"The model of the adapters{LIST}.")
@click.option(
    "--nic-network",
    metavar="NAME",
    multiple=True,
    help=f"What they connect to{LIST}; in the last {{0}} counts up.",
)
@click.option(
    "--nic-name",
    metavar="NAME",
    multiple=True,
    help=f"What they are called{LIST}; in the last {{0}} counts up.",
)
@click.option("--mac", metavar="MAC", multiple=True, help=f"Their addresses{LIST}.")
@click.option(
    "--rename-network",
    "networks",
    metavar="OLD=NEW",
    type=PAIR,
    multiple=True,
    help="Rename a network and all that connects to it.",
)
@click.option(
    "--network-description",
    "descriptions",
    metavar="NAME=TEXT",
    type=PAIR,
    multiple=True,
    help="What a network is for.",
)
@click.option("--serial-ports", type=int, metavar="N", help="The number of serial ports.")
@click.option("--serial-connection", metavar="TEXT", multiple=True, help=f"Where they lead{LIST}.")
@click.option("--ide-type", metavar="TYPE", help="The model of the IDE controllers.")
@click.option("--scsi-type", metavar="TYPE", help="The model of the SCSI controllers.")
@click.option("--sata-type", metavar="TYPE", help="The model of the SATA controllers.")
@click.option(
    "--capacity",
    "capacities",
    metavar="ID=SIZE",
    type=PAIR,
    multiple=True,
    help="How large an empty disk is.",
)
@click.option(
    "--file",
    "replaced",
    metavar="ID=FILE",
    type=PAIR,
    multiple=True,
    help="Put FILE in the place of a file, by its id or name; a disk gets its size and format.",
)
@click.option("--hardware", metavar="FAMILY", multiple=True, help="Such as vmx-13; several add up.")
@click.option("--os", "system_number", type=int, metavar="N", help="The CIM number of the OS.")
@click.option("--os-name", metavar="TEXT", help="The operating system in words; with --os.")
@click.option("--product", metavar="TEXT", help="The name of the product.")
@click.option("--vendor", metavar="TEXT", help="Who makes it.")
@click.option("--product-version", metavar="TEXT", help="Its short version.")
@click.option("--full-version", metavar="TEXT", help="Its version in full.")
@click.option("--product-url", metavar="URL", help="Where the product is described.")
@click.option("--vendor-url", metavar="URL", help="Where the vendor is.")
@click.option("--app-url", metavar="URL", help="Where the running product answers.")
@click.option("--product-class", metavar="CLASS", help="The product section meant, by its class.")
@click.option(
    "--property",
    "properties",
    metavar="KEY=VALUE",
    type=PAIR,
    multiple=True,
    help="The value of a property there is.",
)
@click.option("--properties", "properties_file", type=PATH, help="A file of lines KEY=VALUE.")
@click.option("--transport", metavar="NAME", multiple=True, help="How the guest gets them: iso.")
@click.option("--annotation", metavar="TEXT", help="A description of the virtual system.")
@click.option("--eula", type=PATH, metavar="FILE", help="The licence, from a text file.")
@click.pass_context
def set_values(ctx: click.Context, /, source: Path, **asked: Any) -> None:
    """Change what the package SOURCE says, and leave all else as it is, byte for byte.

    SOURCE is an .ova, an .ovf or a folder that holds one.
    """
    from ovf.edit.settings import apply

    edit(ctx, source, asked, lambda draft: apply(draft, asked))


COMMAND = set_values
