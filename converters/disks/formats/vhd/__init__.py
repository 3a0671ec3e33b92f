"""VHD, the virtual hard disk of Virtual PC, XenServer and, before VHDX, Hyper-V.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 2006.
"""

from __future__ import annotations

from converters.disks.formats.vhd.check import check
from converters.disks.formats.vhd.footer import COOKIE, Kind, find_footer, footer_at
from converters.disks.formats.vhd.header import Header
from converters.disks.formats.vhd.parent import open_parent
from converters.disks.formats.vhd.reader import DynamicVhd, FixedVhd
from converters.disks.formats.vhd.writer import OPTIONS, create
from converters.disks.gate import Gate
from converters.disks.image import Image
from converters.disks.registry import DiskFormat
from rehost.files import File


def _open(file: File, gate: Gate) -> Image:
    found = find_footer(file)
    if found.footer.kind == Kind.FIXED:
        return FixedVhd(file, found)
    header = Header.read(file, found.footer.header_at)
    differs = found.footer.kind == Kind.DIFFERENCING
    return DynamicVhd(file, found, header, open_parent(file, header, gate) if differs else None)


FORMAT = DiskFormat(
    name="vhd",
    title="Microsoft VHD",
    suffixes=(".vhd", ".vpc", ".avhd"),
    recognise=lambda file: file.pread(0, len(COOKIE)) == COOKIE or footer_at(file) is not None,
    open=_open,
    create=create,
    options=OPTIONS,
    by_end=True,
    overlays=True,
    check=check,
)
