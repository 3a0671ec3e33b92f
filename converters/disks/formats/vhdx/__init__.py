"""VHDX, the virtual hard disk of Hyper-V since 2012: fixed, dynamic and differencing.

Source: Microsoft, "[MS-VHDX]: Virtual Hard Disk v2 (VHDX) File Format"; libvhdi's description. A
disk is cut into blocks, which one table finds; a log makes changes to the tables atomic.
"""

from __future__ import annotations

from converters.disks.formats.vhdx.options import OPTIONS
from converters.disks.registry import DiskFormat
from rehost.discovery import later

SIGNATURE = b"vhdxfile"

FORMAT = DiskFormat(
    name="vhdx",
    title="Microsoft VHDX",
    suffixes=(".vhdx", ".avhdx"),
    recognise=lambda file: file.pread(0, len(SIGNATURE)) == SIGNATURE,
    open=later(f"{__name__}.opening", "open_vhdx"),
    create=later(f"{__name__}.writer", "VhdxWriter"),
    options=OPTIONS,
    overlays=True,
    check=later(f"{__name__}.check", "check"),
)
