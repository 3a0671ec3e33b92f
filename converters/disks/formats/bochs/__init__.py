"""Bochs, the growing disk of the emulator of that name: a "redolog" with nothing below it.

Source: "Bochs Developers Guide", section 2.10, "Harddisk Images - Redologs". All integers are
little-endian. A catalog of extents; each extent has a bitmap of the sectors that were written.
"""

from __future__ import annotations

from converters.disks.registry import DiskFormat
from rehost.discovery import later

MAGIC = b"Bochs Virtual HD Image\0"


FORMAT = DiskFormat(
    name="bochs",
    title="Bochs growing disk",
    suffixes=(".bochs",),
    recognise=lambda file: file.pread(0, len(MAGIC)) == MAGIC,
    open=later(f"{__name__}.reader", "open_bochs"),
)
