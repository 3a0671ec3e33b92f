"""libvirt's domain XML: what ``virsh dumpxml`` prints and /etc/libvirt/qemu keeps.

Spec: "Domain XML format" (libvirt 9.0); section names below are those of that document. Defaults
that the format itself defines (no firmware is BIOS, no driver type is raw) are read as said.
"""

from __future__ import annotations

from pathlib import Path

from converters.configs.libvirt_devices import meaning, read_devices
from converters.configs.libvirt_words import CLOCKS, CPU_MODES, LIBOSINFO, NESTED_FEATURES, OURS
from converters.configs.osinfo import guest_of
from converters.configs.registry import ConfigFormat, root_of
from ovf.parse import LARGEST, parse
from rehost.errors import DamagedInputError, UnsupportedInputError
from rehost.files import LocalFile, read_all
from rehost.machine import (
    ClockOffset,
    Cpu,
    Firmware,
    GuestOs,
    Machine,
    Origin,
    Reservation,
    Topology,
)
from rehost.report import Loss, changed, dropped
from rehost.tracked import Tracked

NAMESPACES = {"libosinfo": LIBOSINFO, "rehost": OURS}
WIDE = frozenset({"x86_64", "amd64"})
NARROW = frozenset({"i386", "i486", "i586", "i686", "x86_32", "x86_32p"})
UNITS: dict[str, int] = {
    "b": 1,
    "bytes": 1,
    **{f"{letter}b": 1000 ** (power + 1) for power, letter in enumerate("kmgtpe")},
    **{letter: 1024 ** (power + 1) for power, letter in enumerate("kmgtpe")},
    **{f"{letter}ib": 1024 ** (power + 1) for power, letter in enumerate("kmgtpe")},
}
HOST_AFFAIRS = (
    "@type",
    "@id",
    "os/type",
    "os/bootmenu",
    "os/loader",
    "os/firmware",
    "features/acpi",
    "features/apic",
    "features/pae",
    "features/smm",
    "devices/emulator",
    "devices/graphics/@passwd",
    "devices/graphics/@passwdValidTo",
    "resource",
    "seclabel",
)
"""What the next host decides for itself, what every machine has, and passwords."""

USUAL_ENDS = {"on_poweroff": {"destroy"}, "on_reboot": {"restart"}, "on_crash": {"destroy"}}


def probe(head: bytes) -> bool:
    """Say whether a file is a domain XML."""
    return root_of(head) == "domain"


def read(path: Path) -> tuple[Machine, list[Loss]]:
    """Read a domain XML."""
    where = str(path)
    file = LocalFile(path)
    try:
        content = read_all(file, LARGEST)
    finally:
        file.close()
    root = Tracked(parse(content, where), where, namespaces=NAMESPACES)
    if root.name != "domain":
        raise DamagedInputError(f"is no libvirt domain (its root is {root.name})", where=where)
    return _machine(root, path)


def _machine(root: Tracked, path: Path) -> tuple[Machine, list[Loss]]:
    losses: list[Loss] = []
    wide = _is_wide(root)
    vcpus, topology = _processors(root, losses)
    firmware, secure_boot = _firmware(root)
    uuid = root.said("uuid")
    found = read_devices(root, path.absolute().parent, losses)
    machine = Machine(
        name=root.need("name"),
        origin=Origin("libvirt", str(path)),
        uuid=uuid.lower() if uuid else None,
        description=root.said("description") or root.said("title"),
        memory=_memory(root),
        vcpus=vcpus,
        topology=topology,
        cpu=_cpu(root),
        firmware=firmware,
        secure_boot=secure_boot,
        tpm=found.tpm,
        machine_type=_chipset(root, losses),
        clock=_clock(root),
        guest_os=_guest(root, wide=wide),
        boot_order=found.boot_order,
        controllers=found.controllers,
        disks=tuple(found.disks),
        removables=tuple(found.removables),
        nics=found.nics,
        displays=found.displays,
        serials=found.serials,
        sounds=found.sounds,
        memory_reservation=_memory_reservation(root),
        cpu_reservation=_cpu_reservation(root),
    )
    _variables(root, losses)
    _ignore_the_usual(root)
    return machine, losses + root.rest()


def _is_wide(root: Tracked) -> bool:
    """Say whether the guest is of 64 bits, refusing what is no PC."""
    kind = root.said("os/type") or ("exe" if root.said("@type") == "lxc" else "hvm")
    if kind == "exe":
        raise UnsupportedInputError(
            "describes a container, not a machine", where=str(root.at), hint="Convert its files."
        )
    arch = root.said("os/type/@arch") or "x86_64"
    if arch not in WIDE | NARROW:
        raise UnsupportedInputError(f"is for another processor ({arch})", where=str(root.at))
    return arch in WIDE


def amount(node: Tracked, path: str) -> int | None:
    """Return the bytes at ``path``; without a unit libvirt counts in KiB."""
    number = node.integer(path)
    unit = (node.said(f"{path}/@unit") or "KiB").lower()
    if number is None:
        return None
    if unit not in UNITS or number < 0:
        raise node.damaged(f"{path} is no amount of memory ({number} {unit})")
    return number * UNITS[unit]


def _memory(root: Tracked) -> int | None:
    """Return the memory; a balloon that takes some of it away is left to the remainder."""
    memory = amount(root, "memory")
    root.ignore("memory/@dumpCore")
    balloon = root.child("currentMemory")
    if balloon is not None:
        text = (balloon.element.text or "").strip()
        unit = UNITS.get((balloon.element.get("unit") or "KiB").lower(), 0)
        if text.isascii() and text.isdigit() and len(text) < 20 and int(text) * unit == memory:
            root.ignore("currentMemory")
    return memory


