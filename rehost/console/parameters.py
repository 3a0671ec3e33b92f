"""Types of options that several commands take."""

from __future__ import annotations

import re

import click


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


REGEX = Regex()
PAIR = Pair()
