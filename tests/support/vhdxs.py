"""VHDX files laid out byte by byte, for what QEMU's tools read but never write.

Nothing here is shared with the code under test: checksums are computed bit by bit.
"""

from __future__ import annotations

import struct
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

KIB, MIB = 1 << 10, 1 << 20
HEADERS, REGIONS, LOG, METADATA, BAT = (64 * KIB, 128 * KIB), (192 * KIB, 256 * KIB), 1, 2, 3
ABSENT, UNDEFINED, ZERO, UNMAPPED, RESERVED, OLD_UNMAPPED, FULL, PARTIAL = range(8)
LOG_GUID = UUID("0a0b0c0d-0102-0304-0506-0708090a0b0c")
NO_GUID = UUID(int=0)
DATA_GUID = UUID("d0d0d0d0-1111-2222-3333-444444444444")
PARENT_KIND = UUID("b04aefb7-d19e-4a81-b789-25b8e9445913")
BAT_REGION = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08")
METADATA_REGION = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e")
ITEMS = {
    "parameters": UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b"),
    "size": UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8"),
    "id": UUID("beca12ab-b2e6-4523-93ef-c309e000c746"),
    "logical": UUID("8141bf1d-a96f-4709-ba47-f233a8faab5f"),
    "physical": UUID("cda348c7-445d-4471-9cc9-e9885251c556"),
    "locator": UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c"),
}
WITNESS = """
import sys, pyvhdi
files = []
for name in sys.argv[1:]:
    file = pyvhdi.file()
    file.open(name)
    if files:
        files[-1].set_parent(file)
    files.append(file)
left = files[0].get_media_size()
while left:
    found = files[0].read_buffer(min(left, 1 << 20))
    sys.stdout.buffer.write(found)
    left -= len(found)
"""


