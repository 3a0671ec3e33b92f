"""The reader of libvirt's domain XML: whole machines, whole losses, and what is refused."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.configs.formats.libvirt import probe, read
from converters.plan import Hardware, plan
from converters.target import target_named
from rehost.errors import InteropError
from rehost.machine import (
    Address,
    AttachmentKind,
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
    Machine,
    MediaKind,
    Nic,
    NicModel,
    Origin,
    Removable,
    Reservation,
    Serial,
    SerialKind,
    Sound,
    SoundModel,
    Topology,
    Tpm,
    properties,
)
from tests.support.corpus import CORPUS
from tests.support.machines import machines

GIB = 1 << 30

WHOLE = """\
<?xml version="1.0"?>
<!-- WARNING: THIS IS AN AUTO-GENERATED FILE -->
<domain type='kvm' id='3'>
  <name>web</name>
  <uuid>564D1F2E-0000-4000-8000-0123456789AB</uuid>
  <title>Web</title>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://debian.org/debian/12"/>
    </libosinfo:libosinfo>
  </metadata>
  <memory unit='GiB'>2</memory>
  <currentMemory unit='KiB'>2097152</currentMemory>
  <memtune><hard_limit unit='GB'>3</hard_limit></memtune>
  <vcpu placement='static'>4</vcpu>
  <cputune><shares>2048</shares><quota>1000</quota></cputune>
  <os>
    <type arch='x86_64' machine='pc-q35-6.2'>hvm</type>
    <loader readonly='yes' secure='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.secboot.fd</loader>
    <nvram>/var/lib/libvirt/qemu/nvram/web_VARS.fd</nvram>
  </os>
  <features><acpi/><apic/><smm state='on'/><hyperv><relaxed state='on'/></hyperv></features>
  <cpu mode='custom' match='exact'>
    <model fallback='forbid'>Haswell</model>
    <topology sockets='1' dies='1' cores='2' threads='2'/>
    <feature policy='require' name='aes'/>
    <feature policy='disable' name='rdtscp'/>
    <feature policy='require' name='vmx'/>
  </cpu>
  <clock offset='localtime'><timer name='rtc' tickpolicy='catchup'/></clock>
  <on_reboot>restart</on_reboot>
  <on_crash>restart</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none'/>
      <source file='FOLDER/disks/web.qcow2'/>
      <target dev='sda' bus='scsi'/>
      <serial>WD-1</serial>
      <shareable/>
      <boot order='2'/>
      <address type='drive' controller='0' bus='0' target='3' unit='0'/>
    </disk>
    <disk type='block' device='disk'>
      <source dev='/dev/vg/data'/>
      <target dev='vdb' bus='virtio'/>
      <readonly/>
      <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>
    </disk>
    <disk type='network' device='disk'>
      <driver type='vpc'/>
      <source protocol='rbd' name='pool/image'/>
      <target dev='hdc'/>
    </disk>
    <disk type='file' device='cdrom'>
      <source file='/iso/debian.iso'/>
      <target dev='sdb' bus='sata' tray='open'/>
      <readonly/>
      <boot order='1'/>
    </disk>
    <disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>
    <controller type='scsi' index='0' model='vmpvscsi'/>
    <controller type='usb' index='0' model='qemu-xhci' ports='15'/>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='virtio-serial' index='0'/>
    <interface type='bridge'>
      <mac address='52:54:00:AA:BB:CC'/>
      <source bridge='br7'/>
      <target dev='vnet3'/>
      <model type='virtio'/>
      <link state='down'/>
      <boot order='3'/>
    </interface>
    <interface type='ethernet'><model type='rocker'/></interface>
    <serial type='pty'><source path='/dev/pts/4'/><target port='0'/></serial>
    <serial type='tcp'>
      <source mode='bind' host='0.0.0.0' service='4555'/>
      <protocol type='telnet'/>
    </serial>
    <console type='pty' tty='/dev/pts/4'><target type='serial' port='0'/></console>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <input type='tablet' bus='usb'/>
    <input type='mouse' bus='ps2'/>
    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
    <graphics type='vnc' port='-1' autoport='yes' passwd='secret'/>
    <graphics type='spice' autoport='yes' passwd='secret'/>
    <sound model='ich9'/>
    <video><model type='qxl' ram='65536' vram='65536' heads='2' primary='yes'/></video>
    <memballoon model='virtio'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
