"""Which attributes the standard gives which elements, by its schemas."""

from __future__ import annotations

import pytest
from lxml import etree

from ovf.namespaces import OVF_10, OVF_20
from ovf.schema.attributes import is_misplaced

NAMESPACES = {"1": OVF_10, "2": OVF_20}


@pytest.mark.parametrize(
    ("version", "text", "misplaced"),
    [
        ("1", '<References><File o:capacity="8"/></References>', True),
        ("1", '<References><File o:size="8"/></References>', False),
        ("1", '<DiskSection><Disk o:capacity="8"/></DiskSection>', False),
        ("1", '<StartupSection><Item o:bound="min"/></StartupSection>', True),
        ("1", '<VirtualHardwareSection><Item o:bound="min"/></VirtualHardwareSection>', False),
        ("1", '<StartupSection><Item o:order="1"/></StartupSection>', False),
        ("1", '<VirtualSystem><File o:capacity="8"/></VirtualSystem>', False),
        ("1", '<Envelope><Section x:type="DiskSection_Type" o:id="1"/></Envelope>', False),
        ("1", '<EulaSection><License o:fileRef="f"/></EulaSection>', True),
        ("2", '<EulaSection><License o:fileRef="f"/></EulaSection>', False),
        ("2", '<EnvironmentFilesSection><File o:href="f"/></EnvironmentFilesSection>', True),
        ("2", '<SharedDiskSection><SharedDisk o:capacity="8"/></SharedDiskSection>', False),
        ("1", '<Item xmlns:v="v"><v:Config o:required="false"/></Item>', False),
        ("1", '<Item xmlns:v="v"><v:Config o:fileRef="f"/></Item>', False),
        ("1", '<Item xmlns:v="v"><v:Config o:colour="red"/></Item>', True),
    ],
)
def test_an_attribute_is_judged_by_its_element(version: str, text: str, *, misplaced: bool) -> None:
    namespaces = f'xmlns="{NAMESPACES[version]}" xmlns:o="{NAMESPACES[version]}"'
    root = etree.fromstring(
        f'<r {namespaces} xmlns:x="http://www.w3.org/2001/XMLSchema-instance">{text}</r>'
    )
    element = root[0][0]
    name = next(each for each in map(str, element.attrib) if NAMESPACES[version] in each)
    assert is_misplaced(element, name, version) is misplaced
