"""The words libvirt's domain XML has for hardware, for its reader and its writer.

Spec: "Domain XML format" (libvirt 9.0), sections as named there. Where several words mean one
thing, the first is the one written.
"""

from __future__ import annotations

import string
from typing import TypeVar

from rehost.machine import (
    AttachmentKind,
    BootDevice,
    Bus,
    ClockOffset,
    ControllerModel,
    NicModel,
    SerialKind,
    SoundModel,
)

Meaning = TypeVar("Meaning")

LIBOSINFO = "http://libosinfo.org/xmlns/libvirt/domain/1.0"
"""The namespace of the metadata in which virt-manager and its kin keep the guest's system."""

OURS = "urn:rehost:domain:1"
"""The namespace of the metadata in which rehost keeps what libvirt has no words for."""

BUSES: dict[str, Bus] = {
    "ide": Bus.IDE,
    "sata": Bus.SATA,
    "scsi": Bus.SCSI,
    "nvme": Bus.NVME,
    "virtio": Bus.VIRTIO,
    "usb": Bus.USB,
    "fdc": Bus.FLOPPY,
    "xen": Bus.XEN,
}
PREFIXES: dict[Bus, str] = {
    Bus.IDE: "hd",
    Bus.SATA: "sd",
    Bus.SCSI: "sd",
    Bus.USB: "sd",
    Bus.VIRTIO: "vd",
    Bus.FLOPPY: "fd",
    Bus.XEN: "xvd",
    Bus.NVME: "nvme",
}
SCSI_MODELS: dict[str, ControllerModel] = {
    "virtio-scsi": ControllerModel.VIRTIO_SCSI,
    "lsilogic": ControllerModel.LSILOGIC,
    "lsisas1068": ControllerModel.LSISAS1068,
    "vmpvscsi": ControllerModel.PVSCSI,
    "buslogic": ControllerModel.BUSLOGIC,
    "virtio-transitional": ControllerModel.VIRTIO_SCSI,
    "virtio-non-transitional": ControllerModel.VIRTIO_SCSI,
}
USB_MODELS: dict[str, ControllerModel] = {
    "piix3-uhci": ControllerModel.UHCI,
    "ich9-ehci1": ControllerModel.EHCI,
    "qemu-xhci": ControllerModel.XHCI,
    "nec-xhci": ControllerModel.XHCI,
    "ehci": ControllerModel.EHCI,
    "piix4-uhci": ControllerModel.UHCI,
}
IDE_MODELS: dict[str, ControllerModel] = {
    "piix3": ControllerModel.PIIX3,
    "piix4": ControllerModel.PIIX4,
    "ich6": ControllerModel.ICH6,
}
NICS: dict[str, NicModel] = {
    "virtio": NicModel.VIRTIO,
    "e1000": NicModel.E1000,
    "e1000e": NicModel.E1000E,
    "igb": NicModel.IGB,
    "rtl8139": NicModel.RTL8139,
    "pcnet": NicModel.PCNET,
    "ne2k_pci": NicModel.NE2K,
    "tulip": NicModel.TULIP,
    "vmxnet3": NicModel.VMXNET3,
    "vmxnet2": NicModel.VMXNET2,
    "vmxnet": NicModel.VMXNET,
    "netfront": NicModel.XEN,
    "virtio-transitional": NicModel.VIRTIO,
    "virtio-non-transitional": NicModel.VIRTIO,
    "virtio-net-pci": NicModel.VIRTIO,
    "vlance": NicModel.PCNET,
}
SOUNDS: dict[str, SoundModel] = {
    "ich6": SoundModel.HDA,
    "ich9": SoundModel.HDA,
    "ac97": SoundModel.AC97,
    "es1370": SoundModel.ES1370,
    "sb16": SoundModel.SB16,
}
SERIALS: dict[str, SerialKind] = {
    "pty": SerialKind.PTY,
    "file": SerialKind.FILE,
    "pipe": SerialKind.PIPE,
    "tcp": SerialKind.TCP,
    "unix": SerialKind.UNIX,
    "dev": SerialKind.DEVICE,
    "null": SerialKind.NULL,
}
ATTACHMENTS: dict[str, AttachmentKind] = {
    "network": AttachmentKind.NETWORK,
    "bridge": AttachmentKind.BRIDGE,
    "user": AttachmentKind.NAT,
    "direct": AttachmentKind.DIRECT,
    "internal": AttachmentKind.INTERNAL,
}
CLOCKS: dict[str, ClockOffset] = {"utc": ClockOffset.UTC, "localtime": ClockOffset.LOCALTIME}
BOOT_DEVICES: dict[str, BootDevice] = {
    "hd": BootDevice.DISK,
    "cdrom": BootDevice.CDROM,
    "fd": BootDevice.FLOPPY,
    "network": BootDevice.NETWORK,
}
DISK_DRIVERS: dict[str, str] = {"vpc": "vhd"}
"""QEMU's names of disk formats, where rehost has another."""

CPU_MODES = frozenset({"host-model", "host-passthrough", "maximum"})
NESTED_FEATURES = ("vmx", "svm")
UNIT_IS_TARGET = frozenset({ControllerModel.LSISAS1068, ControllerModel.PVSCSI})
"""SCSI adapters whose drives differ by target; those of the others differ by logical unit."""


def first_words(words: dict[str, Meaning]) -> dict[Meaning, str]:
    """Turn a table of words round: to each meaning the first word for it."""
    return {meaning: word for word, meaning in reversed(words.items())}


def device_name(prefix: str, number: int) -> str:
    """Return the name of a drive as Linux counts them: sda, sdb, ... sdz, sdaa."""
    letters = ""
    while number >= 0:
        letters = string.ascii_lowercase[number % 26] + letters
        number = number // 26 - 1
    return prefix + letters


def device_number(name: str, prefix: str) -> int | None:
    """Return the number behind a drive's name, counted from 0; None when it has another form."""
    letters = name.removeprefix(prefix)
    if letters == name or not (letters.isascii() and letters.isalpha() and letters.islower()):
        return None
    if len(letters) > 4:
        return None
    number = 0
    for letter in letters:
        number = number * 26 + string.ascii_lowercase.index(letter) + 1
    return number - 1
