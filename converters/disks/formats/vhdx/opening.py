"""Opening a VHDX: its headers, its log, then the table that finds the blocks."""

from __future__ import annotations

import numpy as np

from converters.disks.formats.vhdx.ground import Ground
from converters.disks.formats.vhdx.header import (
    BAT,
    METADATA,
    MIB,
    Header,
    Region,
    read_creator,
    read_header,
    read_regions,
)
from converters.disks.formats.vhdx.log import replayed
from converters.disks.formats.vhdx.metadata import Metadata
from converters.disks.formats.vhdx.parent import open_parent
from converters.disks.formats.vhdx.reader import VhdxImage, facts_of
from converters.disks.formats.vhdx.table import BlockTable
from converters.disks.gate import Gate
from rehost.files import File

REPLAYED = "the disk was not closed; its log is replayed while it is read"


def open_vhdx(file: File, gate: Gate) -> VhdxImage:
    """Open a disk as it is once its log has been replayed."""
    creator = read_creator(file)
    header, oddities = read_header(file)
    over = replayed(file, header)
    seen = file if over is None else over
    regions, odd_regions = read_regions(seen)
    metadata = Metadata.read(seen, regions[METADATA])
    ground = Ground(seen)
    for offset, length in ((0, MIB), _log_of(header, seen), *regions.values()):
        ground.take(np.array([offset]), length, "part of the VHDX")
    table = BlockTable(seen, regions[BAT], metadata, ground)
    odd = (*oddities, *odd_regions, *([REPLAYED] if over else []))
    parent = open_parent(metadata.locator, file.name, gate)
    solid = file.size if over is None else over.written
    facts = facts_of(creator, header, metadata, table, odd)
    return VhdxImage(seen, metadata, table, solid=solid, parent=parent, facts=facts)


def _log_of(header: Header, file: File) -> Region:
    """Return where the log lies; one that is empty does no harm wherever it is said to be."""
    place = Region(header.log_at, header.log_length)
    sound = place.offset % MIB == place.length % MIB == 0 and sum(place) <= file.size
    return place if sound else Region(0, 0)
