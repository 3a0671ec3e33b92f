"""How long work says how far it is; the console decides what that looks like."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told of phases and of the bytes done in each; must not be slow, may be called often."""

    def start(self, phase: str, total: int) -> None:
        """Begin a phase of ``total`` bytes, ending the one before."""

    def advance(self, done: int) -> None:
        """Count ``done`` more bytes of the phase."""

    def close(self) -> None:
        """End the last phase and put away what was shown; another may begin."""


class Silent:
    """The progress nobody watches."""

    def start(self, phase: str, total: int) -> None:
        """Say nothing."""

    def advance(self, done: int) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""


SILENT = Silent()
