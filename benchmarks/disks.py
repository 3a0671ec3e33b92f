"""Disks converted: rehost against ``qemu-img convert`` with its best flags, and raw against ``cp``.

``python -m benchmarks.disks [--json FILE] [WORK...]``. The disk is an ext4 file system of 8 GiB
with libraries of this computer in it, or (``mixed``) 256 MiB each of text, random bytes and zeros,
interleaved. Which level is to be compared with QEMU's only one is in the names of the work; the
table's last column says how much larger or smaller our file is. Both write to the page cache and
do not wait for the disk.
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
from random import Random

from benchmarks.measure import Comparison, Contestant, as_json, compare, program, table

TREE = Path(sysconfig.get_path("stdlib")).parent
DISK_SIZE = 8 << 30
MIXED = 256 << 20
QEMU = {"vhd": "vpc"}
"""What qemu-img calls a format, where it is not our name."""
STREAM = ("-o", "subformat=streamOptimized")
ZSTD = ("-o", "compression_type=zstd")
PACKED = ("-c",)
WIDE = ("-o", "deflate_window=32768")


@dataclass(frozen=True, slots=True)
class Work:
    """One conversion: of which source, into what, by which level, and what qemu-img is told."""

    name: str
    source: str
    target: str
    level: str | None = None
    options: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    peer: str = "qemu-img"


PLAIN = {
    "raw": (),
    "qcow2": (),
    "vmdk": ("-o", "subformat=monolithicSparse"),
    "vhd": (),
    "vhdx": (),
    "vdi": (),
}
"""The formats of which each is converted to each other as it is, and qemu-img's options."""

WORKS = (
    Work("raw -> stream, fast", "disk.raw", "vmdk", "fast", STREAM),
    Work("raw -> stream, default", "disk.raw", "vmdk", "default", STREAM),
    Work("qcow2 -> stream, fast", "disk.qcow2", "vmdk", "fast", STREAM),
    Work("qcow2 -> stream, default", "disk.qcow2", "vmdk", "default", STREAM),
    Work("mixed raw -> stream, fast", "mixed.raw", "vmdk", "fast", STREAM),
    Work("mixed raw -> stream, default", "mixed.raw", "vmdk", "default", STREAM),
    Work("raw -> qcow2 -c, fast", "disk.raw", "qcow2", "fast", (), PACKED),
    Work("raw -> qcow2 -c, default", "disk.raw", "qcow2", "default", (), PACKED),
    Work("raw -> qcow2 -c, best", "disk.raw", "qcow2", "best", (), PACKED),
    Work("raw -> qcow2 -c, fast, 32 KiB window", "disk.raw", "qcow2", "fast", WIDE, PACKED),
    Work("raw -> qcow2 -c, default, 32 KiB window", "disk.raw", "qcow2", "default", WIDE, PACKED),
    Work("mixed raw -> qcow2 -c, fast", "mixed.raw", "qcow2", "fast", (), PACKED),
    Work("mixed raw -> qcow2 -c, default", "mixed.raw", "qcow2", "default", (), PACKED),
    Work("raw -> qcow2 -c zstd, fast", "disk.raw", "qcow2", "fast", ZSTD, PACKED),
    Work("raw -> qcow2 -c zstd, default", "disk.raw", "qcow2", "default", ZSTD, PACKED),
    Work("stream -> raw", "stream.vmdk", "raw"),
    Work("stream -> qcow2", "stream.vmdk", "qcow2"),
    Work("stream -> vhdx", "stream.vmdk", "vhdx"),
    Work("qcow2 -c -> raw", "packed.qcow2", "raw"),
    Work("qcow2 -c -> qcow2", "packed.qcow2", "qcow2"),
    Work("qcow2 -c -> vhdx", "packed.qcow2", "vhdx"),
    Work("qcow2 -c zstd -> raw", "zstd.qcow2", "raw"),
    Work("raw -> raw, against cp", "disk.raw", "raw", peer="cp"),
    *(
        Work(f"{one} -> {other}", f"disk.{one}", other, None, PLAIN[other])
        for one in PLAIN
        for other in PLAIN
    ),
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
    """Make the disks in ``folder``, raw and in the formats they are read from."""
    raw = folder / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(DISK_SIZE)
    _run("mke2fs", "-q", "-t", "ext4", "-d", str(TREE), str(raw))
    _mix(folder / "mixed.raw")
    plain = [(f"disk.{name}", ("-O", QEMU.get(name, name), *PLAIN[name])) for name in PLAIN]
    for name, flags in (
        *plain[1:],
        ("packed.qcow2", ("-O", "qcow2", *PACKED)),
        ("zstd.qcow2", ("-O", "qcow2", *PACKED, *ZSTD)),
        ("stream.vmdk", ("-O", "vmdk", *STREAM)),
    ):
        _run("qemu-img", "convert", "-W", "-m", "16", *flags, str(raw), str(folder / name))


def _mix(path: Path) -> None:
    """Write text, random bytes and zeros in turn, a MiB of each; no block of them is another's."""
    pick = Random(1)
    with path.open("wb") as file:
        for number in range(MIXED >> 20):
            words = b" ".join(b"%x" % pick.randrange(1 << 24) for _ in range(160_000))
            file.write(words[: 1 << 20])
            file.write(pick.randbytes(1 << 20))
            file.seek((number + 1) * 3 << 20)
        file.truncate(3 * MIXED)


def measured(work: Work, folder: Path) -> Comparison:
    """Compare both at one piece of work."""
    source, out = folder / work.source, folder / "out"
    mine, theirs = out / f"ours.{work.target}", out / f"theirs.{work.target}"
    options = [word for word in work.options if word != "-o"]
    ours = (sys.executable, "-c", OURS, str(source), str(mine), work.target, work.level or "")
    target = QEMU.get(work.target, work.target)
    theirs_too = () if work.options == WIDE else work.options
    flags = ("-W", "-m", "16", *work.flags, "-O", target, *theirs_too)
    peer = (program("qemu-img"), "convert", *flags, str(source), str(theirs))
    if work.peer == "cp":
        peer = (program("cp"), "--sparse=always", str(source), str(theirs))
    return compare(
        work.name,
        Contestant("rehost", ((*ours, *options),), mine),
        Contestant(work.peer, (peer,), theirs),
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
