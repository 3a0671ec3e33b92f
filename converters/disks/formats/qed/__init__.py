"""QED, the QEMU enhanced disk format of 2010, which qcow2's third version replaced.

Source: QEMU, "docs/interop/qed_spec.txt". All integers are little-endian.
"""

from __future__ import annotations

from converters.disks.registry import DiskFormat
from rehost.discovery import later

MAGIC = b"QED\0"


FORMAT = DiskFormat(
    name="qed",
    title="QEMU QED",
    suffixes=(".qed",),
    recognise=lambda file: file.pread(0, 4) == MAGIC,
    open=later(f"{__name__}.reader", "open_qed"),
)
