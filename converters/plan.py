"""From a machine as it is to the machine a target can have, with every difference told.

The planner keeps what it can. What the target does not have is replaced by the nearest thing and
reported as changed, with what the guest needs for it; what the target must say and the source
does not is chosen and reported as assumed; what the target has no words for is reported as
dropped. A property without a loss arrives as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from converters.devices import plan_displays, plan_nics, plan_serials, plan_sounds
from converters.draft import Draft, Hardware, not_carried
from converters.drives import place_drives
from converters.guests import is_old, is_windows
from converters.target import Target
from rehost.machine import (
    BootDevice,
    Bus,
    ClockOffset,
    Disk,
    Firmware,
    Machine,
    MediaKind,
    NicModel,
    Removable,
    Topology,
)
from rehost.report import Loss

__all__ = ["Hardware", "plan"]

GIB = 1 << 30
SAME_NETWORKS: Mapping[str, str] = MappingProxyType({})
Q35 = "q35"
PC = "pc"
PCI_EXPRESS_NICS = frozenset({NicModel.E1000E, NicModel.IGB, NicModel.SRIOV})
UNSAID = "the source does not say"


def plan(
    machine: Machine,
    target: Target,
    hardware: Hardware,
    networks: Mapping[str, str] = SAME_NETWORKS,
) -> tuple[Machine, list[Loss]]:
    """Return ``machine`` as ``target`` can have it, and what that loses.

    ``networks`` gives the target's name for a network of the source; those it does not name keep
    theirs.
    """
    draft = Draft(machine, target, hardware)
    _plan_power(draft)
    _plan_firmware(draft)
    _plan_chipset(draft)
    _plan_tpm(draft)
    _plan_clock(draft)
    _plan_media(draft)
    place_drives(draft)
    plan_nics(draft, networks)
    plan_displays(draft)
    plan_sounds(draft)
    plan_serials(draft)
    _plan_boot_order(draft)
    planned, lost = target.fit(draft.machine)
    draft.losses += lost
    draft.losses += not_carried(machine, draft)
    return planned, draft.losses


def _plan_power(draft: Draft) -> None:
    """Settle memory and processors."""
    machine = draft.machine
    if machine.memory is None:
        draft.assume("memory", GIB, f"{UNSAID}; set what the guest needs")
        draft.put(memory=GIB)
    topology = machine.topology
    product = topology.sockets * topology.cores * topology.threads if topology else 1
    vcpus = machine.vcpus
    if vcpus is None:
        why = UNSAID if topology is None else "the product of the topology"
        vcpus = product
        draft.assume("vcpus", vcpus, why)
    if topology is not None and product != vcpus:
        before, topology = topology, None
        why = f"{product} processors by topology, {vcpus} by number: the number holds"
        draft.change("topology", before, Topology(1, vcpus), why)
        topology = Topology(1, vcpus)
    elif topology is None and vcpus > 1:
        topology = Topology(1, vcpus)
        why = f"{UNSAID}; some guests use only one or two sockets"
        draft.assume("topology", topology, why)
    draft.put(vcpus=vcpus, topology=topology)


def _plan_firmware(draft: Draft) -> None:
    """Settle firmware and secure boot, which only UEFI has."""
    machine = draft.machine
    firmware = machine.firmware
    if firmware is None:
        firmware = Firmware.UEFI if machine.secure_boot else Firmware.BIOS
        why = "secure boot needs it" if machine.secure_boot else UNSAID
        draft.assume("firmware", firmware, why)
    secure = machine.secure_boot
    if firmware is Firmware.BIOS and secure:
        draft.change("secure_boot", secure, False, "a BIOS has no secure boot")
        secure = False
    elif firmware is Firmware.UEFI and secure is None:
        draft.assume("secure_boot", False, UNSAID)
        secure = False
    draft.put(firmware=firmware, secure_boot=secure)


def _plan_chipset(draft: Draft) -> None:
    """Choose between the PC of 1996 (i440FX, IDE) and that of 2007 (Q35, PCI Express)."""
    if not draft.carries("machine_type"):
        return
    said = draft.machine.machine_type
    known = _chipset(said) if said else None
    chosen, why = _wanted_chipset(draft, known)
    if said is None:
        draft.assume("machine_type", chosen, f"{UNSAID}; {why}")
    elif said != chosen:
        draft.change("machine_type", said, chosen, why)
    draft.put(machine_type=chosen)


def _chipset(name: str) -> str | None:
    """Return the chipset of a machine type of QEMU in any of its versions."""
    if Q35 in name:
        return Q35
    return PC if name.startswith(("pc", "i440fx")) else None


def _wanted_chipset(draft: Draft, known: str | None) -> tuple[str, str]:
    """Return the chipset, and why it is this one."""
    machine = draft.machine
    if machine.secure_boot:
        return Q35, "secure boot needs it"
    if draft.hardware is Hardware.VIRTIO:
        return Q35, "virtio devices are at home on PCI Express"
    if known is not None:
        return known, "the newest version of it is used; Windows may have to be activated again"
    if machine.firmware is Firmware.UEFI:
        return Q35, "UEFI guests know PCI Express"
    return _chipset_of_devices(machine)


def _chipset_of_devices(machine: Machine) -> tuple[str, str]:
    """Return the chipset that a BIOS machine's devices tell of."""
    drives: tuple[Disk | Removable, ...] = (*machine.disks, *machine.removables)
    buses = {drive.address.bus for drive in drives if drive.address}
    if Bus.IDE in buses or is_old(machine.guest_os):
        return PC, "it has the IDE controller the guest starts from"
    if Bus.NVME in buses or any(nic.model in PCI_EXPRESS_NICS for nic in machine.nics):
        return Q35, "the machine has PCI Express devices"
    return PC, "nothing in the machine asks for PCI Express"


