"""One page of HTML that needs nothing else: no script, no picture, nothing from elsewhere.

Its policy forbids all of that, too, for what it shows comes from files of strangers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from rehost.console.output import printable
from rehost.counting import counted
from rehost.form import Form
from rehost.judgement import Judged, Judgement, Law, Region, State, Subject

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --line: #8884; --error: #c62828; --warning: #b26a00;
  --info: #1565c0; }
@media (prefers-color-scheme: dark) {
  :root { --error: #ff8a80; --warning: #ffc66d; --info: #82b1ff; }
}
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; overflow-wrap: anywhere; }
h3 { font-size: 1rem; } li { overflow-wrap: anywhere; }
article { border: 1px solid var(--line); border-left-width: 4px; border-radius: 4px;
  margin: .75rem 0; padding: .5rem .75rem; overflow-wrap: anywhere; }
article p { margin: .25rem 0; }
.error { border-left-color: var(--error); } .error b { color: var(--error); }
.warning { border-left-color: var(--warning); } .warning b { color: var(--warning); }
.info { border-left-color: var(--info); } .info b { color: var(--info); }
.accepted { opacity: .7; }
pre { border: 1px solid var(--line); border-radius: 4px; padding: .5rem; }
pre { overflow-wrap: anywhere; white-space: pre-wrap; }
mark { background: #ffd54f; color: #000; }
code, pre { font: .875rem/1.5 ui-monospace, monospace; }
summary { cursor: pointer; } table { border-collapse: collapse; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .75rem .25rem 0; text-align: left; }
"""
LONGEST_LINE = 2000


def render(judgement: Judgement) -> str:
    """Return the page: the numbers, then each source with its findings."""
    laws = {law.id: law for law in judgement.laws}
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_said(POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<title>rehost validate</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        f"<h1>{'Failed' if judgement.failed else 'Passed'}: {_counts(judgement.judged())}</h1>",
        *_table(judgement),
        *(line for subject in judgement.subjects for line in _section(subject, laws)),
        f"<footer><p>Made by rehost {_said(judgement.version)}.</p></footer>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _table(judgement: Judgement) -> Iterator[str]:
    yield "<table><thead><tr><th>source</th><th>found</th><th>accepted</th></tr></thead><tbody>"
    for subject in judgement.subjects:
        active = [judged for judged in subject.judged if judged.state is State.ACTIVE]
        found = "could not be judged" if subject.failure else _counts(active)
        accepted = len(subject.judged) - len(active)
        yield f"<tr><td>{_said(subject.source)}</td><td>{found}</td><td>{accepted}</td></tr>"
    yield "</tbody></table>"


def _section(subject: Subject, laws: dict[str, Law]) -> Iterator[str]:
    yield f"<section><h2>{_said(subject.source)}</h2>"
    if subject.failure:
        yield f'<article class="error"><p><b>error</b> {_said(str(subject.failure))}</p>'
        yield f"<p>{_said(subject.failure.hint)}</p></article>"
    elif not subject.judged:
        yield "<p>Nothing was found.</p>"
    yield from _mended(subject)
    for outlook in subject.outlooks:
        yield f"<p>{_said(outlook.target)} <strong>{_said(outlook.outcome)}</strong>.</p>"
    for judged in sorted(subject.judged, key=lambda each: each.state is not State.ACTIVE):
        yield from _article(judged, laws.get(judged.finding.rule))
    yield "</section>"


def _mended(subject: Subject) -> Iterator[str]:
    """Yield what was mended to make the source, or would be; what follows is left."""
    if not subject.mending:
        return
    if not subject.repairs:
        yield "<p>There was nothing to mend without a guess.</p>"
        return
    yield f"<h3>{subject.mending.value.capitalize()}</h3><ul>"
    for repair in subject.repairs:
        why = f"{repair.rule}, {repair.target}" if repair.target else repair.rule
        place = f"<code>{_said(repair.where)}</code>"
        yield f"<li>{place} {_said(repair.what)} <code>{_said(why)}</code></li>"
    yield "</ul>"


def _article(judged: Judged, law: Law | None) -> Iterator[str]:
    finding = judged.finding
    severity = finding.severity.name.lower()
    kinds = severity if judged.state is State.ACTIVE else f"{severity} accepted"
    yield f'<article class="{kinds}">'
    yield f"<p><b>{severity}</b> {_said(finding.message)} <code>{_said(finding.rule)}</code></p>"
    yield f"<p><code>{_said(judged.place)}</code></p>"
    if judged.region:
        yield f"<pre>{_marked(judged.region)}</pre>"
    for name, said in (
        ("Importer", finding.target),
        ("It says", finding.quote),
        ("Basis", finding.source),
    ):
        if said:
            yield f"<p>{name}: {_said(said)}</p>"
    if finding.hint:
        yield f"<p>{_said(finding.hint)}</p>"
    if judged.acceptance:
        reason = f"{judged.acceptance.reason} ({judged.acceptance.place})"
        yield f"<p>{judged.state.value.capitalize()}: {_said(reason)}</p>"
    if law:
        yield f"<details><summary>The rule</summary><p>{_said(law.requirement)}</p>"
        yield f"<p>{_said(law.reason)}</p><p>Basis: {_said(law.basis)}.</p></details>"
    yield "</article>"


def _marked(region: Region) -> str:
    first, last = region.column - 1, region.column - 1 + region.length
    before, meant, after = region.text[:first], region.text[first:last], region.text[last:]
    if len(region.text) > LONGEST_LINE:
        before, meant, after = before[-100:], meant[: LONGEST_LINE - 200], after[:100]
    return f"{_said(before.lstrip())}<mark>{_said(meant)}</mark>{_said(after.rstrip())}"


def _counts(findings: Iterable[Judged]) -> str:
    return counted(judged.finding.severity for judged in findings)


def _said(text: str) -> str:
    """Return a text that no browser takes for markup."""
    return escape(printable(text))


FORM = Form("html", "one page of HTML", render)
