"""oVirt's dialect is read as what it means, and what nothing else has a word for is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lxml import etree

from ovf.judging.validate import validate
from ovf.machines.hardware import read_machines
from ovf.namespaces import RASD, VSSD
from ovf.ovirt.terms import OVIRT
from ovf.package import Package
from rehost.errors import InteropError, UnsupportedInputError
from rehost.machine import (
    Address,
    Bus,
    Controller,
    ControllerModel,
    Firmware,
    Machine,
    NicModel,
    Reservation,
    SoundModel,
    Topology,
)
from rehost.report import Loss, Severity
from tests.ovf.builders import beside, machine_of, told
from tests.ovf.test_corpus import ROOT
from tests.support import producers
from tests.support.packages import rehost

NOBODY = "00000000-0000-0000-0000-000000000000"
UUID = "70f24c82-a7b8-4e0b-9192-cffd5705cf5c"
CPU = (
    "<Item><rasd:Caption>2 virtual cpu</rasd:Caption><rasd:InstanceId>1</rasd:InstanceId>"
    "<rasd:ResourceType>3</rasd:ResourceType><rasd:num_of_sockets>2</rasd:num_of_sockets>"
    "<rasd:cpu_per_socket>4</rasd:cpu_per_socket>"
    "<rasd:threads_per_cpu>1</rasd:threads_per_cpu></Item>"
)
MEMORY = (
    "<Item><rasd:Caption>1024 MB</rasd:Caption><rasd:InstanceId>2</rasd:InstanceId>"
    "<rasd:ResourceType>4</rasd:ResourceType><rasd:AllocationUnits>MegaBytes</rasd:AllocationUnits>"
    "<rasd:VirtualQuantity>1024</rasd:VirtualQuantity></Item>"
)
NIC = (
    "<Item><rasd:Caption>Ethernet</rasd:Caption><rasd:InstanceId>3</rasd:InstanceId>"
    "<rasd:ResourceType>10</rasd:ResourceType><rasd:OtherResourceType>prod</rasd:OtherResourceType>"
    "<rasd:ResourceSubType>3</rasd:ResourceSubType><rasd:Connection>lan</rasd:Connection>"
    "<rasd:Linked>true</rasd:Linked><rasd:MACAddress>56:6f:00:00:00:01</rasd:MACAddress>"
    "<rasd:Address>{type=pci, slot=0x03}</rasd:Address></Item>"
)
SOUND = (
    "<Item><rasd:ResourceType>0</rasd:ResourceType><rasd:InstanceId>s</rasd:InstanceId>"
    "<Type>sound</Type><Device>ich6</Device><rasd:Address/></Item>"
)
VIDEO = (
    "<Item><rasd:Caption>Video</rasd:Caption><rasd:ResourceType>20</rasd:ResourceType>"
    "<rasd:InstanceId>v</rasd:InstanceId><Type>video</Type><Device>qxl</Device></Item>"
)


def drive(image: str) -> str:
    return (
        f"<Item><rasd:Caption>{image}</rasd:Caption><rasd:InstanceId>{image}</rasd:InstanceId>"
        f"<rasd:ResourceType>17</rasd:ResourceType><rasd:HostResource>g/{image}\n</rasd:HostResource>"
        f"<rasd:Parent>{NOBODY}</rasd:Parent><rasd:StorageId>pool</rasd:StorageId></Item>"
    )


def disk(image: str, interface: str, more: str = "") -> str:
    return (
        f'<Disk ovf:diskId="{image}" ovf:size="8" ovf:parentRef="" ovf:fileRef="g/{image}"'
        f' ovf:format="http://www.vmware.com/specifications/vmdk.html#sparse"'
        f' ovf:volume-format="RAW" ovf:disk-interface="{interface}" {more}/>'
    )


def ovirt(
    *disks: tuple[str, str], more: str = "", items: str = "", system: str = "", release: str = "4.3"
) -> str:
    """Return a configuration with these disks, (image, interface), and what is said besides."""
    files = "".join(
        f'<File ovf:href="g/{image}" ovf:id="{image}" ovf:size="3"/>' for image, _ in disks
    )
    listed = "".join(disk(image, interface, more) for image, interface in disks)
    drives = "".join(drive(image) for image, _ in disks)
    return f"""<?xml version="1.0"?>
<ovf:Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1/" ovf:version="{release}"
 xmlns:rasd="{RASD}"
 xmlns:vssd="{VSSD}"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<References>{files}</References>
