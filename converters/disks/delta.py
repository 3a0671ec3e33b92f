"""Digesting a disk in one pass: its manifest, and what changed since an earlier one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import IO, Any, NamedTuple

from converters.disks.digest import Entry, Plain, Terms, entries
from converters.disks.image import Image
from converters.disks.manifest import Manifest, Manifested
from rehost.errors import UsageError
from rehost.progress import SILENT, Progress


class Stretch(NamedTuple):
    """A stretch of the guest's disk, a multiple of chunks long except at its end."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Digested:
    """What one pass over a disk found; ``zeros`` counts the chunks that hold nothing else."""

    terms: Terms
    whole: str
    plain: str | None
    zeros: int
    changed: list[Stretch] | None

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        terms = self.terms
        said = {
            "size": terms.size,
            "algorithm": terms.algorithm,
            "chunk_size": terms.chunk,
            "chunks": terms.chunks,
            "zero_chunks": self.zeros,
            "digest": self.whole,
            "plain_digest": self.plain,
        }
        if self.changed is not None:
            said["changed"] = [each._asdict() for each in self.changed]
        return said


def digested(
    image: Image,
    terms: Terms,
    *,
    past: Manifest | None = None,
    manifest: IO[bytes] | None = None,
    plain: bool = False,
    progress: Progress = SILENT,
) -> Digested:
    """Digest a disk, writing its ``manifest`` and finding what changed since a ``past`` one.

    The chunks of a past manifest must be those of ``terms``.
    """
    noted = _Noted(Manifested(terms, manifest))
    with Plain(terms) as content:
        found = noted.each(entries(image, terms, progress, plain=content if plain else None))
        differing = None if past is None else list(changed(terms, found, past))
        for _ in found:
            pass
        value = content.value() if plain else None
    return Digested(terms, noted.manifested.finish(), value, noted.zeros, differing)


class _Noted:
    """Entries counted in as they pass."""

    def __init__(self, manifested: Manifested) -> None:
        self.manifested = manifested
        self.zeros = 0

    def each(self, found: Iterable[Entry]) -> Iterator[Entry]:
        """Yield the same entries."""
        for entry in found:
            self.manifested.add(entry)
            self.zeros += entry.chunks if entry.digest is None else 0
            yield entry


def changed_ranges(
    image: Image, manifest: Manifest, progress: Progress = SILENT
) -> Iterator[Stretch]:
    """Yield, ascending and as long as possible, the stretches of ``image`` that changed.

    Where a disk has grown, all behind its old end is one of them, and so is a chunk that became
    longer or shorter; of what was cut off nothing is said.
    """
    terms = replace(manifest.terms, size=image.size)
    return changed(terms, entries(image, terms, progress), manifest)


def compared(
    one: Image | Manifest, other: Image | Manifest, progress: Progress = SILENT
) -> tuple[list[int], list[Stretch]]:
    """Return the sizes of two disks, one of them or both known by manifest, and where they differ.

    The stretches are those of the first; two manifests must have been made in the same way.
    """
    if not isinstance(other, Manifest):
        if not isinstance(one, Manifest):
            raise UsageError("neither of them is a manifest")
        sizes, stretches = compared(other, one, progress)
        return sizes[::-1], stretches
    if not isinstance(one, Manifest):
        return [one.size, other.terms.size], list(changed_ranges(one, other, progress))
    if replace(one.terms, size=other.terms.size) != other.terms:
        raise UsageError(
            "the manifests were made in different ways "
            f"({_told(one.terms)} and {_told(other.terms)})",
            hint="Make one of them again with the other's --chunk and --algorithm.",
        )
    stretches = list(changed(one.terms, one.entries(), other))
    return [one.terms.size, other.terms.size], stretches


def _told(terms: Terms) -> str:
    return f"{terms.algorithm} of {terms.chunk} bytes"


def changed(terms: Terms, found: Iterable[Entry], manifest: Manifest) -> Iterator[Stretch]:
    """Yield the stretches that differ between the entries of a disk and a manifest of the past.

    The chunks of both must have the same size and algorithm. All of ``found`` is taken.
    """
    held: Stretch | None = None
    for number, count in _differing(terms, found, manifest):
        start = number * terms.chunk
        length = min(count * terms.chunk, terms.size - start)
        if held is not None and held.start + held.length == start:
            held = Stretch(held.start, held.length + length)
            continue
        if held is not None:
            yield held
        held = Stretch(start, length)
    if held is not None:
        yield held


def _differing(
    terms: Terms, found: Iterable[Entry], manifest: Manifest
) -> Iterator[tuple[int, int]]:
    """Yield (first chunk, count) of chunks that differ."""
    number = left = 0
    past: bytes | None = None
    before = manifest.entries()
    for chunks, digest in found:
        stop = number + chunks
        while number < stop:
            if not left and number < manifest.terms.chunks:
                left, past = next(before)
            step = min(stop - number, left) or stop - number
            if not left or digest != past:
                yield number, step
            elif terms.length(last := number + step - 1) != manifest.terms.length(last):
                yield last, 1
            number, left = number + step, max(0, left - step)
