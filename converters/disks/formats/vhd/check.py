"""Checking VHD: both footers, the header, the table, the blocks, and XenServer's batmap.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 2006; for
the batmap, XenServer's blktap (vhd/include/vhd.h).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from converters.disks.allocation import BlockCheck, Layout, Part
from converters.disks.checking import Checked, Findings, Ground, Kind
from converters.disks.formats.vhd.footer import Found, find_footer
from converters.disks.formats.vhd.footer import Kind as DiskKind
from converters.disks.formats.vhd.header import SIZE, Header
from converters.disks.formats.vhd.reader import ALL_STORED, BATMAP_COOKIE, UNUSED
from converters.disks.formats.vhd.recognition import OLD_SIZE
from converters.disks.gate import Gate
from converters.disks.image import SECTOR
from converters.disks.tables import ABSENT, Positions, read_table
from rehost.errors import DamagedInputError
from rehost.files import File
from rehost.report import Severity

NAME = "VHD block allocation table"
BATMAP = struct.Struct(">8sQIII")
LARGEST_BATMAP = 1 << 20
EMPTY = b"\xff" * 4


def check(file: File, gate: Gate) -> Checked:
    """Check one image, not the disks below it."""
    del gate
    found = find_footer(file)
    findings = Findings(file.name)
    _check_footers(file, found, findings)
    if found.footer.kind == DiskKind.FIXED:
        _check_fixed(found, findings)
    else:
        _Dynamic(file, found, Header.read(file, found.footer.header_at), findings).run()
    return findings.done()


def _check_footers(file: File, found: Found, findings: Findings) -> None:
    """Compare the footer with its copy at the beginning; either may be damaged."""
    raw = file.pread(found.end, SECTOR) if found.end < file.size else b""
    if found.footer.saved:
        findings.add(
            Kind.UNCLOSED, "a machine was suspended with this disk", severity=Severity.WARNING
        )
    if found.footer.kind == DiskKind.FIXED:
        return
    copied = file.pread(0, SECTOR)
    if raw[:OLD_SIZE] != copied[:OLD_SIZE]:
        said = next(
            (each for each in found.oddities if "footer" in each and "511" not in each),
            "the footer's copy at the beginning is not the same",
        )
        findings.add(Kind.COPY, said, found.end)


def _check_fixed(found: Found, findings: Findings) -> None:
    size = found.footer.size
    usage = findings.usage
    usage.unit, usage.total, usage.allocated, usage.fragmented = SECTOR, *(size // SECTOR,) * 2, 0
    usage.metadata_bytes, usage.end = SECTOR, found.end + SECTOR
    findings.options = {"subformat": "fixed"}
    if size > found.end:
        raise DamagedInputError(
            f"the fixed VHD is cut short ({found.end} bytes, should be {size})",
            where=findings.name,
            hint="Copy the file again.",
        )


class _Dynamic:
    """The check of a disk with a table of blocks."""

    def __init__(self, file: File, found: Found, header: Header, findings: Findings) -> None:
        self._file = file
        self._found = found
        self._header = header
        self._findings = findings
        self._size = found.footer.size
        self._needed = -(-self._size // header.block)
        self._places = self._read_table()

    def run(self) -> None:
        """Check the table, the blocks, and what says which of them are full."""
        header, findings, ground = self._header, self._findings, Ground(self._file.name)
        footer_at = self._found.footer.header_at
        ground.note(0, SECTOR)
        ground.note(footer_at, footer_at + SIZE)
        if header.blocks:
            ground.note(header.table_at, header.table_at + header.blocks * 4)
        for locator in header.locators:
            if locator.length and locator.offset < self._file.size:
                ground.note(locator.offset, locator.offset + locator.length)
        batmap = self._batmap(ground)
        layout = Layout(
            file=self._file,
            size=self._size,
            block=header.block,
            step=header.bitmap + header.block,
            ahead=header.bitmap,
            what="VHD block",
            entry_at=lambda number: header.table_at + number * 4,
            empty=EMPTY,
        )
        blocks = BlockCheck(layout, ground, findings)
        blocks.run(self._parts)
        if ground.end > self._found.end and not findings.count(Kind.DAMAGE):
            findings.add(Kind.OVERLAP, "a block reaches into the footer", self._found.end)
        blocks.unreachable(self._found.end, layout.step)
        if batmap is not None:
            self._check_batmap(batmap)
        stored = self._places[self._places >= 0]
        findings.usage.metadata_bytes = int(stored.min(initial=self._found.end))
        findings.options = {
            "subformat": "dynamic",
            "block_size": str(header.block),
            "batmap": "off" if batmap is None else "on",
        }

    def _read_table(self) -> Positions:
        header = self._header
        if header.blocks < self._needed:
            raise DamagedInputError(
                f"the {NAME} is too small for the disk ({header.blocks} entries, "
                f"should be {self._needed})",
                where=self._file.name,
            )
        entries = read_table(self._file, header.table_at, self._needed, ">u4", NAME)
        places: Positions = entries.astype(np.int64) * SECTOR
        places[entries == UNUSED] = ABSENT
        return places

    def _parts(self) -> Iterator[Part]:
        yield Part(0, self._places)

    def _batmap(self, ground: Ground) -> np.ndarray | None:
        """Read XenServer's map of full blocks, which follows the table, if there is one."""
        header = self._header
        at = -(-(header.table_at + header.blocks * 4) // SECTOR) * SECTOR
        raw = self._file.pread(at, BATMAP.size)
        if len(raw) < BATMAP.size or not raw.startswith(BATMAP_COOKIE):
            return None
        _, place, sectors, _, checksum = BATMAP.unpack(raw)
        length = sectors * SECTOR
        ground.note(at, at + SECTOR)
        if length > LARGEST_BATMAP or place + length > self._file.size or length * 8 < self._needed:
            self._findings.add(Kind.DAMAGE, "the batmap lies at an impossible place", at)
            return None
        if length:
            ground.note(place, place + length)
        content = self._file.pread(place, length)
        if checksum != (real := ~sum(content) & 0xFFFF_FFFF):
            said = f"the batmap's checksum is wrong (is {checksum:#x}, should be {real:#x})"
            self._findings.add(Kind.CHECKSUM, said, at)
            return None
        return np.unpackbits(np.frombuffer(content, dtype=np.uint8))[: self._needed]

    def _check_batmap(self, batmap: np.ndarray) -> None:
        """Check of each block that is called full that its own bitmap says so."""
        length = self._header.block // SECTOR // 8
        for number in np.flatnonzero(batmap).tolist():
            at = int(self._places[number])
            bitmap = self._file.pread(at, length) if at >= 0 else b""
            if len(bitmap) < length or bitmap.count(ALL_STORED) < length:
                said = f"the batmap calls a block full whose bitmap does not (block {number})"
                self._findings.add(Kind.COPY, said, max(at, 0))
