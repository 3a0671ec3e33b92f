"""Printing results: standard output carries them, as text or as JSON with a schema version."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rehost.verdict import Verdict

SCHEMA_VERSION = 1
PLAIN_WIDTH = 100
WIDEST = 100
"""Lines of text that are longer are hard to read, however wide a terminal is."""
CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
BIDI = "\u200e\u200f\u202a-\u202e\u2066-\u2069"
NO_TEXT = "\ud800-\udfff"
UNPRINTABLE = re.compile(f"[{CONTROLS}{BIDI}{NO_TEXT}]")


def json_text(content: dict[str, Any]) -> str:
    """Return a document of ours as JSON: indented, its schema version first."""
    import msgspec

    document = {"schema_version": SCHEMA_VERSION, **content}
    try:
        encoded = msgspec.json.encode(document)
    except UnicodeEncodeError:
        # Names of files are bytes; those that are no text are escaped, as Python reads them back.
        return json.dumps(msgspec.to_builtins(document), indent=2) + "\n"
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def emit_json(content: dict[str, Any]) -> None:
    """Print a document as JSON."""
    click.echo(json_text(content), nl=False)


def say(text: str, *, err: bool = False) -> None:
    """Print a text that may hold names from an untrusted file, its control characters escaped."""
    click.echo(printable(text), err=err)


def width_of_terminal() -> int | None:
    """Return how wide text is on the terminal, at most WIDEST; None where output is no terminal."""
    if not sys.stdout.isatty():
        return None
    return min(shutil.get_terminal_size().columns, WIDEST)


def printable(text: str) -> str:
    """Return a text that cannot command a terminal: controls, bidi marks and
    bytes of a name that are no text become escapes."""
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """Return a text that cannot pretend to be the next line either, such as a file's name."""
    return printable(text).replace("\n", "\\u000a")


def emit_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as wide as the terminal, in colour where that is wanted."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", header_style="bold")
    for row in rows:
        table.add_row(*(escape(printable(cell)) for cell in row))
    width = shutil.get_terminal_size((PLAIN_WIDTH, 0)).columns
    console = Console(width=width, no_color="NO_COLOR" in os.environ, highlight=False)
    with console.capture() as capture:
        console.print(f"[bold]{escape(printable(title))}[/bold]")
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def emit_verdict(verdict: Verdict) -> None:
    """Print how a boot ended, and where the evidence is."""
    came = "booted" if verdict.booted else f"did not boot ({verdict.cause})"
    seconds = f"{verdict.seconds:g} s under {verdict.accelerator}"
    say(f"{verdict.machine}: {came} after {seconds}")
    say(f"  seen: {verdict.evidence}")
    say(f"  serial log: {verdict.serial_log}")
    if verdict.screenshot:
        say(f"  screen: {verdict.screenshot}")


def size_text(size: int) -> str:
    """Return a size in the largest binary unit that keeps it readable: "1.5 GiB"."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.4g} {unit}"
