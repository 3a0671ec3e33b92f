"""From what the user named to machines QEMU can have, and where the bytes of their drives lie.

A disk is booted where it is, even inside an .ova; only what lies in pieces or compressed has to be
converted first. Every image is opened by rehost before QEMU sees it, so that damage is told in
plain words and no image makes QEMU open a file outside its folder or package.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from converters.convert import Wishes, convert
from converters.disks.gate import FolderGate, Gate
from converters.disks.image import SECTOR
from converters.disks.registry import format_of, open_image
from converters.plan import Hardware, plan
from converters.qemu_storage import Drive
from converters.sources import Source
from converters.target import target_named
from rehost.errors import InteropError, UnsupportedInputError
from rehost.files import File, LocalFile, Window, open_beneath
from rehost.machine import Disk, Machine
from rehost.progress import Progress


class NotInPlaceError(UnsupportedInputError):
    """QEMU cannot open a disk where it lies: it is compressed, or in pieces inside an archive."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A machine as QEMU can have it, with its drives in the order of its disks and removables."""

    machine: Machine
    disks: tuple[Drive | None, ...]
    media: tuple[Drive | None, ...]


def machines_in(
    source: Source,
    *,
    change: Callable[[Machine], Machine] = lambda machine: machine,
    hardware: Hardware = Hardware.KEEP,
) -> list[Candidate]:
    """Return every machine of a source, after ``change``, ready to boot."""
    return [
        _candidate(change(subject.machine), source.file, source.gate, hardware)
        for subject in source.subjects
    ]


@contextmanager
def bootable(
    source: Source,
    place: Path,
    *,
    change: Callable[[Machine], Machine],
    hardware: Hardware,
    progress: Progress,
) -> Iterator[list[Candidate]]:
    """Yield every machine of a source, converting it first where its disks cannot be opened.

    The copies lie in a folder in ``place`` that goes when the block ends.
    """
    try:
        found = machines_in(source, change=change, hardware=hardware)
    except NotInPlaceError:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".rehost-boot-", dir=place) as name:
            wishes = Wishes(target_named("qemu"), hardware)
            outcome = convert(source, Path(name), wishes, progress)
            progress.close()
            yield [machine_in(Path(name), change(each.machine)) for each in outcome.plans]
    else:
        yield found


def machine_in(folder: Path, machine: Machine) -> Candidate:
    """Return a machine whose files lie in a folder, as a conversion leaves it."""
    return _candidate(
        machine,
        lambda name: open_beneath(folder, name, by=machine.name),
        lambda _: FolderGate(folder),
        Hardware.KEEP,
    )


def _candidate(
    machine: Machine,
    open_file: Callable[[str], File],
    gate_for: Callable[[str], Gate],
    hardware: Hardware,
) -> Candidate:
    planned, _ = plan(machine, target_named("qemu"), hardware)
    return Candidate(
        planned,
        tuple(_disk(disk, open_file, gate_for) for disk in planned.disks),
        tuple(_medium(each.file, open_file) for each in planned.removables),
    )


def _disk(
    disk: Disk, open_file: Callable[[str], File], gate_for: Callable[[str], Gate]
) -> Drive | None:
    if disk.file is None:
        return None
    file = open_file(disk.file)
    name = disk.format or format_of(file).name
    gate = _Watched(gate_for(disk.file))
    open_image(file, gate, format=name)
    if gate.opened and not isinstance(file, LocalFile):
        raise _not_in_place(file)
    return drive_at(file, name)


class _Watched:
    """A gate that remembers whether an image went through it."""

    def __init__(self, gate: Gate) -> None:
        self.opened = False
        self._gate = gate

    def open(self, name: str, *, by: str) -> File:
        """Open a file as the gate does."""
        self.opened = True
        return self._gate.open(name, by=by)


def _not_in_place(file: File) -> NotInPlaceError:
    return NotInPlaceError(
        "is compressed or in pieces, so QEMU cannot open it where it is",
        where=file.name,
        hint="Convert the machine and boot the result: rehost convert --to qemu --boot.",
    )


def _medium(name: str | None, open_file: Callable[[str], File]) -> Drive | None:
    """Return the medium in a drive; one that cannot be had leaves the drive empty."""
    if name is None:
        return None
    try:
        return drive_at(open_file(name), "raw")
    except InteropError:
        return None


def drive_at(file: File, format: str) -> Drive:  # noqa: A002
    """Return where on this computer the bytes of a file lie.

    QEMU takes whole sectors only; a member of a tar that ends within one is followed by zeros.
    """
    offset, whole, inner = 0, True, file
    while isinstance(inner, Window):
        offset, whole, inner = offset + inner.offset, False, inner.inner
    if not isinstance(inner, LocalFile):
        raise _not_in_place(file)
    path = str(inner.path.absolute())
    if whole:
        return Drive(path, format)
    return Drive(path, format, offset, -(-file.size // SECTOR) * SECTOR)
