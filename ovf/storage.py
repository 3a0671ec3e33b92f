"""Where a package's files lie: in a folder of this computer, or in a tar that stays packed.

Spec: DSP0243 clause 5 (packages). AppleDouble files, ``._name`` beside ``name`` (RFC 1740, appendix
B), which the archivers of macOS add for its file attributes, are opened by name but never listed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from rehost.archive import Archive, is_absolute, is_apple_double
from rehost.errors import DamagedInputError, EnvironmentFailureError, RefusedError, UsageError
from rehost.files import File, Inflated, open_beneath

LONGEST_PART = 255
STANDARD_INPUT = "-"
ADDRESS = re.compile(r"(https?|ftp):/+(.+)")
"""An address, also of one slash, as it is when it was taken for a path."""
STAY_BESIDE = "A package may only use files beside it; do not trust this one."


class Storage(Protocol):
    """Where a package's files lie."""

    @property
    def archive(self) -> Archive | None:
        """The tar the files are in, if they are in one."""

    def names(self) -> tuple[str, ...]:
        """Return the names of the files in it."""

    def find(self, name: str, by: str) -> File | None:
        """Open a file, or return None where there is none; ``by`` is who asks, for messages."""

    def where(self, name: str) -> str:
        """Return what messages call a file in it."""

    def twin(self) -> Storage:
        """Return access to the same files that another thread can use without disturbance."""


class Folder:
    """Files in a folder of this computer."""

    archive = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> tuple[str, ...]:
        """Return the files in the folder itself; those below are found by their names."""
        try:
            with os.scandir(self._folder) as entries:
                return tuple(sorted(entry.name for entry in entries if _listed(entry)))
        except OSError as error:
            raise EnvironmentFailureError(
                f"cannot be read ({error.strerror})", where=str(self._folder)
            ) from error

    def find(self, name: str, by: str) -> File | None:
        """Open a file below the folder."""
        if any(len(os.fsencode(part)) > LONGEST_PART for part in name.split("/")):
            return None
        try:
            return open_beneath(self._folder, name, by=by)
        except DamagedInputError:
            return None
        except OSError as error:
            raise EnvironmentFailureError(
                f"file cannot be reached ({error.strerror})", where=by
            ) from error

    def where(self, name: str) -> str:
        """Return the path."""
        return str(self._folder / name)

    def twin(self) -> Storage:
        """Return itself: every file is opened anew."""
        return self


class Nothing:
    """No file at all, for who shall look at none; messages call them what they are called."""

    archive = None

    def __init__(self, inner: Storage) -> None:
        self._inner = inner

    def names(self) -> tuple[str, ...]:
        """Return none."""
        return ()

    def find(self, name: str, by: str) -> File | None:
        """Return none."""
        del name, by
        return None

    def where(self, name: str) -> str:
        """Return what messages call the file there."""
        return self._inner.where(name)

    def twin(self) -> Storage:
        """Return itself: nothing is opened."""
        return self


class InArchive:
    """Members of a tar."""

    def __init__(self, archive: Archive) -> None:
        self.archive: Archive | None = archive
        self._archive = archive
        self._members = {member.name: member for member in archive.members}

    def names(self) -> tuple[str, ...]:
        """Return the members in their order."""
        return tuple(name for name in self._members if not is_apple_double(name))

    def find(self, name: str, by: str) -> File | None:
        """Return a member's window."""
        parts = name.replace("\\", "/").split("/")
        if not name or is_absolute(name) or ".." in parts:
            raise RefusedError(
                f"names a file outside its own folder ({name!r})",
                where=by,
                hint=STAY_BESIDE,
            )
        member = self._members.get(plain_name(name))
        return None if member is None else self._archive.window(member)

    def where(self, name: str) -> str:
        """Return archive and member, joined by an exclamation mark."""
        return self._archive.where(name)

    def twin(self) -> Storage:
        """Return itself, but with a decompressor of its own for an archive inside gzip."""
        file = self._archive.file
        if not isinstance(file, Inflated):
            return self
        again = Inflated(file.inner, file.name)
        return InArchive(replace(self._archive, file=again))


class Overlaid:
    """Files of another storage, of which some are replaced and some are gone; in no archive yet."""

    archive = None

    def __init__(
        self, inner: Storage, added: Mapping[str, Callable[[], File]], gone: frozenset[str]
    ) -> None:
        self._inner = inner
        self._added = added
        self._gone = gone

    def names(self) -> tuple[str, ...]:
        """Return what is left, and what is new."""
        left = (name for name in self._inner.names() if name not in self._gone)
        return tuple(dict.fromkeys((*left, *self._added)))

    def find(self, name: str, by: str) -> File | None:
        """Open the file that stands for another, or that other."""
        if name in self._added:
            return self._added[name]()
        return None if name in self._gone else self._inner.find(name, by)

    def where(self, name: str) -> str:
        """Return what messages call the file there."""
        return self._inner.where(name)

    def twin(self) -> Storage:
        """Return the same over a twin of the other storage."""
        return Overlaid(self._inner.twin(), self._added, self._gone)


def plain_name(name: str) -> str:
    """Return the one spelling of a name in a storage, without the steps that lead nowhere."""
    parts = name.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in {"", "."})


def refuse_elsewhere(path: Path) -> None:
    """Refuse as a package what no file of this computer can be meant by."""
    if str(path) == STANDARD_INPUT:
        raise UsageError(
            "standard input is read by `rehost validate` alone", hint="Write it to a file first."
        )
    if found := ADDRESS.match(str(path)):
        raise UsageError(
            "is on a web server, where packages are not read",
            where=f"{found[1]}://{found[2]}",
            hint="Fetch it first; or judge it in passing: curl URL | rehost validate -",
        )
    try:
        path.lstat()
    except FileNotFoundError:
        raise UsageError("no such file", where=str(path)) from None
    except OSError:
        return  # whoever opens it says why that fails


def _listed(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) and not is_apple_double(entry.name)
