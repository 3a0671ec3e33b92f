"""The manifest of a disk: a file of its chunks' digests, which later runs compare against.

It is JSON Lines (``schemas/disk-digest.schema.json``): an object with the terms, then a string for
each chunk that holds data (its digest in hexadecimal) or a number for so many chunks of zeros, and
an object with the whole digest at the end, which proves that the file is complete and unchanged.
Nothing of it has to be held in memory, so it may describe a disk of any size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, Any

from converters.disks.digest import KIND, SCHEMA_VERSION, Entry, Terms
from converters.disks.image import LARGEST_DISK
from rehost.errors import DamagedInputError, InteropError, UnsupportedInputError
from rehost.files import File

LONGEST_LINE = 1024
READ = 1 << 20
HEXADECIMAL = b"0123456789abcdef"
NUMBER = re.compile(rb"[1-9][0-9]{0,18}")
AGAIN = "Make it again with `rehost disk digest --manifest`."


class Manifested:
    """The whole digest of entries as they come, and the manifest if there is a file for it."""

    def __init__(self, terms: Terms, file: IO[bytes] | None = None) -> None:
        self._file = file
        self._hash = terms.new()
        self._add(terms.line())

    def add(self, entry: Entry) -> None:
        """Count an entry in; entries come in the order of the disk."""
        self._add(entry.line())

    def finish(self) -> str:
        """Write the end, by which the rest is checked, and return the whole digest."""
        whole = self._hash.hexdigest()
        if self._file is not None:
            self._file.write(_end(whole))
        return whole

    def _add(self, line: bytes) -> None:
        self._hash.update(line)
        if self._file is not None:
            self._file.write(line)


def is_manifest(file: File) -> bool:
    """Say whether a file is a manifest, sound or broken, by its first line."""
    start = file.pread(0, LONGEST_LINE).partition(b"\n")[0]
    return start.startswith(b"{") and (_object(start) or {}).get("manifest") == KIND


class Manifest:
    """A manifest that was read once, wholly, and found to agree with itself."""

    def __init__(self, file: File) -> None:
        self._file = file
        if not is_manifest(file):
            raise DamagedInputError("is no manifest of a disk", where=file.name, hint=AGAIN)
        self.terms = self._read_terms()
        self.whole = ""
        for _ in self.entries():
            pass

    def entries(self) -> Iterator[Entry]:
        """Yield what it says of the disk, in order; its end is checked when it is reached."""
        digest, chunks, zeros = Manifested(self.terms), 0, False
        lines = self._lines()
        next(lines)
        for number, line in lines:
            if line.startswith(b"{"):
                self._check_end(number, line, chunks, digest.finish())
                if next(lines, None) is not None:
                    raise self._damaged(number + 1, "goes on behind its end")
                return
            entry = self._entry(number, line)
            chunks += entry.chunks
            if chunks > self.terms.chunks:
                raise self._damaged(number, f"has too many chunks (should be {self.terms.chunks})")
            if zeros and entry.digest is None:
                raise self._damaged(number, "counts chunks of zeros that belong to the line before")
            zeros = entry.digest is None
            digest.add(entry)
            yield entry
        raise DamagedInputError("is cut short", where=self._file.name, hint=AGAIN)

    def _read_terms(self) -> Terms:
        line = next(self._lines())[1]
        said = _object(line) or {}
        if said.get("schema_version") != SCHEMA_VERSION:
            raise UnsupportedInputError(
                f"is a manifest of another version ({said.get('schema_version')!r})",
                where=self._file.name,
                hint=AGAIN,
            )
        size, chunk, algorithm = said.get("size"), said.get("chunk"), said.get("algorithm")
        if type(size) is not int or not 0 <= size <= LARGEST_DISK:
            raise self._damaged(1, f"gives the disk no size ({size!r})")
        if type(chunk) is not int or not isinstance(algorithm, str):
            raise self._damaged(1, f"does not say how the digests were made ({said!r})")
        try:
            terms = Terms(size, chunk, algorithm)
        except InteropError as error:
            raise self._damaged(1, error.what) from None
        if line + b"\n" != terms.line():
            raise self._damaged(1, "is not written as it should be")
        return terms

    def _entry(self, number: int, line: bytes) -> Entry:
        if NUMBER.fullmatch(line):
            return Entry(int(line), None)
        digits = line[1:-1]
        length = 2 * self.terms.new().digest_size
        if len(digits) != length or digits.strip(HEXADECIMAL) or line != b'"' + digits + b'"':
            raise self._damaged(number, f"is no digest and no number of chunks ({line[:80]!r})")
        return Entry(1, bytes.fromhex(digits.decode()))

    def _check_end(self, number: int, line: bytes, chunks: int, whole: str) -> None:
        if chunks != self.terms.chunks:
            raise self._damaged(
                number, f"has too few chunks ({chunks}, should be {self.terms.chunks})"
            )
        if line + b"\n" != _end(whole):
            raise self._damaged(number, f"does not agree with itself (its digest is {whole})")
        self.whole = whole

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines with their numbers, from 1 on."""
        offset, number, rest = 0, 0, b""
        while block := self._file.pread(offset, READ):
            offset += len(block)
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                number += 1
                yield number, line
            if len(rest) > LONGEST_LINE:
                raise self._damaged(number + 1, "is too long a line")
        if rest:
            raise DamagedInputError("is cut short", where=self._file.name, hint=AGAIN)

    def _damaged(self, line: int, what: str) -> DamagedInputError:
        return DamagedInputError(what, where=f"{self._file.name}:{line}", hint=AGAIN)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _end(whole: str) -> bytes:
    return json.dumps({"whole": whole}, separators=(",", ":")).encode() + b"\n"
