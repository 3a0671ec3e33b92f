"""What is printed and written of a verdict."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite

from p2v.boot.results import document, junit
from rehost.console.output import emit_verdict, json_text
from rehost.verdict import Cause, Verdict

SCHEMA = Path(__file__).parents[3] / "schemas" / "boot.schema.json"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "serial.log"
    path.write_bytes(b"\x1b[1mLoading\x1b[0m\r\nweb login: \x00\x01\xef\xbf\xbf")
    return path


def came_up(log: Path) -> Verdict:
    return Verdict(
        machine="web",
        cause=Cause.BOOTED,
        evidence="web login:",
        seconds=24.1,
        accelerator="tcg",
        serial_log=log,
        screenshot=log.with_name("screen.png"),
    )


def failed(log: Path, cause: Cause = Cause.KERNEL_PANIC) -> Verdict:
    return Verdict(
        machine="db <1>\x02",
        cause=cause,
        evidence='Kernel panic - not syncing: "oops"',
        seconds=60.0,
        accelerator="kvm",
        serial_log=log,
    )


def test_a_verdict_is_told_in_words(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    emit_verdict(came_up(log))
    assert capsys.readouterr().out.splitlines() == [
        "web: booted after 24.1 s under tcg",
        "  seen: web login:",
        f"  serial log: {log}",
        f"  screen: {log.parent}/screen.png",
    ]
    emit_verdict(failed(log))
    assert capsys.readouterr().out.splitlines() == [
        "db <1>\\u0002: did not boot (kernel-panic) after 60 s under kvm",
        '  seen: Kernel panic - not syncing: "oops"',
        f"  serial log: {log}",
    ]


def test_the_json_has_the_published_shape(log: Path) -> None:
    printed = json.loads(json_text(document([came_up(log), failed(log)])))
    jsonschema.validate(printed, json.loads(SCHEMA.read_text()))
    assert printed["verdicts"][0] == {
        "machine": "web",
        "booted": True,
        "cause": "booted",
        "evidence": "web login:",
        "seconds": 24.1,
        "accelerator": "tcg",
        "serial_log": str(log),
        "screenshot": f"{log.parent}/screen.png",
    }
    assert printed["verdicts"][1]["screenshot"] is None


def test_the_schema_knows_every_cause() -> None:
    schema = json.loads(SCHEMA.read_text())
    assert schema["$defs"]["verdict"]["properties"]["cause"]["enum"] == [str(one) for one in Cause]


def test_junit_has_a_case_for_each_machine(log: Path) -> None:
    verdicts = [came_up(log), failed(log), failed(log, Cause.EMULATOR_FAILED)]
    suites = JUnitXml.fromstring(junit(verdicts))
    (suite,) = suites
    assert isinstance(suite, TestSuite)
    assert (suite.name, suite.tests, suite.failures, suite.errors, suite.time) == (
        "rehost boot",
        3,
        1,
        1,
        144.1,
    )
    good, bad, broken = suite
    assert isinstance(good, TestCase)
    assert (good.name, good.classname, good.time, good.result) == ("web", "rehost boot", 24.1, [])
    assert good.system_out == "Loading\nweb login: \N{REPLACEMENT CHARACTER}"
    assert isinstance(bad, TestCase)
    assert isinstance(broken, TestCase)
    assert bad.name == "db <1>\N{REPLACEMENT CHARACTER}"
    assert [(type(one), one.type, one.message) for one in (*bad.result, *broken.result)] == [
        (Failure, "kernel-panic", 'Kernel panic - not syncing: "oops"'),
        (Error, "emulator-failed", 'Kernel panic - not syncing: "oops"'),
    ]


def test_junit_keeps_the_end_of_a_long_log(log: Path) -> None:
    log.write_bytes(b"start" + b"." * 100_000 + b"end")
    (suite,) = JUnitXml.fromstring(junit([came_up(log)]))
    (case,) = suite
    assert case.system_out == "." * (16384 - 3) + "end"