</domain>
"""


def write(tmp_path: Path, content: str, name: str = "web.xml") -> Path:
    path = tmp_path / name
    path.write_text(content)
    return path


def small(inside: str = "", *, devices: str = "", os_type: str = "<type>hvm</type>") -> str:
    return (
        f"<domain type='kvm'>\n<name>web</name>\n<os>{os_type}</os>\n{inside}\n"
        f"<devices>\n{devices}\n</devices>\n</domain>\n"
    )


def lines(path: Path) -> list[str]:
    """Return a file's losses, without the path before each line number."""
    _, losses = read(path)
    said = [
        f"{loss.kind} {loss.item}: {loss.source or '-'} -> {loss.target or '-'} ({loss.why})"
        for loss in losses
    ]
    return [line.replace(str(path), path.name) for line in said]


def machine_in(tmp_path: Path, content: str) -> Machine:
    machine, _ = read(write(tmp_path, content))
    return machine


def test_a_whole_domain_is_read_so(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE.replace("FOLDER", str(tmp_path)))
    machine, _ = read(path)
    assert machine == Machine(
        name="web",
        origin=Origin("libvirt", str(path)),
        uuid="564d1f2e-0000-4000-8000-0123456789ab",
        description="Web",
        memory=2 * GIB,
        vcpus=4,
        topology=Topology(1, 2, 2),
        cpu=Cpu("Haswell", ("aes", "-rdtscp"), nested=True),
        firmware=Firmware.UEFI,
        secure_boot=True,
        tpm=Tpm("2.0"),
        machine_type="q35",
        clock=ClockOffset.LOCALTIME,
        guest_os=GuestOs("http://debian.org/debian/12", 96, "debian12_64Guest"),
        boot_order=(BootDevice.CDROM, BootDevice.DISK, BootDevice.NETWORK),
        controllers=(
            Controller(Bus.SCSI, 0, ControllerModel.PVSCSI),
            Controller(Bus.USB, 0, ControllerModel.XHCI),
        ),
        disks=(
            Disk(
                Address(Bus.SCSI, 0, 3),
                file="disks/web.qcow2",
                format="qcow2",
                serial="WD-1",
                shareable=True,
            ),
            Disk(Address(Bus.VIRTIO, 0, 1), file="/dev/vg/data", format="raw", readonly=True),
            Disk(Address(Bus.IDE, 0, 2), file="rbd:pool/image", format="vhd"),
        ),
        removables=(
            Removable(MediaKind.CDROM, Address(Bus.SATA, 0, 1), "/iso/debian.iso", connected=False),
            Removable(MediaKind.FLOPPY, Address(Bus.FLOPPY, 0, 0)),
        ),
        nics=(
            Nic(
                NicModel.VIRTIO,
                "52:54:00:aa:bb:cc",
                "br7",
                AttachmentKind.BRIDGE,
                connected=False,
            ),
            Nic(),
        ),
        displays=(Display("qxl", 64 << 20, 2),),
        serials=(Serial(SerialKind.PTY), Serial(SerialKind.TCP, "0.0.0.0:4555")),
        sounds=(Sound(SoundModel.HDA),),
        memory_reservation=Reservation(limit=3_000_000_000),
        cpu_reservation=Reservation(weight=2048),
    )


def test_everything_else_in_it_is_a_loss_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, WHOLE.replace("FOLDER", str(tmp_path)))
    unknown = "(the neutral machine has no word for it)"
    assert lines(path) == [
        "changed machine_type: pc-q35-6.2 -> q35 (versions of it are one program's own; "
        "Windows may have to be activated again)",
        "dropped web.xml:20 nvram: /var/lib/libvirt/qemu/nvram/web_VARS.fd -> - "
        "(boot entries stay behind: the guest must have \\EFI\\BOOT\\BOOTX64.EFI)",
        f"dropped web.xml:16 quota: 1000 -> - {unknown}",
        f"dropped web.xml:22 hyperv: - -> - {unknown}",
        f"dropped web.xml:30 timer: name=rtc tickpolicy=catchup -> - {unknown}",
        f"dropped web.xml:32 on_crash: restart -> - {unknown}",
        f"dropped web.xml:36 driver/@cache: none -> - {unknown}",
        f"dropped web.xml:63 controller/@ports: 15 -> - {unknown}",
        f"dropped web.xml:65 controller: type=virtio-serial index=0 -> - {unknown}",
        f"dropped web.xml:74 interface: type=ethernet -> - {unknown}",
        f"dropped web.xml:78 protocol: type=telnet -> - {unknown}",
        f"dropped web.xml:81 channel: type=unix -> - {unknown}",
        f"dropped web.xml:86 graphics/@type: spice -> - {unknown}",
        f"dropped web.xml:86 graphics/@autoport: yes -> - {unknown}",
        f"dropped web.xml:88 model/@ram: 65536 -> - {unknown}",
        f"dropped web.xml:90 rng: model=virtio -> - {unknown}",
    ]


