"""Settings that a format or a target takes as ``NAME=VALUE``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rehost.errors import UsageError


@dataclass(frozen=True, slots=True)
class Option:
    """A setting; the first of its choices is the default. Without choices it takes any text."""

    name: str
    choices: tuple[str, ...]
    meaning: str

    @property
    def default(self) -> str:
        """What it is where nobody says."""
        return self.choices[0] if self.choices else ""


def check(owner: str, options: Sequence[Option], chosen: Mapping[str, str]) -> None:
    """Refuse what ``owner`` does not offer."""
    known = {option.name: option.choices for option in options}
    for name, value in chosen.items():
        if name not in known:
            names = ", ".join(known) or "none"
            raise UsageError(f"{owner} has no option {name!r}", hint=f"Its options: {names}.")
        if known[name] and value not in known[name]:
            raise UsageError(
                f"{owner} option {name} cannot be {value!r}",
                hint=f"It is one of {', '.join(known[name])}.",
            )
