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


REGEX = Regex()
