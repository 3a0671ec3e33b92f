"""The neutral machine: what every configuration format is read into and written from.

A machine is a value. Readers build one, planners replace parts of it, writers express it. These
rules hold everywhere:

- A field exists because at least two configuration formats can express it.
- ``None`` means that the source does not say; it never means "no" and never a default. Writers
  that must say something choose a value and report the choice as an ``assumed`` loss.
- Sizes are bytes, frequencies hertz, UUIDs canonical lower-case text, MAC addresses lower-case
  with colons.
- Devices hang on controllers by (bus, controller, unit), never by their order in a document.

What a source said beyond these words is reported by its reader as a loss, not kept here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum


class Firmware(StrEnum):
    """What starts the machine before its boot loader."""

    BIOS = "bios"
    UEFI = "uefi"


class Bus(StrEnum):
    """What a disk hangs on, in the guest's eyes: it decides driver and device name."""

    IDE = "ide"
    SATA = "sata"
    SCSI = "scsi"
    NVME = "nvme"
    VIRTIO = "virtio"
    USB = "usb"
    FLOPPY = "floppy"
    XEN = "xen"


class ControllerModel(StrEnum):
    """The chip that drives a bus, where the source names one."""

    PIIX3 = "piix3"
    PIIX4 = "piix4"
    ICH6 = "ich6"
    AHCI = "ahci"
    BUSLOGIC = "buslogic"
    LSILOGIC = "lsilogic"
    LSISAS1068 = "lsisas1068"
    PVSCSI = "pvscsi"
    VIRTIO_SCSI = "virtio-scsi"
    HYPERV_SCSI = "hyperv-scsi"
    NVME = "nvme"
    UHCI = "uhci"
    EHCI = "ehci"
    XHCI = "xhci"


class NicModel(StrEnum):
    """The network adapter the guest has a driver for."""

    PCNET = "pcnet"
    RTL8139 = "rtl8139"
    NE2K = "ne2k"
    TULIP = "tulip"
    E1000 = "e1000"
    E1000E = "e1000e"
    IGB = "igb"
    VMXNET = "vmxnet"
    VMXNET2 = "vmxnet2"
    VMXNET3 = "vmxnet3"
    VIRTIO = "virtio"
    HYPERV = "hyperv"
    XEN = "xen"
    SRIOV = "sriov"


class AttachmentKind(StrEnum):
    """How a NIC reaches the world: what its network's name is the name of."""

    NETWORK = "network"
    BRIDGE = "bridge"
    NAT = "nat"
    HOST_ONLY = "host-only"
    INTERNAL = "internal"
    DIRECT = "direct"


class MediaKind(StrEnum):
    """A drive whose medium can be taken out."""

    CDROM = "cdrom"
    FLOPPY = "floppy"


class SerialKind(StrEnum):
    """What a serial port is connected to on the host."""

    PTY = "pty"
    FILE = "file"
    PIPE = "pipe"
    TCP = "tcp"
    UNIX = "unix"
    DEVICE = "device"
    NULL = "null"


class SoundModel(StrEnum):
    """The sound card the guest sees."""

    AC97 = "ac97"
    ES1370 = "es1370"
    ES1371 = "es1371"
    HDA = "hda"
    SB16 = "sb16"


class ClockOffset(StrEnum):
    """What the hardware clock shows at power-on."""

    UTC = "utc"
    LOCALTIME = "localtime"


