"""Disk images made and read by QEMU's own tools, which are the witnesses of ours."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from random import Random

from converters.disks.copy import write_image
from converters.disks.gate import FolderGate
from converters.disks.image import Image
from converters.disks.registry import Shape, format_named, open_image
from converters.disks.writer import Level
from rehost.files import LocalFile

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40
LONGEST = 120.0


@dataclass(frozen=True, slots=True)
class Variant:
    """A kind of image: its format, qemu-img's options for it, and whether qemu-io can write it."""

    name: str
    format: str
    options: str = ""
    writable: bool = True

    def __str__(self) -> str:
        return self.name


VMDKS = (
    *(
        Variant(kind, "vmdk", f"subformat={kind}")
        for kind in (
            "monolithicSparse",
            "monolithicFlat",
            "twoGbMaxExtentSparse",
            "twoGbMaxExtentFlat",
        )
    ),
    Variant("streamOptimized", "vmdk", "subformat=streamOptimized", writable=False),
)
QCOW2S = (
    Variant("qcow2-v2", "qcow2", "compat=0.10"),
    *(Variant(f"qcow2-{1 << bits}", "qcow2", f"cluster_size={1 << bits}") for bits in range(9, 22)),
)
RAW = Variant("raw", "raw")


def run(
    *argv: str | Path, check: bool = True, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end, failing with its own words."""
    words = [str(word) for word in argv]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=LONGEST, cwd=folder
    )
    assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done


def create(path: Path, variant: Variant, size: int) -> Path:
    """Make an empty image."""
    options = ["-o", variant.options] if variant.options else []
    run("qemu-img", "create", "-q", "-f", variant.format, *options, path, str(size))
    return path


def scribble(path: Path, format_name: str, size: int, seed: int, *, writes: int = 40) -> None:
    """Write patterns, zeros and discards all over an image, in random order, with qemu-io."""
    pick = Random(seed)
    commands: list[str] = []
    for number in range(writes):
        length = min(pick.choice((512, 4 * KIB, 64 * KIB, 300 * KIB)) * pick.randrange(1, 4), size)
        start = pick.randrange((size - length) // 512 + 1) * 512
        if number == 0:
            start = size - length
        kind = pick.choice(("write -P", "write -P", "write -P", "write -z", "discard"))
        pattern = f" {pick.randrange(1, 256)}" if kind.endswith("-P") else ""
        commands += ["-c", f"{kind}{pattern} {start} {length}"]
    run("qemu-io", "-f", format_name, "-d", "unmap", *commands, path)


def converted(source: Path, source_format: str, target: Path, variant: Variant) -> Path:
    """Let qemu-img convert an image."""
    options = ["-o", variant.options] if variant.options else []
    formats = ["-f", source_format, "-O", variant.format]
    run("qemu-img", "convert", "-q", *formats, *options, source, target)
    return target


def as_raw(source: Path, source_format: str) -> Path:
    """Return what qemu-img says the guest sees, as a raw file beside the image."""
    return converted(source, source_format, source.with_name(f"{source.name}.expected"), RAW)


def make(folder: Path, variant: Variant, size: int, seed: int) -> Path:
    """Make an image with content; what qemu-io cannot write, qemu-img converts from raw."""
    suffix = {"vmdk": ".vmdk", "qcow2": ".qcow2"}.get(variant.format, ".raw")
    path = folder / f"{variant.name}{suffix}"
    if variant.writable:
        create(path, variant, size)
        scribble(path, variant.format, size, seed)
        return path
    plain = create(folder / f"{variant.name}-source.raw", RAW, size)
    scribble(plain, "raw", size, seed)
    return converted(plain, "raw", path, variant)


def opened(path: Path, *, format_name: str | None = None) -> Image:
    """Open an image with our reader; its folder is what it may name files in."""
    return open_image(LocalFile(path), FolderGate(path.parent), format=format_name)


def ours(
    image: Image, target: Path, format_name: str, level: Level | None = None, /, **options: str
) -> Path:
    """Convert an image with our engine."""
    write_image(image, target, format_named(format_name), Shape(image.size, options, level))
    return target


def virtual_size(path: Path, format_name: str) -> int:
    """Return the disk's size as qemu-img sees it."""
    said = json.loads(run("qemu-img", "info", "-f", format_name, "--output=json", path).stdout)
    return int(said["virtual-size"])


def assert_identical(left: Path, left_format: str, right: Path, right_format: str) -> None:
    """Let qemu-img compare what the guests see; sizes must be the same, too."""
    done = run("qemu-img", "compare", "-f", left_format, "-F", right_format, left, right)
    assert done.stdout.strip() == "Images are identical."
    assert virtual_size(left, left_format) == virtual_size(right, right_format)


def assert_sound(path: Path, format_name: str) -> None:
    """Let qemu-img check an image's tables and reference counts."""
    done = run("qemu-img", "check", "-f", format_name, path)
    assert done.stdout.startswith("No errors were found on the image.")
