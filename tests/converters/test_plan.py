"""The planner: what changes on the way to a target, and in which words that is said."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.plan import Hardware, plan
from converters.target import Abilities, Document, Target, target_named
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
from rehost.report import Loss
from tests.support.machines import machines

LIBVIRT = target_named("libvirt").configured({"domain": "kvm"})
GIB = 1 << 30
AHCI = (
    "the guest needs an AHCI driver to start, which Windows has since Vista "
    "and every Linux since 2.6.19"
)
VIRTIO_BLK = (
    "the guest needs the virtio_blk driver to start: every Linux since 2.6.25 has it, "
    "Windows needs the virtio-win drivers before it starts"
)
VIRTIO_SCSI = VIRTIO_BLK.replace("virtio_blk", "virtio_scsi")
NEW_CARD = "it appears as a new card there, so a fixed address has to be set again"
E1000 = (
    "the guest needs the e1000 driver, which Windows has since XP and every Linux since 2.4; "
    + NEW_CARD
)
MPTSAS = "the guest needs the mptsas driver (Windows: LSI_SAS) to start"


def machine(**said: Any) -> Machine:
    """Return a machine that says everything libvirt asks for, so that losses are the test's."""
    usual: dict[str, Any] = {
        "memory": GIB,
        "vcpus": 1,
        "cpu": Cpu("host-model"),
        "firmware": Firmware.BIOS,
        "machine_type": "pc",
        "clock": ClockOffset.UTC,
        "boot_order": (),
        "displays": (Display("vga"),),
        "serials": (Serial(SerialKind.PTY),),
    }
    return Machine("web", Origin("vmx", "web.vmx"), **(usual | said))


def lines(losses: list[Loss]) -> list[str]:
    return [
        f"{loss.kind} {loss.item}: {loss.source or '-'} -> {loss.target or '-'} ({loss.why})"
        for loss in losses
    ]


def planned(source: Machine, hardware: Hardware = Hardware.KEEP) -> tuple[Machine, list[str]]:
    after, losses = plan(source, LIBVIRT, hardware)
    return after, lines(losses)


def scsi(model: ControllerModel | None, *units: int) -> dict[str, Any]:
    """Say a SCSI controller and the disks on it."""
    return {
        "controllers": (Controller(Bus.SCSI, 0, model),),
        "disks": tuple(Disk(Address(Bus.SCSI, 0, unit), file=f"{unit}.img") for unit in units),
        "boot_order": (BootDevice.DISK,),
    }


def test_a_machine_the_target_can_have_arrives_as_it_is() -> None:
    source = machine(
        **scsi(ControllerModel.PVSCSI, 0, 3, 12),
        nics=(Nic(NicModel.VMXNET3, "00:0c:29:01:02:03", "br1", AttachmentKind.BRIDGE),),
        sounds=(Sound(SoundModel.HDA),),
    )
    assert planned(source) == (source, [])


def test_whatever_is_not_said_is_assumed_in_these_words() -> None:
    bare = Machine("web", Origin("disk", "web.img"), disks=(Disk(file="web.img"),), nics=(Nic(),))
    after, said = planned(bare)
    assert said == [
        "assumed memory: - -> 1073741824 (the source does not say; set what the guest needs)",
        "assumed vcpus: - -> 1 (the source does not say)",
        "assumed firmware: - -> bios (the source does not say)",
        "assumed machine_type: - -> pc "
        "(the source does not say; nothing in the machine asks for PCI Express)",
        "assumed clock: - -> utc (the source does not say; what all but Windows keep in it)",
        "assumed disks[0].address: - -> ide 0:0 "
        "(the source does not say where it hangs; every guest has an IDE driver)",
        "assumed nics[0].model: - -> e1000 (the source does not say; the guest needs the e1000 "
        "driver, which Windows has since XP and every Linux since 2.4)",
        "assumed nics[0].attachment: - -> network (the source does not say)",
        "assumed boot_order: - -> disk, network (the source does not say)",
        "assumed cpu.model: - -> host-model (the source does not say; it is the host's own)",
        "assumed nics[0].network: - -> default "
        "(the source does not say; it is the network libvirt comes with)",
        "assumed displays: - -> vga (the source does not say; without one there is no picture)",
        "assumed serials: - -> pty (the source does not say; it is what `virsh console` shows)",
    ]
    assert after.controllers == (Controller(Bus.IDE, 0, ControllerModel.PIIX3),)


