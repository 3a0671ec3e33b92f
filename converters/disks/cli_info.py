"""``rehost disk info`` and ``rehost disk map``: what an image is, and where its bytes lie."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

from converters.disks.cli_options import SOURCE, access_options, format_option
from rehost.console.output import emit_json, emit_table, printable, size_text
from rehost.console.parameters import json_option, with_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from converters.disks.image import Image

SIZES = frozenset({"size", "capacity", "allocated", "stored", "packed", "length", "offset"})


@click.command(short_help="Say what the headers of an image say.")
@click.argument("source", type=SOURCE)
@format_option
@with_options(access_options)
@json_option
def info(source: str, *, as_json: bool, **asked: Any) -> None:
    """Say what the headers of SOURCE and of its chain say, and how its files are used."""
    from converters.disks.survey import layers

    image, gate, file = _opened(source, asked)
    found = layers(image, file, gate)
    if as_json:
        emit_json({"path": source, "chain": found})
        return
    for number, layer in enumerate(found):
        files = layer.pop("files")
        name = PurePath(files[0]["name"]).name if files else "a file of its own"
        title = source if number == 0 else f"below it, {number} of {len(found) - 1}: {name}"
        rows = [*_file_rows(files), *_rows(layer)]
        emit_table(title, ("property", "value"), rows)


@click.command("map", short_help="Print where the bytes of an image lie.")
@click.argument("source", type=SOURCE)
@format_option
@with_options(access_options)
@json_option
def show_map(source: str, *, as_json: bool, **asked: Any) -> None:
    """Print where the bytes of SOURCE lie, stretch by stretch."""
    from converters.disks.survey import stretches_of

    image, _, _ = _opened(source, asked)
    if as_json:
        emit_json({"path": source, "stretches": [each._asdict() for each in stretches_of(image)]})
        return
    for each in stretches_of(image):
        place = "" if each.offset is None else f" {printable(each.file or '')} {each.offset}"
        click.echo(f"{each.start} {each.length} {each.kind}{place}")


def _opened(source: str, asked: dict[str, Any]) -> tuple[Image, Any, Any]:
    """Open SOURCE through a gate that remembers which files it named."""
    from converters.disks.locate import access_of, located
    from converters.disks.noting import NotingGate
    from converters.disks.registry import open_image

    found = located(source)
    gate = NotingGate(found.gate)
    access = access_of(asked)
    return open_image(found.file, gate, format=asked["named"], access=access), gate, found.file


def _file_rows(files: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for number, file in enumerate(files):
        used = file["allocated"]
        there = "" if used is None else f", {size_text(used)} on this computer's disk"
        label = "file" if number == 0 else f"file {number + 1}"
        yield label, f"{file['name']} ({size_text(file['size'])}{there})"


def _rows(values: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield a row for each value; those inside others are named by the way to them."""
    for name, value in values.items():
        label = f"{before}{name}"
        if isinstance(value, dict):
            yield from _rows(value, f"{label}.")
        elif isinstance(value, list | tuple) and any(isinstance(each, dict) for each in value):
            for number, each in enumerate(value):
                yield from _rows(each, f"{label}[{number}].")
        else:
            yield label, _told(name, value)


def _told(name: str, value: object) -> str:
    """Return a value as people read it: a size also in large units, nothing as a dash."""
    if value is None or value in ("", [], ()):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return "; ".join(str(each) for each in value)
    if isinstance(value, int) and value >= 1024 and _is_size(name):
        return f"{value} ({size_text(value)})"
    return str(value)


def _is_size(name: str) -> bool:
    words = name.lower().replace("_", " ")
    return any(words.endswith(word) for word in SIZES)
