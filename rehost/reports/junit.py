"""JUnit's XML, which every CI shows as tests.

No standard defines it; this is what Jenkins' and GitLab's readers take. A source is a suite. Each
finding is a test, failed if it makes the run fail and skipped if it was accepted; each rule that
found nothing is a test that passed.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rehost.console.output import printable
from rehost.form import Form
from rehost.judgement import Judged, Judgement, State, Subject

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(judgement: Judgement) -> str:
    """Return the suites of all sources."""
    root = Element("testsuites", name="rehost validate")
    for subject in judgement.subjects:
        _suite(root, judgement, subject)
    for counted in ("tests", "failures", "errors", "skipped"):
        root.set(counted, str(sum(int(suite.get(counted, "0")) for suite in root)))
    indent(root)
    return f"{DECLARATION}\n{tostring(root, 'unicode')}\n"


def _suite(root: Element, judgement: Judgement, subject: Subject) -> None:
    suite = SubElement(root, "testsuite", name=_said(subject.source))
    if subject.failure:
        test = _test(suite, "package", "can be read")
        error = SubElement(test, "error", message=_said(str(subject.failure)))
        error.text = _said(subject.failure.hint)
    else:
        found = {judged.finding.rule for judged in subject.judged}
        for law in judgement.laws:
            if law.id not in found:
                _test(suite, law.id, law.requirement)
        for judged in subject.judged:
            _found(suite, judgement, judged)
    _count(suite)


def _found(suite: Element, judgement: Judgement, judged: Judged) -> None:
    test = _test(suite, judged.finding.rule, f"{judged.place}: {judged.told}")
    test.set("file", _said(judged.file))
    if judged.state is not State.ACTIVE:
        reason = judged.acceptance.reason if judged.acceptance else ""
        SubElement(test, "skipped", message=_said(f"{judged.state}: {reason}".rstrip(": ")))
        return
    severity = judged.finding.severity.name.lower()
    more = "\n".join(filter(None, (judged.finding.quote, judged.finding.hint)))
    details = f"{judged.place}: {severity}: {judged.told}\n{more}"
    if judgement.fails(judged):
        failure = SubElement(test, "failure", message=_said(judged.told), type=severity)
        failure.text = _said(details)
    else:
        SubElement(test, "system-out").text = _said(details)


def _test(suite: Element, rule: str, name: str) -> Element:
    return SubElement(suite, "testcase", classname=f"rehost.{rule}", name=_said(name))


def _count(suite: Element) -> None:
    tests = list(suite)
    suite.set("tests", str(len(tests)))
    for counted, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(counted, str(sum(test.find(tag) is not None for test in tests)))


def _said(text: str) -> str:
    """Return a text without the characters no XML may hold."""
    return NOT_IN_XML.sub("?", printable(text))


FORM = Form("junit", "JUnit XML", render)
