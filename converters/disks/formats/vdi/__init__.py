"""VDI, the virtual disk of VirtualBox: one map of blocks, in any order.

Source: the layout as VirtualBox (src/VBox/Storage/VDICore.h) and QEMU (block/vdi.c) document it.
"""

from __future__ import annotations

from converters.disks.formats.vdi.options import SUBFORMAT
from converters.disks.registry import DiskFormat
from rehost.discovery import later

SIGNATURE_AT = 64
SIGNATURE = b"\x7f\x10\xda\xbe"

FORMAT = DiskFormat(
    name="vdi",
    title="VirtualBox VDI",
    suffixes=(".vdi",),
    recognise=lambda file: file.pread(SIGNATURE_AT, len(SIGNATURE)) == SIGNATURE,
    open=later(f"{__name__}.opening", "open_vdi"),
    create=later(f"{__name__}.writer", "VdiWriter"),
    options=(SUBFORMAT,),
    overlays=True,
    check=later(f"{__name__}.check", "check"),
)
