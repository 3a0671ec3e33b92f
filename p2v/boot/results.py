"""Verdicts as JSON, and as JUnit's XML (the shape Jenkins and GitLab read)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lxml import etree

from p2v.boot.transcript import plain
from rehost.verdict import Cause, Verdict

LAST_BYTES = 16 << 10
NO_XML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SUITE = "rehost boot"


def document(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return what ``rehost boot --json`` prints; schemas/boot.schema.json is its shape."""
    return {"verdicts": [_plain(verdict) for verdict in verdicts]}


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        **asdict(verdict),
        "booted": verdict.booted,
        "serial_log": str(verdict.serial_log),
        "screenshot": str(verdict.screenshot) if verdict.screenshot else None,
    }


def junit(verdicts: Sequence[Verdict]) -> bytes:
    """Return one test case per machine; a QEMU that failed is an error, any other end a failure."""
    errors = sum(verdict.cause is Cause.EMULATOR_FAILED for verdict in verdicts)
    failures = sum(not verdict.booted for verdict in verdicts) - errors
    counts = {
        "name": SUITE,
        "tests": str(len(verdicts)),
        "failures": str(failures),
        "errors": str(errors),
        "time": f"{sum(verdict.seconds for verdict in verdicts):.1f}",
    }
    root = etree.Element("testsuites")
    suite = etree.SubElement(root, "testsuite", counts)
    for verdict in verdicts:
        _case(suite, verdict)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _case(suite: etree._Element, verdict: Verdict) -> None:
    case = etree.SubElement(
        suite,
        "testcase",
        classname=SUITE,
        name=_sayable(verdict.machine),
        time=f"{verdict.seconds:.1f}",
    )
    if not verdict.booted:
        kind = "error" if verdict.cause is Cause.EMULATOR_FAILED else "failure"
        etree.SubElement(case, kind, type=str(verdict.cause), message=_sayable(verdict.evidence))
    etree.SubElement(case, "system-out").text = _sayable(_end_of(verdict.serial_log))


def _end_of(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LAST_BYTES))
        return plain(file.read(LAST_BYTES))


def _sayable(text: str) -> str:
    """Return text without what XML 1.0 cannot hold."""
    return NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
