"""Moving a guest's disk from one image into another.

The disk is cut into cells. For each cell that holds data, a thread fetches and inflates its runs
(the C libraries release the GIL), drops what is zero and, where the target is compressed, packs the
rest; in the order of the disk the writer is asked for places, and the thread writes. A few cells
per thread are under way, so memory is bounded whatever the disk's size, and what the source's
tables call zero is never touched at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from converters.disks.cells import CELL, Buffers, Cell, Piece, cells, load
from converters.disks.crew import Finish, nothing, work_through
from converters.disks.image import Image
from converters.disks.output import Output
from converters.disks.registry import DiskFormat, Shape
from converters.disks.writer import Level, PackedWriter, Writer
from rehost.errors import UsageError
from rehost.outputs import writing
from rehost.progress import SILENT, Progress

FINEST = 4096


class Write(NamedTuple):
    """Buffers to be written at an offset of one of the image's files, by default the first."""

    buffers: Sequence[memoryview]
    offset: int
    output: Output | None


class Load(NamedTuple):
    """The pieces of a cell, and the buffer they may be views of until they are written."""

    pieces: Sequence[Piece]
    buffer: bytearray


Prepare = Callable[[Cell], Load]
Place = Callable[[Sequence[Piece]], list[Write]]


def write_image(
    image: Image,
    path: Path,
    into: DiskFormat,
    shape: Shape,
    progress: Progress = SILENT,
    *,
    elsewhere: Callable[[str], Path] | None = None,
) -> None:
    """Write what the guest sees of ``image`` to a new file in another format.

    Further files that the format needs lie beside it, or where ``elsewhere`` says.
    """
    if into.create is None:
        raise UsageError(f"{into.title} is read, not written")
    if shape.level not in {None, Level.NONE} and not into.compresses:
        raise UsageError(f"{into.title} is never compressed", hint="Pass no level, or none.")
    with writing(path), Output(path, elsewhere=elsewhere) as output:
        copy(image, into.create(output, shape), output, progress)


def copy(
    image: Image, writer: Writer | PackedWriter, output: Output, progress: Progress = SILENT
) -> None:
    """Fill a new image with what the guest sees of ``image``, and finish it."""
    packs = isinstance(writer, PackedWriter)
    unit = writer.unit if packs else max(writer.unit, FINEST)
    buffers = Buffers(max(CELL, unit))
    prepare, place = _ways(writer, unit, buffers)
    done = 0

    def settle(cell: Cell, loaded: Load) -> Finish:
        nonlocal done
        progress.advance(cell.stop - done)
        done = cell.stop
        finish = partial(_write, output, place(loaded.pieces), loaded.buffer, buffers)
        if not output.sequential:
            return finish
        finish()
        return nothing

    work_through(cells(image, unit), prepare, settle)
    progress.advance(image.size - done)
    writer.finish()


def _ways(writer: Writer | PackedWriter, unit: int, buffers: Buffers) -> tuple[Prepare, Place]:
    """Return how to fill a writer: the work of any thread, and what keeps the order."""
    if isinstance(writer, PackedWriter):
        return partial(_packed, writer, buffers), partial(_appended, writer)
    return partial(_loaded, unit, buffers), partial(_placed, writer)


def _loaded(unit: int, buffers: Buffers, cell: Cell) -> Load:
    buffer = buffers.take()
    return Load(load(cell, unit, buffer), buffer)


def _packed(writer: PackedWriter, buffers: Buffers, cell: Cell) -> Load:
    """Load a cell and pack it unit by unit; each piece keeps its place on the guest's disk."""
    unit, buffer = writer.unit, buffers.take()
    pieces = [
        Piece(start + at, memoryview(writer.pack(start + at, content[at : at + unit])))
        for start, content in load(cell, unit, buffer)
        for at in range(0, len(content), unit)
    ]
    return Load(pieces, buffer)


def _appended(writer: PackedWriter, pieces: Sequence[Piece]) -> list[Write]:
    """Give packed pieces their places; those that follow each other in the file go at once."""
    placed = [Piece(writer.append(*piece), piece.content) for piece in pieces]
    return [
        Write([piece.content for piece in group], group[0].start, None)
        for group in _touching(placed)
    ]


def _placed(writer: Writer, pieces: Sequence[Piece]) -> list[Write]:
    """Ask the writer where pieces go as they are."""
    writes = []
    for group in _touching(pieces):
        start = group[0].start
        buffers = [piece.content for piece in group]
        for offset, length, other in writer.place(start, group[-1].stop - start):
            taken, buffers = _split(buffers, length)
            writes.append(Write(taken, offset, other))
    return writes


def _write(output: Output, writes: Sequence[Write], buffer: bytearray, lender: Buffers) -> None:
    for buffers, offset, other in writes:
        (other or output).writev(buffers, offset)
    lender.give(buffer)


def _touching(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Group pieces that follow each other without a gap."""
    group: list[Piece] = []
    for piece in pieces:
        if group and group[-1].stop != piece.start:
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
