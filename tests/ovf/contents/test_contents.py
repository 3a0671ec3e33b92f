"""What is in the disks' files, against what the descriptor says of it."""

from __future__ import annotations

import random
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from converters.probe import PROBE
from ovf.contents.disks import contents
from ovf.contents.format_uris import declared_format
from ovf.contents.probe import DiskFacts, Flaw, StreamFacts
from ovf.judging.rule import Needs, all_rules
from ovf.judging.targets import Outcome, prospect, target_named
from ovf.judging.validate import validate
from ovf.package import Package
from rehost.report import Finding, Severity
from tests.ovf.builders import STREAM, beside, pack
from tests.ovf.contents.disk_cases import (
    DISK_CASES,
    IS_CUT,
    POPULATED,
    QCOW2,
    SIZE,
    SOUND,
    VMWARE,
    Build,
    cut_short,
    image,
    stream,
)
from tests.support.packages import web

DISK_RULES = [rule for rule in all_rules() if rule.needs is Needs.DISKS]


def judged(package: Package) -> list[Finding]:
    package.probe = PROBE
    return [finding for rule in DISK_RULES for finding in rule.findings(package)]


@pytest.mark.parametrize("name", SOUND)
def test_a_disk_that_is_what_it_should_be_breaks_no_rule(name: str, tmp_path: Path) -> None:
    assert judged(Package.open(SOUND[name](tmp_path))) == []


def test_the_probe_is_found_by_its_entry_point(tmp_path: Path) -> None:
    assert [point.value for point in entry_points(group="rehost.disk_probe")] == [
        "converters.probe:PROBE"
    ]
    assert Package.open(SOUND["qcow2"](tmp_path)).probe is PROBE


def test_what_the_probe_tells_of_a_stream(tmp_path: Path) -> None:
    package = Package.open(SOUND["vmdk stream"](tmp_path))
    package.probe = PROBE
    [found] = package.once(contents)
    assert found.where == f"{tmp_path}/x.ova!disk.vmdk"
    assert found.facts == DiskFacts(
        "vmdk",
        "streamOptimized",
        SIZE,
        POPULATED,
        StreamFacts(3, len(stream()), 0),
        "ide",
    )


def test_damage_in_the_tables_leaves_the_rest_of_what_is_known(tmp_path: Path) -> None:
    package = beside(tmp_path, web().decode(), {"disk.vmdk": cut_short()})
    package.probe = PROBE
    [found] = package.once(contents)
    assert found.error is None
    assert found.facts
    assert found.facts.virtual_size == SIZE
    assert found.facts.populated is None
    assert found.facts.flaws == (Flaw(f"{tmp_path}/disk.vmdk", IS_CUT),)


def test_the_disk_is_opened_once_for_all_rules(tmp_path: Path) -> None:
    package = Package.open(SOUND["qcow2"](tmp_path))
    package.probe = counting = Counting()
    validate(package)
    assert counting.looks == 1


class Counting:
    """A probe that knows one answer."""

    def __init__(self) -> None:
        self.looks = 0

    recognise = PROBE.recognise
    read = PROBE.read
    read_ahead = PROBE.read_ahead

    def look(self, *_: object) -> DiskFacts:
        self.looks += 1
        return DiskFacts("qcow2", virtual_size=SIZE)


def test_no_disk_is_opened_for_the_descriptor_alone(tmp_path: Path) -> None:
    package = Package.open(SOUND["qcow2"](tmp_path))
    package.probe = counting = Counting()
    assert {found.rule for found in validate(package, descriptor_only=True)} == {"REF-007"}
    assert counting.looks == 0


def test_without_a_probe_nothing_is_said_of_disks(tmp_path: Path) -> None:
    package = Package.open(pack(tmp_path / "x.ova", {"web.ovf": web(), "disk.vmdk": b"no disk"}))
    package.probe = None
    assert [finding for rule in DISK_RULES for finding in rule.findings(package)] == []


@pytest.mark.parametrize("chunk", [100_000, 1 << 20])
def test_chunks_are_looked_into_as_one_disk(chunk: int, tmp_path: Path) -> None:
    disk = stream()
    parts = {
        f"disk.vmdk.{number:09}": disk[at : at + chunk]
        for number, at in enumerate(range(0, len(disk), chunk))
    }
    text = web(file_more=f'ovf:chunkSize="{chunk}"')
    package = Package.open(pack(tmp_path / "x.ova", {"web.ovf": text, **parts}))
    assert judged(package) == []
    [found] = package.once(contents)
    assert found.facts
    assert found.facts.populated == POPULATED


def test_a_flat_disk_is_found_by_its_descriptor(tmp_path: Path) -> None:
    described = image("vmdk", "subformat=monolithicFlat").replace(b"disk-flat", b"flat.vmdk")
    text = web(form=f"{VMWARE}#monolithicFlat").decode()
    package = beside(tmp_path, text, {"disk.vmdk": described, "flat.vmdk": image("raw")})
    assert judged(package) == []


@pytest.mark.parametrize(
    ("uri", "label"),
    [
        (STREAM, "vmdk streamOptimized"),
        (QCOW2, "qcow2"),
        ("HTTPS://WWW.VMware.com/interfaces/specifications/vmdk.html/", "vmdk"),
        ("vhd", "vhd"),
    ],
)
def test_uris_are_compared_without_scheme_and_case(uri: str, label: str) -> None:
    declared = declared_format(uri)
    assert declared
    assert declared.label == label


@pytest.mark.parametrize("uri", ["", "#streamOptimized", "http://example.com/vmdk.html"])
def test_other_uris_are_unknown(uri: str) -> None:
    assert declared_format(uri) is None


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", ["vmdk stream", "vhd", "vhdx", "qcow2", "vmdk monolithicSparse"])
def test_any_bytes_give_findings(name: str, seed: int, tmp_path: Path) -> None:
    build: Build = SOUND[name]
    path = build(tmp_path)
    pick = random.Random(seed)
    content = bytearray(path.read_bytes())
    begin = content.index(b"</Envelope>") // 512 * 512 + 1024
    for _ in range(pick.randrange(1, 60)):
        at = begin + int((len(content) - begin) * pick.random() ** 4)
        content[at] = pick.randrange(256)
    path.write_bytes(content)
    for finding in judged(Package.open(path)):
        assert finding.message.isprintable()


def test_bytes_behind_a_streams_end_are_a_warning_for_vmware(tmp_path: Path) -> None:
    build, _ = DISK_CASES["DSK-014"][0]
    package = Package.open(build(tmp_path))
    package.probe = PROBE
    found = [
        (finding.rule, finding.severity, finding.target, finding.source)
        for finding in prospect(package, target_named("vmware-esxi-7.0")).findings
        if finding.rule.startswith("DSK")
    ]
    source = (
        "reported: github.com/home-assistant/operating-system/issues/2121, "
        "coreos/coreos-assembler/pull/1156; the cause is unconfirmed"
    )
    assert found == [("DSK-014", Severity.WARNING, "vmware-esxi-7.0", source)]
    assert prospect(package, target_named("virtualbox")).outcome is not Outcome.REFUSES


def test_a_damaged_disk_is_refused_by_vmware(tmp_path: Path) -> None:
    package = beside(tmp_path, web().decode(), {"disk.vmdk": cut_short()})
    package.probe = PROBE
    found = prospect(package, target_named("vmware-esxi-7.0"))
    assert found.outcome is Outcome.REFUSES
    assert "DSK-020" in {finding.rule for finding in found.findings}