def crc(content: bytes) -> int:
    """CRC-32C, a bit at a time where there is anything but zeros to begin with."""
    state = 0xFFFF_FFFF
    for byte in content:
        state = _STEPS[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state ^ 0xFFFF_FFFF


def _eight(state: int) -> int:
    for _ in range(8):
        state = state >> 1 ^ (0x82F6_3B78 if state & 1 else 0)
    return state


_STEPS = [_eight(byte) for byte in range(256)]


def summed(raw: bytes) -> bytes:
    """Fill in a structure's checksum."""
    return raw[:4] + struct.pack("<I", crc(raw[:4] + bytes(4) + raw[8:])) + raw[8:]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of the disk: its state, the MiB of the file it lies at, and what lies there."""

    state: int
    at: int = 0
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Layout:
    """A VHDX; ``bitmaps`` maps a chunk to the MiB of its sector bitmap and its bytes."""

    size: int
    blocks: dict[int, Block] = field(default_factory=dict)
    bitmaps: dict[int, Block] = field(default_factory=dict)
    block: int = MIB
    sectors: tuple[int, int] = (512, 512)
    flags: int = 0
    locator: dict[str, str] | None = None
    locator_kind: UUID = PARENT_KIND
    data_guid: UUID = DATA_GUID
    log_guid: UUID = NO_GUID
    log: bytes = b""
    log_place: tuple[int, int] = (LOG * MIB, MIB)
    versions: tuple[int, int] = (0, 1)
    sequences: tuple[int, int] = (1, 2)
    bat_length: int = MIB
    end: int = 0
    drop: tuple[str, ...] = ()
    extra_items: tuple[tuple[UUID, bytes, int], ...] = ()
    regions: tuple[tuple[UUID, int, int, int], ...] | None = None

    def built(self) -> bytes:
        """Return the file's bytes."""
        stored = [*self.blocks.values(), *self.bitmaps.values()]
        ends = [block.at * MIB + len(block.content) for block in stored]
        content = bytearray(max([BAT * MIB + self.bat_length, self.end, *ends]))
        put(content, 0, b"vhdxfile" + "a test".encode("utf-16-le"))
        for at, sequence in zip(HEADERS, self.sequences, strict=True):
            put(content, at, self._header(sequence))
        for at in REGIONS:
            put(content, at, self._regions())
        put(content, LOG * MIB, self.log)
        put(content, METADATA * MIB, self._metadata())
        self._fill(content)
        return bytes(content)

    def _fill(self, content: bytearray) -> None:
        chunk = (self.sectors[0] << 23) // self.block
        for number, block in self.blocks.items():
            put(content, entry_at(number, chunk), struct.pack("<Q", block.at * MIB | block.state))
            put(content, block.at * MIB, block.content)
        for number, block in self.bitmaps.items():
            at = BAT * MIB + (number * (chunk + 1) + chunk) * 8
            put(content, at, struct.pack("<Q", block.at * MIB | block.state))
            put(content, block.at * MIB, block.content)

    def _header(self, sequence: int) -> bytes:
        guids = [UUID(int=7), self.data_guid, self.log_guid]
        raw = struct.pack("<4sIQ", b"head", 0, sequence) + b"".join(g.bytes_le for g in guids)
        place = (self.log_place[1], self.log_place[0])
        return summed((raw + struct.pack("<HHIQ", *self.versions, *place)).ljust(4096, b"\0"))

    def _regions(self) -> bytes:
        regions = self.regions
        if regions is None:
            regions = (
                (BAT_REGION, BAT * MIB, self.bat_length, 1),
                (METADATA_REGION, METADATA * MIB, MIB, 1),
            )
        raw = struct.pack("<4sIII", b"regi", 0, len(regions), 0)
        for guid, *rest in regions:
            raw += struct.pack("<16sQII", guid.bytes_le, *rest)
        return summed(raw.ljust(64 * KIB, b"\0"))

    def _metadata(self) -> bytes:
        flags = self.flags | (2 if self.locator is not None else 0)
        items = {
            "parameters": struct.pack("<II", self.block, flags),
            "size": struct.pack("<Q", self.size),
            "id": UUID(int=9).bytes_le,
            "logical": struct.pack("<I", self.sectors[0]),
            "physical": struct.pack("<I", self.sectors[1]),
        }
        if self.locator is not None:
            items["locator"] = packed_locator(self.locator, self.locator_kind)
        known = [(ITEMS[name], item, 6) for name, item in items.items() if name not in self.drop]
        every = [*known, *self.extra_items]
        table, content = struct.pack("<8sHH20x", b"metadata", 0, len(every)), b""
        for guid, item, bits in every:
            place = (64 * KIB + len(content), len(item), bits)
            table += struct.pack("<16sIII4x", guid.bytes_le, *place)
            content += item
        return table.ljust(64 * KIB, b"\0") + content


def put(content: bytearray, at: int, what: bytes) -> None:
    """Overwrite bytes."""
    content[at : at + len(what)] = what


def entry_at(block: int, chunk: int = 4096) -> int:
    """Return where a block's entry lies in the file."""
    return BAT * MIB + (block + block // chunk) * 8


def packed_locator(entries: dict[str, str], kind: UUID = PARENT_KIND) -> bytes:
    """Return a parent locator as it is stored."""
    raw = kind.bytes_le + struct.pack("<HH", 0, len(entries))
    texts, at = b"", len(raw) + 12 * len(entries)
    for key, value in entries.items():
        names = key.encode("utf-16-le"), value.encode("utf-16-le")
        places = at + len(texts), at + len(texts) + len(names[0])
        raw += struct.pack("<IIHH", *places, *map(len, names))
        texts += b"".join(names)
    return raw + texts


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of the log: sectors by offset, and (offset, length) of zeros, in this order."""

    sequence: int
    tail: int
    changes: tuple[tuple[int, bytes | int], ...]
    flushed: int
    last: int
    guid: UUID = LOG_GUID

    def packed(self) -> bytes:
        """Return the entry as it is stored."""
        descriptors, data = b"", b""
        for offset, what in self.changes:
            if isinstance(what, int):
                place = (what, offset, self.sequence)
                descriptors += struct.pack("<4s4xQQQ", b"zero", *place)
                continue
            leading = int.from_bytes(what[:8], "little")
            descriptors += b"desc" + what[-4:] + struct.pack("<QQQ", leading, offset, self.sequence)
            high, low = self.sequence >> 32, self.sequence & 0xFFFF_FFFF
            data += struct.pack("<4sI4084sI", b"data", high, what[8:-4], low)
        room = -(-(64 + len(descriptors)) // 4096) * 4096
        length = room + len(data)
        raw = struct.pack("<4sIIIQII", b"loge", 0, length, self.tail, self.sequence, 0, 0)
        raw = raw[:24] + struct.pack("<II", len(self.changes), 0) + self.guid.bytes_le
        raw += struct.pack("<QQ", self.flushed, self.last)
        return summed((raw + descriptors).ljust(room, b"\0") + data)


def ring(entries: dict[int, LogEntry], length: int = MIB) -> bytes:
    """Lay entries into a log by their places, around its end where they do not fit."""
    content = bytearray(length)
    for at, entry in entries.items():
        raw = entry.packed()
        first = min(len(raw), length - at)
        put(content, at, raw[:first])
        put(content, 0, raw[first:])
    return bytes(content)


def with_log(layout: Layout, entries: dict[int, LogEntry]) -> Layout:
    """Return a layout whose log waits to be replayed."""
    return replace(layout, log=ring(entries), log_guid=LOG_GUID)


def as_libvhdi_reads(*chain: Path) -> bytes:
    """Return what libvhdi says the guest sees of a chain, the topmost file first."""
    argv = ["/usr/bin/python3", "-c", WITNESS, *map(str, chain)]
    return subprocess.run(argv, capture_output=True, check=True, timeout=60).stdout
