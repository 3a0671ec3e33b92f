"""What VMware and VirtualBox say of a machine in extensions of their own.

VMware writes ``vmw:Config`` and ``vmw:ExtraConfig`` pairs, ``vmw:osType`` and, for each class of
devices it boots from, a ``vmw:BootOrderSection`` (its ``ovf-vmware.xsd``); VirtualBox puts its
whole machine file into ``vbox:Machine``. Only what the neutral machine has words for is read, the
rest is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ovf.machines.items import Reading, config
from ovf.namespaces import VMW
from ovf.uuids import HEX, canonical_uuid
from rehost.machine import BootDevice, ClockOffset, Cpu, Firmware, Nic, Tpm
from rehost.tracked import Tracked

VMWARE_FIRMWARE = {"bios": Firmware.BIOS, "efi": Firmware.UEFI}
VBOX_FIRMWARE = {
    "BIOS": Firmware.BIOS,
    **dict.fromkeys(("EFI", "EFI32", "EFI64", "EFIDUAL"), Firmware.UEFI),
}
VBOX_BOOT = {
    "HardDisk": BootDevice.DISK,
    "DVD": BootDevice.CDROM,
    "Floppy": BootDevice.FLOPPY,
    "Network": BootDevice.NETWORK,
}
VMWARE_BOOT = {
    "disk": BootDevice.DISK,
    "cdrom": BootDevice.CDROM,
    "floppy": BootDevice.FLOPPY,
    "net": BootDevice.NETWORK,
}
VBOX_CLOCK = {"local": ClockOffset.LOCALTIME, "UTC": ClockOffset.UTC}
VBOX_TPM = {"v1_2": "1.2", "v2_0": "2.0"}
PRODUCERS = {"vmx-": "VMware", "virtualbox-": "VirtualBox", "xen-": "Xen", "hvm-": "Xen"}


@dataclass(frozen=True, slots=True)
class Extras:
    """The part of a machine that only extensions say.

    ``guest`` is VirtualBox's OSType, ``macs`` the addresses of its adapters that are switched on.
    """

    uuid: str | None = None
    firmware: Firmware | None = None
    secure_boot: bool | None = None
    cpu: Cpu | None = None
    clock: ClockOffset | None = None
    tpm: Tpm | None = None
    boot_order: tuple[BootDevice, ...] = ()
    guest: str | None = None
    macs: tuple[str | None, ...] = ()


def vmware(hardware: Tracked) -> Extras:
    """Read VMware's settings of a hardware section."""
    word = config(hardware, "firmware")
    secure = config(hardware, "bootOptions.efiSecureBootEnabled")
    nested = _truth(config(hardware, "nestedHVEnabled"))
    if word is not None and word.lower() not in VMWARE_FIRMWARE:
        raise hardware.damaged(f"vmw:Config firmware is neither bios nor efi ({word[:80]!r})")
    return Extras(
        uuid=canonical_uuid(config(hardware, "uuid")),
        firmware=VMWARE_FIRMWARE[word.lower()] if word else None,
        secure_boot=_truth(secure),
        cpu=None if nested is None else Cpu(nested=nested),
    )


def boot_order(system: Tracked) -> tuple[BootDevice, ...]:
    """Read VMware's boot order; a section of a class nobody knows is left to the report."""
    found = []
    for section in system.children("vmw:BootOrderSection"):
        kind = section.element.get(f"{{{VMW}}}type") or section.element.get("type")
        if (device := VMWARE_BOOT.get(str(kind))) is not None:
            found.append(device)
            section.ignore("Info", "@required", "@type")
    return tuple(dict.fromkeys(found))


def virtualbox(system: Tracked, reading: Reading) -> Extras:
    """Read VirtualBox's machine file, and report the rest of it as one thing."""
    machine = system.child("vbox:Machine")
    if machine is None:
        return Extras()
    order = sorted(
        (entry.integer("@position") or 0, entry.said("@device") or "")
        for entry in machine.children("Hardware/Boot/Order")
    )
    tpm = machine.said("Hardware/TrustedPlatformModule/@type")
    extras = Extras(
        uuid=canonical_uuid(machine.said("@uuid")),
        firmware=VBOX_FIRMWARE.get((_vbox(machine, "Firmware/@type") or "").upper()),
        clock=VBOX_CLOCK.get(machine.said("Hardware/RTC/@localOrUTC") or ""),
        tpm=Tpm(VBOX_TPM[tpm]) if tpm in VBOX_TPM else None,
        guest=machine.said("@OSType"),
        boot_order=tuple(dict.fromkeys(VBOX_BOOT[name] for _, name in order if name in VBOX_BOOT)),
        macs=_macs(machine),
    )
    reading.drop(
        f"{reading.place(machine.element)} vbox:Machine",
        None,
        "is VirtualBox's own machine file; UUID, firmware, clock, TPM, boot order and MAC addresses"
        " were taken",
    )
    system.take(machine.element)
    return extras


def with_macs(nics: Sequence[Nic], extras: Extras) -> tuple[Nic, ...]:
    """Give adapters without an address those VirtualBox keeps, where they are as many."""
    if len(nics) != len(extras.macs):
        return tuple(nics)
    return tuple(
        replace(nic, mac=nic.mac or mac) for nic, mac in zip(nics, extras.macs, strict=True)
    )


def _macs(machine: Tracked) -> tuple[str | None, ...]:
    adapters = [
        (adapter.integer("@slot") or 0, adapter.said("@MACAddress") or "")
        for adapter in machine.children("Hardware/Network/Adapter")
        if adapter.flag("@enabled")
    ]
    return tuple(_mac(digits) for _, digits in sorted(adapters))


def _mac(digits: str) -> str | None:
    """Return twelve hexadecimal digits with colons; None for anything else."""
    digits = digits.lower()
    if len(digits) != 12 or digits.strip(HEX):
        return None
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def producer(system_type: str | None) -> str | None:
    """Return who wrote a descriptor, by the family of its virtual hardware."""
    for start, name in PRODUCERS.items():
        if (system_type or "").startswith(start):
            return name
    return None


def _vbox(machine: Tracked, path: str) -> str | None:
    """Return what lies below Hardware, or below its BIOS as newer versions have it."""
    return machine.said(f"Hardware/{path}") or machine.said(f"Hardware/BIOS/{path}")


def _truth(text: str | None) -> bool | None:
    return None if text is None else text.lower() == "true"
