"""Reading a package's files once: digested in order while somebody else reads what is in them.

A disk is read in the order of the guest's sectors, a digest needs the order of the file. In what
was written for transport the two agree but for tables, so blocks are loaded in the file's order and
kept for a moment; what lies far ahead, or was let go, is read by itself. Holes of the file system
are not read: they are passed over, and digested as the zeros they are.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from threading import Lock

from ovf.storage import Storage, plain_name
from rehost.archive import Archive
from rehost.files import File, Stretch
from rehost.holes import Sparing, Veil, data_from
from rehost.progress import SILENT, Progress

BLOCK = 1 << 20
KEPT = 24
AHEAD = 8
MOST_UNHASHED = 8


class Passing(Veil):
    """A file on its one way past: any thread may read it, and in the end its digests are known.

    ``done`` is called when they are.
    """

    def __init__(
        self,
        inner: File,
        algorithms: frozenset[str] = frozenset(),
        hashing: Executor | None = None,
        progress: Progress = SILENT,
        done: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = inner.name
        self.inner = inner
        self._hashes = {
            name: hashlib.new(name.lower(), usedforsecurity=False) for name in algorithms
        }
        self._hashing = hashing
        self._progress = progress
        self._done = done
        self._lock = Lock()
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._unhashed: deque[Future[None]] = deque()
        self._next = 0
        self._ended = False
        self._sparing = Sparing(inner)

    @property
    def size(self) -> int:
        """The number of bytes in it."""
        return self.inner.size

    def pread(self, offset: int, length: int) -> bytes:
        """Read, loading what lies between here and what was loaded before."""
        if length <= 0:
            return b""
        first, last = offset // BLOCK, (offset + length - 1) // BLOCK
        with self._lock:
            if last - first >= KEPT or not self._is_near(first):
                return self.inner.pread(offset, length)
            while self._next <= last and not self._ended:
                self._load()
            blocks = [self._kept.get(number) for number in range(first, min(last + 1, self._next))]
        found = [block for block in blocks if block is not None]
        if len(found) < len(blocks):
            return self.inner.pread(offset, length)
        return _part(found, offset - first * BLOCK, length)

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Return None, so that nobody reads these bytes past the digests."""
        del offset, length
        return None

    def finish(self) -> dict[str, str]:
        """Load the rest and return the digests in hexadecimal."""
        with self._lock:
            while not self._ended:
                self._load()
            self._kept.clear()
        while self._unhashed:
            self._unhashed.popleft().result()
        self._done()
        return {name: digest.hexdigest() for name, digest in self._hashes.items()}

    def _is_near(self, number: int) -> bool:
        """Say whether few blocks of data have to be loaded up to a block, holes not counted."""
        at, stop, left = self._next * BLOCK, number * BLOCK, AHEAD * BLOCK
        while at < stop and left >= 0:
            data, at = data_from(self.inner, at, stop)
            left -= at - data
        return left >= 0

    def _load(self) -> None:
        block = self._sparing.pread(self._next * BLOCK, BLOCK)
        self._ended = len(block) < BLOCK
        self._kept[self._next] = block
        self._next += 1
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        self._progress.advance(len(block))
        if self._hashes and self._hashing is not None:
            self._unhashed.append(self._hashing.submit(self._hash, block))
            if len(self._unhashed) > MOST_UNHASHED:
                self._unhashed.popleft().result()

    def _hash(self, block: bytes) -> None:
        for digest in self._hashes.values():
            digest.update(block)


def _part(blocks: Sequence[bytes], begin: int, length: int) -> bytes:
    """Return bytes of blocks that follow each other, copied once."""
    if len(blocks) == 1:
        return blocks[0][begin : begin + length]
    left, parts = length, []
    for block in blocks:
        parts.append(memoryview(block)[begin : begin + left])
        left -= len(parts[-1])
        begin = 0
    return b"".join(parts)


class PassingStorage:
    """A storage each file of which is one and the same ``Passing`` until its digests are known.

    ``algorithms`` are those wanted of a file, by its ``plain_name``.
    """

    def __init__(
        self,
        inner: Storage,
        algorithms: Mapping[str, frozenset[str]],
        hashing: Executor,
        progress: Progress = SILENT,
    ) -> None:
        self._inner = inner
        self._algorithms = algorithms
        self._hashing = hashing
        self._progress = progress
        self._files: dict[str, Passing] = {}

    @property
    def archive(self) -> Archive | None:
        """The tar the files are in, if they are in one."""
        return self._inner.archive

    def names(self) -> tuple[str, ...]:
        """Return the names of the files in it."""
        return self._inner.names()

    def find(self, name: str, by: str) -> File | None:
        """Open a file, or return the one that is open."""
        plain = plain_name(name)
        if plain in self._files:
            return self._files[plain]
        file = self._inner.find(name, by)
        if file is None:
            return None
        self._files[plain] = Passing(
            file,
            self._algorithms.get(plain, frozenset()),
            self._hashing,
            self._progress,
            partial(self._files.pop, plain, None),
        )
        return self._files[plain]

    def where(self, name: str) -> str:
        """Return what messages call a file in it."""
        return self._inner.where(name)

    def twin(self) -> Storage:
        """Return access of another thread's own, past which nothing is digested."""
        return self._inner.twin()
