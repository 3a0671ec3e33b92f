"""Putting one small file into an archive, everything else staying as it is, byte for byte.

Spec: DSP0243 clause 5.3: manifest and certificate stand next to each other. Where the manifest
comes last only the end of the archive is new; a file system that shares blocks between files then
copies nothing else.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from rehost.archive import Archive
from rehost.errors import TransferError, UnsupportedInputError
from rehost.files import LocalFile
from rehost.outputs import writing
from rehost.tar import END, header, padding

STEP = 4 << 20
MOST_AT_ONCE = 1 << 30


def insert(archive: Archive, name: str, content: bytes, into: Path, *, after: str) -> None:
    """Write an archive as ``into``, with a member behind another, in place of one of its name."""
    source = archive.file
    if not isinstance(source, LocalFile):
        raise UnsupportedInputError(
            "is compressed as a whole", where=source.name, hint="Unpack it first: gunzip."
        )
    new = header(name, len(content), where=source.name) + content + bytes(padding(len(content)))
    with writing(into), into.open("wb") as target:
        for stays in _parts(archive, name, after):
            if stays is None:
                target.write(new)
            else:
                _copy(source, *stays, target)
        if not archive.ended:
            target.write(END)


def _parts(archive: Archive, name: str, after: str) -> Iterator[tuple[int, int] | None]:
    """Yield the stretches that stay, and None where the new member goes."""
    start = at = 0
    for member in archive.members:
        end = member.offset + member.size + padding(member.size)
        if member.name == name:
            yield start, at
            start = end
        elif member.name == after:
            yield start, end
            yield None
            start = end
        at = end
    yield start, max(start, archive.file.size)


def _copy(source: LocalFile, start: int, stop: int, target: BinaryIO) -> None:
    """Append a stretch of a file, by the kernel where it can; the last block is filled up."""
    target.flush()
    end = min(stop, source.size)
    with suppress(OSError):
        while start < end:
            length = min(end - start, MOST_AT_ONCE)
            done = os.copy_file_range(source.fileno(), target.fileno(), length, start)
            if done == 0:
                break
            start += done
    target.seek(0, io.SEEK_END)
    while start < end:
        piece = source.pread(start, min(end - start, STEP))
        if not piece:
            raise TransferError("became shorter while it was read", where=source.name)
        target.write(piece)
        start += len(piece)
    target.write(bytes(stop - end))
