"""The gate: an image opens no other file by itself.

Backing files, extents and data files are names inside a file somebody else made. They go through
a gate, which decides what such a name may mean; the format only says which name it read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable

from rehost.errors import EnvironmentFailureError, RefusedError
from rehost.files import File, open_beneath

MOST_NEIGHBOURS = 1000
UPWARDS = "../"


class Gate(Protocol):
    """Decides which files an image may name."""

    def open(self, name: str, *, by: str) -> File:
        """Return the file that ``by`` names, or refuse."""


class FolderGate:
    """Lets an image name regular files in one folder and below, by relative names only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, name: str, *, by: str) -> File:
        """Open a file below the folder, looked up from where the file that names it lies.

        A name may lead upwards as long as it stays below the folder that is allowed.
        """
        folder, rest = self._folder_of(by), name.replace("\\", "/")
        while rest.startswith(UPWARDS) and folder != self._folder:
            folder, rest = folder.parent, rest.removeprefix(UPWARDS)
        if folder == self._folder_of(by):
            rest = name
        return open_beneath(folder, rest, by=by)

    def beside(self, by: str) -> list[str]:
        """Return the names of regular files where ``by`` lies, and above it; links are none."""
        folder, prefix = self._folder_of(by), ""
        found = [prefix + name for name in _files_in(folder, by)]
        while folder != self._folder:
            folder, prefix = folder.parent, prefix + UPWARDS
            found += [prefix + name for name in _files_in(folder, by)]
        check_neighbours(len(found), by)
        return found

    def _folder_of(self, by: str) -> Path:
        beside = Path(by).parent
        return beside if beside.is_relative_to(self._folder) else self._folder


def _files_in(folder: Path, by: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = list(islice(entries, MOST_NEIGHBOURS + 1))
    except OSError as error:
        raise EnvironmentFailureError(
            f"lies in a folder that cannot be listed ({error.strerror})", where=by
        ) from error
    check_neighbours(len(found), by)
    return sorted(each.name for each in found if each.is_file(follow_symlinks=False))


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


def check_neighbours(count: int, by: str) -> None:
    """Refuse to look through more files than a chain could lie among."""
    if count > MOST_NEIGHBOURS:
        raise RefusedError(
            f"lies among too many files to look for its parent (more than {MOST_NEIGHBOURS})",
            where=by,
            hint="Put it and the disks below it into a folder of their own.",
        )


@runtime_checkable
class Neighbours(Protocol):
    """What a gate can do that knows the names of the files it has."""

    def beside(self, by: str) -> list[str]:
        """Return the names of the files that lie where ``by`` does, itself among them."""


def names_beside(gate: Gate, *, by: str) -> list[str]:
    """Return the names under which ``gate`` has files where ``by`` lies: none if it cannot say."""
    inner = gate.inner if isinstance(gate, ChainGate) else gate
    return inner.beside(by) if isinstance(inner, Neighbours) else []
