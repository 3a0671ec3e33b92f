"""What the user named on the command line: a package, a configuration, a disk, or a folder of one.

Whatever it is, it becomes machines, and for each disk of a machine an image that can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from converters.configs.registry import config_of
from converters.disks.gate import FolderGate, Gate
from converters.disks.image import Image
from converters.disks.locate import DESCRIPTION
from converters.disks.registry import RAW, format_named, format_of, open_image
from ovf.contents.gate import PackageGate
from ovf.machines.hardware import read_machines
from ovf.package import Package
from rehost.archive import looks_like_tar
from rehost.errors import DamagedInputError, InteropError, RefusedError
from rehost.files import GZIP_MAGIC, File, LocalFile, open_beneath
from rehost.machine import Disk, Machine, Origin
from rehost.report import Loss, assumed

MOST_FILES = 10_000
START = 4096
BOOT_SIGNATURE = b"\x55\xaa"
PACKAGE_SUFFIXES = frozenset({".ovf", ".ova"})


class SourceKind(StrEnum):
    """What a source is, in the words of ``rehost inspect``."""

    PACKAGE = "package"
    CONFIGURATION = "configuration"
    DISK = "disk"


@dataclass(frozen=True, slots=True)
class Subject:
    """One machine of a source, and what its reader could not keep."""

    machine: Machine
    losses: tuple[Loss, ...] = ()


class Source:
    """A source that is open: its machines, and access to their files."""

    def __init__(
        self,
        kind: SourceKind,
        path: Path,
        subjects: Sequence[Subject],
        *,
        package: Package | None = None,
        folders: Sequence[Path] = (),
    ) -> None:
        self.kind = kind
        self.path = path
        self.subjects = tuple(subjects)
        self.package = package
        self._folders = tuple(folders)

    def file(self, name: str) -> File:
        """Open a file that a machine names."""
        if self.package is not None:
            return self.package.file_named(name)
        if self.kind is SourceKind.DISK:
            return LocalFile(self.path)
        return _open_named(name, self._folders, by=str(self.path))

    def where(self, name: str | None) -> str:
        """Return what messages call a file that a machine names."""
        return str(self.path) if name is None else self.file(name).name

    def image(self, disk: Disk) -> Image:
        """Open the image of a disk that is not blank."""
        assert disk.file is not None  # noqa: S101
        return open_image(self.file(disk.file), self.gate(disk.file), format=disk.format)

    def gate(self, name: str) -> Gate:
        """Return the gate for what the file called ``name`` may name in its turn."""
        if self.package is not None:
            return PackageGate(self.package, name)
        if self.kind is SourceKind.DISK:
            return FolderGate(self.path.parent)
        return FolderGate(_folder_of(name, self._folders))


def open_source(path: Path, *, allowed: Sequence[Path] = ()) -> Source:
    """Open what lies at ``path``; a configuration may also name files in the folders allowed."""
    if path.is_dir():
        described = path / DESCRIPTION
        path = described if described.is_file() else _only_document(path)
    if _is_package(path):
        package = Package.open(path)
        subjects = [Subject(machine, tuple(losses)) for machine, losses in read_machines(package)]
        return Source(SourceKind.PACKAGE, path, subjects, package=package)
    if (config := config_of(path)) is not None:
        machine, losses = config.read(path)
        folders = [path.parent, *allowed]
        return Source(
            SourceKind.CONFIGURATION, path, [Subject(machine, tuple(losses))], folders=folders
        )
    return Source(SourceKind.DISK, path, [_bare_disk(path)])


def _is_package(path: Path) -> bool:
    """Tell an OVF package by its name or its first bytes."""
    if path.suffix.lower() in PACKAGE_SUFFIXES:
        return True
    start = LocalFile(path).pread(0, START)
    if start.startswith(GZIP_MAGIC):
        return path.suffix.lower() in {".gz", ".tgz"}
    return looks_like_tar(start) or (b"<" in start[:8] and b"Envelope" in start)


def _only_document(folder: Path) -> Path:
    """Return the one package or configuration in a folder."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())[:MOST_FILES]
    except OSError as error:
        raise RefusedError(f"cannot be listed ({error.strerror})", where=str(folder)) from error
    found = [path for path in files if path.suffix.lower() == ".ovf"]
    found = found or [path for path in files if _is_document(path)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(path.name for path in found[:5]) or "none"
    raise DamagedInputError(
        f"does not hold exactly one package or configuration (found {listed})",
        where=str(folder),
        hint="Name the file you mean.",
    )


def _is_document(path: Path) -> bool:
    try:
        return _is_package(path) or config_of(path) is not None
    except InteropError:
        return False


def _bare_disk(path: Path) -> Subject:
    """Make a machine around a disk image; all but the disk is left unsaid."""
    file = LocalFile(path)
    found = format_of(file)
    if found.name == RAW and not _is_raw_disk(path, file):
        raise DamagedInputError(
            "is no package, configuration or disk image that is known",
            where=str(path),
            hint="If it is a raw disk, rename it to end in .raw.",
        )
    image = open_image(file, FolderGate(path.parent), format=found.name)
    disk = Disk(file=path.name, format=found.name, size=image.size)
    machine = Machine(name=path.stem, origin=Origin("disk", str(path)), disks=(disk,))
    why = "a disk image says nothing of the machine it belongs to"
    return Subject(machine, (assumed("name", path.stem, why),))


def _is_raw_disk(path: Path, file: File) -> bool:
    """Say whether something is a disk by its name, its kind, or its boot sector."""
    if file.size == 0:
        return False
    named_so = path.suffix.lower() in format_named(RAW).suffixes
    return named_so or path.is_block_device() or file.pread(510, 2) == BOOT_SIGNATURE


def _folder_of(name: str, folders: Sequence[Path]) -> Path:
    """Return the folder, among those allowed, that a configuration's file name lies in."""
    path = Path(name)
    for folder in folders:
        if path.is_absolute() and path.is_relative_to(folder.resolve()):
            return folder
    return folders[0]


def _open_named(name: str, folders: Sequence[Path], *, by: str) -> File:
    folder = _folder_of(name, folders)
    path = Path(name)
    if path.is_absolute() and path.is_relative_to(folder.resolve()):
        return open_beneath(folder, str(path.relative_to(folder.resolve())), by=by)
    if path.is_absolute():
        raise RefusedError(
            f"names a file outside its own folder ({name!r})",
            where=by,
            hint=f"If that is right, pass --allow {path.parent}.",
        )
    return open_beneath(folder, name, by=by)
