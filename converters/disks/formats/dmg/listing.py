"""Where a DMG keeps its tables of chunks: in a property list, or in an old resource fork.

Source: Apple, property list DTD 1.0; "Inside Macintosh: More Macintosh Toolbox", chapter 1,
"Resource File Format".
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator

from converters.disks.markup import listen
from rehost.errors import DamagedInputError

FORK = "resource-fork"
CHUNKS = "blkx"
DATA = "Data"
CONTAINERS = {"dict", "array"}
CHUNKS_TYPE = CHUNKS.encode()


class _PropertyList:
    """Hears a property list and keeps the data of resource-fork/blkx alone."""

    def __init__(self, where: str) -> None:
        self.found: list[bytes] = []
        self._where = where
        self._path: list[str] = []
        self._key = ""
        self._text: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin an element; a container lies under the key before it."""
        del attributes
        if name in CONTAINERS:
            self._path.append(self._key)
            self._key = ""
        self._text = [] if name == "key" or (name == "data" and self._wanted()) else None

    def text(self, content: str) -> None:
        """Collect the text of a key or of wanted data."""
        if self._text is not None:
            self._text.append(content)

    def end(self, name: str) -> None:
        """Close an element; wanted data is decoded at once."""
        if name in CONTAINERS:
            self._path.pop()
            self._key = ""
        elif name == "key" and self._text is not None:
            self._key = "".join(self._text)
        elif name == "data" and self._text is not None:
            self.found.append(self._decoded("".join(self._text)))
        self._text = None

    def _wanted(self) -> bool:
        return self._path[1:3] == [FORK, CHUNKS] and self._key == DATA

    def _decoded(self, text: str) -> bytes:
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise DamagedInputError(
                f"the data in the DMG property list is no base64 ({error})", where=self._where
            ) from None


def tables_of_list(content: bytes, where: str) -> list[bytes]:
    """Return the tables of chunks in a property list."""
    heard = _PropertyList(where)
    listen(content, where, start=heard.start, end=heard.end, text=heard.text)
    return heard.found


def tables_of_fork(fork: bytes, where: str) -> list[bytes]:
    """Return the tables of chunks in a resource fork."""
    try:
        return list(_resources(fork))
    except (struct.error, IndexError):
        raise DamagedInputError(
            "the DMG resource fork is damaged (a part of it lies behind its end)", where=where
        ) from None


def _resources(fork: bytes) -> Iterator[bytes]:
    """Yield the resources of the type that holds chunks; struct.error where they lie outside."""
    data_at, map_at = struct.unpack_from(">II", fork)
    (types_at,) = struct.unpack_from(">H", fork, map_at + 24)
    types_at += map_at
    (count,) = struct.unpack_from(">H", fork, types_at)
    for number in range((count + 1) & 0xFFFF):
        kind, last, list_at = struct.unpack_from(">4sHH", fork, types_at + 2 + number * 8)
        if kind != CHUNKS_TYPE:
            continue
        for item in range(last + 1):
            at = types_at + list_at + item * 12
            (place,) = struct.unpack_from(">I", fork, at + 4)
            yield _resource(fork, data_at + (place & 0x00FF_FFFF))


def _resource(fork: bytes, at: int) -> bytes:
    (length,) = struct.unpack_from(">I", fork, at)
    content = fork[at + 4 : at + 4 + length]
    if len(content) < length:
        raise IndexError
    return content
