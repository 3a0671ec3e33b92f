"""Where a new image goes: a file and those that appear with it, or a stream that cannot go back."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rehost.errors import UsageError

PADDING = bytes(1 << 20)
MOST_BUFFERS = 512


class Output:
    """A new file of an image, written at any offset; what is not written reads as zeros.

    ``name`` is the one it will have at last. ``elsewhere`` says where a file that is to lie beside
    it is written for now. With ``keep`` what an earlier run wrote there stays.
    """

    sequential = False
    holds_zeros = True

    def __init__(
        self,
        path: Path,
        name: str = "",
        *,
        elsewhere: Callable[[str], Path] | None = None,
        keep: bool = False,
    ) -> None:
        self.name = name or path.name
        self._elsewhere = elsewhere or path.with_name
        self._keep = keep
        self._file = path.open("r+b" if keep and path.exists() else "w+b", buffering=0)
        self._others: list[Output] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        for other in self._others:
            other.__exit__(kind, error, trace)

    @property
    def all(self) -> list[Output]:
        """This file and those beside it."""
        return [self, *(each for other in self._others for each in other.all)]

    def beside(self, name: str) -> Output:
        """Begin another file of the same image, such as an extent or a data file."""
        place = self._elsewhere(name)
        other = Output(place, name, elsewhere=self._elsewhere, keep=self._keep)
        self._others.append(other)
        return other

    def fileno(self) -> int:
        """Return the descriptor, for copying inside the kernel."""
        return self._file.fileno()

    def write(self, content: bytes | memoryview, offset: int) -> None:
        """Write all of ``content`` at an offset."""
        self.writev([memoryview(content)], offset)

    def writev(self, buffers: Sequence[memoryview], offset: int) -> None:
        """Write all of several buffers; a kernel may take less, and says why when asked again."""
        rest = list(buffers)
        while rest:
            written = os.pwritev(self.fileno(), rest[:MOST_BUFFERS], offset)
            rest, offset = _behind(rest, written), offset + written

    def read(self, offset: int, length: int) -> bytes:
        """Return what was written at an offset."""
        return os.pread(self.fileno(), length, offset)

    def write_back(self) -> None:
        """Make durable what has been written so far."""
        for each in self.all:
            os.fdatasync(each.fileno())

    def need_going_back(self) -> None:
        """Say, before anything is written, that offsets will not ascend."""

    def truncate(self, size: int) -> None:
        """Give the file its length; what an earlier run wrote is not cut off while it is kept."""
        if not self._keep or size > os.fstat(self.fileno()).st_size:
            os.ftruncate(self.fileno(), size)

    def go_on(self) -> None:
        """Keep no longer what an earlier run wrote: the writer knows of all that is to stay."""
        for each in self.all:
            each._keep = False


class Stream(Output):
    """Standard output, or whatever else takes bytes one after the other."""

    sequential = True

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self._descriptor = descriptor
        self._at = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the descriptor open: it is another's."""

    @property
    def all(self) -> list[Output]:
        """Nothing that could be made durable."""
        return []

    def beside(self, name: str) -> Output:
        """Refuse: there is one stream."""
        raise UsageError(
            f"the image needs a second file ({name}), which cannot be streamed",
            where=self.name,
            hint="Name a file as DEST, or choose a kind of image that is one file.",
        )

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def writev(self, buffers: Sequence[memoryview], offset: int) -> None:
        """Write buffers where the stream is, or further on, behind zeros."""
        self.truncate(offset)
        if offset < self._at:
            self.need_going_back()
        rest = list(buffers)
        while rest:
            written = os.writev(self._descriptor, rest[:MOST_BUFFERS])
            rest = _behind(rest, written)
            self._at += written

    def need_going_back(self) -> None:
        """Refuse."""
        raise UsageError(
            "this kind of image cannot be streamed, for it is written back and forth",
            where=self.name,
            hint="Name a file as DEST, or choose a format that is a stream.",
        )

    def read(self, offset: int, length: int) -> bytes:
        """Refuse: what was written has gone."""
        raise UsageError(
            f"this kind of image cannot be streamed (it reads {length} bytes at {offset} again)",
            where=self.name,
            hint="Name a file as DEST, or choose a format that is a stream.",
        )

    def truncate(self, size: int) -> None:
        """Write zeros up to a length."""
        while self._at < size:
            self._at += os.write(self._descriptor, PADDING[: size - self._at])


def _behind(buffers: list[memoryview], count: int) -> list[memoryview]:
    """Return what is left of buffers when their first ``count`` bytes are gone."""
    number = 0
    while number < len(buffers) and count >= len(buffers[number]):
        count -= len(buffers[number])
        number += 1
    left = buffers[number:]
    if count:
        left[0] = left[0][count:]
    return left
