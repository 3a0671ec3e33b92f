"""streamOptimized VMDKs as two producers write them.

Spec: "Virtual Disk Format 5.0", VMware, sections "Hosted Sparse Extents" and "Stream-Optimized
Compressed Sparse Extents"; sectors are 512 bytes, integers little-endian. VMware's converter puts
the grain directory in front and ends with the end-of-stream marker; VirtualBox cannot go back, so
its header says "directory at the end" and a footer says where.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from uuid import UUID, uuid5

SECTOR = 512
GRAIN = 128 * SECTOR
TABLE_ENTRIES = 512
TABLE_SECTORS = TABLE_ENTRIES * 4 // SECTOR
VERSION = 3
NEWLINES, COMPRESSED, MARKERS = 1, 1 << 16, 1 << 17
DESCRIPTOR_AT, DESCRIPTOR_SECTORS = 1, 20
DIRECTORY_AT_END = (1 << 64) - 1
DEFLATE = 1
HEADER = struct.Struct("<4sIIQQQQIQQQB4sH433x")
MARKER = struct.Struct("<QII496x")
GRAIN_MARKER = struct.Struct("<QI")
TABLE_MARKER, DIRECTORY_MARKER, FOOTER_MARKER = 1, 2, 3
VIRTUALBOX_OVERHEAD = 128
NAMES = UUID("52455053-0000-4000-8000-00000000aaaa")
NIL = UUID(int=0)

VMWARE_DESCRIPTOR = """\
# Disk DescriptorFile
version=1
encoding="UTF-8"
CID={cid}
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RW {sectors} SPARSE "{name}"

# The Disk Data Base
#DDB

ddb.longContentID = "{long}{cid}"
ddb.virtualHWVersion = "4"
ddb.geometry.cylinders = "{cylinders}"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.adapterType = "lsilogic"
ddb.toolsInstallType = "4"
ddb.toolsVersion = "2147483647"
"""
VIRTUALBOX_DESCRIPTOR = """\
# Disk DescriptorFile
version=1
CID={cid}
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RDONLY {sectors} SPARSE "{name}"

# The disk Data Base\x20
#DDB