def test_a_password_is_in_no_loss(tmp_path: Path) -> None:
    assert not [line for line in lines(write(tmp_path, WHOLE)) if "secret" in line]


@pytest.mark.parametrize(
    ("said", "memory"),
    [
        ("<memory>1024</memory>", 1 << 20),
        ("<memory unit='b'>1024</memory>", 1024),
        ("<memory unit='KB'>1024</memory>", 1_024_000),
        ("<memory unit='M'>3</memory>", 3 << 20),
        ("<memory unit='TiB'>1</memory>", 1 << 40),
    ],
)
def test_memory_is_counted_in_its_unit(said: str, memory: int, tmp_path: Path) -> None:
    assert machine_in(tmp_path, small(said)).memory == memory


def test_a_balloon_and_spare_processors_are_told(tmp_path: Path) -> None:
    said = (
        "<memory unit='GiB'>2</memory><currentMemory unit='GiB'>1</currentMemory>"
        "<vcpu current='2'>4</vcpu><cpu><topology sockets='4' cores='1' threads='1'/></cpu>"
    )
    path = write(tmp_path, small(said))
    assert (read(path)[0].vcpus, read(path)[0].topology) == (2, None)
    assert lines(path) == [
        "dropped web.xml:1 vcpu: 4 -> - (the machine starts with 2)",
        "dropped topology: 4 x 1 x 1 -> - (it is not that of 2 processors)",
        "dropped web.xml:4 currentMemory: 1 -> - (the neutral machine has no word for it)",
    ]


def test_a_boot_order_across_classes_is_told(tmp_path: Path) -> None:
    def disk(name: str, order: int, device: str = "disk") -> str:
        return (
            f"<disk device='{device}'><source file='/{name}'/><target dev='{name}' bus='sata'/>"
            f"<boot order='{order}'/></disk>"
        )

    path = write(tmp_path, small(devices=disk("sda", 1) + disk("sdb", 2, "cdrom") + disk("sdc", 3)))
    assert read(path)[0].boot_order == (BootDevice.DISK, BootDevice.CDROM)
    assert lines(path) == [
        "changed boot_order: disk 0, cdrom 0, disk 1 -> disk 0, disk 1, cdrom 0 "
        "(devices of one class boot together, in the order they stand)"
    ]


def test_the_operating_system_section_names_classes(tmp_path: Path) -> None:
    boots = "<type>hvm</type><boot dev='network'/><boot dev='hd'/><boot dev='fd'/>"
    assert machine_in(tmp_path, small(os_type=boots)).boot_order == (
        BootDevice.NETWORK,
        BootDevice.DISK,
        BootDevice.FLOPPY,
    )


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("<target dev='hdd'/>", Address(Bus.IDE, 0, 3)),
        ("<target dev='sdh'/>", Address(Bus.SCSI, 1, 0)),
        ("<target dev='sdh' bus='sata'/>", Address(Bus.SATA, 1, 1)),
        ("<target dev='xvdb'/>", Address(Bus.XEN, 0, 1)),
        ("<target dev='vdaa'/>", Address(Bus.VIRTIO, 0, 26)),
        ("<target dev='sda1' bus='scsi'/>", None),
        ("<target dev='sda' bus='uml'/>", None),
        (
            "<target dev='hdx' bus='ide'/>"
            "<address type='drive' controller='0' bus='1' target='0' unit='1'/>",
            Address(Bus.IDE, 0, 3),
        ),
        (
            "<target dev='sda' bus='usb'/><address type='usb' bus='1' port='2.1'/>",
            Address(Bus.USB, 1, 1),
        ),
    ],
)
def test_a_drive_hangs_where_libvirt_puts_it(
    target: str, address: Address | None, tmp_path: Path
) -> None:
    drive = f"<disk type='file'><source file='/a.img'/>{target}</disk>"
    assert machine_in(tmp_path, small(devices=drive)).disks[0].address == address


def test_a_unit_and_a_target_at_once_are_told(tmp_path: Path) -> None:
    drive = (
        "<disk type='file'><target dev='sda' bus='scsi'/>"
        "<address type='drive' controller='0' bus='0' target='2' unit='5'/></disk>"
    )
    assert lines(write(tmp_path, small(devices=drive))) == [
        "changed web.xml:6 address: bus 0, target 2, unit 5 -> 2 "
        "(a drive's place is one number here)"
    ]


