"""A descriptor restated in another version says the same; what it cannot say is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from ovf.judging.validate import validate
from ovf.machines.hardware import read_machines
from ovf.namespaces import SASD
from tests.ovf.builders import FIXTURES, beside, told
from tests.ovf.edit.appliances import WEB, difference
from tests.ovf.schema.published import messages, own
from tests.ovf.versions.restated import ONE, TWO, restated

EXTENSION = "OVF 1.x has no such property; kept as an extension that may be ignored"
OPTIONAL = "OVF 1.x does not know it; kept as an extension that may be ignored"
ACCESS = f"changed shop.ovf:35 StorageItem 'Disk' sasd:Access | 3 | extension | {EXTENSION}"
PLACED = f"changed shop.ovf:45 PlacementSection | None | extension | {OPTIONAL}"


def found(folder: Path, text: str) -> list[str]:
    package = beside(folder, text)
    return [f"{each.rule} {each.message}" for each in validate(package, descriptor_only=True)]


def schema_says(text: str) -> list[str]:
    root = etree.fromstring(text.encode())
    schema = own(f"envelope-{etree.QName(root).namespace[-1]}")
    schema.validate(root)
    return messages(schema)


def test_what_is_of_2_only_becomes_what_1_has_or_an_extension_and_is_told() -> None:
    text, losses = restated(TWO, "1")
    assert text == ONE
    assert told(losses) == [ACCESS, PLACED]


def test_it_comes_back_as_it_was_but_for_what_cannot_be_told_from_a_wish() -> None:
    text, losses = restated(TWO, "1", "2")
    assert losses == []
    assert difference(TWO, text).splitlines() == [
        f'- xmlns:sasd="{SASD}">',
        f'+ xmlns:sasd="{SASD}"',
        '+ xmlns:ovf2="http://schemas.dmtf.org/ovf/envelope/2">',
        '- <PlacementSection ovf:group="near">',
        '+ <ovf2:PlacementSection ovf2:group="near" ovf:required="false">',
        "- </PlacementSection>",
        "+ </ovf2:PlacementSection>",
    ]


def test_what_is_of_that_version_already_stays_byte_for_byte() -> None:
    assert restated(ONE, "1") == (ONE, [])


def test_an_appliance_for_vmware_becomes_one_of_2_and_is_the_same_machine(tmp_path: Path) -> None:
    text, losses = restated(WEB, "2")
    assert losses == []
    assert (text.count("<ovf:EthernetPortItem>"), text.count("<ovf:StorageItem>")) == (1, 1)
    assert "<epasd:ResourceSubType>VmxNet3</epasd:ResourceSubType>" in text
    back, _ = restated(text, "1")
    now, before, again = (read_machines(beside(tmp_path, each))[0][0] for each in (text, WEB, back))
    assert now == before == again


def test_rules_find_the_same_in_both_versions(tmp_path: Path) -> None:
    assert sorted(set(found(tmp_path, ONE)) ^ set(found(tmp_path, TWO))) == [
        "CNF-001 conformance level is 2 (optional extensions)",
        "PLC-002 no PlacementGroupSection has the id 'near'",
        "S2-001 ovf2:PlacementSection is of OVF 2.x",
    ]


@pytest.mark.parametrize("name", ["envelope-1", "envelope-2"])
def test_every_element_of_the_standard_survives_the_way_there_and_back(name: str) -> None:
    text = (FIXTURES / "whole" / f"{name}.ovf").read_text()
    version = name[-1]
    other = {"1": "2", "2": "1"}[version]
    there, _ = restated(text, other)
    back, _ = restated(there, version)
    assert schema_says(back) == []


def test_networks_lose_their_profiles() -> None:
    uri = "<NetworkPortProfileURI>http://x/p</NetworkPortProfileURI>"
    network = f'<Network ovf:name="lan"><Description>x</Description>{uri}</Network>'
    text, losses = restated(TWO.replace('<Network ovf:name="lan"/>', network), "1")
    assert '<Network ovf:name="lan"><Description>x</Description></Network>' in text
    why = "a network of OVF 1.x has no such profile"
    assert told(losses)[1] == (
        f"dropped shop.ovf:17 NetworkPortProfileURI | http://x/p | None | {why}"
    )


SHARED = (
    "<SharedDiskSection><Info>s</Info>"
    '<SharedDisk ovf:diskId="s" ovf:capacity="1" ovf:readOnly="true"/></SharedDiskSection>'
)
WHY_SHARED = "OVF 1.x cannot say that machines share a disk; each may get one of its own"
LOST = [
    f"changed shop.ovf:14 SharedDisk 's' | SharedDisk | Disk | {WHY_SHARED}",
    "dropped shop.ovf:14 SharedDisk/@readOnly | true | None"
    " | OVF 1.x cannot say that a disk is only read",
]


def test_shared_disks_join_the_others() -> None:
    text, losses = restated(TWO.replace("</DiskSection>", f"</DiskSection>{SHARED}"), "1")
    assert difference(ONE, text) == '+ <Disk ovf:diskId="s" ovf:capacity="1"/>'
    assert told(losses) == [ACCESS, *LOST, PLACED]


def test_shared_disks_alone_become_the_disks() -> None:
    start, end = TWO.index("<DiskSection>"), TWO.index("</DiskSection>") + len("</DiskSection>")
    source = f"{TWO[:start]}\n\n\n{SHARED}{TWO[end:]}"
    text, losses = restated(source, "1")
    assert (
        '<DiskSection><Info>s</Info><Disk ovf:diskId="s" ovf:capacity="1"/></DiskSection>' in text
    )
    assert told(losses) == [ACCESS, *LOST, PLACED]


def test_what_encrypts_parts_has_to_be_understood() -> None:
    section = "<EncryptionSection><Info/></EncryptionSection>"
    text, losses = restated(TWO.replace("  <VirtualSystem", f"{section}\n  <VirtualSystem", 1), "1")
    assert '<ovf2:EncryptionSection ovf:required="true"><Info/></ovf2:EncryptionSection>' in text
    why = "OVF 1.x does not know it; kept as an extension that has to be understood"
    assert told(losses)[1] == f"changed shop.ovf:19 EncryptionSection | None | extension | {why}"


def test_a_text_in_a_file_stays_there() -> None:
    eula = '<EulaSection><Info/><License ovf:fileRef="f">Pay</License></EulaSection>'
    text, losses = restated(TWO.replace("<VirtualHardware", f"{eula}<VirtualHardware", 1), "1")
    assert '<License ovf2:fileRef="f">Pay</License>' in text
    why = "the text is in a file, which OVF 1.x does not read"
    assert told(losses)[1] == f"changed shop.ovf:21 License/@fileRef | f | extension | {why}"
    again, _ = restated(text, "2")
    assert '<License ovf2:fileRef="f">Pay</License>' in again
    assert schema_says(again) == []
