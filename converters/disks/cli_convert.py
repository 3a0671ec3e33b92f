"""``rehost disk convert`` and ``resize``: disks from anywhere into any format that is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from converters.disks.cli_options import access_options, format_option
from rehost.console.output import emit_json, say
from rehost.console.parameters import FILE, NEW_FOLDER, PAIR, SIZE, json_option, with_options

if TYPE_CHECKING:
    from converters.disks.conversion import Done, Order

LOST = 1

writing_options = (
    click.option("-o", "options", type=PAIR, multiple=True, help="A setting of the format."),
    click.option(
        "--compress",
        "level",
        type=click.Choice(["fast", "default", "best", "none"]),
        help="How hard to compress; by default only what is always compressed is.",
    ),
    click.option("--force", is_flag=True, help="Replace what is there; needed for a device."),
    click.option(
        "--resume",
        is_flag=True,
        help="Go on where an interrupted run ended, and keep what is done if this one is.",
    ),
    click.option(
        "--on-read-error",
        type=click.Choice(["stop", "zero"]),
        default="stop",
        show_default=True,
        help="Stop, or write zeros for what cannot be read and list it.",
    ),
)


@click.command(short_help="Write a disk in another format.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE... DEST")
@click.option("--to", "target", metavar="FORMAT", help="Write this, whatever DEST's suffix says.")
@click.option(
    "--into",
    type=NEW_FOLDER,
    metavar="DIR",
    help="Write each SOURCE into DIR, under its own name and the format's suffix.",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, help="How many disks at once.")
@click.option("--resize", "size", type=SIZE, help="Give the disk another size.")
@click.option("--shrink", is_flag=True, help="Allow a smaller size, which cuts the disk off.")
@click.option("--base", type=FILE, help="Write only what differs from this image, and name it.")
@click.option(
    "--delta-from",
    type=FILE,
    metavar="MANIFEST",
    help="Write what changed since this manifest of the base was made, without reading the base.",
)
@with_options(writing_options)
@format_option
@with_options(access_options)
@json_option
@click.pass_context
def convert(ctx: click.Context, /, sources: tuple[str, ...], **asked: Any) -> None:
    """Write what the guest sees of SOURCE to DEST, in another format.

    SOURCE is a file, a block device, a URL, or a member of an archive (ARCHIVE!MEMBER). DEST is a
    file, a block device, or - for standard output. With --into every argument is a SOURCE.
    """
    from converters.disks.conversion import orders

    dest = None
    if asked["into"] is None:
        if len(sources) != 2:
            raise click.UsageError("Name one SOURCE and one DEST, or sources and --into DIR.")
        sources, dest = sources[:1], sources[-1]
    _carry_out(ctx, orders(sources, dest, asked), asked)


@click.command(short_help="Write a disk in another size.")
@click.argument("source")
@click.argument("size", type=SIZE)
@click.argument("dest")
@click.option("--shrink", is_flag=True, help="Allow a smaller size, which cuts the disk off.")
@with_options(writing_options)
@format_option
@with_options(access_options)
@json_option
@click.pass_context
def resize(ctx: click.Context, /, source: str, size: int, dest: str, **asked: Any) -> None:
    """Write SOURCE to DEST in the same format, as a disk of SIZE bytes."""
    from converters.disks.conversion import orders

    _carry_out(ctx, orders((source,), dest, {**asked, "size": size, "same": True}), asked)


def _carry_out(ctx: click.Context, found: list[Order], asked: dict[str, Any]) -> None:
    from converters.disks.conversion import carry_out
    from rehost.progress import SILENT

    streams = any(order.transfer.dest is None for order in found)
    if streams and asked["as_json"]:
        raise click.UsageError("Standard output cannot carry both an image and JSON.")
    progress = ctx.obj or SILENT
    done = carry_out(found, progress, jobs=asked.get("jobs", 1))
    progress.close()
    if asked["as_json"]:
        emit_json({"disks": [each.document() for each in done]})
    else:
        _tell(done)
    ctx.exit(LOST if any(each.lost for each in done) else 0)


def _tell(done: list[Done]) -> None:
    """Say what was lost; a conversion that lost nothing says nothing."""
    for each in done:
        for start, length in each.lost:
            say(f"{each.source}: {length} bytes at {start} could not be read", err=True)
        for name in each.dropped:
            say(f"{each.source}: the bitmap {name!r} is not kept", err=True)
