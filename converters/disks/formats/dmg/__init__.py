"""DMG, the disk image of macOS ("UDIF"): chunks of sectors, each packed in its own way.

Source: Jonathan Levin, "Demystifying the DMG File Format"; Apple's header hfs/UDIF as published
descriptions give it. All integers are big-endian. Everything is found from the file's end.
"""

from __future__ import annotations

from converters.disks.registry import DiskFormat
from rehost.discovery import later
from rehost.files import File

MAGIC = b"koly"
SIZE = 512
"""That of the trailer, which begins with MAGIC and ends every DMG that is not encrypted."""
ENCRYPTED = b"encrcdsa"
ENCRYPTED_OLD = b"cdsaencr"


def is_encrypted(file: File) -> bool:
    """Say whether a file is a DMG that a passphrase locks."""
    start, end = file.pread(0, 8), file.pread(file.size - 8, 8) if file.size > 8 else b""
    return start == ENCRYPTED or end == ENCRYPTED_OLD


def _recognise(file: File) -> bool:
    ended = file.size >= SIZE and file.pread(file.size - SIZE, 4) == MAGIC
    return ended or is_encrypted(file)


FORMAT = DiskFormat(
    name="dmg",
    title="Apple DMG",
    suffixes=(".dmg",),
    recognise=_recognise,
    open=later(f"{__name__}.reader", "open_dmg"),
    by_end=True,
)
