"""``rehost ovf pack``: a package as one file."""

from __future__ import annotations

from pathlib import Path

import click

from ovf.edit.result import ARCHIVE, DIGESTS, force_option, source_argument, transfer
from rehost.console.examples import examples
from rehost.console.parameters import PATH
from rehost.errors import UsageError


@click.command(
    short_help="Pack a package into one .ova.",
    epilog=examples("ovf pack folder/ out.ova", "ovf pack web.ovf out.ova --digest sha1"),
)
@source_argument
@click.argument("dest", type=PATH)
@click.option(
    "--digest",
    type=click.Choice(DIGESTS),
    help="Make the manifest anew, or leave it out; by default the one there is has to be true.",
)
@force_option
@click.pass_context
def pack(ctx: click.Context, source: Path, dest: Path, digest: str | None, *, force: bool) -> None:
    """Pack SOURCE, a descriptor and the files it names, into the archive DEST.

    Without a manifest one is made, with SHA256. Sizes that are not stated or wrong are corrected,
    unless the package is signed.
    """
    if dest.suffix.lower() != ARCHIVE:
        raise UsageError(
            f"is not named as an archive of a package ({dest.suffix!r})",
            where=str(dest),
            hint="Name it DEST.ova.",
        )
    transfer(ctx, source, dest, digest=digest, force=force, pack=True)


COMMAND = pack
