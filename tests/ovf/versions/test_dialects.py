"""Dialects are read as if they were OVF 1.x, with the lines they were written on."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovf.envelope import Envelope
from ovf.judging.validate import validate
from ovf.outline import items
from rehost.machine import Address, Bus
from rehost.report import Loss, LossKind
from tests.ovf.builders import beside, machine_of

OVF_09 = "http://www.vmware.com/schema/ovf/1/envelope"
OVF_10 = "http://schemas.dmtf.org/ovf/envelope/1"
CIM = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_"
XSI = "http://www.w3.org/2001/XMLSchema-instance"


def draft(namespace: str = OVF_09, *, inside: str = "", xsi: str = XSI) -> str:
    """Return a draft of one machine with one disk; ``inside`` its virtual system on line 9."""
    return f"""<o:Envelope xmlns:o="{namespace}" xmlns:x="{xsi}" xmlns:v="urn:v"
 xmlns:r="{CIM}ResourceAllocationSettingData" o:version="0.9">
<References><File o:id="f" o:href="d.vmdk"/></References>
<Section x:type="o:DiskSection_Type"><Info/>
<Disk o:diskId="d" o:fileRef="f" o:capacity="1024" o:format="http://x/vmdk.html#sparse"/>
</Section>
<Content x:type="o:VirtualSystem_Type" o:id="web">
<Info/>
{inside}
<Section x:type="o:VirtualHardwareSection_Type"><Info/>
<Item><r:Caption>SCSI 0</r:Caption><r:InstanceId>8</r:InstanceId>
<r:ResourceType>6</r:ResourceType><r:BusNumber>1</r:BusNumber></Item>
<Item><r:Caption>Disk</r:Caption><r:InstanceId>9</r:InstanceId><r:ResourceType>17</r:ResourceType>
<r:HostResource>/disk/d</r:HostResource><r:Parent>8</r:Parent>
<r:AddressOnParent>2</r:AddressOnParent></Item>
</Section>
</Content>
</o:Envelope>"""


def read(text: str) -> Envelope:
    return Envelope.read(text.encode(), file="x.ovf", label="x.ovf")


def test_a_draft_is_asked_for_no_order_but_for_what_readers_know(tmp_path: Path) -> None:
    text = draft().replace("<Info/>\n<Item>", "<Info/><System/>\n<Item><r:Odd/>")
    found = validate(beside(tmp_path, text), descriptor_only=True)
    assert [each.message for each in found if each.rule in {"ITM-015", "VHS-007", "VHS-008"}] == [
        "Item 'SCSI 0' requires r:Odd"
    ]


@pytest.mark.parametrize(
    ("namespace", "title"), [(OVF_09, "OVF 0.9"), (OVF_10, "the draft of OVF 1.0")]
)
def test_a_draft_has_the_names_and_lines_of_the_standard(namespace: str, title: str) -> None:
    envelope = read(draft(namespace))
    assert (envelope.dialect, envelope.version, envelope.namespace) == (title, "1", OVF_10)
    assert [(file.id, file.at.line) for file in envelope.references] == [("f", 3)]
    assert [(disk.capacity, disk.at.line) for disk in envelope.disks] == [("1024", 5)]
    assert [(item.label, item.instance, item.at.line) for item in items(envelope)] == [
        ("Item 'SCSI 0'", "8", 11),
        ("Item 'Disk'", "9", 13),
    ]


def test_what_the_standard_writes_is_no_dialect() -> None:
    envelope = read(f'<Envelope xmlns="{OVF_10}"/>')
    assert (envelope.dialect, envelope.version) == (None, "1")


def test_a_machine_is_read_from_a_draft_and_the_report_says_so(tmp_path: Path) -> None:
    machine, losses = machine_of(tmp_path, draft())
    assert machine.disks[0].address == Address(Bus.SCSI, 1, 2)
    why = "it is written in OVF 0.9"
    assert Loss(LossKind.ASSUMED, "web.ovf dialect", None, "OVF 1.x", why) in losses


def test_sections_of_vendors_keep_their_namespace() -> None:
    section = '<Section x:type="v:BootSection_Type"/>'
    [system] = read(draft(inside=section)).systems
    assert [str(child.tag) for child in system.iterchildren()][1] == "{urn:v}BootSection"


def test_content_without_a_known_type_is_no_machine() -> None:
    assert read(draft(xsi="urn:invalid")).systems == ()


def test_a_name_that_is_there_already_is_not_said_twice() -> None:
    item = "<Item><r:Address>1</r:Address><r:BusNumber>0</r:BusNumber></Item>"
    section = f'<Section x:type="o:VirtualHardwareSection_Type">{item}</Section>'
    [first, *_] = items(read(draft(inside=section)))
    assert first.said == {"Address": "1", "BusNumber": "0"}


@pytest.mark.parametrize("kind", ["9", "²", "-", "9" * 5000])
def test_a_type_that_is_no_name_names_nothing(kind: str) -> None:
    text = draft(inside=f'<Section x:type="o:{kind}_Type"><Info/></Section>')
    root = Envelope.read(text.encode(), file="web.ovf", label="web.ovf").root
    assert len(list(root.iter(f"{{{OVF_10}}}Section"))) == 1
