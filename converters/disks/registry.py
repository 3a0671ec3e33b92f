"""Which disk formats there are, and which one a file is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from converters.disks.gate import ChainGate, Gate
from converters.disks.image import Image
from converters.disks.options import Option
from rehost.discovery import declared
from rehost.errors import DamagedInputError, UnsupportedInputError, UsageError
from rehost.files import File

if TYPE_CHECKING:
    from converters.disks.bitmaps import Bitmap
    from converters.disks.checking import Checked
    from converters.disks.output import Output
    from converters.disks.writer import Level, PackedWriter, Writer

RAW = "raw"
FOREIGN = {
    b"OOOM": "COW of User-mode Linux",
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"PK\3\4": "ZIP",
}
"""How files begin that are neither read nor raw."""

MOST_LAYERS = 64


@dataclass(frozen=True, slots=True)
class Access:
    """What the user gives to open an image: a snapshot's name or ID, the passphrase of a chain."""

    snapshot: str | None = None
    passphrase: str | None = None


NOTHING_MORE = Access()


@dataclass(frozen=True, slots=True)
class Base:
    """The image that a new one stores only differences to, and the name it is to be found by."""

    name: str
    format: str
    image: Image


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked of a new image: the disk's size in bytes and the format's options, checked.

    Without a ``level`` a format does what it always does: qcow2 stores, a stream compresses. With
    a ``base`` the engine hands over exactly the units that differ from it, those of zeros too.
    """

    size: int
    options: dict[str, str] = field(default_factory=dict)
    level: Level | None = None
    base: Base | None = None
    bitmaps: tuple[Bitmap, ...] = ()

    def option(self, chosen: Option) -> str:
        """Return what the user chose for an option, or its default."""
        return self.options.get(chosen.name, chosen.default)


@dataclass(frozen=True, slots=True)
class DiskFormat:
    """A disk format: how to recognise, read and write it.

    ``recognise`` says whether a file is one, sound or broken, from its first and last bytes;
    ``open`` raises for a broken one. ``create`` lays out a new image in an empty file, which may
    be compressed only if the format ``compresses``. What is recognised ``by_end`` is asked last,
    for what lies at the end of another format's file may be the guest's to write. ``check`` goes
    through all structures of a file, and raises only where nothing can be said of it. A file that
    ``holds_disks`` may have several, and one of them is opened when the file's name says which.

    ``open_with`` opens with more than the file: a snapshot where it ``opens_snapshots``, a
    passphrase where it ``decrypts``. ``keeps_bitmaps`` says that new images take a Shape's.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    recognise: Callable[[File], bool]
    open: Callable[[File, Gate], Image]
    create: Callable[[Output, Shape], Writer | PackedWriter] | None = None
    options: tuple[Option, ...] = ()
    compresses: bool = False
    by_end: bool = False
    overlays: bool = False
    open_with: Callable[[File, Gate, Access], Image] | None = None
    opens_snapshots: bool = False
    decrypts: bool = False
    keeps_bitmaps: bool = False
    check: Callable[[File, Gate], Checked] | None = None
    holds_disks: bool = False


def formats() -> tuple[DiskFormat, ...]:
    """Return every disk format known; raw, which any file could be, comes last."""
    known: tuple[DiskFormat, ...] = declared("converters.disks.formats", "FORMAT")
    return tuple(sorted(known, key=lambda each: (each.name == RAW, each.by_end, each.name)))


def format_named(name: str) -> DiskFormat:
    """Return the disk format called ``name``."""
    for known in formats():
        if known.name == name:
            return known
    names = ", ".join(known.name for known in formats())
    raise UsageError(f"no disk format is called {name!r}", hint=f"Known formats: {names}.")


def format_of(file: File) -> DiskFormat:
    """Return the format a file is in: the first that recognises it, else raw.

    A file that is named after another format is never taken for raw: it is broken.
    """
    found = next(known for known in formats() if known.recognise(file))
    if found.name == RAW:
        _refuse_foreign(file)
    suffix = PurePath(file.name).suffix.lower()
    claimed = next((known for known in formats() if suffix in known.suffixes), found)
    if found.name == RAW and claimed is not found:
        raise DamagedInputError(
            f"is no {claimed.title}, though its name says so (it begins {file.pread(0, 4)!r})",
            where=file.name,
            hint="If it is a raw disk, such as a flat extent, rename it to end in .raw.",
        )
    return found


def _refuse_foreign(file: File) -> None:
    """Refuse what is a disk in a format that is not read, for raw it is not."""
    start = file.pread(0, max(map(len, FOREIGN)))
    for magic, title in FOREIGN.items():
        if start.startswith(magic):
            raise UnsupportedInputError(
                f"is in a format that is not read ({title})",
                where=file.name,
                hint="Convert it to raw or qcow2 where it was made.",
            )


def format_for(path: Path) -> DiskFormat:
    """Return the format that a new file's suffix asks for."""
    for known in formats():
        if known.create and path.suffix.lower() in known.suffixes:
            return known
    suffixes = sorted(suffix for known in formats() if known.create for suffix in known.suffixes)
    raise UsageError(
        f"the suffix does not say which format to write ({path.suffix or 'none'})",
        where=str(path),
        hint=f"Pass --to FORMAT, or use one of {', '.join(suffixes)}.",
    )


def open_image(
    file: File,
    gate: Gate,
    *,
    format: str | None = None,  # noqa: A002
    access: Access = NOTHING_MORE,
) -> Image:
    """Open a disk image; the format is recognised unless it is named."""
    chosen = format_named(format) if format else format_of(file)
    if access.snapshot is not None and not chosen.opens_snapshots:
        raise UsageError(
            f"is a {chosen.title} image, which holds no snapshots (asked for {access.snapshot!r})",
            where=file.name,
            hint="Leave --snapshot away.",
        )
    if access.passphrase is not None and not chosen.decrypts:
        raise UsageError(
            f"is a {chosen.title} image, which takes no passphrase",
            where=file.name,
            hint="Leave --passphrase-file away.",
        )
    return chosen.open_with(file, gate, access) if chosen.open_with else chosen.open(file, gate)


def open_below(
    name: str,
    gate: Gate,
    *,
    by: str,
    format: str,  # noqa: A002
    access: Access = NOTHING_MORE,
) -> Image:
    """Open the image that ``by`` names as the one below it, refusing a chain without an end.

    A passphrase is handed on to what can be encrypted, a snapshot to nothing.
    """
    chosen = next((known for known in formats() if known.name == format), None)
    if chosen is None:
        raise UnsupportedInputError(
            f"the image below it has a format that is not read ({format!r})", where=by
        )
    above = (*gate.above, by) if isinstance(gate, ChainGate) else (by,)
    file = gate.open(name, by=by)
    if file.name in above:
        raise DamagedInputError(
            f"the chain of images below it leads to {file.name} again", where=by
        )
    if len(above) > MOST_LAYERS:
        raise DamagedInputError(
            f"the chain of images below the first is longer than {MOST_LAYERS}", where=by
        )
    inner = gate.inner if isinstance(gate, ChainGate) else gate
    handed_on = Access(passphrase=access.passphrase if chosen.decrypts else None)
    return open_image(file, ChainGate(inner, above), format=format, access=handed_on)
