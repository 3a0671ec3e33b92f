"""The commands of the translation: ``inspect``, ``convert`` and ``formats``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rehost.console.output import emit_json
from rehost.console.parameters import EXISTING, FILE, FOLDER, NEW_FOLDER, PAIR, REGEX, json_option

allow_option = click.option(
    "--allow",
    "allowed",
    type=FOLDER,
    multiple=True,
    help="A folder whose files a configuration may name, besides its own.",
)
hardware_option = click.option(
    "--hardware",
    type=click.Choice(["keep", "virtio", "safe"]),
    default="keep",
    show_default=True,
    help="The source's own devices, paravirtual ones, or those every guest can drive.",
)


@click.command(short_help="Say what SOURCE is, and what is in it.")
@click.argument("source", type=EXISTING)
@json_option
@allow_option
def inspect(source: Path, *, as_json: bool, allowed: tuple[Path, ...]) -> None:
    """Say what SOURCE is, and which machines it holds."""
    from converters.show import emit_source, source_document
    from converters.sources import open_source

    opened = open_source(source, allowed=allowed)
    if as_json:
        emit_json(source_document(opened))
    else:
        emit_source(opened)


@click.command(short_help="Print what is read and what is written.")
@json_option
def formats(*, as_json: bool) -> None:
    """Print the capability matrix: what is read, what is written, where machines can go."""
    from converters.matrix import matrix_document, matrix_markdown

    if as_json:
        emit_json(matrix_document())
    else:
        click.echo(matrix_markdown(), nl=False)


@click.command(short_help="Convert machines, and say what is lost.")
@click.argument("sources", metavar="SOURCE...", type=EXISTING, nargs=-1, required=True)
@click.option(
    "--to", metavar="TARGET", required=True, help="Where the machines go: see `rehost formats`."
)
@click.option("-o", "--output", "folder", type=NEW_FOLDER, help="The folder to write into.")
@hardware_option
@click.option(
    "--machine-type",
    type=click.Choice(["q35", "pc"]),
    help="The chipset to give the machines; what fits the hardware unless this says it.",
)
@click.option("--disk-format", metavar="FORMAT", help="The format of the disks to write.")
@click.option(
    "--network",
    "networks",
    metavar="SOURCE=TARGET",
    type=PAIR,
    multiple=True,
    help="Which of the target's networks stands for one of the source's.",
)
@click.option("-O", "options", type=PAIR, multiple=True, help="A setting of the target.")
@click.option("--report", type=FILE, help="Write the report as JSON.")
@click.option("--dry-run", is_flag=True, help="Print the plan and the losses; write nothing.")
@click.option("--detailed-exitcode", is_flag=True, help="With --dry-run: 10 if there are losses.")
@click.option("--strict", is_flag=True, help="Exit with 1 if anything is lost.")
@click.option("--boot", is_flag=True, help="Boot the result; exit with 1 if it does not come up.")
@click.option("--expect", metavar="REGEX", type=REGEX, help="It has booted when this is seen.")
@click.option(
    "--boot-timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=1),
    help="How long a machine has to come up.  [default: 600]",
)
@click.option("--skip-manifest", is_flag=True, help="Do not check the package's digests.")
@click.option("--trust-disk-size", is_flag=True, help="Go by a disk's size, not the description's.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@json_option
@allow_option
@click.pass_context
def convert(ctx: click.Context, /, **asked: Any) -> None:
    """Convert the machines of each SOURCE, disks and all, and say what was lost on the way."""
    from converters.request import Request, run

    ctx.exit(run(Request(**asked), ctx.obj))
