"""``disk digest`` and ``disk compare``: is it the same disk, and what changed on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from converters.disks.cli_options import SOURCE, access_options, format_option
from rehost.console.output import emit_json
from rehost.console.parameters import SIZE, json_option, with_options

if TYPE_CHECKING:
    from converters.disks.delta import Stretch
    from converters.disks.locate import Located
    from rehost.progress import Progress

DIFFERENT = 1
ALGORITHMS = ("sha256", "sha512", "sha384", "sha1", "blake2b")


@click.command(short_help="Digest what a guest sees.")
@click.argument("source", type=SOURCE)
@format_option
@with_options(access_options)
@click.option(
    "--algorithm",
    type=click.Choice(ALGORITHMS),
    default="sha256",
    show_default=True,
    help="How it is digested.",
)
@click.option("--chunk", type=SIZE, default="1M", show_default=True, help="Size of a chunk.")
@click.option("--plain", is_flag=True, help="Also digest the raw content, as sha256sum does.")
@click.option(
    "--manifest", type=click.Path(path_type=Path), help="Write the digests of all chunks here."
)
@click.option("--against", type=SOURCE, help="List what changed since this manifest.")
@click.option("--force", is_flag=True, help="Replace the manifest.")
@json_option
@click.pass_context
def digest(ctx: click.Context, /, source: str, *, as_json: bool, **asked: Any) -> None:
    """Digest what a guest sees of SOURCE: the same in any format.

    With --against, the size of chunks and the algorithm are those of that manifest. What changed
    is printed and is no failure; `rehost disk compare` exits with 1.
    """
    from converters.disks.delta import digested
    from converters.disks.digest import Terms
    from converters.disks.locate import access_of, located, open_source
    from converters.disks.manifest import Manifest
    from rehost.outputs import staged, writing
    from rehost.progress import SILENT

    image = open_source(source, format=asked["named"], access=access_of(asked))
    past = Manifest(located(asked["against"]).file) if asked["against"] else None
    terms = Terms(image.size, asked["chunk"], asked["algorithm"])
    if past is not None:
        terms = replace(past.terms, size=image.size)
    progress = ctx.obj or SILENT
    with ExitStack() as stack:
        file = None
        if asked["manifest"]:
            place = stack.enter_context(staged(asked["manifest"], force=asked["force"]))
            stack.enter_context(writing(place))
            file = stack.enter_context(place.open("wb"))
        done = digested(
            image, terms, past=past, manifest=file, plain=asked["plain"], progress=progress
        )
    progress.close()
    document = {"path": source, **done.document()}
    if as_json:
        emit_json(document)
        return
    for name in ("algorithm", "chunk_size", "size", "digest", "plain_digest"):
        if document[name] is not None:
            click.echo(f"{name}: {document[name]}")
    _list(done.changed or ())


@click.command(short_help="Say whether a guest sees the same on two.")
@click.argument("left", type=SOURCE)
@click.argument("right", type=SOURCE)
@json_option
@click.pass_context
def compare(ctx: click.Context, /, left: str, right: str, *, as_json: bool) -> None:
    """Say whether a guest sees the same on LEFT and RIGHT; exit with 1 if not.

    Either may be a manifest that `rehost disk digest` wrote.
    """
    from converters.disks.locate import located
    from converters.disks.manifest import is_manifest
    from rehost.progress import SILENT

    sides = [located(left), located(right)]
    progress = ctx.obj or SILENT
    by_manifest = any(is_manifest(side.file) for side in sides)
    same = (_by_manifest if by_manifest else _by_content)(sides, progress, as_json=as_json)
    ctx.exit(0 if same else DIFFERENT)


def _by_content(sides: Sequence[Located], progress: Progress, *, as_json: bool) -> bool:
    from converters.disks.compare import first_difference
    from converters.disks.registry import open_image

    one, other = (open_image(side.file, side.gate) for side in sides)
    at = first_difference(one, other, progress)
    progress.close()
    if as_json:
        sizes = [one.size, other.size]
        emit_json({"identical": at is None, "first_difference": at, "sizes": sizes})
    elif at is None:
        click.echo("identical")
    else:
        click.echo(f"different from byte {at} on ({one.size} and {other.size} bytes)")
    return at is None


def _by_manifest(sides: Sequence[Located], progress: Progress, *, as_json: bool) -> bool:
    from converters.disks.delta import compared
    from converters.disks.manifest import Manifest, is_manifest
    from converters.disks.registry import open_image

    one, other = (
        Manifest(side.file) if is_manifest(side.file) else open_image(side.file, side.gate)
        for side in sides
    )
    sizes, stretches = compared(one, other, progress)
    progress.close()
    same = not stretches and sizes[0] == sizes[1]
    if as_json:
        changed = [each._asdict() for each in stretches]
        emit_json({"identical": same, "changed": changed, "sizes": sizes})
        return same
    click.echo("identical" if same else f"different ({sizes[0]} and {sizes[1]} bytes)")
    _list(stretches)
    return same


def _list(stretches: Iterable[Stretch]) -> None:
    for start, length in stretches:
        click.echo(f"changed: {start} {length}")