<Section xsi:type="ovf:NetworkSection_Type"><Info/><Network ovf:name="lan"/></Section>
<Section xsi:type="ovf:DiskSection_Type"><Info/>{listed}</Section>
<Content ovf:id="out" xsi:type="ovf:VirtualSystem_Type">
<Name>shop</Name>
<Description>Sells</Description><Domain/><TemplateId>{NOBODY}</TemplateId>
{system}
<Section ovf:id="{UUID}" ovf:required="false" xsi:type="ovf:OperatingSystemSection_Type">
<Info>Guest</Info><Description>rhel_8x64</Description></Section>
<Section xsi:type="ovf:VirtualHardwareSection_Type"><Info/>
{CPU}
{MEMORY}
{drives}
{items}
</Section></Content></ovf:Envelope>
"""


WHOLE = ovirt(
    ("a", "VirtIO"),
    items=f"{NIC}\n{SOUND}\n{VIDEO}",
    system="<MinAllocatedMem>512</MinAllocatedMem>\n<Origin>3</Origin>\n<BiosType>2</BiosType>",
)
NO_WORD = "the neutral machine has no word for it"


def machine(folder: Path, text: str) -> tuple[Machine, list[Loss]]:
    return machine_of(folder, text)


def test_a_configuration_is_read_as_the_machine_it_means(tmp_path: Path) -> None:
    found, _ = machine(tmp_path, WHOLE)
    assert (found.name, found.uuid, found.description) == ("shop", UUID, "Sells")
    assert (found.vcpus, found.topology) == (8, Topology(2, 4))
    assert (found.memory, found.memory_reservation) == (1 << 30, Reservation(512 << 20))
    assert found.firmware is Firmware.UEFI
    [disk] = found.disks
    assert (disk.address, disk.size, disk.file) == (Address(Bus.VIRTIO, 0, 0), 8 << 30, "g/a")
    [nic] = found.nics
    assert (nic.model, nic.mac, nic.network) == (NicModel.VIRTIO, "56:6f:00:00:00:01", "lan")
    assert [sound.model for sound in found.sounds] == [SoundModel.HDA]
    assert [display.model for display in found.displays] == ["qxl"]
    assert found.guest_os is not None
    assert (found.guest_os.name, found.guest_os.cim) == ("rhel_8x64", 80)


def test_what_nothing_has_a_word_for_is_told_and_nothing_is_told_of_blanks(tmp_path: Path) -> None:
    _, losses = machine(tmp_path, WHOLE)
    assert told(losses) == [
        f"dropped web.ovf:13 ovirt:Origin | 3 | None | {NO_WORD}",
        f"dropped web.ovf:21 ovirt:StorageId | pool | None | {NO_WORD}",
        f"dropped web.ovf:22 ovirt:VnicProfile | prod | None | {NO_WORD}",
        f"dropped web.ovf:22 ovirt:Linked | true | None | {NO_WORD}",
        f"dropped web.ovf:22 ovirt:DeviceAddress | {{type=pci, slot=0x03}} | None | {NO_WORD}",
        f"dropped web.ovf:23 ovirt:Type | sound | None | {NO_WORD}",
        f"dropped web.ovf:24 ovirt:Type | video | None | {NO_WORD}",
        "assumed web.ovf dialect | None | OVF 1.x | it is written in oVirt's dialect",
    ]


@pytest.mark.parametrize(
    ("interface", "controller"),
    [
        ("IDE", Controller(Bus.IDE, 0, ControllerModel.PIIX4)),
        ("SATA", Controller(Bus.SATA, 0, ControllerModel.AHCI)),
        ("VirtIO_SCSI", Controller(Bus.SCSI, 0, ControllerModel.VIRTIO_SCSI)),
    ],
)
def test_disks_get_the_controller_of_their_interface(
    tmp_path: Path, interface: str, controller: Controller
) -> None:
    found, _ = machine(tmp_path, ovirt(("a", interface), ("b", interface), ("c", interface)))
    assert found.controllers == (controller,)
    places = [(disk.file, disk.address and disk.address.unit) for disk in found.disks]
    assert places == [("g/a", 0), ("g/b", 1), ("g/c", 2)]


def test_the_disk_that_is_booted_from_comes_first(tmp_path: Path) -> None:
    text = ovirt(("a", "IDE"), ("b", "IDE")).replace(
        'ovf:diskId="b"', 'ovf:diskId="b" ovf:boot="true"'
    )
    found, _ = machine(tmp_path, text)
    assert [disk.file for disk in found.disks] == ["g/b", "g/a"]


def test_an_interface_nobody_knows_is_told(tmp_path: Path) -> None:
    found, losses = machine(tmp_path, ovirt(("a", "SPAPR_VSCSI")))
    assert found.disks[0].address is None
    told_of = f"dropped web.ovf:8 Disk/@disk-interface | SPAPR_VSCSI | None | {NO_WORD}"
    assert told_of in told(losses)


def test_a_disk_on_a_snapshot_is_refused_by_the_name_of_what_it_builds_on(tmp_path: Path) -> None:
    text = ovirt(("a", "IDE"), ("b", "IDE")).replace(
        'ovf:parentRef="" ovf:fileRef="g/b"', 'ovf:parentRef="g/a" ovf:fileRef="g/b"'
    )
    with pytest.raises(UnsupportedInputError) as caught:
        machine(tmp_path, text)
    assert str(caught.value).endswith("disk 'b' holds only the difference to another ('a')")


@pytest.mark.parametrize(
    ("release", "kind", "firmware", "secure"),
    [
        ("4.3.0.0", "1", Firmware.BIOS, None),
        ("4.3.0.0", "3", Firmware.UEFI, True),
        ("4.4.0", "0", None, None),
        ("4.4.0", "2", Firmware.BIOS, None),
        ("4.5.1", "3", Firmware.UEFI, None),
        ("4.5.1", "4", Firmware.UEFI, True),
    ],
)
def test_firmware_is_numbered_by_the_release(
    tmp_path: Path, release: str, kind: str, firmware: Firmware | None, secure: bool | None
) -> None:
    text = ovirt(system=f"<BiosType>{kind}</BiosType>", release=release)
    found, _ = machine(tmp_path, text)
    assert (found.firmware, found.secure_boot) == (firmware, secure)


def test_a_type_that_is_no_name_names_no_section(tmp_path: Path) -> None:
    text = WHOLE.replace("ovf:NetworkSection_Type", "{type").replace("<Origin>3</Origin>", "")
    _, losses = machine(tmp_path, text)
    assert f"dropped web.ovf:7 Section | None | None | {NO_WORD}" in told(losses)


def test_sections_of_its_own_that_follow_each_other_stay_sections(tmp_path: Path) -> None:
    sections = "".join(
        f'<Section xsi:type="ovf:{name}Section_Type"><X/></Section>' for name in ("A", "B", "C")
    )
    text = WHOLE.replace("<Origin>3</Origin>", f"<Origin>3</Origin>{sections}")
    envelope = beside(tmp_path, text).envelope
    own = [child for child in envelope.systems[0] if str(child.tag).startswith(f"{{{OVIRT}}}")]
    assert [etree.QName(child).localname for child in own] == [
        *("ASection", "BSection", "CSection", "ConfigurationSection")
    ]


def test_an_archive_of_its_own_is_a_machine_with_its_disk(tmp_path: Path) -> None:
    """Its id is the machine's UUID there, and the number of the guest is CIM's, not oVirt's."""
    disk = tmp_path / "disk.raw"
    disk.write_bytes(b"guest" * 1000 + bytes(producers.SIZE - 5000))
    package = Package.open(producers.ovirt(tmp_path, disk))
    [(found, _)] = read_machines(package)
    assert (found.name, found.uuid, found.firmware) == ("shop", producers.MACHINE, Firmware.BIOS)
    assert (found.vcpus, found.memory, found.topology) == (1, 1 << 30, Topology(1, 1))
    assert found.guest_os is not None
    assert (found.guest_os.name, found.guest_os.cim) == ("rhel_8x64", 80)
    [drive] = found.disks
    assert (drive.file, drive.size) == (producers.IMAGE, 1 << 30)
    assert drive.address == Address(Bus.VIRTIO, 0, 0)
    [nic] = found.nics
    assert (nic.model, nic.mac, nic.network) == (NicModel.VIRTIO, "56:6f:00:00:00:01", "lan")
    errors = {each.rule for each in validate(package) if each.severity is Severity.ERROR}
    assert errors == {"ENV-002", "ITM-011", "PKG-011", "PKG-013"}


