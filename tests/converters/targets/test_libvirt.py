"""The libvirt target: libvirt's own schema, definition and start are the judges."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from converters.naming import file_name
from converters.plan import Hardware, plan
from converters.target import target_named
from rehost.errors import RefusedError, UsageError
from rehost.machine import (
    Address,
    AttachmentKind,
    Bus,
    ClockOffset,
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    Display,
    Firmware,
    GuestOs,
    Machine,
    MediaKind,
    Nic,
    NicModel,
    Origin,
    Removable,
    Serial,
    SerialKind,
    Sound,
    SoundModel,
    Tpm,
)
from tests.support import boot_sectors
from tests.support.libvirt import Libvirt, embedded, schema_error
from tests.support.machines import machines

LIBVIRT = target_named("libvirt").configured({"domain": "kvm"})
EMULATED = target_named("libvirt").configured({"domain": "qemu"})
MIB = 1 << 20
HELLO = "the boot sector runs"
SAS = ControllerModel.LSISAS1068

needs_virsh = pytest.mark.skipif(shutil.which("virsh") is None, reason="virsh is not installed")


@pytest.fixture
def libvirt() -> Iterator[Libvirt]:
    with embedded() as driver:
        yield driver


def machine(**said: Any) -> Machine:
    return Machine("web", Origin("vmx", "web.vmx"), memory=128 * MIB, vcpus=1, **said)


def document(source: Machine, hardware: Hardware = Hardware.KEEP) -> str:
    planned, _ = plan(source, LIBVIRT, hardware)
    return LIBVIRT.documents(planned, Path("/vm"))[0].content


WHOLE = """\
<domain type="kvm">
  <name>web</name>
  <uuid>564d1f2e-0000-4000-8000-0123456789ab</uuid>
  <description>the shop &amp; its till</description>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://microsoft.com/win/10"/>
    </libosinfo:libosinfo>
    <rehost:guest-os xmlns:rehost="urn:rehost:domain:1" vmware="windows9_64Guest"/>
  </metadata>
  <memory unit="KiB">131072</memory>
  <vcpu>4</vcpu>
  <os firmware="efi">
    <type arch="x86_64" machine="q35">hvm</type>
    <firmware>
      <feature enabled="yes" name="secure-boot"/>
      <feature enabled="yes" name="enrolled-keys"/>
    </firmware>
  </os>
  <features>
    <acpi/>
    <apic/>
    <smm state="on"/>
  </features>
  <cpu mode="custom" match="exact">
    <model fallback="allow">Haswell</model>
    <topology sockets="1" cores="4" threads="1"/>
    <feature policy="require" name="aes"/>
    <feature policy="disable" name="rdtscp"/>
    <feature policy="disable" name="vmx"/>
    <feature policy="disable" name="svm"/>
  </cpu>
  <clock offset="localtime"/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2"/>
      <source file="/vm/web-disk1.qcow2"/>
      <target dev="sda" bus="scsi"/>
      <boot order="1"/>
      <address type="drive" controller="0" bus="0" target="3" unit="0"/>
      <serial>WD-1</serial>
      <wwn>5525400000000003</wwn>
    </disk>
    <disk type="file" device="disk">
      <driver name="qemu" type="raw"/>
      <source file="/vm/web-disk2.raw"/>
      <target dev="sdb" bus="sata"/>
      <boot order="2"/>
      <address type="drive" controller="0" bus="0" target="0" unit="0"/>
      <shareable/>
    </disk>
    <disk type="file" device="cdrom">
      <driver name="qemu" type="raw"/>
      <target dev="sdc" bus="sata" tray="open"/>
      <boot order="3"/>
      <address type="drive" controller="0" bus="0" target="0" unit="1"/>
      <readonly/>
    </disk>
    <controller type="scsi" index="0" model="lsisas1068"/>
    <controller type="usb" index="0" model="ich9-ehci1"/>
    <controller type="usb" index="0" model="ich9-uhci1">
      <master startport="0"/>
    </controller>
    <controller type="usb" index="0" model="ich9-uhci2">
      <master startport="2"/>
    </controller>
    <controller type="usb" index="0" model="ich9-uhci3">
      <master startport="4"/>
    </controller>
    <controller type="sata" index="0"/>
    <interface type="network">
      <mac address="00:0c:29:aa:bb:cc"/>
      <source network="default"/>
      <model type="vmxnet3"/>
      <link state="up"/>
      <boot order="4"/>
    </interface>
    <interface type="bridge">
      <source bridge="br7"/>
      <model type="e1000"/>
      <boot order="5"/>
    </interface>
    <interface type="direct">
      <source dev="eno1" mode="bridge"/>
      <model type="e1000"/>
      <link state="down"/>
      <boot order="6"/>
    </interface>
    <serial type="pty">
      <target port="0"/>
    </serial>
    <console type="pty">
      <target type="serial" port="0"/>
    </console>
    <input type="tablet" bus="usb"/>
    <graphics type="vnc" port="-1" autoport="yes" listen="127.0.0.1"/>
    <video>
      <model type="qxl" vram="65536" heads="2"/>
    </video>
    <sound model="ich9"/>
    <tpm model="tpm-crb">
      <backend type="emulator" version="2.0"/>
    </tpm>
    <memballoon model="virtio"/>
  </devices>
