"""Raw images: the guest's disk, byte for byte. What no other format recognises is raw."""

from __future__ import annotations

from converters.disks.registry import DiskFormat
from rehost.discovery import later

FORMAT = DiskFormat(
    name="raw",
    title="Raw disk",
    suffixes=(".raw", ".img", ".iso", ".dd"),
    recognise=lambda file: True,
    open=later(f"{__name__}.reader", "open_raw"),
    create=later(f"{__name__}.writer", "RawWriter"),
)
