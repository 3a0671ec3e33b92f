"""Checking VMDK: the descriptor and its extents, directories, tables, grains and markers.

Source: VMware, "Virtual Disk Format 5.0"; libvmdk's description.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from converters.disks.allocation import BlockCheck, Layout, Part
from converters.disks.checking import BEHIND, Checked, Findings, Ground, Kind, Lost
from converters.disks.formats.vmdk.descriptor import Descriptor
from converters.disks.formats.vmdk.ending import END_MARKER
from converters.disks.formats.vmdk.grains import Batch
from converters.disks.formats.vmdk.image import Opened
from converters.disks.formats.vmdk.opening import descriptor_of, extents_of
from converters.disks.formats.vmdk.sparse import MARKER, SparseExtent
from converters.disks.gate import Gate
from converters.disks.image import SECTOR, Facts, Image, Run, Stored
from converters.disks.mending import patiently
from converters.disks.tables import ABSENT, Positions
from rehost.files import File
from rehost.report import Severity

FALLBACK = "monolithicSparse"
EMPTY = bytes(4)


def check(file: File, gate: Gate) -> Checked:
    """Check all files of one disk, not the disks below it."""
    descriptor, holds_all = descriptor_of(file)
    extents = extents_of(descriptor, file, gate, holds_all=holds_all)
    findings = Findings(file.name)
    if holds_all:
        _compare_capacity(descriptor, extents[0], findings)
    start = 0
    sums = Sums()
    for extent in extents:
        if isinstance(extent, SparseExtent):
            _check_sparse(extent, start, findings)
        else:
            _walk(extent, start, findings)
        sums.add(findings, extent)
        start += extent.size
    sums.settle(findings)
    _wishes(descriptor, extents, findings)
    return findings.done()


@dataclass(slots=True)
class Sums:
    """The usage of several extents together; those without grains are not counted in units."""

    unit: int | None = None
    total: int = 0
    allocated: int = 0
    fragmented: int = 0
    metadata: int = 0

    def add(self, findings: Findings, extent: Opened) -> None:
        """Add what an extent was found to use."""
        usage = findings.usage
        if isinstance(extent, SparseExtent):
            self.unit = usage.unit
            self.total += usage.total or 0
            self.allocated += usage.allocated or 0
            self.fragmented += usage.fragmented or 0
            self.metadata += usage.metadata_bytes or 0

    def settle(self, findings: Findings) -> None:
        """Make the sums what was found."""
        usage = findings.usage
        if self.unit is not None:
            usage.unit, usage.total, usage.allocated = self.unit, self.total, self.allocated
            usage.fragmented, usage.metadata_bytes = self.fragmented, self.metadata


def _compare_capacity(descriptor: Descriptor, extent: Opened, findings: Findings) -> None:
    said = descriptor.extents[0].sectors * SECTOR
    if said != extent.size:
        findings.add(Kind.COPY, f"the descriptor says {said} bytes, the header {extent.size}", 0)


def _wishes(descriptor: Descriptor, extents: list[Opened], findings: Findings) -> None:
    """Note how to write the disk again: as it is, or in one file that grows."""
    kind = descriptor.create_type
    findings.options = {"subformat": f"{kind},{FALLBACK}"}
    for option, key in (("adapter_type", "ddb.adapterType"), ("hwversion", "ddb.virtualHWVersion")):
        if value := descriptor.said(key):
            findings.options[option] = value
    sparse = [each.header for each in extents if isinstance(each, SparseExtent)]
    if any(header.is_compressed for header in sparse):
        findings.usage.compressed = findings.usage.allocated
    elif sparse:
        findings.options["grain_size"] = str(sparse[0].grain * SECTOR)


def _check_sparse(extent: SparseExtent, start: int, findings: Findings) -> None:
    """Check one hosted sparse extent, which begins at ``start`` of the disk."""
    name, header = extent.file.name, extent.header
    for oddity in extent.directory.oddities:
        findings.add(Kind.COPY, oddity, file=name)
    for oddity in extent.end.oddities:
        # A grain that is cut short is found where the grains are looked at.
        harmless = END_MARKER in oddity
        severity = Severity.WARNING if harmless else Severity.ERROR
        findings.add(Kind.DAMAGE, oddity, file=name, severity=severity)
    for oddity in header.oddities:
        kind = Kind.UNCLOSED if "closed" in oddity else Kind.NOTE
        findings.add(kind, oddity, file=name, severity=Severity.WARNING)
    own = findings.part(name, start)
    grains = _Grains(extent, own)
    ground = Ground(name)
    own.usage.metadata_bytes = grains.tables(ground)
    layout = Layout(
        file=extent.file,
        size=extent.size,
        block=header.grain * SECTOR,
        step=header.grain * SECTOR,
        ahead=0,
        what="grain",
        entry_at=grains.entry_at,
        empty=EMPTY,
    )
    blocks = BlockCheck(layout, ground, own)
    grains.blocks = blocks
    blocks.run(grains.parts)
    # Sequential writers leave no gaps; a growing extent leaves none of a whole grain.
    blocks.unreachable(extent.file.size, layout.step)


class _Grains:
    """The entries of an extent's tables, as its reader takes them."""

    def __init__(self, extent: SparseExtent, findings: Findings) -> None:
        self._extent = extent
        self._findings = findings
        self._grain = extent.header.grain * SECTOR
        self._marked = extent.header.has_markers and extent.header.is_compressed
        self._seconds: set[int] = set()
        self._told: set[int] = set()
        self.blocks: BlockCheck | None = None

    def tables(self, ground: Ground) -> int:
        """Take the header, the directories and the tables; return how many bytes that is."""
        extent, header = self._extent, self._extent.header
        second = extent.directory.second
        taken = max(header.overhead * SECTOR, SECTOR)
        if taken > extent.file.size:
            said = f"its tables are said to end behind the end of the file (at {taken})"
            self._findings.add(Kind.DAMAGE, said, severity=Severity.WARNING)
            taken = SECTOR
        ground.note(0, taken)
        # The directory of a stream with a footer lies behind the grains.
        at = header.directory_at * SECTOR
        stop = at + len(extent.directory.tables.directory) * len(EMPTY)
        if taken <= at < stop <= extent.file.size:
            ground.note(at, stop)
        for tables in (extent.directory.tables, *([second] if second else [])):
            places = tables.directory[tables.directory >= taken]
            places = places[places + tables.size <= extent.file.size]
            if len(places):
                ground.take(places, places + tables.size)
                taken += len(places) * tables.size
        return taken

    def entry_at(self, number: int) -> int:
        """Return where the entry of a grain lies, in the copy that is used."""
        directory = self._extent.directory
        table, index = divmod(number, directory.tables.width)
        tables = directory.tables
        if table in self._seconds and directory.second is not None:
            tables = directory.second
        return int(tables.directory[table]) + index * 4

    def parts(self) -> Iterator[Part]:
        """Yield where each grain lies; entries that a second copy mends are taken from that."""
        tables = self._extent.directory.tables
        for batch in tables.batches(0, len(tables.directory)):
            if batch.nothing is not None:
                continue
            used = self._compared(batch)
            places = self._extent.offsets(used.entries.reshape(-1))
            first = batch.first * tables.width
            last = max(0, min(len(places), tables.grains - first))
            places = places[:last]
            yield Part(first, places, self._sizes(first, places) if self._marked else None)

    def _compared(self, batch: Batch) -> Batch:
        """Compare tables with their second copies, and return those a reader would use."""
        second = self._extent.directory.second
        if second is None:
            return batch
        used = self._extent.mended(batch) if self._is_wrong(batch) else batch
        replaced = (used.entries != batch.entries).any(axis=1)
        self._seconds |= set((batch.first + np.flatnonzero(replaced)).tolist())
        numbers = batch.first + np.arange(batch.tables)
        known = np.flatnonzero(second.directory[numbers] >= 0)
        copies = second.rows(numbers[known]) if len(known) else batch.entries[:0]
        for number in numbers[known[(copies != batch.entries[known]).any(axis=1)]].tolist():
            if number not in self._told:
                self._told.add(number)
                said = f"a grain table and its redundant copy are not the same (table {number})"
                at = int(second.directory[number])
                self._findings.add(Kind.COPY, said, at)
        return used

    def _is_wrong(self, batch: Batch) -> bool:
        """Say whether entries name places where no grain can lie, or lie upon each other."""
        places = self._extent.offsets(batch.entries.reshape(-1))
        stored = np.sort(places[places >= 0])
        least = self._extent.header.overhead * SECTOR
        if not len(stored):
            return False
        step = 1 if self._extent.header.is_compressed else self._grain
        outside = bool(stored[-1] >= self._extent.file.size or stored[0] < least)
        return outside or bool((np.diff(stored) < step).any())

    def _sizes(self, first: int, places: Positions) -> Positions:
        """Read the marker of each grain: how long it is, and whether it is this grain's."""
        sizes = np.ones(len(places), dtype=np.int64)
        wrong = np.zeros(len(places), dtype=np.bool_)
        for index in np.flatnonzero((places >= 0) & (places < self._extent.file.size)).tolist():
            raw = self._extent.file.pread(int(places[index]), MARKER.size)
            if len(raw) < MARKER.size:
                sizes[index] = MARKER.size
                continue
            sector, size = MARKER.unpack(raw)
            sizes[index] = MARKER.size + size
            if sector != (first + index) * self._extent.header.grain:
                wrong[index] = True
                if first + index not in self._told:
                    self._tell(first + index, int(places[index]), sector)
        if wrong.any() and self.blocks is not None:
            self.blocks.lose(first, wrong, "its marker names another place")
            places[wrong] = ABSENT
        return sizes

    def _tell(self, number: int, place: int, sector: int) -> None:
        self._told.add(number)
        should = number * self._extent.header.grain
        self._findings.add(
            Kind.DAMAGE,
            f"the marker of a grain names another place (sector {sector}, should be {should})",
            place,
        )


