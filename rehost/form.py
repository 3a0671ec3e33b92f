"""What a form of report is: a name and a function from a judgement to text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rehost.discovery import declared_by, names
from rehost.judgement import Judgement

FOLDER = "rehost.reports"


@dataclass(frozen=True, slots=True)
class Form:
    """A form of report. The text of a ``styled`` one has ANSI styles, for terminals only."""

    name: str
    title: str
    render: Callable[[Judgement], str]
    styled: bool = False


def form_names() -> tuple[str, ...]:
    """Return the names of all forms, none of which is loaded for it."""
    return names(FOLDER)


def form_named(name: str) -> Form:
    """Load one form."""
    form: Form = declared_by(FOLDER, name, "FORM")
    return form
