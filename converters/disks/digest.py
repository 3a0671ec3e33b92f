"""Digests of what a guest sees: the same for the same content, whatever format it is in.

The disk is cut into chunks of a fixed size, the last one being what is left, and each chunk has a
digest. Written as lines of text, these are the manifest of the disk (all but its last line)::

    {"manifest":"rehost disk digest","schema_version":1,"algorithm":"sha256","size":S,"chunk":C}
    "<digest>"      for a chunk that holds data: 2 * digest_size digits, in lower case
    <number>        for so many chunks of zeros, with none before or behind them

S is the size of the disk and C that of a chunk, in bytes; there is no other space, every line ends
in a line feed, and numbers are decimal. The **whole digest** is the digest of this text, made with
the same algorithm: ``head -n -1 MANIFEST | sha256sum`` prints it. So it comes from the digests of
chunks alone, by several threads, and costs nothing for what the image's tables call zero. The
**plain digest** is that of the content, as ``sha256sum`` prints it for the disk in raw format:
everything has to be read and hashed in order.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self

from converters.disks.cells import CELL, ZEROS, Buffers, Cell, cells, fill, is_zero
from converters.disks.image import Image
from converters.disks.ordered import in_order, threads_for
from rehost.errors import UsageError
from rehost.progress import SILENT, Progress

if TYPE_CHECKING:
    from hashlib import _Hash
    from types import TracebackType

ALGORITHMS = ("sha256", "sha512", "sha384", "sha1", "blake2b")
CHUNK = 1 << 20
SMALLEST_CHUNK = 4 << 10
LARGEST_CHUNK = 16 << 20
KIND = "rehost disk digest"
SCHEMA_VERSION = 1
LONGEST_ZEROS = 1 << 30
MOST_UNHASHED = 16


@dataclass(frozen=True)
class Terms:
    """How a disk of ``size`` bytes is digested; two digests compare only if these agree."""

    size: int
    chunk: int = CHUNK
    algorithm: str = ALGORITHMS[0]

    def __post_init__(self) -> None:
        power = self.chunk > 0 and self.chunk & (self.chunk - 1) == 0
        if not power or not SMALLEST_CHUNK <= self.chunk <= LARGEST_CHUNK:
            raise UsageError(
                f"a chunk cannot have this size ({self.chunk})",
                hint=f"It is a power of two from {SMALLEST_CHUNK} to {LARGEST_CHUNK}.",
            )
        if self.algorithm not in ALGORITHMS:
            raise UsageError(
                f"is no digest that can be asked for ({self.algorithm!r})",
                hint=f"It is one of {', '.join(ALGORITHMS)}.",
            )

    @property
    def chunks(self) -> int:
        """How many chunks there are; the last may be short."""
        return -(-self.size // self.chunk)

    def length(self, number: int) -> int:
        """Return the length of a chunk."""
        return min(self.chunk, self.size - number * self.chunk)

    def new(self, content: bytes | memoryview = b"") -> _Hash:
        """Begin a digest."""
        return hashlib.new(self.algorithm, content, usedforsecurity=False)

    def line(self) -> bytes:
        """Return the first line of the manifest."""
        said = {
            "manifest": KIND,
            "schema_version": SCHEMA_VERSION,
            "algorithm": self.algorithm,
            "size": self.size,
            "chunk": self.chunk,
        }
        return json.dumps(said, separators=(",", ":")).encode() + b"\n"

    @cached_property
    def zeros(self) -> tuple[bytes, bytes]:
        """The digests of a chunk of zeros, and of the last chunk if it is zeros."""
        last = self.length(self.chunks - 1) if self.chunks else self.chunk
        full = bytes(self.chunk)
        return self.new(full).digest(), self.new(full[:last]).digest()

    def zero(self, number: int) -> bytes:
        """Return the digest a chunk has if it is zeros."""
        return self.zeros[number == self.chunks - 1]


class Entry(NamedTuple):
    """So many ``chunks`` of zeros, for which there is no ``digest``, or one that is not zeros."""

    chunks: int
    digest: bytes | None

    def line(self) -> bytes:
        """Return its line of the manifest."""
        text = str(self.chunks) if self.digest is None else f'"{self.digest.hex()}"'
        return text.encode() + b"\n"


class Plain:
    """The plain digest, in a thread of its own; use it as a context.

    At most ``MOST_UNHASHED`` buffers wait for it, so it slows down who is faster.
    """

    def __init__(self, terms: Terms) -> None:
        self._hash = terms.new()
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, content: bytearray) -> None:
        """Hash what comes next."""
        self._wait()
        self._waiting.append(self._pool.submit(self._hash.update, content))

    def skip(self, length: int) -> None:
        """Hash so many zeros."""
        for at in range(0, length, LONGEST_ZEROS):
            self._wait()
            part = min(LONGEST_ZEROS, length - at)
            self._waiting.append(self._pool.submit(self._zeros, part))

    def value(self) -> str:
        """Return the digest in hexadecimal, when all is hashed."""
        while self._waiting:
            self._waiting.popleft().result()
        return self._hash.hexdigest()

    def _wait(self) -> None:
        if len(self._waiting) >= MOST_UNHASHED:
            self._waiting.popleft().result()

    def _zeros(self, length: int) -> None:
        for _ in range(length // len(ZEROS)):
            self._hash.update(ZEROS)
        self._hash.update(ZEROS[: length % len(ZEROS)])


def entries(
    image: Image, terms: Terms, progress: Progress = SILENT, *, plain: Plain | None = None
) -> Iterator[Entry]:
    """Yield the digests of all chunks of a disk, those of zeros counted together."""
    progress.start("digest", terms.size)
    held = done = 0
    for cell, digests, content in _digested(image, terms, keep=plain is not None):
        number = cell.start // terms.chunk
        held += number - done
        if plain is not None and content is not None:
            plain.skip(cell.start - done * terms.chunk)
            plain.add(content)
        progress.advance(cell.stop - done * terms.chunk)
        for digest in digests:
            if digest == terms.zero(number):
                held += 1
            else:
                if held:
                    yield Entry(held, None)
                yield Entry(1, digest)
                held = 0
            number += 1
        done = number
    if plain is not None and terms.size > done * terms.chunk:
        plain.skip(terms.size - done * terms.chunk)
    if held + terms.chunks - done:
        yield Entry(held + terms.chunks - done, None)
    progress.advance(max(0, terms.size - done * terms.chunk))


def _digested(
    image: Image, terms: Terms, *, keep: bool
) -> Iterator[tuple[Cell, list[bytes], bytearray | None]]:
    """Yield the cells with data, the digests of their chunks and, to ``keep``, the content."""
    size = max(CELL, terms.chunk)
    buffers = Buffers(size)

    def work(cell: Cell) -> tuple[list[bytes], bytearray | None]:
        length = cell.stop - cell.start
        content = bytearray(length) if keep else buffers.take()
        view = memoryview(content)[:length]
        fill(cell, view)
        first = cell.start // terms.chunk
        parts = (view[at : at + terms.chunk] for at in range(0, length, terms.chunk))
        digests = [_chunk_digest(terms, number, part) for number, part in enumerate(parts, first)]
        if keep:
            return digests, content
        buffers.give(content)
        return digests, None

    for cell, (digests, content) in in_order(work, cells(image, terms.chunk), threads_for(size)):
        yield cell, digests, content


def _chunk_digest(terms: Terms, number: int, content: memoryview) -> bytes:
    return terms.zero(number) if is_zero(content) else terms.new(content).digest()
