"""Views of a package or descriptor that many rules ask for, each made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar

View = TypeVar("View")


class Views:
    """Something that is only read, and keeps what was made of it."""

    def __init__(self) -> None:
        self._made: dict[Callable[..., Any], Any] = {}

    def once(self, make: Callable[[Self], View]) -> View:
        """Return what ``make`` makes of this, calling it the first time only.

        A ``make`` that raises is called again. It is known by its identity: pass a function of a
        module, never a lambda.
        """
        if make not in self._made:
            self._made[make] = make(self)
        made: View = self._made[make]
        return made

    def keep(self, make: Callable[[Self], View], made: View) -> None:
        """Answer with ``made`` from now on, which somebody came by in another way."""
        self._made[make] = made