def _plan_tpm(draft: Draft) -> None:
    """Give an empty TPM for a full one."""
    tpm = draft.machine.tpm
    if tpm is None:
        return
    if not draft.carries("tpm"):
        draft.drop("tpm", tpm.version or "present", f"{draft.target.title} has no word for it")
        return
    why = "its keys stay behind: have the recovery keys of encrypted disks (BitLocker) at hand"
    draft.change("tpm", "with its keys", "empty", why)
    if tpm.version is None:
        draft.assume("tpm.version", "2.0", UNSAID)
        draft.put(tpm=replace(tpm, version="2.0"))


def _plan_clock(draft: Draft) -> None:
    if draft.machine.clock is not None:
        return
    windows = is_windows(draft.machine.guest_os)
    clock = ClockOffset.LOCALTIME if windows else ClockOffset.UTC
    why = "Windows keeps local time in it" if windows else "what all but Windows keep in it"
    draft.assume("clock", clock, f"{UNSAID}; {why}")
    draft.put(clock=clock)


def _plan_media(draft: Draft) -> None:
    """Empty the drives whose medium lies somewhere on the old host."""
    removables = []
    for number, drive in enumerate(draft.machine.removables):
        if drive.file is not None and not is_beside(drive.file):
            why = "the medium lies on the old host; put it into the drive again where it is needed"
            draft.drop(f"removables[{number}].file", drive.file, why)
            drive = replace(drive, file=None)  # noqa: PLW2901
        removables.append(drive)
    draft.put(removables=tuple(removables))


def is_beside(name: str) -> bool:
    """Say whether a name is that of a file in the machine's own folder or below."""
    parts = name.replace("\\", "/").split("/")
    return (
        bool(name)
        and not name.startswith(("/", "\\", "["))
        and (".." not in parts and ":" not in parts[0])
    )


def _plan_boot_order(draft: Draft) -> None:
    """Settle the order of the device classes the machine has."""
    machine = draft.machine
    present: dict[BootDevice, object] = {
        BootDevice.DISK: machine.disks,
        BootDevice.CDROM: [one for one in machine.removables if one.kind is MediaKind.CDROM],
        BootDevice.FLOPPY: [one for one in machine.removables if one.kind is MediaKind.FLOPPY],
        BootDevice.NETWORK: machine.nics,
    }
    order = tuple(dict.fromkeys(one for one in machine.boot_order if present[one]))
    every = tuple(one for one, devices in present.items() if devices)
    if order != machine.boot_order:
        order = order or every
        why = "the machine has no such device, or it is named twice"
        draft.change("boot_order", machine.boot_order, order or "none", why)
    elif not order and every:
        order = every
        draft.assume("boot_order", order, UNSAID)
    draft.put(boot_order=order)
