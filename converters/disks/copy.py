"""Moving a guest's disk from one image into another.

The disk is cut into cells. For each cell that holds data, a thread fetches and inflates its runs
(the C libraries release the GIL), drops what is zero and, where the target is compressed, packs the
rest; this thread asks the writer for places, in order, and writes. At most ``DEPTH`` cells per
thread are in flight, so memory is bounded whatever the disk's size, and what the source's tables
call zero is never touched at all.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from converters.disks.cells import Cell, Piece, cells, load
from converters.disks.image import Image
from converters.disks.output import Output
from converters.disks.registry import DiskFormat, Shape
from converters.disks.writer import Level, PackedWriter, Writer
from rehost.errors import UsageError
from rehost.outputs import writing
from rehost.progress import SILENT, Progress

DEPTH = 3
FINEST = 4096
THREADS = max(2, os.cpu_count() or 1)

Prepare = Callable[[Cell], list[Piece]]
Store = Callable[[Sequence[Piece]], None]


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
    unit, prepare, store = _ways(writer, output)
    done = 0
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for cell, prepared in _ahead(cells(image, unit), prepare, pool):
                store(prepared.result())
                progress.advance(cell.stop - done)
                done = cell.stop
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    progress.advance(image.size - done)
    writer.finish()


def _ways(writer: Writer | PackedWriter, output: Output) -> tuple[int, Prepare, Store]:
    """Return how to fill a writer: its unit, the work of the threads and that of this one."""
    if isinstance(writer, PackedWriter):
        return writer.unit, partial(_packed, writer), partial(_append, writer, output)
    unit = max(writer.unit, FINEST)
    return unit, partial(load, unit=unit), partial(_store, writer, output)


def _ahead(
    found: Iterator[Cell], prepare: Prepare, pool: ThreadPoolExecutor
) -> Iterator[tuple[Cell, Future[list[Piece]]]]:
    """Yield each cell with its content to come, while the threads work on the next ones."""
    waiting: deque[tuple[Cell, Future[list[Piece]]]] = deque()
    for cell in found:
        waiting.append((cell, pool.submit(prepare, cell)))
        if len(waiting) > THREADS * DEPTH:
            yield waiting.popleft()
    while waiting:
        yield waiting.popleft()


def _packed(writer: PackedWriter, cell: Cell) -> list[Piece]:
    """Load a cell and pack it unit by unit; each piece keeps its place on the guest's disk."""
    unit = writer.unit
    return [
        Piece(start + at, memoryview(writer.pack(start + at, content[at : at + unit])))
        for start, content in load(cell, unit)
        for at in range(0, len(content), unit)
    ]


def _append(writer: PackedWriter, output: Output, pieces: Sequence[Piece]) -> None:
    """Write packed pieces, those that follow each other in the file at once."""
    placed = [Piece(writer.append(*piece), piece.content) for piece in pieces]
    for group in _touching(placed):
        output.writev([piece.content for piece in group], group[0].start)


def _store(writer: Writer, output: Output, pieces: Sequence[Piece]) -> None:
    """Write pieces as they are to where the writer wants them."""
    for group in _touching(pieces):
        start = group[0].start
        buffers = [piece.content for piece in group]
        for offset, length, other in writer.place(start, group[-1].stop - start):
            taken, buffers = _split(buffers, length)
            (other or output).writev(taken, offset)


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
