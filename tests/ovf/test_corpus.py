"""Every real descriptor and archive at hand: machines or an error, never anything else.

The corpus lies outside the repository; where it is absent these tests say so and are skipped.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from ovf.judging.validate import validate
from ovf.machines.hardware import read_machines
from ovf.manifest import Verification
from ovf.package import Package
from rehost.errors import InteropError, UnsupportedInputError
from rehost.machine import Machine
from rehost.report import Loss, Severity
from tests.support.corpus import CORPUS

ROOT = CORPUS / "ovf"

pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="the corpus is not here")

Read = list[tuple[Machine, list[Loss]]] | InteropError


@cache
def everything() -> dict[Path, Read]:
    found: dict[Path, Read] = {}
    for path in sorted([*ROOT.rglob("*.ovf"), *ROOT.rglob("*.ova")]):
        try:
            found[path] = read_machines(Package.open(path))
        except InteropError as error:
            found[path] = error
    return found


def test_every_descriptor_gives_machines_or_one_line() -> None:
    read = everything()
    assert len(read) > 600
    for result in read.values():
        if isinstance(result, InteropError):
            assert str(result).isprintable()
            assert result.exit_code in {3, 4, 6}
        else:
            assert result


def test_every_descriptor_in_a_draft_is_read() -> None:
    drafts = set()
    for path, result in everything().items():
        if not isinstance(result, InteropError):
            dialects = {
                loss.why for _, losses in result for loss in losses if "dialect" in loss.item
            }
            drafts |= {(path.name, why) for why in dialects}
    assert ("Nostalgia.ovf", "it is written in the draft of OVF 1.0") in drafts
    assert sum(why == "it is written in OVF 0.9" for _, why in drafts) > 40


def test_most_descriptors_of_a_known_version_are_read() -> None:
    known = [
        result for result in everything().values() if not isinstance(result, UnsupportedInputError)
    ]
    read = [result for result in known if not isinstance(result, InteropError)]
    assert len(read) / len(known) > 0.8


def test_no_machine_is_read_without_its_disks_having_places() -> None:
    placed: Counter[bool] = Counter()
    for result in everything().values():
        if isinstance(result, InteropError):
            continue
        for machine, losses in result:
            told = {loss.item for loss in losses}
            for number, disk in enumerate(machine.disks):
                placed[disk.address is not None] += 1
                assert disk.address or f"disks[{number}].address" in told
    assert placed[True] > 20 * placed[False]


def test_every_archive_passes_its_own_manifest() -> None:
    read = [path for path, result in everything().items() if not isinstance(result, InteropError)]
    archives = [path for path in read if path.suffix == ".ova"]
    assert len(archives) > 10
    for path in archives:
        verification = Verification(Package.open(path))
        verification.start()
        assert [found for found in verification.finish() if found.severity is Severity.ERROR] == []


def test_the_rules_judge_every_descriptor_that_can_be_parsed() -> None:
    judged: Counter[str] = Counter()
    for path in everything():
        try:
            package = Package.open(path)
            findings = validate(package, descriptor_only=path.suffix == ".ovf")
        except InteropError:
            continue
        judged.update({finding.rule for finding in findings})
    assert len(judged) > 20


def test_what_vmware_s_importer_refuses_has_errors() -> None:
    """But for those whose fault is in a file that is not here, or in a draft's own words."""
    refused: Counter[bool] = Counter()
    for path in everything():
        if "Neg" not in path.parts:
            continue
        try:
            found = validate(Package.open(path), descriptor_only=True)
        except InteropError:
            continue
        errors = {each.rule for each in found if each.severity is Severity.ERROR}
        refused[bool(errors - {"ENV-002"})] += 1
    assert refused[True] > 9 * refused[False] > 0


def test_environment_documents_are_judged_as_their_schema_does() -> None:
    documents = sorted([*ROOT.rglob("*ovfenv.xml"), *ROOT.rglob("ovf-env.xml")])
    judged: Counter[str] = Counter()
    read = 0
    for path in documents:
        try:
            found = validate(Package.open(path))
        except InteropError:
            continue
        read += 1
        judged.update(each.rule for each in found if each.severity is Severity.ERROR)
    assert read >= 10
    assert set(judged) == {"OEN-005", "OEN-012"}
