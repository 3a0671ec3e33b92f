"""Repairing an image: a copy in the same format, made anew from what can be read of it.

Nothing of the old tables is kept, so leaks vanish, counts and checksums are right, copies agree and
the log is replayed. Where the disk's content cannot be known, only the user can say that zeros do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from converters.disks.checking import Checked
from converters.disks.copy import write_image
from converters.disks.gate import Gate
from converters.disks.health import check_image, opened
from converters.disks.image import Image
from converters.disks.noting import NotingGate
from converters.disks.options import Option
from converters.disks.registry import NOTHING_MORE, RAW, Access, Base, DiskFormat, Shape
from rehost.errors import RefusedError, TransferError, UsageError
from rehost.files import File, LocalFile
from rehost.progress import SILENT, Progress

MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """The image to repair: its file, what it may name, its format and what a check found."""

    file: File
    gate: Gate
    known: DiskFormat
    checked: Checked
    access: Access = NOTHING_MORE


def repair(
    subject: Subject,
    place: Path,
    dest: Path,
    *,
    accept_loss: bool = False,
    progress: Progress = SILENT,
    elsewhere: Callable[[str], Path] | None = None,
) -> bool:
    """Write the image anew at ``place``, which will be ``dest``; say if it was merged with others.

    An image that stores differences keeps doing so if the one below it lies beside ``dest``.
    """
    known, checked = subject.known, subject.checked
    if known.create is None:
        raise UsageError(
            f"{known.title} is read, not written, so it cannot be repaired",
            where=subject.file.name,
            hint="Convert it to another format: rehost disk convert.",
        )
    if not accept_loss:
        _refuse_loss(subject)
    gate = NotingGate(subject.gate)
    image = opened(subject.file, gate, known, checked, subject.access)
    base = _base(image, gate, subject, dest)
    shape = Shape(
        image.size,
        fitting(known.options, checked.options),
        checked.level if known.compresses else None,
        base,
    )
    progress.start(dest.name, image.size)
    write_image(image, place, known, shape, progress, elsewhere=elsewhere)
    return image.parent is not None and base is None


def fitting(options: tuple[Option, ...], wished: Mapping[str, str]) -> dict[str, str]:
    """Return those of an image's settings that its format can write.

    A wish may be several values, separated by commas, of which the first that fits is taken.
    """
    found = {}
    for option in options:
        values = wished.get(option.name, "").split(",")
        fits = [value for value in values if value in option.choices]
        if fits:
            found[option.name] = fits[0]
    return found


def _refuse_loss(subject: Subject) -> None:
    """Refuse what would silently lose something, naming the first of it."""
    lost, forgone = subject.checked.lost, subject.checked.forgone
    said = []
    if lost:
        first = "; ".join(
            f"{each.length} bytes at {each.start}: {each.why}" for each in lost[:MOST_NAMED]
        )
        more = f" and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
        said.append(f"parts of the disk cannot be known ({first}{more})")
    if forgone:
        said.append(f"the copy would lack {' and '.join(forgone)}")
    if said:
        raise RefusedError(
            f"is not repaired, for {', and '.join(said)}",
            where=subject.file.name,
            hint="Pass --accept-loss to get a copy all the same, with zeros for what is lost.",
        )


def _base(image: Image, gate: NotingGate, subject: Subject, dest: Path) -> Base | None:
    """Return the image below, if a copy at ``dest`` can name it: it lies beside or further down."""
    below = image.parent
    if below is None or not subject.known.overlays:
        return None
    parent = gate.below(subject.file.name, below)
    if parent is None:
        return None
    path, folder = Path(parent.name).absolute(), dest.absolute().parent
    if not path.is_relative_to(folder) or not path.is_file():
        return None
    return Base(str(path.relative_to(folder)), below.facts.format, below)


def check_copy(place: Path, gate: Gate, known: DiskFormat) -> None:
    """Check what was written, for a repair that leaves errors is none."""
    if known.name == RAW:
        return
    checked = check_image(LocalFile(place), gate, known)
    if checked.errors:
        raise TransferError(
            f"the copy has errors ({checked.problems[0].message})", where=str(place)
        )
