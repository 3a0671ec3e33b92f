"""Packages with real disks, made on the spot: an OVA of a disk that qemu-img wrote, good or bad."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.ovf.builders import SCSI, STREAM, descriptor, item, manifest, pack

MIB = 1 << 20
SIZE = 8 * MIB
CPU = item(InstanceID=1, ResourceType=3, VirtualQuantity=1)
MEMORY = item(AllocationUnits="byte * 2^20", InstanceID=2, ResourceType=4, VirtualQuantity=256)
DISK = item(AddressOnParent=0, HostResource="ovf:/disk/d", InstanceID=4, Parent=3, ResourceType=17)
REHOST = str(Path(sys.executable).with_name("rehost"))


@dataclass(frozen=True, slots=True)
class Said:
    """How a run of ``rehost`` ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


def rehost(*arguments: str | Path, cwd: Path | None = None) -> Said:
    """Run the command as a user does."""
    argv = [REHOST, *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, cwd=cwd)
    return Said(done.returncode, done.stdout, done.stderr)


def seen(done: Said, folder: Path) -> tuple[int, str, str]:
    """Return all of how a run ended, the folder left out."""
    return done.code, done.out.replace(f"{folder}/", ""), done.err.replace(f"{folder}/", "")


def listing(path: Path) -> list[str]:
    """Return the members of an archive as tar lists them."""
    done = subprocess.run(["tar", "tf", path], capture_output=True, text=True, check=True)
    return done.stdout.split()


def raw_disk(path: Path, size: int = SIZE, seed: int = 5) -> Path:
    """Write a raw disk with data here and there."""
    pick = random.Random(seed)
    with path.open("wb") as file:
        file.truncate(size)
        for _ in range(12):
            file.seek(pick.randrange(size // 512 - 128) * 512)
            file.write(pick.randbytes(pick.randrange(1, 128) * 512))
    return path


def stream(raw: Path, path: Path, subformat: str = "streamOptimized") -> Path:
    """Have qemu-img write a VMDK."""
    options = ("-O", "vmdk", "-o", f"subformat={subformat}")
    subprocess.run(["qemu-img", "convert", *options, raw, path], check=True)
    return path


def web(
    *items: str,
    capacity: int = SIZE,
    href: str = "disk.vmdk",
    file_more: str = "",
    form: str = STREAM,
) -> bytes:
    """Return the descriptor of a machine called web with one disk."""
    return descriptor(
        *(items or (CPU, MEMORY, SCSI, DISK)),
        references=f'<File ovf:id="f" ovf:href="{href}" {file_more}/>',
        disks=f'<Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="{capacity}" '
        f'ovf:format="{form}"/>',
    ).encode()


def members(folder: Path, text: bytes | None = None) -> dict[str, bytes]:
    """Return the members of a sound OVA without manifest: a descriptor and its disk."""
    raw = raw_disk(folder / "disk.raw")
    disk = stream(raw, folder / "disk.vmdk").read_bytes()
    return {"web.ovf": text or web(), "disk.vmdk": disk}


def ova(folder: Path, parts: dict[str, bytes], listing: bytes | None = None) -> Path:
    """Pack members with a manifest, by default the right one."""
    first, *rest = parts
    listing = manifest(parts) if listing is None else listing
    packed = {first: parts[first], "web.mf": listing, **{name: parts[name] for name in rest}}
    return pack(folder / "web.ova", packed)
