"""Writing dirty bitmaps into a new qcow2 image.

Source: QEMU, "docs/interop/qcow2.txt", section "Bitmaps".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from converters.disks.bitmaps import Bitmap, Edges
from converters.disks.formats.qcow2.bitmaps import ALL_ONES, DIRTY_TRACKING, ENTRY, Flag
from converters.disks.formats.qcow2.growth import Growth
from converters.disks.output import Output

BYTE = 8


class Directory(NamedTuple):
    """Where the directory of the bitmaps is."""

    bitmaps: int
    at: int
    size: int


def save(bitmaps: Sequence[Bitmap], size: int, growth: Growth, output: Output) -> Directory | None:
    """Write bitmaps of a disk of ``size`` bytes and return their directory, None if none."""
    if not bitmaps:
        return None
    content = b"".join(_entry(each, *_table(each, size, growth, output)) for each in bitmaps)
    at = growth.take(growth.clusters(len(content)))
    output.write(content, at)
    return Directory(len(bitmaps), at, len(content))


def _entry(bitmap: Bitmap, table_at: int, entries: int) -> bytes:
    name = bitmap.name.encode("utf-8", "surrogateescape")
    bits = bitmap.granularity.bit_length() - 1
    flags = Flag.AUTO if bitmap.enabled else 0
    head = ENTRY.pack(table_at, entries, flags, DIRTY_TRACKING, bits, len(name), 0)
    whole = head + name
    return whole.ljust(-(-len(whole) // BYTE) * BYTE, b"\0")


def _table(bitmap: Bitmap, size: int, growth: Growth, output: Output) -> tuple[int, int]:
    """Write the clusters of a bitmap that are neither all set nor all clear, and their table."""
    per_cluster = growth.unit * BYTE
    edges = bitmap.clipped(size)
    table = np.zeros(-(-bitmap.bits(size) // per_cluster), dtype=">u8")
    for number in _touched(edges, per_cluster):
        bits = _bits(edges, number * per_cluster, per_cluster)
        if bits.all():
            table[number] = ALL_ONES
            continue
        table[number] = at = growth.take(1)
        output.write(np.packbits(bits, bitorder="little").tobytes(), at)
    at = growth.take(growth.clusters(table.nbytes))
    output.write(table.tobytes(), at)
    return at, len(table)


def _touched(edges: Edges, per_cluster: int) -> list[int]:
    """Return, ascending, the clusters in which a bit is set."""
    pairs = edges.reshape(-1, 2)
    found: list[int] = []
    for first, last in zip(
        pairs[:, 0] // per_cluster, (pairs[:, 1] - 1) // per_cluster, strict=True
    ):
        begin = max(int(first), found[-1] + 1 if found else 0)
        found += range(begin, int(last) + 1)
    return found


def _bits(edges: Edges, first: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Return the bits from ``first`` on, a byte each."""
    turns = edges[(edges > first) & (edges < first + count)] - first
    found = np.zeros(count, dtype=np.uint8)
    found[turns] = 1
    found[0] = np.searchsorted(edges, first, side="right") % 2
    return np.bitwise_xor.accumulate(found)
