"""What libvirt demands of a machine beyond its hardware: names, numbers and what goes together."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from typing import Any

from converters.configs.libvirt_words import CPU_MODES, NESTED_FEATURES
from converters.draft import shown
from converters.host import has_kvm
from converters.targets.libvirt.processors import FEATURES, MODELS
from rehost.machine import (
    AttachmentKind,
    Bus,
    Cpu,
    Disk,
    Display,
    Machine,
    Nic,
    Serial,
    SerialKind,
)
from rehost.report import Loss, assumed, changed, dropped

ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MAC = re.compile("[0-9a-f][02468ace](:[0-9a-f]{2}){5}")
DEVICE = re.compile(r"[a-zA-Z0-9_.\-]{1,15}")
SERIAL_NUMBER = re.compile(r"[A-Za-z0-9_.+\- ]+")
LONGEST_SERIAL = 20
"""The characters of a serial number that virtio-blk and ATA hand to the guest."""

PICTURES = frozenset({"vga", "cirrus", "vmvga", "qxl", "virtio", "bochs", "none"})
WITH_MEMORY = frozenset({"vga", "vmvga", "qxl", "bochs"})
WITH_HEADS = frozenset({"qxl", "virtio"})
MOST_HEADS = 16
KIB = 1 << 10
MIB = 1 << 20
PICTURE_MEMORY = (1 * MIB, 256 * MIB)
AUTO = "auto"
EMULATION = "qemu"
UNSAID = "the source does not say"


def domain_type(domain: str) -> str:
    """Return libvirt's word for what runs the domain."""
    if domain != AUTO:
        return domain
    return "kvm" if has_kvm() else EMULATION


def fit(machine: Machine, *, domain: str = AUTO) -> tuple[Machine, list[Loss]]:
    """Return ``machine`` as libvirt takes it, and what that changes."""
    losses: list[Loss] = []
    if domain == AUTO and domain_type(AUTO) == EMULATION:
        why = "this computer has no KVM; -O domain=kvm writes it for one that has"
        losses.append(assumed("domain type", EMULATION, why))
    machine = _legible(machine, "", losses)
    machine = replace(
        machine,
        name=_name(machine.name, losses),
        memory=_memory(machine.memory, losses),
        uuid=_matching(machine.uuid, UUID, "uuid", "it is no UUID", losses),
        cpu=_cpu(machine.cpu, losses),
        tpm=_tpm(machine, losses),
        disks=tuple(_disk(f"disks[{n}]", one, losses) for n, one in enumerate(machine.disks)),
        nics=tuple(_nic(f"nics[{n}]", one, losses) for n, one in enumerate(machine.nics)),
        displays=_displays(machine.displays, losses),
        serials=_serials(machine.serials, losses),
    )
    return machine, losses


def _legible(value: Any, item: str, losses: list[Loss]) -> Any:
    """Return a value whose texts hold only characters that XML can."""
    if isinstance(value, str) and type(value) is str and ILLEGAL.search(value):
        clean = ILLEGAL.sub(REPLACEMENT, value)
        shown_codes = ILLEGAL.sub(lambda found: f"\\x{ord(found[0]):02x}", value)
        losses.append(changed(item, shown_codes, clean, "XML has no such characters"))
        return clean
    if isinstance(value, tuple):
        return tuple(_legible(part, f"{item}[{n}]", losses) for n, part in enumerate(value))
    if is_dataclass(value) and not isinstance(value, type):
        inside = f"{item}." if item else ""
        parts = {
            part.name: _legible(getattr(value, part.name), f"{inside}{part.name}", losses)
            for part in fields(value)
        }
        return replace(value, **parts)
    return value


def _name(name: str, losses: list[Loss]) -> str:
    clean = re.sub(r"[/\r\n\t]", "-", name).strip() or "machine"
    if clean != name:
        losses.append(changed("name", name, clean, "a domain's name is one line without a slash"))
    return clean


