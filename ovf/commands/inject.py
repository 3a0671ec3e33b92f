"""``rehost ovf inject``: configuration put into a package, on a medium in a CD-ROM drive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ovf.edit.result import edit, section_option, source_argument, system_option, with_output
from rehost.console.examples import examples
from rehost.console.parameters import PATH
from rehost.errors import UsageError


@click.command(
    short_help="Put files on a medium in a new drive.",
    epilog=examples(
        "ovf inject in.ova user-data meta-data --label cidata -o out.ova",
        "ovf inject in.ova --environment -o out.ova setup.sh",
    ),
)
@source_argument
@click.argument("files", metavar="FILE...", type=PATH, nargs=-1)
@with_output
@system_option
@section_option
@click.option("--environment", is_flag=True, help="Put the OVF environment on it, too.")
@click.option("--label", default="config", show_default=True, help="The medium's label.")
@click.option("--name", default="config.iso", show_default=True, help="Its name in the package.")
@click.pass_context
def inject(ctx: click.Context, /, source: Path, files: tuple[Path, ...], **asked: Any) -> None:
    """Put each FILE on a medium, and that into a new CD-ROM drive of the package SOURCE.

    What is read there: bootstrap configurations (label config-2, cidata) and, with --environment,
    ovf-env.xml.
    """
    from ovf.edit.disks import add_medium
    from ovf.environment.deployment import Deployment, environment_of
    from ovf.environment.medium import ENVIRONMENT_NAME
    from ovf.writing.burning import LARGEST, image_of
    from ovf.writing.write import held
    from rehost.files import LocalFile, read_all

    content = {path.name: read_all(LocalFile(path), LARGEST) for path in files}
    if len(content) < len(files):
        raise UsageError("two files have one name", hint="A medium holds them in one folder.")

    def change(draft: Any) -> None:
        if asked["environment"]:
            content[ENVIRONMENT_NAME] = environment_of(
                draft, asked["system"], Deployment()
            ).document
        image = held(asked["name"], image_of(content, asked["label"]))
        add_medium(draft, asked["system"], image)

    edit(ctx, source, asked, change)


COMMAND = inject
