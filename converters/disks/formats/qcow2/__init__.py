"""qcow2, QEMU's own disk format.

Source: QEMU, "docs/interop/qcow2.txt".
"""

from __future__ import annotations

from converters.disks.formats.qcow2.options import OPTIONS
from converters.disks.registry import DiskFormat
from rehost.discovery import later

MAGIC = b"QFI\xfb"

_open = later(f"{__name__}.opening", "open_qcow2")

FORMAT = DiskFormat(
    name="qcow2",
    title="QEMU qcow2",
    suffixes=(".qcow2",),
    recognise=lambda file: file.pread(0, 4) == MAGIC,
    open=_open,
    open_with=_open,
    create=later(f"{__name__}.writer", "create"),
    options=OPTIONS,
    compresses=True,
    overlays=True,
    opens_snapshots=True,
    decrypts=True,
    keeps_bitmaps=True,
    check=later(f"{__name__}.check", "check"),
)
