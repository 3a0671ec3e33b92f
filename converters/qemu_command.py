"""A machine as arguments of QEMU, for the script of the ``qemu`` target and for the boot test.

Words and limits are those of qemu-system-x86_64(1) and of the devices' own ``-device NAME,help``,
QEMU 7.2. The arguments describe the hardware alone: whoever runs it adds the accelerator
(``processor``), the consoles and the monitor.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from converters.qemu_firmware import Flash
from converters.qemu_storage import Device, Drive, boot_indices, escaped, storage
from rehost.errors import UnsupportedInputError
from rehost.machine import (
    BootDevice,
    Bus,
    Firmware,
    Machine,
    Nic,
    NicModel,
    Sound,
    SoundModel,
)

PROGRAM = "qemu-system-x86_64"
MIB = 1 << 20
DEFAULT_MEMORY = 1024 * MIB
NICS = {
    NicModel.PCNET: "pcnet",
    NicModel.RTL8139: "rtl8139",
    NicModel.NE2K: "ne2k_pci",
    NicModel.TULIP: "tulip",
    NicModel.E1000: "e1000",
    NicModel.E1000E: "e1000e",
    NicModel.VMXNET3: "vmxnet3",
    NicModel.VIRTIO: "virtio-net-pci",
}
SOUNDS = {
    SoundModel.AC97: ("AC97,audiodev={}",),
    SoundModel.ES1370: ("ES1370,audiodev={}",),
    SoundModel.HDA: ("intel-hda", "hda-duplex,audiodev={}"),
    SoundModel.SB16: ("sb16,audiodev={}",),
}
OWN_PROCESSOR = {"host", "host-passthrough", "host-model", "max", "maximum"}
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
FEATURE = re.compile(r"[+-]?[A-Za-z0-9][A-Za-z0-9._-]*")
MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Accelerator(StrEnum):
    """What runs the guest's instructions: the processor itself, or QEMU's translator."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True)
class Host:
    """What a machine finds on the computer that runs it.

    ``disks`` and ``media`` stand in the order of the machine's disks and removables; None is a
    blank disk or an empty drive. ``discard`` sends what the guest writes to its disks nowhere,
    ``isolated`` gives it a network that leads nowhere.
    """

    disks: Sequence[Drive | None] = ()
    media: Sequence[Drive | None] = ()
    flash: Flash | None = None
    discard: bool = False
    isolated: bool = False


def arguments(machine: Machine, host: Host) -> list[str]:
    """Return the arguments that give QEMU the machine's hardware."""
    board = chipset(machine)
    return [
        "-nodefaults",
        "-no-user-config",
        *_identity(machine),
        *_board(board, host.flash),
        *_memory(machine),
        *_processors(machine),
        *(["-rtc", f"base={machine.clock}"] if machine.clock else []),
        *["-boot", "strict=on"],
        *_firmware(host.flash),
        *storage(machine, board, host.disks, host.media, discard=host.discard),
        *_network(machine, isolated=host.isolated),
        *["-vga", "std"],
        *_sound(machine),
    ]


def processor(machine: Machine, accelerator: Accelerator) -> list[str]:
    """Return the arguments that choose the accelerator and a processor it can show.

    A machine that asks for the host's own processor, or for none, gets the best there is.
    """
    cpu = machine.cpu
    model = cpu.model if cpu else None
    if model is None or model in OWN_PROCESSOR:
        model = "host" if accelerator is Accelerator.KVM else "max"
    words = [_checked(WORD, model, "processor model", machine)]
    for feature in cpu.features if cpu else ():
        _checked(FEATURE, feature, "processor feature", machine)
        words.append(feature if feature[0] in "+-" else f"+{feature}")
    return ["-accel", str(accelerator), "-cpu", ",".join(words)]


