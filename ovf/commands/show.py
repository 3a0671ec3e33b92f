"""``rehost ovf show``: what a package holds."""

from __future__ import annotations

from pathlib import Path

import click

from ovf.edit.result import source_argument
from rehost.console.examples import examples
from rehost.console.output import emit_json, say
from rehost.console.parameters import json_option


@click.command(
    short_help="Show what a package holds.", epilog=examples("ovf show in.ova --verbose")
)
@source_argument
@click.option("--verbose", is_flag=True, help="Show everything: devices, properties, licences.")
@json_option
def show(source: Path, *, verbose: bool, as_json: bool) -> None:
    """Show what the package SOURCE holds, sound or not.

    SOURCE is an .ova, an .ovf or a folder that holds one. Nothing but the descriptor is read.
    """
    from ovf.package import Package
    from ovf.summary import summary_of

    found = summary_of(Package.open(source))
    if as_json:
        import msgspec

        emit_json(msgspec.to_builtins(found))
        return

    from ovf.showing import shown

    say(shown(found, verbose=verbose))


COMMAND = show
