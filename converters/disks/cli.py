"""The ``disk`` commands: what an image is, where its bytes lie, and moving them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from converters.disks.cli_check import check
from converters.disks.cli_digest import SOURCE, compare, digest, json_option
from rehost.console.output import emit_json, emit_table, size_text
from rehost.console.parameters import PAIR

if TYPE_CHECKING:
    from converters.disks.image import Image

DEST = click.Path(dir_okay=False, path_type=Path)

format_option = click.option(
    "--format", "named", metavar="FORMAT", help="Read SOURCE as this, not as what it looks like."
)


@click.group()
def disk() -> None:
    """Look into disk images, compare and convert them."""


disk.add_command(compare)
disk.add_command(digest)
disk.add_command(check)


@disk.command()
@click.argument("source", type=SOURCE)
@format_option
@json_option
def info(source: str, named: str | None, *, as_json: bool) -> None:
    """Say what the headers of SOURCE and of its chain say."""
    from converters.disks.survey import facts_of

    layers = [facts_of(layer) for layer in _chain(source, named)]
    if as_json:
        emit_json({"path": source, "chain": layers})
        return
    for number, layer in enumerate(layers):
        title = source if number == 0 else f"backing file {number}"
        emit_table(title, ("property", "value"), [(k, _told(v)) for k, v in layer.items()])


@disk.command("map")
@click.argument("source", type=SOURCE)
@format_option
@json_option
def show_map(source: str, named: str | None, *, as_json: bool) -> None:
    """Print where the bytes of SOURCE lie, stretch by stretch."""
    from converters.disks.survey import stretches_of

    if as_json:
        stretches = [each._asdict() for each in stretches_of(_open(source, named))]
        emit_json({"path": source, "stretches": stretches})
        return
    for each in stretches_of(_open(source, named)):
        place = "" if each.offset is None else f" {each.file} {each.offset}"
        click.echo(f"{each.start} {each.length} {each.kind}{place}")


@disk.command()
@click.argument("source", type=SOURCE)
@click.argument("dest", type=DEST)
@format_option
@click.option("--to", "target", metavar="FORMAT", help="Write this, whatever DEST's suffix says.")
@click.option("-o", "options", type=PAIR, multiple=True, help="A setting of the format.")
@click.option(
    "--compress",
    "level",
    type=click.Choice(["fast", "default", "best", "none"]),
    help="How hard to compress; by default only what is always compressed is.",
)
@click.option("--force", is_flag=True, help="Replace DEST.")
@click.pass_context
def convert(ctx: click.Context, /, source: str, dest: Path, **asked: Any) -> None:
    """Write what the guest sees of SOURCE to DEST, in another format."""
    from converters.disks.copy import write_image
    from converters.disks.options import check as check_options
    from converters.disks.registry import Shape, format_for, format_named
    from converters.disks.writer import Level
    from rehost.outputs import staged
    from rehost.progress import SILENT

    into = format_named(asked["target"]) if asked["target"] else format_for(dest)
    image = _open(source, asked["named"])
    options = dict(asked["options"])
    check_options(into.name, into.options, options)
    level = Level(asked["level"]) if asked["level"] else None
    progress = ctx.obj or SILENT
    progress.start(dest.name, image.size)
    with staged(dest, force=asked["force"]) as place:
        write_image(image, place, into, Shape(image.size, options, level), progress)


def _open(source: str, named: str | None) -> Image:
    from converters.disks.locate import open_source

    return open_source(source, format=named)


def _chain(source: str, named: str | None) -> list[Image]:
    from converters.disks.image import chain

    return chain(_open(source, named))


def _told(value: object) -> str:
    is_size = isinstance(value, int) and not isinstance(value, bool) and value >= 1024
    return f"{value} ({size_text(value)})" if is_size and isinstance(value, int) else str(value)