ddb.virtualHWVersion = "4"
ddb.adapterType="ide"
ddb.geometry.cylinders="{cylinders}"
ddb.geometry.heads="16"
ddb.geometry.sectors="63"
ddb.geometry.biosCylinders="{bios_cylinders}"
ddb.geometry.biosHeads="255"
ddb.geometry.biosSectors="63"
ddb.uuid.image="{uuid}"
ddb.uuid.parent="{nil}"
ddb.uuid.modification="{nil}"
ddb.uuid.parentmodification="{nil}"
ddb.comment=""
"""


def write_vmware_stream(raw: Path, target: Path) -> int:
    """Write ``raw`` as VMware's converter does; return how many bytes of it were not zero."""
    sectors = raw.stat().st_size // SECTOR
    tables = _tables(sectors)
    directory = DESCRIPTOR_AT + DESCRIPTOR_SECTORS
    first_table = directory + _sectors(4 * tables)
    overhead = first_table + tables * TABLE_SECTORS
    entries = [0] * (tables * TABLE_ENTRIES)
    cid = _content_id(raw)
    descriptor = VMWARE_DESCRIPTOR.format(
        cid=cid,
        long=hashlib.sha256(cid.encode()).hexdigest()[:24],
        sectors=sectors,
        name=target.name,
        cylinders=-(-sectors // (255 * 63)),
    )
    with target.open("wb") as file:
        file.write(_header(sectors, directory, overhead) + _descriptor(descriptor))
        file.seek(overhead * SECTOR)
        for number, grain in _grains(raw):
            entries[number] = file.tell() // SECTOR
            file.write(_packed(number, grain))
        file.write(bytes(SECTOR))
        file.seek(directory * SECTOR)
        places = [first_table + number * TABLE_SECTORS for number in range(tables)]
        file.write(_padded(struct.pack(f"<{tables}I", *places)))
        file.write(struct.pack(f"<{len(entries)}I", *entries))
    return sum(1 for entry in entries if entry) * GRAIN


def write_virtualbox_stream(raw: Path, target: Path) -> UUID:
    """Write ``raw`` as VirtualBox's export does; return the UUID the image gets."""
    sectors = raw.stat().st_size // SECTOR
    directory = [0] * _tables(sectors)
    uuid = uuid5(NAMES, target.name)
    descriptor = VIRTUALBOX_DESCRIPTOR.format(
        cid=_content_id(raw),
        sectors=sectors,
        name=target.name,
        cylinders=min(16383, sectors // (16 * 63)),
        bios_cylinders=min(1024, sectors // (255 * 63)),
        uuid=uuid,
        nil=NIL,
    )
    with target.open("wb") as file:
        file.write(_header(sectors, DIRECTORY_AT_END, VIRTUALBOX_OVERHEAD))
        file.write(_descriptor(descriptor))
        file.seek(VIRTUALBOX_OVERHEAD * SECTOR)
        for number, entries in _write_grains_by_table(raw, file):
            file.write(MARKER.pack(TABLE_SECTORS, 0, TABLE_MARKER))
            directory[number] = file.tell() // SECTOR
            file.write(struct.pack(f"<{TABLE_ENTRIES}I", *entries))
        file.write(MARKER.pack(_sectors(4 * len(directory)), 0, DIRECTORY_MARKER))
        directory_at = file.tell() // SECTOR
        file.write(_padded(struct.pack(f"<{len(directory)}I", *directory)))
        file.write(MARKER.pack(1, 0, FOOTER_MARKER))
        file.write(_header(sectors, directory_at, VIRTUALBOX_OVERHEAD))
        file.write(bytes(SECTOR))
    return uuid


def _write_grains_by_table(raw: Path, file: BinaryIO) -> Iterator[tuple[int, list[int]]]:
    """Write the grains; yield each table, where it has entries, once all its grains are out."""
    current, entries = 0, [0] * TABLE_ENTRIES
    for number, grain in _grains(raw):
        table, entry = divmod(number, TABLE_ENTRIES)
        if table != current:
            if any(entries):
                yield current, entries
            current, entries = table, [0] * TABLE_ENTRIES
        entries[entry] = file.tell() // SECTOR
        file.write(_packed(number, grain))
    if any(entries):
        yield current, entries


def _grains(raw: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the grains that are not all zeros with their numbers, the last one filled up."""
    with raw.open("rb") as file:
        number = 0
        while grain := file.read(GRAIN):
            if any(grain):
                yield number, grain.ljust(GRAIN, b"\0")
            number += 1


def _packed(number: int, grain: bytes) -> bytes:
    packed = zlib.compress(grain, 6)
    return _padded(GRAIN_MARKER.pack(number * (GRAIN // SECTOR), len(packed)) + packed)


def _header(sectors: int, directory: int, overhead: int) -> bytes:
    flags = NEWLINES | COMPRESSED | MARKERS
    return HEADER.pack(
        *(b"KDMV", VERSION, flags, sectors, GRAIN // SECTOR, DESCRIPTOR_AT, DESCRIPTOR_SECTORS),
        *(TABLE_ENTRIES, 0, directory, overhead, 0, b"\n \r\n", DEFLATE),
    )


def _descriptor(text: str) -> bytes:
    return text.encode().ljust(DESCRIPTOR_SECTORS * SECTOR, b"\0")


def _content_id(raw: Path) -> str:
    with raw.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


def _tables(sectors: int) -> int:
    return -(-sectors * SECTOR // (GRAIN * TABLE_ENTRIES))


def _sectors(size: int) -> int:
    return -(-size // SECTOR)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % SECTOR)