def test_virtio_replaces_disks_and_adapters_and_names_the_drivers() -> None:
    source = machine(
        **scsi(ControllerModel.LSISAS1068, 0),
        nics=(Nic(NicModel.E1000, attachment=AttachmentKind.NAT),),
        removables=(Removable(MediaKind.CDROM, Address(Bus.IDE, 0, 2)),),
    )
    after, said = planned(source, Hardware.VIRTIO)
    assert said == [
        "changed machine_type: pc -> q35 (virtio devices are at home on PCI Express)",
        f"changed disks[0].address: scsi 0:0 -> virtio 0:0 ({VIRTIO_BLK})",
        f"changed removables[0].address: ide 0:2 -> sata 0:0 ({AHCI})",
        "dropped controllers[0]: scsi 0 (lsisas1068) -> - (no drive hangs on it any more)",
        "changed nics[0].model: e1000 -> virtio (the guest needs the virtio_net driver: every "
        f"Linux since 2.6.25 has it, Windows needs the virtio-win drivers; {NEW_CARD})",
    ]
    assert after.controllers == (Controller(Bus.SATA, 0, ControllerModel.AHCI),)


def test_more_disks_than_slots_go_to_virtio_scsi() -> None:
    source = machine(
        machine_type="q35", **scsi(ControllerModel.LSISAS1068, *range(8), 8, *range(9, 18))
    )
    after, said = planned(source, Hardware.VIRTIO)
    units = [disk.address for disk in after.disks]
    assert units == [Address(Bus.SCSI, 0, unit) for unit in range(19) if unit != 7][:18]
    assert f"changed controllers[0].model: lsisas1068 -> virtio-scsi ({VIRTIO_SCSI})" in said


def test_safe_hardware_is_what_every_guest_can_drive() -> None:
    source = machine(
        machine_type="q35",
        **scsi(ControllerModel.PVSCSI, 0),
        nics=(Nic(NicModel.VMXNET3, attachment=AttachmentKind.NAT),),
    )
    source = replace(source, displays=(Display("svga"),))
    _, said = planned(source, Hardware.SAFE)
    assert said == [
        f"changed disks[0].address: scsi 0:0 -> sata 0:0 ({AHCI})",
        "dropped controllers[0]: scsi 0 (pvscsi) -> - (no drive hangs on it any more)",
        f"changed nics[0].model: vmxnet3 -> e1000 ({E1000})",
        "changed displays[0].model: svga -> vga (every guest has a driver for plain VGA)",
    ]


def test_an_old_windows_gets_ide_and_the_card_it_knows() -> None:
    source = machine(
        machine_type=None,
        guest_os=GuestOs(vmware="winXPProGuest"),
        **scsi(ControllerModel.BUSLOGIC, 0, 1),
        nics=(Nic(NicModel.VMXNET, attachment=AttachmentKind.NAT),),
    )
    after, said = planned(source)
    assert said == [
        "assumed machine_type: - -> pc "
        "(the source does not say; it has the IDE controller the guest starts from)",
        "changed disks[0].address: scsi 0:0 -> ide 0:0 (every guest has an IDE driver)",
        "changed disks[1].address: scsi 0:1 -> ide 0:1 (every guest has an IDE driver)",
        "dropped controllers[0]: scsi 0 (buslogic) -> - (no drive hangs on it any more)",
        "changed nics[0].model: vmxnet -> rtl8139 (the guest needs the 8139 driver, which Windows "
        f"has from 2000 to Vista and every Linux has; {NEW_CARD})",
    ]
    assert after.machine_type == "pc"


@pytest.mark.parametrize(
    ("origin", "bus"), [("vmx", Bus.IDE), ("ovf", Bus.IDE), ("libvirt", Bus.SCSI)]
)
def test_lsi_parallel_is_another_chip_at_vmware_than_in_qemu(origin: str, bus: Bus) -> None:
    source = replace(machine(**scsi(ControllerModel.LSILOGIC, 0)), origin=Origin(origin, "x"))
    after, _ = planned(source)
    assert after.disks[0].address == Address(bus, 0, 0)


