"""Checking qcow2: every cluster's reference count made anew from all tables, and compared.

What counts as corruption or as a leak is what `qemu-img check` counts as such.

Source: QEMU, "docs/interop/qcow2.txt".
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from converters.disks.checking import TWICE as TWICE_USED
from converters.disks.checking import Checked, Findings, Kind
from converters.disks.formats.qcow2.counted import (
    DATA,
    META,
    MOST_COUNTED,
    PACKED,
    TWICE,
    WINDOW,
    StoredCounts,
    Window,
    check_blocks,
)
from converters.disks.formats.qcow2.structure import (
    BITMAPS,
    COMPRESSION,
    CORRUPT,
    DIRTY,
    EXTENDED_L2,
    Area,
    Layout,
    bitmaps,
    encryption,
    snapshots,
)
from converters.disks.formats.qcow2.walk import Walk
from converters.disks.gate import Gate
from converters.disks.tables import Positions
from converters.disks.writer import Level
from rehost.files import File
from rehost.report import Severity

FEATURES_AT = 72
MOST_CONTESTED = 1 << 20


def check(file: File, gate: Gate) -> Checked:
    """Check the tables and the reference counts of one image, not of its backing file."""
    del gate
    findings = Findings(file.name)
    layout = Layout.read(file)
    _marks(file, layout, findings)
    stored = StoredCounts(file, layout)
    walk = Walk(file, layout, stored, findings)
    tables, areas = snapshots(file, layout, findings)
    walk.enter(layout.active, 1, guest=True)
    for table, times in Counter(tables).items():
        walk.enter(table, times, guest=False)
    areas += [
        Area(0, layout.cluster, "the header"),
        Area(layout.active.offset, layout.active.entries * 8, "the L1 table"),
        *(Area(each.offset, each.entries * 8, "the L1 table of a snapshot") for each in tables),
        Area(layout.refcounts_at, layout.refcount_clusters * layout.cluster, "the refcount table"),
        *encryption(layout),
    ]
    _Comparison(walk, stored, _inside(areas, walk, findings), findings).run()
    _wishes(layout, findings)
    return findings.done()


def _marks(file: File, layout: Layout, findings: Findings) -> None:
    """Look at the bits that say how the image was left; readers refuse one called corrupt."""
    if layout.incompatible & CORRUPT:
        findings.add(Kind.UNCLOSED, "the image is marked corrupt: QEMU found its tables damaged")
    if layout.incompatible & DIRTY:
        findings.add(
            Kind.UNCLOSED,
            "the image was not closed: its reference counts may be out of date",
            severity=Severity.WARNING,
        )
    if layout.incompatible & (CORRUPT | DIRTY):
        left = layout.incompatible & ~(CORRUPT | DIRTY)
        findings.mend(FEATURES_AT, left.to_bytes(8, "big"))


def _inside(areas: list[Area], walk: Walk, findings: Findings) -> list[Area]:
    """Return the areas that can be counted; those that end too far behind the file cannot."""
    cluster = walk.layout.cluster
    every = [*areas, *bitmaps(walk.file, walk.layout, findings)]
    for place, times in walk.odd:
        every += [Area(place, cluster, "an L2 table")] * times
    found = []
    for area in every:
        if area.length and area.offset + area.length - walk.file.size >= cluster:
            said = f"{area.what} lies behind the end of the file ({area.length} bytes)"
            findings.add(Kind.DAMAGE, said, area.offset)
        elif area.length:
            found.append(area)
    return found


class _Comparison:
    """The comparison of all reference counts, window by window."""

    def __init__(
        self, walk: Walk, stored: StoredCounts, areas: list[Area], findings: Findings
    ) -> None:
        self._walk = walk
        self._stored = stored
        self._findings = findings
        self._bits = walk.layout.bits
        self._clusters = -(-walk.file.size >> self._bits)
        self._blocks = np.sort(check_blocks(stored, self._clusters, self._bits, findings))
        self._areas = areas
        self._low, self._high = walk.judge()
        self._contested: list[Positions] = []
        self._contested_count = 0
        self._last = 0

    def run(self) -> None:
        """Go through all clusters, those behind the end that something uses included."""
        walk, usage = self._walk, self._findings.usage
        usage.unit = walk.layout.cluster
        usage.total = -(-walk.layout.size >> self._bits)
        usage.metadata_bytes = 0
        for first in range(0, self._clusters + 1, WINDOW):
            window = Window.empty(first, min(first + WINDOW, self._clusters + 1))
            self._fill(window)
            for part in window.parts():
                self._compare(part)
        usage.end = (self._last + 1) << self._bits
        if self._contested:
            self._lose(np.unique(np.concatenate(self._contested)))

    def _compare(self, window: Window) -> None:
        stored = self._stored.window(window.first, window.stop)
        if not stored.any() and not window.counts.any():
            return
        full = window.counts == MOST_COUNTED
        stored[full] = np.minimum(stored[full], MOST_COUNTED)
        if window.stop > self._clusters and not window.counts[-1]:
            stored[-1] = 0
        self._skip_unreadable(window, stored)
        over, cut = window.cap(self._stored.most)
        if cut:
            self._findings.add(
                Kind.REFCOUNT,
                f"a cluster is used more often than its reference count can say "
                f"(at most {self._stored.most})",
                int(over[0]) << self._bits,
                count=cut,
            )
        contested = window.contested
        self._tell(window, stored, np.flatnonzero(window.counts > stored), contested)
        self._tell_leaks(window, stored, np.flatnonzero(window.counts < stored))
        settled = np.flatnonzero(contested & (window.counts <= stored))
        settled = settled[(window.flags[settled] & META) != 0]
        settled = settled[~np.isin(settled + window.first, over)]
        self._tell(window, stored, settled, contested)
        used = np.flatnonzero((window.counts > 0) | (stored > 0))
        self._last = max(self._last, window.first + int(used[-1]) if len(used) else 0)
        usage = self._findings.usage
        metadata = int(((window.flags & META) != 0).sum()) << self._bits
        usage.metadata_bytes = (usage.metadata_bytes or 0) + metadata

    def _fill(self, window: Window) -> None:
        walk, bits = self._walk, self._bits
        for area in self._areas:
            last = (area.offset + area.length - 1) >> bits
            first = max(area.offset >> bits, window.first)
            window.add(np.arange(first, min(last, window.stop) + 1, dtype=np.int64), META)
        inside = (walk.places < walk.file.size) & (walk.places % walk.layout.cluster == 0)
        for times in np.unique(walk.times).tolist():
            window.add(walk.places[inside & (walk.times == times)] >> bits, META, times)
        window.mark(walk.places[walk.active > 1] >> bits, TWICE)
        touched = (self._low < window.stop) & (self._high >= window.first)
        for number, entries in walk.tables(np.flatnonzero(touched)):
            times, active = int(walk.times[number]), int(walk.active[number])
            offsets = entries.offsets[walk.whole(entries)]
            odd = offsets % walk.layout.cluster != 0
            window.add(offsets[~odd] >> bits, DATA, times, active)
            stops = (offsets[odd] + walk.layout.cluster - 1) >> bits
            window.add_spans(offsets[odd] >> bits, stops, DATA, times)
            window.add_spans(*walk.packed_spans(entries), PACKED, times)
        self._fill_blocks(window)

    def _fill_blocks(self, window: Window) -> None:
        """Count the blocks of reference counts last: nothing else may use their clusters."""
        blocks = self._blocks[(self._blocks >= window.first) & (self._blocks < window.stop)]
        firsts = np.searchsorted(blocks, blocks)
        used = window.counts[blocks - window.first] + np.arange(len(blocks)) - firsts + 1
        used = np.minimum(used, self._stored.most)
        wrong = used != 1
        self._findings.add_all(
            Kind.OVERLAP,
            blocks[wrong] << self._bits,
            lambda index: f"a block of reference counts is used {used[wrong][index]} times",
        )
        window.add(blocks, META)

    def _skip_unreadable(self, window: Window, stored: np.ndarray) -> None:
        """Leave out what blocks of counts say that cannot be read."""
        for number in self._stored.unreadable.tolist():
            per_block = self._stored.per_block
            first = max(number * per_block, window.first) - window.first
            stop = min((number + 1) * per_block, window.stop) - window.first
            if first < stop:
                stored[first:stop] = window.counts[first:stop] = 0

    def _tell(
        self, window: Window, stored: np.ndarray, wrong: Positions, contested: np.ndarray
    ) -> None:
        """Tell of counts that are too small, and whether it is two things that lie there."""
        for clash in (True, False):
            some = wrong[contested[wrong] == clash]
            self._findings.add_all(
                Kind.OVERLAP if clash else Kind.REFCOUNT,
                (some + window.first) << self._bits,
                lambda index, some=some: _told(window, stored, int(some[index])),  # type: ignore[misc]
            )
            if clash and self._contested_count < MOST_CONTESTED and len(some):
                self._contested.append(some + window.first)
                self._contested_count += len(some)

    def _tell_leaks(self, window: Window, stored: np.ndarray, some: Positions) -> None:
        self._findings.usage.leaked_bytes += len(some[window.counts[some] == 0]) << self._bits
        self._findings.add_all(
            Kind.LEAK,
            (some + window.first) << self._bits,
            lambda index: (
                f"a cluster is leaked (its reference count is {stored[some[index]]}, "
                f"it is used {window.counts[some[index]]} times)"
            ),
            severity=Severity.WARNING,
        )

    def _lose(self, contested: Positions) -> None:
        """Find what the disk has in clusters that something else uses, too."""
        walk = self._walk
        walk.lose_tables_at(contested << self._bits, TWICE_USED)
        low = np.searchsorted(contested, self._low)
        high = np.searchsorted(contested, self._high, side="right")
        for number, entries in walk.tables(np.flatnonzero((walk.active > 0) & (low < high))):
            hit = walk.whole(entries) & np.isin(entries.offsets >> self._bits, contested)
            walk.lose(number, hit & ((entries.raw & np.uint64(1)) == 0), TWICE_USED)
            packed = np.flatnonzero(entries.compressed)
            first = entries.packed_at >> self._bits
            last = (entries.packed_at + entries.packed_size - 1) >> self._bits
            hit = np.zeros(len(entries.raw), dtype=np.bool_)
            hit[packed] = np.searchsorted(contested, first) < np.searchsorted(
                contested, last, side="right"
            )
            walk.lose(number, hit, TWICE_USED)


def _told(window: Window, stored: np.ndarray, index: int) -> str:
    flags = int(window.flags[index])
    counts = f"its reference count is {stored[index]}, it is used {window.counts[index]} times"
    if flags & META and flags & (DATA | PACKED):
        return f"a cluster holds a table and data of the disk ({counts})"
    if flags & META and flags & TWICE:
        return f"a cluster holds a table that is used twice ({counts})"
    if flags & TWICE:
        return f"a cluster is used for two places of the disk ({counts})"
    if flags & DATA and flags & PACKED:
        return f"a cluster holds data, and compressed data ({counts})"
    return f"a reference count is too small ({counts})"


def _wishes(layout: Layout, findings: Findings) -> None:
    """Note how to write the image again."""
    findings.options = {
        "cluster_size": str(layout.cluster),
        "compat": "0.10" if layout.version == 2 else "1.1",
        "refcount_bits": str(1 << layout.order),
        "extended_l2": "on" if layout.incompatible & EXTENDED_L2 else "off",
    }
    if layout.incompatible & COMPRESSION:
        findings.options["compression_type"] = "zstd" if layout.compression == 1 else "zlib"
    if findings.usage.compressed:
        findings.level = Level.DEFAULT
    if layout.encryption:
        findings.forgo("its encryption")
    if layout.snapshots:
        findings.forgo(
            f"{layout.snapshots} internal snapshot{'' if layout.snapshots == 1 else 's'}"
        )
    if BITMAPS in layout.extensions:
        findings.forgo("its bitmaps")
