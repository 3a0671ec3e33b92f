"""Which files an image was opened from, and whether they are still the same ones."""

from __future__ import annotations

import os

from converters.disks.gate import Gate, names_beside
from rehost.files import File


class Noting:
    """A gate that remembers what it opened."""

    def __init__(self, inner: Gate, first: File) -> None:
        self.files = [first]
        self._inner = inner

    def open(self, name: str, *, by: str) -> File:
        """Ask the gate around."""
        file = self._inner.open(name, by=by)
        self.files.append(file)
        return file

    def beside(self, by: str) -> list[str]:
        """Ask the gate around."""
        return names_beside(self._inner, by=by)

    @property
    def about(self) -> str:
        """What tells these files from others, and from themselves after a change."""
        return repr([_about(file) for file in self.files])


def _about(file: File) -> tuple[object, ...]:
    places = file.stretches(0, min(file.size, 1)) or []
    found = [os.fstat(place.fd) for place in places]
    local = tuple((each.st_dev, each.st_ino, each.st_size, each.st_mtime_ns) for each in found)
    return (file.name, file.size, local, None if local else _version(file))


def _version(file: File) -> str | None:
    """Return what a web server calls a file that lies there."""
    from rehost.remote import RemoteFile

    return file.version if isinstance(file, RemoteFile) else None
