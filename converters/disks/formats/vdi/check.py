"""Checking VDI: the map against the file, and the header's count of blocks against the map."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from converters.disks.allocation import BlockCheck, Layout, Part
from converters.disks.checking import Checked, Findings, Ground, Kind
from converters.disks.formats.vdi.header import FIXED, Header
from converters.disks.formats.vdi.table import DISCARDED, MOST_BLOCKS, NAME, PART
from converters.disks.gate import Gate
from converters.disks.tables import ABSENT, Positions, read_table
from rehost.errors import DamagedInputError
from rehost.files import File

EMPTY = b"\xff" * 4


def check(file: File, gate: Gate) -> Checked:
    """Check the header and the map of one image."""
    del gate
    header = Header.read(file)
    findings = Findings(file.name)
    needed = -(-header.size // header.block)
    if needed > MOST_BLOCKS or header.map_at + needed * 4 > file.size:
        raise DamagedInputError(
            f"the {NAME} lies behind the end of the file ({needed * 4} bytes are needed, "
            f"the file ends at {file.size})",
            where=f"{file.name} at {header.map_at}",
            hint="The file is cut short; copy it again.",
        )
    ground = Ground(file.name)
    ground.note(0, header.OLD_LAYOUT.size)
    if header.blocks:
        ground.note(header.map_at, header.map_at + header.blocks * 4)
    step = header.block + header.block_extra
    layout = Layout(
        file=file,
        size=header.size,
        block=header.block,
        step=step,
        ahead=header.block_extra,
        what="VDI block",
        entry_at=lambda number: header.map_at + number * 4,
        empty=EMPTY,
    )
    blocks = BlockCheck(layout, ground, findings)
    blocks.run(partial(_parts, file, header, needed))
    blocks.unreachable(file.size, step)
    if header.allocated != findings.usage.allocated:
        said = f"the header counts {header.allocated} blocks, the map {findings.usage.allocated}"
        findings.add(Kind.COPY, said, 0)
    findings.usage.metadata_bytes = header.data_at
    findings.options = {
        "subformat": "fixed" if header.kind == FIXED else "dynamic",
        "block_size": str(header.block),
    }
    return findings.done()


def _parts(file: File, header: Header, needed: int) -> Iterator[Part]:
    step = header.block + header.block_extra
    for first in range(0, needed, PART):
        count = min(PART, needed - first)
        entries = read_table(file, header.map_at + first * 4, count, "<u4", NAME)
        places: Positions = entries.astype(np.int64) * step + header.data_at
        places[entries >= DISCARDED] = ABSENT
        yield Part(first, places)
