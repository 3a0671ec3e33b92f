"""VMDKs that no tool at hand writes: extents of ESX, and streams laid out as some writers do.

Written from libvmdk's description (COWD), what QEMU's reader checks (seSparse) and VMware's own
document (streams), sharing nothing with ours. QEMU is asked what they hold.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from enum import Enum
from random import Random

SECTOR = 512
SE_GRAIN = 4096


class Absent(Enum):
    """What a grain can be that is not stored."""

    UNMAPPED = 1
    ZERO = 2


Grains = Mapping[int, "bytes | Absent"]


def descriptor(kind: str, *extents: str, cid: str = "12345678", parent: str = "") -> str:
    """Return a descriptor; ``parent`` is "CID name" of the disk below."""
    parent_cid, _, hint = parent.partition(" ")
    lines = [
        "# Disk DescriptorFile",
        "version=1",
        f"CID={cid}",
        f"parentCID={parent_cid or 'ffffffff'}",
        f'createType="{kind}"',
        *([f'parentFileNameHint="{hint}"'] if hint else []),
        *extents,
        'ddb.adapterType = "lsilogic"',
    ]
    return "\n".join(lines) + "\n"


def cowd(sectors: int, grain: int, grains: Grains, seed: int = 0) -> bytes:
    """Return an ESX sparse extent; ``grain`` is in sectors, the grains lie in random order."""
    count = -(-sectors // (grain * 4096))
    order = list(grains)
    Random(seed).shuffle(order)
    used = sorted({number // 4096 for number in grains})
    Random(seed).shuffle(used)
    directory = [0] * count
    at = 4 + -(-count * 4 // SECTOR)
    for table in used:
        directory[table] = at
        at += 32
    tables = {table: [0] * 4096 for table in used}
    stored = []
    for number in order:
        content = grains[number]
        assert isinstance(content, bytes)
        tables[number // 4096][number % 4096] = at
        stored.append(content.ljust(grain * SECTOR, b"\0"))
        at += grain
    head = struct.pack("<4s7I", b"COWD", 1, 3, sectors, grain, 4, count, at).ljust(2048, b"\0")
    body = struct.pack(f"<{count}I", *directory)
    body += bytes(-len(body) % SECTOR)
    return (
        head
        + body
        + b"".join(struct.pack("<4096I", *tables[table]) for table in used)
        + b"".join(stored)
    )


def sesparse(sectors: int, grains: Grains, seed: int = 0, *, replay: int = 0) -> bytes:
    """Return a seSparse extent; a grain is 4096 bytes, or only marked as unmapped or zero."""
    count = -(-sectors // (8 * 4096))
    directory_size = -(-count * 8 // SECTOR)
    used = sorted({number // 4096 for number in grains})
    Random(seed).shuffle(used)
    tables_at = 8 + directory_size
    grains_at = tables_at + len(used) * 64
    entries = {table: [0] * 4096 for table in used}
    order = list(grains)
    Random(seed).shuffle(order)
    stored: list[bytes] = []
    for number in order:
        content = grains[number]
        if isinstance(content, Absent):
            entry = content.value << 60
        else:
            place = len(stored)
            entry = (3 << 60) | ((place & 0xFFF) << 48) | (place >> 12)
            stored.append(content.ljust(SE_GRAIN, b"\0"))
        entries[number // 4096][number % 4096] = entry
    directory = [0] * count
    for place, table in enumerate(used):
        directory[table] = (1 << 60) | place
    fields = [0xCAFEBABE, 0x2_0000_0001, sectors, 8, 64, 0, 0, 0, 0, 0, 1, 1, 2, 1, 3, 1]
    fields += [8, directory_size, tables_at, len(used) * 64, 0, 0, 0, 0]
    fields += [grains_at, len(stored) * 8]
    return (
        struct.pack("<26Q", *fields).ljust(SECTOR, b"\0")
        + struct.pack("<4Q", 0xCAFECAFE, 0, 0, replay).ljust(7 * SECTOR, b"\0")
        + struct.pack(f"<{count}Q", *directory).ljust(directory_size * SECTOR, b"\0")
        + b"".join(struct.pack("<4096Q", *entries[table]) for table in used)
        + b"".join(stored)
    )


def expected(sectors: int, grain: int, grains: Grains) -> bytes:
    """Return what the guest reads; ``grain`` is in bytes."""
    found = bytearray(-(-sectors * SECTOR // grain) * grain)
    for number, content in grains.items():
        if isinstance(content, bytes):
            found[number * grain : number * grain + len(content)] = content
    return bytes(found[: sectors * SECTOR])


def true_stream(disk: bytes, *, seed: int | None = None, markers: bool = True) -> bytes:
    """Return a stream whose directory and footer lie at its end; with a seed, grains lie anyhow."""
    sectors, size = len(disk) // SECTOR, 128 * SECTOR
    text = descriptor("streamOptimized", f'RW {sectors} SPARSE "disk.vmdk"').encode()

    def header(directory: int) -> bytes:
        flags = 0x30001 if markers else 0x10001
        fields = (b"KDMV", 3, flags, sectors, 128, 1, 20, 512, 0, directory, 128, 0, b"\n \r\n", 1)
        return struct.pack("<4sIIQQQQIQQQB4sH", *fields).ljust(SECTOR, b"\0")

    def marker(count: int, kind: int) -> bytes:
        return struct.pack("<QII", count, 0, kind).ljust(SECTOR, b"\0")

    found = bytearray((header(2**64 - 1) + text).ljust(128 * SECTOR, b"\0"))
    tables = [[0] * 512 for _ in range(-(-sectors // (128 * 512)))]
    order = [at for at in range(0, len(disk), size) if any(disk[at : at + size])]
    if seed is not None:
        Random(seed).shuffle(order)
    for at in order:
        packed = zlib.compress(disk[at : at + size].ljust(size, b"\0"), 1)
        tables[at // size // 512][at // size % 512] = len(found) // SECTOR
        found += (struct.pack("<QI", at // SECTOR, len(packed)) if markers else b"") + packed
        found += bytes(-len(found) % SECTOR)
    places = []
    for table in tables:
        found += marker(4, 1)
        places.append(len(found) // SECTOR)
        found += struct.pack("<512I", *table)
    directory = struct.pack(f"<{len(places)}I", *places)
    directory += bytes(-len(directory) % SECTOR)
    found += marker(len(directory) // SECTOR, 2)
    at = len(found) // SECTOR
    found += directory + marker(1, 3) + header(at) + bytes(SECTOR)
    return bytes(found)
