"""From items to machines: what is carried, what is assumed, what is dropped, in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ovf.machines.hardware import read_machines
from rehost.errors import InteropError
from rehost.machine import (
    Address,
    BootDevice,
    Bus,
    ClockOffset,
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Display,
    Firmware,
    GuestOs,
    MediaKind,
    Nic,
    NicModel,
    Removable,
    Reservation,
    Serial,
    SerialKind,
    Sound,
    SoundModel,
    Topology,
    Tpm,
)
from rehost.report import LossKind, dropped
from tests.ovf.builders import (
    NAMESPACES,
    SCSI,
    STREAM,
    beside,
    descriptor,
    item,
    machine_of,
    said,
    told,
    with_disk,
)

MIB = 1 << 20
NO_WORD = "the neutral machine has no word for it"
NO_DEVICE = "the neutral machine has no such device"


def failing(folder: Path, text: str) -> tuple[str, str, int]:
    with pytest.raises(InteropError) as caught:
        read_machines(beside(folder, text))
    return said(caught.value, folder)


def disk(place: object, identifier: str = "d", **more: object) -> str:
    resource = f"ovf:/disk/{identifier}"
    told: dict[str, Any] = {"AddressOnParent": place, "HostResource": resource, "Parent": 3, **more}
    return item(InstanceID=10, ResourceType=17, ElementName="Disk", **told)


def blank(identifier: str = "d", capacity: str = "65536", more: str = "") -> str:
    return f'<Disk ovf:diskId="{identifier}" ovf:capacity="{capacity}" {more}/>'


def test_processors_and_memory_are_read_with_their_units(tmp_path: Path) -> None:
    machine, losses = machine_of(
        tmp_path,
        descriptor(
            item(
                InstanceID=1,
                ResourceType=3,
                VirtualQuantity=8,
                AllocationUnits="hertz * 10^6",
                Reservation=500,
                Limit=2000,
                Weight=4000,
            ).replace("</Item>", "<vmw:CoresPerSocket>4</vmw:CoresPerSocket></Item>"),
            item(
                InstanceID=2,
                ResourceType=4,
                VirtualQuantity=4,
                AllocationUnits="byte * 2^30",
                Reservation=1,
            ),
        ),
    )
    assert (machine.vcpus, machine.topology) == (8, Topology(sockets=2, cores=4))
    assert machine.cpu_reservation == Reservation(500 * 10**6, 2000 * 10**6, 4000)
    assert machine.memory == 4 << 30
    assert machine.memory_reservation == Reservation(1 << 30)
    assert losses == []


def test_memory_without_units_is_taken_for_mib_and_said_so(tmp_path: Path) -> None:
    text = descriptor(item(InstanceID=2, ResourceType=4, VirtualQuantity=512))
    machine, losses = machine_of(tmp_path, text)
    assert machine.memory == 512 * MIB
    assert told(losses) == [
        "assumed memory | None | 536870912"
        " | the descriptor gives no AllocationUnits; MiB is what most writers mean"
    ]


def test_an_impossible_topology_is_dropped(tmp_path: Path) -> None:
    processors = item(InstanceID=1, ResourceType=3, VirtualQuantity=3)
    cores = "<vmw:CoresPerSocket>2</vmw:CoresPerSocket></Item>"
    machine, losses = machine_of(tmp_path, descriptor(processors.replace("</Item>", cores)))
    assert (machine.vcpus, machine.topology) == (3, None)
    assert told(losses) == [
        "dropped web.ovf:12 vmw:CoresPerSocket | 2 | None | 3 processors cannot be divided so"
    ]


def test_two_ide_controllers_are_one_with_four_places(tmp_path: Path) -> None:
    machine, losses = machine_of(
        tmp_path,
        descriptor(
            item(InstanceID=4, ResourceType=5, Address=1, ResourceSubType="PIIX4"),
            item(InstanceID=3, ResourceType=5, Address=0, ResourceSubType="PIIX4"),
            disk(1),
            item(InstanceID=11, ResourceType=15, Parent=4, AddressOnParent=0),
            disks=blank(),
        ),
    )
    assert machine.controllers == (Controller(Bus.IDE, 0, ControllerModel.PIIX4),)
    assert machine.disks[0].address == Address(Bus.IDE, 0, 1)
    assert machine.removables[0].address == Address(Bus.IDE, 0, 2)
    assert losses == []


@pytest.mark.parametrize("said", ["9" * 5000, "-1", "one", "\u0661"])
def test_controllers_without_a_sensible_number_are_counted(tmp_path: Path, said: str) -> None:
    controllers = [item(InstanceID=n, ResourceType=6, Address=said) for n in (3, 4)]
    machine, _ = machine_of(tmp_path, descriptor(*controllers))
    assert [each.index for each in machine.controllers] == [0, 1]


def test_controllers_are_numbered_on_each_bus(tmp_path: Path) -> None:
    subtypes = [
        (6, "lsilogicsas"),
        (6, "VirtualSCSI"),
        (20, "AHCI"),
        (20, "vmware.nvme.controller"),
        (23, "vmware.usb.xhci"),
        (6, "someother, buslogic"),
    ]
    items = [
        item(InstanceID=number, ResourceType=kind, ResourceSubType=word)
        for number, (kind, word) in enumerate(subtypes)
    ]
    machine, losses = machine_of(tmp_path, descriptor(*items))
    assert machine.controllers == (
        Controller(Bus.SCSI, 0, ControllerModel.LSISAS1068),
        Controller(Bus.SCSI, 1, ControllerModel.PVSCSI),
        Controller(Bus.SCSI, 2, ControllerModel.BUSLOGIC),
        Controller(Bus.SATA, 0, ControllerModel.AHCI),
        Controller(Bus.NVME, 0, ControllerModel.NVME),
        Controller(Bus.USB, 0, ControllerModel.XHCI),
    )
    assert losses == []


def test_disks_hang_where_they_say_not_where_they_stand(tmp_path: Path) -> None:
    machine, losses = machine_of(
        tmp_path,
        descriptor(
            item(InstanceID=11, ResourceType=17, Parent=3, AddressOnParent=5,
                 HostResource="/disk/second"),
            item(InstanceID=10, ResourceType=17, Parent=3, AddressOnParent=0,
                 HostResource="ovf://disk/first"),
            SCSI,
            references='<File ovf:id="f" ovf:href="a%20b.vmdk"/>',
            disks=f'<Disk ovf:diskId="first" ovf:fileRef="f" ovf:capacity="2"'
            f' ovf:capacityAllocationUnits="byte * 2^30" ovf:format="{STREAM}"/>'
            + blank("second", "7"),
        ),
    )  # fmt: skip
    assert machine.disks == (
        Disk(Address(Bus.SCSI, 0, 0), 2 << 30, "a b.vmdk"),
        Disk(Address(Bus.SCSI, 0, 5), 7),
    )
    assert losses == []


def test_a_missing_place_is_assumed_and_the_scsi_adapters_own_is_passed_over(
    tmp_path: Path,
) -> None:
    listed = [disk(place) for place in range(7)]
    items = [text.replace(">10<", f">{20 + n}<") for n, text in enumerate(listed)]
    last = item(InstanceID=40, ResourceType=17, Parent=3, HostResource="ovf:/disk/d")
    machine, losses = machine_of(tmp_path, descriptor(SCSI, *items, last, disks=blank()))
    assert machine.disks[7].address == Address(Bus.SCSI, 0, 8)
    assert told(losses) == [
        "assumed disks[7].address | None | scsi0:8"
        " | the descriptor gives no AddressOnParent; the next free place is taken"
    ]


def test_two_drives_in_one_place_and_one_without_a_controller(tmp_path: Path) -> None:
    text = descriptor(
        SCSI,
        disk(0),
        item(
            InstanceID=11, ResourceType=17, Parent=3, AddressOnParent=0, HostResource="ovf:/disk/d"
        ),
        item(InstanceID=12, ResourceType=17, HostResource="ovf:/disk/d"),
        disks=blank(),
    )
    machine, losses = machine_of(tmp_path, text)
    assert [found.address for found in machine.disks] == [
        Address(Bus.SCSI, 0, 0),
        Address(Bus.SCSI, 0, 1),
        None,
    ]
    assert told(losses) == [
        "assumed disks[1].address | None | scsi0:1"
        " | another drive is at scsi0:0; the next free place is taken",
        "assumed disks[2].address | None | left to the target | the descriptor names no Parent",
    ]


def test_the_size_of_a_blank_disk_may_be_a_property(tmp_path: Path) -> None:
    product = (
        '<ProductSection ovf:class="org.x"><Info/>'
        '<Property ovf:key="size" ovf:type="int" ovf:value="3"/></ProductSection>'
    )
    disks = blank("d", "${org.x.size}", 'ovf:capacityAllocationUnits="byte * 2^20"')
    machine, _ = machine_of(tmp_path, descriptor(SCSI, disk(0), disks=disks, sections=product))
    assert machine.disks == (Disk(Address(Bus.SCSI, 0, 0), 3 * MIB),)


def test_drives_with_removable_media(tmp_path: Path) -> None:
    machine, losses = machine_of(
        tmp_path,
        descriptor(
            item(InstanceID=3, ResourceType=5, Address=0),
            item(InstanceID=4, ResourceType=15, Parent=3, AddressOnParent=0,
                 HostResource="ovf:/file/iso", AutomaticAllocation="true"),
            item(InstanceID=5, ResourceType=16, Parent=3, AddressOnParent=1,
                 HostResource="/dev/cdrom", AutomaticAllocation="false", ElementName="Drive"),
            item(InstanceID=6, ResourceType=14, AddressOnParent=0),
            references='<File ovf:id="iso" ovf:href="setup.iso"/>',
        ),
    )  # fmt: skip
    assert machine.removables == (
        Removable(MediaKind.CDROM, Address(Bus.IDE, 0, 0), "setup.iso", connected=True),
        Removable(MediaKind.CDROM, Address(Bus.IDE, 0, 1), None, connected=False),
        Removable(MediaKind.FLOPPY),
    )
    assert told(losses) == [
        "dropped web.ovf:14 Item 'Drive' HostResource | /dev/cdrom | None"
        " | names something of the host it came from"
    ]


def test_devices_that_are_no_drives(tmp_path: Path) -> None:
    machine, losses = machine_of(
        tmp_path,
        descriptor(
            item(InstanceID=1, ResourceType=10, ResourceSubType="VmxNet3", Connection="LAN",
                 Address="00:50:56:AB:CD:EF", AutomaticAllocation="true", AddressOnParent=7),
            item(InstanceID=2, ResourceType=10, ResourceSubType="strange", Address="nowhere"),
            item(InstanceID=3, ResourceType=21, ResourceSubType="vmware.serialport.file"),
            item(InstanceID=4, ResourceType=35, ResourceSubType="ensoniq1371"),
            item(InstanceID=5, ResourceType=1, ResourceSubType="vmware.soundcard.hdaudio"),
            item(InstanceID=6, ResourceType=1, ResourceSubType="vmware.vtpm"),
            item(InstanceID=7, ResourceType=24).replace(
                "</Item>", '<vmw:Config vmw:key="videoRamSizeInKB" vmw:value="8192"/></Item>'),
        ),
    )  # fmt: skip
    assert machine.nics == (
        Nic(NicModel.VMXNET3, "00:50:56:ab:cd:ef", "LAN", connected=True),
        Nic(),
    )
    assert machine.serials == (Serial(SerialKind.FILE),)
    assert machine.sounds == (Sound(SoundModel.ES1371), Sound(SoundModel.HDA))
    assert machine.tpm == Tpm("2.0")
    assert machine.displays == (Display(memory=8 * MIB),)
    assert told(losses) == [
        "dropped web.ovf:13 Item '2' ResourceSubType | strange | None"
        " | is a model rehost does not know; the target chooses one",
        "dropped web.ovf:13 Item '2' Address | nowhere | None | is no MAC address",
    ]


def test_an_unknown_device_is_reported_and_not_fatal(tmp_path: Path) -> None:
    items = [
        item(InstanceID=1, ResourceType=99, ElementName="Flux capacitor"),
        item(InstanceID=2, ResourceType=1, ElementName="VMCI", ResourceSubType="vmware.vmci"),
        item(InstanceID=3, ElementName="Nothing said"),
    ]
    machine, losses = machine_of(tmp_path, descriptor(*items))
    assert machine.name == "web"
    assert losses == [
        dropped("web.ovf:12 Item 'Flux capacitor' (ResourceType 99)", None, NO_DEVICE),
        dropped("web.ovf:13 Item 'VMCI' (ResourceType 1, Other)", "vmware.vmci", NO_DEVICE),
        dropped("web.ovf:14 Item 'Nothing said' (no ResourceType)", None, NO_DEVICE),
    ]


def test_only_the_default_deployment_option_counts_and_later_items_overrule(
    tmp_path: Path,
) -> None:
    options = (
        "<DeploymentOptionSection><Info/>"
        '<Configuration ovf:id="small"/><Configuration ovf:id="large" ovf:default="true"/>'
        "</DeploymentOptionSection>"
    )
    memory: dict[str, Any] = {"ResourceType": 4, "InstanceID": 2, "AllocationUnits": "byte * 2^20"}
    machine, losses = machine_of(
        tmp_path,
        descriptor(
            item(ElementName="Memory", VirtualQuantity=512, **memory),
            item(
                more='ovf:configuration="small"',
                ElementName="Memory",
                VirtualQuantity=256,
                **memory,
            ),
            item(more='ovf:configuration="huge large"', VirtualQuantity=4096, **memory),
            item(more='ovf:bound="max"', ElementName="Memory", VirtualQuantity=8192, **memory),
            around=options,
        ),
    )
    assert machine.memory == 4096 * MIB
    assert told(losses) == [
        "dropped web.ovf:13 Item 'Memory' (ResourceType 4, Memory) | None | None"
        " | belongs to the deployment option small",
        "dropped web.ovf:15 Item 'Memory' (ResourceType 4, Memory) | None | None"
        " | is only the max of a range",
        "dropped web.ovf:5 Configuration 'small' | None | None | the default is 'large'",
    ]


def test_what_vmware_says_in_its_own_words(tmp_path: Path) -> None:
    def pair(tag: str, key: str, value: str) -> str:
        return f'<vmw:{tag} ovf:required="false" vmw:key="{key}" vmw:value="{value}"/>'

    hardware = (
        "<System><vssd:ElementName/><vssd:InstanceID>0</vssd:InstanceID>"
        "<vssd:VirtualSystemIdentifier>Web server</vssd:VirtualSystemIdentifier>"
        "<vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType></System>"
        + pair("Config", "firmware", "efi")
        + pair("Config", "bootOptions.efiSecureBootEnabled", "true")
        + pair("Config", "nestedHVEnabled", "true")
        + pair("Config", "uuid", "564D7A0B-0000-0000-0000-0000DEADBEEF")
        + pair("ExtraConfig", "svga.autodetect", "TRUE")
    )
    system = (
        '<AnnotationSection><Info/><Annotation ovf:msgid="note">plain</Annotation>'
        '</AnnotationSection><OperatingSystemSection ovf:id="94" vmw:osType="*ubuntu64Guest">'
        "<Info/></OperatingSystemSection>"
    )
    strings = '<Strings xml:lang="en-US"><Msg ovf:msgid="note">A web server</Msg></Strings>'
    text = descriptor(hardware=hardware, sections=system).replace(
        "</Envelope>", f"{strings}</Envelope>"
    )
    machine, losses = machine_of(tmp_path, text)
    assert machine.name == "Web server"
    assert machine.origin.producer == "VMware"
    assert (machine.firmware, machine.secure_boot) == (Firmware.UEFI, True)
    assert machine.cpu == Cpu(nested=True)
    assert machine.uuid == "564d7a0b-0000-0000-0000-0000deadbeef"
    assert machine.description == "A web server"
    assert machine.guest_os == GuestOs("Ubuntu (64 bit)", 94, "ubuntu64Guest")
    assert told(losses) == [
        "dropped web.ovf:11 vmw:ExtraConfig svga.autodetect | TRUE | None"
        " | is VMware's own setting",
        f"dropped web.ovf:11 vssd:VirtualSystemType | vmx-19 | None | {NO_WORD}",
    ]


def test_what_virtualbox_says_in_its_own_words(tmp_path: Path) -> None:
    older = '<vbox:Machine OSType="Debian"/>'
    assert machine_of(tmp_path, descriptor(sections=older))[0].guest_os == GuestOs(
        virtualbox="Debian"
    )
    box = (
        '<OperatingSystemSection ovf:id="94"><Info/><Description>Ubuntu_64</Description>'
        '<vbox:OSType ovf:required="false">Ubuntu_64</vbox:OSType></OperatingSystemSection>'
        '<vbox:Machine ovf:required="false" uuid="{12345678-9abc-def0-1234-56789abcdef0}">'
        '<Hardware><Firmware type="EFI"/><RTC localOrUTC="UTC"/>'
        '<TrustedPlatformModule type="v2_0"/><Boot><Order position="2" device="DVD"/>'
        '<Order position="1" device="HardDisk"/><Order position="3" device="None"/></Boot>'
        "</Hardware></vbox:Machine>"
    )
    machine, losses = machine_of(tmp_path, descriptor(sections=box))
    assert machine.guest_os == GuestOs("Ubuntu_64", 94, virtualbox="Ubuntu_64")
    assert machine.uuid == "12345678-9abc-def0-1234-56789abcdef0"
    assert (machine.firmware, machine.clock) == (Firmware.UEFI, ClockOffset.UTC)
    assert machine.tpm == Tpm("2.0")
    assert machine.boot_order == (BootDevice.DISK, BootDevice.CDROM)
    assert told(losses) == [
        "dropped web.ovf:8 vbox:Machine | None | None | is VirtualBox's own machine file;"
        " UUID, firmware, clock, TPM, boot order and MAC addresses were taken"
    ]


@pytest.mark.parametrize(
    ("adapters", "macs"),
    [
        (
            '<Adapter slot="1" enabled="true" MACAddress="0800270000AB"/>'
            '<Adapter slot="0" enabled="true" MACAddress="080027ABCDEF"/>'
            '<Adapter slot="2" enabled="false" MACAddress="080027000000"/>',
            ["08:00:27:ab:cd:ef", "08:00:27:00:00:ab"],
        ),
        ('<Adapter slot="0" enabled="true" MACAddress="080027ABCDEF"/>', [None, None]),
        (
            '<Adapter slot="0" enabled="true" MACAddress="$mac"/><Adapter enabled="true"/>',
            [None, None],
        ),
    ],
)
def test_virtualbox_keeps_the_addresses_of_adapters_by_their_slots(
    tmp_path: Path, adapters: str, macs: list[str | None]
) -> None:
    box = f"<vbox:Machine><Hardware><Network>{adapters}</Network></Hardware></vbox:Machine>"
    nics = [item(InstanceID=number, ResourceType=10, Connection="NAT") for number in (8, 9)]
    machine, _ = machine_of(tmp_path, descriptor(*nics, sections=box))
    assert [nic.mac for nic in machine.nics] == macs


def test_ovf_2_items_are_read_in_both_spellings_of_their_namespaces(tmp_path: Path) -> None:
    cim = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2"
    for suffix in ("", ".xsd"):
        storage = item(tag="StorageItem", prefix="sasd", InstanceID=8, ResourceType=17, Parent=3,
                       AddressOnParent=1, HostResource="/disk/d")  # fmt: skip
        port = item(tag="EthernetPortItem", prefix="epasd", InstanceID=9, ResourceType=10,
                    ResourceSubType="E1000", Connection="NAT")  # fmt: skip
        text = descriptor(SCSI, storage, port, disks=blank()).replace("envelope/1", "envelope/2")
        bound = (
            f' xmlns:sasd="{cim}/CIM_StorageAllocationSettingData{suffix}"'
            f' xmlns:epasd="{cim}/CIM_EthernetPortAllocationSettingData{suffix}"'
        )
        text = text.replace("<Envelope ", f"<Envelope {bound} ")
        machine, losses = machine_of(tmp_path, text)
        assert machine.disks == (Disk(Address(Bus.SCSI, 0, 1), 65536),)
        assert machine.nics == (Nic(NicModel.E1000, network="NAT"),)
        assert losses == []


def test_every_system_of_a_collection_is_a_machine(tmp_path: Path) -> None:
    one = descriptor(name="one")
    inner = one[one.index("<VirtualSystem ") : one.index("</Envelope>")]
    several = inner + inner.replace('"one"', '"two"').replace("<Info/>", "<Info/><Name>2</Name>", 1)
    nested = f'<VirtualSystemCollection ovf:id="c"><Info/>{several}</VirtualSystemCollection>'
    startup = "<StartupSection><Info/></StartupSection>"
    whole = (
        f'<VirtualSystemCollection ovf:id="b"><Info/>{startup}{nested}</VirtualSystemCollection>'
    )
    read = read_machines(beside(tmp_path, one.replace(inner, whole)))
    assert [machine.name for machine, _ in read] == ["one", "2"]
    assert [told(losses) for _, losses in read] == [
        [f"dropped web.ovf:6 StartupSection | None | None | {NO_WORD}"]
    ] * 2


def test_sections_properties_and_unused_files_are_dropped_one_by_one(tmp_path: Path) -> None:
    text = descriptor(
        references='<File ovf:id="n" ovf:href="web.nvram"/>',
        disks=blank("spare"),
        sections="<ProductSection><Info/><Product>Web</Product><Version>2</Version>"
        '<Property ovf:key="host" ovf:type="string" ovf:value="web1"/>'
        '<Property ovf:key="pass" ovf:type="string" ovf:value="secret" ovf:password="1"/>'
        "</ProductSection><EulaSection><Info/><License>Long</License></EulaSection>",
    ).replace('ovf:id="web"', 'ovf:id="web" vmw:flavour="mint"')
    _, losses = machine_of(tmp_path, text)
    environment = "the guest would get it by the OVF environment, which is not carried"
    assert losses == [
        dropped("web.ovf:8 ProductSection", "Web, 2", NO_WORD),
        dropped("web.ovf:8 Property 'host'", "web1", environment),
        dropped("web.ovf:8 Property 'pass'", None, environment),
        dropped("web.ovf:8 EulaSection", None, NO_WORD),
        dropped("web.ovf:6 VirtualSystem/@flavour", "mint", NO_WORD),
        dropped("web.ovf:3 File 'web.nvram'", None, "no machine uses it as a disk or medium"),
        dropped("web.ovf:4 Disk 'spare'", None, "no machine uses it"),
    ]


def test_a_system_without_any_name_is_called_after_its_descriptor(tmp_path: Path) -> None:
    machine, losses = machine_of(tmp_path, descriptor(name=""))
    assert machine.name == "web"
    assert [(loss.kind, loss.item) for loss in losses] == [(LossKind.ASSUMED, "name")]


DELTA = "Export the machine without snapshots, so that each disk is whole."
BROKEN: dict[str, tuple[str, str, str, int]] = {
    "delta disk": (
        descriptor(SCSI, disk(0), disks=blank("base") + blank(more='ovf:parentRef="base"')),
        "web.ovf:4: disk 'd' holds only the difference to another ('base')",
        DELTA,
        4,
    ),
    "no such parent": (
        descriptor(SCSI, disk(0, Parent=9), disks=blank()),
        "web.ovf:13: Item 'Disk' names a Parent that does not exist ('9')",
        "",
        3,
    ),
    "no such disk": (
        descriptor(SCSI, disk(0, "x"), disks=blank()),
        "web.ovf:13: Item 'Disk' names a HostResource that does not exist ('ovf:/disk/x')",
        "",
        3,
    ),
    "no such file": (
        with_disk().replace('ovf:fileRef="f"', 'ovf:fileRef="g"'),
        "web.ovf:4: no File has the id that disk 'd' refers to ('g')",
        "",
        3,
    ),
    "no capacity": (
        descriptor(SCSI, disk(0), disks=blank(capacity="0")),
        "web.ovf:4: empty disk has no capacity",
        "",
        3,
    ),
    "words for a capacity": (
        descriptor(SCSI, disk(0), disks=blank(capacity="8GB")),
        "web.ovf:4: ovf:capacity is not a whole number ('8GB')",
        "",
        3,
    ),
    "no such property": (
        descriptor(SCSI, disk(0), disks=blank(capacity="${size}")),
        "web.ovf:4: no property gives ${size} a value",
        "",
        3,
    ),
    "IDE has no such place": (
        descriptor(item(InstanceID=3, ResourceType=5, Address=0), disk(4), disks=blank()),
        "web.ovf:13: Item 'Disk' has an AddressOnParent that ide does not have (4)",
        "",
        3,
    ),
    "IDE is full": (
        descriptor(
            item(InstanceID=3, ResourceType=5, Address=0),
            *(disk(0).replace(">10<", f">{20 + n}<") for n in range(5)),
            disks=blank(),
        ),
        "web.ovf:17: Item 'Disk' finds no free place on ide0",
        "",
        3,
    ),
    "no processors": (
        descriptor(item(InstanceID=1, ResourceType=3, ElementName="CPU", VirtualQuantity=0)),
        "web.ovf:12: Item 'CPU' has an impossible number of processors (0)",
        "",
        3,
    ),
    "no memory": (
        descriptor(item(InstanceID=1, ResourceType=4, ElementName="RAM", VirtualQuantity=0)),
        "web.ovf:12: Item 'RAM' has no memory (0)",
        "",
        3,
    ),
    "words for memory": (
        descriptor(item(InstanceID=1, ResourceType=4, VirtualQuantity="much")),
        "web.ovf:12: VirtualQuantity is not a whole number ('much')",
        "",
        3,
    ),
    "no hardware": (
        f'<Envelope {NAMESPACES}><VirtualSystem ovf:id="web"/></Envelope>',
        "web.ovf:1: VirtualSystem 'web' has no VirtualHardwareSection",
        "",
        3,
    ),
    "no system": (f"<Envelope {NAMESPACES}/>", "web.ovf: describes no virtual system", "", 3),
    "odd firmware": (
        descriptor(hardware='<vmw:Config vmw:key="firmware" vmw:value="open"/>'),
        "web.ovf:9: vmw:Config firmware is neither bios nor efi ('open')",
        "",
        3,
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_one_line_with_its_place(tmp_path: Path, case: str) -> None:
    text, message, hint, code = BROKEN[case]
    assert failing(tmp_path, text) == (message, hint, code)
