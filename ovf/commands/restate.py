"""``rehost ovf restate``: the same package in another version of OVF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ovf.edit.result import DIGESTS, descriptor_option, force_option, source_argument
from rehost.console.examples import examples
from rehost.console.output import emit_json, one_line, say
from rehost.console.parameters import PATH, json_option
from rehost.progress import SILENT

if TYPE_CHECKING:
    from ovf.edit.draft import Draft
    from ovf.package import Package
    from ovf.writing.parcel import Parcel

DIGEST_OF = {"1": "sha1", "2": "sha256"}
"""What manifests of a version are of by the standard (DSP0243 clause 5.1)."""


@click.command(
    short_help="Restate a package in another version of OVF.",
    epilog=examples("ovf restate in.ova --to 1 -o out.ova", "ovf restate in.ova --to 2 --dry-run"),
)
@source_argument
@click.option(
    "--to",
    "version",
    type=click.Choice(tuple(DIGEST_OF)),
    required=True,
    help="The version to restate it in: 1 for OVF 1.1, 2 for OVF 2.1.",
)
@click.option(
    "-o",
    "--output",
    "dest",
    metavar="DEST",
    type=PATH,
    help="Write the package here: an .ova, an .ovf or a folder.",
)
@click.option("--in-place", is_flag=True, help="Replace SOURCE itself.")
@click.option("--dry-run", is_flag=True, help="Print what would be lost; write nothing.")
@click.option("--strict", is_flag=True, help="Exit with 1 if anything is lost.")
@force_option
@descriptor_option
@click.option(
    "--digest",
    type=click.Choice(DIGESTS),
    help="The digests of the manifest, or no manifest.  [default: sha1 for 1, sha256 for 2]",
)
@json_option
@click.pass_context
def restate(ctx: click.Context, /, source: Path, **asked: Any) -> None:
    """Restate the package SOURCE in another version of OVF, and say what was lost by it.

    SOURCE is an .ova, an .ovf or a folder that holds one: of OVF 1.x or 2.x, or in a dialect, as
    OVF 0.9 and oVirt's, which is then written anew and not byte for byte.
    """
    from ovf.edit.draft import Draft
    from ovf.edit.result import destination, put, tell
    from ovf.package import Package
    from ovf.versions.anew import restated_dialect
    from ovf.versions.restate import restate as restated
    from rehost.console.losses import emit_losses

    package = Package.open(source)
    dest, force = (source, False) if asked["dry_run"] else destination(package, asked)
    dialect = package.envelope.dialect
    read_as = dialect or package.envelope.version
    draft, losses = restated_dialect(package) if dialect else (Draft.of(package), [])
    losses += restated(draft, asked["version"])
    written = []
    if not asked["dry_run"]:
        found = _gathered(package, draft, dest, asked)
        tell((*draft.notes, *found.notes))
        written = put(found, dest, force=force, progress=ctx.obj or SILENT)
    if asked["as_json"]:
        emit_json(
            {
                "path": str(package.path),
                "from": read_as,
                "to": asked["version"],
                "losses": losses,
                "files": [str(path) for path in written],
            }
        )
    else:
        if read_as == asked["version"]:
            say(f"{package.path}: is OVF {read_as}.x already")
        tense = "is" if asked["dry_run"] else "was"
        emit_losses(losses, f"What {tense} lost")
        if not losses:
            say(f"Nothing {tense} lost.")
        for path in written:
            say(f"wrote {one_line(str(path))}")
    ctx.exit(1 if asked["strict"] and losses else 0)


def _gathered(package: Package, draft: Draft, dest: Path, asked: dict[str, Any]) -> Parcel:
    """Return what is written: the package, or the descriptor alone."""
    from ovf.edit.files import state_sizes
    from ovf.edit.result import algorithm, descriptor_alone, name_for, unseen

    if asked["descriptor_only"]:
        draft.notes += unseen(package)
        return descriptor_alone(draft, dest)
    state_sizes(draft)
    digest = asked["digest"] or DIGEST_OF[asked["version"]]
    return draft.parcel(name=name_for(dest), algorithm=algorithm(digest))


COMMAND = restate
