"""Kernel modules: which ones a guest needs, what those need, and the tables modprobe reads.

A module is an ELF object whose ``.modinfo`` section is a row of NUL-terminated ``key=value`` words;
``modules.dep`` and ``modules.alias`` have the forms of their manual pages, modules.dep(5) and
modprobe.d(5). Packages do not carry them: depmod makes them at installation.
"""

from __future__ import annotations

import lzma
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rehost.programs import find

STORAGE = (
    *("ahci", "ata_piix", "nvme", "usb_storage", "uas", "ehci_pci", "xhci_pci"),
    *("mptspi", "mptsas", "mpt3sas", "sym53c8xx", "vmw_pvscsi", "BusLogic", "megaraid_sas"),
    *("virtio_pci", "virtio_blk", "virtio_scsi", "xen_blkfront", "hv_vmbus", "hv_storvsc"),
)
"""Drivers for everything a root disk may hang on."""

FILE_SYSTEM = ("sd_mod", "ext4", "crc32c_generic", "crc32c_intel")
"""What reads the root file system, whatever it hangs on; ext4 asks for crc32c by an alias."""

EVERYDAY = (
    *("virtio_net", "e1000", "e1000e", "igb", "vmxnet3", "pcnet32", "8139cp", "8139too"),
    *("tulip", "ne2k_pci", "xen_netfront", "hv_netvsc", "button", "evdev"),
)
"""What else the root file system has."""


@dataclass(frozen=True)
class Module:
    """One kernel module: its name with underscores, and the object itself, unpacked."""

    name: str
    image: bytes

    def said(self, key: str) -> list[str]:
        """Return every value of ``key`` in the module's ``.modinfo``."""
        words = re.findall(rb"(?:^|\0)" + key.encode() + rb"=([^\0]*)", self.image)
        return [word.decode("latin-1") for word in words]

    @cached_property
    def needs(self) -> list[str]:
        """Return the modules it cannot do without, and those it wants loaded before."""
        hard = [name for value in self.said("depends") for name in value.split(",") if name]
        soft = [value.removeprefix("pre:") for value in self.said("softdep")]
        wanted = [name for value in soft for name in value.split("post:")[0].split()]
        return [normal(name) for name in (*hard, *wanted)]


class Modules:
    """The modules of one kernel, found by name below its folder in ``lib/modules``."""

    def __init__(self, folder: Path) -> None:
        self.version = folder.name
        objects = (*folder.rglob("*.ko"), *folder.rglob("*.ko.xz"), *folder.rglob("*.ko.zst"))
        self._paths = {normal(path.name.partition(".ko")[0]): path for path in objects}

    def closure(self, names: Iterable[str]) -> list[Module]:
        """Return the modules and all they need, each after what it needs.

        Names without a module are left out: they are built into this kernel, or it has no such
        driver.
        """
        ordered: dict[str, Module] = {}
        for name in names:
            for module in self._with_needs(normal(name), ()):
                ordered.setdefault(module.name, module)
        return list(ordered.values())

    def _with_needs(self, name: str, above: tuple[str, ...]) -> Iterator[Module]:
        if name not in self._paths or name in above:
            return
        module = Module(name, _read(self._paths[name]))
        for need in module.needs:
            yield from self._with_needs(need, (*above, name))
        yield module


def dependency_table(modules: list[Module]) -> str:
    """Return ``modules.dep``: each module, then what it needs, the most basic last."""
    known = {module.name: module for module in modules}

    def needs(name: str) -> dict[str, None]:
        found: dict[str, None] = {}
        for need in known[name].needs:
            if need in known and need != name:
                found |= {need: None, **needs(need)}
        return found

    lines = []
    for name in known:
        deepest_last = sorted(needs(name), key=list(known).index, reverse=True)
        lines.append(" ".join((f"{name}.ko:", *(f"{need}.ko" for need in deepest_last))))
    return "\n".join(lines) + "\n"


def alias_table(modules: list[Module]) -> str:
    """Return ``modules.alias``: the hardware each module says it drives."""
    lines = [f"alias {alias} {each.name}" for each in modules for alias in each.said("alias")]
    return "\n".join(lines) + "\n"


def normal(name: str) -> str:
    """Return a module's name as the kernel spells it; file names may have hyphens."""
    return name.replace("-", "_")


def _read(path: Path) -> bytes:
    match path.suffix:
        case ".xz":
            return lzma.decompress(path.read_bytes())
        case ".zst":
            argv = [find("zstd", package="zstd"), "-dcq", str(path)]
            return subprocess.run(argv, capture_output=True, check=True, timeout=60).stdout
        case _:
            return path.read_bytes()
