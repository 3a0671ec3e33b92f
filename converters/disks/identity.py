"""Identifiers of new images: derived from what is in them, for the same input gives the same bytes.

Hypervisors refuse two disks with one identifier, so the size alone would not do: the block table
and the beginning of the data, where a partition table has identifiers of its own, tell disks apart.
"""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID, uuid5

from converters.disks.output import Output

NAMESPACE = UUID("5f0c1a52-8a0b-5a3e-9a35-6f6d3c1b7e24")
SAMPLE = 1 << 20


def identity(output: Output, data_at: int, size: int, table: bytes) -> UUID:
    """Derive the identifier of a disk of ``size`` bytes whose data begins at ``data_at``."""
    seen = sha256(b"%d %d " % (size, len(table)))
    seen.update(table)
    seen.update(output.read(data_at, SAMPLE))
    return uuid5(NAMESPACE, seen.hexdigest())
