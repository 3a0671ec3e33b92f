"""Findings point at what their messages speak of, in characters and in bytes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ovf.judging.pointing import LONGEST_LINE, Pointer
from ovf.judging.rule import all_rules
from ovf.judging.validate import validate
from ovf.package import Package
from rehost.judgement import Region
from rehost.report import Finding, Location, Severity
from tests.ovf.builders import FIXTURES, NAMESPACES, manifest, pack, with_disk

DOCUMENT = f"""<?xml version="1.0" encoding="{{encoding}}"?>
<Envelope {NAMESPACES}>
<References/>
<DiskSection>
  <Info>Größe</Info><Disk ovf:diskId="d&amp;1" ovf:capacity='0'/>
  <Disk
    ovf:diskId="größer"
    ovf:capacity="7 GB"
  />
</DiskSection>
<VirtualSystem ovf:id="web">
<VirtualHardwareSection>
  <Item>
    <rasd:Parent>  33</rasd:Parent>
    <rasd:InstanceID/>
  </Item>
</VirtualHardwareSection>
</VirtualSystem>
</Envelope>
"""


def pointed(tmp_path: Path, line: int, message: str, codec: str = "utf-8") -> Region | None:
    path = tmp_path / "web.ovf"
    declared = "utf-8" if codec == "utf-8-sig" else codec
    path.write_bytes(DOCUMENT.format(encoding=declared).encode(codec))
    package = Package.open(path)
    place = Location(package.written.label, line)
    found = Pointer(package).region(Finding("X", Severity.ERROR, message, place))
    if found is not None:
        assert found.start is not None
        assert found.size is not None
        said = path.read_bytes()[found.start : found.start + found.size]
        marked = found.text[found.column - 1 : found.column - 1 + found.length]
        assert said.decode("utf-16-le" if codec == "utf-16" else declared) == marked
    return found


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "iso8859-1"])
@pytest.mark.parametrize(
    ("line", "message", "expected"),
    [
        (5, "id is used again ('d&1')", (5, "d&amp;1")),
        (5, "diskId 'd&1' is used again", (5, 'ovf:diskId="d&amp;1"')),
        (5, "Disk 'd&1' has no ovf:format", (5, "d&amp;1")),
        (5, "ovf:capacity is zero", (5, "ovf:capacity='0'")),
        (5, "Disk has no ovf:format", (5, "<Disk")),
        (5, "Info is too short", (5, "<Info")),
        (5, "something is odd", (5, "<Info")),
        (9, "ovf:capacity is not a whole number ('7 GB')", (8, "7 GB")),
        (9, 'Disk "größer" is odd', (7, "größer")),
        (9, "Disk \"größer\" is odd ('7…')", (8, "7")),
        (9, "Disk \"größer\" is odd ('7 GB' has ' ')", (8, "7 GB")),
        (13, "Item 'the Parent' is odd", (13, "<Item")),
        (9, "Disk has no ovf:format", (6, "<Disk")),
        (13, "Parent '33' is no item's InstanceID", (14, "33")),
        (13, "has a Parent", (14, "33")),
        (13, "InstanceID is empty", (13, "<Item")),
        (12, "begins with no Info", (12, "<VirtualHardwareSection")),
        (16, "ends", (16, "</Item>")),
    ],
)
def test_a_finding_points_at_what_its_message_speaks_of(
    tmp_path: Path, line: int, message: str, expected: tuple[int, str], codec: str
) -> None:
    found = pointed(tmp_path, line, message, codec)
    assert found is not None
    marked = found.text[found.column - 1 : found.column - 1 + found.length]
    assert (found.line, marked) == expected


SQUEEZED = f"""<Envelope {NAMESPACES}><References/>\
<DiskSection><Info>d</Info><Disk ovf:diskId="a" ovf:capacity="1"/><Disk ovf:diskId="b" \
ovf:capacity="2"/></DiskSection><NetworkSection><Network ovf:name="n"/></NetworkSection></Envelope>
"""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("NetworkSection does not begin with Info", "<NetworkSection"),
        ("Disk 'b' has an ovf:capacity nobody wants", 'ovf:capacity="2"'),
        ("Disk 'b' has no ovf:format", "b"),
        ("ovf:capacity is odd ('2')", "2"),
        ("Info is short", "d"),
        ("there is no content", "<Envelope"),
    ],
)
def test_in_a_document_of_one_line_the_element_is_pointed_at(
    tmp_path: Path, message: str, expected: str
) -> None:
    (tmp_path / "web.ovf").write_text(SQUEEZED)
    package = Package.open(tmp_path / "web.ovf")
    place = Location(package.written.label, 1)
    found = Pointer(package).region(Finding("X", Severity.ERROR, message, place))
    assert found is not None
    assert found.text[found.column - 1 : found.column - 1 + found.length] == expected


def test_a_finding_without_a_line_or_behind_the_end_has_no_region(tmp_path: Path) -> None:
    assert pointed(tmp_path, 500, "is wrong") is None
    package = Package.open(tmp_path / "web.ovf")
    for place in (Location(package.written.label), Location("other.ovf", 3)):
        assert Pointer(package).region(Finding("X", Severity.ERROR, "m", place)) is None


def test_a_line_nobody_could_show_has_no_region(tmp_path: Path) -> None:
    path = tmp_path / "web.ovf"
    path.write_text(with_disk("x" * LONGEST_LINE))
    package = Package.open(path)
    found = Finding("X", Severity.ERROR, "m", Location(package.written.label, 3))
    assert Pointer(package).region(found) is None


def test_a_finding_in_a_manifest_points_at_its_line(tmp_path: Path) -> None:
    listing = manifest({"web.ovf": b"", "gone": b""})
    path = pack(tmp_path / "x.ova", {"web.ovf": with_disk().encode(), "web.mf": listing})
    package = Package.open(path)
    place = Location(f"{path}!web.mf", 2)
    named = Pointer(package).region(Finding("X", Severity.ERROR, "lists ('gone')", place))
    assert named is not None
    assert (named.line, named.column, named.length) == (2, 8, 4)
    assert named.start == listing.index(b"gone")
    whole = Pointer(package).region(Finding("X", Severity.ERROR, "is odd", place))
    assert whole is not None
    assert (whole.column, whole.length) == (1, len(whole.text))


def test_every_finding_of_the_fixtures_with_a_line_has_a_region() -> None:
    seen = 0
    for path in sorted((FIXTURES / "rules").glob("*/bad.ovf")):
        package = Package.open(path)
        pointer = Pointer(package)
        for finding in validate(package, all_rules(), descriptor_only=True):
            if finding.location.line is not None:
                region = pointer.region(finding)
                assert region is not None, finding
                assert region.length > 0, finding
                seen += 1
    assert seen > 30


def test_a_hostile_number_of_findings_on_one_line_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "web.ovf"
    disks = "".join(f'<Disk ovf:diskId="d{n}"/>' for n in range(20_000))
    path.write_text(with_disk().replace("<Info/>", f"<Info/>{disks}", 1))
    package = Package.open(path)
    pointer = Pointer(package)
    began = time.process_time()
    for finding in validate(package, all_rules(), descriptor_only=True):
        assert pointer.region(finding) is None or finding.location.line != 4
    assert time.process_time() - began < 20
