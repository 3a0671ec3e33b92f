"""qcow, the first version of QEMU's format, which qcow2 replaced in 2008.

Source: Mark McLoughlin, "The QCOW Image Format", first version, and what qemu-img writes. All
integers are big-endian. Clusters are stored, deflated, or left to the backing file.
"""

from __future__ import annotations

from converters.disks.registry import DiskFormat
from rehost.discovery import later

MAGIC = b"QFI\xfb"
VERSION = b"\0\0\0\1"


FORMAT = DiskFormat(
    name="qcow",
    title="QEMU qcow, version 1",
    suffixes=(".qcow",),
    recognise=lambda file: file.pread(0, 8) == MAGIC + VERSION,
    open=later(f"{__name__}.reader", "open_qcow"),
)