def chipset(machine: Machine) -> str:
    """Return "q35" or "pc": what the machine says, or the one that has its disks' bus built in."""
    said = machine.machine_type or ""
    if machine.secure_boot or "q35" in said:
        return "q35"
    if said == "pc" or said.startswith("pc-i440fx"):
        return "pc"
    on_ide = any(disk.address and disk.address.bus is Bus.IDE for disk in machine.disks)
    return "pc" if on_ide and machine.firmware is not Firmware.UEFI else "q35"


def _identity(machine: Machine) -> list[str]:
    name = "".join(letter for letter in machine.name if letter.isprintable())
    words = ["-name", f"guest={escaped(name)}"]
    if machine.uuid:
        words += ["-uuid", _checked(UUID, machine.uuid, "UUID", machine)]
    return words


def _board(board: str, flash: Flash | None) -> list[str]:
    if flash is None or not flash.secure:
        return ["-machine", board]
    return [
        *["-machine", f"{board},smm=on"],
        *["-global", "driver=cfi.pflash01,property=secure,value=on"],
        *["-global", "ICH9-LPC.disable_s3=1"],
    ]


def _memory(machine: Machine) -> list[str]:
    size = machine.memory or DEFAULT_MEMORY
    return ["-m", f"{size // MIB}M" if size % MIB == 0 else f"{size}B"]


def _processors(machine: Machine) -> list[str]:
    topology = machine.topology
    if topology is None:
        return ["-smp", str(machine.vcpus or 1)]
    count = topology.sockets * topology.cores * topology.threads
    return [
        "-smp",
        f"{count},sockets={topology.sockets},cores={topology.cores},threads={topology.threads}",
    ]


def _firmware(flash: Flash | None) -> list[str]:
    if flash is None:
        return []
    return [
        "-drive",
        f"if=pflash,unit=0,readonly=on,driver={flash.code_format},file.driver=file,"
        f"file.filename={escaped(flash.code)}",
        "-drive",
        f"if=pflash,unit=1,driver={flash.variables_format},file.driver=file,"
        f"file.filename={escaped(flash.variables)}",
    ]


def _network(machine: Machine, *, isolated: bool) -> list[str]:
    order = boot_indices(machine)
    words: list[str] = []
    for number, nic in enumerate(machine.nics):
        device = f"{_nic(nic, machine)},id=nic{number},netdev=net{number}"
        if nic.mac:
            device += f",mac={_checked(MAC, nic.mac, 'MAC address', machine)}"
        place = None if isolated else order.get(Device(BootDevice.NETWORK, number))
        # Without its ROM an adapter cannot be started from, so the firmware does not wait for it.
        device += ",romfile=" if place is None else f",bootindex={place}"
        restrict = ",restrict=on" if isolated else ""
        words += ["-netdev", f"user,id=net{number}{restrict}", "-device", device]
    return words


def _nic(nic: Nic, machine: Machine) -> str:
    model = nic.model or NicModel.E1000
    if model not in NICS:
        raise UnsupportedInputError(
            f"QEMU has no {model} network adapter",
            where=machine.name,
            hint="Give the machine another model, such as e1000.",
        )
    return NICS[model]


def _sound(machine: Machine) -> list[str]:
    words: list[str] = []
    for number, sound in enumerate(machine.sounds):
        words += ["-audiodev", f"none,id=audio{number}"]
        for device in _sound_card(sound, machine):
            words += ["-device", device.format(f"audio{number}")]
    return words


def _sound_card(sound: Sound, machine: Machine) -> tuple[str, ...]:
    model = sound.model or SoundModel.HDA
    if model not in SOUNDS:
        raise UnsupportedInputError(
            f"QEMU has no {model} sound card",
            where=machine.name,
            hint="Give the machine another model, such as hda.",
        )
    return SOUNDS[model]


def _checked(pattern: re.Pattern[str], value: str, what: str, machine: Machine) -> str:
    """Return a value that can be no more than one word to QEMU."""
    if not pattern.fullmatch(value):
        raise UnsupportedInputError(f"is no {what} ({value!r})", where=machine.name)
    return value
