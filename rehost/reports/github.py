"""Workflow commands of GitHub Actions, which become annotations of a change.

Spec: "Workflow commands for GitHub Actions", GitHub's documentation, and the escaping of
actions/toolkit. Lines and columns are those of files of the repository; what lies in an archive is
annotated at its first line.
"""

from __future__ import annotations

from collections.abc import Iterator

from rehost.console.output import printable
from rehost.form import Form
from rehost.judgement import Judged, Judgement, relative
from rehost.report import Severity

COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
IN_MESSAGES = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
IN_PROPERTIES = IN_MESSAGES | str.maketrans({":": "%3A", ",": "%2C"})


def render(judgement: Judgement) -> str:
    """Return one command for each finding that counts, and for each source not judged."""
    return "".join(f"{line}\n" for line in _lines(judgement))


def _lines(judgement: Judgement) -> Iterator[str]:
    for subject in judgement.subjects:
        if subject.failure:
            said = f"{subject.failure}\n{subject.failure.hint}".rstrip()
            yield _command("error", said, file=relative(subject.source), title="rehost")
    for judged in judgement.judged():
        finding = judged.finding
        said = "\n".join(filter(None, (judged.message, finding.quote, finding.hint)))
        place = {"file": judged.file, "line": str(judged.own_line), **_columns(judged)}
        yield _command(COMMANDS[finding.severity], said, **place, title=finding.rule)


def _columns(judged: Judged) -> dict[str, str]:
    region = judged.region
    if region is None or judged.member:
        return {}
    return {"col": str(region.column), "endColumn": str(region.column + region.length)}


def _command(name: str, said: str, **properties: str) -> str:
    listed = ",".join(
        f"{key}={printable(value).translate(IN_PROPERTIES)}" for key, value in properties.items()
    )
    return f"::{name} {listed}::{printable(said).translate(IN_MESSAGES)}"


FORM = Form("github", "annotations of GitHub Actions", render)
