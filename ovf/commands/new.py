"""``rehost ovf new``: a package from options, or from a machine that was inspected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ovf.edit.result import algorithm, deliver, digest_option, force_option, tell
from rehost.console.examples import examples
from rehost.console.parameters import PATH, SIZE
from rehost.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ovf.edit.draft import Draft

OF_ONE = (
    *("cpus", "memory", "disks", "empty", "bus", "cdrom", "nics", "nic_type"),
    *("system_number", "hardware", "annotation"),
)
"""The options that say something of a machine."""


@click.command(
    short_help="Make a package, from options or a machine.",
    epilog=examples(
        "ovf new box.ova --disk disk.vmdk --nic lan --cpus 2 --memory 4G",
        "ovf new box.ova --from machine.json",
        "ovf new shop.ova --from web.json --from database.json",
    ),
)
@click.argument("dest", type=PATH)
@click.option(
    "--from",
    "described",
    type=PATH,
    metavar="JSON",
    multiple=True,
    help="What `inspect --json` says; more than once.",
)
@click.option(
    "--machine",
    "machines",
    metavar="NAME",
    multiple=True,
    help="Which of its machines, if not all; more than once.",
)
@click.option("--name", help="The name of the machine, or of the collection of several.")
@click.option(
    "--ovf-version",
    type=click.Choice(["1", "2"]),
    default="1",
    show_default=True,
    help="The version of OVF.",
)
@click.option("--cpus", type=int, metavar="N", help="The number of processors.  [default: 1]")
@click.option("--memory", type=SIZE, metavar="SIZE", help="The memory.  [default: 1G]")
@click.option(
    "--disk", "disks", type=PATH, metavar="FILE", multiple=True, help="An image; more than once."
)
@click.option(
    "--empty-disk", "empty", type=SIZE, metavar="SIZE", multiple=True, help="A disk without a file."
)
@click.option(
    "--bus", type=click.Choice(["ide", "scsi", "sata", "nvme"]), help="What the disks hang on."
)
@click.option("--cdrom", type=PATH, metavar="FILE", help="A medium, in a CD-ROM drive.")
@click.option("--nic", "nics", metavar="NETWORK", multiple=True, help="An adapter; more than once.")
@click.option("--nic-type", metavar="TYPE", help="The model of the adapters.")
@click.option("--os", "system_number", type=int, metavar="N", help="The CIM number of the OS.")
@click.option("--hardware", metavar="FAMILY", multiple=True, help="Such as vmx-13.")
@click.option("--annotation", metavar="TEXT", help="A description of it.")
@digest_option
@force_option
@click.pass_context
def new(ctx: click.Context, /, dest: Path, **asked: Any) -> None:
    """Make the package DEST, an .ova, an .ovf or a folder, of one machine or several.

    Options add to what the machine of --from has, or replace it; several machines become a
    collection. For more, `rehost ovf set` and `rehost ovf add` change what was made.
    """
    from ovf.edit.create import created

    if asked["machines"] and not asked["described"]:
        raise UsageError("--machine says nothing by itself", hint="Pass --from JSON, too.")
    if not asked["described"]:
        name = asked["name"] or dest.stem
        draft = created(name, asked["ovf_version"])
        usual = {"cpus": 1, "memory": 1 << 30}
        asked |= {name: said for name, said in usual.items() if asked[name] is None}
    else:
        draft = _from(asked, dest)
    _equip(draft, asked)
    tell(tuple(draft.notes))
    named = dest.name if dest.suffix.lower() == ".ovf" else None
    found = draft.parcel(name=named, algorithm=algorithm(asked["digest"]))
    deliver(ctx, found, dest, force=asked["force"])


def _from(asked: dict[str, Any], dest: Path) -> Draft:
    from ovf.edit.create import created, created_collection, ids_of
    from ovf.edit.machines import put_machine
    from ovf.writing.described import described_machines

    found = described_machines(asked["described"], asked["machines"])
    names = [each.machine.name for each in found]
    version = asked["ovf_version"]
    if len(found) == 1:
        draft = created(asked["name"] or names[0], version)
        put_machine(draft, found[0].machine, found[0].member)
        return draft
    if any(asked[option] not in {None, ()} for option in OF_ONE):
        raise UsageError(
            f"{len(found)} machines are described, and an option is for one",
            hint="Make the package, then change one: `rehost ovf set --system ID`.",
        )
    draft = created_collection(asked["name"] or dest.stem, names, version)
    for each, identifier in zip(found, ids_of(names), strict=True):
        put_machine(draft, each.machine, each.member, identifier)
    return draft


def _equip(draft: Draft, asked: dict[str, Any]) -> None:
    from ovf.edit import disks, hardware, networks, sections
    from ovf.edit.files import local

    simple: dict[str, Callable[..., None]] = {
        "cpus": hardware.set_processors,
        "memory": hardware.set_memory,
        "system_number": sections.set_operating_system,
        "hardware": hardware.set_hardware_type,
        "annotation": sections.set_annotation,
    }
    for option, setter in simple.items():
        if asked[option] not in {None, ()}:
            setter(draft, None, asked[option])
    for path in asked["disks"]:
        disks.add_disk(draft, None, local(path), disks.DiskWords(bus=asked["bus"]))
    for size in asked["empty"]:
        disks.add_disk(draft, None, None, disks.DiskWords(capacity=size, bus=asked["bus"]))
    if asked["cdrom"] is not None:
        disks.add_medium(draft, None, local(asked["cdrom"]))
    for network in asked["nics"]:
        networks.add_nic(draft, None, network, model=asked["nic_type"])
    if asked["nic_type"] is not None and not asked["nics"]:
        raise UsageError("there is no adapter to be of a type", hint="Add one: --nic NETWORK.")


COMMAND = new
