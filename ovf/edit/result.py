"""What the commands that edit have in common: where the result goes, and how it gets there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rehost.console.output import one_line, say
from rehost.console.parameters import PATH, with_options
from rehost.errors import UsageError
from rehost.progress import SILENT, Progress
from rehost.tar import fits_ustar

if TYPE_CHECKING:
    from ovf.edit.draft import Draft
    from ovf.package import Package
    from ovf.writing.parcel import Parcel

ARCHIVE = ".ova"
DESCRIPTOR = ".ovf"
LARGE = "is too large for a USTAR header; its size is written as GNU tar writes it"
UNSEEN = "is left out, for no file was looked at"
LEFT = "is no longer part of the package, but left where it is"
ALGORITHMS = ("sha1", "sha256", "sha384", "sha512")
DIGESTS = (*ALGORITHMS, "none")

source_argument = click.argument("source", type=PATH)
system_option = click.option(
    "--system",
    metavar="ID",
    help="The virtual system meant, by its id; needed where it is not alone.",
)
section_option = click.option(
    "--hardware-section",
    "section",
    metavar="N|ID|FAMILY",
    help="Which of its hardware sections, by place, id or family; the first unless said.",
)
digest_option = click.option(
    "--digest",
    type=click.Choice(DIGESTS),
    default="sha256",
    show_default=True,
    help="The digests of the manifest, or no manifest.",
)
force_option = click.option("--force", is_flag=True, help="Replace what is there.")
descriptor_option = click.option(
    "--descriptor-only",
    is_flag=True,
    help="Write the descriptor alone: no file is looked at, and there is no manifest.",
)
output_options = (
    click.option(
        "-o",
        "--output",
        "dest",
        metavar="DEST",
        type=PATH,
        help="Write the package here: an .ova, an .ovf or a folder.",
    ),
    click.option("--in-place", is_flag=True, help="Replace SOURCE itself."),
    force_option,
    digest_option,
    descriptor_option,
)
with_output = with_options(output_options)
"""Gives a command the options that say where its result goes."""


def edit(
    ctx: click.Context, source: Path, asked: dict[str, Any], change: Callable[[Draft], object]
) -> None:
    """Open a package, change it, and write it where ``asked`` says."""
    from ovf.edit.draft import Draft
    from ovf.edit.files import state_sizes
    from ovf.package import Package

    package = Package.open(source)
    dest, force = destination(package, asked)
    draft = Draft.of(package)
    draft.section = asked.get("section")
    change(draft)
    if asked["descriptor_only"]:
        found = descriptor_alone(draft, dest)
        draft.notes += unseen(package)
    else:
        state_sizes(draft)
        found = draft.parcel(name=name_for(dest), algorithm=algorithm(asked["digest"]))
    left = sorted(draft.removed) if asked["in_place"] and package.archive is None else []
    tell((*draft.notes, *found.notes, *(f"{package.where(name)}: {LEFT}" for name in left)))
    deliver(ctx, found, dest, force=force)


def deliver(ctx: click.Context, found: Parcel, dest: Path, *, force: bool) -> None:
    """Write a package, and say what was written."""
    if dest.suffix.lower() == ARCHIVE:
        large = [each.name for each in found.contents.files if not fits_ustar(each.open().size)]
        tell(tuple(f"{dest}!{name}: {LARGE}" for name in large))
    for path in put(found, dest, force=force, progress=ctx.obj or SILENT):
        say(f"wrote {one_line(str(path))}")


def put(found: Parcel, dest: Path, *, force: bool, progress: Progress) -> list[Path]:
    """Write a package as an archive or a folder, as ``dest`` is called; return what was written."""
    from ovf.writing.write import write_archive, write_folder

    if dest.suffix.lower() == ARCHIVE:
        write_archive(found.contents, dest, force=force, progress=progress)
        written = [dest]
    else:
        folder = dest.parent if dest.suffix.lower() == DESCRIPTOR else dest
        names = write_folder(found.contents, folder, force=force, progress=progress)
        written = [folder / name for name in names]
    progress.close()
    return written


def descriptor_alone(draft: Draft, dest: Path) -> Parcel:
    """Return a descriptor to be written without its files, which are not looked at."""
    from ovf.writing.parcel import Parcel
    from ovf.writing.write import Contents, held

    if dest.suffix.lower() == ARCHIVE:
        raise UsageError(
            "an archive is not written without its files",
            where=str(dest),
            hint="Write to an .ovf or a folder: -o DEST.ovf.",
        )
    name = name_for(dest) or draft.file.rpartition("/")[2]
    return Parcel(Contents(held(name, draft.content), (), None), ())


def unseen(package: Package) -> list[str]:
    """Return notes of what is left out where the descriptor alone is written."""
    seals = (package.manifest_name, package.certificate_name)
    return [f"{package.where(name)}: {UNSEEN}" for name in seals if name]


def transfer(
    ctx: click.Context, source: Path, dest: Path, *, digest: str | None, force: bool, pack: bool
) -> None:
    """Write a package as it is in its other form; packing also states sizes and makes a manifest.

    A manifest that is there is kept, unless ``digest`` asks for a new one.
    """
    from ovf.edit.draft import Draft
    from ovf.edit.files import state_sizes
    from ovf.package import Package
    from ovf.writing.parcel import parcel

    package = Package.open(source)
    chosen = algorithm(digest) if digest else "SHA256" if pack else None
    keep = digest is None
    signed = package.certificate_name is not None and keep
    if pack and not signed and package.envelope.dialect is None:
        draft = Draft.of(package)
        state_sizes(draft, missing=True)
        found = draft.parcel(name=name_for(dest), algorithm=chosen, keep=keep)
    else:
        found = parcel(package, name=name_for(dest), algorithm=chosen, keep=keep)
    tell(found.notes)
    deliver(ctx, found, dest, force=force)


def tell(notes: tuple[str, ...]) -> None:
    """Say on standard error what has to be known of a result, each thing once."""
    for note in dict.fromkeys(notes):
        say(f"note: {note}", err=True)


def algorithm(digest: str) -> str | None:
    """Return what a manifest calls a choice of ``--digest``."""
    return None if digest == "none" else digest.upper()


def destination(package: Package, asked: dict[str, Any]) -> tuple[Path, bool]:
    """Return where to write, and whether what is there is replaced."""
    dest: Path | None = asked["dest"]
    if asked["in_place"] == (dest is not None):
        raise UsageError(
            "it is not said where to write" if dest is None else "two places to write are named",
            hint="Pass -o DEST or --in-place.",
        )
    if dest is not None:
        return dest, asked["force"]
    if package.archive is not None and package.path.suffix.lower() != ARCHIVE:
        raise UsageError(
            "is an archive that is not named .ova, and is not replaced",
            where=str(package.path),
            hint="Write to another file: -o DEST.ova.",
        )
    return package.path, True


def name_for(dest: Path) -> str | None:
    """Return the descriptor's name where the destination gives it one."""
    return dest.name if dest.suffix.lower() == DESCRIPTOR else None