def test_a_storage_volume_keeps_its_name(tmp_path: Path) -> None:
    drive = "<disk type='volume'><source pool='default' volume='a.qcow2'/></disk>"
    assert machine_in(tmp_path, small(devices=drive)).disks[0].file == "volume:default/a.qcow2"


REFUSED = [
    ("", "is empty"),
    ("<domain", "{path}:1: is not well-formed XML (unclosed token)"),
    ("<network/>", "{path}: is no libvirt domain (its root is network)"),
    ("<domain/>", "{path}:1: domain lacks name"),
    (
        small(os_type="<type>exe</type>"),
        "{path}:1: describes a container, not a machine",
    ),
    (
        small(os_type="<type arch='aarch64'>hvm</type>"),
        "{path}:1: is for another processor (aarch64)",
    ),
    (small("<memory>x</memory>"), "{path}:1: memory is not a whole number ('x')"),
    (
        small("<memory unit='bit'>1</memory>"),
        "{path}:1: memory is no amount of memory (1 bit)",
    ),
    (small("<vcpu>0</vcpu>"), "{path}:1: vcpu is no number of processors (0)"),
    (
        small("<vcpu placement='moon'>1</vcpu>"),
        "{path}:1: vcpu/@placement is neither static nor auto",
    ),
    (
        small(devices="<controller type='scsi' index='-1'/>"),
        "{path}:6: controller index is negative (-1)",
    ),
    (
        small(
            devices="<disk><target dev='sda' bus='scsi'/>"
            "<address type='drive' controller='0' unit='-1'/></disk>"
        ),
        "{path}:6: a drive's address has a negative number",
    ),
    (
        "<!DOCTYPE domain [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><domain>&a;</domain>",
        "{path}:1: has a document type declaration",
    ),
]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_what_is_no_machine_is_refused(content: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InteropError) as refused:
        read(path)
    assert str(refused.value).removeprefix(f"{path}: ") == message.format(path=path).removeprefix(
        f"{path}: "
    )


def test_damaged_documents_never_crash_the_reader(tmp_path: Path) -> None:
    pick = random.Random(7)
    whole = WHOLE.encode()
    path = tmp_path / "web.xml"
    for _ in range(500):
        content = bytearray(whole)
        for _ in range(pick.randrange(1, 6)):
            content[pick.randrange(len(content))] = pick.randrange(256)
        path.write_bytes(
            content[: pick.randrange(len(content) + 1)] if pick.random() < 0.2 else content
        )
        try:
            read(path)
        except InteropError as error:
            assert str(error).startswith(str(path))


def domains() -> list[Path]:
    return sorted(
        path for path in (CORPUS / "configs").rglob("*.xml") if probe(path.read_bytes()[: 64 << 10])
    )


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real files is absent")
def test_every_domain_of_the_corpus_is_read_or_refused_in_words() -> None:
    refused: dict[str, int] = {}
    found = domains()
    for path in found:
        try:
            machine, losses = read(path)
        except InteropError as error:
            what = error.what.split(" (")[0]
            refused[what] = refused.get(what, 0) + 1
            continue
        assert machine.name
        assert all(loss.why for loss in losses)
    assert len(found) > 500
    assert set(refused) <= {
        "is for another processor",
        "describes a container, not a machine",
        "domain lacks name",
        "has a document type declaration",
    }, refused


def said_by(machine: Machine) -> dict[str, Any]:
    """Return a machine's properties but for those that domain XML does not tell apart."""
    said: dict[str, Any] = {}
    for path, value in properties(machine):
        text = value.strip() if type(value) is str else value
        drive_flag = path.endswith(("readonly", "shareable")) and value is False
        elsewhere = path.startswith(("origin.", "memory_res", "cpu_res")) or path.endswith(".size")
        device = path.endswith("]")
        if not (elsewhere or drive_flag or device or text == ""):
            said[path] = text
    if machine.firmware is Firmware.BIOS:
        said.pop("secure_boot", None)
    return said


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(machines, st.sampled_from(Hardware))
def test_what_the_target_writes_is_read_back_whole(
    tmp_path: Path, source: Machine, hardware: Hardware
) -> None:
    target = target_named("libvirt")
    planned, _ = plan(source, target, hardware)
    path = tmp_path / "web.xml"
    path.write_text(target.documents(planned, tmp_path)[0].content)
    back, losses = read(path)
    assert said_by(back) == said_by(replace(planned))
    assert losses == []
