"""``rehost disk check``: what is wrong with an image, and a sound copy of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from converters.disks.cli_options import SOURCE, access_options, format_option
from rehost.console.output import emit_json, say, size_text
from rehost.console.parameters import FILE, json_option, with_options

if TYPE_CHECKING:
    from converters.disks.checking import Checked, Usage
    from converters.disks.repair import Subject
    from rehost.progress import Progress

UNSOUND = 1
WORDS = {1: "note", 2: "warning", 3: "error"}


@click.command(short_help="Check the tables of an image.")
@click.argument("source", type=SOURCE)
@format_option
@with_options(access_options[1:])
@click.option("--deep", is_flag=True, help="Also read and unpack everything that is stored.")
@click.option(
    "--repair",
    "dest",
    type=FILE,
    metavar="DEST",
    help="Write a sound copy to DEST; SOURCE stays as it is.",
)
@click.option("--accept-loss", is_flag=True, help="Write zeros for what cannot be known.")
@click.option("--force", is_flag=True, help="Replace DEST.")
@json_option
@click.pass_context
def check(ctx: click.Context, /, source: str, dest: Path | None, **asked: Any) -> None:
    """Check the tables of SOURCE; exit with 1 if there are errors that no copy mends.

    Leaks and images left open are warnings. A repair reads everything, as --deep does.
    """
    from rehost.progress import SILENT

    progress = ctx.obj or SILENT
    subject = _subject(source, asked, deep=asked["deep"] or dest is not None, progress=progress)
    merged = None if dest is None else _repair(subject, dest, asked, progress)
    checked = subject.checked
    if asked["as_json"]:
        emit_json(document(source, subject, asked["deep"] or dest is not None, dest, merged))
    else:
        _print(subject)
        if dest is not None:
            said = " merged with those below it" if merged else ""
            say(f"{dest}: a sound copy was written{said}")
    ctx.exit(UNSOUND if checked.errors and dest is None else 0)


def document(
    source: str, subject: Subject, deep: bool, dest: Path | None, merged: bool | None
) -> dict[str, Any]:
    """Return the JSON document of a check."""
    checked = subject.checked
    copy = None if dest is None else {"path": str(dest), "merged": bool(merged)}
    return {
        "path": source,
        "format": subject.known.name,
        "deep": deep,
        "sound": not checked.errors,
        "errors": checked.errors,
        "warnings": checked.warnings,
        "found": checked.found,
        "problems": checked.problems,
        "usage": checked.usage,
        "lost": checked.lost,
        "forgone": checked.forgone,
        "copy": copy,
    }


def _subject(source: str, asked: dict[str, Any], *, deep: bool, progress: Progress) -> Subject:
    from converters.disks.health import check_image
    from converters.disks.locate import access_of, located
    from converters.disks.registry import format_named, format_of
    from converters.disks.repair import Subject

    found = located(source)
    file, gate = found.file, found.gate
    known = format_named(asked["named"]) if asked["named"] else format_of(file)
    access = access_of(asked)
    checked = check_image(file, gate, known, access=access, deep=deep, progress=progress)
    return Subject(file, gate, known, checked, access)


def _repair(subject: Subject, dest: Path, asked: dict[str, Any], progress: Progress) -> bool:
    from converters.disks.gate import FolderGate
    from converters.disks.repair import check_copy, repair
    from rehost.outputs import Staging

    with Staging(dest.parent, dest.name, force=asked["force"]) as staging:
        place = staging.path(dest.name)
        merged = repair(
            subject,
            place,
            dest,
            accept_loss=asked["accept_loss"],
            progress=progress,
            elsewhere=staging.path,
        )
        check_copy(place, FolderGate(place.parent), subject.known)
        staging.commit()
    progress.close()
    return merged


def _print(subject: Subject) -> None:
    """Print every problem that is kept, what is lost, how the file is used, and the sum."""
    checked = subject.checked
    for problem in checked.problems:
        often = f" ({problem.count} times)" if problem.count > 1 else ""
        say(f"{WORDS[problem.severity]}: {problem}{often}")
    told = sum(problem.count for problem in checked.problems)
    if (untold := sum(checked.found.values()) - told) > 0:
        say(f"and {untold} more")
    for lost in checked.lost:
        say(f"lost: {lost.length} bytes of the disk at {lost.start}: {lost.why}")
    for line in _usage(checked.usage):
        say(line)
    say(f"{subject.file.name}: {_sum(checked)}")


def _usage(usage: Usage) -> list[str]:
    lines = []
    if usage.unit is not None and usage.total is not None and usage.allocated is not None:
        share = 100 * usage.allocated / usage.total if usage.total else 0
        scattered = ""
        if usage.fragmented is not None and usage.allocated:
            scattered = f", {100 * usage.fragmented / usage.allocated:.1f} % fragmented"
        if usage.compressed:
            scattered += f", {100 * usage.compressed / usage.allocated:.1f} % compressed"
        of = f"{usage.allocated} of {usage.total} units of {size_text(usage.unit)}"
        if usage.unit == 1:
            of = f"{size_text(usage.allocated)} of {size_text(usage.total)}"
        lines.append(f"stored: {of} ({share:.1f} %){scattered}")
    if usage.metadata_bytes is not None:
        lines.append(f"tables: {size_text(usage.metadata_bytes)}")
    if usage.leaked_bytes:
        lines.append(f"leaked: {size_text(usage.leaked_bytes)}")
    return lines


def _sum(checked: Checked) -> str:
    if not checked.found:
        return "no errors were found"
    kinds = ", ".join(f"{count} {kind}" for kind, count in checked.found.items())
    return f"{_number(checked.errors, 'error')}, {_number(checked.warnings, 'warning')} ({kinds})"


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
