"""Moving a guest's disk from one image into another.

The disk is cut into cells. For each cell that holds data, a thread fetches and inflates its runs
(the C libraries release the GIL), drops what is zero or what the base has already, and where the
target is compressed packs the rest; in the order of the disk the writer is asked for places, and
the thread writes. A few cells per thread are under way, so memory is bounded whatever the disk's
size, and what the source's tables call zero is never touched at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from converters.disks.crew import Finish, nothing, work_through
from converters.disks.image import Image
from converters.disks.journal import Journal, Record
from converters.disks.loading import Load, Loader, cells_of, differences_of, stretches_of
from converters.disks.output import Output
from converters.disks.placing import Placer, placer_for
from converters.disks.registry import DiskFormat, Shape
from converters.disks.salvage import Salvage
from converters.disks.writer import Level, PackedWriter, Writer
from rehost.errors import UsageError
from rehost.outputs import writing
from rehost.progress import SILENT, Progress

FINEST = 4096


@dataclass(frozen=True, slots=True)
class Care:
    """What a copy takes care of besides: each is left out unless it is asked for.

    ``base`` is the image that only differences are written to; ``delta`` names the stretches to
    write, ascending, so that the base need not be read; ``journal`` lets another run go on;
    ``salvage`` turns what cannot be read into zeros; ``watch`` is called now and then and may raise
    to end the copy. A ``durable`` copy is written back to the disk beside the copying, so that
    whoever syncs it at the end waits for little.
    """

    base: Image | None = None
    delta: Iterator[tuple[int, int]] | None = None
    journal: Journal | None = None
    salvage: Salvage | None = None
    watch: Callable[[], None] = field(default=nothing)
    durable: bool = False


USUAL = Care()


def write_image(
    image: Image,
    path: Path,
    into: DiskFormat,
    shape: Shape,
    progress: Progress = SILENT,
    *,
    elsewhere: Callable[[str], Path] | None = None,
    care: Care = USUAL,
) -> None:
    """Write what the guest sees of ``image`` to a new file in another format.

    Further files that the format needs lie beside it, or where ``elsewhere`` says.
    """
    refuse_unwritable(into, shape)
    with writing(path), Output(path, elsewhere=elsewhere) as output:
        fill(image, output, into, shape, progress=progress, care=care)


def refuse_unwritable(into: DiskFormat, shape: Shape) -> None:
    """Refuse a format that is not written, or not in the way that is asked for."""
    if into.create is None:
        raise UsageError(f"{into.title} is read, not written")
    if shape.level not in {None, Level.NONE} and not into.compresses:
        raise UsageError(f"{into.title} is never compressed", hint="Pass no level, or none.")
    if shape.base is not None and not into.overlays:
        raise UsageError(f"{into.title} is not written as differences to a base")


def fill(
    image: Image,
    output: Output,
    into: DiskFormat,
    shape: Shape,
    *,
    progress: Progress = SILENT,
    care: Care = USUAL,
) -> None:
    """Write what the guest sees of ``image`` to an output that is open."""
    refuse_unwritable(into, shape)
    assert into.create is not None  # noqa: S101
    if shape.base is not None:
        care = replace(care, base=shape.base.image)
    copy(image, into.create(output, shape), output, progress, care)


def copy(
    image: Image,
    writer: Writer | PackedWriter,
    output: Output,
    progress: Progress = SILENT,
    care: Care = USUAL,
) -> None:
    """Fill a new image with what the guest sees of ``image``, and finish it."""
    placer = placer_for(writer, output)
    unit = writer.unit if placer.packs else max(writer.unit, FINEST)
    done = _resumed(care, placer)
    output.go_on()
    progress.advance(done)
    if care.delta is not None:
        items, loader = stretches_of(image, care.delta, unit, done, care.salvage)
    elif care.base is None:
        items, loader = cells_of(image, unit, done, care.salvage)
    else:
        items, loader = differences_of(image, care.base, unit, done, care.salvage)
    copying = _Copying(placer, loader, progress, care, done)

    def watch() -> None:
        care.watch()
        if care.journal:
            care.journal.watch(output.all)
        if care.durable:
            output.write_back()

    try:
        work_through(items, copying.prepare, copying.settle, watch=watch)
    finally:
        if care.journal:
            care.journal.close(output.all)
    progress.advance(image.size - copying.done)
    writer.finish()


class _Copying:
    """One copy under way; ``done`` is how far the writer has been asked for places."""

    def __init__(
        self, placer: Placer, loader: Loader, progress: Progress, care: Care, done: int
    ) -> None:
        self.done = done
        self._placer = placer
        self._loader = loader
        self._progress = progress
        self._care = care
        self._number = 0

    def prepare(self, item: object) -> Load:
        """Load an item, and pack it if it is to be packed; on any thread."""
        loaded = self._loader.load(item)
        return loaded._replace(pieces=self._placer.packed(loaded.pieces))

    def settle(self, item: object, loaded: Load) -> Finish:
        """Ask the writer for places, in order, and return what writes to them."""
        del item
        writes, placed = self._placer.placed(loaded.pieces)
        journal, number = self._care.journal, self._number
        lost = self._care.salvage.between(self.done, loaded.stop) if self._care.salvage else []
        self._progress.advance(loaded.stop - self.done)
        self.done, self._number = loaded.stop, number + 1

        def finish() -> None:
            self._placer.write(writes)
            self._loader.release(loaded)
            if journal:
                journal.written(number, Record(loaded.stop, placed, lost))

        if not self._placer.sequential:
            return finish
        finish()
        return nothing


def _resumed(care: Care, placer: Placer) -> int:
    """Ask the writer again for what an earlier run has written, and return how far that was."""
    if care.journal is None:
        return 0
    done = 0
    for record in care.journal.past():
        placer.repeat(record.pieces)
        if care.salvage:
            care.salvage.note(record.lost)
        done = record.stop
    care.journal.begin(anew=not done)
    return done
