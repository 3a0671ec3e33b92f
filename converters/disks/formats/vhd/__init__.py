"""VHD, the virtual hard disk of Virtual PC, XenServer and, before VHDX, Hyper-V.

Source: Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0, October 2006.
"""

from __future__ import annotations

from converters.disks.formats.vhd.options import OPTIONS
from converters.disks.formats.vhd.recognition import recognise
from converters.disks.registry import DiskFormat
from rehost.discovery import later

FORMAT = DiskFormat(
    name="vhd",
    title="Microsoft VHD",
    suffixes=(".vhd", ".vpc", ".avhd"),
    recognise=recognise,
    open=later(f"{__name__}.opening", "open_vhd"),
    create=later(f"{__name__}.writer", "create"),
    options=OPTIONS,
    by_end=True,
    overlays=True,
    check=later(f"{__name__}.check", "check"),
)
