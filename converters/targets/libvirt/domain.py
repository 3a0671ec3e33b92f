"""The domain element: the machine as a whole, from its name to its boot order."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from converters.configs.libvirt_words import (
    CLOCKS,
    CPU_MODES,
    LIBOSINFO,
    NESTED_FEATURES,
    OURS,
    first_words,
)
from converters.configs.osinfo import osinfo_of
from converters.naming import file_name
from converters.target import Document
from converters.targets.libvirt.devices import add_devices
from converters.targets.libvirt.elements import add
from converters.targets.libvirt.fit import AUTO, domain_type
from rehost.machine import Cpu, Firmware, GuestOs, Machine

KIB = 1024


def documents(machine: Machine, folder: Path, *, domain: str = AUTO) -> list[Document]:
    """Write the domain XML; the disks lie in ``folder``, which it names as an absolute path."""
    root = etree.Element("domain", type=domain_type(domain))
    _identity(root, machine)
    _power(root, machine)
    _os(root, machine)
    _features(root, machine)
    _cpu(root, machine)
    clock = first_words(CLOCKS)[machine.clock] if machine.clock else "utc"
    add(root, "clock", offset=clock)
    add(root, "on_poweroff", "destroy")
    add(root, "on_reboot", "restart")
    add(root, "on_crash", "destroy")
    add_devices(root, machine, folder.absolute())
    etree.indent(root)
    content = etree.tostring(root, encoding="unicode") + "\n"
    return [Document(f"{file_name(machine.name)}.xml", content)]


def _identity(root: etree._Element, machine: Machine) -> None:
    add(root, "name", machine.name)
    if machine.uuid:
        add(root, "uuid", machine.uuid)
    if machine.description:
        add(root, "description", machine.description)
    if machine.guest_os is not None and machine.guest_os != GuestOs():
        _guest(add(root, "metadata"), machine.guest_os)


def _guest(metadata: etree._Element, guest: GuestOs) -> None:
    """Say what the guest is, in libosinfo's words and in those of its source."""
    known = osinfo_of(guest)
    if known is not None:
        info = etree.SubElement(
            metadata, f"{{{LIBOSINFO}}}libosinfo", nsmap={"libosinfo": LIBOSINFO}
        )
        etree.SubElement(info, f"{{{LIBOSINFO}}}os", attrib={"id": known})
    said = {
        "name": guest.name,
        "cim": None if guest.cim is None else str(guest.cim),
        "vmware": guest.vmware,
        "virtualbox": guest.virtualbox,
        "version": guest.version,
    }
    etree.SubElement(
        metadata,
        f"{{{OURS}}}guest-os",
        attrib={name: value for name, value in said.items() if value is not None},
        nsmap={"rehost": OURS},
    )


def _power(root: etree._Element, machine: Machine) -> None:
    add(root, "memory", str((machine.memory or 0) // KIB), unit="KiB")
    add(root, "vcpu", str(machine.vcpus or 1))


def _os(root: etree._Element, machine: Machine) -> None:
    said = {"firmware": "efi"} if machine.firmware is Firmware.UEFI else {}
    system = add(root, "os", **said)
    add(system, "type", "hvm", arch="x86_64", machine=machine.machine_type or "q35")
    if machine.firmware is Firmware.UEFI:
        firmware = add(system, "firmware")
        enabled = "yes" if machine.secure_boot else "no"
        add(firmware, "feature", enabled=enabled, name="secure-boot")
        if machine.secure_boot:
            add(firmware, "feature", enabled="yes", name="enrolled-keys")


def _features(root: etree._Element, machine: Machine) -> None:
    features = add(root, "features")
    add(features, "acpi")
    add(features, "apic")
    if machine.secure_boot:
        add(features, "smm", state="on")


def _cpu(root: etree._Element, machine: Machine) -> None:
    said = machine.cpu or Cpu("host-model")
    model = said.model or "host-model"
    if model in CPU_MODES:
        cpu = add(root, "cpu", mode=model)
    else:
        cpu = add(root, "cpu", mode="custom", match="exact")
        add(cpu, "model", model, fallback="allow")
    if machine.topology is not None:
        shape = machine.topology
        add(
            cpu,
            "topology",
            sockets=str(shape.sockets),
            cores=str(shape.cores),
            threads=str(shape.threads),
        )
    for name in said.features:
        policy = "disable" if name.startswith("-") else "require"
        add(cpu, "feature", policy=policy, name=name.removeprefix("-"))
    if said.nested is not None:
        policy = "optional" if said.nested else "disable"
        for name in NESTED_FEATURES:
            add(cpu, "feature", policy=policy, name=name)
