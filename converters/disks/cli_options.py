"""Options that several ``disk`` commands take."""

from __future__ import annotations

from pathlib import Path

import click

SOURCE = click.Path(path_type=str)
"""A path, a URL or ARCHIVE!MEMBER; completed as a path."""

format_option = click.option(
    "--format", "named", metavar="FORMAT", help="Read SOURCE as this, not as what it looks like."
)
access_options = (
    click.option("--snapshot", metavar="NAME", help="Read this internal snapshot of SOURCE."),
    click.option(
        "--passphrase-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Decrypt SOURCE with the first line of this file.",
    ),
)