def _processors(root: Tracked, losses: list[Loss]) -> tuple[int | None, Topology | None]:
    """Return how many processors run at start, and how they are arranged if that is all of them."""
    most = root.integer("vcpu")
    vcpus = root.integer("vcpu/@current") or most
    if root.said("vcpu/@placement") not in {None, "static", "auto"}:
        raise root.damaged("vcpu/@placement is neither static nor auto")
    if vcpus is not None and vcpus < 1:
        raise root.damaged(f"vcpu is no number of processors ({vcpus})")
    if vcpus != most:
        item = f"{root.at} vcpu"
        losses.append(dropped(item, str(most), f"the machine starts with {vcpus}"))
    shape = root.child("cpu/topology")
    if shape is None:
        return vcpus, None
    counts = [shape.integer(f"@{name}") or 1 for name in ("sockets", "dies", "cores", "threads")]
    sockets, dies, cores, threads = counts
    if vcpus is not None and sockets * dies * cores * threads != vcpus:
        said = f"{sockets} x {dies * cores} x {threads}"
        losses.append(dropped("topology", said, f"it is not that of {vcpus} processors"))
        return vcpus, None
    return vcpus, Topology(sockets, dies * cores, threads)


def _cpu(root: Tracked) -> Cpu | None:
    node = root.child("cpu")
    if node is None:
        return None
    node.ignore("@match", "@check", "@migratable", "model/@fallback")
    mode = node.said("@mode")
    model = node.said("model")
    features: list[str] = []
    nested: bool | None = None
    for feature in node.children("feature"):
        name = feature.need("@name")
        wanted = feature.said("@policy") not in {"disable", "forbid"}
        if name in NESTED_FEATURES:
            nested = wanted
        else:
            features.append(name if wanted else f"-{name}")
    cpu = Cpu(mode if mode in CPU_MODES else model, tuple(features), nested)
    return None if cpu == Cpu() else cpu


def _firmware(root: Tracked) -> tuple[Firmware, bool | None]:
    """Return the firmware, and whether it starts only what is signed."""
    said = root.said("os/@firmware")
    loader = (root.said("os/loader") or "").lower()
    by_loader = root.said("os/loader/@type") == "pflash" or "ovmf" in loader or "efi" in loader
    if said != "efi" and not by_loader:
        return Firmware.BIOS, None
    secure = root.flag("os/loader/@secure")
    for feature in root.children("os/firmware/feature"):
        if feature.said("@name") == "secure-boot":
            secure = feature.flag("@enabled")
    return Firmware.UEFI, secure


def _chipset(root: Tracked, losses: list[Loss]) -> str | None:
    """Return the chipset, without QEMU's version of it."""
    said = root.said("os/type/@machine")
    if said is None:
        return None
    chipset = "q35" if "q35" in said else "pc" if said.startswith("pc") else None
    if chipset is None:
        item = f"{root.at} os/type/@machine"
        losses.append(dropped(item, said, "it is none of the PC's chipsets"))
    elif chipset != said:
        why = "versions of it are one program's own; Windows may have to be activated again"
        losses.append(changed("machine_type", said, chipset, why))
    return chipset


def _clock(root: Tracked) -> ClockOffset | None:
    """Return what the clock shows; without a word of it libvirt means UTC."""
    clock = root.child("clock")
    if clock is None or clock.element.get("offset") is None:
        return ClockOffset.UTC
    return meaning(clock, "@offset", CLOCKS)


def _guest(root: Tracked, *, wide: bool) -> GuestOs | None:
    ours = root.child("metadata/rehost:guest-os")
    known = root.said("metadata/libosinfo:libosinfo/libosinfo:os/@id")
    if ours is not None:
        root.ignore("metadata/rehost:guest-os")
        return GuestOs(
            name=ours.said("@name"),
            cim=ours.integer("@cim"),
            vmware=ours.said("@vmware"),
            virtualbox=ours.said("@virtualbox"),
            version=ours.said("@version"),
        )
    return guest_of(known, wide=wide) if known else None


def _memory_reservation(root: Tracked) -> Reservation | None:
    found = Reservation(amount(root, "memtune/min_guarantee"), amount(root, "memtune/hard_limit"))
    return None if found == Reservation() else found


def _cpu_reservation(root: Tracked) -> Reservation | None:
    weight = root.integer("cputune/shares")
    return None if weight is None else Reservation(weight=weight)


def _variables(root: Tracked, losses: list[Loss]) -> None:
    """Report the variable store, which is bound to the firmware that wrote it."""
    store = root.child("os/nvram")
    if store is None:
        return
    root.ignore("os/nvram")
    why = "boot entries stay behind: the guest must have \\EFI\\BOOT\\BOOTX64.EFI"
    losses.append(dropped(f"{store.at} nvram", store.text, why))


def _ignore_the_usual(root: Tracked) -> None:
    """Count as looked at what has no meaning beyond its host."""
    root.ignore(*HOST_AFFAIRS)
    for name, usual in USUAL_ENDS.items():
        node = root.child(name)
        if node is not None and (node.element.text or "").strip() in usual:
            root.ignore(name)


FORMAT = ConfigFormat(
    name="libvirt", title="libvirt domain XML", suffixes=(".xml",), probe=probe, read=read
)