def test_drives_without_a_free_place_move_to_the_next() -> None:
    same = Disk(Address(Bus.SATA, 0, 0), file="a.img")
    far = Disk(Address(Bus.SATA, 0, 29), file="b.img")
    source = machine(disks=(same, same, far), boot_order=(BootDevice.DISK,))
    after, said = planned(source)
    assert [disk.address for disk in after.disks] == [Address(Bus.SATA, 0, n) for n in range(3)]
    assert said == [
        "changed disks[1].address: sata 0:0 -> sata 0:1 "
        "(that place is taken or does not exist there)",
        "changed disks[2].address: sata 0:29 -> sata 0:2 "
        "(that place is taken or does not exist there)",
    ]


def test_the_ninth_disk_of_a_sas_controller_gets_a_controller_of_its_own() -> None:
    after, said = planned(machine(**scsi(ControllerModel.LSISAS1068, *range(7), 8)))
    assert said == [f"changed disks[7].address: scsi 0:8 -> scsi 1:0 ({MPTSAS})"]
    assert after.controllers[1] == Controller(Bus.SCSI, 1, ControllerModel.LSISAS1068)


def test_a_scsi_controller_of_no_named_model_is_virtio() -> None:
    _, said = planned(machine(**scsi(None, 0)))
    assert said == [
        f"assumed controllers[0].model: - -> virtio-scsi (the source does not say; {VIRTIO_SCSI})"
    ]


def test_secure_boot_needs_uefi_and_q35() -> None:
    _, on_bios = planned(machine(secure_boot=True))
    assert on_bios == ["changed secure_boot: yes -> no (a BIOS has no secure boot)"]
    _, on_pc = planned(machine(firmware=Firmware.UEFI, secure_boot=True))
    assert on_pc == ["changed machine_type: pc -> q35 (secure boot needs it)"]
    _, unsaid = planned(machine(firmware=None, secure_boot=True, machine_type=None))
    assert unsaid == [
        "assumed firmware: - -> uefi (secure boot needs it)",
        "assumed machine_type: - -> q35 (the source does not say; secure boot needs it)",
    ]
    _, open_question = planned(machine(firmware=Firmware.UEFI, machine_type=None))
    assert open_question == [
        "assumed secure_boot: - -> no (the source does not say)",
        "assumed machine_type: - -> q35 (the source does not say; UEFI guests know PCI Express)",
    ]


def test_pci_express_devices_ask_for_q35() -> None:
    card = Nic(NicModel.E1000E, attachment=AttachmentKind.NAT)
    _, said = planned(machine(machine_type=None, nics=(card,), boot_order=(BootDevice.NETWORK,)))
    assert said == [
        "assumed machine_type: - -> q35 "
        "(the source does not say; the machine has PCI Express devices)"
    ]


def test_a_version_of_a_chipset_gives_way_to_the_newest() -> None:
    _, said = planned(machine(machine_type="pc-i440fx-2.1"))
    assert said == [
        "changed machine_type: pc-i440fx-2.1 -> pc (the newest version of it is used; "
        "Windows may have to be activated again)"
    ]


def test_processors_and_their_topology_agree() -> None:
    _, unsaid = planned(machine(vcpus=4))
    assert unsaid == [
        "assumed topology: - -> sockets 1, cores 4, threads 1 "
        "(the source does not say; some guests use only one or two sockets)"
    ]
    _, clash = planned(machine(vcpus=4, topology=Topology(1, 3)))
    assert clash == [
        "changed topology: sockets 1, cores 3, threads 1 -> sockets 1, cores 4, threads 1 "
        "(3 processors by topology, 4 by number: the number holds)"
    ]
    _, number = planned(machine(vcpus=None, topology=Topology(2, 2)))
    assert number == ["assumed vcpus: - -> 4 (the product of the topology)"]


def test_windows_keeps_local_time() -> None:
    _, said = planned(machine(clock=None, guest_os=GuestOs(cim=105)))
    assert said == [
        "assumed clock: - -> localtime (the source does not say; Windows keeps local time in it)"
    ]


