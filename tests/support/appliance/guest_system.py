"""The Linux inside the appliance: its initramfs and its root file system."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

from tests.support.appliance import packages
from tests.support.appliance.modules import (
    EVERYDAY,
    FILE_SYSTEM,
    STORAGE,
    Module,
    Modules,
    alias_table,
    dependency_table,
)
from tests.support.appliance.tree import Tree

GUEST = Path(__file__).parent / "guest"
ROOT_LABEL = "rehost-root"
INITRAMFS_TOOLS = (
    *("[", "awk", "cat", "cttyhack", "echo", "find", "findfs", "ls", "modprobe", "mount", "setsid"),
    *("sh", "sleep", "sort", "switch_root", "xargs"),
)
ROOT_TOOLS = (
    *(
        "[",
        "acpid",
        "awk",
        "cat",
        "dmesg",
        "echo",
        "find",
        "findfs",
        "getty",
        "halt",
        "hostname",
        "init",
    ),
    *("login", "ls", "lsmod", "modprobe", "mount", "nproc", "poweroff", "readlink", "reboot"),
    *("sh", "sleep", "sort", "sync", "umount", "wc", "xargs"),
)
TOOLS_OF_ROOT = frozenset({"acpid", "findfs", "getty", "halt", "init", "modprobe", "poweroff"})
OS_RELEASE = """\
PRETTY_NAME="rehost test appliance"
NAME="rehost test appliance"
ID=rehost
ID_LIKE=debian
"""
FSTAB = "{root} / ext4 errors=remount-ro 0 1\n"
PASSWD = "root:*:0:0:root:/root:/bin/sh\n"  # noqa: S105 - no password fits a star


@dataclass(frozen=True, slots=True)
class Parts:
    """What the guest is made of, unpacked. ``identity`` tells one set of packages from another."""

    kernel: bytes
    modules: Modules
    busybox: bytes
    identity: str


def parts(cache: Path) -> Parts:
    """Fetch what the guest is made of, the first time, into ``cache``."""
    kernel, busybox = packages.kernel(cache), packages.busybox(cache)
    (image,) = kernel.folder.glob("boot/vmlinuz-*")
    version = image.name.removeprefix("vmlinuz-")
    (modules,) = (path for path in kernel.folder.glob(f"**/lib/modules/{version}") if path.is_dir())
    (program,) = (path for path in busybox.folder.glob("**/bin/busybox") if path.is_file())
    identity = f"{kernel.identity}\n{busybox.identity}"
    return Parts(image.read_bytes(), Modules(modules), program.read_bytes(), identity)


def initramfs(made_of: Parts, drivers: tuple[str, ...] = STORAGE) -> bytes:
    """Return the initramfs with these drivers, as a compressed archive the kernel unpacks."""
    tree = Tree()
    tree.folder("dev", "proc", "sys", "root", "run", "tmp")
    tree.terminal("dev/console", 5, 1)
    _add_busybox(tree, made_of, INITRAMFS_TOOLS)
    _add_modules(tree, made_of.modules.version, made_of.modules.closure((*FILE_SYSTEM, *drivers)))
    tree.file("init", (GUEST / "initramfs-init").read_bytes(), executable=True)
    return gzip.compress(tree.cpio(), compresslevel=6, mtime=0)


def root_tree(made_of: Parts, *, root: str, drivers: tuple[str, ...] = STORAGE) -> Tree:
    """Return the files of the root file system, which the kernel is told to find as ``root``."""
    version = made_of.modules.version
    tree = Tree()
    tree.folder("dev", "proc", "sys", "root", "run", "tmp", "mnt", "var", "boot/efi")
    _add_busybox(tree, made_of, ROOT_TOOLS)
    _add_modules(tree, version, made_of.modules.closure((*FILE_SYSTEM, *drivers, *EVERYDAY)))
    tree.file(f"boot/vmlinuz-{version}", made_of.kernel)
    tree.file(f"boot/initrd.img-{version}", initramfs(made_of, drivers))
    menu = (GUEST / "grub.cfg").read_text().replace("@VERSION@", version).replace("@ROOT@", root)
    tree.file("boot/grub/grub.cfg", menu)
    tree.file("etc/inittab", (GUEST / "inittab").read_bytes())
    tree.file("etc/init.d/startup", (GUEST / "startup").read_bytes(), executable=True)
    tree.file("etc/acpi/PWRF/00000080", "#!/bin/sh\nexec poweroff\n", executable=True)
    tree.file("etc/os-release", OS_RELEASE)
    tree.file("etc/fstab", FSTAB.format(root=root))
    tree.file("etc/hostname", "rehost\n")
    tree.file("etc/passwd", PASSWD)
    return tree


def _add_busybox(tree: Tree, made_of: Parts, tools: tuple[str, ...]) -> None:
    tree.file("bin/busybox", made_of.busybox, executable=True)
    for tool in tools:
        tree.link(f"{'sbin' if tool in TOOLS_OF_ROOT else 'bin'}/{tool}", "/bin/busybox")


def _add_modules(tree: Tree, version: str, modules: list[Module]) -> None:
    folder = f"lib/modules/{version}"
    for module in modules:
        tree.file(f"{folder}/{module.name}.ko", module.image)
    tree.file(f"{folder}/modules.dep", dependency_table(modules))
    tree.file(f"{folder}/modules.alias", alias_table(modules))
