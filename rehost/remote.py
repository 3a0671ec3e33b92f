"""A file on a web server, read where it lies.

What is read is kept for a while in blocks, for tables and headers are read in small pieces that lie
close together. Threads that need the same block wait for one answer.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from rehost.files import Stretch
from rehost.ranges import Address, Patience, Ranges

BLOCK = 1 << 20
MOST_KEPT = 32
MOST_AT_ONCE = 8
PATIENCE = Patience()


class RemoteFile:
    """A file that a web server sends in ranges; any thread may read it."""

    def __init__(self, url: str, *, patience: Patience = PATIENCE, roam: bool = True) -> None:
        """Ask for the first block; with ``roam`` off, no other server is asked in its place."""
        address = Address.parse(url)
        self.name = address.name
        self._ranges = Ranges(address, patience=patience, roam=roam)
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._coming: dict[int, Future[bytes]] = {}
        self._kept[0] = self._ranges.fetch(0, BLOCK)
        self.size = self._ranges.size or 0

    @property
    def version(self) -> str:
        """What the server calls this version of the file, empty if it does not."""
        return self._ranges.version

    def pread(self, offset: int, length: int) -> bytes:
        """Read, asking for the blocks that are not at hand."""
        stop = min(offset + length, self.size)
        if offset >= stop:
            return b""
        found = bytearray()
        numbers = range(offset // BLOCK, (stop - 1) // BLOCK + 1)
        for at in range(0, len(numbers), MOST_AT_ONCE):
            for number, block in self._blocks(numbers[at : at + MOST_AT_ONCE]):
                begin = number * BLOCK
                found += memoryview(block)[max(0, offset - begin) : stop - begin]
        return bytes(found)

    def stretches(self, offset: int, length: int) -> list[Stretch] | None:
        """Return None: these bytes lie nowhere on this computer."""
        return None

    def _blocks(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Yield blocks in order, those fetched that nobody else is fetching."""
        ready: dict[int, bytes] = {}
        wanted: list[int] = []
        expected: dict[int, Future[bytes]] = {}
        with self._lock:
            for number in numbers:
                if (block := self._kept.get(number)) is not None:
                    self._kept.move_to_end(number)
                    ready[number] = block
                elif number in self._coming:
                    expected[number] = self._coming[number]
                else:
                    expected[number] = self._coming[number] = Future()
                    wanted.append(number)
        self._fetch(wanted)
        for number in numbers:
            yield number, ready[number] if number in ready else expected[number].result()

    def _fetch(self, wanted: list[int]) -> None:
        """Fetch blocks that were promised to whoever waits for them."""
        try:
            while wanted:
                count = 1
                while count < len(wanted) and wanted[count] == wanted[0] + count:
                    count += 1
                first = wanted[0] * BLOCK
                length = min(count * BLOCK, self.size - first)
                content = memoryview(self._ranges.fetch(first, length))
                for at in range(count):
                    self._keep(wanted.pop(0), bytes(content[at * BLOCK : (at + 1) * BLOCK]))
        except BaseException as error:
            with self._lock:
                for number in wanted:
                    self._coming.pop(number).set_exception(error)
            raise

    def _keep(self, number: int, block: bytes) -> None:
        with self._lock:
            self._kept[number] = block
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            self._coming.pop(number).set_result(block)