</domain>
"""


def test_a_whole_machine_is_written_so() -> None:
    source = replace(
        machine(
            uuid="564d1f2e-0000-4000-8000-0123456789ab",
            description="the shop & its till",
            firmware=Firmware.UEFI,
            secure_boot=True,
            tpm=Tpm("2.0"),
            cpu=Cpu("Haswell", ("aes", "-rdtscp"), nested=False),
            clock=ClockOffset.LOCALTIME,
            guest_os=GuestOs(vmware="windows9_64Guest"),
            controllers=(
                Controller(Bus.SCSI, 0, SAS),
                Controller(Bus.USB, 0, ControllerModel.EHCI),
            ),
            disks=(
                Disk(
                    Address(Bus.SCSI, 0, 3), file="web-disk1.qcow2", format="qcow2", serial="WD-1"
                ),
                Disk(Address(Bus.SATA, 0, 0), file="web-disk2.raw", format="raw", shareable=True),
            ),
            removables=(Removable(MediaKind.CDROM, Address(Bus.IDE, 0, 2), connected=False),),
            nics=(
                Nic(
                    NicModel.VMXNET3,
                    "00:0c:29:aa:bb:cc",
                    "VM Network",
                    AttachmentKind.NETWORK,
                    connected=True,
                ),
                Nic(NicModel.E1000, network="br7", attachment=AttachmentKind.BRIDGE),
                Nic(
                    NicModel.E1000,
                    network="eno1",
                    attachment=AttachmentKind.DIRECT,
                    connected=False,
                ),
            ),
            displays=(Display("qxl", 64 * MIB, 2),),
            sounds=(Sound(SoundModel.HDA),),
        ),
        vcpus=4,
    )
    assert document(source) == WHOLE
    assert schema_error(WHOLE) is None


def test_drives_of_different_buses_never_share_a_name() -> None:
    first = [Address(bus, 0, 0) for bus in (Bus.SCSI, Bus.SATA, Bus.USB, Bus.VIRTIO)]
    disks = tuple(Disk(address, file=f"{n}.img") for n, address in enumerate(first))
    content = document(machine(disks=disks, controllers=(Controller(Bus.SCSI, 0, SAS),)))
    assert re.findall(r'target dev="(\w+)" bus="(\w+)"', content) == [
        ("sda", "scsi"),
        ("sdb", "sata"),
        ("sdc", "usb"),
        ("vda", "virtio"),
    ]


def test_the_host_without_kvm_gets_a_domain_for_emulation() -> None:
    planned, _ = plan(machine(), EMULATED, Hardware.KEEP)
    assert EMULATED.documents(planned, Path("/vm"))[0].content.startswith('<domain type="qemu">')


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(UsageError) as wrong_name:
        LIBVIRT.configured({"accel": "kvm"})
    assert str(wrong_name.value) == "libvirt has no option 'accel'"
    assert wrong_name.value.hint == "Its options: domain."
    with pytest.raises(UsageError) as wrong_value:
        LIBVIRT.configured({"domain": "xen"})
    assert str(wrong_value.value) == "libvirt option domain cannot be 'xen'"
    assert wrong_value.value.hint == "It is one of auto, kvm, qemu."


@pytest.mark.parametrize("name", ["/etc/shadow", "../other.qcow2", "a/../../b"])
def test_a_file_outside_the_folder_is_never_named(name: str) -> None:
    planned, _ = plan(machine(disks=(Disk(file="a.img"),)), LIBVIRT, Hardware.KEEP)
    planned = replace(planned, disks=(replace(planned.disks[0], file=name),))
    with pytest.raises(RefusedError) as refused:
        LIBVIRT.documents(planned, Path("/vm"))
    assert str(refused.value) == (
        f"/vm: disks[0] names a file outside the machine's own folder ({name!r})"
    )


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("web", "web.xml"),
        ("../../etc/passwd", "etc-passwd.xml"),
        ("Büro 1", "B-ro-1.xml"),
        ("..", "machine.xml"),
        ("x" * 300, "x" * 100 + ".xml"),
    ],
)
def test_the_document_has_a_name_any_file_system_takes(name: str, file: str) -> None:
    assert f"{file_name(name)}.xml" == file


LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"name": "a/b"}, "changed name: a/b -> a-b (a domain's name is one line without a slash)"),
    (
        {"description": "bell \x07"},
        "changed description: bell \\x07 -> bell \ufffd (XML has no such characters)",
    ),
    ({"uuid": "42"}, "dropped uuid: 42 -> None (it is no UUID)"),
    (
        {"memory": 128 * MIB + 1},
        "changed memory: 134217729 -> 134218752 (libvirt counts memory in KiB)",
    ),
    (
        {"cpu": Cpu("x86-64-v2-AES")},
        "changed cpu.model: x86-64-v2-AES -> host-model "
        "(libvirt knows no such model; the host's own is used)",
    ),
    (
        {"cpu": Cpu("Haswell", ("aes", "mystery"))},
        "changed cpu.features: aes, mystery -> aes (libvirt knows no feature of the others' names)",
    ),
    ({"tpm": Tpm("3.0")}, "changed tpm.version: 3.0 -> 2.0 (there is 1.2 and 2.0)"),
    (
        {"disks": (Disk(Address(Bus.SATA, 0, 0), readonly=True),)},
        "dropped disks[0].readonly: yes -> None (QEMU cannot protect a disk on sata)",
    ),
    (
        {"disks": (Disk(Address(Bus.SATA, 0, 0), format="qcow2", shareable=True),)},
        "dropped disks[0].shareable: yes -> None (QEMU shares raw disks only, and this is qcow2)",
    ),
    (
        {"disks": (Disk(Address(Bus.SATA, 0, 0), serial="{x}"),)},
        "dropped disks[0].serial: {x} -> None "
        "(a serial number is letters, digits, spaces and _.+-, 20 at most)",
    ),
    (
        {"disks": (Disk(Address(Bus.SATA, 0, 0), serial="6000c2901234567890abcdef"),)},
        "changed disks[0].serial: 6000c2901234567890abcdef -> 6000c2901234567890ab "
        "(a serial number is letters, digits, spaces and _.+-, 20 at most)",
    ),
    (
        {"nics": (Nic(NicModel.E1000, "01:00:5e:00:00:01", None, AttachmentKind.NAT),)},
        "dropped nics[0].mac: 01:00:5e:00:00:01 -> None "
        "(it is no address of a single adapter; libvirt will make one up)",
    ),
    (
        {"nics": (Nic(NicModel.E1000, None, "VMnet8", AttachmentKind.NAT),)},
        "dropped nics[0].network: VMnet8 -> None (NAT by QEMU itself has no name)",
    ),
    (
        {"nics": (Nic(NicModel.E1000, None, None, AttachmentKind.BRIDGE),)},
        "assumed nics[0].network: None -> br0 "
        "(the source does not say; name the host's own interface)",
    ),
    (
        {"nics": (Nic(NicModel.E1000, None, "Intel(R) PRO", AttachmentKind.BRIDGE),)},
        "changed nics[0].network: Intel(R) PRO -> br0 (no host interface can be called that)",
    ),
    (
        {"displays": (Display("VBoxVGA"),)},
        "changed displays[0].model: VBoxVGA -> vga (every guest has a driver for plain VGA)",
    ),
    (
        {"displays": (Display(None),)},
        "assumed displays[0].model: None -> vga (the source does not say)",
    ),
    (
        {"displays": (Display("vga", 9 * MIB),)},
        "changed displays[0].memory: 9437184 -> 16777216 (it is a power of two from 1 to 256 MiB)",
    ),
    (
        {"displays": (Display("virtio", 9 * MIB),)},
        "dropped displays[0].memory: 9437184 -> None (virtio has its own)",
    ),
    (
        {"displays": (Display("vga", heads=2),)},
        "changed displays[0].heads: 2 -> 1 (vga has 1 at most)",
    ),
    (
        {"displays": (Display("vga"), Display("qxl"))},
        "dropped displays[1]: model qxl -> None (QEMU shows one VGA adapter)",
    ),
]


@pytest.mark.parametrize(("said", "expected"), LIMITS, ids=[text for _, text in LIMITS])
def test_what_libvirt_cannot_take_is_told(said: dict[str, Any], expected: str) -> None:
    _, losses = plan(replace(machine(), **said), LIBVIRT, Hardware.KEEP)
    lines = [f"{one.kind} {one.item}: {one.source} -> {one.target} ({one.why})" for one in losses]
    assert expected in lines


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(machines, st.sampled_from(Hardware))
def test_every_machine_passes_libvirts_own_schema(source: Machine, hardware: Hardware) -> None:
    assert schema_error(document(source, hardware)) is None


@settings(deadline=None, max_examples=20)
@given(machines)
def test_the_same_machine_gives_the_same_bytes(source: Machine) -> None:
    assert document(source) == document(source)


@needs_virsh
def test_libvirt_defines_every_machine(libvirt: Libvirt) -> None:
    commands: list[str] = []

    @settings(
        deadline=None,
        max_examples=120,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(machines, st.sampled_from(Hardware))
    def define(source: Machine, hardware: Hardware) -> None:
        name = f"machine{len(commands)}"
        tpm = source.tpm if shutil.which("swtpm") else None
        source = replace(source, name=name, uuid=None, tpm=tpm)
        planned, _ = plan(source, EMULATED, hardware)
        written = EMULATED.documents(planned, libvirt.folder)[0]
        (libvirt.folder / written.name).write_text(written.content)
        commands.append(f"define --validate {libvirt.folder / written.name}")

    define()
    printed, complaints = libvirt.virsh([*commands, "list --all --name"])
    assert complaints == []
    assert len(re.findall(r"^machine\d+$", printed, re.MULTILINE)) == len(commands) == 120


def on(bus: Bus, unit: int = 0, model: ControllerModel | None = None) -> dict[str, Any]:
    """Say one disk, and the controller it hangs on."""
    controllers = (Controller(bus, 0, model),) if model else ()
    disk = Disk(Address(bus, 0, unit), file="boot.img", format="raw")
    return {"disks": (disk,), "controllers": controllers}


def nat(model: NicModel) -> dict[str, Any]:
    return {"nics": (Nic(model, attachment=AttachmentKind.NAT),)}


BOOTS: dict[str, tuple[dict[str, Any], Hardware]] = {
    "ide": (on(Bus.IDE, 1) | nat(NicModel.PCNET), Hardware.KEEP),
    "sata": (on(Bus.SATA, 4) | nat(NicModel.E1000), Hardware.KEEP),
    "lsilogic": (on(Bus.SCSI, 3, ControllerModel.LSILOGIC) | nat(NicModel.NE2K), Hardware.KEEP),
    "lsisas1068": (on(Bus.SCSI, 5, SAS) | nat(NicModel.RTL8139), Hardware.KEEP),
    "pvscsi": (on(Bus.SCSI, 12, ControllerModel.PVSCSI) | nat(NicModel.VMXNET3), Hardware.KEEP),
    "virtio-scsi": (
        on(Bus.SCSI, 3, ControllerModel.VIRTIO_SCSI) | nat(NicModel.TULIP),
        Hardware.KEEP,
    ),
    "usb": (on(Bus.USB, 1, ControllerModel.EHCI) | nat(NicModel.E1000E), Hardware.KEEP),
    "virtio": (
        on(Bus.SCSI, 0, SAS)
        | nat(NicModel.VMXNET3)
        | {
            "sounds": (Sound(SoundModel.HDA),),
            "removables": (
                Removable(MediaKind.CDROM, Address(Bus.IDE, 0, 2)),
                Removable(MediaKind.FLOPPY),
            ),
        },
        Hardware.VIRTIO,
    ),
    "safe": (on(Bus.NVME) | nat(NicModel.XEN), Hardware.SAFE),
}


@needs_virsh
@pytest.mark.qemu
@pytest.mark.parametrize("name", BOOTS)
def test_libvirt_starts_it_and_the_guest_runs(name: str, libvirt: Libvirt) -> None:
    said, hardware = BOOTS[name]
    boot_sectors.disk(libvirt.folder / "boot.img", boot_sectors.saying(HELLO))
    log = libvirt.folder / "serial.log"
    source = Machine("web", Origin("libvirt", "x"), memory=64 * MIB, vcpus=1, **said)
    planned, _ = plan(source, EMULATED, hardware)
    planned = replace(planned, serials=(Serial(SerialKind.FILE, str(log)),))
    written = EMULATED.documents(planned, libvirt.folder)[0]
    (libvirt.folder / written.name).write_text(written.content)
    printed, complaints = libvirt.run(libvirt.folder / written.name, "web", log, HELLO)
    assert complaints == []
    assert "running" in printed.split()
    assert HELLO in log.read_text()


@needs_virsh
@pytest.mark.qemu
@pytest.mark.parametrize("secure", [False, True])
def test_libvirt_finds_the_uefi_firmware_it_is_asked_for(secure: bool, libvirt: Libvirt) -> None:
    boot_sectors.disk(libvirt.folder / "boot.img")
    log = libvirt.folder / "serial.log"
    said = on(Bus.SATA) | {"firmware": Firmware.UEFI, "secure_boot": secure}
    planned, _ = plan(machine(**said), EMULATED, Hardware.KEEP)
    planned = replace(planned, serials=(Serial(SerialKind.FILE, str(log)),))
    written = EMULATED.documents(planned, libvirt.folder)[0]
    (libvirt.folder / written.name).write_text(written.content)
    _, complaints = libvirt.run(libvirt.folder / written.name, "web", log, "BdsDxe")
    assert complaints == []
    assert "BdsDxe" in log.read_text(errors="replace")