def test_an_archive_of_its_own_converts_with_the_same_disk(tmp_path: Path) -> None:
    """The image is cut off where its last cluster ends, and read as large as it is."""
    disk = tmp_path / "disk.raw"
    disk.write_bytes(b"guest" * 1000 + bytes(producers.SIZE - 5000))
    source, out = producers.ovirt(tmp_path, disk), tmp_path / "out"
    done = rehost("convert", source, "--to", "libvirt", "-o", out)
    assert (done.code, done.err.count("error")) == (0, 0)
    [image] = out.rglob("*.qcow2")
    compared = ("qemu-img", "compare", "-q", image, tmp_path / "image.qcow2")
    assert subprocess.run(compared, check=False, capture_output=True).returncode == 0


def test_rules_judge_it_and_say_what_it_is(tmp_path: Path) -> None:
    found = validate(beside(tmp_path, WHOLE), descriptor_only=True)
    assert "ENV-002 5: is written in oVirt's dialect" in [
        f"{each.rule} {each.location.line}: {each.message}" for each in found
    ]
    assert {each.rule for each in found if each.rule[:3] in {"EXT", "DSK", "REF"}} <= {"EXT-004"}


@pytest.mark.skipif(not ROOT.is_dir(), reason="the corpus is not here")
def test_real_configurations_give_machines() -> None:
    read = []
    for path in sorted(ROOT.rglob("*")):
        if path.suffix not in {".ovf", ".xml"} or b'envelope/1/"' not in path.read_bytes()[:2000]:
            continue
        try:
            read += read_machines(Package.open(path))
        except InteropError as error:
            assert "difference" in str(error), path
    assert len(read) >= 4
    assert all(machine.vcpus and machine.memory for machine, _ in read)
