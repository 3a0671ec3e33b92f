"""Printing results: standard output carries them, as text or as JSON with a schema version."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import Any

import click

SCHEMA_VERSION = 1
PLAIN_WIDTH = 100


def json_text(content: dict[str, Any]) -> str:
    """Return a document of ours as JSON: indented, its schema version first."""
    import msgspec

    document = {"schema_version": SCHEMA_VERSION, **content}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def emit_json(content: dict[str, Any]) -> None:
    """Print a document as JSON."""
    click.echo(json_text(content), nl=False)


def emit_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as wide as the terminal, in colour where that is wanted."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    width = shutil.get_terminal_size((PLAIN_WIDTH, 0)).columns
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", header_style="bold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console(width=width, no_color="NO_COLOR" in os.environ, highlight=False).print(table)


def size_text(size: int) -> str:
    """Return a size in the largest binary unit that keeps it readable: "1.5 GiB"."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.4g} {unit}"
