"""How machines, plans, losses and verdicts are shown: as text and as JSON documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from converters.convert import Outcome, Plan
from converters.sources import Source
from rehost.console.losses import emit_losses
from rehost.console.output import emit_table, emit_verdict, say, size_text
from rehost.machine import Disk, Machine, Nic, Removable
from rehost.report import Finding
from rehost.verdict import Verdict


def source_document(source: Source) -> dict[str, Any]:
    """Return what ``rehost inspect --json`` prints."""
    return {
        "kind": source.kind,
        "path": str(source.path),
        "machines": [
            {"machine": _plain(subject.machine), "losses": _plain(subject.losses)}
            for subject in source.subjects
        ],
    }


def plans_document(target: str, plans: Sequence[Plan]) -> dict[str, Any]:
    """Return the report of a dry run."""
    return {"target": target, "machines": [_plan(plan) for plan in plans]}


def outcome_document(
    target: str, outcomes: Sequence[Outcome], verdicts: Sequence[Verdict]
) -> dict[str, Any]:
    """Return the report of a conversion."""
    return {
        "target": target,
        "machines": [_plan(plan) for outcome in outcomes for plan in outcome.plans],
        "files": [str(outcome.folder / name) for outcome in outcomes for name in outcome.files],
        "findings": _plain([found for outcome in outcomes for found in outcome.findings]),
        "verdicts": _plain(verdicts),
    }


def emit_source(source: Source) -> None:
    """Print what a source is."""
    say(f"{source.path}: {source.kind}")
    for subject in source.subjects:
        emit_machine(subject.machine)
        emit_losses(subject.losses, "What cannot be kept")


def emit_machine(machine: Machine) -> None:
    """Print a machine as a table of what it says."""
    emit_table(f"\n{machine.name}", ("property", "value"), list(_rows(machine)))


def emit_plans(plans: Sequence[Plan]) -> None:
    """Print what a conversion would do."""
    for plan in plans:
        emit_machine(plan.machine)
        emit_losses(plan.losses, "What is lost on the way")
        say(f"{len(plan.carried)} properties arrive as they are.")
    say("Nothing was written.")


def emit_outcome(outcomes: Sequence[Outcome], verdicts: Sequence[Verdict]) -> None:
    """Print what a conversion did."""
    for outcome in outcomes:
        for plan in outcome.plans:
            emit_machine(plan.machine)
            emit_losses(plan.losses, "What was lost on the way")
            say(f"{len(plan.carried)} properties arrived as they were.")
        emit_findings(outcome.findings)
        for name in outcome.files:
            say(f"wrote {outcome.folder / name}")
    for verdict in verdicts:
        emit_verdict(verdict)


def emit_findings(findings: Iterable[Finding]) -> None:
    """Print findings, a line each."""
    for found in findings:
        say(f"{found.severity.name.lower()}: {found.location}: {found.message}")


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "source": _plain(plan.subject.machine),
        "machine": _plain(plan.machine),
        "carried": plan.carried,
        "losses": _plain(plan.losses),
    }


def _plain(value: object) -> Any:
    return msgspec.to_builtins(value, enc_hook=str)


def _rows(machine: Machine) -> Iterable[tuple[str, str]]:
    guest = machine.guest_os
    said: list[tuple[str, object]] = [
        ("guest system", guest and (guest.name or guest.vmware or guest.virtualbox)),
        ("processors", machine.vcpus),
        ("memory", machine.memory and size_text(machine.memory)),
        ("firmware", machine.firmware),
        ("chipset", machine.machine_type),
    ]
    yield from ((name, str(value)) for name, value in said if value is not None)
    yield from ((f"disk {number}", _disk(disk)) for number, disk in enumerate(machine.disks))
    for number, drive in enumerate(machine.removables):
        yield f"{drive.kind} {number}", _removable(drive)
    yield from ((f"nic {number}", _nic(nic)) for number, nic in enumerate(machine.nics))


def _disk(disk: Disk) -> str:
    size = size_text(disk.size) if disk.size is not None else None
    return _joined(disk.file or "blank", size, _address(disk), disk.format)


def _removable(drive: Removable) -> str:
    return _joined(drive.file or "empty", _address(drive))


def _nic(nic: Nic) -> str:
    return _joined(nic.model, nic.mac, nic.network and f"on {nic.network}")


def _address(drive: Disk | Removable) -> str | None:
    at = drive.address
    return f"{at.bus} {at.controller}:{at.unit}" if at else None


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)