class BootDevice(StrEnum):
    """A class of devices in the firmware's boot order."""

    DISK = "disk"
    CDROM = "cdrom"
    FLOPPY = "floppy"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Topology:
    """How the processors are arranged; their product is the machine's processor count."""

    sockets: int
    cores: int
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor the guest is shown; ``model`` is a QEMU/libvirt name or a passthrough mode."""

    model: str | None = None
    features: tuple[str, ...] = ()
    nested: bool | None = None


@dataclass(frozen=True, slots=True)
class Controller:
    """A bus adapter. Disks name it by ``bus`` and ``index``, which counts from 0 on each bus."""

    bus: Bus
    index: int
    model: ControllerModel | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """Where a drive hangs: the ``unit`` (target, port, or channel * 2 + device) of a controller.

    IDE counts four units on controller 0: primary master, primary slave, secondary master,
    secondary slave.
    """

    bus: Bus
    controller: int
    unit: int


@dataclass(frozen=True, slots=True)
class Disk:
    """A hard disk. ``file`` is relative to the machine's folder or package; none means blank.

    ``size`` is what the guest sees, in bytes. ``format`` names a disk format as
    ``rehost formats`` lists it.
    """

    address: Address | None = None
    size: int | None = None
    file: str | None = None
    format: str | None = None
    serial: str | None = None
    readonly: bool | None = None
    shareable: bool | None = None


@dataclass(frozen=True, slots=True)
class Removable:
    """A CD or floppy drive; ``file`` is the medium in it, none means that the drive is empty."""

    kind: MediaKind
    address: Address | None = None
    file: str | None = None
    connected: bool | None = None


@dataclass(frozen=True, slots=True)
class Nic:
    """A network adapter and what it is plugged into."""

    model: NicModel | None = None
    mac: str | None = None
    network: str | None = None
    attachment: AttachmentKind | None = None
    connected: bool | None = None


@dataclass(frozen=True, slots=True)
class Display:
    """A video adapter; ``model`` is the source's own name for it, ``memory`` in bytes."""

    model: str | None = None
    memory: int | None = None
    heads: int | None = None


@dataclass(frozen=True, slots=True)
class Serial:
    """A serial port; ``target`` is the path or ``host:port`` behind ``kind``."""

    kind: SerialKind | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound card."""

    model: SoundModel | None = None


@dataclass(frozen=True, slots=True)
class Tpm:
    """A trusted platform module; its state never travels."""

    version: str | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """A claim on the host: ``reserved`` and ``limit`` in bytes or hertz, ``weight`` relative."""

    reserved: int | None = None
    limit: int | None = None
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class GuestOs:
    """The operating system inside, under the names the trades gave it.

    ``cim`` is the number of CIM_OperatingSystem.OSType, ``vmware`` the guestOS id with the
    "Guest" suffix of the vSphere API, ``virtualbox`` VirtualBox's OSType.
    """

    name: str | None = None
    cim: int | None = None
    vmware: str | None = None
    virtualbox: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the description came from: the format, the file, and who wrote it if that shows."""

    format: str
    file: str
    producer: str | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """One virtual or physical machine, whole.

    ``memory`` is bytes, ``vcpus`` the processors it starts with; a ``topology`` always multiplies
    to ``vcpus``. ``boot_order`` is the order of device classes; within one, devices boot in the
    order they stand here. ``machine_type`` is the chipset in QEMU's words ("q35", "pc").
    """

    name: str
    origin: Origin
    uuid: str | None = None
    description: str | None = None
    memory: int | None = None
    vcpus: int | None = None
    topology: Topology | None = None
    cpu: Cpu | None = None
    firmware: Firmware | None = None
    secure_boot: bool | None = None
    tpm: Tpm | None = None
    machine_type: str | None = None
    clock: ClockOffset | None = None
    guest_os: GuestOs | None = None
    boot_order: tuple[BootDevice, ...] = ()
    controllers: tuple[Controller, ...] = ()
    disks: tuple[Disk, ...] = ()
    removables: tuple[Removable, ...] = ()
    nics: tuple[Nic, ...] = ()
    displays: tuple[Display, ...] = ()
    serials: tuple[Serial, ...] = ()
    sounds: tuple[Sound, ...] = ()
    memory_reservation: Reservation | None = None
    cpu_reservation: Reservation | None = None


def properties(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Yield each thing a machine says as (path, value): ("nics[0].model", NicModel.E1000).

    Silence is left out. An address is one property. The paths are what
    losses name, so a property that has no loss arrived.
    """
    if is_dataclass(value) and not isinstance(value, Address | type):
        for part in fields(value):
            path = f"{name}.{part.name}" if name else part.name
            yield from properties(getattr(value, part.name), path)
    elif isinstance(value, tuple) and any(is_dataclass(item) for item in value):
        for number, item in enumerate(value):
            yield f"{name}[{number}]", item
            yield from properties(item, f"{name}[{number}]")
    elif value is not None and value != ():
        yield name, value
