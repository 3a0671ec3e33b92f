"""A stream as whoever parses it from front to back sees it: by its markers, not by its tables.

Source: VMware, "Virtual Disk Format 5.0", section "Stream-Optimized Compressed Sparse Extents".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from converters.disks.formats.vmdk.ending import GRAIN_MARKER
from converters.disks.image import SECTOR, Facts, Image, Packed, Run, Unpack

OUT_OF_ORDER = "its grains do not lie in the order of the disk"


class Marked:
    """A stream-optimized VMDK whose grains unpack only where their markers place them.

    ``oddities`` are known when all runs have been asked for, in order.
    """

    def __init__(self, inner: Image) -> None:
        self.size = inner.size
        self.parent = inner.parent
        self.oddities: tuple[str, ...] = ()
        self._inner = inner
        self._last = -1

    @property
    def facts(self) -> Facts:
        """What its headers say."""
        return self._inner.facts

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """Yield the runs of the stream."""
        for run in self._inner.runs(start, stop):
            source = run.source
            if not isinstance(source, Packed):
                yield run
                continue
            if source.offset < self._last:
                self.oddities = (OUT_OF_ORDER,)
            self._last = source.offset
            unpack = partial(_unpack_placed, run.start // SECTOR, source.unpack)
            yield run._replace(source=source._replace(unpack=unpack))


def _unpack_placed(sector: int, unpack: Unpack, stored: bytes | memoryview) -> bytes | bytearray:
    if len(stored) >= GRAIN_MARKER.size:
        found = GRAIN_MARKER.unpack_from(stored)[0]
        if found != sector:
            raise ValueError(f"its marker names sector {found}, should be {sector}")
    return unpack(stored)
