"""Which files an image was opened from, and whether they are still the same ones."""

from __future__ import annotations

import os
from collections.abc import Iterable

from rehost.files import File, Window


def about(files: Iterable[File]) -> str:
    """Return what tells files from others, and from themselves after a change."""
    return repr([_about(file) for file in files])


def _about(file: File) -> tuple[object, ...]:
    places = file.stretches(0, min(file.size, 1)) or []
    found = [os.fstat(place.fd) for place in places]
    local = tuple((each.st_dev, each.st_ino, each.st_size, each.st_mtime_ns) for each in found)
    return (file.name, file.size, local, None if local else _version(file))


def _version(file: File) -> str | None:
    """Return what a web server calls a file that lies there, itself or as a member of another."""
    from rehost.remote import RemoteFile

    while isinstance(file, Window):
        file = file.inner
    return file.version if isinstance(file, RemoteFile) else None