class _Extended:
    """An extent that is walked as an image of its own."""

    parent: Image | None = None
    facts = Facts("vmdk", None, {})

    def __init__(self, extent: Opened) -> None:
        self.size = extent.size
        self._extent = extent

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield those of the extent."""
        return self._extent.runs(start, stop)


def _walk(extent: Opened, start: int, findings: Findings) -> None:
    """Check an extent of another kind by its runs: inside the file, and none upon another."""
    grounds: dict[str, Ground] = {}
    for found in patiently(_Extended(extent)):
        if isinstance(found, Lost):
            findings.add(Kind.DAMAGE, f"part of the disk cannot be read ({found.why})")
            findings.lose(start + found.start, found.length, found.why)
        elif isinstance(found.source, Stored):
            file, offset = found.source
            if offset + found.length > file.size:
                said = f"a grain lies behind the end of the file (which is at {file.size})"
                findings.add(Kind.DAMAGE, said, offset, file=file.name)
                findings.lose(start + found.start, found.length, BEHIND)
            else:
                ground = grounds.setdefault(file.name, Ground(file.name))
                ground.note(offset, offset + found.length)
    for name, ground in grounds.items():
        for begin, end in ground.overlaps:
            findings.add(Kind.OVERLAP, f"{end - begin} bytes are used twice", begin, file=name)
