"""The ``disk`` commands: what an image is, where its bytes lie, and moving them."""

from __future__ import annotations

import click

from converters.disks.cli_check import check
from converters.disks.cli_convert import convert, resize
from converters.disks.cli_digest import compare, digest
from converters.disks.cli_info import info, show_map


@click.group(short_help="Look into disk images, and convert them.")
def disk() -> None:
    """Look into disk images, compare and convert them."""


disk.add_command(compare)
disk.add_command(digest)
disk.add_command(check)
disk.add_command(convert)
disk.add_command(resize)
disk.add_command(info)
disk.add_command(show_map)
