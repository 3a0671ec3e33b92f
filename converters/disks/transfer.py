"""Converting one disk into one file or stream, from what the user named to what appears."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path

from converters.disks.copy import Care, fill, refuse_unwritable
from converters.disks.crew import nothing
from converters.disks.device import DeviceOutput, device_output
from converters.disks.image import Image, Run, resolved
from converters.disks.journal import SYNC_SECONDS, Journal
from converters.disks.output import Output, Stream
from converters.disks.registry import DiskFormat, Shape
from converters.disks.salvage import Lost, Salvage
from rehost.errors import EnvironmentFailureError, TransferError, UsageError
from rehost.outputs import Staging, writing
from rehost.progress import SILENT, Progress

JOURNAL = "journal"
GO_ON = "What is done is kept; pass --resume again to go on from there."


@dataclass(frozen=True, slots=True)
class Transfer:
    """One disk to be converted.

    ``dest`` is a file, or none for standard output. ``about`` identifies the source to a journal:
    it differs when the source is another one or has changed. With a ``delta``, only its stretches
    are written, whatever the base holds there.
    """

    image: Image
    dest: Path | None
    into: DiskFormat
    shape: Shape
    about: str = ""
    force: bool = False
    resume: bool = False
    salvages: bool = False
    delta: Iterator[tuple[int, int]] | None = None
    watch: Callable[[], None] = field(default=nothing)
    note_seconds: float = SYNC_SECONDS

    def run(self, progress: Progress = SILENT) -> list[Lost]:
        """Convert it; return what could not be read, which is empty unless it ``salvages``."""
        refuse_unwritable(self.into, self.shape)
        salvage = Salvage() if self.salvages else None
        image = self.image if self.image.size <= self.shape.size else Shrunk(self.image, self.shape)
        with self._output() as (output, journal):
            care = Care(
                delta=self.delta,
                journal=journal,
                salvage=salvage,
                watch=self.watch,
                durable=journal is not None,
            )
            fill(image, output, self.into, self.shape, progress=progress, care=care)
        return salvage.lost if salvage else []

    @contextmanager
    def _output(self) -> Iterator[tuple[Output, Journal | None]]:
        """Yield where to write, and the journal of that; the result appears when all went well."""
        if self.dest is None:
            yield _standard_output(), None
            return
        if self.dest.is_block_device():
            with writing(self.dest), self._device(self.dest) as device:
                yield device, None
            return
        name = self.dest.name
        with (
            self._hinted(),
            Staging(self.dest.parent, name, force=self.force, resume=self.resume) as staging,
        ):
            place = staging.path(name)
            beside = partial(staging.path, before=name)
            journal = self._journal(staging)
            keep = self.resume and journal.continues
            with writing(place), Output(place, name, elsewhere=beside, keep=keep) as output:
                yield output, journal
            staging.commit()

    def _device(self, path: Path) -> DeviceOutput:
        if self.resume:
            raise UsageError(
                "is a block device, where nothing is kept to go on from",
                where=str(path),
                hint="Run it again without --resume; it writes the device anew.",
            )
        return device_output(path, self.into.name, self.shape.size, force=self.force)

    def _journal(self, staging: Staging) -> Journal:
        options = sorted(self.shape.options.items())
        base = self.shape.base.name if self.shape.base else None
        terms = (self.about, self.into.name, self.shape.size, options, self.shape.level, base)
        about = sha256(repr(terms).encode()).hexdigest()
        return Journal(staging.aside(JOURNAL), about, seconds=self.note_seconds)

    @contextmanager
    def _hinted(self) -> Iterator[None]:
        """Tell whoever asked to resume that it is possible."""
        try:
            yield
        except (EnvironmentFailureError, TransferError) as error:
            if self.resume and (not error.hint or isinstance(error, EnvironmentFailureError)):
                error.hint = GO_ON
            raise


def _standard_output() -> Stream:
    if sys.stdout.isatty():
        raise UsageError(
            "an image would be written to the terminal",
            hint="Redirect standard output, or name a file as DEST.",
        )
    return Stream(sys.stdout.fileno(), "standard output")


class Shrunk:
    """The beginning of a disk."""

    parent = None

    def __init__(self, image: Image, shape: Shape) -> None:
        self.size = shape.size
        self.facts = image.facts
        self._image = image

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the runs of the whole chain, up to the new end."""
        return resolved(self._image, start, min(stop, self.size))