def test_a_tpm_arrives_empty() -> None:
    _, said = planned(machine(tpm=Tpm()))
    assert said == [
        "changed tpm: with its keys -> empty "
        "(its keys stay behind: have the recovery keys of encrypted disks (BitLocker) at hand)",
        "assumed tpm.version: - -> 2.0 (the source does not say)",
    ]


@pytest.mark.parametrize(
    "name", ["/etc/shadow", "../up.iso", "[store] a.iso", "C:\\a.iso", "\\\\host\\a.iso"]
)
def test_no_medium_comes_from_outside_the_machines_folder(name: str) -> None:
    drive = Removable(MediaKind.CDROM, Address(Bus.SATA, 0, 0), name)
    after, said = planned(machine(removables=(drive,), boot_order=(BootDevice.CDROM,)))
    assert after.removables[0].file is None
    assert said == [
        f"dropped removables[0].file: {name} -> - "
        "(the medium lies on the old host; put it into the drive again where it is needed)"
    ]


def test_no_serial_port_reaches_into_the_new_host() -> None:
    after, said = planned(machine(serials=(Serial(SerialKind.FILE, "/etc/cron.d/x"), Serial())))
    assert after.serials == (Serial(SerialKind.PTY), Serial(SerialKind.PTY))
    assert said == [
        "changed serials[0].kind: file -> pty (what it was connected to is on the old host)",
        "dropped serials[0].target: /etc/cron.d/x -> - (it is a place on the old host)",
        "assumed serials[1].kind: - -> pty (the source does not say)",
    ]


def test_a_network_nobody_named_becomes_the_one_libvirt_comes_with() -> None:
    nic = Nic(NicModel.E1000, network="VM Network", attachment=AttachmentKind.NETWORK)
    after, said = planned(machine(nics=(nic,), boot_order=(BootDevice.NETWORK,)))
    assert [each.network for each in after.nics] == ["default"]
    assert said == [
        "changed nics[0].network: VM Network -> default "
        "('default' is there; --network 'VM Network'=NAME chooses another)"
    ]


def test_a_network_of_another_libvirt_keeps_its_name() -> None:
    nic = Nic(NicModel.E1000, network="office", attachment=AttachmentKind.NETWORK)
    source = machine(nics=(nic,), boot_order=(BootDevice.NETWORK,))
    after, _ = planned(replace(source, origin=Origin("libvirt", "web.xml")))
    assert [each.network for each in after.nics] == ["office"]


def test_networks_get_the_names_asked_for() -> None:
    nics = (
        Nic(NicModel.E1000, network="VM Network", attachment=AttachmentKind.NETWORK),
        Nic(NicModel.E1000, network="vboxnet0", attachment=AttachmentKind.HOST_ONLY),
    )
    source = machine(nics=nics, boot_order=(BootDevice.NETWORK,))
    after, losses = plan(source, LIBVIRT, Hardware.KEEP, {"VM Network": "office"})
    assert [nic.network for nic in after.nics] == ["office", "vboxnet0"]
    assert lines(losses) == [
        "changed nics[0].network: VM Network -> office (as asked)",
        "changed nics[1].attachment: host-only -> network "
        "(make a network of that name there which reaches as far as the old one did)",
        "assumed nics[0].network: - -> office (the host must have a libvirt network of this name)",
        "assumed nics[1].network: - -> vboxnet0 "
        "(the host must have a libvirt network of this name)",
    ]


def test_the_boot_order_names_only_what_is_there() -> None:
    order = (BootDevice.NETWORK, BootDevice.DISK, BootDevice.DISK)
    after, said = planned(machine(**scsi(ControllerModel.PVSCSI, 0) | {"boot_order": order}))
    assert after.boot_order == (BootDevice.DISK,)
    assert said == [
        "changed boot_order: network, disk, disk -> disk "
        "(the machine has no such device, or it is named twice)"
    ]


def test_sound_cards_become_their_nearest_kin() -> None:
    _, said = planned(machine(sounds=(Sound(SoundModel.ES1371), Sound())))
    assert said == [
        "changed sounds[0].model: es1371 -> es1370 (the guest needs its driver)",
        "assumed sounds[1].model: - -> hda (the source does not say)",
    ]


