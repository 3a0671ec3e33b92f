"""Options that several ``disk`` commands take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

SOURCE = click.Path(path_type=str)
"""A path, a URL or ARCHIVE!MEMBER; completed as a path."""

format_option = click.option(
    "--format", "named", metavar="FORMAT", help="Read SOURCE as this, not as what it looks like."
)
access_options = (
    click.option("--snapshot", metavar="NAME", help="Read this internal snapshot of SOURCE."),
    click.option(
        "--passphrase-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Decrypt SOURCE with the first line of this file.",
    ),
)

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]


def with_options(options: Sequence[Decorator[Any]]) -> Decorator[Any]:
    """Return a decorator that adds several options, shown in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
