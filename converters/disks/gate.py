"""The gate: an image opens no other file by itself.

Backing files, extents and data files are names inside a file somebody else made. They go through
a gate, which decides what such a name may mean; the format only says which name it read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rehost.errors import RefusedError
from rehost.files import File, open_beneath


class Gate(Protocol):
    """Decides which files an image may name."""

    def open(self, name: str, *, by: str) -> File:
        """Return the file that ``by`` names, or refuse."""


class FolderGate:
    """Lets an image name regular files in one folder and below, by relative names only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, name: str, *, by: str) -> File:
        """Open a file below the folder, looked up from where the file that names it lies."""
        beside = Path(by).parent
        inside = beside.is_relative_to(self._folder)
        return open_beneath(beside if inside else self._folder, name, by=by)


class ClosedGate:
    """Lets an image name nothing."""

    def open(self, name: str, *, by: str) -> File:
        """Refuse."""
        raise RefusedError(f"names another file ({name!r}), which is not allowed here", where=by)


@dataclass(frozen=True, slots=True)
class ChainGate:
    """The gate of an image below others, whose names it knows, the topmost first."""

    inner: Gate
    above: tuple[str, ...]

    def open(self, name: str, *, by: str) -> File:
        """Ask the gate of the topmost image."""
        return self.inner.open(name, by=by)