def test_controllers_without_use_are_told() -> None:
    controllers = (
        Controller(Bus.NVME, 0, ControllerModel.NVME),
        Controller(Bus.IDE, 0, ControllerModel.PIIX4),
        Controller(Bus.IDE, 0),
    )
    _, said = planned(machine(controllers=controllers))
    assert said == [
        "dropped controllers[0]: nvme 0 (nvme) -> - (libvirt has no such controller)",
        "changed controllers[1].model: piix4 -> piix3 "
        "(the guest's driver for the one serves the other)",
        "dropped controllers[2]: ide 0 -> - (it is named twice)",
    ]


def _nothing(_machine: Machine, _folder: Path) -> list[Document]:
    return []


MUTE = Target(
    name="mute",
    title="Mute",
    disk_formats=("raw",),
    abilities=Abilities(frozenset(), frozenset(), frozenset(), frozenset()),
    carries=frozenset({"name", "vcpus", "nics[].mac"}),
    documents=_nothing,
)


def test_what_a_target_has_no_words_for_is_dropped_device_by_device() -> None:
    source = machine(
        tpm=Tpm("2.0"),
        nics=(Nic(NicModel.E1000, "00:0c:29:01:02:03"),),
        disks=(Disk(Address(Bus.IDE, 0, 0), file="a.img"),),
        removables=(Removable(MediaKind.FLOPPY),),
        memory_reservation=Reservation(1, 2),
    )
    after, losses = plan(source, MUTE, Hardware.KEEP)
    assert (after.disks, after.removables) == ((), ())
    assert lines(losses) == [
        "dropped tpm: 2.0 -> - (Mute has no word for it)",
        "dropped disks[0]: ide 0:0 -> - (Mute has no place for it)",
        "dropped removables[0]: a drive -> - (Mute has no place for it)",
        "dropped memory: 1073741824 -> - (Mute has no word for it)",
        "dropped cpu.model: host-model -> - (Mute has no word for it)",
        "dropped firmware: bios -> - (Mute has no word for it)",
        "dropped tpm.version: 2.0 -> - (Mute has no word for it)",
        "dropped machine_type: pc -> - (Mute has no word for it)",
        "dropped clock: utc -> - (Mute has no word for it)",
        "dropped nics[0].model: e1000 -> - (Mute has no word for it)",
        "dropped displays[0]: model vga -> - (Mute has no word for it)",
        "dropped serials[0]: kind pty -> - (Mute has no word for it)",
        "dropped memory_reservation.reserved: 1 -> - (Mute has no word for it)",
        "dropped memory_reservation.limit: 2 -> - (Mute has no word for it)",
    ]


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(machines, st.sampled_from(Hardware))
def test_nothing_is_lost_silently(source: Machine, hardware: Hardware) -> None:
    after, losses = plan(source, LIBVIRT, hardware)
    told = {loss.item for loss in losses}
    if len(after.removables) < len(source.removables):
        told.add("removables")
    arrived = dict(properties(after))
    for path, value in properties(source):
        above = {
            path[:end] for end in range(len(path) + 1) if path[end : end + 1] in {"", ".", "["}
        }
        device = is_dataclass(value) and not isinstance(value, Address)
        if path.startswith(("origin.", "controllers[")) or device or above & told:
            continue
        assert arrived.get(path) == value, path


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(machines, st.sampled_from(Hardware))
def test_planned_drives_hang_in_places_of_their_own(source: Machine, hardware: Hardware) -> None:
    after, _ = plan(source, LIBVIRT, hardware)
    drives: tuple[Disk | Removable, ...] = (*after.disks, *after.removables)
    places = [drive.address for drive in drives]
    assert None not in places
    assert len(set(places)) == len(places)
    controllers = {(one.bus, one.index) for one in after.controllers}
    needed = {(place.bus, place.controller) for place in places if place}
    assert {slot for slot in needed if slot[0] is not Bus.VIRTIO} <= controllers


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(machines, st.sampled_from(Hardware))
def test_planning_a_planned_machine_changes_nothing(source: Machine, hardware: Hardware) -> None:
    after, _ = plan(source, LIBVIRT, hardware)
    networks = {nic.network: nic.network for nic in after.nics if nic.network}
    again, _ = plan(after, LIBVIRT, hardware, networks)
    assert again == after
