"""The ``disk`` commands: what an image is, where its bytes lie, and moving them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from converters.disks.cli_check import check
from converters.disks.cli_convert import convert, resize
from converters.disks.cli_digest import compare, digest
from converters.disks.cli_options import (
    SOURCE,
    access_options,
    format_option,
    json_option,
    with_options,
)
from rehost.console.output import emit_json, emit_table, size_text

if TYPE_CHECKING:
    from converters.disks.image import Image


@click.group()
def disk() -> None:
    """Look into disk images, compare and convert them."""


disk.add_command(compare)
disk.add_command(digest)
disk.add_command(check)
disk.add_command(convert)
disk.add_command(resize)


@disk.command()
@click.argument("source", type=SOURCE)
@format_option
@with_options(access_options)
@json_option
def info(source: str, *, as_json: bool, **asked: Any) -> None:
    """Say what the headers of SOURCE and of its chain say."""
    from converters.disks.survey import facts_of

    layers = [facts_of(layer) for layer in _chain(source, asked)]
    if as_json:
        emit_json({"path": source, "chain": layers})
        return
    for number, layer in enumerate(layers):
        title = source if number == 0 else f"backing file {number}"
        emit_table(title, ("property", "value"), [(k, _told(v)) for k, v in layer.items()])


@disk.command("map")
@click.argument("source", type=SOURCE)
@format_option
@with_options(access_options)
@json_option
def show_map(source: str, *, as_json: bool, **asked: Any) -> None:
    """Print where the bytes of SOURCE lie, stretch by stretch."""
    from converters.disks.survey import stretches_of

    if as_json:
        stretches = [each._asdict() for each in stretches_of(_open(source, asked))]
        emit_json({"path": source, "stretches": stretches})
        return
    for each in stretches_of(_open(source, asked)):
        place = "" if each.offset is None else f" {each.file} {each.offset}"
        click.echo(f"{each.start} {each.length} {each.kind}{place}")


def _open(source: str, asked: dict[str, Any]) -> Image:
    from converters.disks.locate import access_of, open_source

    return open_source(source, format=asked["named"], access=access_of(asked))


def _chain(source: str, asked: dict[str, Any]) -> list[Image]:
    from converters.disks.image import chain

    return chain(_open(source, asked))


def _told(value: object) -> str:
    is_size = isinstance(value, int) and not isinstance(value, bool) and value >= 1024
    return f"{value} ({size_text(value)})" if is_size and isinstance(value, int) else str(value)
