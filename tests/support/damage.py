"""qcow2 images with content, damaged in many ways; what qemu-img says of them is the measure."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.support.images import KIB, run

OFFSET = 0x00FF_FFFF_FFFF_FE00


@dataclass(slots=True)
class Opened:
    """The bytes of an image, and where its tables lie."""

    raw: bytearray
    cluster: int
    l1: int
    l1_entries: int
    refcount_table: int

    @classmethod
    def of(cls, path: Path) -> Opened:
        """Read an image."""
        raw = bytearray(path.read_bytes())
        entries, l1, refcounts = struct.unpack_from(">IQQ", raw, 36)
        return cls(raw, 1 << struct.unpack_from(">I", raw, 20)[0], l1, entries, refcounts)

    def get(self, at: int) -> int:
        """Return the word at an offset."""
        return int(struct.unpack_from(">Q", self.raw, at)[0])

    def put(self, at: int, value: int) -> None:
        """Change the word at an offset."""
        struct.pack_into(">Q", self.raw, at, value)

    @property
    def tables(self) -> list[int]:
        """Where the L2 tables lie."""
        places = [self.get(self.l1 + 8 * number) & OFFSET for number in range(self.l1_entries)]
        return [at for at in places if at and at + self.cluster <= len(self.raw)]

    @property
    def blocks(self) -> list[int]:
        """Where the blocks of reference counts lie."""
        places = [self.get(self.refcount_table + 8 * number) for number in range(self.cluster // 8)]
        return [at for at in places if at and at + self.cluster <= len(self.raw)]


def _bits(pick: Random, image: Opened) -> None:
    """Flip bits in any table."""
    places = [*image.tables, *image.blocks, image.l1, image.refcount_table]
    for _ in range(pick.randrange(1, 5)):
        at = pick.choice(places) + pick.randrange(min(image.cluster, 256))
        image.raw[at] ^= 1 << pick.randrange(8)


def _same_entries(pick: Random, image: Opened) -> None:
    """Map two places of the disk to one cluster."""
    for _ in range(pick.randrange(1, 4)):
        source, target = (
            pick.choice(image.tables) + 8 * pick.randrange(most)
            for most in (16, image.cluster // 8)
        )
        image.put(target, image.get(source))


def _same_tables(pick: Random, image: Opened) -> None:
    """Use one L2 table for two places."""
    at = image.l1 + 8 * pick.randrange(image.l1_entries)
    image.put(at, pick.choice(image.tables) | 1 << 63)


def _entry_bits(pick: Random, image: Opened) -> None:
    """Flip bits in entries of L2 tables."""
    for _ in range(3):
        at = pick.choice(image.tables) + 8 * pick.randrange(16) + pick.randrange(8)
        image.raw[at] ^= 1 << pick.randrange(8)


def _cut(pick: Random, image: Opened) -> None:
    """Cut the file short."""
    del image.raw[len(image.raw) - pick.randrange(1, len(image.raw) // 2) :]


def _counts(pick: Random, image: Opened) -> None:
    """Change reference counts."""
    for _ in range(pick.randrange(1, 6)):
        at = pick.choice(image.blocks) + pick.randrange(min(image.cluster, 64))
        image.raw[at] = pick.randrange(256)


def _longer(pick: Random, image: Opened) -> None:
    """Append zeros."""
    image.raw += bytes(pick.randrange(1, 3 * image.cluster))


DAMAGES: tuple[Callable[[Random, Opened], None], ...] = (
    _bits,
    _same_entries,
    _same_tables,
    _entry_bits,
    _cut,
    _counts,
    _longer,
)


def contents(path: Path, pick: Random) -> Path:
    """Make an image of any kind with data, zeros, holes, and perhaps a snapshot and a bitmap."""
    cluster, bits = pick.choice((512, 4 * KIB, 64 * KIB)), pick.choice((1, 2, 4, 8, 16, 32, 64))
    extended = ",extended_l2=on" if cluster == 64 * KIB and pick.random() < 0.3 else ""
    options = f"cluster_size={cluster},refcount_bits={bits}{extended}"
    size = pick.choice((1 << 20, 4 << 20, 3 * 65536 + 512))
    if pick.random() < 0.3:
        plain = path.with_suffix(".raw")
        plain.write_bytes(pick.randbytes(100 * KIB) + b"text" * 50_000 + bytes(100 * KIB))
        run("qemu-img", "convert", "-q", "-c", "-O", "qcow2", "-o", options, plain, path)
        run("qemu-io", "-c", "write -P 3 5000 9000", path)
        return path
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, str(size))
    commands: list[str] = ["-c", "write -P 1 0 4k"]
    for _ in range(pick.randrange(25)):
        length = min(pick.choice((512, 4096, 65536, 3 * 65536)), size)
        start = pick.randrange((size - length) // 512 + 1) * 512
        commands += ["-c", f"{pick.choice(('write -P 7', 'write -z', 'discard'))} {start} {length}"]
    run("qemu-io", "-d", "unmap", *commands, path)
    if bits > 1 and pick.random() < 0.3:
        run("qemu-img", "snapshot", "-c", "first", path)
    if pick.random() < 0.3:
        run("qemu-img", "bitmap", "--add", path, "bits")
    run("qemu-io", "-c", "write -P 5 0 64k", path)
    return path


def verdict(path: Path) -> dict[str, int] | None:
    """Return what `qemu-img check` counts, or nothing where it cannot open the image."""
    done = run("qemu-img", "check", "-f", "qcow2", "--output=json", path, check=False)
    said = json.loads(done.stdout) if done.stdout.startswith("{") else None
    if said is None or said.get("check-errors"):
        return None
    names = {
        "corruptions": "corruptions",
        "leaks": "leaks",
        "total": "total-clusters",
        "allocated": "allocated-clusters",
        "fragmented": "fragmented-clusters",
        "compressed": "compressed-clusters",
        "end": "image-end-offset",
    }
    return {ours: said.get(theirs, 0) for ours, theirs in names.items()}
