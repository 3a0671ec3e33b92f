"""Opening a VDI and the disk below it."""

from __future__ import annotations

from converters.disks.formats.vdi.header import Header
from converters.disks.formats.vdi.parent import open_parent
from converters.disks.formats.vdi.reader import VdiImage
from converters.disks.gate import Gate
from rehost.files import File


def open_vdi(file: File, gate: Gate) -> VdiImage:
    """Open a disk; of one that stores only differences, also the one below."""
    header = Header.read(file)
    parent, oddities = open_parent(file, header, gate) if header.differs else (None, ())
    return VdiImage(file, header, parent, oddities)
