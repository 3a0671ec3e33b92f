"""VDI, the virtual disk of VirtualBox: one table of blocks, in any order.

Source: the header's layout as VirtualBox (src/VBox/Storage/VDICore.h) and QEMU (block/vdi.c)
document it. All integers are little-endian; of an identifier the first three fields are, too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID, uuid5

import numpy as np
import numpy.typing as npt

from converters.disks.gate import Gate
from converters.disks.holes import stored_runs
from converters.disks.identity import NAMESPACE, identity
from converters.disks.image import LARGEST_DISK, SECTOR, ZERO, Facts, Run
from converters.disks.options import Option
from converters.disks.output import Output
from converters.disks.registry import DiskFormat, Shape
from converters.disks.tables import (
    ABSENT,
    LARGEST_TABLE,
    Positions,
    check_unshared,
    read_table,
    stretches,
)
from converters.disks.writer import Place
from rehost.errors import DamagedInputError, UnsupportedInputError, UsageError
from rehost.files import File

SUBFORMAT = Option("subformat", ("dynamic", "fixed"), "whether the file grows with its content")
SIGNATURE_AT = 64
SIGNATURE = b"\x7f\x10\xda\xbe"
TEXT = b"<<< VirtualBox Disk Image, written by rehost >>>\n"
VERSION = 0x0001_0001
SIZE_FIELD_AT = 72
DYNAMIC, FIXED, UNDO, DIFFERENCING = 1, 2, 3, 4
KINDS = {DYNAMIC: "dynamic", FIXED: "fixed", UNDO: "undo", DIFFERENCING: "differencing"}
NOTHING = bytes(16)
DISCARDED = 0xFFFF_FFFE
UNUSED = 0xFFFF_FFFF
BLOCK = 1 << 20
FINE = 4096
MAP_AT = SECTOR

Entries = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Header:
    """What the first sector says; offsets and sizes in bytes."""

    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<64s4sIIII256sIIIIIIIQIIII16s16s16s16sIIII")
    BASIC: ClassVar[int] = 456

    text: bytes
    signature: bytes
    version: int
    header_size: int
    kind: int
    flags: int
    description: bytes
    map_at: int
    data_at: int
    cylinders: int
    heads: int
    sectors: int
    sector_size: int
    reserved: int
    disk_size: int
    block: int
    block_extra: int
    blocks: int
    allocated: int
    identifier: bytes
    modification: bytes
    parent: bytes
    parent_modification: bytes
    logical_cylinders: int = 0
    logical_heads: int = 0
    logical_sectors: int = 0
    logical_sector_size: int = SECTOR

    @classmethod
    def read(cls, file: File) -> Header:
        """Read and check a header."""
        raw = file.pread(0, cls.LAYOUT.size)
        if len(raw) < cls.BASIC:
            raise DamagedInputError(
                f"the VDI header is cut short ({len(raw)} bytes, should be {cls.BASIC} at least)",
                where=file.name,
            )
        header = cls(*cls.LAYOUT.unpack(raw.ljust(cls.LAYOUT.size, b"\0")))
        if header.signature != SIGNATURE:
            raise DamagedInputError(
                f"no VDI header (found {header.signature!r})",
                where=f"{file.name} at {SIGNATURE_AT}",
            )
        header._check(file.name)
        return header

    @property
    def size(self) -> int:
        """The size of the disk; one of no whole sector is rounded up, for a block has them all."""
        return -(-self.disk_size // SECTOR) * SECTOR

    def _check(self, where: str) -> None:
        if self.version >> 16 != VERSION >> 16:
            raise UnsupportedInputError(
                f"the VDI has an unknown version ({self.version >> 16}.{self.version & 0xFFFF})",
                where=where,
            )
        if self.kind not in KINDS:
            raise UnsupportedInputError(
                f"the VDI is of a type that is not read ({self.kind})", where=where
            )
        if self.kind in {UNDO, DIFFERENCING} or self.parent != NOTHING:
            raise UnsupportedInputError(
                f"stores only differences to another VDI ({_identifier(self.parent)}), "
                "which it does not name",
                where=where,
                hint="Merge the chain where it was made: VBoxManage clonemedium disk FILE NEW.",
            )
        if self.disk_size > LARGEST_DISK:
            raise DamagedInputError(
                f"the VDI disk's size is impossible ({self.disk_size} bytes)", where=where
            )
        if self.block < SECTOR or self.block & (self.block - 1):
            raise DamagedInputError(
                f"the VDI block size is impossible ({self.block} bytes)", where=where
            )
        if self.data_at < self.BASIC:
            raise DamagedInputError(
                f"the VDI data lies inside the header (at {self.data_at})", where=where
            )
        if self.blocks * self.block < self.disk_size:
            raise DamagedInputError(
                f"the VDI block map is too small for the disk ({self.blocks} blocks, "
                f"should be {-(-self.disk_size // self.block)})",
                where=where,
            )


class VdiImage:
    """A disk of blocks that are stored somewhere, or read as zeros."""

    parent = None

    def __init__(self, file: File, header: Header) -> None:
        self.size = header.size
        self._file = file
        self._header = header
        self._map = self._read_map()
        self.facts = _facts(header)

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the blocks between two offsets; in files with holes, those are zeros."""
        block = self._header.block
        first, last = start // block, -(-min(stop, self.size) // block)
        positions = self._positions(self._map[first:last])
        for number, count, at in stretches(positions, block):
            begin = (first + number) * block
            end = min(begin + count * block, self.size)
            if at == ABSENT:
                yield Run(begin, end - begin, ZERO)
                continue
            shift = at - begin
            for run in stored_runs(self._file, max(start, begin) + shift, min(stop, end) + shift):
                yield run._replace(start=run.start - shift)

    def _read_map(self) -> Entries:
        needed = -(-self.size // self._header.block)
        entries = read_table(self._file, self._header.map_at, needed, "<u4", "VDI block map")
        positions = self._positions(entries)
        check_unshared(positions, "VDI block", self._file.name)
        farthest = int(positions.max(initial=ABSENT))
        if farthest >= self._file.size:
            raise DamagedInputError(
                f"the VDI is cut short (a block lies at {farthest}, "
                f"the file ends at {self._file.size})",
                where=self._file.name,
                hint="Copy the file again.",
            )
        return entries

    def _positions(self, entries: Entries) -> Positions:
        """Return where blocks lie; one that was discarded reads zeros like one never written."""
        step = self._header.block + self._header.block_extra
        begin = self._header.data_at + self._header.block_extra
        positions: Positions = entries.astype(np.int64) * step + begin
        positions[entries >= DISCARDED] = ABSENT
        return positions


class VdiWriter:
    """Blocks in the order of the disk; a fixed disk has all of them from the beginning.

    Data begins at a multiple of 1 MiB, as in VirtualBox. What holds nothing stays a hole.
    """

    unit = FINE

    def __init__(self, output: Output, shape: Shape) -> None:
        self._output = output
        self._kind = FIXED if shape.option(SUBFORMAT) == "fixed" else DYNAMIC
        self._size = -(-shape.size // SECTOR) * SECTOR
        count = -(-self._size // BLOCK)
        if count * 4 > LARGEST_TABLE:
            raise UsageError(
                f"a VDI holds at most {LARGEST_TABLE // 4 * BLOCK >> 40} TiB here "
                f"(the disk has {shape.size} bytes)",
                hint="Choose a format without this limit, such as qcow2.",
            )
        self._map = np.full(count, UNUSED, dtype="<u4")
        self._data_at = -(-(MAP_AT + self._map.nbytes) // BLOCK) * BLOCK
        self._allocated = 0
        if self._kind == FIXED:
            self._map[:] = np.arange(count, dtype="<u4")
            self._allocated = count

    def place(self, start: int, length: int) -> list[Place]:
        """Give each block that is touched the next place, unless it has one."""
        places = []
        stop = start + length
        while start < stop:
            number, inside = divmod(start, BLOCK)
            part = min(BLOCK - inside, stop - start)
            places.append(Place(self._block_at(number) + inside, part))
            start += part
        return places

    def finish(self) -> None:
        """Write the map and the header; the last block is whole, whatever the disk's size."""
        self._output.truncate(self._data_at + self._allocated * BLOCK)
        self._output.write(self._map.tobytes(), MAP_AT)
        self._output.write(self._header(), 0)

    def _block_at(self, number: int) -> int:
        if self._map[number] == UNUSED:
            self._map[number] = self._allocated
            self._allocated += 1
        return self._data_at + int(self._map[number]) * BLOCK

    def _header(self) -> bytes:
        known = identity(self._output, self._data_at, self._size, self._map.tobytes())
        header = Header(
            *(TEXT, SIGNATURE, VERSION, Header.LAYOUT.size - SIZE_FIELD_AT, self._kind, 0, b""),
            *(MAP_AT, self._data_at, 0, 0, 0, SECTOR, 0, self._size, BLOCK, 0),
            *(len(self._map), self._allocated),
            *(known.bytes_le, uuid5(NAMESPACE, known.hex).bytes_le, NOTHING, NOTHING),
        )
        fields = [getattr(header, name) for name in header.__slots__]
        return Header.LAYOUT.pack(*fields).ljust(SECTOR, b"\0")


def _facts(header: Header) -> Facts:
    details: dict[str, object] = {
        "version": f"{header.version >> 16}.{header.version & 0xFFFF}",
        "text": _text(header.text),
        "description": _text(header.description),
        "blockSize": header.block,
        "blocksAllocated": header.allocated,
        "identifier": _identifier(header.identifier),
        "modification": _identifier(header.modification),
    }
    oddities = []
    if header.size != header.disk_size:
        oddities.append(f"the disk has no whole number of sectors ({header.disk_size} bytes)")
    return Facts("vdi", KINDS[header.kind], details, tuple(oddities))


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace").strip()


def _identifier(raw: bytes) -> str:
    return str(UUID(bytes_le=raw))


def _open(file: File, gate: Gate) -> VdiImage:
    del gate
    return VdiImage(file, Header.read(file))


FORMAT = DiskFormat(
    name="vdi",
    title="VirtualBox VDI",
    suffixes=(".vdi",),
    recognise=lambda file: file.pread(SIGNATURE_AT, len(SIGNATURE)) == SIGNATURE,
    open=_open,
    create=VdiWriter,
    options=(SUBFORMAT,),
)
