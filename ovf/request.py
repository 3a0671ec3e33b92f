"""One run of ``rehost validate``: from its options to reports and exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ovf.judging.judge import Judge, failed
from ovf.judging.rule import all_rules
from ovf.judging.targets import target_named
from ovf.storage import STANDARD_INPUT
from rehost import __version__
from rehost.acceptance import SETTING, Baseline, baseline_text, suppressions
from rehost.console.output import one_line, say
from rehost.console.reporting import Reports
from rehost.errors import InteropError, UsageError
from rehost.files import is_folder
from rehost.judgement import Acceptance, Judgement, Kind, Mending, State, Subject
from rehost.outputs import refuse_clashes, staged, writing
from rehost.progress import Progress
from rehost.selection import LEVELS, refuse_unknown_rule, selection

FOUND = 1
PARTS = (".ovf", ".mf", ".cert")


def run(
    sources: tuple[Path, ...], options: Mapping[str, Any], suppress: object, progress: Progress
) -> int:
    """Judge all sources and report; the first that could not be judged raises in the end."""
    judge = _judge(options, suppress, progress)
    reports = Reports(options["format"], options["output"], force=options["force"])
    written = [*reports.paths, *filter(None, [options["write_baseline"]])]
    refuse_clashes(written, _read(sources))
    refuse_clashes([*written, *filter(None, [options["fix"]])])
    with reports.ready() as places:
        judged = _judged(judge, sources, options, progress)
        errors = [error for _, error in judged if error is not None]
        judgement = Judgement(
            __version__,
            tuple(subject for subject, _ in judged),
            judge.laws(),
            LEVELS.get(options["fail_on"]),
        )
        if options["write_baseline"] and not errors:
            judgement = _accepted(judgement, options["write_baseline"], force=options["force"])
        reports.give(judgement, places)
    if judge.baseline and not errors and not options["write_baseline"]:
        _tell_idle(judge.baseline, judgement)
    return _ended(judgement, errors)


def _tell_idle(baseline: Baseline, judgement: Judgement) -> None:
    """Note on standard error that entries of a baseline accept nothing any more."""
    found = (each.fingerprint for subject in judgement.subjects for each in subject.judged)
    if count := baseline.idle(found):
        entries = "1 entry fits" if count == 1 else f"{count} entries fit"
        renew = "; --write-baseline renews it"
        say(f"note: {one_line(str(baseline.path))}: {entries} nothing any more{renew}", err=True)


def _read(sources: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the files that a report must not take the place of: what sources surely consist of."""
    for source in sources:
        yield source
        folder = source if is_folder(source) else source.parent
        if source.suffix.lower() == ".ovf" or folder is source:
            for suffix in PARTS:
                yield from folder.glob(f"*{suffix}")


def _judged(
    judge: Judge, sources: tuple[Path, ...], options: Mapping[str, Any], progress: Progress
) -> list[tuple[Subject, InteropError | None]]:
    """Judge every source or, where it is mended, what it becomes."""
    dest: Path | None = options["fix"]
    if dest is None and options["dry_run"]:
        raise UsageError(
            "--dry-run says what --fix would do", hint="Name the package to write: --fix DEST."
        )
    if dest is None:
        return [judge.judge(source) for source in dict.fromkeys(sources)]
    if len(sources) != 1:
        raise UsageError(
            f"--fix mends one package at a time ({len(sources)} are named)",
            hint="Run it once for each.",
        )
    if str(sources[0]) == STANDARD_INPUT:
        raise UsageError("--fix does not mend standard input", hint="Write it to a file first.")
    try:
        return [_mended(judge, sources[0], dest, options, progress)]
    except UsageError:
        raise
    except InteropError as error:
        return [(failed(sources[0], error), error)]


def _mended(
    judge: Judge, source: Path, dest: Path, options: Mapping[str, Any], progress: Progress
) -> tuple[Subject, InteropError | None]:
    """Mend a source and judge what it became or, if nothing is to be written, would become."""
    from ovf.mending.output import mended, write

    alone = judge.descriptor_only
    done = mended(source, dest, judge.targets, progress, descriptor_only=alone)
    if options["dry_run"]:
        subject = judge.opened(source, done.draft.result())
        return replace(subject, repairs=done.repairs, mending=Mending.PLANNED), None
    force = options["force"]
    write(done, dest, judge.targets, force=force, progress=progress, descriptor_only=alone)
    found, error = judge.judge(dest)
    return replace(found, repairs=done.repairs, mending=Mending.DONE), error


def _judge(options: Mapping[str, Any], suppress: object, progress: Progress) -> Judge:
    if options["deep"] and options["descriptor_only"]:
        raise UsageError("--deep and --descriptor-only exclude each other")
    targets = tuple(dict.fromkeys(target_named(name) for name in options["target"]))
    known = [rule.id for rule in all_rules()]
    known += [check.id for target in targets for check in target.profile.checks]
    baseline = options["baseline"]
    accepted = suppressions(suppress)
    others = _others() if accepted or options["ignore"] or options["severity"] else ()
    for name in dict.fromkeys(name for each in accepted for name in each.rules):
        refuse_unknown_rule(name, (*known, *others), SETTING)
    return Judge(
        selection(options["select"], options["ignore"], options["severity"], known, others),
        descriptor_only=options["descriptor_only"],
        deep=options["deep"],
        progress=progress,
        remarks=not options["no_remarks"],
        suppressions=accepted,
        baseline=Baseline.read(baseline) if baseline else None,
        targets=targets,
        schemas=options["schemas"],
        explain=options["explain"],
        described=options["package"],
    )


def _others() -> tuple[str, ...]:
    """Return the ids of what importers mind, of which a run may ask none."""
    from ovf.judging.profile import all_checks

    return tuple(check.id for check in all_checks())


def _accepted(judgement: Judgement, path: Path, *, force: bool) -> Judgement:
    """Write a baseline of what counts or is in the baseline before, and let none of it count."""
    found = [
        judged
        for subject in judgement.subjects
        for judged in subject.judged
        if judged.state is not State.SUPPRESSED
    ]
    with staged(path, force=force) as new, writing(new):
        new.write_text(baseline_text(found), encoding="utf-8")
    accepted = Acceptance(Kind.BASELINE, str(path), "accepted by this run")
    subjects = (
        replace(
            subject,
            judged=tuple(
                replace(judged, acceptance=judged.acceptance or accepted)
                for judged in subject.judged
            ),
        )
        for subject in judgement.subjects
    )
    return replace(judgement, subjects=tuple(subjects))


def _ended(judgement: Judgement, errors: list[InteropError]) -> int:
    """Return the exit code, or raise the first error of a source."""
    if errors:
        raise errors[0]
    return FOUND if judgement.failed else 0
