"""Giving a judgement out: one form on standard output, others into files, and the exit code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rehost.outputs import staged, writing

if TYPE_CHECKING:
    from rehost.judgement import Judgement


@dataclass(frozen=True, slots=True)
class Output:
    """A file that takes a report of one form."""

    form: str
    path: Path


class OutputOption(click.ParamType[tuple[str, Path]]):
    """FILE, or FORM=FILE; the form is empty where it is not said."""

    name = "[form=]file"

    def __init__(self, forms: tuple[str, ...]) -> None:
        self._forms = forms

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Split it; a word before an equals sign has to be a form, for it may be misspelled."""
        if isinstance(value, tuple):
            return value
        form, equals, file = str(value).partition("=")
        if not equals or form not in self._forms:
            if equals and form.isalnum():
                known = ", ".join(self._forms)
                said = f"{form!r} is no form of report (there are {known}); a file is ./{value}"
                self.fail(said, param, ctx)
            form, file = "", str(value)
        if not file:
            self.fail("names no file", param, ctx)
        if file == "-":
            self.fail("'-' is no file; --format says what is printed", param, ctx)
        return form, Path(file)


class Reports:
    """Where the reports of a run go, checked before the run begins."""

    def __init__(self, form: str, outputs: tuple[tuple[str, Path], ...], *, force: bool) -> None:
        """Print ``form``, unless an output without a form of its own takes it instead."""
        self._printed = None if any(not own for own, _ in outputs) else form
        self._outputs = [Output(own or form, path) for own, path in outputs]
        self._force = force

    @property
    def paths(self) -> list[Path]:
        """The files that are written."""
        return [output.path for output in self._outputs]

    @contextmanager
    def ready(self) -> Iterator[list[tuple[str, Path]]]:
        """Yield where to write each form; all files appear when the block ends well."""
        with ExitStack() as stack:
            yield [
                (output.form, stack.enter_context(staged(output.path, force=self._force)))
                for output in self._outputs
            ]

    def give(self, judgement: Judgement, places: list[tuple[str, Path]]) -> None:
        """Write the files, and print."""
        from rehost.form import form_named

        for name, path in places:
            form = form_named(name)
            text = form.render(judgement)
            with writing(path):
                path.write_text(click.unstyle(text) if form.styled else text, encoding="utf-8")
        if self._printed is not None:
            text = form_named(self._printed).render(judgement)
            click.echo(text, nl=False, color=False if "NO_COLOR" in os.environ else None)