def _memory(memory: int | None, losses: list[Loss]) -> int | None:
    if memory is None or memory % KIB == 0:
        return memory
    whole = (memory // KIB + 1) * KIB
    losses.append(changed("memory", str(memory), str(whole), "libvirt counts memory in KiB"))
    return whole


def _matching(
    value: str | None, pattern: re.Pattern[str], item: str, why: str, losses: list[Loss]
) -> str | None:
    """Return a value of the form libvirt wants, or none."""
    if value is None or pattern.fullmatch(value):
        return value
    losses.append(dropped(item, value, why))
    return None


def _cpu(cpu: Cpu | None, losses: list[Loss]) -> Cpu:
    cpu = cpu or Cpu()
    model = cpu.model
    if model is None:
        losses.append(assumed("cpu.model", "host-model", f"{UNSAID}; it is the host's own"))
        model = "host-model"
    elif model not in MODELS and model not in CPU_MODES:
        why = "libvirt knows no such model; the host's own is used"
        losses.append(changed("cpu.model", model, "host-model", why))
        model = "host-model"
    features = tuple(one.removeprefix("+") for one in cpu.features)
    known = tuple(one for one in dict.fromkeys(features) if _is_feature(one))
    if known != features:
        why = "libvirt knows no feature of the others' names"
        losses.append(changed("cpu.features", shown(cpu.features), shown(known) or "none", why))
    return replace(cpu, model=model, features=known)


def _is_feature(name: str) -> bool:
    plain = name.removeprefix("-")
    return plain in FEATURES and plain not in NESTED_FEATURES


def _tpm(machine: Machine, losses: list[Loss]) -> Any:
    tpm = machine.tpm
    if tpm is None or tpm.version in {"1.2", "2.0"}:
        return tpm
    losses.append(changed("tpm.version", tpm.version, "2.0", "there is 1.2 and 2.0"))
    return replace(tpm, version="2.0")


def _disk(item: str, disk: Disk, losses: list[Loss]) -> Disk:
    bus = disk.address.bus if disk.address else None
    if disk.readonly and bus in {Bus.IDE, Bus.SATA}:
        losses.append(dropped(f"{item}.readonly", "yes", f"QEMU cannot protect a disk on {bus}"))
        disk = replace(disk, readonly=None)
    if disk.shareable and disk.format != "raw":
        why = f"QEMU shares raw disks only, and this is {disk.format}"
        losses.append(dropped(f"{item}.shareable", "yes", why))
        disk = replace(disk, shareable=None)
    why = f"a serial number is letters, digits, spaces and _.+-, {LONGEST_SERIAL} at most"
    serial = _matching(disk.serial, SERIAL_NUMBER, f"{item}.serial", why, losses)
    if serial is not None and len(serial) > LONGEST_SERIAL:
        losses.append(changed(f"{item}.serial", serial, serial[:LONGEST_SERIAL], why))
        serial = serial[:LONGEST_SERIAL]
    return replace(disk, serial=serial)


def _nic(item: str, nic: Nic, losses: list[Loss]) -> Nic:
    why = "it is no address of a single adapter; libvirt will make one up"
    nic = replace(nic, mac=_matching(nic.mac, MAC, f"{item}.mac", why, losses))
    network = nic.network
    match nic.attachment:
        case AttachmentKind.NAT if network is not None:
            why = "NAT by QEMU itself has no name"
            losses.append(dropped(f"{item}.network", network, why))
            return replace(nic, network=None)
        case AttachmentKind.BRIDGE:
            return replace(nic, network=_interface(f"{item}.network", network, "br0", losses))
        case AttachmentKind.DIRECT:
            return replace(nic, network=_interface(f"{item}.network", network, "eth0", losses))
        case AttachmentKind.NETWORK if network is None:
            why = f"{UNSAID}; it is the network libvirt comes with"
            losses.append(assumed(f"{item}.network", "default", why))
            return replace(nic, network="default")
        case AttachmentKind.NETWORK if network != "default":
            why = "the host must have a libvirt network of this name"
            losses.append(assumed(f"{item}.network", str(network), why))
    return nic


def _interface(item: str, name: str | None, usual: str, losses: list[Loss]) -> str:
    """Return the host interface an adapter is plugged into."""
    if name is None:
        losses.append(assumed(item, usual, f"{UNSAID}; name the host's own interface"))
        return usual
    if DEVICE.fullmatch(name):
        return name
    losses.append(changed(item, name, usual, "no host interface can be called that"))
    return usual


def _displays(displays: tuple[Display, ...], losses: list[Loss]) -> tuple[Display, ...]:
    if not displays:
        losses.append(assumed("displays", "vga", f"{UNSAID}; without one there is no picture"))
        return (Display(model="vga"),)
    for number, extra in enumerate(displays[1:], 1):
        losses.append(dropped(f"displays[{number}]", shown(extra), "QEMU shows one VGA adapter"))
    return (_display(displays[0], losses),)


def _display(display: Display, losses: list[Loss]) -> Display:
    model = display.model
    if model is None:
        losses.append(assumed("displays[0].model", "vga", UNSAID))
        model = "vga"
    elif model not in PICTURES:
        why = "every guest has a driver for plain VGA"
        losses.append(changed("displays[0].model", model, "vga", why))
        model = "vga"
    memory, heads = display.memory, display.heads
    if memory is not None and model not in WITH_MEMORY:
        losses.append(dropped("displays[0].memory", str(memory), f"{model} has its own"))
        memory = None
    elif memory is not None and (fitting := _picture_memory(memory)) != memory:
        why = "it is a power of two from 1 to 256 MiB"
        losses.append(changed("displays[0].memory", str(memory), str(fitting), why))
        memory = fitting
    most = MOST_HEADS if model in WITH_HEADS else 1
    if heads is not None and not 1 <= heads <= most:
        why = f"{model} has {most} at most"
        losses.append(changed("displays[0].heads", str(heads), str(most), why))
        heads = most
    return Display(model, memory, heads)


def _picture_memory(memory: int) -> int:
    least, most = PICTURE_MEMORY
    return min(most, max(least, 1 << (memory - 1).bit_length())) if memory > 0 else least


def _serials(serials: tuple[Serial, ...], losses: list[Loss]) -> tuple[Serial, ...]:
    if serials:
        return serials
    why = f"{UNSAID}; it is what `virsh console` shows"
    losses.append(assumed("serials", SerialKind.PTY, why))
    return (Serial(SerialKind.PTY),)
