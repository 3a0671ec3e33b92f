"""One call of ``rehost convert``: from what was asked to what is printed and the exit code."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from converters.convert import Outcome, Wishes, check_networks, convert, make_plans
from converters.plan import Hardware
from converters.show import emit_outcome, emit_plans, outcome_document, plans_document
from converters.sources import Source, open_source
from converters.target import target_named
from rehost.console.output import emit_json, json_text
from rehost.errors import EnvironmentFailureError, UsageError
from rehost.outputs import staged, writing
from rehost.progress import Progress
from rehost.verdict import Verdict, Verify

LOSSES_FOUND = NOT_BOOTED = 1
CHANGES_FOUND = 10
EVIDENCE = "evidence"
BOOT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Request:
    """The options of ``rehost convert``, as they were given."""

    sources: tuple[Path, ...]
    to: str
    folder: Path | None
    hardware: str
    machine_type: str | None
    disk_format: str | None
    options: tuple[tuple[str, str], ...]
    networks: tuple[tuple[str, str], ...]
    report: Path | None
    dry_run: bool
    detailed_exitcode: bool
    strict: bool
    boot: bool
    expect: re.Pattern[str] | None
    boot_timeout: float | None
    skip_manifest: bool
    trust_disk_size: bool
    force: bool
    as_json: bool
    allowed: tuple[Path, ...]

    @property
    def wishes(self) -> Wishes:
        """What the conversion itself has to know."""
        return Wishes(
            target=target_named(self.to).configured(dict(self.options)),
            networks=dict(self.networks),
            hardware=Hardware(self.hardware),
            machine_type=self.machine_type,
            disk_format=self.disk_format,
            check_manifest=not self.skip_manifest,
            trust_disk_size=self.trust_disk_size,
            force=self.force,
        )


def run(request: Request, progress: Progress) -> int:
    """Do what was asked, print the result, and return the exit code."""
    _check(request)
    if request.dry_run:
        return _dry_run(request)
    if request.folder is None:
        raise UsageError("no output folder is named", hint="Pass -o DIR.")
    sources = _open(request)
    if len(sources) > 1:
        for source in sources:  # so that what is wrong with the last is known before the first
            make_plans(source, request.wishes)
    outcomes = [convert(source, request.folder, request.wishes, progress) for source in sources]
    progress.close()
    verdicts = list(_verdicts(outcomes, request)) if request.boot else []
    document = outcome_document(request.to, outcomes, verdicts)
    if request.report is not None:
        _write_report(request.report, document)
    if request.as_json:
        emit_json(document)
    else:
        emit_outcome(outcomes, verdicts)
    lost = any(plan.losses for outcome in outcomes for plan in outcome.plans)
    if not all(verdict.booted for verdict in verdicts):
        return NOT_BOOTED
    return LOSSES_FOUND if request.strict and lost else 0


def _open(request: Request) -> list[Source]:
    sources = [open_source(path, allowed=request.allowed) for path in request.sources]
    check_networks(sources, request.wishes)
    return sources


def _check(request: Request) -> None:
    """Refuse options that would do nothing, and a report that could not be written."""
    useless = {
        "--detailed-exitcode needs --dry-run": request.detailed_exitcode and not request.dry_run,
        "--expect needs --boot": request.expect is not None and not request.boot,
        "--boot-timeout needs --boot": request.boot_timeout is not None and not request.boot,
        "--boot does not go with --dry-run": request.boot and request.dry_run,
    }
    for what, is_so in useless.items():
        if is_so:
            raise UsageError(what)
    if request.report is not None and not _can_be_made(request.report):
        raise UsageError("the report cannot be written there", where=str(request.report))


def _can_be_made(path: Path) -> bool:
    """Say whether a file can be made, the folders to it too; the output's is made anyway."""
    nearest = next(place for place in path.absolute().parents if place.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK)


def _dry_run(request: Request) -> int:
    sources = _open(request)
    plans = [plan for source in sources for plan in make_plans(source, request.wishes)]
    document = plans_document(request.to, plans)
    if request.report is not None:
        _write_report(request.report, document)
    if request.as_json:
        emit_json(document)
    else:
        emit_plans(plans)
    lost = any(plan.losses for plan in plans)
    if request.detailed_exitcode and lost:
        return CHANGES_FOUND
    return LOSSES_FOUND if request.strict and lost else 0


def _verdicts(outcomes: list[Outcome], request: Request) -> Iterator[Verdict]:
    verify = _verifier()
    for outcome in outcomes:
        for plan in outcome.plans:
            yield verify(
                plan.machine,
                outcome.folder,
                outcome.folder / EVIDENCE,
                expect=request.expect,
                seconds=request.boot_timeout or BOOT_SECONDS,
            )


def _verifier() -> Verify:
    for point in entry_points(group="rehost.verify"):
        verify: Verify = point.load()
        return verify
    raise EnvironmentFailureError("nothing is installed that can boot a machine")


def _write_report(path: Path, document: dict[str, object]) -> None:
    with staged(path, force=True) as place, writing(path):
        place.write_text(json_text(document), encoding="utf-8")
