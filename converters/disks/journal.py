"""What an interrupted copy has done, so that the next run goes on from there.

The journal lies beside the unfinished image: a frame that says what is being copied, then frames
that say which pieces of the disk the image's file holds. A frame is added only when its data are on
the disk, so what a journal says is true even after a loss of power; a frame that was cut short or
changed ends it. Writers are deterministic: being asked for the same places again gives them the
tables they had, and nothing of the source is read twice.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import BinaryIO, NamedTuple

from converters.disks.output import Output
from converters.disks.salvage import Lost

SYNC_SECONDS = 5.0
FRAME = struct.Struct("<II")
LARGEST_FRAME = 64 << 20


class Placed(NamedTuple):
    """A piece of the disk that was written: where it begins there, in the file, and its length."""

    start: int
    offset: int
    length: int


class Record(NamedTuple):
    """All pieces of a stretch of the disk that ends at ``stop``, and what of it was unreadable."""

    stop: int
    pieces: list[Placed]
    lost: list[Lost]


class Journal:
    """The journal of one copy, at ``path``; ``about`` tells it from any other copy.

    ``seconds`` is how often what was written is made durable and noted.
    """

    def __init__(self, path: Path, about: str, *, seconds: float = SYNC_SECONDS) -> None:
        self._path = path
        self._about = about
        self._seconds = seconds
        self._file: BinaryIO | None = None
        self._lock = Lock()
        self._waiting: dict[int, Record] = {}
        self._next = 0
        self._noted = False
        self._synced = time.monotonic()

    @property
    def continues(self) -> bool:
        """Say whether an earlier run of the same copy has left something to go on from."""
        return next(self.past(), None) is not None

    def past(self) -> Iterator[Record]:
        """Yield what an earlier run of the same copy wrote, in the order of the disk."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            for record, _ in self._records(file):
                if record is not None:
                    yield record

    def begin(self, *, anew: bool) -> None:
        """Open the journal for writing, behind what `past` yielded or ``anew``."""
        end = 0
        if not anew:
            with self._path.open("rb") as file:
                end = max((stop for _, stop in self._records(file)), default=0)
        self._file = self._path.open("r+b" if end else "wb")
        self._file.truncate(end)
        self._file.seek(end)
        if not end:
            self._add([self._about.encode()])

    def written(self, number: int, record: Record) -> None:
        """Take note that the pieces of item ``number`` are written; in any order, on any thread."""
        with self._lock:
            self._waiting[number] = record

    def watch(self, outputs: Sequence[Output]) -> None:
        """Note what is written without a gap, when it is time."""
        if time.monotonic() - self._synced >= self._seconds:
            self._note(outputs)
            self._synced = time.monotonic()

    def close(self, outputs: Sequence[Output]) -> None:
        """Note what is left of a copy that took long enough to be noted at all, and close."""
        if self._file is None:
            return
        if self._noted:
            self._note(outputs)
        self._file.close()

    def _records(self, file: BinaryIO) -> Iterator[tuple[Record | None, int]]:
        """Yield what the frames of this copy's journal say, none for the first, and their ends."""
        import msgspec

        for number, (payload, end) in enumerate(_frames(file)):
            if number == 0 and payload != self._about.encode():
                return
            try:
                record = msgspec.msgpack.decode(payload, type=Record) if number else None
            except msgspec.DecodeError:
                return
            yield record, end

    def _note(self, outputs: Sequence[Output]) -> None:
        """Write down what is written without a gap, once it is on the disk."""
        import msgspec

        if records := self._whole():
            for output in outputs:
                os.fdatasync(output.fileno())
            self._add([msgspec.msgpack.encode(record) for record in records])
            self._noted = True

    def _whole(self) -> list[Record]:
        found = []
        with self._lock:
            while self._next in self._waiting:
                found.append(self._waiting.pop(self._next))
                self._next += 1
        return found

    def _add(self, payloads: Sequence[bytes]) -> None:
        assert self._file is not None  # noqa: S101
        for payload in payloads:
            self._file.write(FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
        self._file.flush()
        os.fdatasync(self._file.fileno())


def _frames(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield the frames that are whole, and where each ends."""
    while len(head := file.read(FRAME.size)) == FRAME.size:
        length, checksum = FRAME.unpack(head)
        payload = file.read(length) if length <= LARGEST_FRAME else b""
        if len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield payload, file.tell()
