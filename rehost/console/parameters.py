"""Options, and types of options, that several commands take."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
Decorator = Callable[[Command], Command]


class Regex(click.ParamType[re.Pattern[str]]):
    """A regular expression, in which ``^`` and ``$`` mean the ends of a line."""

    name = "regex"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> re.Pattern[str]:
        """Compile it."""
        try:
            return re.compile(str(value), re.MULTILINE)
        except re.error as error:
            self.fail(f"{value!r} is no regular expression ({error})", param, ctx)


class Pair(click.ParamType[tuple[str, str]]):
    """A setting of the form NAME=VALUE."""

    name = "name=value"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split it at the first equals sign."""
        if isinstance(value, tuple):
            return value
        name, equals, said = str(value).partition("=")
        if not equals or not name:
            self.fail(f"{value!r} is no NAME=VALUE", param, ctx)
        return name, said


class Size(click.ParamType[int]):
    """A number of bytes, or of what a suffix says: K, M, G, T, P by 1024."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return it in bytes."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,19})\s*([KMGTP]?)(i?B)?", str(value).strip(), re.IGNORECASE)
        if found is None:
            self.fail(f"{value!r} is no size, such as 1048576, 512K or 20G", param, ctx)
        power = " KMGTP".index(found[2].upper() or " ")
        return int(found[1]) << 10 * power


REGEX = Regex()
PATH = click.Path(path_type=Path, readable=False)
"""A file or folder; whether it is there and may be read is told by who opens it."""
PAIR = Pair()
SIZE = Size()
EXISTING = click.Path(exists=True, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
"""These two need not be there, but are nothing else if they are."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def with_options(options: Sequence[Decorator[Any]]) -> Decorator[Any]:
    """Return a decorator that adds several options, shown in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate
