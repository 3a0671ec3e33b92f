"""``rehost ovf unpack``: a package as files in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from ovf.edit.result import ARCHIVE, DIGESTS, force_option, source_argument, transfer
from rehost.console.examples import examples
from rehost.console.parameters import PATH
from rehost.errors import UsageError


@click.command(
    short_help="Unpack a package into a folder.", epilog=examples("ovf unpack in.ova folder/")
)
@source_argument
@click.argument("dest", metavar="FOLDER", type=PATH)
@click.option("--digest", type=click.Choice(DIGESTS), help="Make the manifest anew.")
@force_option
@click.pass_context
def unpack(
    ctx: click.Context, source: Path, dest: Path, digest: str | None, *, force: bool
) -> None:
    """Unpack the package SOURCE into FOLDER, as it is; its manifest has to be true.

    A FOLDER.ovf names the descriptor, too.
    """
    if dest.suffix.lower() == ARCHIVE:
        raise UsageError(
            "is named as an archive, not as a folder",
            where=str(dest),
            hint="`rehost ovf pack` makes archives.",
        )
    transfer(ctx, source, dest, digest=digest, force=force, pack=False)


COMMAND = unpack
