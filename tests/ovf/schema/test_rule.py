"""ENV-007 and the rules beside it: nothing invalid goes unsaid, and nothing is said twice."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

from ovf.foreign import VERSIONS
from ovf.judging.rule import Needs, all_rules
from ovf.judging.validate import validate
from ovf.namespaces import CIM
from ovf.package import Descriptor, Package
from ovf.schema.tellers import TELLERS
from ovf.schema.verdict import violations
from ovf.schema.vocabulary import OWN_SCHEMAS
from ovf.storage import Folder
from rehost.report import Finding, Severity
from tests.ovf.builders import MEMORY, PROCESSORS, SCSI, beside, descriptor
from tests.ovf.schema.documents import plain, whole
from tests.ovf.schema.mutation import FOREIGN, mutations
from tests.ovf.schema.published import own

EVERY = 29
NAMESPACES = {version: namespace for namespace, version in VERSIONS.items()}
HOLDERS = ("Envelope", "VirtualSystem", "VirtualSystemCollection")

each_version = pytest.mark.parametrize("version", ["1", "2"])


def package(root: etree._Element) -> Package:
    content = etree.tostring(root)
    return Package(Path("web.ovf"), Folder(Path("nowhere")), Descriptor("web.ovf", content))


def errors(root: etree._Element) -> set[Finding]:
    found = validate(package(root), descriptor_only=True)
    return {finding for finding in found if finding.severity is Severity.ERROR}


@each_version
def test_whatever_is_invalid_is_an_error_told_once(version: str) -> None:
    root = whole(f"envelope-{version}.ovf")
    before = {(one.rule, one.message) for one in errors(root)}
    changed = list(mutations(root))[::EVERY]
    invalid, tags = 0, [str(element.tag) for element in root.iter(etree.Element)]
    for mutation in changed:
        mutated = mutation.of(root)
        new = [one for one in errors(mutated) if (one.rule, one.message) not in before]
        if own(f"envelope-{version}").validate(mutated):
            assert [one for one in new if one.rule == "ENV-007"] == []
            continue
        if mutation.what == "moved out" and tags[mutation.number].startswith(f"{{{CIM}"):
            continue  # libxml2 takes it for an extension, wherever it stands
        invalid += 1
        assert new, mutation
        general = {one.location for one in new if one.rule == "ENV-007"}
        special = {
            one.location for one in new if not one.rule.startswith(("ENV-007", "EXT-", "PRD-"))
        }
        assert not general & special, mutation
    assert invalid > len(changed) / 3


def test_the_rules_that_tell_instead_exist_and_are_errors() -> None:
    known = {rule.id: rule for rule in all_rules()}
    for teller in {name for tellers in TELLERS.values() for name in tellers}:
        assert known[teller].severity is Severity.ERROR
        assert known[teller].needs is Needs.DESCRIPTOR


@each_version
def test_extensions_are_allowed_exactly_where_the_schema_has_room(version: str) -> None:
    """libxml2 takes extensions before optional children for valid, so xmlschema is asked."""
    schema = xmlschema.XMLSchema(str(OWN_SCHEMAS / f"envelope-{version}.xsd"))
    [rule] = [rule for rule in all_rules() if rule.id == "EXT-005"]
    root = plain(f"envelope-{version}.ovf")
    namespace = NAMESPACES[version]
    places = 0
    seen: set[str] = set()
    for number, parent in enumerate(root.iter(f"{{{namespace}}}*")):
        if str(parent.tag) in seen:
            continue
        seen.add(str(parent.tag))
        for index in range(len(parent) + 1):
            section = etree.QName(parent).localname in HOLDERS
            kind = f"{{{namespace}}}AnnotationSection" if section else FOREIGN
            allowed = schema.is_valid(_with(root, number, index, kind, namespace))
            extended = _with(root, number, index, FOREIGN, namespace)
            refused = bool(list(rule.findings(package(extended))))
            assert refused is not allowed, (parent.tag, index, parent.sourceline)
            places += 1
    assert places > 100


def _with(
    root: etree._Element, number: int, index: int, tag: str, namespace: str
) -> etree._Element:
    """Return a copy with an optional extension, or a section that stands for one."""
    copy = etree.fromstring(etree.tostring(root))
    child = etree.Element(tag)
    child.set(f"{{{namespace}}}required", "false")
    etree.SubElement(child, f"{{{namespace}}}Info")
    if tag != FOREIGN:
        etree.SubElement(child, f"{{{namespace}}}Annotation")
    list(copy.iter(f"{{{namespace}}}*"))[number].insert(index, child)
    return copy


CASES: dict[str, tuple[Callable[[str], str], list[str]]] = {
    "an early defect hides no late one": (
        lambda text: text.replace("<Info/>", "<Info/><Name/><Name/>", 1).replace(
            'ovf:id="web"', 'ovf:id="web" xml:space="wide"'
        ),
        [
            "web.ovf:4: Name may not stand here in DiskSection (expected Disk)",
            "web.ovf:6: xml:space of VirtualSystem is not one of its values ('wide')",
        ],
    ),
    "letters of another case": (
        lambda text: text.replace("<Info/>", "<info/>", 1),
        [],
    ),
    "attributes without the namespace": (
        lambda text: text.replace("</DiskS", '<Disk diskId="d" capacity="1"/></DiskS', 1),
        [
            "web.ovf:4: Disk has diskId without the namespace of ovf:diskId",
            "web.ovf:4: Disk has capacity without the namespace of ovf:capacity",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_found_where(case: str, tmp_path: Path) -> None:
    change, expected = CASES[case]
    found = violations(beside(tmp_path, change(descriptor())))
    assert [f"web.ovf:{one.line}: {one.message}" for one in found] == expected


CROWDS: dict[str, Callable[[int], str]] = {
    "files": lambda n: descriptor(references="<File/>" * n),
    "names": lambda n: descriptor(disks="<Name/>" * n),
    "extensions": lambda n: descriptor(disks="<vmw:Config/><Disk/>" * n),
    "items": lambda n: descriptor(*["<Item/>"] * n),
}


def test_too_many_elements_for_the_schema_are_said(tmp_path: Path) -> None:
    sections = f"<DiskSection>{'<Info/>' * 900}</DiskSection>" * 60
    [found] = violations(beside(tmp_path, descriptor(around=sections)))
    assert found.message == "Envelope holds too many elements to be judged by its schema"


@pytest.mark.parametrize("crowd", CROWDS)
def test_many_violations_take_time_in_proportion(crowd: str, tmp_path: Path) -> None:
    judged = beside(tmp_path, CROWDS[crowd](20_000))
    [rule] = [rule for rule in all_rules() if rule.id == "ENV-007"]
    started = time.process_time()
    list(rule.findings(judged))
    assert judged.once(violations)
    assert time.process_time() - started < 10


EXPLAINED = {
    "a place": (
        "<Info/></DiskSection>",
        "<Info/><Name/></DiskSection>",
        "Name may not stand here in DiskSection (expected Disk), at /Envelope/DiskSection/Name,"
        " where the order is Info, Disk, extensions",
    ),
    "a value": (
        "<VirtualHardwareSection>",
        '<VirtualHardwareSection ovf:required="x">',
        "ovf:required of VirtualHardwareSection is not true or false ('x'), at"
        " /Envelope/VirtualSystem/VirtualHardwareSection, expected xs:boolean",
    ),
    "one too many": (
        "<Info/></DiskSection>",
        "<Info/><Info/></DiskSection>",
        "Info may not stand here in DiskSection (expected Disk), at /Envelope/DiskSection/Info[2],"
        " where the order is Info, Disk, extensions",
    ),
    "one of many": (
        "<VirtualHardwareSection>",
        "<License/><VirtualHardwareSection>",
        "License may not stand here in VirtualSystem (expected Name, DiskSection, NetworkSection,"
        " DeploymentOptionSection, VirtualHardwareSection, ResourceAllocationSection or others), at"
        " /Envelope/VirtualSystem/License, where the order is Info, Name, Section",
    ),
}


@pytest.mark.parametrize("case", EXPLAINED)
def test_a_second_validator_explains_where_and_what_else(case: str, tmp_path: Path) -> None:
    old, new, expected = EXPLAINED[case]
    judged = beside(tmp_path, descriptor().replace(old, new, 1))
    judged.explains = True
    [rule] = [rule for rule in all_rules() if rule.id == "ENV-007"]
    [found] = list(rule.findings(judged))
    assert found.message == expected


@pytest.mark.parametrize("at", range(5))
def test_text_between_children_is_told_beside_their_order(tmp_path: Path, at: int) -> None:
    properties = re.findall(r"<rasd:\w+>[^<]*</rasd:\w+>", SCSI)
    unordered = [*properties[1:2], *properties[:1], *properties[2:]]
    odd = f"<Item>{''.join([*unordered[:at], 'text', *unordered[at:]])}</Item>"
    found = validate(beside(tmp_path, descriptor(odd, PROCESSORS, MEMORY)), descriptor_only=True)
    assert sorted((finding.rule, finding.message) for finding in found) == [
        ("ENV-007", "Item has text between its elements"),
        ("VHS-008", "Item '3' has Address after ElementName"),
    ]


def test_an_xml_id_is_judged_by_the_schema(tmp_path: Path) -> None:
    text = descriptor(SCSI, PROCESSORS, MEMORY)
    text = text.replace("<References", '<References xml:id="1"')
    text = text.replace("<DiskSection", '<DiskSection xml:id="a"')
    text = text.replace("<VirtualSystem ", '<VirtualSystem xml:id="a" ')
    found = validate(beside(tmp_path, text), descriptor_only=True)
    assert [(finding.rule, finding.message) for finding in found] == [
        ("ENV-007", "xml:id of References is not a name that is used once ('1')"),
        ("ENV-007", "xml:id of VirtualSystem is not a name that is used once ('a')"),
    ]
