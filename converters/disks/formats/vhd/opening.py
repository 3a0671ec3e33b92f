"""Opening a VHD of any kind."""

from __future__ import annotations

from converters.disks.formats.vhd.footer import Kind, find_footer
from converters.disks.formats.vhd.header import Header
from converters.disks.formats.vhd.parent import open_parent
from converters.disks.formats.vhd.reader import DynamicVhd, FixedVhd
from converters.disks.gate import Gate
from converters.disks.image import Image
from rehost.files import File


def open_vhd(file: File, gate: Gate) -> Image:
    """Open a disk of the kind that its footer says."""
    found = find_footer(file)
    if found.footer.kind == Kind.FIXED:
        return FixedVhd(file, found)
    header = Header.read(file, found.footer.header_at)
    differs = found.footer.kind == Kind.DIFFERENCING
    return DynamicVhd(file, found, header, open_parent(file, header, gate) if differs else None)
