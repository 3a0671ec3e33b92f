"""``rehost ovf environment``: the document by which a guest learns how it was deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ovf.edit.result import force_option, source_argument, system_option, tell
from rehost.console.examples import examples
from rehost.console.output import one_line, say
from rehost.console.parameters import PAIR, PATH


@click.command(
    short_help="Print what a guest is told when deployed.",
    epilog=examples(
        "ovf environment in.ova", "ovf environment in.ova --property ip=192.0.2.7 --iso env.iso"
    ),
)
@source_argument
@system_option
@click.option(
    "--property",
    "properties",
    metavar="KEY=VALUE",
    type=PAIR,
    multiple=True,
    help="The value of a property that whoever deploys may set.",
)
@click.option("--properties", "properties_file", type=PATH, help="A file of lines KEY=VALUE.")
@click.option("--configuration", metavar="ID", help="The deployment configuration chosen.")
@click.option("--kind", metavar="TEXT", help="The platform's kind.")
@click.option("--version", metavar="TEXT", help="The platform's version.")
@click.option("--vendor", metavar="TEXT", help="The platform's vendor.")
@click.option("--locale", metavar="TEXT", help="Its locale, such as en_GB.")
@click.option("--timezone", type=int, metavar="MINUTES", help="Its time zone, east of Greenwich.")
@click.option("-o", "--output", "dest", metavar="FILE", type=PATH, help="Write it here.")
@click.option("--iso", metavar="FILE", type=PATH, help="Write it here as ovf-env.xml of a medium.")
@force_option
def environment(source: Path, **asked: Any) -> None:
    """Print the OVF environment that the package SOURCE has when it is deployed.

    It holds the properties that a virtual system sees, its own and those of the collection around
    it, with the values given here, and those of its siblings.
    """
    from ovf.edit.draft import Draft
    from ovf.environment.deployment import environment_of
    from ovf.environment.medium import ENVIRONMENT_NAME
    from ovf.package import Package
    from ovf.writing.burning import image_of
    from rehost.outputs import staged, writing

    made = environment_of(Draft.of(Package.open(source)), asked["system"], _deployment(asked))
    tell(tuple(f"property {key} has no value" for key in made.without_value))
    outputs = [(asked["dest"], made.document)]
    if asked["iso"] is not None:
        outputs.append((asked["iso"], image_of({ENVIRONMENT_NAME: made.document}, "OVFENV")))
    for path, content in outputs:
        if path is not None:
            with staged(path, force=asked["force"]) as place, writing(place):
                place.write_bytes(content)
            say(f"wrote {one_line(str(path))}")
    if asked["dest"] is None and asked["iso"] is None:
        click.echo(made.document, nl=False)


def _deployment(asked: dict[str, Any]) -> Any:
    from ovf.edit.settings import pairs_of
    from ovf.environment.deployment import Deployment, Platform

    given = [*(pairs_of(asked["properties_file"]) if asked["properties_file"] else ())]
    platform = {name: asked[name] for name in ("kind", "version", "vendor", "locale", "timezone")}
    values = dict([*given, *asked["properties"]])
    return Deployment(asked["configuration"], values, Platform(**platform))


COMMAND = environment
