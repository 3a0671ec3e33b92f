"""Between the engine and the two kinds of writer: packing, asking for places, and writing there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from converters.disks.cells import Piece
from converters.disks.journal import Placed
from converters.disks.output import Output
from converters.disks.writer import PackedWriter, Writer, ZeroMarker
from rehost.errors import TransferError

ZEROED = -1
"""The offset noted for what is not stored but marked."""


class Write(NamedTuple):
    """Buffers to be written at an offset of one of the image's files."""

    buffers: Sequence[memoryview]
    offset: int
    output: Output


class Placer(Protocol):
    """How one kind of writer is filled."""

    packs: bool
    sequential: bool

    def packed(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        """Return pieces as they are to be stored; on any thread."""

    def placed(self, content: Sequence[Piece]) -> tuple[list[Write], list[Placed]]:
        """Ask for places, in order: return what is to be written, and what to remember of it."""

    def repeat(self, pieces: Sequence[Placed]) -> None:
        """Ask once more for the places of what is written already."""

    def write(self, writes: Sequence[Write]) -> None:
        """Write; on any thread."""


def placer_for(writer: Writer | PackedWriter, output: Output) -> Placer:
    """Return how a writer is filled."""
    if isinstance(writer, PackedWriter):
        return _PackedPlacer(writer, output)
    return _PlainPlacer(writer, output)


class _PlainPlacer:
    """Pieces go as they are, those that touch together."""

    packs = False

    def __init__(self, writer: Writer, output: Output) -> None:
        self.sequential = output.sequential
        self._writer = writer
        self._output = output

    def packed(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        return pieces

    def placed(self, content: Sequence[Piece]) -> tuple[list[Write], list[Placed]]:
        writes, pieces = [], []
        for group in _touching(content):
            start, length = group[0].start, group[-1].stop - group[0].start
            if group[0].zeros and self._zeroed(start, length):
                pieces.append(Placed(start, ZEROED, length))
                continue
            buffers = [piece.content for piece in group]
            places = self._writer.place(start, length)
            pieces.append(Placed(start, places[0].offset, length))
            for offset, part, other in places:
                taken, buffers = _split(buffers, part)
                writes.append(Write(taken, offset, other or self._output))
        return writes, pieces

    def repeat(self, pieces: Sequence[Placed]) -> None:
        for start, offset, length in pieces:
            if offset == ZEROED:
                self._zeroed(start, length)
            elif self._writer.place(start, length)[0].offset != offset:
                raise _disagreement(self._output)

    def _zeroed(self, start: int, length: int) -> bool:
        """Let the writer mark a stretch as zeros, if it can."""
        return isinstance(self._writer, ZeroMarker) and self._writer.zero(start, length)

    def write(self, writes: Sequence[Write]) -> None:
        _write(writes)


class _PackedPlacer:
    """Each unit is packed by itself."""

    packs = True

    def __init__(self, writer: PackedWriter, output: Output) -> None:
        self.sequential = output.sequential
        self._writer = writer
        self._output = output

    def packed(self, pieces: Sequence[Piece]) -> Sequence[Piece]:
        unit, pack = self._writer.unit, self._writer.pack
        return [
            Piece(start + at, memoryview(pack(start + at, content[at : at + unit])))
            for start, content, _ in pieces
            for at in range(0, len(content), unit)
        ]

    def placed(self, content: Sequence[Piece]) -> tuple[list[Write], list[Placed]]:
        append = self._writer.append
        placed = [Piece(append(start, packed), packed) for start, packed, _ in content]
        writes = [
            Write([piece.content for piece in group], group[0].start, self._output)
            for group in _touching(placed)
        ]
        pieces = [
            Placed(piece.start, at.start, len(piece.content))
            for piece, at in zip(content, placed, strict=True)
        ]
        return writes, pieces

    def repeat(self, pieces: Sequence[Placed]) -> None:
        for start, offset, length in pieces:
            stored = memoryview(self._output.read(offset, length))
            if len(stored) < length or self._writer.append(start, stored) != offset:
                raise _disagreement(self._output)

    def write(self, writes: Sequence[Write]) -> None:
        _write(writes)


def _write(writes: Sequence[Write]) -> None:
    for buffers, offset, output in writes:
        output.writev(buffers, offset)


def _disagreement(output: Output) -> TransferError:
    return TransferError(
        "what an interrupted run left is not what it noted",
        where=output.name,
        hint="Run again without --resume, to begin anew.",
    )


def _touching(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Group pieces of one kind that follow each other without a gap."""
    group: list[Piece] = []
    for piece in pieces:
        if group and (group[-1].stop != piece.start or group[-1].zeros != piece.zeros):
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _split(buffers: list[memoryview], length: int) -> tuple[list[memoryview], list[memoryview]]:
    """Cut buffers behind their first ``length`` bytes."""
    taken: list[memoryview] = []
    for number, buffer in enumerate(buffers):
        if length < len(buffer):
            rest = [buffer[length:], *buffers[number + 1 :]]
            return ([*taken, buffer[:length]] if length else taken), rest
        taken.append(buffer)
        length -= len(buffer)
    return taken, []
