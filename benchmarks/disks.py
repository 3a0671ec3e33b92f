"""Compressed disks, written and read: rehost against ``qemu-img convert`` with its best flags.

``python -m benchmarks.disks [--json FILE] [WORK...]``. The disk is an ext4 file system of 8 GiB
with libraries of this computer in it. Which level is to be compared with QEMU's only one is in the
names of the work; the table's last column says how much larger or smaller our file is.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Comparison, Contestant, as_json, compare, program, table

TREE = Path(sysconfig.get_path("stdlib")).parent
DISK_SIZE = 8 << 30
STREAM = ("-o", "subformat=streamOptimized")
ZSTD = ("-o", "compression_type=zstd")
PACKED = ("-c",)


@dataclass(frozen=True, slots=True)
class Work:
    """One conversion: of which source, into what, by which level, and what qemu-img is told."""

    name: str
    source: str
    target: str
    level: str | None = None
    options: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


WORKS = (
    Work("raw -> stream, fast", "disk.raw", "vmdk", "fast", STREAM),
    Work("raw -> stream, default", "disk.raw", "vmdk", "default", STREAM),
    Work("qcow2 -> stream, fast", "disk.qcow2", "vmdk", "fast", STREAM),
    Work("raw -> qcow2 -c, fast", "disk.raw", "qcow2", "fast", (), PACKED),
    Work("raw -> qcow2 -c, default", "disk.raw", "qcow2", "default", (), PACKED),
    Work("raw -> qcow2 -c zstd, fast", "disk.raw", "qcow2", "fast", ZSTD, PACKED),
    Work("raw -> qcow2 -c zstd, default", "disk.raw", "qcow2", "default", ZSTD, PACKED),
    Work("stream -> raw", "stream.vmdk", "raw"),
    Work("stream -> qcow2", "stream.vmdk", "qcow2"),
    Work("qcow2 -c -> raw", "packed.qcow2", "raw"),
    Work("qcow2 -c zstd -> raw", "zstd.qcow2", "raw"),
)

OURS = """
import sys
from pathlib import Path
from converters.disks.copy import write_image
from converters.disks.gate import ClosedGate
from converters.disks.registry import Shape, format_named, open_image
from converters.disks.writer import Level
from rehost.files import LocalFile

source, target, into, level, *options = sys.argv[1:]
image = open_image(LocalFile(Path(source)), ClosedGate())
chosen = dict(option.split("=") for option in options)
shape = Shape(image.size, chosen, Level(level) if level else None)
write_image(image, Path(target), format_named(into), shape)
"""


def build(folder: Path) -> None:
    """Make the disk in ``folder``, raw and in the formats it is read from."""
    raw = folder / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(DISK_SIZE)
    _run("mke2fs", "-q", "-t", "ext4", "-d", str(TREE), str(raw))
    for name, flags in (
        ("disk.qcow2", ("-O", "qcow2")),
        ("packed.qcow2", ("-O", "qcow2", *PACKED)),
        ("zstd.qcow2", ("-O", "qcow2", *PACKED, *ZSTD)),
        ("stream.vmdk", ("-O", "vmdk", *STREAM)),
    ):
        _run("qemu-img", "convert", "-W", "-m", "16", *flags, str(raw), str(folder / name))


def measured(work: Work, folder: Path) -> Comparison:
    """Compare both at one piece of work."""
    source, out = folder / work.source, folder / "out"
    mine, theirs = out / f"ours.{work.target}", out / f"theirs.{work.target}"
    options = [word for word in work.options if word != "-o"]
    ours = (sys.executable, "-c", OURS, str(source), str(mine), work.target, work.level or "")
    flags = ("-W", "-m", "16", *work.flags, "-O", work.target, *work.options)
    qemu_img = (program("qemu-img"), "convert", *flags, str(source), str(theirs))
    return compare(
        work.name,
        Contestant("rehost", ((*ours, *options),), mine),
        Contestant("qemu-img", (qemu_img,), theirs),
        clean=lambda: _empty(out),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to a file, too")
    parser.add_argument("work", nargs="*", help="only work whose name contains this")
    chosen = parser.parse_args()
    comparisons = []
    with tempfile.TemporaryDirectory(prefix="rehost-bench-") as name:
        build(Path(name))
        for work in WORKS:
            if not chosen.work or any(part in work.name for part in chosen.work):
                comparisons.append(measured(work, Path(name)))
                print(table(comparisons[-1:]).splitlines()[-1], flush=True)
    print(f"\n{table(comparisons)}")
    if chosen.json:
        chosen.json.write_text(as_json(comparisons))


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def _run(name: str, *arguments: str) -> None:
    subprocess.run([program(name), *arguments], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
