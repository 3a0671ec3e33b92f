"""The commands of this package: ``rehost validate``, and ``rehost ovf`` with its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rehost.console.examples import examples
from rehost.console.parameters import PAIR, PATH
from rehost.console.reporting import OutputOption
from rehost.console.settings import refuse_unknown
from rehost.discovery import declared_by, names
from rehost.form import form_names
from rehost.progress import SILENT
from rehost.selection import LEVELS

COMMANDS = "ovf.commands"
FORMS = form_names()
SUPPRESS = "suppress"


@click.command(
    short_help="Judge packages by the standard or importers.",
    epilog=examples(
        "validate appliance.ova",
        "validate appliance.ova --target vmware-esxi-8 --target virtualbox",
        "validate *.ova -o sarif=out.sarif -o junit=out.xml",
        "validate appliance.ova --fix mended.ova",
    ),
)
@click.argument("sources", metavar="SOURCE...", type=PATH, nargs=-1, required=True)
@click.option(
    "--format",
    type=click.Choice(FORMS),
    default="text",
    show_default=True,
    help="How findings are written.",
)
@click.option(
    "-o",
    "--output",
    type=OutputOption(FORMS),
    multiple=True,
    help="Write to FILE instead of standard output; with FORM=, write that form there, too.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option(
    "--select",
    multiple=True,
    metavar="ID,...",
    help="Judge by these rules, ids or prefixes, only.",
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="ID,...",
    help="Do not judge by these rules.",
)
@click.option(
    "--severity",
    type=PAIR,
    multiple=True,
    metavar="ID=LEVEL",
    help="Call findings of a rule error, warning or info.",
)
@click.option(
    "--fail-on",
    type=click.Choice([*LEVELS, "never"]),
    default="error",
    show_default=True,
    help="The least severity that makes the exit code 1.",
)
@click.option("--baseline", type=PATH, help="Let the findings in this file not count.")
@click.option("--write-baseline", type=PATH, help="Accept all there is now, in a baseline.")
@click.option(
    "--package", type=PATH, help="The package that the sources, environment documents, are of."
)
@click.option(
    "--schemas",
    type=PATH,
    metavar="DIR",
    help="Use the DMTF's schemas in this folder, not rehost's.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Say where in the tree the schema is broken, and all that it expects there.",
)
@click.option(
    "--no-remarks", is_flag=True, help="Do not listen to `rehost: ignore` in descriptors."
)
@click.option(
    "--target",
    multiple=True,
    metavar="NAME",
    help="Judge by what this importer accepts instead; may be given again.",
)
@click.option(
    "--fix",
    type=PATH,
    metavar="DEST",
    help="Mend what needs no guess, write the result here, and judge that.",
)
@click.option(
    "--dry-run", is_flag=True, help="With --fix, write nothing: say what would be mended and left."
)
@click.option("--descriptor-only", is_flag=True, help="Open no file but the descriptor.")
@click.option(
    "--deep", is_flag=True, help="Also read every block of the disks, in one pass with the digests."
)
@click.pass_context
def validate(ctx: click.Context, /, sources: tuple[Path, ...], **options: Any) -> None:
    """Judge OVF packages by the standard, or by what importers accept.

    SOURCE is an .ova, an .ovf, a folder that holds one, or - for standard input. `rehost ovf
    explain ID` explains a rule. With --target only what matters to that importer is found;
    `rehost ovf targets` lists them.
    """
    from ovf.request import run

    settings = ctx.default_map or {}
    refuse_unknown(settings, [*ctx.params, SUPPRESS], "validate")
    ctx.exit(run(sources, options, settings.get(SUPPRESS, []), ctx.obj or SILENT))


class Ovf(click.Group):
    """A group whose commands are the modules of ``ovf.commands``, loaded when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the modules."""
        del ctx
        return list(names(COMMANDS))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = declared_by(COMMANDS, cmd_name, "COMMAND")
        return command


@click.group(short_help="Work on OVF packages, and explain rules.", cls=Ovf)
def ovf() -> None:
    """Look up the rules of OVF packages, and work on packages."""
