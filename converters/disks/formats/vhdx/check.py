"""Checking VHDX: both headers, both region tables, the log, and every entry of the block table.

Source: [MS-VHDX], sections "Header Section", "Log", "Block Allocation Table (BAT)".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from uuid import UUID

import numpy as np

from converters.disks.allocation import BlockCheck, Layout, Part
from converters.disks.checking import Checked, Findings, Ground, Kind
from converters.disks.formats.vhdx.header import (
    BAT,
    HEADER_SIZE,
    HEADERS_AT,
    METADATA,
    MIB,
    NO_LOG,
    REGIONS_AT,
    REGIONS_SIZE,
    Header,
    Region,
    RegionTable,
    read_creator,
    read_header,
    read_regions,
)
from converters.disks.formats.vhdx.log import replayed
from converters.disks.formats.vhdx.metadata import Metadata
from converters.disks.formats.vhdx.table import (
    BITMAP_PRESENT,
    FULLY_PRESENT,
    NAME,
    OFFSET,
    PART,
    PARTIALLY_PRESENT,
    RESERVED,
    STATE,
    Entries,
)
from converters.disks.gate import Gate
from converters.disks.tables import ABSENT, Positions, read_table
from rehost.errors import DamagedInputError
from rehost.files import File
from rehost.report import Severity

EMPTY = bytes(8)


def check(file: File, gate: Gate) -> Checked:
    """Check one image, not the disks below it; its log is replayed in memory."""
    del gate
    findings = Findings(file.name)
    read_creator(file)
    header, _ = read_header(file)
    over = replayed(file, header)
    seen = file if over is None else over
    if over is not None:
        said = "the disk was not closed: its log holds changes that are not written yet"
        findings.add(Kind.UNCLOSED, said, header.log_at, severity=Severity.WARNING)
    _check_copies(file, HEADERS_AT, HEADER_SIZE, Header.parse, findings)
    _check_copies(seen, REGIONS_AT, REGIONS_SIZE, RegionTable.parse, findings)
    _compare_regions(seen, findings)
    regions, _ = read_regions(seen)
    metadata = Metadata.read(seen, regions[METADATA])
    _Blocks(seen, header, regions, metadata, findings).run()
    if over is not None and findings.done().patches:
        _refuse_mending(file, findings)
    return findings.done()


def _check_copies(
    file: File,
    places: Sequence[int],
    size: int,
    parse: Callable[[bytes, str], object],
    findings: Findings,
) -> None:
    """Tell of a copy of a structure that is broken; a reader takes the other one."""
    for at in places:
        try:
            parse(file.pread(at, size), file.name)
        except DamagedInputError as error:
            findings.add(Kind.CHECKSUM, f"{error.what}; there is another one", at)


def _compare_regions(file: File, findings: Findings) -> None:
    first, second = (file.pread(at, REGIONS_SIZE) for at in REGIONS_AT)
    if first != second and not findings.count(Kind.CHECKSUM):
        findings.add(Kind.COPY, "the two region tables are not the same", REGIONS_AT[1])


def _refuse_mending(file: File, findings: Findings) -> None:
    """Refuse to mend below a log that would be replayed over it."""
    raise DamagedInputError(
        "the VHDX was not closed, and blocks that its log changed cannot be known "
        f"(problems: {findings.count(Kind.DAMAGE, Kind.OVERLAP)})",
        where=file.name,
        hint="Attach it once where it was made, which replays the log, and check it again.",
    )


class _Blocks:
    """The check of the block allocation table."""

    def __init__(
        self,
        file: File,
        header: Header,
        regions: dict[UUID, Region],
        metadata: Metadata,
        findings: Findings,
    ) -> None:
        self._file = file
        self._header = header
        self._regions = regions
        self._metadata = metadata
        self._findings = findings
        self._at = regions[BAT].offset
        if (needed := metadata.entries * 8) > regions[BAT].length:
            raise DamagedInputError(
                f"the {NAME} is too small for the disk ({regions[BAT].length} bytes, "
                f"should be {needed})",
                where=f"{file.name} at {self._at}",
            )

    def run(self) -> None:
        """Check states, places and bitmaps, and tell of what nothing uses."""
        metadata, findings = self._metadata, self._findings
        ground = Ground(self._file.name)
        ground.note(0, MIB)
        if self._header.log != NO_LOG or self._header.log_length:
            ground.note(self._header.log_at, self._header.log_at + self._header.log_length)
        for region in self._regions.values():
            ground.note(region.offset, region.offset + region.length)
        layout = Layout(
            file=self._file,
            size=metadata.size,
            block=metadata.block,
            step=metadata.block,
            ahead=0,
            what="VHDX block",
            entry_at=self._entry_at,
            empty=EMPTY,
        )
        blocks = BlockCheck(layout, ground, findings)
        bitmaps = self._bitmaps(ground)
        for first in range(0, metadata.blocks, PART):
            self._check_states(first, bitmaps, blocks)
        blocks.run(self._parts)
        # Less than a block is what writers leave to align blocks, as QEMU does.
        blocks.unreachable(self._file.size, metadata.block)
        findings.usage.metadata_bytes = MIB + sum(each.length for each in self._regions.values())
        findings.options = {
            "subformat": "fixed" if metadata.fixed else "dynamic",
            "block_size": str(metadata.block),
            "logical_sector_size": str(metadata.logical),
            "physical_sector_size": str(metadata.physical),
        }

    def _entry_at(self, number: int) -> int:
        return self._at + (number + number // self._metadata.chunk) * 8

    def _entries(self, first: int, last: int) -> Entries:
        numbers = np.arange(first, last, dtype=np.int64)
        places = numbers + numbers // self._metadata.chunk
        begin, count = int(places[0]), int(places[-1] - places[0]) + 1
        raw = read_table(self._file, self._at + begin * 8, count, "<u8", NAME)
        found: Entries = raw[places - begin].astype(np.uint64)
        return found

    def _parts(self) -> Iterator[Part]:
        for first in range(0, self._metadata.blocks, PART):
            entries = self._entries(first, min(first + PART, self._metadata.blocks))
            states = entries & np.uint64(STATE)
            places: Positions = ((entries & np.uint64(OFFSET)) >> np.uint64(1)).astype(np.int64)
            places = np.minimum(places, 1 << 61) * 2
            places[states < FULLY_PRESENT] = ABSENT
            yield Part(first, places)

    def _bitmaps(self, ground: Ground) -> np.ndarray:
        """Return which chunks have a sector bitmap inside the file, and take their places."""
        step = self._metadata.chunk + 1
        chunks = self._metadata.entries // step if self._metadata.locator is not None else 0
        present = np.zeros(chunks, dtype=np.bool_)
        for chunk in range(chunks):
            at = self._at + (chunk * step + step - 1) * 8
            entry = int.from_bytes(self._file.pread(at, 8), "little")
            place = entry & OFFSET
            if entry & STATE != BITMAP_PRESENT:
                continue
            if place + MIB > self._file.size:
                said = "a sector bitmap lies behind the end of the file"
                self._findings.add(Kind.DAMAGE, f"{said} (of chunk {chunk})", place)
                self._findings.mend(at, EMPTY)
                continue
            present[chunk] = True
            ground.note(place, place + MIB)
        return present

    def _check_states(self, first: int, bitmaps: np.ndarray, blocks: BlockCheck) -> None:
        last = min(first + PART, self._metadata.blocks)
        states = (self._entries(first, last) & np.uint64(STATE)).astype(np.int64)
        partly = states == PARTIALLY_PRESENT
        wrong = states == RESERVED
        if self._metadata.locator is None:
            wrong |= partly
        elif partly.any():
            chunks = np.arange(first, last) // self._metadata.chunk
            bare = partly & ~bitmaps[chunks]
            self._tell(first, bare, states, "a block has no sector bitmap")
            blocks.lose(first, bare, "it has no sector bitmap")
        self._tell(first, wrong, states, "a block has an impossible state")
        blocks.lose(first, wrong, "its state is impossible")

    def _tell(self, first: int, wrong: np.ndarray, states: Positions, what: str) -> None:
        numbers = np.flatnonzero(wrong)
        places = self._at + (first + numbers + (first + numbers) // self._metadata.chunk) * 8

        def told(index: int) -> str:
            return f"{what} (block {first + numbers[index]}, state {states[numbers[index]]})"

        self._findings.add_all(Kind.DAMAGE, places, told)
