"""LUKS version 1 as a disk: a header, then the guest's disk, encrypted sector by sector."""

from __future__ import annotations

from converters.disks.registry import DiskFormat
from rehost.discovery import later
from rehost.files import File

BEGINNING = b"LUKS"

_begins_luks = later("converters.disks.luks", "begins_luks")
_open = later(f"{__name__}.reader", "open_luks")


def _recognise(file: File) -> bool:
    return file.pread(0, len(BEGINNING)) == BEGINNING and bool(_begins_luks(file))


FORMAT = DiskFormat(
    name="luks",
    title="LUKS-encrypted disk",
    suffixes=(".luks",),
    recognise=_recognise,
    open=_open,
    open_with=_open,
    decrypts=True,
)
