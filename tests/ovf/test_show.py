"""``rehost ovf show``: what is in a package, in words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]

from ovf.showing import shown
from ovf.summary import summary_of
from tests.ovf.builders import beside, descriptor, item, pack, signed_off
from tests.ovf.edit.appliances import DISK, WEB
from tests.support.generated import schemas
from tests.support.packages import rehost

BRIEF = """\
web.ova: OVF 1.x, web.ovf, web.mf, signed

Files
  disk.vmdk (64 KiB)

Disks
  vmdisk1: 1 GiB, in file1

Networks
  VM Network, The VM Network network

Configurations
  small (default): Small, For trying
  large: Large, For working

Virtual system 'web'
  name              web
"""
VERBOSE = """\
  product           Web 1.0
  class             com.example.1
  property          com.example.ip.1 = '', Address
                    type string, user configurable yes
  property          com.example.port.1 = (a password)
                    type uint16, user configurable no
  property          com.example.mode.1 = 'a'
                    type string, qualifiers ValueMap{"a","b"}, user configurable no
  licence           Pay
                    and use.
  guest             Debian (64 bit)
  made for          vmx-10
  transport         com.vmware.guestInfo
  in 'small'        2 processors, 512 MiB of memory, 1 disk, 1 network adapter, 0 serial ports
                    1 Processor '1 virtual CPU(s)'
                    2 Memory '512MB of memory'
                    3 Parallel SCSI HBA 'SCSI Controller 0': model lsilogic, address 0
                    4 Disk Drive 'Hard disk 1': parent 3, address 0, backing ovf:/disk/vmdisk1
                    5 Ethernet Adapter 'Ethernet 1': model VmxNet3, address 7, network VM Network
"""
EULA = "<ovf:EulaSection><ovf:Info/><ovf:License>Pay\nand use.</ovf:License></ovf:EulaSection>"
MORE = """<ovf:Item ovf:configuration="small">
        <rasd:ElementName>1 virtual CPU(s)</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>2</rasd:VirtualQuantity>
      </ovf:Item>
    </ovf:VirtualHardwareSection>"""
TEXT = (
    WEB.replace("<ovf:OperatingSystemSection", EULA + "<ovf:OperatingSystemSection")
    .replace("</ovf:VirtualHardwareSection>", MORE)
    .replace('ovf:key="port"', 'ovf:password="true" ovf:key="port"')
)


def package(folder: Path) -> Path:
    members = signed_off({"web.ovf": TEXT.encode(), "disk.vmdk": DISK})
    return pack(folder / "web.ova", {**members, "web.cert": b"x"})


def test_brief_and_verbose(tmp_path: Path) -> None:
    package(tmp_path)
    done = rehost("ovf", "show", "web.ova", cwd=tmp_path)
    before, _, after = done.out.partition("  product ")
    assert (done.code, before, done.err) == (0, BRIEF, "")
    assert "licence           3 words; --verbose shows them\n" in after
    done = rehost("ovf", "show", "web.ova", "--verbose", cwd=tmp_path)
    assert done.out[done.out.index("  product ") :] == VERBOSE
    assert "port.1 = '80'" not in done.out


def test_json_is_of_the_schema_that_is_published(tmp_path: Path) -> None:
    done = rehost("ovf", "show", package(tmp_path), "--json")
    document = json.loads(done.out)
    jsonschema.validate(document, schemas()["ovf-show.schema.json"])
    [system] = document["systems"]
    assert [each["processors"] for each in system["hardware"]] == [2]
    assert system["products"][0]["properties"][1] == {
        "key": "com.example.port.1",
        "type": "uint16",
        "value": None,
        "label": None,
        "description": None,
        "qualifiers": None,
        "user_configurable": False,
        "password": True,
    }
    assert document["files"][0]["stored"] == len(DISK)


def test_a_package_that_is_broken_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    huge = "9" * 5000
    text = WEB.replace(">512<", f">{huge}<").replace('capacity="1"', f'capacity="{huge}"')
    (tmp_path / "web.ovf").write_text(text.replace('ovf:id="96"', f'ovf:id="{huge}"'))
    done = rehost("ovf", "show", "web.ovf", cwd=tmp_path)
    assert done.code == 0
    assert "  disk.vmdk (not here, 65536 bytes)\n" in done.out
    assert "  vmdisk1: of unknown size, in file1\n" in done.out
    assert "1 processor, ? of memory, 1 disk, 1 network adapter, 0 serial ports" in done.out


def test_collections_are_shown_with_what_is_in_them(tmp_path: Path) -> None:
    text = WEB.replace(
        '<ovf:VirtualSystem ovf:id="web">',
        '<ovf:VirtualSystemCollection ovf:id="all"><ovf:Info/><ovf:VirtualSystem ovf:id="web">',
    ).replace("</ovf:VirtualSystem>", "</ovf:VirtualSystem></ovf:VirtualSystemCollection>")
    (tmp_path / "web.ovf").write_text(text)
    done = rehost("ovf", "show", "web.ovf", cwd=tmp_path)
    assert "\nCollection 'all'\n\nVirtual system 'web' in 'all'\n" in done.out


def test_what_is_true_may_be_spelled_as_a_number(tmp_path: Path) -> None:
    options = '<Configuration ovf:id="a"/><Configuration ovf:id="b" ovf:default=" 1 "/>'
    text = descriptor(
        around=f"<DeploymentOptionSection><Info/>{options}</DeploymentOptionSection>",
        sections='<ProductSection><Info/><Property ovf:key="k" ovf:type="string" ovf:value="secret"'
        ' ovf:password="1" ovf:userConfigurable="1"/></ProductSection>',
    )
    found = summary_of(beside(tmp_path, text))
    [entry] = found.systems[0].products[0].properties
    assert (entry.value, entry.password, entry.user_configurable) == (None, True, True)
    assert found.default_configuration == "b"


def test_units_beyond_any_use_are_shown_as_unknown(tmp_path: Path) -> None:
    unit = f"byte * {'9' * 40}^128"
    memory = item(InstanceID=1, ResourceType=4, VirtualQuantity=1, AllocationUnits=unit)
    disks = f'<Disk ovf:diskId="d" ovf:capacity="5" ovf:capacityAllocationUnits="{unit}"/>'
    found = summary_of(beside(tmp_path, descriptor(memory, disks=disks)))
    assert (found.disks[0].capacity, found.systems[0].hardware[0].memory) == (None, None)
    assert "d: of unknown size, empty" in shown(found)
