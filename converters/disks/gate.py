"""The gate: an image opens no other file by itself.

Backing files, extents and data files are names inside a file somebody else made. They go through
a gate, which decides what such a name may mean; the format only says which name it read.
"""

from __future__ import annotations

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
        """Open a file below the folder."""
        return open_beneath(self._folder, name, by=by)


class ClosedGate:
    """Lets an image name nothing."""

    def open(self, name: str, *, by: str) -> File:
        """Refuse."""
        raise RefusedError(f"names another file ({name!r}), which is not allowed here", where=by)
