"""A gate that remembers which files an image named, and so which file each layer of a chain is."""

from __future__ import annotations

from converters.disks.gate import Gate, names_beside
from converters.disks.image import Image
from converters.disks.registry import format_named
from rehost.files import File


class NotingGate:
    """Opens what the gate inside it opens, and remembers it by who named it."""

    def __init__(self, inner: Gate) -> None:
        self._inner = inner
        self._named: dict[str, dict[str, File]] = {}

    def open(self, name: str, *, by: str) -> File:
        """Open a file and remember it."""
        file = self._inner.open(name, by=by)
        self._named.setdefault(by, {})[file.name] = file
        return file

    def beside(self, by: str) -> list[str]:
        """Ask the gate inside, if it can say."""
        return names_beside(self._inner, by=by)

    def named(self, by: str) -> list[File]:
        """Return the files that an image named, in order."""
        return list(self._named.get(by, {}).values())

    @property
    def files(self) -> list[File]:
        """Every file that any image named."""
        return [file for named in self._named.values() for file in named.values()]

    def below(self, by: str, image: Image) -> File | None:
        """Return which of the files an image named is ``image``, the one below it.

        It is the first that looks like its format, or else the first: extents and data files are
        named after what lies below.
        """
        found = self.named(by)
        recognise = format_named(image.facts.format).recognise
        return next((file for file in found if recognise(file)), found[0] if found else None)
