"""The other forms, each read back by what reads it elsewhere."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import jsonschema  # type: ignore[import-untyped]
import pytest
from junitparser import Error, Failure, JUnitXml, Skipped
from lxml import html

from rehost.discovery import declared
from rehost.form import FOLDER, form_named, form_names
from rehost.judgement import Mending, Repair, Subject
from rehost.report import Severity
from rehost.reports.github import render as github
from rehost.reports.gitlab import render as gitlab
from rehost.reports.html import render as page
from rehost.reports.json import render as as_json
from rehost.reports.junit import render as junit
from rehost.reports.sarif import render as sarif
from tests.rehost.reports.judgements import (
    BASELINE,
    EVERYTHING,
    FAILURE,
    HOSTILE,
    IN_SOURCE,
    INSIDE,
    REGION,
    ZERO,
    judged,
    judgement,
)
from tests.support.generated import schemas


def test_every_form_is_named_like_its_module_and_found() -> None:
    assert form_names() == ("github", "gitlab", "html", "json", "junit", "sarif", "text")
    assert tuple(form.name for form in declared(FOLDER, "FORM")) == form_names()


@pytest.mark.parametrize("name", form_names())
def test_the_same_judgement_is_the_same_text_without_bytes_that_are_none(name: str) -> None:
    form = form_named(name)
    names = judgement(Subject("\udcff.ova", judged(ZERO)))
    for report in (EVERYTHING, names, judgement()):
        assert form.render(report) == form.render(report)
        form.render(report).encode()


def test_json_fits_its_published_schema_and_says_everything() -> None:
    document = json.loads(as_json(EVERYTHING))
    jsonschema.validate(document, schemas()["ovf-validate.schema.json"])
    assert document["sources"][0] == {
        "source": "a.ovf",
        "active": 1,
        "suppressed": 2,
        "baselined": 1,
        "disks": [],
        "failure": None,
        "mending": None,
        "repairs": [],
        "targets": [],
    }
    assert document["sources"][3]["failure"] == {
        "where": "gone.ova",
        "what": "cannot be read (No such file)",
        "hint": "Look again.",
    }
    [found] = judged(ZERO)
    assert document["findings"][1] == {
        "source": "a.ovf",
        "rule": "DSK-002",
        "severity": "error",
        "message": "ovf:capacity is zero",
        "file": "a.ovf",
        "line": 3,
        "column": 23,
        "length": 16,
        "offset": 130,
        "hint": "State the capacity.",
        "target": "",
        "quote": "",
        "known_from": "",
        "state": "suppressed",
        "accepted_in": "a.ovf:2",
        "reason": "known & wanted",
        "fingerprint": found.fingerprint,
    }
    assert (document["version"], document["failed"]) == ("1.2.3", True)


def test_junit_is_read_by_its_readers() -> None:
    suites: Any = JUnitXml.fromstring(junit(EVERYTHING).encode())
    assert (suites.tests, suites.failures, suites.errors, suites.skipped) == (12, 2, 1, 3)
    first, inside, _, gone = suites
    assert [
        (case.classname, case.name, [type(each) for each in case.result]) for case in first
    ] == [
        ("rehost.DSK-001", "Each has an id.", []),
        ("rehost.DSK-002", "a.ovf:3:23: ovf:capacity is zero", [Failure]),
        ("rehost.DSK-002", "a.ovf:3:23: ovf:capacity is zero", [Skipped]),
        ("rehost.DSK-002", "a.ovf:3: ovf:capacity is zero", [Skipped]),
        ("rehost.DSK-002", "a.ovf:3: ovf:capacity is zero", [Skipped]),
    ]
    _, failed, skipped, *_ = first
    assert failed.result[0].text == ("a.ovf:3:23: error: ovf:capacity is zero\nState the capacity.")
    assert skipped.result[0].message == "suppressed: known & wanted"
    warning = list(inside)[1]
    assert warning.result == []
    assert warning.system_out == (
        "b c.ova!web.ovf:3:23: warning: ovf:capacity is zero\nState the capacity."
    )
    [unread] = gone
    assert isinstance(unread.result[0], Error)
    assert unread.result[0].message == "gone.ova: cannot be read (No such file)"


def test_junit_follows_the_threshold() -> None:
    found = Subject("a.ovf", judged(INSIDE))
    strict = judgement(found, threshold=Severity.WARNING)
    for report, failures in ((judgement(found), 0), (strict, 1)):
        suites: Any = JUnitXml.fromstring(junit(report).encode())
        assert suites.failures == failures


def test_github_gets_one_line_for_each_finding_that_counts() -> None:
    found = Subject("a.ovf", judged(ZERO, region=REGION) + judged(ZERO, acceptance=BASELINE))
    inside = Subject("b c.ova", judged(INSIDE, region=REGION))
    gone = Subject("gone.ova", (), FAILURE)
    assert github(judgement(found, inside, gone)) == (
        "::error file=gone.ova,title=rehost::"
        "gone.ova: cannot be read (No such file)%0ALook again.\n"
        "::error file=a.ovf,line=3,col=23,endColumn=39,title=DSK-002::"
        "ovf:capacity is zero%0AState the capacity.\n"
        "::warning file=b c.ova,line=1,title=DSK-002::"
        "web.ovf:3:23: ovf:capacity is zero%0AState the capacity.\n"
    )


def test_github_takes_no_commands_from_messages_and_names() -> None:
    lines = github(EVERYTHING).splitlines()
    assert len(lines) == 5
    [line] = [line for line in lines if "ODD-001" in line]
    found = re.fullmatch(
        r"::error file=([^,:]*),line=3,col=1,endColumn=\d+,title=ODD-001::(.*)", line
    )
    assert found is not None
    assert unquote(found[2]).count("::error::") == 3
    assert "\x1b" not in line


def test_every_form_says_for_which_importer_a_finding_is_and_what_that_says() -> None:
    told = replace(ZERO, target="vmware-esxi", quote="Unsupported capacity")
    report = judgement(Subject("a.ovf", judged(told)))
    said = "vmware-esxi: ovf:capacity is zero"
    assert github(report) == (
        f"::error file=a.ovf,line=3,title=DSK-002::"
        f"{said}%0AUnsupported capacity%0AState the capacity.\n"
    )
    assert json.loads(gitlab(report))[0]["description"] == said
    [suite] = JUnitXml.fromstring(junit(report).encode())
    case: Any = list(suite)[1]
    assert case.name == f"a.ovf:3: {said}"
    assert (
        case.result[0].text == f"a.ovf:3: error: {said}\nUnsupported capacity\nState the capacity."
    )
    [result] = json.loads(sarif(report))["runs"][0]["results"]
    assert result["message"]["text"] == (
        f"{said}. It says: Unsupported capacity State the capacity."
    )


def test_gitlab_gets_what_its_documentation_asks_for() -> None:
    entries = json.loads(gitlab(EVERYTHING))
    assert len({entry["fingerprint"] for entry in entries}) == len(entries) == 5
    [found] = judged(ZERO)
    assert entries[0]["check_name"] == "rehost"
    assert entries[0]["severity"] == "blocker"
    assert entries[1] == {
        "description": "ovf:capacity is zero",
        "check_name": "DSK-002",
        "fingerprint": found.fingerprint,
        "severity": "major",
        "location": {"path": "a.ovf", "lines": {"begin": 3}},
    }
    assert entries[2]["description"] == "web.ovf:3:23: ovf:capacity is zero"
    assert entries[2]["location"] == {"path": "b c.ova", "lines": {"begin": 1}}
    allowed = {"info", "minor", "major", "critical", "blocker"}
    assert {entry["severity"] for entry in entries} <= allowed
    for entry in entries:
        assert not entry["location"]["path"].startswith("./")


def test_the_page_needs_nothing_and_runs_nothing() -> None:
    text = page(EVERYTHING)
    tree: Any = html.document_fromstring(text)
    assert text.startswith("<!DOCTYPE html>\n")
    assert not list(tree.iter("script", "img", "link", "iframe", "object", "base", "form"))
    for element in tree.iter("*"):
        assert not [name for name in element.attrib if name in {"src", "href", "style"}]
        assert not [name for name in element.attrib if str(name).startswith("on")]
    [policy] = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_shows_every_finding_with_its_place_and_says_what_was_accepted() -> None:
    tree: Any = html.document_fromstring(page(EVERYTHING))
    assert len(tree.xpath("//article")) == 8
    assert tree.xpath("string(//h1)") == "Failed: 2 errors, 1 warning, 1 remark"
    assert tree.xpath("//article[1]//mark/text()")[0] == 'ovf:capacity="0"'
    accepted = tree.xpath("//article[contains(@class, 'accepted')]")
    assert len(accepted) == 3
    said = f"Suppressed: {IN_SOURCE.reason} ({IN_SOURCE.place})"
    assert said in accepted[0].text_content()
    shown = HOSTILE.partition("\x1b")[0]
    assert any(shown in str(each.text_content()) for each in tree.xpath("//article"))


def test_the_page_lists_what_was_mended() -> None:
    repairs = (
        Repair("DSK-002", "a.ovf:3", "capacity: 0 -> 8 bytes"),
        Repair("VMW-001", HOSTILE, HOSTILE, "vmware"),
    )
    text = page(judgement(Subject("a.ovf", (), repairs=repairs, mending=Mending.PLANNED)))
    tree: Any = html.document_fromstring(text)
    assert tree.xpath("string(//h3)") == "Would be mended"
    first, second = (str(each.text_content()) for each in tree.xpath("//li"))
    assert first == "a.ovf:3 capacity: 0 -> 8 bytes DSK-002"
    assert second.endswith("VMW-001, vmware")
    assert not list(tree.iter("script", "img"))
    nothing = page(judgement(Subject("a.ovf", (), mending=Mending.DONE)))
    assert "There was nothing to mend without a guess." in nothing
    assert "mend" not in page(judgement(Subject("a.ovf", ())))
