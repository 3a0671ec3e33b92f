"""Mapping a 16 TiB sparse qcow2 of a million clusters: seconds until its last run is known.

``python -m benchmarks.mapping_qcow2 [--clusters N] [--peer] [LAYOUT...]``. The tables are written
by numpy and the data is a hole, so that nothing but the tables is read. Seconds are those of the
processor; for the peer, ``qemu-img map``, those of the clock.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.measure import program
from converters.disks.formats.qcow2 import MAGIC
from converters.disks.formats.qcow2.header import Features, Header
from converters.disks.gate import ClosedGate
from converters.disks.image import resolved
from converters.disks.registry import open_image
from rehost.files import LocalFile

TIB = 1 << 40
COPIED = 1 << 63
ROUNDS = 3

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which of the guest's clusters are stored, and whether in order."""

    name: str
    cluster: int
    shuffled: bool
    scattered: bool
    size: int = 16 * TIB


LAYOUTS = (
    Layout("one stretch, in order", 65536, shuffled=False, scattered=False),
    Layout("one stretch, in no order", 65536, shuffled=True, scattered=False),
    Layout("all over the disk, in no order", 65536, shuffled=True, scattered=True),
    Layout("all over the disk, 2 MiB clusters", 2 << 20, shuffled=True, scattered=True),
    Layout("4 KiB clusters, in no order", 4096, shuffled=True, scattered=False, size=TIB),
    Layout("512-byte clusters, in no order", 512, shuffled=True, scattered=False, size=TIB >> 3),
)


def build(path: Path, layout: Layout, count: int) -> None:
    """Write an image whose tables lie behind its header and whose clusters lie behind these."""
    pick = np.random.default_rng(1)
    per_table = layout.cluster // 8
    total = layout.size // layout.cluster
    guests: Numbers = np.arange(count, dtype=np.int64)
    if layout.scattered:
        guests = np.unique(pick.integers(0, total, count, dtype=np.int64))
    hosts: Numbers = np.arange(len(guests), dtype=np.int64)
    if layout.shuffled:
        hosts = pick.permutation(hosts)
    l1 = np.zeros(-(-total // per_table), dtype=">u8")
    numbers, firsts = np.unique(guests // per_table, return_index=True)
    l1_clusters = -(-l1.nbytes // layout.cluster)
    counts_at = (1 + l1_clusters) * layout.cluster
    tables_at = counts_at + layout.cluster
    l1[numbers] = (tables_at + np.arange(len(numbers)) * layout.cluster).astype(np.uint64) | COPIED
    data_at = tables_at + len(numbers) * layout.cluster
    places = (data_at + hosts * layout.cluster).astype(np.uint64) | np.uint64(COPIED)
    bits = layout.cluster.bit_length() - 1
    basic = (MAGIC, 3, 0, 0, bits, layout.size, 0, len(l1), layout.cluster, counts_at, 1, 0, 0)
    with path.open("wb") as file:
        file.write(Header.BASIC.pack(*basic) + Features.LAYOUT.pack(0, 0, 0, 4, 104) + bytes(8))
        file.seek(layout.cluster)
        file.write(l1.tobytes())
        file.seek(tables_at)
        for begin, end in zip(firsts, [*firsts[1:], len(guests)], strict=True):
            table = np.zeros(per_table, dtype=">u8")
            table[guests[begin:end] % per_table] = places[begin:end]
            file.write(table.tobytes())
        file.truncate(data_at + len(guests) * layout.cluster)


def ours(path: Path) -> tuple[float, int]:
    """Return the median of the seconds it takes to walk all runs, and how many there are."""
    taken, runs = [], 0
    for _ in range(ROUNDS):
        begin = time.process_time()
        image = open_image(LocalFile(path), ClosedGate())
        counted = deque(enumerate(resolved(image, 0, image.size), 1), maxlen=1)
        taken.append(time.process_time() - begin)
        runs = counted[0][0]
    return sorted(taken)[ROUNDS // 2], runs


def peer(path: Path) -> float:
    """Return how long qemu-img takes for its map."""
    begin = time.perf_counter()
    argv = (program("qemu-img"), "map", "-f", "qcow2", "--output=json", str(path))
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clusters", type=int, default=1_000_000)
    parser.add_argument("--peer", action="store_true", help="ask qemu-img, too: it takes minutes")
    parser.add_argument("layout", nargs="*", help="only layouts whose name contains this")
    chosen = parser.parse_args(arguments)
    for layout in LAYOUTS:
        if chosen.layout and not any(part in layout.name for part in chosen.layout):
            continue
        with tempfile.TemporaryDirectory(prefix="rehost-bench-") as name:
            path = Path(name) / "disk.qcow2"
            build(path, layout, chosen.clusters)
            seconds, runs = ours(path)
            theirs = peer(path) if chosen.peer else None
        found = {"layout": layout.name, "runs": runs, "seconds": seconds, "qemu-img": theirs}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
