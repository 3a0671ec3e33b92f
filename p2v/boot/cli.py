"""The ``boot`` command."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from converters.cli import allow_option, hardware_option
from rehost.console.parameters import EXISTING, FILE, NEW_FOLDER, REGEX, json_option
from rehost.machine import Firmware, Machine
from rehost.progress import SILENT

if TYPE_CHECKING:
    from rehost.verdict import Verdict

MIB = 1 << 20
NOT_BOOTED = 1


@click.command(short_help="Boot machines under QEMU, and judge.")
@click.argument("source", type=EXISTING)
@click.option(
    "--expect",
    metavar="REGEX",
    type=REGEX,
    help="It has booted when this is seen on the serial line or the screen, and not before.",
)
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=1),
    default=600,
    show_default=True,
    help="How long a machine has to come up.",
)
@click.option(
    "--evidence",
    type=NEW_FOLDER,
    help="Where to keep the serial log, the last screen and QEMU's command line. [SOURCE-boot]",
)
@click.option("--force", is_flag=True, help="Replace the evidence of an earlier boot.")
@click.option(
    "--accel",
    type=click.Choice(["auto", "kvm", "tcg"]),
    default="auto",
    show_default=True,
    help="Run on the processor, or translated; auto is kvm where that works.",
)
@hardware_option
@click.option(
    "--firmware",
    type=click.Choice([each.value for each in Firmware]),
    help="Boot with this, whatever the source says; a bare disk says nothing.",
)
@click.option("--memory", metavar="MIB", type=click.IntRange(min=1), help="Boot with this much.")
@allow_option
@json_option
@click.option("--junit", metavar="FILE", type=FILE, help="Write the verdicts for CI, too.")
@click.pass_context
def boot(ctx: click.Context, /, source: Path, **asked: Any) -> None:
    """Boot each machine of SOURCE under QEMU, say whether it came up, and keep the evidence.

    Nothing is written to SOURCE, and the machine has no way into the network. Exit code 0: all have
    booted, 1: one has not.
    """
    from p2v.boot.results import document, junit
    from rehost.console.output import emit_json, emit_verdict
    from rehost.outputs import staged, writing

    with_junit: Path | None = asked.pop("junit")
    as_json: bool = asked.pop("as_json")
    verdicts = _verdicts(source, **asked)
    if with_junit:
        with staged(with_junit, force=True) as place, writing(with_junit):
            place.write_bytes(junit(verdicts))
    if as_json:
        emit_json(document(verdicts))
    else:
        for verdict in verdicts:
            emit_verdict(verdict)
    ctx.exit(0 if all(verdict.booted for verdict in verdicts) else NOT_BOOTED)


def _verdicts(
    path: Path,
    *,
    expect: re.Pattern[str] | None,
    timeout: float,
    evidence: Path | None,
    force: bool,
    accel: str,
    hardware: str,
    firmware: str | None,
    memory: int | None,
    allowed: tuple[Path, ...],
) -> list[Verdict]:
    """Boot the machines of a source one after the other."""
    from converters.naming import file_name, unique
    from converters.plan import Hardware
    from converters.qemu_command import Accelerator
    from converters.sources import open_source
    from p2v.boot.sources import bootable
    from p2v.boot.trial import boot as try_boot

    def change(machine: Machine) -> Machine:
        if firmware is None and machine.firmware is None:
            _tell(f"{machine.name}: firmware not said, so bios; --firmware uefi is the other")
        return _changed(machine, firmware, memory)

    source = open_source(path, allowed=allowed)
    top = evidence or Path(f"{file_name(path.stem)}-boot")
    progress = click.get_current_context().obj or SILENT
    ready = bootable(
        source, top.parent, change=change, hardware=Hardware(hardware), progress=progress
    )
    with ready as found:
        names = unique(file_name(each.machine.name) for each in found)
        return [
            try_boot(
                each.machine,
                each.disks,
                media=each.media,
                evidence=top / name if len(found) > 1 else top,
                timeout=timeout,
                expect=expect,
                wish=None if accel == "auto" else Accelerator(accel),
                force=force,
                tell=_tell,
            )
            for each, name in zip(found, names, strict=True)
        ]


def _changed(machine: Machine, firmware: str | None, memory: int | None) -> Machine:
    if firmware:
        machine = replace(machine, firmware=Firmware(firmware))
    return replace(machine, memory=memory * MIB) if memory else machine


def _tell(what: str) -> None:
    """Say how far it is, unless quiet is wanted."""
    root = click.get_current_context().find_root()
    if not root.params.get("quiet"):
        click.echo(what, err=True)
